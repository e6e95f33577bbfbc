"""
A working tree, or the index, as if it were a commit's tree: for dry-runs of what is not committed.

Rule: as suspicious as with a commit, and nothing is written. Git only lists names; contents are
read and named here, so that no filter, hook or monitor of the repository has anything to run. No
symbolic link is followed, in no part of a path; only regular files are opened, sizes come first.
What `core.worktree` says does not count: the tree is the folder that has the `.git`.

Files are judged as they lie there: where attributes would change them on their way into a commit
(line ends, Git LFS), that is not done.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple, Self, TypeAlias

from gitsource.errors import ConfigurationError
from gitsource.git import changes, verbs
from gitsource.git.command import Git
from gitsource.git.objects import BulkReader, Objects, Takes
from gitsource.git.verbs import Command
from gitsource.model import Change, Revision, TreeEntry

What: TypeAlias = Literal["worktree", "staged"]
"""``worktree``: files as they lie there, untracked ones that are not ignored too."""

TREES: dict[What, str] = {"worktree": "the working tree", "staged": "the index"}
"""What stands in place of a tree's id, and of a commit's subject."""


HELD_BYTES = 256 * 1024 * 1024
"""Contents that are in no object yet and are held in memory."""


class _Staged(NamedTuple):
    """One entry of the index."""

    mode: str
    oid: str
    absent: bool
    """Whether it is not in the working tree on purpose (a sparse checkout)."""


@dataclass(frozen=True)
class Contents:
    """What was read and is in no commit, by the id that git would give it; None: too large."""

    held: dict[str, bytes | None] = field(default_factory=dict, repr=False)

    def read(
        self,
        blobs: Sequence[str],
        others: Callable[[Sequence[str]], Iterator[tuple[str, bytes | None]]],
    ) -> Iterator[tuple[str, bytes | None]]:
        """Yield each blob's content in turn, of *others* what is not held here."""
        rest = others([blob for blob in blobs if blob not in self.held])
        for blob in blobs:
            yield (blob, self.held[blob]) if blob in self.held else next(rest)


@dataclass(frozen=True)
class _Reader:
    """Reads blobs in another process; picklable."""

    contents: Contents
    others: BulkReader

    def __call__(self, blobs: Sequence[str]) -> Iterator[tuple[str, bytes | None]]:
        """Yield each blob's content in turn, None for one above the limit."""
        yield from self.contents.read(blobs, self.others)


