"""
What was published, on disk: the last good snapshot, the ones before it, and the operator's pins.

Rule: a revision is on disk, flushed, before any sink sees it; and nothing that stands on disk is
ever overwritten in place. After a crash at any moment the newest complete record is the last good.

    history/
      00000001.log   a segment: frames, the first a full record, the rest what each revision changed
      00000002.log   the newest segment; appended to
      pinned.log     the snapshot an operator pinned, so that it outlives the segments
      control.json   pin, suspension and allowance
      followed.json  up to which commit the followed ref is known to be good (of a layer:
                     followed.NAME.json)

A frame is magic, lengths, SHA-256, head and record; heads are small, so listing reads no bodies. A
torn frame at the end of the newest segment is what a crash in `append` leaves: it is cut off. New
segments are written beside, flushed and renamed. The cost of an append follows the change.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

from gitsource._proto.gitsource.state.v1.state_pb2 import Head, Record
from gitsource.errors import StateError
from gitsource.model import Snapshot
from gitsource.snapshot.build import Proposal, Standing
from gitsource.snapshot.records import (
    Entry,
    changes_record,
    entry_of,
    files_of,
    frame,
    frames,
    full_record,
    head_of,
    snapshot_of,
    write_frame,
)

MAX_DELTAS = 200
"""Changes replayed at most on a start; then a new segment begins."""


@dataclass(frozen=True, slots=True)
class Pin:
    """An operator's word that an earlier snapshot is served until released."""

    revision: str
    reason: str
    who: str
    at: float


@dataclass(frozen=True, slots=True)
class Suspension:
    """An operator's word that new revisions are not looked at until resumed."""

    reason: str
    who: str
    at: float


@dataclass(frozen=True, slots=True)
class Allowance:
    """An operator's word that one held revision may go out, and no other."""

    revision: str
    reason: str
    who: str
    at: float


@dataclass(frozen=True, slots=True)
class Control:
    """What operators asked for, kept across restarts."""

    pin: Pin | None = None
    suspension: Suspension | None = None
    allowance: Allowance | None = None


@dataclass(frozen=True, slots=True)
class Followed:
    """How far the followed ref is known to be good; kept beside the history, not in the mirror."""

    follows: str = ""
    """Tells which repository and ref."""
    ref: str = ""
    """The ref that was chosen, where several can be: only of one and the same is `head` asked."""
    head: str = ""
    """The commit that went out last; what comes next has to follow from it."""
    verified: str = ""
    """The commit up to which signatures were found good."""
    since: str = ""
    """From which commit on; empty if only heads were looked at."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A snapshot as found on disk."""

    snapshot: Snapshot
    recipe: str
    """Catalog digest it was built with: under another one everything is judged anew."""
    records: tuple[Record, ...]
    """What it was put together from; `standing` takes the files from them when they are needed."""
    segment: Path
    """The file they stand in."""
    ends: tuple[int, ...]
    """Where each of them ends in it."""

    def standing(self) -> Standing:
        """Return the snapshot with its files, to build the next revision on."""
        files = files_of(self.records, self.snapshot)
        return Standing(self.snapshot, files, sum(state.ignored for state in files.values()))


