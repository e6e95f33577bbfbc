"""
Events to values: builds the documents of one file and notes what is wrong with it.

Rule: whatever is in a file is read or told of here. It may be a megabyte, so values are built
straight from the parser's events, without nodes between, and no position is looked at unless
something is wrong. It keeps its own stack, so nesting costs no recursion.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count, repeat
from typing import Any, Never

from gitsource.model import Document, Doubt
from gitsource.reading.ambiguous import SPECIAL, doubt_of
from gitsource.reading.library import COUNT, library
from gitsource.reading.readers import DEEPEST, Reader, syntax_error
from gitsource.reading.scalars import (
    CORE,
    NUMBER_STARTS,
    Misfit,
    Scalar,
    not_allowed,
    resolve,
    shown,
    tagged,
)

MOST_FLAWS = 100
"""After this many the rest of the file is not read."""
MOST_DOUBTS = 20
"""Doubts that are told of one document."""
TEXT_PER_NODE = 64
"""Every so many characters that an alias repeats count as one more value."""

_MERGE: Any = object()
"""Stands as the key of ``<<`` until its mapping is complete."""
_MOST_CACHED = 4096
_LONGEST_CACHED = 64
_values: dict[str, Scalar] = {}
"""Plain scalars met before. Configuration repeats itself, so nearly every look-up hits."""
_keys: dict[str, str] = {}
"""Plain keys met before; only ones that are strings."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on one file; what exceeds them is a flaw."""

    documents: int = 2000
    """Documents, empty ones too."""
    depth: int = 64
    """Mappings and lists within each other, aliases followed; never more than `DEEPEST`."""
    nodes: int = 200_000
    """Values in all documents together, each use of an alias counted again with all it holds."""


@dataclass(frozen=True, slots=True)
class Flaw:
    """A place where the file cannot be read; always an error."""

    code: str
    message: str
    line: int
    """1-based."""
    column: int
    """1-based, in characters."""


class Stop(Exception):  # control flow inside the parse stage
    """Reading ends here; why is among the flaws already."""


