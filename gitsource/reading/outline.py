"""
Where everything in a file stands: the second, slower way over the events that `parse` reads.

Rule: it is only asked when something is wrong, so it may cost a millisecond; it never raises. It
shares the readers with `parse`, so both see the same documents. Aliases and merges are followed
when a place is asked for and never copied, so memory stays in proportion to the file.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, TypeAlias

from gitsource.model import FieldPath
from gitsource.reading.readers import DEEPEST, Reader, Unreadable, json_reader, library, yaml_reader

_BEFORE_JSON = b"\xef\xbb\xbf \t\r\n"

Place: TypeAlias = tuple[int, int]
"""Line and column, both from 1."""


@dataclass(slots=True, eq=False)
class Node:
    """A value and where it starts."""

    mark: Any
    text: str = ""
    """A scalar's text: keys go by it."""
    children: dict[str | int | None, tuple[Any, Node]] | None = None
    """By key or list index: the mark of the key (in lists, of the value) and the value. What ``<<``
    merges is under None. Scalars and aliases have none."""
    target: Node | None = None
    """What an alias stands for."""

    def child(self, step: str | int) -> tuple[Any, Node] | None:
        """Return what is under *step*, in this mapping or list or in one merged into it."""
        pending, seen = [self], set()
        while pending:
            node = pending.pop()
            if node in seen or node.children is None:
                continue
            seen.add(node)
            if step in node.children:
                return node.children[step]
            if None in node.children:
                pending.extend(reversed(node.children[None][1].merged_parts()))
        return None

    def merged_parts(self) -> list[Node]:
        """Return the mappings that this value of ``<<`` names, the ones that win first."""
        node = self.target or self
        if node.children is None or 0 not in node.children:
            return [node]
        return [part.target or part for _, part in node.children.values()]


@dataclass(slots=True)
class _Frame:
    """A mapping or list that is being read."""

    node: Node
    is_mapping: bool
    key: Node | None = None
    """The key whose value comes next."""
    key_merges: bool = False
    """Whether that key is ``<<``."""


@dataclass(slots=True)
class Outline:
    """The places in one file."""

    reader: Reader | None = None
    roots: list[Node | None] = field(default_factory=list)
    """By document, as far as the file can be read."""
    first_keys: dict[Place, int] = field(default_factory=dict)
    """Place of each key that was given before in its mapping, to the line of the first one."""

    def find(self, index: int, path: FieldPath, *, at_key: bool) -> Place:
        """Return the place of the value at *path* as `parse.locate` promises."""
        node = self.roots[index] if 0 <= index < len(self.roots) else None
        if node is None or self.reader is None:
            return 1, 1
        key_mark = node.mark
        for number, step in enumerate(path, 1):
            found = node.child(step)
            if found is None:
                return self.reader.place(key_mark)
            key_mark, node = found
            if node.target is not None and number < len(path):
                break
        else:
            return self.reader.place(key_mark if at_key else node.mark)
        return self.reader.place(node.mark)

    def read(self, reader: Reader) -> bool:  # noqa: C901  # one branch an event
        """Take in all that *reader* can read; return whether that was everything."""
        self.reader = reader
        lib = library()
        anchors: dict[str, Node] = {}
        frames: list[_Frame] = []
        starts = (lib.MappingStartEvent, lib.SequenceStartEvent)
        try:
            while type(event := reader.next_event()) is not lib.StreamEndEvent:
                kind = type(event)
                if kind is lib.DocumentStartEvent:
                    anchors.clear()
                    self.roots.append(None)
                elif kind is lib.MappingEndEvent or kind is lib.SequenceEndEvent:
                    frames.pop()
                elif kind in starts or kind is lib.ScalarEvent or kind is lib.AliasEvent:
                    node = Node(event.start_mark)
                    if kind is lib.AliasEvent:
                        node.target = anchors.get(event.anchor)
                    elif event.anchor is not None:
                        anchors[event.anchor] = node
                    if kind is lib.ScalarEvent:
                        node.text = event.value
                    self._put(frames, node, merges=kind is lib.ScalarEvent and _is_merge(event))
                    if kind in starts:
                        node.children = {}
                        frames.append(_Frame(node, kind is lib.MappingStartEvent))
                        if len(frames) > DEEPEST:
                            return False
        except (Unreadable, lib.YAMLError):
            return False
        return True

    def _put(self, frames: list[_Frame], node: Node, *, merges: bool) -> None:
        """Give *node* its place: the root, a list's next item, a key, or the value of a key."""
        if not frames:
            self.roots[-1] = node
            return
        frame = frames[-1]
        children = frame.node.children
        assert children is not None  # noqa: S101  # frames are mappings and lists
        if not frame.is_mapping:
            children[len(children)] = (node.mark, node)
        elif frame.key is None:
            frame.key, frame.key_merges = node, merges
        else:
            key, frame.key = frame.key, None
            name = None if frame.key_merges else (key.target or key).text
            if name in children and self.reader:
                first = self.reader.place(children[name][0])[0]
                self.first_keys[self.reader.place(key.mark)] = first
            else:
                children[name] = (key.mark, node)


def _is_merge(event: Any) -> bool:
    return event.value == "<<" and not event.style and event.ctag is None


@lru_cache(maxsize=1)  # the findings of one file are asked for one after the other
def outline(data: bytes, *, json: bool | None = None) -> Outline:
    """Return the places in *data*; without *json*, it is JSON if it can be read as JSON."""
    if json is None and data.lstrip(_BEFORE_JSON).startswith((b"{", b"[")):
        found = Outline()
        if _read(found, data, json=True):
            return found
    found = Outline()
    if not _read(found, data, json=bool(json)) and not json:
        # As `parse` does: perhaps it is only colons inside text that stopped the reader.
        again = Outline()
        if _read(again, data, json=False, stand_ins=True):
            return again
    return found


def _read(into: Outline, data: bytes, *, json: bool, stand_ins: bool = False) -> bool:
    try:
        return into.read(json_reader(data) if json else yaml_reader(data, stand_ins=stand_ins))
    except Unreadable:
        return False
