"""
The deliveries of late: what came, from whom, and what became of it; and which IDs were accepted.

Rule: bounded in memory and on disk, and never a secret, a signature or a body. Deliveries whose
sender proved nothing are kept apart, so that noise drives out noise alone. On disk it is a
convenience: a crash may lose the last seconds of it, and where nothing can be written it goes on
in memory. What was accepted within a day is not looked at again, across restarts too; that is no
defence, since most hosts do not sign the ID, and a look too many costs one fetch.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import os
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from itertools import chain
from pathlib import Path
from typing import Any

log = logging.getLogger("gitsource.triggers")

MOST = 200
"""Deliveries remembered, of those whose sender proved who it is and of the others each."""
MOST_IDS = 4096
REMEMBERED = 86_400.0
"""Seconds for which an accepted ID is remembered."""
WRITE_EVERY = 2.0
"""Seconds between writes of the file, if there is news."""
LARGEST = 4 * 1024 * 1024
"""Bytes of a file that is read at all."""


@dataclass(frozen=True, slots=True)
class Row:
    """One delivery."""

    number: int
    """Counts on across restarts."""
    at: float
    """Seconds since the epoch."""
    verdict: str
    status: int
    """What it was answered."""
    proven: bool = False
    """Whether its sender knew a secret; only then are the fields from `ref` on filled."""
    host: str = ""
    event: str = ""
    delivery: str = ""
    """The sender's own ID of it; of one that proved nothing, as far as the headers have it."""
    peer: str = ""
    reason: str = ""
    """Why the sender's proof does not stand."""
    size: int = 0
    """Bytes of the body, as far as it was read."""
    seconds: float = 0.0
    """From the head of the request to the verdict."""
    ref: str = ""
    commit: str = ""
    deleted: bool = False
    repository: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return it with the time as text."""
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(self.at))
        return asdict(self) | {"at": f"{moment}.{int(self.at * 1000) % 1000:03}Z"}


class Seen:
    """The IDs accepted last, each with when."""

    def __init__(self, most: int = MOST_IDS, seconds: float = REMEMBERED) -> None:
        self._most = most
        self._seconds = seconds
        self._ids: OrderedDict[str, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._ids)

    def has(self, host: str, delivery_id: str, now: float) -> bool:
        """Whether *host*'s *delivery_id* was accepted within the time."""
        at = self._ids.get(_digest(host, delivery_id)) if delivery_id else None
        return at is not None and abs(now - at) <= self._seconds

    def add(self, host: str, delivery_id: str, now: float) -> None:
        """Remember *delivery_id*, forgetting the oldest one if there are too many."""
        if delivery_id:
            self._put(_digest(host, delivery_id), now)

    def _put(self, digest: str, at: float) -> None:
        self._ids[digest] = at
        self._ids.move_to_end(digest)
        while len(self._ids) > self._most:
            self._ids.popitem(last=False)

    def dump(self) -> dict[str, float]:
        """Return what `load` takes."""
        return dict(self._ids)

    def load(self, told: Any, now: float) -> None:
        """Take over what an earlier process remembered, as far as it is sound and new enough."""
        for digest, at in told.items() if isinstance(told, dict) else ():
            if isinstance(at, int | float) and len(digest) == 32 and now - at <= self._seconds:
                self._put(digest, float(at))


def _digest(host: str, delivery_id: str) -> str:
    told = f"{host}\0{delivery_id}".encode("utf-8", "surrogateescape")
    return hashlib.sha256(told).hexdigest()[:32]


