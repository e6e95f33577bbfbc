"""
The lists among the settings, entry by entry: views, layers, collections, tokens.

Rule: an entry that is wrong in any part is left out whole, with a fault for each part.
"""

from __future__ import annotations

from dataclasses import is_dataclass
from typing import Any, Literal, cast, get_args, get_origin

from gitsource.configuration.words import did_you_mean, show
from gitsource.declarations import (
    LISTS,
    READERS,
    read,
    row_fields,
)
from gitsource.settings.doors import AdminToken, TrustDomain
from gitsource.settings.following import LayerRow
from gitsource.settings.judging import CollectionRow
from gitsource.settings.serving import DialRow
from gitsource.settings.units import Words
from gitsource.settings.views import ViewRow
from gitsource.settings_checks.whole import Fault, Found

NAMES = {
    LayerRow: "defaults",
    AdminToken: "prometheus",
    CollectionRow: "acme/v1/flags",
    ViewRow: "shop",
    DialRow: "edge",
    TrustDomain: "prod.example.org",
}
"""What the entries of lists are called, by example."""


def entries_of(setting: str, given: Found, faults: list[Fault]) -> tuple[Any, ...]:
    """Return the entries of the list *setting*; a wrong one leaves a fault instead."""
    entries = [] if given.value is None else given.value
    if not isinstance(entries, list):
        message = f"expected a list of {setting}, found {show(entries)}"
        faults.append(Fault(given.place(), setting, message))
        return ()
    kind, rows = LISTS[setting], []
    for index, entry in enumerate(entries):
        rows.append(_entry(kind, f"{setting}[{index}]", (index,), entry, given, faults))
    return tuple(row for row in rows if row is not None)


def _entry(
    kind: type,
    key: str,
    path: tuple[str | int, ...],
    entry: Any,
    given: Found,
    faults: list[Fault],
) -> Any:
    """Return *entry*, which stands at *path* of a list, as *kind*; None after noting a fault."""
    known = row_fields(kind)
    if not isinstance(entry, dict):
        message = f"expected a mapping with {', '.join(known)}, found {show(entry)}"
        faults.append(Fault(given.place(*path), key, message))
        return None
    values: dict[str, Any] = {}
    before = len(faults)
    for name, told in entry.items():
        if name not in known:
            message = f"unknown key {show(name)}{did_you_mean(name, list(known))}"
            faults.append(Fault(given.place(*path, name, at_key=True), key, message))
            continue
        inner = known[name][0]
        if is_dataclass(inner):
            type_ = cast("type", inner)
            values[name] = _entry(type_, f"{key}.{name}", (*path, name), told, given, faults)
            continue
        try:
            values[name] = _value(inner, told)
        except ValueError as error:
            # A URL may carry a password: it is never repeated.
            shown = "" if name == "url" else f", found {show(told)}"
            faults.append(
                Fault(given.place(*path, name), f"{key}.{name}", f"expected {error}{shown}")
            )
    if kind in NAMES and entry.get("name") is None:
        text = f"expected a name such as {NAMES[kind]}"
        faults.append(Fault(given.place(*path), key, text))
    return kind(**values) if len(faults) == before else None


def _value(kind: Any, told: Any) -> Any:
    """Return the value of a key in an entry; ValueError says what was expected instead."""
    if kind is Words:
        listed = read(Words, told)
        if not listed:  # or it would be all the same as leaving the key out
            raise ValueError("at least one glob, or no such key")
        return listed
    if told is not None and type(None) in get_args(kind):
        (kind,) = (inner for inner in get_args(kind) if inner is not type(None))
    if get_origin(kind) is Literal:
        return read(kind, told)
    if kind in READERS and kind is not str:
        return read(kind, told)
    if told is not None and not (isinstance(told, str) and told.isprintable() and told):
        raise ValueError("text")
    return told
