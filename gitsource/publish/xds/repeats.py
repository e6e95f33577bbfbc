"""
The long part of a request, read once for all clients that say the same.

Rule: the names (and versions) of a request are one run of fields, with a short rest around it. A
run that was read before is found again byte by byte, and what it was read as is shared; the rest is
always read. A run is kept once its beginning was seen twice, so clients that say each something
else, or the same in another order, cost next to nothing. What is kept is bounded.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Generic, TypeVar

from gitsource.publish.xds.words import DeltaRequest, SotwRequest

LONG = 4096
"""Bytes from which a request is looked at."""
RUNS = 32
"""Runs kept."""
RUN_BYTES = 8 * 1024 * 1024
"""The most they may take up together; what they were read as takes about three times that."""
HEADS = 64
"""Beginnings of runs remembered."""
HEAD = 256
"""Bytes of a beginning."""
FIELDS = 16
"""Fields that may stand before a run."""

R = TypeVar("R", SotwRequest, DeltaRequest)


class Repeats(Generic[R]):
    """Reads requests by *decode*; *fields* are those of a run, by their tags."""

    def __init__(self, decode: Callable[[bytes], R], fields: dict[int, str]) -> None:
        self._decode: Callable[[bytes], R] = decode
        self._tags = frozenset(fields)
        self._bytes = frozenset(bytes((tag,)) for tag in fields)
        self._fields = tuple(fields.values())
        self._runs: list[tuple[bytes, dict[str, Any]]] = []
        """Those found last come first."""
        self._heads: OrderedDict[bytes, None] = OrderedDict()

    def __repr__(self) -> str:
        size = sum(len(run) for run, _ in self._runs)
        return f"<Repeats runs={len(self._runs)} bytes={size}>"

    def read(self, data: bytes) -> R:
        """Return what *decode* does of *data*, and raise what it raises."""
        start = _start(data, self._tags) if len(data) >= LONG else None
        if start is None:
            return self._decode(data)
        for at, (run, kept) in enumerate(self._runs):
            end = start + len(run)
            # If it went on behind it, there would be more names.
            if data.startswith(run, start) and data[end : end + 1] not in self._bytes:
                rest = self._decode(data[:start] + data[end:])
                if self._names_more(rest):
                    break
                self._runs.insert(0, self._runs.pop(at))
                return replace(rest, **kept)
        request = self._decode(data)
        head = data[start : start + HEAD]
        if head in self._heads:
            self._keep(data, start, request)
        self._heads[head] = None
        self._heads.move_to_end(head)
        if len(self._heads) > HEADS:
            self._heads.popitem(last=False)
        return request

    def _names_more(self, rest: R) -> bool:
        """Whether there are names outside of the run as well."""
        return any(getattr(rest, name) for name in self._fields)

    def _keep(self, data: bytes, start: int, request: R) -> None:
        end = _end(data, start, self._tags)
        if end is None or end - start > RUN_BYTES:
            return
        rest = self._decode(data[:start] + data[end:])
        if self._names_more(rest):
            return
        self._runs.insert(0, (data[start:end], {n: getattr(request, n) for n in self._fields}))
        size = sum(len(run) for run, _ in self._runs)
        while len(self._runs) > RUNS or size > RUN_BYTES:
            size -= len(self._runs.pop()[0])


def _start(data: bytes, tags: frozenset[int]) -> int | None:
    """Return where the first field with one of *tags* is; None if that is not easily said."""
    at: int | None = 0
    for _ in range(FIELDS):
        if at is None or at >= len(data):
            return None
        if data[at] in tags:
            return at
        at = _next(data, at)
    return None


def _end(data: bytes, at: int, tags: frozenset[int]) -> int | None:
    """Return where the fields with *tags* that begin at *at* end."""
    found: int | None = at
    while found is not None and found < len(data) and data[found] in tags:
        found = _next(data, found)
    return found


def _next(data: bytes, at: int) -> int | None:
    """Return where the field behind that at *at* begins; None if it has no length, or no end."""
    if data[at] & 0x87 != 0x02:
        return None
    length, shift, at = 0, 0, at + 1
    while at < len(data) and shift < 35:
        byte = data[at]
        length |= (byte & 0x7F) << shift
        shift, at = shift + 7, at + 1
        if byte < 0x80:
            return at + length if at + length <= len(data) else None
    return None