class WorkingTree(Objects):
    """
    The objects of a repository, and above them what lies in *top* or is staged, as one more tree.

    *head* is the commit below it; None where there is none yet. *limit* bounds a file, in bytes.
    *index* is the index that counts, if it is not the repository's own: see `LocalRepository`.
    """

    def __init__(
        self,
        git: Git,
        git_dir: Path,
        top: Path,
        what: What,
        head: Revision | None,
        limit: int,
        *,
        cut: frozenset[str] = frozenset(),
        index: Path | None = None,
    ) -> None:
        super().__init__(git, git_dir, cut=cut)
        self._top, self._what, self._head, self._limit = top, what, head, limit
        self._contents = Contents()
        self._index = _index(git, verbs.index(git_dir, top, index))
        untracked = verbs.untracked(git_dir, top, index)
        self._new = _untracked(git, untracked) if what == "worktree" else frozenset[str]()
        oids = (each.oid for each in self._index.values())
        known = head.commit if head is not None else next(oids, "0" * 40)
        self._algorithm = "sha256" if len(known) == 64 else "sha1"
        # What is only intended to be added is staged as this, and need not be an object.
        self._contents.held[self._named(b"")] = b""
        self._told: dict[str, TreeEntry | None] = {}
        self._held = 0

    @property
    def now(self) -> Revision:
        """The revision that it is: without a commit, since there is none."""
        return Revision("", self._what, 0, "", TREES[self._what])

    # ------------------------------------------------------------------ trees

    def entries(self, tree: str, path: str = "", takes: Takes | None = None) -> list[TreeEntry]:
        """Return what is under *path* and can hold configuration, see `Objects.entries`."""
        if tree != self._what:
            return super().entries(tree, path, takes)
        prefix = changes.inside(path)
        wanted = sorted(
            each
            for each in {*self._index, *self._new}
            if each.startswith(prefix)
            and (changes.is_candidate(each) or self._gitlink(each))
            and (takes is None or takes(each))
        )
        with _Folder(self._top) as folder:
            found = [self._entry(folder, each) for each in wanted]
        return [each for each in found if each is not None]

    def changes(
        self, old_tree: str, new_tree: str, path: str = "", takes: Takes | None = None
    ) -> list[Change]:
        """Return what differs between two trees, see `Objects.changes`."""
        if new_tree != self._what:
            return super().changes(old_tree, new_tree, path, takes)
        before = {each.path: each for each in super().entries(old_tree, path, takes)}
        found = []
        for each in self.entries(new_tree, path, takes):
            was = before.pop(each.path, None)
            if was is None or (was.mode, was.blob) != (each.mode, each.blob):
                found.append(Change(each.path, each))
        return [*found, *(Change(gone, None) for gone in before)]

    def file(self, tree: str, path: str, limit: int) -> bytes | None:
        """Return the file at *path* of a tree, see `Objects.file`."""
        if tree != self._what:
            return super().file(tree, path, limit)
        known = path in self._index or path in self._new
        if not known or changes.safe_path(path) is not None:
            return None
        with _Folder(self._top) as folder:
            entry = self._entry(folder, path)
        if entry is None or not entry.mode.startswith("100"):
            return None
        for _, data in self.read([entry.blob], limit):
            if data is None:
                raise ConfigurationError(f"{path} is larger than {limit} bytes")
            return data
        raise AssertionError  # pragma: no cover  # read yields one pair a blob

    def _entry(self, folder: _Folder, path: str) -> TreeEntry | None:
        if path not in self._told:
            staged = self._index.get(path)
            elsewhere = staged is not None and (staged.absent or staged.mode == changes.GITLINK)
            if staged is not None and (elsewhere or self._what == "staged"):
                self._told[path] = TreeEntry(path, staged.mode, staged.oid)
            else:
                self._told[path] = self._lying(folder, path)
        return self._told[path]

    def _gitlink(self, path: str) -> bool:
        staged = self._index.get(path)
        return staged is not None and staged.mode == changes.GITLINK

    def _lying(self, folder: _Folder, path: str) -> TreeEntry | None:
        """Return the file that lies at *path*, its content read; None if no file is there."""
        found = folder.read(os.fsencode(path), self._limit)
        if found is None:
            return None
        mode, size, data = found
        if data is None:
            # It is not read and so has no name; what stands for it says what is known.
            name = self._hashed(f"too large {size} {path}".encode("utf-8", "surrogateescape"))
        else:
            name = self._named(data)
        staged = self._index.get(path)
        if mode != "120000" and name not in self._contents.held and (
            staged is None or staged.oid != name
        ):  # fmt: skip
            self._hold(name, data)
        return TreeEntry(path, mode, name)

    def _hold(self, name: str, data: bytes | None) -> None:
        self._held += len(data or b"")
        if self._held > HELD_BYTES:
            raise ConfigurationError(
                f"{TREES[self._what]} differs from what is staged by more than "
                f"{HELD_BYTES >> 20} MiB",
                hint="stage what is meant (git add) and use --staged, or commit it",
            )
        self._contents.held[name] = data

    def _named(self, data: bytes) -> str:
        return self._hashed(b"blob %d\0" % len(data) + data)

    def _hashed(self, raw: bytes) -> str:
        return hashlib.new(self._algorithm, raw, usedforsecurity=False).hexdigest()

    # ------------------------------------------------------------------ contents

    def read(self, blobs: Sequence[str], limit: int) -> Iterator[tuple[str, bytes | None]]:
        """Yield each blob's content in turn, see `Objects.read`."""

        def others(rest: Sequence[str]) -> Iterator[tuple[str, bytes | None]]:
            return super(WorkingTree, self).read(rest, limit)

        return self._contents.read(blobs, others)

    def bulk_reader(self, limit: int) -> BulkReader:
        """Return what reads blobs in another process."""
        # The processes get what is held by value: it is bounded by what lies there anyway.
        return _Reader(self._contents, super().bulk_reader(limit))  # type: ignore[return-value]

    # ------------------------------------------------------------------ history

    def births(self, head: str, paths: Collection[str]) -> dict[str, int]:
        """Return when each of *paths* was born; what is in no commit yet was not."""
        if head:
            return super().births(head, paths)
        if self._head is None:
            return {}
        there = {each.path for each in super().entries(self._head.tree)}
        return super().births(self._head.commit, there.intersection(paths))

    def births_since(self, old: str, new: str) -> dict[str, int]:
        """Return the births after *old* up to *new*, see `Objects.births_since`."""
        if new:
            return super().births_since(old, new)
        return super().births_since(old, self._head.commit) if self._head is not None else {}

    def confirmations(
        self, since: str | None, head: str, counts: Callable[[str], bool] | None = None
    ) -> str:
        """Return what commits confirm; what is not committed confirms nothing."""
        if not head and self._head is None:
            return ""
        if not head and self._head is not None:
            head = self._head.commit
            return "" if since == head else super().confirmations(since, head, counts)
        return super().confirmations(since, head, counts)

    def emptied_by(self, head: str, path: str, takes: Takes | None = None) -> str:
        """Return the last commit that removed configuration, see `Objects.emptied_by`."""
        if not head:
            head = self._head.commit if self._head is not None else ""
        return super().emptied_by(head, path, takes) if head else ""

    def has_folder(self, tree: str, path: str) -> bool:
        """Return whether there is a folder at *path*, see `Objects.has_folder`."""
        if tree != self._what:
            return super().has_folder(tree, path)
        prefix = changes.inside(path)
        return not prefix or any(each.startswith(prefix) for each in {*self._index, *self._new})