class Constructor:
    """One file being read: what has been found so far, and the document that is being built."""

    def __init__(self, limits: Limits, *, lists: bool = False) -> None:
        """With *lists* a document may be a list, not only a mapping."""
        self._lists = lists
        self.documents: list[Document] = []
        self.flaws: list[Flaw] = []
        self._doubts: list[Doubt] = []
        """Of the document that is being read."""
        self._documents_allowed = limits.documents
        self._depth_allowed = min(limits.depth, DEEPEST)
        self._nodes_allowed = limits.nodes
        self._nodes = 0
        self._open: list[Any] = []
        """Mappings and lists that are not complete, outermost first."""
        self._anchors: dict[str, Any] = {}
        self._merges: dict[int, Any] = {}
        """The ``<<`` key of mappings in `_open`, by id."""

    def run(self, reader: Reader) -> None:
        """Read all documents; raises Unreadable or Stop where reading cannot go on."""
        self._reader = reader
        self._lib = lib = library()
        self._starts = {lib.MappingStartEvent: dict, lib.SequenceStartEvent: list}
        next_event = reader.next_event
        try:
            next_event()  # the start of the stream
            for index in count():
                started = next_event()
                if type(started) is self._lib.StreamEndEvent:
                    return
                if index >= self._documents_allowed:
                    self._stop("GS109", f"more than {self._documents_allowed} documents", started)
                self._document(index, started)
        except self._lib.YAMLError as error:
            raise syntax_error(error, reader) from None

    def _document(self, index: int, started: Any) -> None:
        """Read document *index* to its end; keep it if it is what may be, without a flaw."""
        lib, flaws_before = self._lib, len(self.flaws)
        self._anchors.clear()
        self._doubts.clear()
        if started.version not in (None, (1, 2)):
            message = "this reader follows YAML 1.2; remove the %YAML directive"
            self._flaw("GS102", message, started)
        root = self._reader.next_event()
        kind = type(root)
        if kind in self._starts:
            value = self._starts[kind]()
            self._fill(value, root)
        else:
            value = self._other(root, kind)
        self._reader.next_event()  # the end of the document
        empty = kind is lib.ScalarEvent and not root.value and not root.style and not root.ctag
        if empty or len(self.flaws) > flaws_before:
            return
        if type(value) is not dict and not (self._lists and type(value) is list):
            self._flaw("GS108", f"the document is {_kind_of(value)}, not a mapping", root)
            return
        line = self._reader.place(root.start_mark)[0]
        self.documents.append(Document(value, index, line, tuple(self._doubts)))

    def _fill(self, root: Any, event: Any) -> None:  # noqa: C901, PLR0912, PLR0915  # hot: one piece
        """Read into *root*, the empty mapping or list that *event* starts, until it is complete."""
        lib, next_event = self._lib, self._reader.next_event
        scalar, starts = lib.ScalarEvent, self._starts
        mapping_end, sequence_end = lib.MappingEndEvent, lib.SequenceEndEvent
        values, keys = _values, _keys
        boxes = self._open = []
        depth_allowed, nodes_allowed = self._depth_allowed, self._nodes_allowed
        # A value takes one round, and its end, if it has one, another: when the rounds are used up
        # there are too many values. This stops floods early; the exact count is at the ends.
        rounds = repeat(None, 2 * (nodes_allowed - self._nodes) + 2)
        new = root
        while True:
            if new is not None:
                boxes.append(new)
                if event.anchor is not None or event.ctag is not None:
                    self._named(new, event)
                if len(boxes) > depth_allowed:
                    self._too_deep(event)
                box = new
            else:
                boxes.pop()
                if self._merges:
                    self._merge(box)
                self._nodes += len(box)
                if self._nodes > nodes_allowed:
                    self._too_many(event)
                if not boxes:
                    return
                box = boxes[-1]
            if type(box) is list:
                append = box.append
                for _ in rounds:
                    event = next_event()
                    kind = type(event)
                    if kind is scalar and event.anchor is None and event.ctag is None:
                        if event.style:
                            append(event.value)
                        else:
                            try:
                                append(values[event.value])
                            except KeyError:
                                append(self._plain(event))
                    elif kind is sequence_end:
                        new = None
                        break
                    elif kind in starts:
                        new = starts[kind]()
                        append(new)
                        break
                    else:
                        append(self._other(event, kind))
                else:
                    self._too_many(event)
            else:
                for _ in rounds:
                    event = next_event()
                    kind = type(event)
                    if kind is mapping_end:
                        new = None
                        break
                    if (
                        kind is scalar
                        and not event.style
                        and event.anchor is None
                        and event.ctag is None
                    ):
                        try:
                            key = keys[event.value]
                        except KeyError:
                            key = self._key(event, kind, box)
                    else:
                        key = self._key(event, kind, box)
                    if key in box:
                        name = "<<" if key is _MERGE else key
                        self._flaw("GS103", f"key {shown(name)} is given twice", event)
                    event = next_event()
                    kind = type(event)
                    if kind is scalar and event.anchor is None and event.ctag is None:
                        if event.style:
                            box[key] = event.value
                        else:
                            try:
                                box[key] = values[event.value]
                            except KeyError:
                                box[key] = self._plain(event)
                    elif kind in starts:
                        new = box[key] = starts[kind]()
                        break
                    else:
                        box[key] = self._other(event, kind)
                else:
                    self._too_many(event)

    # ----------------------------------------------------------------- mappings and lists

    def _named(self, box: Any, event: Any) -> None:
        """Take note of the anchor and judge the tag of a mapping or list that *event* starts."""
        own_tag = CORE + ("map" if type(box) is dict else "seq")
        if event.ctag is not None and event.ctag not in ("!", own_tag):
            self._misfit(not_allowed(event.ctag), event)
        if event.anchor is not None:
            self._anchors[event.anchor] = box

    def _merge(self, box: Any) -> None:
        """Put what ``<<`` names into *box*; its own keys win, then earlier mappings over later."""
        event = self._merges.pop(id(box), None)
        if event is None:
            return
        merged = box.pop(_MERGE)
        parts = merged if type(merged) is list else [merged]
        for part in parts:
            if type(part) is not dict:
                message = f"<< merges mappings, and this is {_kind_of(part)}"
                self._flaw("GS112", message, event)
                return
        for part in parts:
            for key, value in part.items():
                box.setdefault(key, value)

    # ----------------------------------------------------------------- keys, scalars, aliases

    def _key(self, event: Any, kind: Any, box: Any) -> Any:
        """Return the key that *event* starts; a flaw gets a stand-in that can be one."""
        if kind in self._starts:
            self._flaw("GS110", "a mapping or a list cannot be a key; keys are strings", event)
            self._skip(event)
            return _stand_in(event)
        if kind is self._lib.AliasEvent:
            key, name = self._alias(event), f"*{event.anchor}"
        else:
            name = event.value
            plain = not event.style and event.ctag is None
            if plain and name == "<<":
                self._merges[id(box)] = event
                return _MERGE
            key = self._scalar(event)
            if type(key) is int and str(key) == name:  # 8080 is "8080" to everyone (not True: bool)
                key = name
            if plain and type(key) is str and name in _values:
                _remember(_keys, name, key)
        if type(key) is str:
            return key
        message = f"key {shown(name)} is {_kind_of(key)}, not a string; put it in quotes"
        self._flaw("GS110", message, event)
        return _stand_in(event)

    def _skip(self, event: Any) -> None:
        """Read to the end of the mapping or list that *event* starts, without building it."""
        lib, depth = self._lib, len(self._open) + 1
        while depth > len(self._open):
            if depth > self._depth_allowed:
                self._too_deep(event)
            event = self._reader.next_event()
            kind = type(event)
            if kind in self._starts:
                depth += 1
            elif kind is lib.MappingEndEvent or kind is lib.SequenceEndEvent:
                depth -= 1

    def _plain(self, event: Any) -> Scalar:
        """Return the value of a plain scalar that was not met before."""
        text: str = event.value
        if text and text[0] not in NUMBER_STARTS and text not in SPECIAL:
            _remember(_values, text, text)  # text to all readers, as most of it is
            return text
        if COUNT.fullmatch(text):
            number = int(text)  # to all readers, too
            _remember(_values, text, number)
            return number
        try:
            value = resolve(text)
        except Misfit as misfit:
            self._misfit(misfit, event)
            return text
        told = doubt_of(text, value)
        if not told:
            _remember(_values, text, value)
        elif len(self._doubts) < MOST_DOUBTS:
            self._doubts.append(Doubt(told, *self._reader.place(event.start_mark)))
        return value

    def _other(self, event: Any, kind: Any) -> Any:
        """Return the value of a scalar with a tag or an anchor, or of an alias."""
        return self._scalar(event) if kind is self._lib.ScalarEvent else self._alias(event)

    def _scalar(self, event: Any) -> Scalar:
        """Return the value of any scalar."""
        value: Scalar
        if event.ctag is not None:
            try:
                value = tagged(event.ctag, event.value)
            except Misfit as misfit:
                self._misfit(misfit, event)
                value = event.value
        elif event.style:
            value = event.value
        else:
            value = self._plain(event)
        if event.anchor is not None:
            self._anchors[event.anchor] = value
        return value

    def _alias(self, event: Any) -> Any:
        """Return what an alias stands for, after counting it and all it holds."""
        name = event.anchor
        if name not in self._anchors:
            self._flaw("GS112", f"alias {shown(name)} has no anchor before it", event)
            return {}
        value = self._anchors[name]
        if any(value is box for box in self._open):
            self._flaw("GS112", f"alias {shown(name)} stands inside its own anchor", event)
            return {}
        nodes, depth = _extent(value, self._nodes_allowed - self._nodes)
        self._nodes += nodes
        if self._nodes > self._nodes_allowed:
            self._too_many(event)
        if len(self._open) + depth > self._depth_allowed:
            self._too_deep(event)
        return value

    # ----------------------------------------------------------------- flaws

    def _flaw(self, code: str, message: str, event: Any) -> None:
        """Note what is wrong where *event* starts; the first flaw at a place says it all."""
        line, column = self._reader.place(event.start_mark)
        last = self.flaws[-1] if self.flaws else None
        if last is None or (last.line, last.column) != (line, column):
            self.flaws.append(Flaw(code, message, line, column))
        if len(self.flaws) >= MOST_FLAWS:
            raise Stop

    def _misfit(self, misfit: Misfit, event: Any) -> None:
        self._flaw(misfit.code, misfit.message, event)

    def _stop(self, code: str, message: str, event: Any) -> Never:
        self._flaw(code, message, event)
        raise Stop

    def _too_many(self, event: Any) -> Never:
        message = f"more than {self._nodes_allowed} values, each use of an alias counted again"
        self._stop("GS105", message, event)

    def _too_deep(self, event: Any) -> Never:
        message = f"mappings and lists are nested more than {self._depth_allowed} deep"
        self._stop("GS104", message, event)


