"""
Reading a repository's objects: revisions, trees, changes, contents and births.

Rule: everything is asked of git by object id; no checkout, no file of the repository is opened by
us, nothing of it is run, and a content's size is asked before the content. Two git processes live
as long as the object (`cat-file`, `diff-tree`); when one ends it is started again, once a question.

Not for more than one thread. `Objects.bulk_reader` is what other processes read with.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeAlias, TypeVar

from gitsource.errors import GitFailed, RefMissing
from gitsource.git import catfile, changes, verbs
from gitsource.git.address import spec as checked_spec
from gitsource.git.changes import Commit, RawChange, Step
from gitsource.git.command import Git
from gitsource.git.later import Later
from gitsource.git.process import EndedEarlyError, Process
from gitsource.git.reasons import HALF, hint_for, quoted
from gitsource.model import Change, Revision, TreeEntry

T = TypeVar("T")
Takes: TypeAlias = Callable[[str], bool]

WALK = 256
"""Commits gone back one by one to find the last one known, before git's log is asked."""


class Objects:
    """
    The objects of one repository.

    *cut* are the commits at which a shallow history ends; *later* gets what a partial mirror
    lacks (then *cut* is its affair); *walk* see `WALK`.
    """

    def __init__(
        self,
        git: Git,
        git_dir: Path,
        *,
        cut: frozenset[str] = frozenset(),
        later: Later | None = None,
        walk: int = WALK,
    ) -> None:
        self._git, self.git_dir = git, git_dir
        self._whole_cut, self._later, self._walk = cut, later, walk
        self._batch: Process | None = None
        self._diffs: dict[str, Process] = {}
        self.damaged = False
        """Set once an object that must be there was not: the repository has lost something."""

    def __repr__(self) -> str:
        return f"<Objects {self.git_dir}>"

    def close(self) -> None:
        """End the git processes; asking again starts new ones."""
        for process in (self._batch, *self._diffs.values()):
            if process is not None:
                process.close()
        self._batch = None
        self._diffs.clear()

    # ------------------------------------------------------------------ revisions

    def revision(self, spec: str) -> Revision:
        """
        Return the commit that *spec* names: an id (full or shortened), a ref, with ``~N`` or ``^``.

        Raises ConfigurationError for what cannot be one, RefMissing if there is none.
        """
        return self._commit(str(checked_spec(spec))).revision

    def _commit(self, name: str) -> Commit:
        found, raw = self._ask(lambda process: catfile.content(process, f"{name}^{{commit}}"))
        if found.kind != "commit":
            plain = self._ask(lambda process: catfile.info(process, name))
            many = "more than one" if plain.kind == "ambiguous" else "no"
            raise RefMissing(f"there is {many} commit {name} in {self.git_dir}")
        if raw is None:
            raise GitFailed(f"commit {found.oid} is larger than {catfile.COMMIT_BYTES} bytes")
        return changes.commit(found.oid, raw)

    def raw(self, name: str) -> tuple[str, str, bytes]:
        """
        Return id, kind and content of the commit or tag that a full ref name or an id names.

        The content is what the id says. Raises RefMissing if there is none, GitFailed if it is
        larger than `catfile.COMMIT_BYTES`.
        """
        found, raw = self._ask(lambda process: catfile.content(process, name))
        if not found.found:
            raise RefMissing(f"there is no object {name[:100]} in {self.git_dir}")
        if raw is None:
            raise GitFailed(f"{found.oid} is larger than {catfile.COMMIT_BYTES} bytes")
        return found.oid, found.kind, raw

    def new_commits(self, head: str, without: Sequence[str]) -> Iterator[tuple[str, ...]]:
        """Yield the commits of *head* that none of *without* has, each with its parents."""
        there = [one for one in without if self.has(one)]
        chunks = self._git.stream(verbs.new_commits(self.git_dir, head, there))
        for line in changes.split(chunks, b"\n"):
            yield tuple(line.decode("ascii").split(" "))

    def descendants(self, head: str, commit: str) -> Iterator[str]:
        """Yield the commits of *head* that have *commit* in their history, newest first."""
        chunks = self._git.stream(verbs.descendants(self.git_dir, head, commit))
        for line in changes.split(chunks, b"\n"):
            yield line.decode("ascii")

    def merge_bases(self, one: str, other: str) -> tuple[str, ...]:
        """Return the commits where two histories meet last; usually one."""
        command = verbs.merge_bases(self.git_dir, one, other)
        return tuple(self._git.lines(command))

    def tree_of(self, commit: str) -> str:
        """Return the tree of *commit*."""
        return self._commit(verbs.oid(commit)).revision.tree

    def touched(self, old_tree: str, new_tree: str) -> frozenset[str]:
        """Return every path that differs between two trees, whatever it can hold."""
        return frozenset(raw.path for raw in self._diff(old_tree, new_tree, ""))

    def has(self, oid: str) -> bool:
        """Tell whether an object is there."""
        name = verbs.oid(oid)
        return self._ask(lambda process: catfile.info(process, name)).found

    def at(self, ref: str) -> str | None:
        """Return the id of the object that a full ref name points to now, None if there is none."""
        found = self._ask(lambda process: catfile.info(process, ref))
        return found.oid if found.found else None

    def contains(self, head: str, commit: str) -> bool:
        """Tell whether *commit* is *head* or one of its ancestors; unknown commits are not."""
        if head == commit:
            return True
        if not (self.has(head) and self.has(commit)):
            return False
        while not self._git.succeeds(verbs.is_ancestor(self.git_dir, commit, head)):
            if self._later is None or not self._cut:
                return False
            self._later.deepen(head)
        return True

    def last_change(self, head: str, path: str) -> Revision | None:
        """Return the last commit up to *head* that changed the file at *path*, if there is one."""
        told = self._git.run(verbs.last_change(self.git_dir, head, path)).strip()
        return self.revision(told.decode("ascii")) if told else None

    def confirmations(
        self, since: str | None, head: str, counts: Callable[[str], bool] | None = None
    ) -> str:
        """
        Return what the commits after *since* up to *head* confirm, as they have it in messages.

        If *since* is None, or no longer there, *head* is asked alone. *counts* tells of a commit
        whether its word counts; None: everybody's does.
        """
        span = since if since is not None and self.has(since) else None
        told = self._git.run(verbs.confirmations(self.git_dir, head, span), most=4 << 20)
        found = []
        for record in told.decode("utf-8", "replace").split("\0"):
            commit, _, message = record.lstrip("\n").partition(" ")
            if message and (counts is None or counts(commit)):
                found.append(message)
        return "\n".join(found)

    def emptied_by(self, head: str, path: str, takes: Takes | None = None) -> str:
        """
        Return the last commit up to *head* that removed configuration under *path*; empty: none.

        Of a history that is cut off, as much counts as there is; a shallow mirror fetches the rest.
        """
        prefix = changes.inside(path)
        while True:
            for step in self._log(head, prefix):
                for name in step.deleted:
                    if changes.is_candidate(name) and (takes is None or takes(name)):
                        return step.commit
            if self._later is None or not self._cut:
                return ""
            self._later.deepen(head)

    # ------------------------------------------------------------------ trees

    def entries(self, tree: str, path: str = "", takes: Takes | None = None) -> list[TreeEntry]:
        """
        Return what is under *path* whose name says that it can hold configuration.

        If given, *takes* (see `selection`) has the last word.
        """
        prefix = changes.inside(path)
        chunks = self._git.stream(verbs.list_tree(self.git_dir, tree, prefix))
        try:
            return list(changes.tree_entries(chunks, prefix, takes))
        except GitFailed:
            self.damaged = True
            raise

    def changes(
        self, old_tree: str, new_tree: str, path: str = "", takes: Takes | None = None
    ) -> list[Change]:
        """Return what differs between two trees under *path*, as `entries` has it."""
        return [
            raw.as_change()
            for raw in self._diff(old_tree, new_tree, changes.inside(path))
            if raw.counts and (takes is None or takes(raw.path))
        ]

    def _diff(self, old_tree: str, new_tree: str, prefix: str) -> list[RawChange]:
        asked = f"{verbs.oid(old_tree)} {verbs.oid(new_tree)}\n".encode()

        def start() -> Process:
            return self._git.converse(verbs.diffs(self.git_dir, prefix))

        def answer(process: Process) -> list[RawChange] | None:
            # Equal trees have no answer of their own; a line that names no object is echoed.
            process.send(asked + b"END\n")
            first = process.line()
            if first == b"END":
                return None
            return list(_diff_records(process))

        for last in (False, True):
            process = self._diffs.pop(prefix, None) or start()
            try:
                found = answer(process)
            except EndedEarlyError as error:
                process.close()
                if last:
                    raise self._died(error) from error
                continue
            except BaseException:
                process.close()
                raise
            self._diffs[prefix] = process
            if found is None:
                # A tree from before may be gone for good reasons; what is new must be there.
                self.damaged = self.damaged or not self.has(new_tree)
                raise GitFailed(f"tree {old_tree} or {new_tree} is not in {self.git_dir}")
            return found
        raise AssertionError  # pragma: no cover  # the loop returns or raises

    def has_folder(self, tree: str, path: str) -> bool:
        """Return whether *tree* has the folder that *path* is for `entries`."""
        prefix = changes.inside(path)
        if not prefix:
            return True
        name = prefix.removesuffix("/")
        if changes.safe_path(name) is not None:
            return False
        asked = f"{verbs.oid(tree)}:{name}"
        return self._ask(lambda process: catfile.info(process, asked)).kind == "tree"

    def file(self, tree: str, path: str, limit: int) -> bytes | None:
        """
        Return the file at *path* of a tree; None if there is none (or it is not a file).

        Raises GitFailed if it is larger than *limit* bytes.
        """
        if changes.safe_path(path) is not None:
            return None
        name = f"{verbs.oid(tree)}:{path}"
        found = self._ask(lambda process: catfile.info(process, name))
        if found.kind != "blob":
            return None
        for _, data in self.read([found.oid], limit):
            if data is None:
                raise GitFailed(f"{path} is larger than {limit} bytes")
            return data
        raise AssertionError  # pragma: no cover  # read yields one pair a blob

    # ------------------------------------------------------------------ contents

    def read(self, blobs: Sequence[str], limit: int) -> Iterator[tuple[str, bytes | None]]:
        """
        Yield each blob's content in turn: None for one above *limit* bytes, which is never read.

        Raises GitFailed if one is missing or no blob.
        """
        self.ensure(blobs)
        left, retried = list(blobs), False
        while True:
            done = 0
            try:
                with self._taken() as process:
                    for pair in catfile.contents(process, left, limit):
                        done += 1
                        yield pair
            except EndedEarlyError as error:
                if retried:
                    raise self._died(error) from error
                left, retried = left[done:], True
            except GitFailed:
                self.damaged = True  # a content shorter than its size leaves us waiting for more
                raise
            except catfile.LostObjectError as error:
                self.damaged = True
                raise GitFailed(
                    f"object {error} is not a blob that can be read from {self.git_dir}",
                    hint=HALF,
                ) from error
            else:
                return

    def ensure(self, blobs: Sequence[str]) -> None:
        """Have the contents *blobs* here; in a partial mirror those that are not are fetched."""
        if self._later is None or not blobs:
            return
        unique = list(dict.fromkeys(blobs))
        if lacking := self._ask(lambda process: catfile.missing(process, unique)):
            self._later.bring(lacking)

    def bulk_reader(self, limit: int) -> BulkReader:
        """Return what reads blobs in another process."""
        return BulkReader(self._git, self.git_dir, limit)

    # ------------------------------------------------------------------ births

    def births(self, head: str, paths: Collection[str]) -> dict[str, int]:
        """
        Return when each of *paths* (which exist at *head*) was born, in seconds since the epoch.

        In a history that is cut off, paths older than the cut are left out rather than guessed; in
        a shallow mirror, the history is fetched as far back as it takes.
        """
        folder, wanted = _common_folder(paths), set(paths)
        while True:
            known = changes.births(self._log(head, folder), wanted)
            if self._later is None or len(known) == len(wanted) or not self._cut:
                return known
            self._later.deepen(head)

    @property
    def _cut(self) -> frozenset[str]:
        return self._whole_cut if self._later is None else self._later.cut()

    def births_since(self, old: str, new: str) -> dict[str, int]:
        """
        Return the births that the commits after *old* up to *new* brought, of what still exists.

        If *old* is not on the first-parent line of *new* (a forced push), or not there at all, any
        birth may differ: then all candidates of *new* are told.
        """
        line = self._line_back(old, new)
        if line is not None:
            return changes.births_between(line)
        if self.has(old) and self._on_line(old, new):
            steps = self._log(new, "", since=old)
            return changes.births_between(reversed(list(steps)))
        return self.births(new, [e.path for e in self.entries(self._commit(new).revision.tree)])

    def _line_back(self, old: str, new: str) -> list[Step] | None:
        """Go back from *new* to *old* by first parents; what each commit did, oldest first."""
        line: list[Commit] = []
        at, cut = verbs.oid(new), self._cut
        while at != old:
            if len(line) == self._walk:
                return None
            found = self._commit(at)
            line.append(found)
            if not found.parents or at in cut:
                return None
            at = found.parents[0]
        steps = []
        before = self._commit(old).revision.tree if line else ""
        for found in reversed(line):
            after = found.revision.tree
            step = Step(found.revision.commit, found.revision.committed_at)
            for raw in self._diff(before, after, ""):
                if raw.status in {"A", "D"}:
                    (step.added if raw.status == "A" else step.deleted).append(raw.path)
            steps.append(step)
            before = after
        return steps

    def _on_line(self, old: str, new: str) -> bool:
        """Tell whether *old* is on the first-parent line of *new*, however long it is."""
        last = b""
        with suppress(GitFailed):
            for chunk in self._git.stream(verbs.first_parents(self.git_dir, new, old)):
                last = (last + chunk)[-65536:]
        oldest = last.strip().rpartition(b"\n")[2].split()
        return len(oldest) > 1 and oldest[1].decode("ascii") == old

    def _log(self, head: str, prefix: str, since: str | None = None) -> Iterator[Step]:
        cut = self._cut
        chunks = self._git.stream(verbs.log(self.git_dir, head, prefix, since=since))
        for step in changes.log_steps(chunks):
            if step.commit in cut:
                return  # everything seems to be added here, and nobody knows when it was
            yield step

    # ------------------------------------------------------------------ the conversation

    @contextmanager
    def _taken(self) -> Iterator[Process]:
        """Take the cat-file process for one exchange; a broken-off one is not used again."""
        process, self._batch = self._batch, None
        process = process or self._git.converse(verbs.batch(self.git_dir))
        try:
            yield process
        except BaseException:
            process.close()
            raise
        if self._batch is None:
            self._batch = process
        else:
            process.close()

    def _ask(self, question: Callable[[Process], T]) -> T:
        try:
            with self._taken() as process:
                return question(process)
        except EndedEarlyError:
            pass
        try:
            with self._taken() as process:
                return question(process)
        except EndedEarlyError as error:
            raise self._died(error) from error

    def _died(self, error: EndedEarlyError) -> GitFailed:
        self.damaged = True
        why = quoted(error.stderr) or "it said nothing"
        return GitFailed(
            f"git {error.command.step} of {self.git_dir} ended: {why}", hint=hint_for(error.stderr)
        )


