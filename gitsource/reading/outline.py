"""
Where everything in a file stands: the second, slower way over the events that `parse` reads.

Rule: it is only asked when something is wrong, so it may cost a millisecond; it never raises. It
shares the readers with `parse`, so both see the same documents. A file is read as far as is needed
for the places that are asked for. Aliases and merges are followed when a place is asked for and
never copied, so memory stays in proportion to the file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from itertools import repeat
from typing import Any, TypeAlias

from gitsource.model import FieldPath
from gitsource.reading.library import library
from gitsource.reading.readers import DEEPEST, Reader, Unreadable, json_reader, yaml_reader

_BEFORE_JSON = b"\xef\xbb\xbf \t\r\n"
_SOME = 1000
"""Events that are read at a time: most files have fewer."""

Place: TypeAlias = tuple[int, int]
"""Line and column, both from 1."""


class Node:
    """A mapping, a list, an alias, or a scalar with an anchor, and where it starts."""

    __slots__ = ("children", "complete", "mark", "target", "text")

    mark: Any
    text: str
    """A scalar's text: keys go by it."""
    children: dict[str | int | None, Child] | None
    """By key or list index. What ``<<`` merges is under None. Scalars and aliases have none."""
    complete: bool
    """Whether all children are there."""
    target: Node | None
    """What an alias stands for."""

    # NB: a megabyte has some hundred thousand values. Other scalars are but their marks, and this
    # is not a dataclass, since each would cost a tenth of the time of reading.
    def __init__(self, mark: Any, text: str = "") -> None:
        self.mark = mark
        self.text = text
        self.children = None
        self.complete = False
        self.target = None

    def child(self, step: str | int) -> Child | None:
        """Return what is under *step*, in this mapping or list or in one merged into it."""
        pending, seen = [self], set()
        while pending:
            node = pending.pop()
            if node in seen or node.children is None:
                continue
            seen.add(node)
            if step in node.children:
                return node.children[step]
            merged = node.children.get(None)
            if merged is not None and isinstance(merged[1], Node):
                pending.extend(reversed(merged[1].merged_parts()))
        return None

    def merged_parts(self) -> list[Node]:
        """Return the mappings that this value of ``<<`` names, the ones that win first."""
        node = self.target or self
        if node.children is None or 0 not in node.children:
            return [node]
        parts = (part for _, part in node.children.values() if isinstance(part, Node))
        return [part.target or part for part in parts]


Child: TypeAlias = tuple[Any, Any]
"""The mark of the key (in lists, of the value), and the value: a `Node`, or a scalar's mark."""


class _Broken(Exception):
    """The file cannot be read on this way."""


