"""
Documents that no collection takes: which of them deserve a word, and what.

Rule: what belongs to others passes by as `unknown_kinds` says. What Istio was meant to take is told
of whatever that is, since its author believes that it is published: as an error where a typing
error is plain, as a warning where a later release of Istio may have such a kind.
"""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from gitsource.catalog.whole import Catalog
from gitsource.model import Problem, shown
from gitsource.security.authorize.documents import API_VERSION, KIND

GATEWAY_API = frozenset(("gateway.networking.k8s.io", "gateway.networking.x-k8s.io"))
"""Groups of the Gateway API, experimental kinds included."""

_ALIKE = 0.8
_ALIKE_GROUPS = 0.85
"""From which likeness on one kind, or group, is taken for another, misspelled."""


def told(value: Any, catalog: Catalog) -> Problem | None:
    """Say what is to be told of the document *value*, which no collection takes; None: nothing."""
    named, group_version = value.get("kind"), value.get("apiVersion")
    group = group_version.rpartition("/")[0] if isinstance(group_version, str) else ""
    if (group_version, named) == (API_VERSION, KIND):
        message = "counts for nothing here: only the files of authorization.repository_file do"
        return Problem("GS317", f"this {KIND} {message}", ("kind",), "warning")
    groups = _istio(catalog)
    if any(group in found for found in groups.values()):
        flaw = _of_istio(value, named, group, groups)
    else:
        flaw = _without_version(value, named, group, groups)
    if flaw is not None:
        return flaw
    if not isinstance(named, str) or not isinstance(group_version, str):
        typed = value.get("@type")
        return _unknown(
            value, shown(typed) if typed else "a document without apiVersion and kind", catalog
        )
    if flaw := _not_served(named, group_version, catalog):
        return flaw
    if group in GATEWAY_API:
        return _of_gateway_api(named, catalog)
    return _unknown(value, f"{group_version[:100]} {named[:100]}", catalog)


def _istio(catalog: Catalog) -> dict[str, set[str]]:
    """Return the groups of each of Istio's kinds."""
    groups: dict[str, set[str]] = {}
    for (version, kind), known in catalog.by_document.items():
        if known.builtin:
            groups.setdefault(kind, set()).add(version.rpartition("/")[0])
    return groups


def _of_istio(
    value: Any, named: object, group: str, groups: Mapping[str, set[str]]
) -> Problem | None:
    """Say what keeps a document of one of Istio's groups from being of one of its kinds."""
    if not isinstance(named, str):
        if "kind" in value:
            return Problem("GS305", f"kind has to be a name, not {shown(named)}", ("kind",))
        return Problem("GS305", f"kind is missing: which kind of {group} is this?", ("apiVersion",))
    if named in groups:
        if group in groups[named]:
            return None
        message = f"{named} is of the group {' or '.join(sorted(groups[named]))}, not of {group}"
        return Problem("GS305", message, ("apiVersion",))
    message = f"{group} has no kind {named[:100]} that is known here, so it is not published"
    own = [kind for kind, found in groups.items() if group in found]
    if near := get_close_matches(named[:100], own, 1, _ALIKE):
        return Problem("GS305", f"{message}: did you mean {near[0]}?", ("kind",))
    return Problem("GS305", message, ("kind",), "warning")


def _without_version(
    value: Any, named: object, group: str, groups: Mapping[str, set[str]]
) -> Problem | None:
    """Say that apiVersion is missing or misspelled where all the rest is one of Istio's."""
    if not isinstance(named, str) or named not in groups:
        return None
    if not all(isinstance(value.get(key), dict) for key in ("metadata", "spec")):
        return None
    right = " or ".join(sorted(groups[named]))
    if value.get("apiVersion") is None:
        return Problem("GS305", f"apiVersion is missing: a {named} of Istio's needs it", ("kind",))
    # Others have kinds of these names too, in groups of their own.
    if group and not get_close_matches(group[:100], groups[named], 1, _ALIKE_GROUPS):
        return None
    message = f"{shown(value['apiVersion'])} has no {named}: did you mean one of {right}?"
    return Problem("GS305", message, ("apiVersion",))


def _not_served(named: str, group_version: str, catalog: Catalog) -> Problem | None:
    group = group_version.rpartition("/")[0]
    served = [
        version
        for (version, kind) in catalog.by_document
        if kind == named and version.rpartition("/")[0] == group
    ]
    if not served:
        return None
    message = (
        f"{named} is not served as {group_version[:100]}, so this document is not "
        f"published: write apiVersion {' or '.join(served)}"
    )
    # Ignoring it would withdraw a resource from sinks on account of a typing error.
    return Problem("GS306", message, ("apiVersion",))


def _of_gateway_api(named: str, catalog: Catalog) -> Problem | None:
    """Say what a Gateway API document is, unless that is known."""
    refused = "error" in (catalog.unknown_kinds, catalog.gateway_api)
    if catalog.gateway_api == "ignore" and not refused:
        return None
    message = (
        f"{named[:100]} of the Gateway API is not delivered: istiod takes that kind from the "
        "cluster alone, so apply it there; a collection of your own can carry it to other sinks"
    )
    return Problem("GS316", message, ("kind",), "error" if refused else "warning")


def _unknown(value: Any, what: str, catalog: Catalog) -> Problem | None:
    """Say that there is no collection for *what*, if that is asked for."""
    if catalog.unknown_kinds == "ignore":
        return None
    return Problem(
        "GS305",
        f"no collection takes {what}: define one under `collections`, or move the file away",
        ("kind" if "kind" in value else "@type",),
        "error" if catalog.unknown_kinds == "error" else "warning",
    )