class Ledger:
    """Deliveries and IDs; lives on the event loop and writes *file* (None: nothing) in a thread."""

    def __init__(
        self,
        file: Path | None = None,
        clock: Callable[[], float] = time.time,
        *,
        write_every: float = WRITE_EVERY,
    ) -> None:
        self._file = file
        self._write_every = write_every
        self._clock = clock
        self._proven: deque[Row] = deque(maxlen=MOST)
        self._others: deque[Row] = deque(maxlen=MOST)
        self._next = 1
        self._dirty = False
        self._complained = False
        self._writer: asyncio.Task[None] | None = None
        self._saving = threading.Lock()
        self.seen = Seen()

    def __repr__(self) -> str:
        return f"<Ledger {len(self._proven)} proven, {len(self._others)} other, {self._file}>"

    # ------------------------------------------------------------------ reading and adding

    def number(self) -> int:
        """Return the number of the next row."""
        number, self._next = self._next, self._next + 1
        return number

    def add(self, row: Row) -> None:
        """Remember *row*."""
        (self._proven if row.proven else self._others).append(row)
        self._dirty = True
        if self._file is not None and self._writer is None:
            self._writer = asyncio.create_task(self._write_now_and_then(), name="ledger")

    def rows(self) -> list[Row]:
        """Return all rows, the newest first."""
        both = chain(self._proven, self._others)
        return sorted(both, key=lambda row: row.number, reverse=True)

    def find(self, name: str) -> Row | None:
        """
        Return the row with the number *name*, or the newest one with it as the sender's ID.

        Whose sender proved something goes before the others: anybody can send an ID.
        """
        rows = [row for row in self.rows() if name in (str(row.number), row.delivery)]
        rows.sort(key=lambda row: (str(row.number) != name, not row.proven, -row.number))
        return rows[0] if rows else None

    # ------------------------------------------------------------------ on disk

    def load(self) -> None:
        """Take over what an earlier process wrote; a file that is none is passed over."""
        if self._file is None:
            return
        try:
            with self._file.open("rb") as file:
                told = json.loads(file.read(LARGEST))
            rows = [_row(each) for each in told["deliveries"]]
            seen = told["seen"]
        except FileNotFoundError:
            return
        except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
            log.warning("the webhook deliveries of before are forgotten: %s", error)
            return
        for row in sorted(rows, key=lambda row: row.number):
            (self._proven if row.proven else self._others).append(row)
            self._next = max(self._next, row.number + 1)
        self.seen.load(seen, self._clock())

    async def _write_now_and_then(self) -> None:
        while self._dirty:
            await asyncio.sleep(self._write_every)
            await self._write()
        self._writer = None

    async def _write(self) -> None:
        self._dirty = False
        await asyncio.to_thread(self._save, self.rows(), self.seen.dump())

    async def close(self) -> None:
        """Write what is not written yet."""
        if self._writer is not None:
            self._writer.cancel()
            await asyncio.wait([self._writer])
            self._writer = None
        if self._file is not None:
            await self._write()

    def _save(self, rows: Iterable[Row], seen: dict[str, float]) -> None:
        assert self._file is not None  # noqa: S101 - the callers asked
        beside = self._file.with_name(f"{self._file.name}.new")
        told = {"deliveries": [asdict(row) for row in rows], "seen": seen}
        # Closing does not wait for a write that is under way.
        with self._saving:
            self._replace(self._file, beside, told)

    def _replace(self, file_: Path, beside: Path, told: dict[str, Any]) -> None:
        try:
            handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump(told, file)
            beside.replace(file_)
        except OSError as error:
            with suppress(OSError):
                beside.unlink()
            if not self._complained:
                log.warning("webhook deliveries are remembered in memory only: %s", error)
            self._complained = True
        else:
            self._complained = False


_TYPES: dict[str, type | tuple[type, ...]] = {
    "int": int,
    "float": (int, float),
    "str": str,
    "bool": bool,
}


def _row(told: Any) -> Row:
    """Return the row that *told* is; raises TypeError or KeyError if it is none."""
    row = Row(**told)
    for each in fields(Row):
        if not isinstance(getattr(row, each.name), _TYPES[str(each.type)]):
            raise TypeError(f"{each.name} is no {each.type}")
    return row