class History:
    """The history folder of a state directory. One process writes it (it holds the lock)."""

    def __init__(self, folder: Path, *, keep: int = 50, readonly: bool = False) -> None:
        self._folder = folder
        self._keep = keep
        self._deltas = 0
        self._bytes = (0, 0)
        self._last_recipe: str | None = None
        if not readonly:
            try:
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            except OSError as error:
                raise StateError(f"cannot write {folder}: {error.strerror}") from error
            for left in folder.glob("*.tmp"):
                with suppress(OSError):  # what is there can be served; writing will tell
                    left.unlink()

    # ------------------------------------------------------------------ reading

    def load(self) -> Loaded | None:
        """Return the last good snapshot, or None if nothing was ever published."""
        for segment in reversed(self._segments()):
            found = self._replay(segment, None)
            if found is not None:
                return found
        return None

    def at(self, commit: str) -> Loaded | None:
        """Return the snapshot that was published for *commit*, if it is still kept."""
        for segment in [self._folder / "pinned.log", *reversed(self._segments())]:
            heads = [head for head, _, _ in frames(segment, bodies=False)]
            if any(head.revision.commit == commit for head in heads):
                return self._replay(segment, commit)
        return None

    def entries(self) -> list[Entry]:
        """Return what was published, oldest first; a revision stands once, at its latest."""
        found: dict[str, Entry] = {}
        for segment in self._segments():
            for head, _, _ in frames(segment, bodies=False):
                entry = entry_of(head)
                found.pop(entry.revision.commit, None)
                found[entry.revision.commit] = entry
        return list(found.values())

    def _segments(self) -> list[Path]:
        return sorted(self._folder.glob("[0-9]*.log"))

    def _replay(self, segment: Path, commit: str | None) -> Loaded | None:
        records: list[Record] = []
        ends: list[int] = []
        last: Head | None = None
        for head, body, end in frames(segment):
            records.append(Record.FromString(body))
            ends.append(end)
            last = head
            if commit is not None and head.revision.commit == commit:
                break
        if last is None or not records[0].full:
            return None
        snapshot = snapshot_of(last, records)
        return Loaded(snapshot, last.recipe, tuple(records), segment, tuple(ends))

    # ------------------------------------------------------------------ writing

    def append(self, base: Standing, proposal: Proposal, recipe: str, now: float) -> None:
        """
        Put an accepted *proposal* on disk, flushed; *base* is what stood before it.

        Raises StateError if that cannot be done; what was there is then unharmed.
        """
        segments = self._segments()
        small, whole = self._bytes
        fresh = (
            proposal.full
            or not segments
            or self._last_recipe != recipe
            or self._deltas >= MAX_DELTAS
            or small > max(whole // 2, 1 << 20)
        )
        head = head_of(proposal.snapshot, recipe, now)
        try:
            if fresh:
                files = {} if proposal.full else dict(base.files)
                files.update({p: s for p, s in proposal.changed.items() if s is not None})
                for path, state in proposal.changed.items():
                    if state is None:
                        files.pop(path, None)
                number = int(segments[-1].stem) + 1 if segments else 1
                parts = full_record(proposal.snapshot, files)
                with _beside(self._folder / f"{number:08}.log") as file:
                    size = write_frame(file, head, parts)
                self._deltas, self._bytes = 0, (0, size)
                self._forget(self._segments())
            else:
                written = frame(head, changes_record(base, proposal))
                _append(segments[-1], written)
                self._deltas += 1
                self._bytes = (small + len(written), whole)
        except OSError as error:
            self._last_recipe = None  # what comes next cannot lean on what is not there
            raise StateError(
                f"the snapshot could not be written to {self._folder}: {error.strerror}",
                hint="free space or mend the state directory; until then a restart serves an "
                "earlier revision first",
            ) from error
        self._last_recipe = recipe

    def resume(self, loaded: Loaded) -> None:
        """
        Go on appending to the newest segment, if *loaded* is its end; cut a torn end off.

        Where that cannot be done, what comes next begins a segment of its own.
        """
        segment, sound = loaded.segment, loaded.ends[-1]
        if segment != self._segments()[-1]:
            return
        try:
            if segment.stat().st_size > sound:
                os.truncate(segment, sound)
        except OSError:
            return
        self._deltas = len(loaded.ends) - 1
        self._bytes = (sound - loaded.ends[0], loaded.ends[0])
        self._last_recipe = loaded.recipe

    def _forget(self, segments: list[Path]) -> None:
        counted = 0
        for segment in reversed(segments):
            if counted >= self._keep:
                segment.unlink()
            counted += sum(1 for _ in frames(segment, bodies=False)) if segment.exists() else 0

    # ------------------------------------------------------------------ control

    def control(self) -> Control:
        """Return what operators asked for."""
        path = self._folder / "control.json"
        try:
            told = json.loads(path.read_bytes())
            pin, suspension = told.get("pin"), told.get("suspension")
            allowance = told.get("allowance")
            return Control(
                Pin(**pin) if pin else None,
                Suspension(**suspension) if suspension else None,
                Allowance(**allowance) if allowance else None,
            )
        except FileNotFoundError:
            return Control()
        except (OSError, ValueError, TypeError, AttributeError) as error:
            raise StateError(
                f"{path} cannot be read: {error}",
                hint="it holds pin, suspension and allowance: mend it, or delete it to drop them",
            ) from error

    def set_control(self, control: Control, pinned: Snapshot | None = None) -> None:
        """Keep *control*; *pinned* is the snapshot to serve while its pin stands."""
        try:
            if pinned is not None:
                head = head_of(pinned, "", control.pin.at if control.pin else 0)
                with _beside(self._folder / "pinned.log") as file:
                    write_frame(file, head, full_record(pinned, {}))
            with _beside(self._folder / "control.json") as file:
                file.write(json.dumps(asdict(control), indent=1).encode())
        except OSError as error:
            raise StateError(
                f"{self._folder} cannot be written: {error.strerror}",
                hint="free space or mend the state directory; until then a restart goes by the "
                "orders before",
            ) from error
        if control.pin is None:
            with suppress(OSError):  # it is no more than space
                (self._folder / "pinned.log").unlink(missing_ok=True)

    # ------------------------------------------------------------------ what is known to be good

    def followed(self, follows: str, layer: str = "") -> Followed:
        """Return how far the ref (of *layer*) is known to be good that *follows* tells."""
        path = self._folder / _followed_by(layer)
        try:
            found = Followed(**json.loads(path.read_bytes()))
        except FileNotFoundError:
            return Followed(follows)
        except (OSError, ValueError, TypeError) as error:
            raise StateError(
                f"{path} cannot be read: {error}",
                hint="it tells which commits are known: without it, all are looked at anew",
            ) from error
        return found if found.follows == follows else Followed(follows)

    def set_followed(self, followed: Followed, layer: str = "") -> None:
        """Keep *followed*."""
        path = self._folder / _followed_by(layer)
        try:
            with _beside(path) as file:
                file.write(json.dumps(asdict(followed), indent=1).encode())
        except OSError as error:
            raise StateError(f"{path} cannot be written: {error.strerror}") from error


# --------------------------------------------------------------------------- files


def _followed_by(layer: str) -> str:
    return f"followed.{layer}.json" if layer else "followed.json"


def _append(path: Path, frame: bytes) -> None:
    with path.open("r+b", buffering=0) as file:
        before = file.seek(0, os.SEEK_END)
        try:
            written = 0
            while written < len(frame):
                written += file.write(memoryview(frame)[written:])
            os.fdatasync(file.fileno())
        except OSError:
            os.ftruncate(file.fileno(), before)
            raise


@contextmanager
def _beside(path: Path) -> Iterator[BinaryIO]:
    """Open a file that takes the place of *path*, flushed, if the block ends well."""
    beside = path.with_suffix(path.suffix + ".tmp")
    try:
        with beside.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError:
        with suppress(OSError):
            beside.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
