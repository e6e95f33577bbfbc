"""
The document around a resource: `@type: …/envoy.service.discovery.v3.Resource`.

Rule: what goes out is the resource inside; the wrapper says of it what its message has no field
for: a name where the message has none, how long it lives, its aliases, labels and annotations.
Its TTL and its aliases become annotations, so a change of them is a change of the resource.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from gitsource.encode.scalars import Refused, duration
from gitsource.model import FieldPath, Problem, shown

WRAPPER = "envoy.service.discovery.v3.Resource"
OWN = "gitsource.dev"
"""The key of ``metadata.filter_metadata`` under which labels and annotations stand."""
TTL = "gitsource.dev/ttl"
"""The annotation with the TTL: seconds, with up to nine decimals, and ``s``."""
ALIASES = "gitsource.dev/aliases"
"""The annotation with the other names of a resource, sorted, with spaces between."""
INNER: FieldPath = ("resource",)
ANNOTATIONS: FieldPath = ("metadata", "filter_metadata", OWN, "annotations")
_NAME = re.compile(r"[!-~]{1,1024}")
_MOST_ALIASES = 1000
LONGEST_TTL = 999_999_999
"""Seconds: some thirty years."""


@dataclass(frozen=True, slots=True)
class Wrapper:
    """What stands around a resource."""

    inner: dict[str, Any] | None
    """The resource itself, a message with ``@type``; None if there is none."""
    name: str = ""
    """Empty: not given."""
    ttl: str = ""
    """The value of the annotation; empty: not given."""
    aliases: tuple[str, ...] = ()
    labels: dict[str, str] = field(default_factory=dict)
    annotations: dict[str, str] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    """With paths from the wrapper on."""

    def annotated(self) -> dict[str, str]:
        """Return the annotations that the resource gets."""
        told = {TTL: self.ttl, ALIASES: " ".join(self.aliases)}
        return self.annotations | {key: text for key, text in told.items() if text}


def is_wrapper(value: Any) -> bool:
    """Say whether the document *value* is a wrapper."""
    told = value.get("@type")
    return isinstance(told, str) and told.rpartition("/")[2] == WRAPPER


def unwrapped(value: Mapping[str, Any]) -> Wrapper:
    """Return what the wrapper *value* says."""
    told: list[Problem] = list(_strangers(value))
    inner = value.get("resource")
    if not isinstance(inner, dict):
        message = f"expected the resource that is delivered, not {shown(inner)}"
        told.append(Problem("GS301", message, INNER if "resource" in value else ()))
        inner = None
    labels, annotations = _metadata(value.get("metadata"), told)
    return Wrapper(
        inner,
        _name(value.get("name"), told),
        _ttl(value.get("ttl"), told),
        _aliases(value.get("aliases"), told),
        labels,
        annotations,
        tuple(told),
    )


_READ = ("@type", "name", "ttl", "aliases", "metadata", "resource")


def _strangers(value: Mapping[str, Any]) -> Iterator[Problem]:
    for key in value:
        if key in ("version", "resource_name", "resourceName", "cache_control", "cacheControl"):
            message = f"{key} is not delivered (versions come from the content): remove it"
            yield Problem("GS341", message, (key,), at_key=True)
        elif key not in _READ:
            yield Problem("GS310", f"Resource has no field {shown(key)}", (key,), at_key=True)


def _name(value: Any, told: list[Problem]) -> str:
    if value is None or value == "":
        return ""
    if isinstance(value, str) and _NAME.fullmatch(value):
        return value
    message = f"{shown(value)} cannot be the name of a resource: use text without spaces"
    told.append(Problem("GS303", message, ("name",)))
    return ""


def _ttl(value: Any, told: list[Problem]) -> str:
    if value is None:
        return ""
    try:
        found = duration(value)
    except Refused as refused:
        told.append(Problem("GS301", str(refused), ("ttl",)))
        return ""
    seconds, nanos = found["seconds"], found["nanos"]
    if seconds < 0 or nanos < 0 or not (seconds or nanos) or seconds > LONGEST_TTL:
        message = f"expected a TTL above zero, of at most {LONGEST_TTL} seconds"
        told.append(Problem("GS301", message, ("ttl",)))
        return ""
    return f"{seconds}.{nanos:09}".rstrip("0").rstrip(".") + "s"


def _aliases(value: Any, told: list[Problem]) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, list) or len(value) > _MOST_ALIASES:
        message = f"expected a list of at most {_MOST_ALIASES} names, not {shown(value)}"
        told.append(Problem("GS301", message, ("aliases",)))
        return ()
    good = [isinstance(each, str) and bool(_NAME.fullmatch(each)) for each in value]
    for index, fits in enumerate(good):
        if not fits:
            message = f"{shown(value[index])} cannot be a name: use text without spaces"
            told.append(Problem("GS303", message, ("aliases", index)))
    return tuple(sorted(set(value))) if all(good) else ()


def _metadata(value: Any, told: list[Problem]) -> tuple[dict[str, str], dict[str, str]]:
    """Return the labels and annotations that ``metadata`` has."""
    path: FieldPath = ("metadata",)
    for step in (("filter_metadata", "filterMetadata"), (OWN,)):
        if not _mapping(value, path, told):
            return {}, {}
        at = next((name for name in step if name in value), step[0])
        for key in value:
            if key != at:
                message = f"only what stands under filter_metadata, {OWN} is read: move it there"
                told.append(Problem("GS341", message, (*path, key), at_key=True))
        value, path = value.get(at), (*path, at)
    if not _mapping(value, path, told):
        return {}, {}
    for key in value:
        if key not in ("labels", "annotations"):
            message = f"{OWN} has labels and annotations, not {shown(key)}"
            told.append(Problem("GS310", message, (*path, key), at_key=True))
    return _texts(value, path, "labels", told), _annotations(value, path, told)


def _mapping(value: Any, path: FieldPath, told: list[Problem]) -> bool:
    if value is not None and not isinstance(value, dict):
        told.append(Problem("GS301", f"expected a mapping, not {shown(value)}", path))
    return isinstance(value, dict)


def _annotations(own: Any, path: FieldPath, told: list[Problem]) -> dict[str, str]:
    found = _texts(own, path, "annotations", told)
    for key, instead in ((TTL, "ttl"), (ALIASES, "aliases")):
        if found.pop(key, None) is not None:
            message = f"write {instead} into the Resource itself, instead of this annotation"
            told.append(Problem("GS341", message, (*path, "annotations", key), at_key=True))
    return found


def _texts(own: Any, path: FieldPath, what: str, told: list[Problem]) -> dict[str, str]:
    """Return a mapping of strings, noting what is none."""
    found = own.get(what)
    if found is None:
        return {}
    if not isinstance(found, dict):
        message = f"{what} have to be a mapping of strings, not {shown(found)}"
        told.append(Problem("GS308", message, (*path, what)))
        return {}
    for key, text in found.items():
        if not isinstance(text, str):
            message = f"the value of {shown(key)} has to be a string, not {shown(text)}: quote it"
            told.append(Problem("GS308", message, (*path, what, key)))
    return {key: text for key, text in found.items() if isinstance(text, str)}
