"""
An index as a message, and back without reading all of it.

Rule: what comes back answers as what was stored. Its keys are looked up in the message where they
stand, sorted; only what somebody asks for is read. For one owner, like any index.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from gitsource._proto.gitsource.state.v1.state_pb2 import Links
from gitsource.references.index import Index
from gitsource.references.rules import Ref


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
    for table in index.dependents.values():
        for topic, known in table.items():
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
    index = Index()
    index.files = {path: raw for path, raw in zip(paths, links.facts, strict=True) if raw}
    index.members = _Members(links, paths)
    files = [paths[at] for at in links.dependents]
    for topic, (start, end) in zip(links.topics, pairwise((0, *links.topic_ends)), strict=True):
        name = topic.decode()
        table = index.dependents.setdefault(name[0], {})
        table[name] = files[start] if end - start == 1 else set(files[start:end])
    return index


def _everything(members: Mapping[str, Ref | list[Ref]]) -> Iterator[tuple[str, Ref | list[Ref]]]:
    return members.everything() if isinstance(members, _Members) else iter(members.items())


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