class _Reading:
    """A file as one of the readers reads it, as far as it was asked to."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self.roots: list[Node | None] = []
        """By document."""
        self.first_keys: dict[Place, int] = {}
        """Place of each key that was given before in its mapping, to the line of the first one."""
        self.over = False
        """Whether there is no more to read."""
        self._anchors: dict[str, Node] = {}
        self._open: list[Node] = []
        """The mappings and lists that are being read, the outermost first."""
        self._keys: list[tuple[Any, str | None] | bool | None] = []
        """For each of them the mark and text of the key whose value comes next (no text: it is the
        ``<<`` that merges); None before a key; False in a list."""

    def more(self) -> bool:
        """Read on; return whether there was more. Raises _Broken where reading ends too early."""
        if self.over:
            return False
        lib = library()
        try:
            self._read(lib)
        except (Unreadable, lib.YAMLError) as error:
            self.over = True
            raise _Broken from error
        return True

    def _read(self, lib: Any) -> None:  # noqa: C901, PLR0912  # hot: one piece
        next_event = self.reader.next_event
        opened, keys, anchors = self._open, self._keys, self._anchors
        scalar, alias = lib.ScalarEvent, lib.AliasEvent
        mapping, sequence = lib.MappingStartEvent, lib.SequenceStartEvent
        mapping_end, sequence_end = lib.MappingEndEvent, lib.SequenceEndEvent
        for _ in repeat(None, _SOME):
            event = next_event()
            kind = type(event)
            if kind is mapping_end or kind is sequence_end:
                opened.pop().complete = True
                keys.pop()
                continue
            if kind is scalar:
                value = mark = event.start_mark
                text = event.value
                if event.anchor is not None or not opened:
                    value = Node(mark, text)
            elif kind is mapping or kind is sequence or kind is alias:
                mark, text = event.start_mark, ""
                value = Node(mark)
            elif kind is lib.DocumentStartEvent:
                anchors.clear()
                self.roots.append(None)
                continue
            elif kind is lib.StreamEndEvent:
                self.over = True
                return
            else:
                continue
            if kind is alias:
                value.target = anchors.get(event.anchor)
                text = value.target.text if value.target is not None else ""
            elif event.anchor is not None:
                anchors[event.anchor] = value
            if not opened:
                self.roots[-1] = value
            elif (key := keys[-1]) is False:
                children: Any = opened[-1].children
                children[len(children)] = (mark, value)
            elif key is None:
                merges = text == "<<" and kind is scalar and _merges(event)
                keys[-1] = (mark, None if merges else text)
            else:
                self._put(opened[-1].children, key, value)
                keys[-1] = None
            if kind is mapping or kind is sequence:
                value.children = {}
                opened.append(value)
                keys.append(None if kind is mapping else False)
                if len(opened) > DEEPEST:
                    raise Unreadable("GS104", "nested too deep", *self.reader.place(mark))

    def _put(self, children: Any, key: Any, value: Any) -> None:
        mark, name = key
        if name in children:
            first = self.reader.place(children[name][0])[0]
            self.first_keys[self.reader.place(mark)] = first
        else:
            children[name] = (mark, value)


def _merges(event: Any) -> bool:
    return not event.style and event.ctag is None


class Outline:
    """The places in one file."""

    def __init__(self, *ways: Callable[[], Reader]) -> None:
        """*ways* are those in which the file may be read, each for when the one before fails."""
        self._ways = list(ways)
        self._tried: list[_Reading | None] = []
        self._reading: _Reading | None = None
        self._turn()

    def find(self, index: int, path: FieldPath, *, at_key: bool) -> Place:
        """Return the place of the value at *path* as `parse.locate` promises."""
        while True:
            try:
                return self._find(index, path, at_key=at_key)
            except _Broken:
                self._turn()

    def first_keys(self) -> Mapping[Place, int]:
        """Return the place of each key given before in its mapping → the line of the first one."""
        while True:
            try:
                while self._reading is not None and self._reading.more():
                    pass
            except _Broken:
                self._turn()
            else:
                return {} if self._reading is None else self._reading.first_keys

    def _turn(self) -> None:
        """Begin anew in the next way; after the last, keep to what could be read without it."""
        while self._ways:
            make = self._ways.pop(0)
            try:
                self._reading = _Reading(make())
            except Unreadable:
                self._reading = None
            self._tried.append(self._reading)
            if self._reading is not None:
                return
        self._reading = self._tried[-2:][0]

    def _find(self, index: int, path: FieldPath, *, at_key: bool) -> Place:
        reading = self._reading
        node = self._root(index)
        if node is None or reading is None:
            return 1, 1
        key_mark = mark = node.mark
        for step in path:
            if node is not None and node.target is not None:
                return reading.reader.place(mark)  # the path leads through an alias
            found = self._child(reading, node, step)
            if found is None:
                return reading.reader.place(key_mark)
            key_mark, value = found
            node = value if isinstance(value, Node) else None
            mark = value if node is None else node.mark
        return reading.reader.place(key_mark if at_key else mark)

    def _root(self, index: int) -> Node | None:
        """Return the root of document *index*, reading as far as that."""
        reading = self._reading
        if reading is None or index < 0:
            return None
        while len(reading.roots) <= index or reading.roots[index] is None:
            if not reading.more():
                break
        return reading.roots[index] if index < len(reading.roots) else None

    def _child(self, reading: _Reading, node: Node | None, step: str | int) -> Child | None:
        """Return what is under *step* in *node*, reading on until it is clear what is there."""
        if node is None or node.children is None:
            return None
        while step not in node.children:
            if node.complete or not reading.more():
                # NB: what is merged may be a mapping around this one, through an alias to it.
                while None in node.children and reading.more():
                    pass
                return node.child(step)
        return node.children[step]


@lru_cache(maxsize=1)  # the findings of one file are asked for one after the other
def outline(data: bytes, *, json: bool | None = None) -> Outline:
    """Return the places in *data*; without *json*, it is JSON if it can be read as JSON."""
    as_json = partial(json_reader, data)
    # As `parse` does: perhaps it is only colons inside text that stop the reader.
    as_yaml = (partial(yaml_reader, data), partial(yaml_reader, data, stand_ins=True))
    if not json and not (json is None and data.lstrip(_BEFORE_JSON).startswith((b"{", b"["))):
        return Outline(*as_yaml)
    # JSON is YAML but for corners at which libyaml stops, and libyaml is faster.
    return Outline(as_yaml[0], as_json, *((as_json,) if json else as_yaml))
