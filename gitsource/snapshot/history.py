"""
What was published, on disk: the last good snapshot, the ones before it, and the operator's pins.

Rule: a revision is on disk, flushed, before any sink sees it; and nothing that stands on disk is
ever overwritten in place. After a crash at any moment the newest complete record is the last good.

    history/
      00000001.log   a segment: frames, the first a full record, the rest what each revision changed
      00000002.log   the newest segment; appended to
      pinned.log     the snapshot an operator pinned, so that it outlives the segments
      control.json   pin and suspension

A frame is magic, lengths, SHA-256, head and record; heads are small, so listing reads no bodies. A
torn frame at the end of the newest segment is what a crash in `append` leaves: it is cut off. New
segments are written beside, flushed and renamed. The cost of an append follows the change.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from gitsource._proto.gitsource.state.v1.state_pb2 import Head, Record
from gitsource._proto.gitsource.state.v1.state_pb2 import Revision as RevisionMessage
from gitsource.errors import StateError
from gitsource.model import Collection, Finding, Origin, Resource, Revision, Snapshot
from gitsource.snapshot.build import FileState, Proposal, Standing

MAGIC = b"GSH1"
_LENGTHS = struct.Struct(">4sIQ32s")

MAX_DELTAS = 200
"""Changes replayed at most on a start; then a new segment begins."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One published revision, as listings show it."""

    revision: Revision
    version: str
    collections: Mapping[str, tuple[str, int]]
    """Name to (version, count)."""
    published_at: float
    """When this instance published it, in seconds since the epoch."""


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
class Control:
    """What operators asked for, kept across restarts."""

    pin: Pin | None = None
    suspension: Suspension | None = None


@dataclass(frozen=True, slots=True)
class Loaded:
    """A snapshot as found on disk."""

    snapshot: Snapshot
    recipe: str
    """Catalog digest it was built with: under another one everything is judged anew."""
    records: tuple[Record, ...]
    """What it was put together from; `standing` takes the files from them when they are needed."""

    def standing(self) -> Standing:
        """Return the snapshot with its files, to build the next revision on."""
        files = _files(self.records, self.snapshot)
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
                for left in folder.glob("*.tmp"):
                    left.unlink()
            except OSError as error:
                raise StateError(f"cannot write {folder}: {error.strerror}") from error

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
            heads = [head for head, _, _ in _frames(segment, bodies=False)]
            if any(head.revision.commit == commit for head in heads):
                return self._replay(segment, commit)
        return None

    def entries(self) -> list[Entry]:
        """Return what was published, oldest first; a revision stands once, at its latest."""
        found: dict[str, Entry] = {}
        for segment in self._segments():
            for head, _, _ in _frames(segment, bodies=False):
                entry = _entry(head)
                found.pop(entry.revision.commit, None)
                found[entry.revision.commit] = entry
        return list(found.values())

    def _segments(self) -> list[Path]:
        return sorted(self._folder.glob("[0-9]*.log"))

    def _replay(self, segment: Path, commit: str | None) -> Loaded | None:
        records: list[Record] = []
        last: Head | None = None
        for head, body, _ in _frames(segment):
            records.append(Record.FromString(body))
            last = head
            if commit is not None and head.revision.commit == commit:
                break
        if last is None or not records[0].full:
            return None
        return Loaded(_snapshot(last, records), last.recipe, tuple(records))

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
        head = _head(proposal.snapshot, recipe, now)
        try:
            if fresh:
                files = {} if proposal.full else dict(base.files)
                files.update({p: s for p, s in proposal.changed.items() if s is not None})
                for path, state in proposal.changed.items():
                    if state is None:
                        files.pop(path, None)
                frame = _frame(head, _full(proposal.snapshot, files))
                number = int(segments[-1].stem) + 1 if segments else 1
                _write_beside(self._folder / f"{number:08}.log", frame)
                self._deltas, self._bytes = 0, (0, len(frame))
                self._forget(self._segments())
            else:
                frame = _frame(head, _changes(base, proposal))
                _append(segments[-1], frame)
                self._deltas += 1
                self._bytes = (small + len(frame), whole)
        except OSError as error:
            self._last_recipe = None  # what comes next cannot lean on what is not there
            raise StateError(
                f"the snapshot could not be written to {self._folder}: {error.strerror}",
                hint="free space or mend the state directory; until then a restart serves an "
                "earlier revision first",
            ) from error
        self._last_recipe = recipe

    def resume(self, loaded: Loaded) -> None:
        """Go on appending to the newest segment, which *loaded* came from; cut a torn end off."""
        segment = self._segments()[-1]
        frames = [(head, end) for head, _, end in _frames(segment, bodies=False, check=True)]
        if not frames:
            return
        sound = frames[-1][1]
        try:
            if segment.stat().st_size > sound:
                os.truncate(segment, sound)
        except OSError as error:
            raise StateError(f"cannot mend {segment}: {error.strerror}") from error
        self._deltas = len(frames) - 1
        self._bytes = (sound - frames[0][1], frames[0][1])
        self._last_recipe = loaded.recipe

    def _forget(self, segments: list[Path]) -> None:
        counted = 0
        for segment in reversed(segments):
            if counted >= self._keep:
                segment.unlink()
            counted += sum(1 for _ in _frames(segment, bodies=False)) if segment.exists() else 0

    # ------------------------------------------------------------------ control

    def control(self) -> Control:
        """Return what operators asked for."""
        path = self._folder / "control.json"
        try:
            told = json.loads(path.read_bytes())
            pin, suspension = told.get("pin"), told.get("suspension")
            return Control(
                Pin(**pin) if pin else None, Suspension(**suspension) if suspension else None
            )
        except FileNotFoundError:
            return Control()
        except (OSError, ValueError, TypeError, AttributeError) as error:
            raise StateError(
                f"{path} cannot be read: {error}",
                hint="it holds pin and suspension: mend it, or delete it to release both",
            ) from error

    def set_control(self, control: Control, pinned: Snapshot | None = None) -> None:
        """Keep *control*; *pinned* is the snapshot to serve while its pin stands."""
        try:
            if pinned is not None:
                head = _head(pinned, "", control.pin.at if control.pin else 0)
                _write_beside(self._folder / "pinned.log", _frame(head, _full(pinned, {})))
            _write_beside(
                self._folder / "control.json",
                json.dumps(asdict(control), indent=1).encode(),
            )
            if control.pin is None:
                (self._folder / "pinned.log").unlink(missing_ok=True)
        except OSError as error:
            raise StateError(
                f"{self._folder} cannot be written: {error.strerror}",
                hint="the command was not carried out: free space, then give it again",
            ) from error


