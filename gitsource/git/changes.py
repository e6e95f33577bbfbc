"""
What git prints, read: trees, diffs, commits, history; and which paths are safe. Pure.

Rule: nothing here runs or opens anything, and nothing here trusts a name: paths come out as git has
them (bytes that are not UTF-8 as lone surrogates) and `safe_path` says what is wrong with one.

Births (design invariant 6): a path is born at the oldest commit on the head's first-parent line
since which it has existed without a gap. Read newest first, the first addition of a path is its
birth; read oldest first, an addition is a birth until a deletion undoes it. Both folds are here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field

from gitsource.errors import GitFailed
from gitsource.model import Change, Revision, TreeEntry

CANDIDATE = (".yaml", ".yml", ".json")
"""Ends of the names of files that can hold configuration, in any case."""
GITLINK = "160000"
"""The mode of a submodule: a commit of another repository, which is never fetched."""
PATH_BYTES = 4096
"""The longest path that is taken; also what most systems can open."""

# Nearly every path there is: told apart first, because a cold start asks for all of them.
_PLAIN = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*(?:/[A-Za-z0-9_-][A-Za-z0-9_.-]*)*")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")
_REORDERS = re.compile("[\u200e\u200f\u202a-\u202e\u2066-\u2069]")
# What HFS+ ignores in names, so that ".g\u200cit" is ".git" there.
_IGNORED = re.compile("[\u200c-\u200f\u202a-\u202e\u206a-\u206f\ufeff]")


def is_candidate(path: str) -> bool:
    """Tell whether the file at *path* can hold configuration, by its name."""
    return path.lower().endswith(CANDIDATE)


def safe_path(path: str) -> str | None:
    """Return why the repository path *path* is refused, or None if it is safe on any system."""
    if len(path) <= PATH_BYTES and _PLAIN.fullmatch(path):
        return None
    return next(_complaints(path), None)


def _complaints(path: str) -> Iterator[str]:
    if not path:
        yield "it is empty"
    if path.startswith("/"):
        yield "it is absolute"
    if any("\ud800" <= character <= "\udfff" for character in path):
        yield "it is not UTF-8"
    if _CONTROL.search(path):
        yield "it has a control character"
    if len(path.encode("utf-8", "surrogatepass")) > PATH_BYTES:
        yield f"it is longer than {PATH_BYTES} bytes"
    if "\\" in path:
        yield "it has a backslash"
    parts = path.split("/")
    if any(part in {"", ".", ".."} for part in parts):
        yield "a part of it is empty, '.' or '..'"
    if any(_on_other_systems(part) in {".git", "git~1"} for part in parts):
        yield "a part of it means .git on some systems"
    if _REORDERS.search(path):
        yield "it has a character that changes the order in which it is shown"


def _on_other_systems(part: str) -> str:
    """Return how HFS+ (ignorable characters, case) and NTFS (streams, tails) read a file name."""
    return _IGNORED.sub("", part).partition(":")[0].rstrip(". ").lower()


def inside(path: str) -> str:
    """Return the folder setting *path* as a prefix of its paths: empty, or ending in ``/``."""
    trimmed = path.strip("/")
    return f"{trimmed}/" if trimmed not in {"", "."} else ""


def text(raw: bytes) -> str:
    """Return a path as git has it; bytes that are not UTF-8 become lone surrogates."""
    return raw.decode("utf-8", "surrogateescape")


# --------------------------------------------------------------------------- trees and diffs


def tree_entries(
    chunks: Iterable[bytes], prefix: str, takes: Callable[[str], bool] | None = None
) -> Iterator[TreeEntry]:
    """
    Read ``ls-tree -r -z``: the candidates under *prefix* that *takes* takes, in git's order.

    A submodule is one whatever its name is: somebody may believe that what it holds counts.
    """
    for record in split(chunks, b"\0"):
        meta, _, raw = record.partition(b"\t")
        # Most files of most repositories are not configuration: look before decoding.
        if not raw.lower().endswith((b".yaml", b".yml", b".json")) and meta[:6] != b"160000":
            continue
        path = text(raw)
        if path.startswith(prefix) and (takes is None or takes(path)):
            mode, _, blob = meta.decode().split(" ")
            yield TreeEntry(path, mode, blob)


@dataclass(frozen=True, slots=True)
class RawChange:
    """One record of a raw diff."""

    status: str
    """``A`` added, ``D`` deleted, ``M`` modified, ``T`` of another type."""
    mode: str
    """The new mode."""
    blob: str
    """The new object."""
    path: str
    before: str = "000000"
    """The mode before."""

    @property
    def counts(self) -> bool:
        """Whether there was or is something that `tree_entries` takes."""
        return is_candidate(self.path) or GITLINK in {self.mode, self.before}

    def as_change(self) -> Change:
        """Return what the pipeline calls a change."""
        gone = self.status == "D" or not (is_candidate(self.path) or self.mode == GITLINK)
        return Change(self.path, None if gone else TreeEntry(self.path, self.mode, self.blob))


def raw_change(header: bytes, path: bytes) -> RawChange:
    """Read the two parts of a record of ``diff-tree --raw -z`` (*header* starts with a colon)."""
    try:
        before, mode, _, blob, status = header.decode("ascii").removeprefix(":").split(" ")
    except (UnicodeDecodeError, ValueError) as error:
        raise GitFailed(f"diff: not a raw record: {header[:100]!r}") from error
    return RawChange(status[:1], mode, blob, text(path), before)


def split(chunks: Iterable[bytes], at: bytes) -> Iterator[bytes]:
    """Cut a stream into the records that end with *at*."""
    rest = b""
    for chunk in chunks:
        records = (rest + chunk).split(at)
        rest = records.pop()
        yield from records
    if rest:
        yield rest


# --------------------------------------------------------------------------- commits

_WHO = re.compile(r"(?P<who>.*?) (?P<time>-?[0-9]{1,20}) [+-][0-9]{1,6}")
_LAST_SECOND = 253402300799
"""9999-12-31T23:59:59Z: no timestamp on the wire can be later."""


def seconds(written: str) -> int:
    """Return a committer time as the wire can carry it; what is no number is 0, as git has it."""
    try:
        return min(max(int(written), 0), _LAST_SECOND)
    except ValueError:
        return 0


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit object, as far as it matters here."""

    revision: Revision
    parents: tuple[str, ...]
    committer: str = ""
    """``Name <mail>`` as Git has it: text from the repository."""


