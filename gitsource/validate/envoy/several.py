"""
Files that hold several resources of xDS: a list, or ``resources: […]`` as Envoy reads it from disk.

Rule: each of them is judged and published as if it stood alone. A list is only taken for one of
resources where one of its items says so by its ``@type``, or where the file belongs to a collection
of Envoy's messages by its path; every other list is what it was.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from typing import Any

from gitsource.catalog.kinds import Kind, body_descriptor
from gitsource.catalog.whole import Catalog
from gitsource.model import Document, FieldPath, Problem, shown
from gitsource.validate.envoy.wrapper import is_wrapper

RESPONSE = "envoy.service.discovery.v3.DiscoveryResponse"
MOST = 100
"""Items of a list that are told to be none: the author reads no more at once."""
_BESIDE = frozenset(
    (
        *("@type", "resources", "type_url", "typeUrl", "version_info", "versionInfo", "nonce"),
        *("canary", "control_plane", "controlPlane"),
    )
)
"""Fields of a response; all but the resources and their type mean nothing in a file."""


def several(value: Any, route: Kind | None, catalog: Catalog) -> bool:
    """Say whether the document *value* holds several resources."""
    items = _items(value, route)
    if items is None:
        return False
    if route is not None:
        return route.envoy
    url = _type_url(value)
    return any(_of_a_type(item, url, catalog) for item in items)


def _items(value: Any, route: Kind | None) -> list[Any] | None:
    if isinstance(value, list):
        return value
    found = value.get("resources")
    if not isinstance(found, list) or "apiVersion" in value or "kind" in value:
        return None
    told = value.get("@type", RESPONSE)
    if not isinstance(told, str) or told.rpartition("/")[2] != RESPONSE:
        return None
    if route is not None and route.envoy:
        fields = body_descriptor(route.body).fields_by_name
        return None if "resources" in fields else found
    return found


def _type_url(value: Any) -> str:
    if isinstance(value, list):
        return ""
    told = value.get("type_url") or value.get("typeUrl")
    return told if isinstance(told, str) else ""


def _of_a_type(item: Any, url: str, catalog: Catalog) -> bool:
    if not isinstance(item, dict):
        return False
    told = item.get("@type") or url
    if not isinstance(told, str):
        return False
    return is_wrapper(item) or told.rpartition("/")[2] in catalog.by_type


def taken_apart(document: Document) -> tuple[list[Document], list[Problem]]:
    """Return the resources that *document* holds, and what stands there that is none."""
    value = document.value
    root: FieldPath = () if isinstance(value, list) else ("resources",)
    flaws = [] if isinstance(value, list) else list(islice(_strangers(value), MOST))
    url = _type_url(value)
    items = []
    for index, item in enumerate(value if isinstance(value, list) else value["resources"]):
        if not isinstance(item, dict):
            if len(flaws) >= MOST:
                continue
            message = f"an item of the list is {shown(item)}, not a mapping"
            flaws.append(Problem("GS108", message, (*root, index)))
            continue
        told = item if "@type" in item or not url else {"@type": url, **item}
        place = (*document.root, *root, index)
        items.append(replace(document, value=told, root=place, doubts=()))
    return items, flaws


def _strangers(value: dict[str, Any]) -> Iterator[Problem]:
    for key in value:
        if key not in _BESIDE:
            message = f"a list of resources has no field {shown(key)}"
            yield Problem("GS310", message, (key,), at_key=True)
