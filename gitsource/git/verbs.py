"""
Every git command line that gitsource uses: one builder a verb, fixed options, typed slots.

Rule: an allow-list. No builder passes an option on; what comes from outside (an address, a ref, a
path) stands behind ``--end-of-options`` or ``--``, or after ``=`` in one argument, and an object
id is checked to be one. So no text in any slot can become an option of git's, and the list of
dangerous options need not be known.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gitsource.errors import ConfigurationError
from gitsource.git.address import Address
from gitsource.git.changes import LOG_FORMAT

_OID = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_OWN_REF = re.compile(r"refs/gitsource/[a-z]+(?:/[0-9a-f]{40,64})?")

HEAD_REF = "refs/gitsource/head"
"""Where the mirror keeps the followed ref."""
VIA_REF = "refs/gitsource/via"
"""Where a branch stands for a moment on which one commit is looked for."""
KEEP_REFS = "refs/gitsource/keep/"
"""Under it, one ref a commit that must outlive garbage collection."""


@dataclass(frozen=True, slots=True)
class Command:
    """One git process to be: what it is called in messages, its arguments, where it runs."""

    step: str
    """What an error calls it."""
    args: tuple[str, ...]
    """Everything after the program's own options."""
    git_dir: Path | None = None
    """The repository, never searched for by git itself (except by `discover`)."""
    cwd: str = "/"
    remote: Address | None = None
    """Set if the command talks to it; all others are denied every transport."""
    program: str = "git"
    """What runs: git, or what it calls for signatures."""
    writes: bool = False
    """Whether a process left behind by a crash could still change the repository."""
    index: Path | None = None
    """The index to read in place of the repository's own."""

    @property
    def argv(self) -> tuple[str, ...]:
        """The arguments after the program's path."""
        where = () if self.git_dir is None else (f"--git-dir={self.git_dir}",)
        return ("--no-pager", *where, *self.args)


def oid(text: str) -> str:
    """Return *text* if it is a full object id; raises ConfigurationError if it is anything else."""
    if not _OID.fullmatch(text):
        raise ConfigurationError(f"{text[:80]!r} is not an object id")
    return text


def own_ref(text: str) -> str:
    """Return *text* if it is one of the mirror's own refs."""
    if not _OWN_REF.fullmatch(text):
        raise ConfigurationError(f"{text[:80]!r} is not a ref of the mirror")
    return text


def _literal(prefix: str) -> tuple[str, ...]:
    """Return the pathspec for *prefix* (of `changes.inside`); GIT_LITERAL_PATHSPECS is set."""
    if "\0" in prefix:
        raise ConfigurationError("a path cannot have a NUL in it")
    return ("--", prefix) if prefix else ("--",)


# --------------------------------------------------------------------------- making and fetching


def init(folder: Path, object_format: str) -> Command:
    """Make a bare repository without templates (and so without hooks)."""
    if object_format not in {"sha1", "sha256"}:
        raise ConfigurationError(f"{object_format[:20]!r} is not an object format")
    args = ("init", "--quiet", "--bare", "--template=", "--initial-branch=none")
    where = (f"--object-format={object_format}", "--", str(folder))
    return Command("init", (*args, *where), writes=True)


_PARTS = "gitsource"
_PARTIAL = (
    *("-c", f"remote.{_PARTS}.promisor=true"),
    *("-c", f"remote.{_PARTS}.partialclonefilter=blob:none"),
)


def _from_parts(remote: Address) -> tuple[str, ...]:
    """
    Return what comes before the verb where contents may be missing; the remote is then `_PARTS`.

    Said on the command line, git does not write it into the repository: there, processes that read
    would take an object that is missing for one they could get, and end.
    """
    if remote.url.startswith("-"):  # git takes it from the configuration as it is
        raise ConfigurationError(f"{remote.url[:80]!r} is not an address")
    return (*_PARTIAL, "-c", f"remote.{_PARTS}.url={remote.url}")


