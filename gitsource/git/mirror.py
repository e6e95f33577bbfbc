"""
The mirror: a bare repository of ours that follows one ref of the configured repository.

Rule: what was fetched is never lost by what happens upstream. The head moves by fast-forward;
before a forced push is followed, the old head is kept under a ref of its own. A deleted branch, an
empty repository or an unreachable host leave the mirror as it is. A mirror that is half made or
damaged is made anew beside and swapped in, never repaired in place.

We hold the state directory's lock, so no other gitsource works here; git processes that a killed
one left behind are ended first (`orphans`).

    <folder>/                     the bare repository, mode 0700
    <folder>/gitsource-mirror     what it follows; written last, so it tells a whole mirror
    <folder>.new, .old, .running  while it is made anew, swapped, or changed by git
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from gitsource.errors import ConfigurationError, GitFailed, MirrorError, RefMissing, StateError
from gitsource.git import orphans, verbs
from gitsource.git.address import address, full_ref
from gitsource.git.address import spec as checked_spec
from gitsource.git.changes import safe_path
from gitsource.git.command import SERVED_CONFIG, Git, served
from gitsource.git.objects import Objects
from gitsource.git.reasons import DivergedError
from gitsource.git.verbs import HEAD_REF, KEEP_REFS
from gitsource.model import Revision
from gitsource.settings import Repository

MARKER = "gitsource-mirror"
_VERSION = 1

LOOSE = 2000
"""Objects outside of packs from which on `Mirror.maintenance` packs them."""
PACKS = 200
"""Packs from which on `Mirror.maintenance` joins them: a checked fetch brings one, and joining them
takes longer than a fetch; that many slow no reader down that could be measured."""


class Mirror:
    """
    A bare mirror of one ref.

    For one thread. Raises ConfigurationError when it is made with a repository, ref or folder that
    is refused; nothing is started or touched before `open`.
    """

    def __init__(self, folder: Path, repository: Repository, git: Git | None = None) -> None:
        self.folder = folder.absolute()
        self._address = address(repository.url)
        self._ref = full_ref(repository.ref)
        wrong = safe_path(repository.path.strip("/")) if repository.path.strip("/") else None
        if wrong is not None:
            raise ConfigurationError(f"repository.path: {wrong}: {repository.path[:200]!r}")
        base = git or Git(timeout=repository.timeout)
        self._git = replace(base, mark=self._beside("running"))
        self._objects: Objects | None = None

    def __repr__(self) -> str:
        return f"<Mirror {self._address.url} {self._ref}>"

    def _beside(self, what: str) -> Path:
        return self.folder.with_name(f"{self.folder.name}.{what}")

    # ------------------------------------------------------------------ opening

    def open(self) -> None:
        """
        Make the mirror, or check and repair the one that is there. Needs no network.

        Raises ConfigurationError (no fit git), StateError (the folder cannot be written).
        """
        self._git.check_version()
        try:
            orphans.end(self._beside("running"))
            self._finish_swap()
            marker = _marker(self.folder)
            if marker is None or not self._readable():
                self._make(self._beside("new"), "sha1")
                self._swap()
            else:
                _clear(self.folder)
                self._follow(marker)
            self._allow_serving(self.folder)
        except OSError as error:
            raise StateError(
                f"the mirror {self.folder} cannot be made: {error}",
                hint="check state_dir: its owner, its mode and the space left",
            ) from error

    def close(self) -> None:
        """End the git processes that read; everything on disk stays."""
        if self._objects is not None:
            self._objects.close()

    @property
    def objects(self) -> Objects:
        """What the mirror holds."""
        if self._objects is None:
            self._objects = Objects(self._git, self.folder)
        return self._objects

    def _readable(self) -> bool:
        """Tell whether git can read the mirror's head down to its tree."""
        try:
            listed = self._git.run(verbs.refs(self.folder, "refs/gitsource/"))
            if HEAD_REF.encode() in listed:
                return self.objects.has(self.objects.revision(HEAD_REF).tree)
        except MirrorError:
            self._forget_objects()
            return False
        # Git passes over a ref that it cannot read, so a broken head looks like none at all.
        return not os.path.lexists(self.folder / HEAD_REF)

    def _make(self, folder: Path, object_format: str) -> None:
        _discard(folder)
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.mkdir(mode=0o700)
        self._git.run(verbs.init(folder, object_format))
        self._allow_serving(folder)
        _mark(folder, self._follows(), object_format)

    def _allow_serving(self, folder: Path) -> None:
        told = served(self._address.local) if self._address.local is not None else ""
        file = folder / SERVED_CONFIG
        if not file.is_file() or file.read_text(encoding="utf-8", errors="replace") != told:
            _replace(file, told)

    def _swap(self) -> None:
        """Put the mirror made beside in place; `_finish_swap` ends this after a crash."""
        self._forget_objects()
        old = self._beside("old")
        _discard(old)
        if os.path.lexists(self.folder):
            self.folder.rename(old)
        self._beside("new").rename(self.folder)
        _sync(self.folder.parent)
        _discard(old)

    def _finish_swap(self) -> None:
        new, old = self._beside("new"), self._beside("old")
        if not os.path.lexists(self.folder):
            for candidate in (new, old):
                if _marker(candidate) is not None:
                    candidate.rename(self.folder)
                    break
        _discard(new)
        _discard(old)

    def _forget_objects(self) -> None:
        if self._objects is not None:
            self._objects.close()
        self._objects = None

    # ------------------------------------------------------------------ what is followed

    def _follows(self) -> str:
        """Return what this mirror follows, as the marker has it: no secret can be read from it."""
        return hashlib.sha256(f"{self._address.url}\0{self._ref}".encode()).hexdigest()

    def _follow(self, marker: dict[str, str]) -> None:
        """Point the mirror at another repository or ref; what it has stays, but is no head now."""
        if marker.get("follows") == self._follows():
            return
        old = self.objects.at(HEAD_REF)
        if old is not None:
            self._change_refs([(KEEP_REFS + old, old), (HEAD_REF, None)])
        _mark(self.folder, self._follows(), marker.get("format", "sha1"))

    def _change_refs(self, wanted: Iterable[tuple[str, str | None]]) -> None:
        """Set (or, with None, delete) refs of ours, all or none."""
        told = b""
        for ref, oid in wanted:
            name = verbs.own_ref(ref).encode()
            if oid is None:
                told += b"delete " + name + b"\0\0"
            else:
                told += b"update " + name + b"\0" + verbs.oid(oid).encode() + b"\0\0"
        if told:
            self._git.run(verbs.update_refs(self.folder), stdin=told)

    # ------------------------------------------------------------------ fetching

    def fetch(self) -> None:
        """
        Bring the head to where the followed ref is now.

        Raises RemoteUnreachable, RefMissing (the ref or any commit is missing upstream) or
        GitFailed; the head then stays where it was.
        """
        if self.objects.damaged:
            self._rebuild(self._format())
            return
        try:
            self._bring(self.folder)
        except RefMissing as error:
            raise self._missing() from error
        except GitFailed:
            theirs = self._their_format()
            if theirs in {None, self._format()}:
                raise
            self._rebuild(str(theirs))

    def _bring(self, folder: Path) -> None:
        try:
            self._git.run(verbs.fetch(folder, self._address, self._ref, force=False))
        except DivergedError:
            old = self.objects.at(HEAD_REF)
            if old is not None:
                self._change_refs([(KEEP_REFS + old, old)])
            self._git.run(verbs.fetch(folder, self._address, self._ref, force=True))

    def _rebuild(self, object_format: str) -> None:
        """Fetch everything anew beside, and only then let go of what is there."""
        new = self._beside("new")
        self._make(new, object_format)
        try:
            self._git.run(verbs.fetch(new, self._address, self._ref, force=True))
        except MirrorError:
            _discard(new)
            raise
        self._swap()

    def _format(self) -> str:
        return (_marker(self.folder) or {}).get("format", "sha1")

    def _branches(self) -> list[tuple[str, str]]:
        """Return the remote's branches as (object id, name)."""
        listed = self._git.run(verbs.ls_remote(self.folder, self._address), most=4 << 20)
        pairs = (line.split("\t", 1) for line in listed.decode("utf-8", "replace").splitlines())
        return [(p[0], p[1].removeprefix("refs/heads/")) for p in pairs if len(p) == 2]

    def _their_format(self) -> str | None:
        try:
            branches = self._branches()
        except MirrorError:
            return None
        return ("sha256" if len(branches[0][0]) == 64 else "sha1") if branches else None

    def _missing(self) -> RefMissing:
        where = self._address.url
        try:
            names = [name for _, name in self._branches()]
        except MirrorError:
            names = ["(unknown)"]
        if not names:
            return RefMissing(
                f"{where} has no branches: it is empty", hint=f"push a commit to {self._ref}"
            )
        some = ", ".join(name[:60] for name in names[:5] if name.isprintable())
        return RefMissing(
            f"{self._ref} is not in {where}",
            hint=f"set repository.ref to a branch that is: {some}{', …' * (len(names) > 5)}",
        )

    # ------------------------------------------------------------------ what it has

    def head(self) -> Revision:
        """Return the last fetched head, without network; RefMissing if there is none yet."""
        if self.objects.at(HEAD_REF) is None:
            raise RefMissing(f"{self._ref} was not fetched yet from {self._address.url}")
        return self.objects.revision(HEAD_REF)

    def resolve(self, spec: str) -> Revision:
        """
        Return the revision an operator means: a commit id, full or shortened, or the followed ref.

        Only commits that the head or a kept revision leads to. Raises ConfigurationError for what
        is no revision at all, RefMissing for one that is not here.
        """
        asked = checked_spec(spec)
        if asked.base in {"HEAD", self._ref, self._ref.removeprefix("refs/heads/")}:
            return self.objects.revision(HEAD_REF + asked.steps)
        if not asked.is_hex:
            raise RefMissing(f"the mirror follows {self._ref} only, not {asked.base[:100]}")
        revision = self.objects.revision(str(asked))
        if not self._git.run(verbs.containing(self.folder, revision.commit, "refs/gitsource")):
            raise RefMissing(f"commit {revision.short} is no longer part of {self._ref}")
        return revision

    def keep(self, commit: str) -> None:
        """Let *commit* outlive forced pushes and garbage collection, until `release`."""
        head = self.objects.at(HEAD_REF)
        if head is None or not self.objects.contains(self.objects.revision(head).commit, commit):
            self._change_refs([(KEEP_REFS + commit, commit)])

    def release(self, commit: str) -> None:
        """Take back `keep`."""
        if self.objects.at(KEEP_REFS + verbs.oid(commit)) is not None:
            self._change_refs([(KEEP_REFS + commit, None)])

    def packed(self) -> int:
        """Return about how many objects there are in packs, from the sizes of files alone."""
        indexes = self.folder.glob("objects/pack/*.idx")
        return sum(max(0, index.stat().st_size - 1072) // 28 for index in indexes)

    def maintenance(self, *, full: bool = False, most_packs: int = PACKS) -> bool:
        """
        Pack what fetches have left loose, if that is much; for a quiet moment. True if it was done.

        The cost follows what is new. With *full*, everything is packed anew and what nothing refers
        to any more is dropped after two weeks; the cost follows the repository.
        """
        loose = sum(1 for _ in self.folder.glob("objects/[0-9a-f][0-9a-f]/*"))
        packs = sum(1 for _ in self.folder.glob("objects/pack/*.pack"))
        if not full and loose < LOOSE and packs < most_packs:
            return False
        self._git.run(verbs.gc(self.folder) if full else verbs.repack(self.folder))
        return True


# --------------------------------------------------------------------------- files of the mirror


def _marker(folder: Path) -> dict[str, str] | None:
    """Return what the marker says; None if *folder* is no whole mirror of this version."""
    if folder.is_symlink():
        return None
    try:
        told = json.loads((folder / MARKER).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return told if isinstance(told, dict) and told.get("version") == _VERSION else None


def _mark(folder: Path, follows: str, object_format: str) -> None:
    told = {"version": _VERSION, "follows": follows, "format": object_format}
    _replace(folder / MARKER, json.dumps(told))


def _replace(file: Path, content: str) -> None:
    """Write *file* so that a crash leaves the old or the new content."""
    beside = file.with_name(file.name + ".tmp")
    with beside.open("w", encoding="utf-8") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    beside.replace(file)
    _sync(file.parent)


def _sync(folder: Path) -> None:
    number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def _discard(path: Path) -> None:
    """Remove a folder, or whatever else is there under its name."""
    if path.is_symlink() or path.is_file():
        path.unlink()
    elif path.exists():
        shutil.rmtree(path)


def _clear(folder: Path) -> None:
    """Remove what a git that was killed left behind: locks, and packs that were never finished."""
    stale = [folder / "HEAD.lock", folder / "config.lock", folder / "packed-refs.lock"]
    stale += [folder / "shallow.lock", folder / "packed-refs.new", folder / "gc.pid"]
    stale += folder.glob("refs/**/*.lock")
    stale += folder.glob("objects/**/*.lock")
    stale += folder.glob("objects/pack/tmp_*")
    stale += folder.glob("objects/pack/.tmp-*")
    stale += folder.glob("objects/??/tmp_obj_*")
    for path in stale:
        with suppress(FileNotFoundError):
            path.unlink()
    for left in (*folder.glob("objects/tmp_objdir-*"), *folder.glob("objects/incoming-*")):
        _discard(left)
