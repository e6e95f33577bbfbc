"""
Who provides what: the index by which documents find each other, and what a change makes of it.

Rule: a `Draft` is computed from the index and the files that differ, and changes nothing; only its
`accepted` does. So a revision that is held leaves no trace. The cost of both follows the change:
what is judged again are the files that differ, those that depend on a topic whose answer is another
now, and those that share a key whose first provider is. An answer is the first provider (and what
that one says); of workloads, all of them.

The facts stand in memory as the bytes they are cached as, and are read when somebody asks.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, TypeAlias

from gitsource._proto.gitsource.state.v1.state_pb2 import Facts, FileFacts
from gitsource.references.keys import covers, topic_of
from gitsource.references.rules import Ref, judged, topics
from gitsource.settings.judging import References

CODES = frozenset(f"GS4{number:02}" for number in range(1, 100))
"""Codes of what one document says of another."""
WHOLE = "wc"
"""Letters of the topics of which every provider counts."""
MEMBERS = "vpsra"
"""Letters of the keys that documents exclude each other by: providing is depending."""

Members: TypeAlias = dict[str, Ref | list[Ref]]
"""Providers by key, in order; one stands by itself."""


@dataclass(frozen=True, slots=True, order=True)
class Remark:
    """A claim that does not hold, before its place in the file is known."""

    file: str
    document: int
    """As `parse.locate` counts."""
    root: str
    """Path of the object in the document, as the facts have it."""
    path: str
    """Path of the claim in the object."""
    code: str
    message: str
    severity: Literal["warning", "error"]
    resource: str
    suppressed: bool
    """Whether the resource asks to let this warning alone."""


class Index:
    """The facts of every file that stands, found by key. One owner changes it."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.members: Members = {}
        self.dependents: dict[str, dict[str, str | set[str]]] = {}
        """Files by letter and topic; one stands by itself."""

    def __repr__(self) -> str:
        return f"<Index files={len(self.files)} keys={len(self.members)}>"

    def draft(self, changed: Mapping[str, bytes | None], *, full: bool = False) -> Draft:
        """
        Return what becomes of this index when the facts of files are *changed* (None: file gone).

        With *full* they are all there are.
        """
        return Draft(Index() if full else self, changed)

    def take(
        self, members: Mapping[str, Ref | list[Ref] | None], changed: Mapping[str, bytes | None]
    ) -> None:
        """Take over the providers of some keys, and the facts of the files that *changed*."""
        for key, found in members.items():
            if found is None:
                self.members.pop(key, None)
            else:
                self.members[key] = found
        for path, raw in changed.items():
            before = self.files.pop(path, b"")
            if raw:
                self.files[path] = raw
            if before != (raw or b""):
                for topic in _topics_of(before):
                    self._forget(topic, path)
                for topic in _topics_of(raw):
                    self._register(topic, path)

    def _register(self, topic: str, path: str) -> None:
        table = self.dependents.setdefault(topic[0], {})
        known = table.get(topic)
        if known is None:
            table[topic] = path
        elif isinstance(known, set):
            known.add(path)
        elif known != path:
            table[topic] = {known, path}

    def _forget(self, topic: str, path: str) -> None:
        table = self.dependents.get(topic[0], {})
        known = table.get(topic)
        if isinstance(known, set):
            known.discard(path)
            if not known:
                del table[topic]
        elif known == path:
            del table[topic]