@dataclass(frozen=True)
class BulkReader:
    """Reads blobs as `Objects.read` does, in whichever process it is called; picklable."""

    git: Git
    git_dir: Path
    limit: int

    def __call__(self, blobs: Sequence[str]) -> Iterator[tuple[str, bytes | None]]:
        """Yield each blob's content in turn, None for one above the limit."""
        yield from _of_this_process(self.git, self.git_dir).read(blobs, self.limit)


@cache
def _of_this_process(git: Git, git_dir: Path) -> Objects:
    # Ends with the worker process: its git reads end of file then.
    return Objects(git, git_dir)


def bulk_read(git_dir: Path, blobs: Sequence[str], limit: int) -> list[tuple[str, bytes | None]]:
    """Read blobs once, with a git process of its own."""
    objects = Objects(Git(), git_dir)
    try:
        return list(objects.read(blobs, limit))
    finally:
        objects.close()


def _diff_records(process: Process) -> Iterator[RawChange]:
    """Read the records up to the echoed mark: each begins with a colon, the mark does not."""
    while (first := process.exactly(1)) == b":":
        header = process.until(b"\0")
        yield changes.raw_change(b":" + header, process.until(b"\0"))
    rest = process.line()
    if first + rest != b"END":
        raise GitFailed(f"diff-tree: not a record: {(first + rest)[:100]!r}")


def _common_folder(paths: Collection[str]) -> str:
    """Return the deepest folder that holds all *paths*, as `changes.inside` writes it."""
    if not paths:
        return ""
    first, last = min(paths), max(paths)
    at = 0
    while at < min(len(first), len(last)) and first[at] == last[at]:
        at += 1
    return first[: first.rfind("/", 0, at) + 1]