def fetch(
    git_dir: Path,
    remote: Address,
    ref: str,
    *,
    force: bool,
    into: str = HEAD_REF,
    partial: bool = False,
    depth: int = 0,
) -> Command:
    """
    Bring *into* to the remote's *ref* (or a commit); without *force* only by fast-forward.

    *partial* leaves contents out, *depth* all but so many commits.
    """
    less = (f"--depth={depth:d}",) if depth else ()
    args = (
        *(_from_parts(remote) if partial else ()),
        *("fetch", "--no-progress", "--no-tags", "--no-auto-maintenance", "--no-write-fetch-head"),
        *("--no-recurse-submodules", "--no-auto-gc", "--atomic", *less),
        *("--end-of-options", _PARTS if partial else remote.url),
        f"{'+' if force else ''}{ref}:{own_ref(into)}",
    )
    return Command("fetch", args, git_dir, remote=remote, writes=True)


def deepen(git_dir: Path, remote: Address, source: str, by: int) -> Command:
    """Bring *by* more commits, and their trees, of the history of *source*; no ref is changed."""
    args = (
        *_from_parts(remote),
        *("fetch", "--no-progress", "--no-tags", "--no-auto-maintenance", "--no-write-fetch-head"),
        *("--no-recurse-submodules", "--no-auto-gc", f"--deepen={by:d}"),
        *("--end-of-options", _PARTS, source),
    )
    return Command("fetch", args, git_dir, remote=remote, writes=True)


def fetch_blobs(git_dir: Path, remote: Address) -> Command:
    """Bring contents by their ids, told on standard input."""
    args = (
        # Told what we have, the remote could send them as deltas of contents that are missing here.
        *(*_from_parts(remote), "-c", "fetch.negotiationAlgorithm=noop"),
        *("fetch", "--no-progress", "--no-tags", "--no-auto-maintenance", "--no-write-fetch-head"),
        *("--no-recurse-submodules", "--no-auto-gc", "--stdin"),
        *("--end-of-options", _PARTS),
    )
    return Command("fetch", args, git_dir, remote=remote, writes=True)


def ls_remote(git_dir: Path, remote: Address, kind: Literal["heads", "tags"]) -> Command:
    """List the remote's branches or tags; a tag with the object it points to."""
    args = ("ls-remote", "--quiet", "--refs", f"--{kind}", "--end-of-options", remote.url)
    return Command("ls-remote", args, git_dir, remote=remote)


def ls_remote_ref(git_dir: Path, remote: Address, ref: str) -> Command:
    """Ask the remote for one ref; others whose names end like it may be told as well."""
    args = ("ls-remote", "--quiet", "--end-of-options", remote.url, ref)
    return Command("ls-remote", args, git_dir, remote=remote)


def may_push(git_dir: Path, remote: Address) -> Command:
    """
    Have the remote say what it says before a push, and leave it there: nothing is ever sent.

    Over ssh the program that takes pushes is asked for its list of refs; over http(s) git's own
    helper asks for that list, told so on standard input (`LIST_FOR_PUSH`).
    """
    if remote.scheme in {"http", "https"}:
        # The helper knows no options and no end of them: an address can be read as nothing else.
        if not remote.url.startswith(f"{remote.scheme}://"):
            raise ConfigurationError(f"{remote.url[:80]!r} is not an address")
        args: tuple[str, ...] = (f"remote-{remote.scheme}", remote.url, remote.url)
    else:
        fixed = ("ls-remote", "--quiet", "--upload-pack=git-receive-pack", "--end-of-options")
        args = (*fixed, remote.url, "HEAD")
    return Command("ask about pushing", args, git_dir, remote=remote)


LIST_FOR_PUSH = b"list for-push\n\n"
"""What `may_push` is told over http(s)."""


