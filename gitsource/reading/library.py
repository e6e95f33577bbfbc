"""
libyaml's parser (ruamel.yaml.clib), and what becomes of its events.

The C parser looks its event classes up by name in its own module and calls what it finds there, and
most of the time that reading takes goes into that. So `library` puts functions there that look at
who reads: for a `Source` they return bare values, for everybody else events, made in one step
instead of by three nested constructors. These are instances of the stock classes and have all their
attributes; ruamel's own loaders do not use events. What was weighed is in
docs/adr/0003-yaml-reader.md.

Rule: a bare value means what the event would. Whatever a bare value cannot tell (an anchor, a tag,
an alias, a scalar that readers disagree on) is noted in the `Source`, and what was read is void.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from types import SimpleNamespace
from typing import Any

from gitsource.errors import ConfigurationError
from gitsource.reading.ambiguous import SPECIAL, doubt_of
from gitsource.reading.scalars import NUMBER_STARTS, Misfit, Scalar, resolve

END: Any = object()
"""Stands for the end of a mapping or list."""
MERGE = "<<"
COUNT = re.compile(r"0|[1-9][0-9]{0,17}")
"""A number of which no reader doubts what it is."""
_TEXT = re.compile(r"[^-+.:0-9a-fA-FxXoOiInN_]|\..*\.", re.DOTALL)
"""What no number, time or date has in any reader's eyes: such a letter or sign, or two dots."""
_MOST_CACHED = 4096
_LONGEST_CACHED = 64


class Source:
    """A text that is read as bare values, by the parser it is handed to."""

    __slots__ = ("data", "line", "unusual")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.unusual = False
        """Whether something was read that a bare value cannot tell."""
        self.line: int | None = None
        """0-based, of the first mapping or list since this was None."""

    @property
    def name(self) -> Source:
        """What marks say they are from: so those who make events know who reads."""
        return self

    def read(self, _size: int) -> bytes:
        """Return all of it; then nothing."""
        data, self.data = self.data, b""
        return data


class _Unusual(Exception):  # control flow within this module
    """A plain scalar that has to be read with its place."""


class _Values(dict[str, Scalar]):
    """Plain scalars by their text. Configuration repeats itself, so most look-ups hit."""

    def __missing__(self, text: str) -> Scalar:
        value: Scalar
        if text and text[0] in NUMBER_STARTS:
            if COUNT.fullmatch(text):
                value = int(text)  # to all readers
            else:
                value = text if _TEXT.search(text) else _undoubted(text)
        elif text in SPECIAL or text == MERGE:
            value = _undoubted(text)
        else:
            value = text  # to all readers, as most of it is
        if len(text) <= _LONGEST_CACHED:
            if len(self) >= _MOST_CACHED:
                self.clear()
            self[text] = value
        return value


known = _Values()
"""Those met before."""


def _undoubted(text: str) -> Scalar:
    try:
        value = resolve(text)
    except Misfit:
        raise _Unusual from None
    if text == MERGE or doubt_of(text, value):
        raise _Unusual
    return value


@cache
def library() -> Any:
    """
    Return libyaml's parser with its event classes and its errors; it costs 20 ms to import.

    Since 0.19.1 ruamel.yaml does not ask for it, and would silently read five times slower.
    """
    try:
        import _ruamel_yaml
    except ImportError as error:
        raise ConfigurationError(
            "the C reader of ruamel.yaml is missing",
            hint="install ruamel.yaml.clib in this environment; gitsource names it as a dependency",
        ) from error
    told = SimpleNamespace(**vars(_ruamel_yaml))
    for name, (init, makes) in _EVENTS.items():
        stock = getattr(_ruamel_yaml, name)
        light = stock
        if init is not None:
            members = {"__init__": init, "__slots__": (), "comment": None, "nr_items": None}
            light = type(name, (stock,), members)
        setattr(told, name, light)
        setattr(_ruamel_yaml, name, makes(light))
    return told


# --------------------------------------------------------------------------- events


def _scalar(
    event: Any, anchor: Any, tag: Any, implicit: Any, value: Any, start: Any, end: Any, style: Any
) -> None:
    event.anchor = anchor
    event.ctag = tag
    event.implicit = implicit
    event.value = value
    event.start_mark = start
    event.end_mark = end
    event.style = style


def _start(
    event: Any, anchor: Any, tag: Any, implicit: Any, start: Any, end: Any, flow_style: Any
) -> None:
    event.anchor = anchor
    event.ctag = tag
    event.implicit = implicit
    event.start_mark = start
    event.end_mark = end
    event.flow_style = flow_style


def _end(event: Any, start: Any, end: Any) -> None:
    event.start_mark = start
    event.end_mark = end


# --------------------------------------------------------------------------- or bare values


def _scalars(light: Any) -> Callable[..., Any]:
    values = known

    def make(
        anchor: Any, tag: Any, implicit: Any, value: Any, start: Any, end: Any, style: Any
    ) -> Any:
        source = start.name
        if type(source) is not Source:
            return light(anchor, tag, implicit, value, start, end, style)
        if anchor is None and tag is None:
            if style:
                return value
            try:
                return values[value]
            except _Unusual:
                pass
        source.unusual = True
        return None

    return make


def _mappings(light: Any) -> Callable[..., Any]:
    def make(anchor: Any, tag: Any, implicit: Any, start: Any, end: Any, flow_style: Any) -> Any:
        source = start.name
        if type(source) is not Source:
            return light(anchor, tag, implicit, start, end, flow_style)
        if anchor is not None or tag is not None:
            source.unusual = True
        if source.line is None:
            source.line = start.line
        return {}

    return make


def _sequences(light: Any) -> Callable[..., Any]:
    def make(anchor: Any, tag: Any, implicit: Any, start: Any, end: Any, flow_style: Any) -> Any:
        source = start.name
        if type(source) is not Source:
            return light(anchor, tag, implicit, start, end, flow_style)
        if anchor is not None or tag is not None:
            source.unusual = True
        if source.line is None:
            source.line = start.line
        return []

    return make


def _ends(light: Any) -> Callable[..., Any]:
    def make(start: Any, end: Any) -> Any:
        return END if type(start.name) is Source else light(start, end)

    return make


def _aliases(light: Any) -> Callable[..., Any]:
    def make(anchor: Any, start: Any, end: Any) -> Any:
        source = start.name
        if type(source) is not Source:
            return light(anchor, start, end)
        source.unusual = True
        return None

    return make


_EVENTS: dict[str, tuple[Any, Callable[[Any], Callable[..., Any]]]] = {
    "ScalarEvent": (_scalar, _scalars),
    "MappingStartEvent": (_start, _mappings),
    "SequenceStartEvent": (_start, _sequences),
    "MappingEndEvent": (_end, _ends),
    "SequenceEndEvent": (_end, _ends),
    "AliasEvent": (None, _aliases),
}
"""What initializes a lighter event of each class, and what makes such events or bare values."""
