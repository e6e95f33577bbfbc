"""
What a delta client says it has from an earlier stream, without reading more of it than needed.

Rule: entries are compared as bytes, in whatever order they came; only those are read that differ
from what is expected. Most clients of a storm have just that, and reading 10 000 entries as a map
takes ten times as long as comparing them. Whatever is read is read by Protobuf.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from google.protobuf.message import DecodeError

from gitsource._proto.gitsource.xds.v1 import discovery_pb2
from gitsource.errors import ExchangeError

NAME_CHARACTERS = 2000
"""A longer name of a resource is refused."""


class Stated(Mapping[str, str]):
    """
    Version by name, as a client serialized them.

    Reading from it raises ExchangeError if they are not readable, or a name is too long.
    """

    __slots__ = ("_told", "entries")

    def __init__(self, entries: Iterable[bytes]) -> None:
        self.entries = frozenset(entries)
        """Each serialized: a name and its version."""
        self._told: dict[str, str] | None = None

    @classmethod
    def of(cls, versions: Mapping[str, str]) -> Stated:
        """Return *versions* the way that Protobuf's libraries serialize them."""
        if isinstance(versions, cls):
            return versions
        told = discovery_pb2.InitialVersions(initial_resource_versions=versions)
        heard = discovery_pb2.DeltaDiscoveryRequestHeard.FromString(told.SerializeToString())
        return cls(heard.initial_resource_versions)

    def __repr__(self) -> str:
        return f"<Stated entries={len(self.entries)}>"

    def __len__(self) -> int:
        """How many entries there are, read or not."""
        return len(self.entries)

    def __iter__(self) -> Iterator[str]:
        return iter(self._read())

    def __getitem__(self, name: str) -> str:
        return self._read()[name]

    def _read(self) -> dict[str, str]:
        if self._told is None:
            self._told = read(self.entries)
        return self._told


def read(entries: Iterable[bytes]) -> dict[str, str]:
    """Return version by name; raises ExchangeError if an entry is none, or a name is too long."""
    heard = discovery_pb2.DeltaDiscoveryRequestHeard(initial_resource_versions=entries)
    try:
        told = discovery_pb2.InitialVersions.FromString(heard.SerializeToString())
    except DecodeError as error:
        raise ExchangeError("initial_resource_versions are not names and versions") from error
    versions = dict(told.initial_resource_versions)
    not_too_long(versions)
    return versions


def not_too_long(names: frozenset[str] | dict[str, str]) -> None:
    """Raise ExchangeError if one of *names* is longer than `NAME_CHARACTERS`."""
    if names and max(map(len, names)) > NAME_CHARACTERS:
        raise ExchangeError(f"a resource's name is longer than {NAME_CHARACTERS} characters")