def commit(oid: str, raw: bytes) -> Commit:
    """Read a commit object. Signatures, encodings and other headers are passed over."""
    head, _, message = raw.partition(b"\n\n")
    tree, parents, author, committer, when = "", [], "", "", 0
    for line in head.decode("utf-8", "replace").split("\n"):
        key, _, value = line.partition(" ")
        if key == "tree" and not tree:
            tree = value
        elif key == "parent":
            parents.append(value)
        elif key == "author" and not author:
            found = _WHO.fullmatch(value)
            author = found["who"] if found else value
        elif key == "committer":
            found = _WHO.fullmatch(value)
            when = seconds(found["time"]) if found else 0
            committer = found["who"] if found else value
        elif key in {"gpgsig", "gpgsig-sha256", "mergetag"}:
            # Their continuation lines begin with a space, so their key is empty.
            continue
    if not tree:
        raise GitFailed(f"{oid} is not a commit that can be read: {raw[:60]!r}")
    subject = message.lstrip(b"\n").partition(b"\n")[0].decode("utf-8", "replace").strip()
    return Commit(Revision(oid, tree, when, author, subject[:500]), tuple(parents), committer)


# --------------------------------------------------------------------------- births


@dataclass(slots=True)
class Step:
    """A commit of the first-parent line with what appeared and vanished in it."""

    commit: str
    time: int
    added: list[str] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)


LOG_FORMAT = "%x01%H %ct"
"""What `log_steps` expects before each commit's ``--name-status -z`` records."""


def log_steps(chunks: Iterable[bytes]) -> Iterator[Step]:
    """Read ``git log --name-status -z --diff-filter=AD`` with `LOG_FORMAT`, in git's order."""
    step: Step | None = None
    status = b""
    for record in split(chunks, b"\0"):
        token = record
        if status:
            # This is the path after a status, whatever it looks like.
            if step is None:
                raise GitFailed("log: a path before any commit")
            (step.added if status == b"A" else step.deleted).append(text(token))
            status = b""
            continue
        token = token.removeprefix(b"\n")
        if token.startswith(b"\x01"):
            if step is not None:
                yield step
            oid, _, when = token[1:].decode("ascii").partition(" ")
            step = Step(oid, seconds(when))
        elif token in {b"A", b"D"}:
            status = token
        elif token:
            raise GitFailed(f"log: not a record: {token[:100]!r}")
    if step is not None:
        yield step


def births(newest_first: Iterable[Step], wanted: Collection[str]) -> dict[str, int]:
    """
    Return when each of *wanted* was born; stops reading as soon as all are known.

    *wanted* must exist at the head: its newest event is then an addition. A path without an event
    is left out.
    """
    missing, known = set(wanted), {}
    for step in newest_first:
        for path in step.added:
            if path in missing:
                missing.discard(path)
                known[path] = step.time
        if not missing:
            break
    return known


def births_between(oldest_first: Iterable[Step]) -> dict[str, int]:
    """Return the candidates born in these commits that still exist after the last of them."""
    born: dict[str, int] = {}
    for step in oldest_first:
        for path in step.deleted:
            born.pop(path, None)
        for path in step.added:
            if is_candidate(path):
                born[path] = step.time
    return born
