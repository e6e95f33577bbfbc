"""
An index as a message, and back without reading all of it.

Rule: what comes back answers as what was stored. Its keys are looked up in the message where they
stand, sorted; only what somebody asks for is read. For one owner, like any index.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar, cast

from gitsource._proto.gitsource.state.v1.state_pb2 import Links
from gitsource.references.index import Index
from gitsource.references.rules import Ref

K = TypeVar("K")
V = TypeVar("V")


def stored(index: Index, paths: Sequence[str]) -> Links:
    """Return *index* as a message; *paths* are all its files, in the order that it counts by."""
    places = {path: at for at, path in enumerate(paths)}
    links = Links(facts=[index.files.get(path, b"") for path in paths])
    files: list[int] = []
    documents: list[int] = []
    ends: list[int] = []
    members = index.members
    rows = {key.encode(): found for key, found in _everything(members)}
    keys = sorted(rows)
    for key in keys:
        found = rows[key]
        for path, document in found if isinstance(found, list) else (found,):
            files.append(places[path])
            documents.append(document)
        ends.append(len(files))
    links.keys.extend(keys)
    links.ends.extend(ends)
    links.files.extend(files)
    links.documents.extend(documents)
    count = 0
    for letter in sorted(index.dependents):
        for topic, known in index.dependents[letter].items():
            some = sorted((known,) if isinstance(known, str) else known)
            count += len(some)
            links.topics.append(topic.encode())
            links.topic_ends.append(count)
            links.dependents.extend(places[path] for path in some)
    return links


def restored(links: Links, paths: Sequence[str]) -> Index:
    """
    Return the index that *links* holds of the files *paths*.

    Raises ValueError if the two do not fit together.
    """
    columns = (
        (len(links.facts), len(paths)),
        (len(links.keys), len(links.ends)),
        (len(links.files), links.ends[-1] if links.ends else 0),
        (len(links.files), len(links.documents)),
        (len(links.topics), len(links.topic_ends)),
        (len(links.dependents), links.topic_ends[-1] if links.topic_ends else 0),
    )
    if any(one != other for one, other in columns):
        raise ValueError("the columns of an index have different lengths")
    if max(links.dependents, default=0) >= max(1, len(paths)):
        raise ValueError("an index names files that there are not")
    index = Index()
    index.files = _Facts(links, paths)
    index.members = _Members(links, paths)
    index.dependents = _Dependents(links, paths)
    return index


def _everything(members: Mapping[str, Ref | list[Ref]]) -> Iterator[tuple[str, Ref | list[Ref]]]:
    return members.everything() if isinstance(members, _Members) else iter(members.items())


class Late(dict[K, V], ABC):
    """
    A dictionary whose values stand as numbers until somebody asks for them.

    Its keys are complete from the start. For one owner; values are whatever is no bare number.
    """

    @abstractmethod
    def made(self, at: int, key: K) -> V:
        """Return the value that has the number *at*, that of *key*."""

    def __getitem__(self, key: K) -> V:
        found: Any = super().__getitem__(key)
        if type(found) is int:
            found = self.made(found, key)
            super().__setitem__(key, found)
        return cast("V", found)

    def get(self, key: K, default: Any = None) -> Any:
        """Return the value of *key*."""
        return self[key] if key in self else default  # noqa: SIM401 - that is what this is

    def pop(self, key: K, *default: Any) -> Any:
        """Take *key* out."""
        found = super().pop(key, *default)
        return self.made(found, key) if type(found) is int else found

    def setdefault(self, key: K, default: Any = None) -> Any:
        """Return the value of *key*, which is *default* if there was none."""
        if key not in self:
            self[key] = default
        return self[key]

    def __iter__(self) -> Iterator[K]:
        # Whoever copies a dictionary that has an order of its own asks for its values one by one.
        return super().__iter__()

    def values(self) -> Any:
        """Yield all values."""
        return (self[key] for key in self)

    def items(self) -> Any:
        """Yield all keys with their values."""
        return ((key, self[key]) for key in self)


class _Facts(Late[str, bytes]):
    """The facts of files that have any."""

    def __init__(self, links: Links, paths: Sequence[str]) -> None:
        super().__init__(zip(paths, range(len(paths)), strict=True))  # type: ignore[arg-type]
        self._links = links

    def made(self, at: int, key: str) -> bytes:  # noqa: ARG002 - as above
        return self._links.facts[at]


class _Dependents(Late[str, dict[str, "str | set[str]"]]):
    """Files by topic, a table for each letter of topics."""

    def __init__(self, links: Links, paths: Sequence[str]) -> None:
        super().__init__()
        self._links, self._paths = links, paths
        topics, at = links.topics, 0
        while at < len(topics):
            self[topics[at][:1].decode()] = at  # type: ignore[assignment]
            at = bisect_right(topics, topics[at][:1], at, key=_letter)

    def made(self, at: int, key: str) -> dict[str, str | set[str]]:
        links, paths = self._links, self._paths
        end = bisect_right(links.topics, key.encode(), at, key=_letter)
        start = links.topic_ends[at - 1] if at else 0
        table: dict[str, str | set[str]] = {}
        for topic, last in zip(links.topics[at:end], links.topic_ends[at:end], strict=True):
            files = [paths[each] for each in links.dependents[start:last]]
            table[topic.decode()] = files[0] if len(files) == 1 else set(files)
            start = last
        return table


def _letter(topic: bytes) -> bytes:
    return topic[:1]


class _Members(dict[str, Ref | list[Ref]]):
    """
    The providers of keys: what was stored, and in the dictionary itself what differs from it.

    Only the ways in which an `Index` uses it are meant; it does not list what is stored.
    """

    def __init__(self, links: Links, paths: Sequence[str]) -> None:
        super().__init__()
        self._links, self._paths = links, paths
        self._gone: set[str] = set()

    def get(self, key: str, default: Any = None) -> Any:
        """Return who provides *key*."""
        if key in self._gone:
            return default
        found = super().get(key)
        if found is not None:
            return found
        raw, keys = key.encode(), self._links.keys
        at = bisect_left(keys, raw)
        return self._at(at) if at < len(keys) and keys[at] == raw else default

    def _at(self, at: int) -> Ref | list[Ref]:
        links = self._links
        start = links.ends[at - 1] if at else 0
        found = [
            (self._paths[links.files[each]], links.documents[each])
            for each in range(start, links.ends[at])
        ]
        return found[0] if len(found) == 1 else found

    def __setitem__(self, key: str, value: Ref | list[Ref]) -> None:
        self._gone.discard(key)
        super().__setitem__(key, value)

    def pop(self, key: str, default: Any = None) -> Any:
        """Take *key* out."""
        found = self.get(key, default)
        super().pop(key, None)
        self._gone.add(key)
        return found

    def everything(self) -> Iterator[tuple[str, Ref | list[Ref]]]:
        """Yield all keys with their providers, each once."""
        for at, raw in enumerate(self._links.keys):
            key = raw.decode()
            if key not in self._gone and not super().__contains__(key):
                yield key, self._at(at)
        yield from self.items()