# --------------------------------------------------------------------------- frames


def _frame(head: Head, record: Record) -> bytes:
    told, body = head.SerializeToString(), record.SerializeToString()
    digest = hashlib.sha256(told + body).digest()
    return _LENGTHS.pack(MAGIC, len(told), len(body), digest) + told + body


def _frames(
    path: Path, *, bodies: bool = True, check: bool = False
) -> Iterator[tuple[Head, bytes, int]]:
    """Yield (head, record bytes, end offset) of each sound frame; stop at the first torn one."""
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return
    with file:
        size = os.fstat(file.fileno()).st_size
        at = 0
        while at + _LENGTHS.size <= size:
            magic, head_size, body_size, digest = _LENGTHS.unpack(file.read(_LENGTHS.size))
            end = at + _LENGTHS.size + head_size + body_size
            if magic != MAGIC or end > size:
                return
            told = file.read(head_size)
            if bodies or check:
                body = file.read(body_size)
                sha = hashlib.sha256(told)
                sha.update(body)
                if sha.digest() != digest:
                    return
            else:
                body = b""
                file.seek(end)
            yield Head.FromString(told), body if bodies else b"", end
            at = end


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


def _write_beside(path: Path, content: bytes) -> None:
    beside = path.with_suffix(path.suffix + ".tmp")
    try:
        with beside.open("wb", buffering=0) as file:
            written = 0
            while written < len(content):
                written += file.write(memoryview(content)[written:])
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError:
        beside.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


# --------------------------------------------------------------------------- records


def _head(snapshot: Snapshot, recipe: str, now: float) -> Head:
    revision = snapshot.revision
    head = Head(
        revision=RevisionMessage(
            commit=revision.commit,
            tree=revision.tree,
            committed_at=revision.committed_at,
            author=revision.author,
            subject=revision.subject,
        ),
        version=snapshot.version,
        recipe=recipe,
        published_at=now,
    )
    for collection in snapshot.collections.values():
        head.collections.add(
            name=collection.name, version=collection.version, count=len(collection)
        )
    return head