class Draft:
    """An index that some files of another are changed in."""

    def __init__(self, base: Index, changed: Mapping[str, bytes | None]) -> None:
        self.base = base
        self.changed = changed
        self.members: dict[str, Ref | list[Ref] | None] = {}
        """Providers of the keys that the change touches; None: none is left."""
        self._put_in_place()

    def __repr__(self) -> str:
        return f"<Draft of {self.base!r}: {len(self.changed)} files changed>"

    def first(self, key: str) -> Ref | None:
        """Return the first document that provides *key*."""
        found = self.members[key] if key in self.members else self.base.members.get(key)
        return found[0] if isinstance(found, list) else found

    def all(self, key: str) -> Sequence[Ref]:
        """Return every document that provides *key*."""
        found = self.members[key] if key in self.members else self.base.members.get(key)
        return found if isinstance(found, list) else () if found is None else (found,)

    def facts(self, ref: Ref) -> Facts:
        """Return the facts of a document."""
        path, number = ref
        return _read(self._raw(path)).documents[number]

    def _raw(self, path: str) -> bytes:
        found = self.changed[path] if path in self.changed else self.base.files.get(path)
        return found or b""

    def accepted(self) -> Index:
        """Make this what stands, and return the index that has it: the base, or a new one."""
        self.base.take(self.members, self.changed)
        return self.base

    # ------------------------------------------------------------------ what changes

    def _put_in_place(self) -> None:
        standing, touched = self.base.members, self.members
        # In order, so that in a long list of providers the next one belongs at the end.
        for path in sorted(self.changed):
            raw, before = self.changed[path], self.base.files.get(path, b"")
            if before == (raw or b""):
                continue
            for key, ref in _provided(path, before):
                if key not in touched:
                    found = standing.get(key)
                    touched[key] = list(found) if isinstance(found, list) else found
                touched[key] = _without(touched[key], ref)
            for key, ref in _provided(path, raw or b""):
                if key not in touched:
                    found = standing.get(key)
                    touched[key] = list(found) if isinstance(found, list) else found
                touched[key] = _with(touched[key], ref)

    def affected(self) -> set[str]:
        """Return the files whose claims have to be judged: those that stand and may differ."""
        found = {path for path, raw in self.changed.items() if raw}
        if not self.base.files:
            return found
        for key in self.members:
            if not self._differs(key):
                continue
            if key[0] in MEMBERS:
                found.update(path for path, _ in self.all(key))
            else:
                found.update(self._dependent(topic_of(key)))
        return {path for path in found if self._raw(path)}

    def _differs(self, key: str) -> bool:
        """Whether those who look *key* up get another answer than before."""
        if key[0] in WHOLE:
            return True
        before = self.base.members.get(key)
        before = before[0] if isinstance(before, list) else before
        after = self.first(key)
        if before != after:
            return True
        path = after[0] if after is not None else ""
        return path in self.changed and self.changed[path] != self.base.files.get(path)

    def _dependent(self, topic: str) -> Iterator[str]:
        table = self.base.dependents.get(topic[0], {})
        asked: Iterable[str] = (topic,)
        if topic[0] in "dh" and topic[2] == "*":
            # What a wildcard covers is registered under its own name. Wildcards are rare, so those
            # who depend on a host are not registered under each that might cover it one day.
            pattern, bar, rest = topic[2:].partition("|")
            asked = [
                each
                for each in table
                if each.endswith(bar + rest) and covers(pattern, each[2:].partition("|")[0])
            ]
        for each in asked:
            known = table.get(each, ())
            yield from (known,) if isinstance(known, str) else known

    # ------------------------------------------------------------------ what is wrong

    def remarks(self, rules: References, affected: Iterable[str]) -> Iterator[Remark]:
        """Yield what is wrong with the claims of the files *affected*, in no particular order."""
        for path in affected:
            for number, own in enumerate(_read(self._raw(path)).documents):
                for claim in own.claims:
                    verdict = judged(claim, own, (path, number), self, rules)
                    if verdict is None:
                        continue
                    severity = rules.of(verdict.code)
                    if severity != "off":
                        yield Remark(
                            path, own.document, own.root, claim.path, *verdict, severity,
                            own.resource,
                            severity == "warning" and verdict.code in own.suppressed,
                        )  # fmt: skip


@lru_cache(1024)  # a few KB each; most are asked for again at once or not at all
def _read(raw: bytes) -> FileFacts:
    return FileFacts.FromString(raw)


def _provided(path: str, raw: bytes) -> Iterator[tuple[str, Ref]]:
    if raw:
        for number, facts in enumerate(_read(raw).documents):
            ref = (path, number)
            for key in facts.provides:
                yield key, ref


def _topics_of(raw: bytes | None) -> set[str]:
    if not raw:
        return set()
    documents = _read(raw).documents
    return {topic for own in documents for claim in own.claims for topic in topics(claim, own)}


def _without(found: Ref | list[Ref] | None, ref: Ref) -> Ref | list[Ref] | None:
    if isinstance(found, list):
        at = bisect_left(found, ref)
        if at < len(found) and found[at] == ref:
            del found[at]
        return (found[0] if len(found) == 1 else found) or None
    return None if found == ref else found


def _with(found: Ref | list[Ref] | None, ref: Ref) -> Ref | list[Ref]:
    if found is None:
        return ref
    if isinstance(found, list):
        insort(found, ref)
        return found
    return sorted((found, ref))