# --------------------------------------------------------------------------- what git lists


def _index(git: Git, listing: Command) -> dict[str, _Staged]:
    """Return the index by path. Raises ConfigurationError while a merge is not resolved."""
    found: dict[str, _Staged] = {}
    conflict = ""
    for record in changes.split(git.stream(listing), b"\0"):
        meta, _, raw = record.partition(b"\t")
        tag, mode, oid, stage = meta.decode("ascii").split(" ")
        path = changes.text(raw)
        if stage != "0":
            conflict = conflict or path
        found[path] = _Staged(mode, oid, absent=tag == "S")
    if conflict:
        shown = conflict.encode("utf-8", "backslashreplace").decode()
        raise ConfigurationError(
            f"{shown} is in conflict: a merge is not finished",
            hint="resolve it and `git add` the file, or name a commit with --head",
        )
    return found


def _untracked(git: Git, listing: Command) -> frozenset[str]:
    names = changes.split(git.stream(listing), b"\0")
    return frozenset(changes.text(raw) for raw in names if not raw.endswith(b"/"))


# --------------------------------------------------------------------------- reading files


class _Folder:
    """Opens files below a folder, part by part, so that no link can lead out of it."""

    def __init__(self, top: Path) -> None:
        self._top = top
        self._open: list[tuple[bytes, int]] = []

    def __enter__(self) -> Self:
        self._open = [(b"", os.open(self._top, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))]
        return self

    def __exit__(self, *_: object) -> None:
        for _name, handle in self._open:
            os.close(handle)
        self._open = []

    def read(self, path: bytes, limit: int) -> tuple[str, int, bytes | None] | None:
        """Return mode, size and content of a file (None above *limit*); None if none is there."""
        *folders, name = path.split(b"/")
        try:
            inside = self._enter(folders)
            told = os.stat(name, dir_fd=inside, follow_symlinks=False)
            if stat.S_ISLNK(told.st_mode):
                return "120000", told.st_size, os.readlink(name, dir_fd=inside)
            if stat.S_ISREG(told.st_mode):
                flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
                return _content(os.open(name, flags, dir_fd=inside), limit)
        except (FileNotFoundError, NotADirectoryError):
            pass
        except OSError as error:
            if error.errno not in _A_LINK:
                shown = os.fsdecode(path).encode("utf-8", "backslashreplace").decode()
                raise ConfigurationError(f"{shown} cannot be read: {error.strerror}") from error
        return None

    def _enter(self, folders: Sequence[bytes]) -> int:
        """Return a handle of a folder; those on the way to it stay open for the next file."""
        at = 1
        while at <= len(folders) and at < len(self._open) and self._open[at][0] == folders[at - 1]:
            at += 1
        for _name, handle in self._open[at:]:
            os.close(handle)
        del self._open[at:]
        for name in folders[at - 1 :]:
            flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
            self._open.append((name, os.open(name, flags, dir_fd=self._open[-1][1])))
        return self._open[-1][1]


def _content(handle: int, limit: int) -> tuple[str, int, bytes | None] | None:
    with os.fdopen(handle, "rb") as file:
        told = os.fstat(file.fileno())
        if not stat.S_ISREG(told.st_mode):
            return None
        mode = "100755" if told.st_mode & stat.S_IXUSR else "100644"
        data = file.read(limit + 1) if told.st_size <= limit else None
        return mode, told.st_size, data if data is not None and len(data) <= limit else None


_A_LINK = frozenset((errno.ENOTDIR, errno.ELOOP))
"""How a link where a folder or a file should be is refused."""