def update_refs(git_dir: Path) -> Command:
    """Change refs in one transaction, told on standard input."""
    return Command("update-ref", ("update-ref", "--stdin", "-z"), git_dir, writes=True)


def repack(git_dir: Path) -> Command:
    """Pack what is loose, joining small packs only: the cost follows what is new."""
    args = ("repack", "-d", "-l", "-q", "--geometric=2")
    return Command("repack", args, git_dir, writes=True)


def repack_all(git_dir: Path) -> Command:
    """Pack everything anew: what a partial mirror needs, where git joins no packs by size."""
    args = (*_PARTIAL, "repack", "-a", "-d", "-l", "-q")
    return Command("repack", args, git_dir, writes=True)


def gc(git_dir: Path, *, partial: bool = False) -> Command:
    """Pack everything anew and drop what nothing has referred to for two weeks."""
    args = (*(_PARTIAL if partial else ()), "gc", "--quiet", "--prune=2.weeks.ago")
    return Command("gc", args, git_dir, writes=True)


# --------------------------------------------------------------------------- reading


def version() -> Command:
    """Ask which git this is."""
    return Command("version", ("version",))


def discover(folder: Path) -> Command:
    """Find the repository that *folder* is in, and whether its history is cut off."""
    args = ("rev-parse", "--path-format=absolute", "--absolute-git-dir", "--git-path", "shallow")
    return Command("rev-parse", args, cwd=str(folder))


def _in_tree(top: Path) -> tuple[str, ...]:
    """Say where the working tree is, whatever the repository's configuration says."""
    return (f"--work-tree={top}", "-c", "core.excludesFile=/dev/null")


def index(git_dir: Path, top: Path, file: Path | None = None) -> Command:
    """List what is staged (in *file*), with what is left out of the working tree on purpose."""
    args = (*_in_tree(top), "ls-files", "--stage", "-t", "-z")
    return Command("ls-files", args, git_dir, cwd=str(top), index=file)


def untracked(git_dir: Path, top: Path, file: Path | None = None) -> Command:
    """List the files of the working tree that are neither staged (in *file*) nor ignored."""
    args = (*_in_tree(top), "ls-files", "--others", "--exclude-standard", "-z")
    return Command("ls-files", args, git_dir, cwd=str(top), index=file)


def refs(git_dir: Path, under: str) -> Command:
    """List the refs under *under* with their objects."""
    args = ("for-each-ref", "--format=%(objectname) %(refname)%00", "--", under)
    return Command("for-each-ref", args, git_dir)


def containing(git_dir: Path, commit: str, under: str) -> Command:
    """Name one ref under *under* from which *commit* can be reached."""
    fixed = ("for-each-ref", "--count=1", "--format=%(refname)")
    return Command("for-each-ref", (*fixed, f"--contains={oid(commit)}", "--", under), git_dir)


def symbolic(git_dir: Path, ref: str) -> Command:
    """Tell where a symbolic ref points."""
    return Command("symbolic-ref", ("symbolic-ref", "--quiet", "--end-of-options", ref), git_dir)


def remotes(git_dir: Path) -> Command:
    """Tell the addresses of the remotes, as the repository's own configuration has them."""
    fixed = ("config", "--local", "--get-regexp", r"^remote\..*\.url$")
    return Command("config", fixed, git_dir)


def batch(git_dir: Path) -> Command:
    """Answer questions about objects for as long as they are asked."""
    return Command("cat-file", ("cat-file", "--batch-command", "--buffer"), git_dir)


def diffs(git_dir: Path, prefix: str) -> Command:
    """Compare pairs of trees, told on standard input, within a folder."""
    args = ("diff-tree", "--stdin", "-r", "--raw", "-z", "--no-renames", "--no-abbrev")
    kept = ("--ignore-submodules=none", "--no-ext-diff", "--no-textconv", "-O/dev/null")
    return Command("diff-tree", (*args, *kept, *_literal(prefix)), git_dir)


