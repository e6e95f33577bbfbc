"""
Documents that hold several: ``kind: List``, and the lists that a cluster's API answers with.

Rule: an item is judged and published as if it stood alone. Of a typed list (VirtualServiceList) an
item need not say what it is, as in a cluster's answer.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from gitsource.catalog.whole import Catalog
from gitsource.model import Document, Doubt, Problem, shown

_SUFFIX = "List"


def is_list(value: Any, catalog: Catalog) -> bool:
    """Say whether the document *value* is a list of others, and of no kind that *catalog* has."""
    named, group_version = value.get("kind"), value.get("apiVersion")
    if not isinstance(named, str) or not isinstance(group_version, str):
        return False
    if not named.endswith(_SUFFIX) or (group_version, named) in catalog.by_document:
        return False
    return (group_version, named) == ("v1", _SUFFIX) or isinstance(value.get("items"), list)


def unpacked(document: Document) -> tuple[list[Document], list[Problem]]:
    """Return the items of the list *document*, and what stands there that is none."""
    value = document.value
    found = value.get("items")
    if not isinstance(found, list):
        message = f"expected a list of documents, not {shown(found)}"
        return [], [] if found is None else [Problem("GS301", message, ("items",))]
    items, flaws = [], []
    kind = value["kind"].removesuffix(_SUFFIX)
    for index, item in enumerate(found):
        if not isinstance(item, dict):
            message = f"an item of the list is {shown(item)}, not a mapping"
            flaws.append(Problem("GS108", message, ("items", index)))
            continue
        if kind and "kind" not in item and "apiVersion" not in item:
            item = {"apiVersion": value["apiVersion"], "kind": kind, **item}  # noqa: PLW2901 - filled in
        items.append(Document(item, document.index, document.line, (), _root(document, index)))
    return items, flaws


def _root(document: Document, index: int) -> tuple[str | int, ...]:
    return (*document.root, "items", index)


def doubted(
    items: Sequence[Document], starts: Sequence[tuple[int, int]], doubts: Sequence[Doubt]
) -> list[Document]:
    """Return *items*, which start at the places *starts*, each with those *doubts* it holds."""
    held: list[list[Doubt]] = [[] for _ in items]
    for doubt in doubts:
        at = bisect_right(starts, (doubt.line, doubt.column)) - 1
        if at >= 0:
            held[at].append(doubt)
    return [replace(item, doubts=tuple(own)) for item, own in zip(items, held, strict=True)]