def _extent(value: Any, allowed: int) -> tuple[int, int]:
    """
    Return how many values *value* holds and how deep they go; stop counting beyond *allowed*.

    Long texts count as several values: else a few bytes of aliases would repeat one for ever.
    """
    nodes, depth = 0, 0
    level = [value]
    while level and nodes <= allowed:
        below: list[Any] = []
        for item in level:
            kind = type(item)
            if kind is str:
                nodes += len(item) // TEXT_PER_NODE
            elif kind is dict:
                nodes += len(item) + sum(len(key) // TEXT_PER_NODE for key in item)
                below.extend(item.values())
            elif kind is list:
                nodes += len(item)
                below.extend(item)
            if nodes > allowed:
                break
        depth += any(type(item) in (dict, list) for item in level)
        level = below
    return nodes, depth


def _stand_in(event: Any) -> str:
    """Return a key that no other key of the mapping equals."""
    return f"\0{event.start_mark.index}"


def _shown(key: Any) -> str:
    return shown("<<" if key is _MERGE else key)


def _kind_of(value: Any) -> str:
    return _KINDS[type(value)]


_KINDS = {
    dict: "a mapping",
    list: "a list",
    str: "a string",
    bool: "a boolean",
    int: "a number",
    float: "a number",
    type(None): "null",
}


def _remember(cache: dict[str, Any], text: str, value: Any) -> None:
    if len(text) <= _LONGEST_CACHED:
        if len(cache) >= _MOST_CACHED:
            cache.clear()
        cache[text] = value