def list_tree(git_dir: Path, tree: str, prefix: str) -> Command:
    """List everything under a folder of a tree."""
    args = ("ls-tree", "-r", "-z", "--full-tree", "--end-of-options", oid(tree))
    # NB: after --end-of-options, ls-tree would take `--` for a path.
    return Command("ls-tree", (*args, *_literal(prefix)[1:]), git_dir)


def log(git_dir: Path, head: str, prefix: str, *, since: str | None = None) -> Command:
    """Tell what appeared and vanished on the first-parent line, newest first."""
    args = (
        *("log", "--first-parent", "--diff-merges=first-parent", "--name-status", "--no-renames"),
        *("--diff-filter=AD", "-z", f"--format=tformat:{LOG_FORMAT}", "--root", "--no-follow"),
        # What the configuration of a local repository could otherwise say.
        *("--no-show-signature", "--no-mailmap", "--no-notes", "--no-decorate", "--no-color"),
        *("--no-ext-diff", "--no-textconv", "--ignore-submodules=none", "-O/dev/null"),
    )
    span = (oid(head),) if since is None else (oid(head), f"^{oid(since)}")
    return Command("log", (*args, "--end-of-options", *span, *_literal(prefix)), git_dir)


def first_parents(git_dir: Path, head: str, since: str) -> Command:
    """List the first-parent line of *head* down to what *since* has, with parents."""
    args = ("rev-list", "--first-parent", "--parents", "--end-of-options")
    return Command("rev-list", (*args, oid(head), f"^{oid(since)}", "--"), git_dir)


def new_commits(git_dir: Path, head: str, without: Sequence[str]) -> Command:
    """List the commits of *head* that none of *without* has, newest first, with parents."""
    args = ("rev-list", "--topo-order", "--parents", "--end-of-options", oid(head))
    return Command("rev-list", (*args, *(f"^{oid(one)}" for one in without), "--"), git_dir)


def descendants(git_dir: Path, head: str, commit: str) -> Command:
    """List the commits of *head* that have *commit* in their history, newest first."""
    args = ("rev-list", "--ancestry-path", "--topo-order", "--end-of-options", oid(head))
    return Command("rev-list", (*args, f"^{oid(commit)}", "--"), git_dir)


def merge_bases(git_dir: Path, one: str, other: str) -> Command:
    """Find all the commits where two histories meet last."""
    args = ("merge-base", "--all", "--end-of-options", oid(one), oid(other))
    return Command("merge-base", args, git_dir)


def last_change(git_dir: Path, head: str, path: str) -> Command:
    """Name the last commit up to *head* that changed *path*."""
    args = ("rev-list", "--max-count=1", "--end-of-options", oid(head))
    return Command("rev-list", (*args, *_literal(path)), git_dir)


def confirmations(git_dir: Path, head: str, since: str | None) -> Command:
    """Tell commits (without *since*, *head* alone) that confirm something, with their messages."""
    args = (
        *("log", "-E", "-i", "--grep=^gitsource-allow:", "--format=tformat:%H %B%x00"),
        *("--no-show-signature", "--no-mailmap", "--no-notes", "--no-decorate", "--no-color"),
    )
    span = (oid(head),) if since is None else (oid(head), f"^{oid(since)}")
    walk = ("--no-walk",) if since is None else ("--max-count=100",)
    return Command("log", (*args, *walk, "--end-of-options", *span, "--"), git_dir)


def merge_base(git_dir: Path, one: str, other: str) -> Command:
    """Find where two commits' histories meet."""
    return Command("merge-base", ("merge-base", "--end-of-options", oid(one), oid(other)), git_dir)


def is_ancestor(git_dir: Path, old: str, new: str) -> Command:
    """Tell (by exit code 0 or 1) whether *old* is in the history of *new*."""
    args = ("merge-base", "--is-ancestor", "--end-of-options", oid(old), oid(new))
    return Command("merge-base", args, git_dir)
