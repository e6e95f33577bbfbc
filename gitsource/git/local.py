"""
A repository of the user's own, read where it is: for dry-runs and `validate --repo`.

Rule: read-only, offline, and as suspicious as with any upstream: its configuration may be hostile
(a fresh clone of someone else's work, say) and must not run anything. See `command` for how.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from gitsource.errors import ConfigurationError, GitFailed, RefMissing
from gitsource.git import refs, verbs
from gitsource.git.command import Git
from gitsource.git.objects import Objects
from gitsource.git.refs import TAGS, Fixed, Named, is_oid
from gitsource.model import Revision
from gitsource.settings.following import Repository

if TYPE_CHECKING:
    from gitsource.git.worktree import What, WorkingTree

_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/|[^/@:]+@[^/:]+:")
"""How an address begins, as Git takes them, once a `Path` has made one slash of two."""
_DEEPER = "fetch more (git fetch --deepen=100), or name a --base that it has"


class LocalRepository:
    """
    The repository that *folder* is in: a clone (also from a folder inside it) or a bare repository.

    Raises ConfigurationError if there is none. A context manager, for one thread.
    """

    def __init__(self, folder: Path, git: Git | None = None) -> None:
        self._git = git or Git()
        self._git.check_version()
        try:
            if not folder.is_dir() and _ADDRESS.match(str(folder)):
                raise ConfigurationError(
                    "a repository is read from a folder here, and this is an address",
                    hint="clone it first (git clone ADDRESS) and name the folder",
                )
            if not folder.is_dir():
                raise ConfigurationError(f"{folder} is not a folder")
            found = self._git.run(verbs.discover(folder.resolve())).rstrip(b"\n").split(b"\n")
        except GitFailed as error:
            raise ConfigurationError(
                f"{folder} is not in a Git repository", hint="name one with --repo"
            ) from error
        self.git_dir = Path(os.fsdecode(found[0]))
        self.top = _top(folder.resolve(), self.git_dir)
        """The folder of the working tree; None in a bare repository."""
        self.cut = _cut_off(Path(os.fsdecode(found[-1])))
        """Commits whose parents are missing (a shallow clone): births before them are unknown."""
        self.objects = Objects(self._git, self.git_dir, cut=self.cut)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the git processes."""
        self.objects.close()

    def revision(self, spec: str) -> Revision:
        """Return the commit that *spec* names, see `Objects.revision`."""
        try:
            return self.objects.revision(spec)
        except RefMissing as error:
            if spec != "HEAD" or self.head() is not None:
                raise
            raise RefMissing(
                f"nothing is committed yet in {self.git_dir}",
                hint="commit something first; `dry-run --worktree` tries what lies there",
            ) from error

    def merge_base(self, one: str, other: str) -> str | None:
        """Return the commit where two histories meet, None if they do not."""
        command = verbs.merge_base(self.git_dir, one, other)
        return self._git.first_line(command)

    def default_branch(self) -> str | None:
        """Return the full name of the ref that new work starts from, as far as can be known."""
        named = self._git.first_line(verbs.symbolic(self.git_dir, "refs/remotes/origin/HEAD"))
        usual = (
            *("refs/remotes/origin/main", "refs/remotes/origin/master"),
            *("refs/heads/main", "refs/heads/master"),
        )
        return self._first_of((*((named,) if named else ()), *usual))

    def _first_of(self, refs: tuple[str, ...]) -> str | None:
        return next((ref for ref in refs if self.objects.at(ref) is not None), None)

    def followed(self, repository: Repository) -> str:
        """Return the ref (or commit) here that *repository* says is followed; empty if none is."""
        meant = refs.wanted(repository)
        if isinstance(meant, Fixed):
            return meant.commit
        if isinstance(meant, Named):
            asis = meant.why == "repository.ref"
            return repository.ref if asis else meant.ref.removeprefix("refs/heads/")
        listed = self._git.run(verbs.refs(self.git_dir, TAGS), most=16 << 20)
        lines = listed.decode("utf-8", "replace").split("\0")
        return meant.of(line.partition(" ")[2] for line in lines if " " in line) or ""

    def remotes(self) -> tuple[str, ...]:
        """Return the addresses of its remotes, as they are written there."""
        lines = self._git.lines(verbs.remotes(self.git_dir))
        return tuple(dict.fromkeys(line.partition(" ")[2] for line in lines))

    def working(self, what: What, limit: int) -> WorkingTree:
        """
        Return the working tree, or the index, as one more tree above the repository's objects.

        Raises ConfigurationError in a bare repository, and while a merge is not resolved.
        """
        if self.top is None:
            raise ConfigurationError(
                f"{self.git_dir} has no working tree", hint="name a commit with --head"
            )
        from gitsource.git.worktree import WorkingTree

        head = self.head()
        index = _index_of(self.git_dir)
        return WorkingTree(
            self._git, self.git_dir, self.top, what, head, limit, cut=self.cut, index=index
        )

    def head(self) -> Revision | None:
        """Return the commit that is checked out; None before the first one."""
        try:
            return self.objects.revision("HEAD")
        except RefMissing:
            return None

    def base_of(
        self, new: Revision | None, base: str | None, followed: str = "", *, inside: bool = False
    ) -> Revision | None:
        """
        Return what *new* is compared with: *base* if it is named, else where *new* left off.

        That is where its history meets the *followed* ref (the remote's before the local one, else
        the default branch); for a commit on that ref itself, the commit before, or with *inside*
        that commit: what is compared is then not committed yet. None if there is nothing before it.
        Raises RefMissing if *base* is not there, ConfigurationError if the two share no history.
        """
        if base is not None:
            return self._named(base)
        if new is None:
            return None
        main = self.main(followed)
        if main is not None:
            tip = self.objects.revision(main).commit
            met = self.merge_base(new.commit, tip)
            if met is None:
                raise self._apart(new, main)
            if met != new.commit or inside:
                return self.objects.revision(met)
        if inside:
            return new
        try:
            return self.objects.revision(f"{new.commit}~1")
        except RefMissing:
            if new.commit in self.cut:
                raise ConfigurationError(
                    f"the clone is shallow and does not have the commit before {new.short}",
                    hint=_DEEPER,
                ) from None
            return None

    def main(self, followed: str = "") -> str | None:
        """Return the full name of the ref that is followed, as it is here; else the default one."""
        named = () if not followed else (
            (followed,) if followed.startswith("refs/") or is_oid(followed)
            else (f"refs/remotes/origin/{followed}", f"refs/heads/{followed}")
        )  # fmt: skip
        return self._first_of(named) or self.default_branch()

    def _named(self, base: str) -> Revision:
        try:
            return self.objects.revision(base)
        except RefMissing as error:
            how = "fetch it (git fetch origin REF)"
            if self.cut:
                how = "this clone is shallow: fetch more (git fetch --deepen=100)"
            raise RefMissing(str(error), hint=f"{how}, or name another --base") from error

    def _apart(self, new: Revision, main: str) -> ConfigurationError:
        """Say that no base can be found for *new*, and what to do."""
        if self.cut:
            return ConfigurationError(
                f"the clone is shallow and does not reach back to where {new.short} left {main}",
                hint=_DEEPER,
            )
        return ConfigurationError(
            f"{new.short} and {main} have no history in common",
            hint="name what sinks have now with --base",
        )


def _index_of(git_dir: Path) -> Path | None:
    """
    Return the index that a hook is to look at; None: the repository's own.

    ``git commit -a`` and ``git commit FILE`` stage into one of their own, beside the repository's,
    and name it in the environment of hooks. One that lies elsewhere is of another repository.
    """
    told = os.environ.get("GIT_INDEX_FILE", "")
    index = Path(os.path.abspath(told))  # noqa: PTH100 - links are kept
    return index if told and index.parent.resolve() == git_dir.resolve() else None


def _top(folder: Path, git_dir: Path) -> Path | None:
    """
    Return the nearest folder that has a `.git`, unless *folder* is inside of the repository's own.

    NB: what `core.worktree` says is not asked: whoever writes it could name any folder.
    """
    for at in (folder, *folder.parents):
        if at == git_dir:
            return None
        if (at / ".git").exists():
            return at
    return None


def _cut_off(shallow: Path) -> frozenset[str]:
    """Return the commits at which a shallow clone's history ends."""
    try:
        told = shallow.read_text(encoding="ascii")
    except FileNotFoundError:
        return frozenset()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{shallow} cannot be read: {error}") from error
    return frozenset(told.split())
