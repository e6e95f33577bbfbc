"""
What became of the revisions that were looked at, newest last, across restarts.

Rule: bounded in memory and on disk, and a convenience: nothing is decided by it, a line that cannot
be read is passed over, and where nothing can be written it goes on in memory. News are a row each;
a look that comes to the same as the one before counts one up. What was published stands in the
history of snapshots in any case (`History.entries`), so a crash before a row is written loses no
revision: it is taken from there at the next start.

On disk it is one JSON object a line, appended; the file is written anew beside and swapped in when
it has grown to twice what is remembered.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from time import time
from typing import Any

from gitsource.model import Finding, LayerRevision, Revision, Snapshot, empty_collection
from gitsource.reconcile.outcomes import Outcome
from gitsource.rollout.decide import DENIED, GUARDED
from gitsource.snapshot.history import Allowance
from gitsource.snapshot.records import Entry

log = logging.getLogger("gitsource.reconcile")

MOST = 500
"""Rows remembered."""
MOST_FINDINGS = 5
"""Findings kept with a row; the rest is only counted."""
LONGEST = 1000
"""Characters of a reason, a hint or a message that are kept."""
LARGEST = 16 * 1024 * 1024
"""Bytes of the file that are read at all."""

UNTRUSTED = frozenset(("GS211", "GS212", "GS213", "GS214"))
"""Codes of findings about signatures."""


@dataclass(frozen=True, slots=True)
class Row:
    """What one look came to, and how many after it came to the same."""

    at: float
    """When the look ended, in seconds since the epoch."""
    outcome: str
    """``published``, ``held`` or ``failed``."""
    commit: str = ""
    """The head that was looked at; empty if none was seen."""
    subject: str = ""
    author: str = ""
    committed_at: int = 0
    seconds: float = 0.0
    """How long the look took; 0 if only the history of snapshots knows of it."""
    triggers: tuple[str, ...] = ()
    version: str = ""
    """Of the snapshot that was published."""
    changed: tuple[str, ...] = ()
    """The collections that got another version by it."""
    held_by: str = ""
    """What held it: ``guard``, ``history``, ``signature``, ``validation`` or ``pin``."""
    reason: str = ""
    """Why it was held, or what failed."""
    hint: str = ""
    fault: str = ""
    findings: tuple[Finding, ...] = ()
    """The first of them."""
    findings_count: int = 0
    looks: int = 1
    """How many looks in a row came to this."""
    until: float = 0.0
    """When the last of them ended."""
    layer: str = ""
    """Of which layer the commit is; empty for a composition, and for a single repository."""
    layers: tuple[LayerRevision, ...] = ()
    """published: what a composition was of, the lowest first."""
    allowed_by: str = ""
    """published: who let it through, if it was held until then."""
    allowed_because: str = ""
    """Why that was done, as it was said then."""

    @property
    def news(self) -> tuple[str, ...]:
        """What tells this row from the next one."""
        return (self.outcome, self.commit, self.reason)


def held_by(findings: Iterable[Finding]) -> str:
    """Return what holds a revision with these *findings*: its first error says so."""
    code = next((each.code for each in findings if each.severity == "error"), "")
    if not code:
        return "pin"
    if code in UNTRUSTED:
        return "signature"
    if code in {"GS208", DENIED}:
        return "history"
    return "guard" if code in GUARDED else "validation"


def row_of(outcome: Outcome, now: float, snapshot: Snapshot | None, before: Snapshot | None) -> Row:
    """
    Return the row for *outcome*.

    *snapshot* is what it published and *before* what was served until then, if anything.
    """
    revision = outcome.revision or Revision("", "", 0)
    known = before.collections if before is not None else {}
    changed = (
        sorted(
            name
            for name in snapshot.collections.keys() | known.keys()
            if not _same(snapshot, before, name)
        )
        if snapshot is not None
        else ()
    )
    told = [each for each in outcome.findings if not each.suppressed]
    told.sort(key=lambda each: each.severity != "error")
    return Row(
        at=now,
        outcome=outcome.result,
        commit=revision.commit,
        subject=revision.subject[:200],
        author=revision.author[:200],
        committed_at=revision.committed_at,
        seconds=round(outcome.seconds, 6),
        triggers=outcome.triggers,
        version=snapshot.version if snapshot is not None else "",
        changed=tuple(changed),
        held_by=held_by(outcome.findings) if outcome.result == "held" else "",
        reason=outcome.error[:LONGEST],
        hint=outcome.hint[:LONGEST],
        fault=outcome.fault,
        findings=tuple(
            replace(each, message=each.message[:LONGEST]) for each in told[:MOST_FINDINGS]
        ),
        findings_count=len(told),
        until=now,
        layers=revision.layers if outcome.result == "published" else (),
    )


def _same(one: Snapshot, other: Snapshot | None, name: str) -> bool:
    there = other.collection(name) if other is not None else empty_collection(name)
    return there.version == one.collection(name).version


def _is_news(commit: str, published: Snapshot, before: Snapshot | None) -> bool:
    """Whether *published* is of *commit*, or is the first composition that has it."""
    old, new = (
        {one.revision.commit, *(each.commit for each in one.revision.layers)} if one else set()
        for one in (before, published)
    )
    return commit in new - old


def published_rows(entries: Iterable[Entry]) -> list[Row]:
    """Return the history of snapshots, oldest first, as rows: who looked and how long is gone."""
    found: list[Row] = []
    before: dict[str, str] = {}
    for entry in entries:
        now = {name: version for name, (version, count) in entry.collections.items() if count}
        changed = sorted(n for n in now.keys() | before.keys() if now.get(n) != before.get(n))
        revision = entry.revision
        found.append(
            Row(
                at=entry.published_at,
                outcome="published",
                commit=revision.commit,
                subject=revision.subject[:200],
                author=revision.author[:200],
                committed_at=revision.committed_at,
                version=entry.version,
                changed=tuple(changed),
                until=entry.published_at,
                layers=revision.layers,
            )
        )
        before = now
    return found


def merged(written: Sequence[Row], published: Sequence[Row]) -> list[Row]:
    """Return the rows *written* with those *published* that are missing among them, by time."""
    known = {row.commit for row in written if row.outcome == "published"}
    missing = [row for row in published if row.commit not in known]
    return sorted((*written, *missing), key=lambda row: row.at) if missing else list(written)


class Chronicle:
    """The rows; lives on the event loop and writes *file* (None: nothing) in a thread."""

    def __init__(self, file: Path | None = None, clock: Callable[[], float] = time) -> None:
        self._file = file
        self._clock = clock
        self._rows: deque[Row] = deque(maxlen=MOST)
        self._unwritten: list[Row] = []
        self._lines = 0
        self._loaded = file is None
        self._complained = False
        self._writer: asyncio.Task[None] | None = None
        self._served: Snapshot | None = None

    def __repr__(self) -> str:
        return f"<Chronicle {len(self._rows)} rows, {self._file}>"

    # ------------------------------------------------------------------ reading and adding

    @property
    def rows(self) -> tuple[Row, ...]:
        """All rows, oldest first."""
        return tuple(self._rows)

    def serving(self, snapshot: Snapshot | None) -> None:
        """Know what is served before the first look."""
        self._served = snapshot

    def looked(
        self, outcome: Outcome, serving: Snapshot | None, allowance: Allowance | None = None
    ) -> None:
        """
        Remember what a look came to; *serving* is what is served after it.

        *allowance* is what an operator has let through, which may be what went out now.
        """
        for name, held in outcome.held:
            part = replace(
                outcome, result="held", revision=held.revision, error=held.reason, hint="",
                findings=held.findings,
            )  # fmt: skip
            self._add(replace(row_of(part, self._clock(), None, self._served), layer=name))
        if outcome.result not in {"published", "held", "failed"}:
            return
        if outcome.result == "held" and outcome.of_layer:
            return  # told already
        published = serving if outcome.result == "published" else None
        row = row_of(outcome, self._clock(), published, self._served)
        if published is not None:
            if allowance is not None and _is_news(allowance.revision, published, self._served):
                why = allowance.reason[:LONGEST]
                row = replace(row, allowed_by=allowance.who[:200], allowed_because=why)
            self._served = published
        self._add(row)

    def _add(self, row: Row) -> None:
        """Add *row*, or count the last one of its layer up if it tells the same."""
        at = next((at for at, each in _newest(self._rows) if each.layer == row.layer), None)
        last = self._rows[at] if at is not None else None
        if at is not None and last is not None and last.news == row.news:
            self._rows[at] = replace(last, looks=last.looks + 1, until=row.at)
            return
        self._rows.append(row)
        if self._file is not None:
            self._unwritten.append(row)
            self._write_soon()

    # ------------------------------------------------------------------ on disk

    async def load(self, entries: Sequence[Entry]) -> None:
        """Take over what earlier processes wrote, and what only the history of snapshots has."""
        if self._file is None or self._loaded:
            return
        written, self._lines = await asyncio.to_thread(_read, self._file)
        new = list(self._rows)
        # What this process has published since its start is in the history already.
        ours = {row.commit for row in new if row.outcome == "published"}
        old = [row for row in published_rows(entries) if row.commit not in ours]
        self._rows = deque((*merged(written, old), *new), maxlen=MOST)
        self._loaded = True
        if self._unwritten:
            self._write_soon()

    def _write_soon(self) -> None:
        if self._loaded and self._writer is None:
            self._writer = asyncio.create_task(self._write(), name="chronicle")

    async def _write(self) -> None:
        try:
            while self._unwritten:
                new, self._unwritten = self._unwritten, []
                whole = self.rows if self._lines + len(new) > 2 * MOST else None
                self._lines = len(whole) if whole is not None else self._lines + len(new)
                await asyncio.to_thread(self._save, new, whole)
        finally:
            self._writer = None

    async def close(self) -> None:
        """Write what is not written yet."""
        self._loaded = True
        if self._unwritten:
            self._write_soon()
        if self._writer is not None:
            await asyncio.wait([self._writer])

    def _save(self, new: Sequence[Row], whole: Sequence[Row] | None) -> None:
        assert self._file is not None  # noqa: S101 - the callers asked
        beside = self._file.with_name(f"{self._file.name}.new")
        target = self._file if whole is None else beside
        lines = "".join(f"{json.dumps(asdict(row))}\n" for row in (new if whole is None else whole))
        how = os.O_APPEND if whole is None else os.O_TRUNC
        try:
            handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | how, 0o600)
            with os.fdopen(handle, "wb", buffering=0) as file:
                # The line before may have been torn by a crash: an empty line hurts nobody.
                data = memoryview(b"\n" * (whole is None) + lines.encode())
                while data:
                    data = data[file.write(data) :]
            if whole is not None:
                beside.replace(self._file)
        except OSError as error:
            with suppress(OSError):
                beside.unlink(missing_ok=True)
            if not self._complained:
                log.warning("what becomes of revisions is remembered in memory only: %s", error)
            self._complained = True
        else:
            self._complained = False


def _newest(rows: Sequence[Row]) -> Iterator[tuple[int, Row]]:
    return ((at, rows[at]) for at in range(len(rows) - 1, -1, -1))


def _read(file: Path) -> tuple[list[Row], int]:
    """Return the rows of *file* that can be read, and how many lines it has."""
    try:
        with file.open("rb") as handle:
            lines = [line for line in handle.read(LARGEST).split(b"\n") if line]
    except FileNotFoundError:
        return [], 0
    except OSError as error:
        log.warning("what became of earlier revisions is forgotten: %s", error)
        return [], 0
    rows = [row for line in lines if (row := _parsed(line)) is not None]
    return rows[-MOST:], len(lines)


_TYPES: dict[str, type | tuple[type, ...]] = {
    "int": int,
    "float": (int, float),
    "str": str,
    "tuple[str, ...]": tuple,
    "tuple[Finding, ...]": tuple,
    "tuple[LayerRevision, ...]": tuple,
}


def _parsed(line: bytes) -> Row | None:
    try:
        told: Any = json.loads(line)
        told["findings"] = tuple(Finding(**each) for each in told["findings"])
        told["layers"] = tuple(LayerRevision(**each) for each in told.get("layers", ()))
        for name in ("triggers", "changed"):
            told[name] = tuple(map(str, told[name]))
        row = Row(**told)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
    sound = all(isinstance(getattr(row, f.name), _TYPES[str(f.type)]) for f in fields(Row))
    return row if sound else None