def _entry(head: Head) -> Entry:
    return Entry(
        _revision(head),
        head.version,
        {told.name: (told.version, told.count) for told in head.collections},
        head.published_at,
    )


def _revision(head: Head) -> Revision:
    told = head.revision
    return Revision(told.commit, told.tree, told.committed_at, told.author, told.subject)


def _full(snapshot: Snapshot, files: Mapping[str, FileState]) -> Record:
    record = Record(full=True)
    for collection in snapshot.collections.values():
        _put(record, collection.name, (), collection.resources)
    _tell_findings(record, snapshot)
    _tell_files(record, (), files)
    return record


def _changes(base: Standing, proposal: Proposal) -> Record:
    record = Record(full=False)
    after = proposal.snapshot
    put: dict[str, list[Resource]] = defaultdict(list)
    gone: dict[str, set[str]] = defaultdict(set)
    for path, state in proposal.changed.items():
        before = base.files.get(path)
        for collection, resource in before.resources if before is not None else ():
            if after.collection(collection).get(resource.name) is None:
                gone[collection].add(resource.name)
        for collection, resource in state.resources if state is not None else ():
            put[collection].append(resource)
    for name in sorted(put.keys() | gone.keys()):
        _put(record, name, sorted(gone[name]), put[name])
    _tell_findings(record, after)
    gone_files = [path for path, state in proposal.changed.items() if state is None]
    _tell_files(record, gone_files, {p: s for p, s in proposal.changed.items() if s is not None})
    return record


def _put(record: Record, name: str, removed: Iterable[str], resources: Iterable[Resource]) -> None:
    resources = tuple(resources)
    record.collections.add(
        name=name,
        removed=removed,
        names=[resource.name for resource in resources],
        versions=[resource.version for resource in resources],
        wires=[resource.wire for resource in resources],
        paths=[resource.origin.path for resource in resources],
        lines=[resource.origin.line for resource in resources],
    )


def _tell_findings(record: Record, snapshot: Snapshot) -> None:
    for finding in snapshot.findings:
        record.findings.add(
            file=finding.file,
            line=finding.line,
            column=finding.column,
            warning=finding.severity == "warning",
            code=finding.code,
            message=finding.message,
            resource=finding.resource,
        )


def _tell_files(record: Record, removed: Iterable[str], files: Mapping[str, FileState]) -> None:
    table = record.files
    table.removed.extend(removed)
    table.paths.extend(files)
    table.blobs.extend(bytes.fromhex(state.blob) for state in files.values())
    table.births.extend(state.birth for state in files.values())
    table.ignored.extend(state.ignored for state in files.values())


def _snapshot(head: Head, records: list[Record]) -> Snapshot:
    known: dict[str, dict[str, Resource]] = {}
    for record in records:
        for change in record.collections:
            content = known.setdefault(change.name, {})
            for name in change.removed:
                content.pop(name, None)
            columns = zip(
                change.names, change.versions, change.wires, change.paths, change.lines, strict=True
            )
            for name, version, wire, path, line in columns:
                content[name] = Resource(name, version, wire, Origin(path, line))
    findings = tuple(
        Finding(
            told.file,
            told.line,
            told.column,
            "warning" if told.warning else "error",
            told.code,
            told.message,
            told.resource,
        )
        for told in records[-1].findings
    )
    collections = {name: Collection.of(name, found.values()) for name, found in known.items()}
    return Snapshot.of(_revision(head), collections, findings)


def _files(records: Iterable[Record], snapshot: Snapshot) -> dict[str, FileState]:
    held: dict[str, list[tuple[str, Resource]]] = {}
    for collection in snapshot.collections.values():
        for resource in collection:
            held.setdefault(resource.origin.path, []).append((collection.name, resource))
    files: dict[str, FileState] = {}
    for record in records:
        table = record.files
        for path in table.removed:
            files.pop(path, None)
        columns = zip(table.paths, table.blobs, table.births, table.ignored, strict=True)
        for path, blob, birth, ignored in columns:
            files[path] = FileState(blob.hex(), birth, tuple(held.get(path, ())), ignored)
    for path, found in held.items():
        state = files[path]
        if len(state.resources) != len(found):
            files[path] = FileState(state.blob, state.birth, tuple(found), state.ignored)
    return files
