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
import logging
import os
import time
from collections.abc import Iterable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from gitsource.errors import (
    ConfigurationError,
    GitFailed,
    MirrorError,
    RefMissing,
    RemoteUnreachable,
    StateError,
)
from gitsource.git import orphans, refs, verbs
from gitsource.git.address import address
from gitsource.git.address import spec as checked_spec
from gitsource.git.changes import safe_path
from gitsource.git.command import SERVED_CONFIG, Git, served
from gitsource.git.later import Later
from gitsource.git.mirror_files import clear, discard, mark, marker, rewrite, sync
from gitsource.git.objects import Objects
from gitsource.git.reasons import DivergedError, is_ours
from gitsource.git.refs import TAGS, Chosen, Fixed, Highest, Named
from gitsource.git.remote import Remote
from gitsource.git.selection import selection
from gitsource.git.verbs import HEAD_REF, KEEP_REFS, VIA_REF
from gitsource.model import Revision
from gitsource.settings.following import Repository

log = logging.getLogger("gitsource.git")

LOOSE = 2000
"""Objects outside of packs from which on `Mirror.maintenance` packs them."""
PACKS = 200
"""Packs from which on `Mirror.maintenance` joins them: a checked fetch brings one, and joining them
takes longer than a fetch; that many slow no reader down that could be measured."""

ANEW_EVERY = 900.0
"""Seconds between two times that a mirror is made anew because fetching into it fails."""


class Mirror:
    """
    A bare mirror of one ref.

    For one thread. Raises ConfigurationError when it is made with a repository, ref or folder that
    is refused; nothing is started or touched before `open`.
    """

    def __init__(self, folder: Path, repository: Repository, git: Git | None = None) -> None:
        self.folder = folder.absolute()
        self._address = address(repository.url)
        self._wanted = refs.wanted(repository)
        self._chosen = Chosen("", self._wanted.why)
        self._deny = repository.non_fast_forward == "deny"
        wrong = safe_path(repository.path.strip("/")) if repository.path.strip("/") else None
        if wrong is not None:
            raise ConfigurationError(f"repository.path: {wrong}: {repository.path[:200]!r}")
        self._depth = repository.depth
        self._partial = repository.depth > 0 or repository.filter != "none"
        selection(repository)  # so that a wrong pattern is told before anything is started
        base = git or Git(timeout=repository.timeout)
        self._git = replace(base, mark=self._beside("running"))
        self._remote = Remote(self._git, self._address)
        self._objects: Objects | None = None
        self._anew_from = 0.0

    def __repr__(self) -> str:
        return f"<Mirror {self._address.url} {self._wanted}>"

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
            known = marker(self.folder)
            if known is None or not self._readable():
                self._make(self._beside("new"), "sha1")
                self._swap()
            else:
                clear(self.folder)
                self._follow(known)
            self._allow_serving(self.folder)
        except OSError as error:
            raise StateError(
                f"the mirror {self.folder} cannot be made: {error}",
                hint="check state_dir: its owner, its mode and the space left",
            ) from error

    def stop(self) -> None:
        """Have git steps end, the one under way first: for good, and any thread may say so."""
        self._git.ending.want()

    def close(self) -> None:
        """End the git processes that read; everything on disk stays."""
        if self._objects is not None:
            self._objects.close()

    @property
    def objects(self) -> Objects:
        """What the mirror holds."""
        if self._objects is None:
            later = Later(self._git, self.folder, self._remote, lambda: self._chosen.ref)
            partial = (marker(self.folder) or {}).get("partial")
            self._objects = Objects(self._git, self.folder, later=later if partial else None)
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
        discard(folder)
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.mkdir(mode=0o700)
        self._git.run(verbs.init(folder, object_format))
        self._allow_serving(folder)
        self._mark(folder, object_format)

    def _mark(self, folder: Path, object_format: str, **more: str) -> None:
        more = {"partial": "yes" if self._partial else ""} | more
        mark(folder, self.follows, object_format, **{k: v for k, v in more.items() if v})

    def _allow_serving(self, folder: Path) -> None:
        told = served(self._address.local) if self._address.local is not None else ""
        file = folder / SERVED_CONFIG
        if not file.is_file() or file.read_text(encoding="utf-8", errors="replace") != told:
            rewrite(file, told)

    def _swap(self) -> None:
        """Put the mirror made beside in place; `_finish_swap` ends this after a crash."""
        self._forget_objects()
        old = self._beside("old")
        discard(old)
        if os.path.lexists(self.folder):
            self.folder.rename(old)
        self._beside("new").rename(self.folder)
        sync(self.folder.parent)
        discard(old)

    def _finish_swap(self) -> None:
        new, old = self._beside("new"), self._beside("old")
        if not os.path.lexists(self.folder):
            for candidate in (new, old):
                if marker(candidate) is not None:
                    candidate.rename(self.folder)
                    break
        discard(new)
        discard(old)

    def _forget_objects(self) -> None:
        if self._objects is not None:
            self._objects.close()
        self._objects = None

    # ------------------------------------------------------------------ what is followed

    @property
    def follows(self) -> str:
        """What this mirror follows, as the marker has it: no secret can be read from it."""
        return hashlib.sha256(f"{self._address.url}\0{self._wanted}".encode()).hexdigest()

    def _follow(self, known: dict[str, str]) -> None:
        """Point the mirror at another repository or ref; what it has stays, but is no head now."""
        # One that is to be whole, or partial, from now on is fetched anew, as if damaged.
        self.objects.damaged = self._partial != bool(known.get("partial"))
        if known.get("follows") == self.follows:
            ref = self._wanted.ref if isinstance(self._wanted, Named) else ""
            moved = known.get("moved_from", "")
            self._chosen = Chosen(known.get("chosen", ref), self._wanted.why, moved)
            return
        old = self.objects.at(HEAD_REF)
        if old is not None:
            self._change_refs([(KEEP_REFS + old, old), (HEAD_REF, None)])
        partial = known.get("partial", "")
        self._mark(self.folder, known.get("format", "sha1"), partial=partial)

    def _change_refs(
        self, wanted: Iterable[tuple[str, str | None]], folder: Path | None = None
    ) -> None:
        """Set (or, with None, delete) refs of ours, all or none."""
        told = b""
        for ref, oid in wanted:
            name = verbs.own_ref(ref).encode()
            if oid is None:
                told += b"delete " + name + b"\0\0"
            else:
                told += b"update " + name + b"\0" + verbs.oid(oid).encode() + b"\0\0"
        if told:
            self._git.run(verbs.update_refs(folder or self.folder), stdin=told)

    # ------------------------------------------------------------------ fetching

    def fetch(self) -> None:
        """
        Bring the head to where the followed ref is now.

        Raises RemoteUnreachable, RefMissing (the ref or any commit is missing upstream), GitFailed
        or StateError (the disk); the head then stays where it was, and nothing half-done is left.
        """
        try:
            self._fetch()
        except OSError as error:
            raise StateError(
                f"the mirror {self.folder} cannot be written: {error.strerror}",
                hint="check state_dir: its owner, its mode and the space left",
            ) from error

    def _fetch(self) -> None:
        if self.objects.damaged:
            self._rebuild(self._format())
            return
        try:
            self._bring()
        except RefMissing as error:
            old = self.objects.at(HEAD_REF)
            raise self._remote.missing(self.folder, self._wanted, old) from error
        except GitFailed as error:
            if self._mended(error):
                return
            theirs = self._remote.object_format(self.folder)
            if theirs in {None, self._format()}:
                raise
            self._rebuild(str(theirs))
        except MirrorError:
            clear(self.folder)  # a fetch that was killed at the deadline leaves half a pack
            raise

    def _mended(self, error: GitFailed) -> bool:
        """
        Fetch once more without what a killed git may have left, then everything anew.

        False if it was no fault of the mirror's, so that no fetch of everything would help.
        """
        clear(self.folder)
        if not is_ours(str(error)):
            return False
        try:
            self._bring()
        except GitFailed as again:
            if time.monotonic() < self._anew_from:
                raise
            # Who lies in every fetch does not get to have everything fetched at every look.
            self._anew_from = time.monotonic() + ANEW_EVERY
            log.warning("the mirror is damaged and made anew: %s", again)
            self._rebuild(self._format())
        return True

    def _bring(self) -> None:
        if isinstance(self._wanted, Fixed):
            if self.objects.at(HEAD_REF) != self._wanted.commit:  # a commit never changes
                self._fetch_commit(self.folder, self._wanted)
                self._choose(Chosen("", self._wanted.why))
            return
        chosen, oid = self._aim(self._wanted)
        before = self.objects.at(HEAD_REF)
        same = before is not None and self._chosen.ref == chosen.ref
        if not (same and before == oid):
            self._fetch_ref(chosen.ref, same=same)
        after = self.objects.at(HEAD_REF)
        if same and chosen.ref.startswith(TAGS):
            moved = str(before) if after != before else self._chosen.moved_from
            chosen = replace(chosen, moved_from=moved)
            if after != before:
                log.warning("%s was moved: from %s to %s", chosen.ref, before, after)
        self._choose(chosen)

    def _aim(self, meant: Named | Highest) -> tuple[Chosen, str]:
        """Return which ref to fetch now, and the object it is at if that is known."""
        if isinstance(meant, Named):
            return Chosen(meant.ref, meant.why), ""
        tags = self._remote.refs(self.folder, "tags")
        ref = meant.of(tags)
        if ref is None:
            raise RefMissing(f"no tag is {meant}")
        return Chosen(ref, f"the highest tag in {meant.range}, of {len(tags)}"), tags[ref]

    def _fetch_ref(self, ref: str, *, same: bool) -> None:
        try:
            self._get(self.folder, ref, force=False)
        except DivergedError as error:
            old = self.objects.at(HEAD_REF)
            # Releases of two lines need not follow from each other: then no ref was moved.
            if self._deny and same:
                raise GitFailed(
                    f"{ref} of {self._address.url} was moved to a commit that does not "
                    f"follow from {str(old)[:12]}: history was rewritten, or rolled back",
                    hint="move it back, or set repository.non_fast_forward to hold or allow",
                ) from error
            if old is not None:
                self._change_refs([(KEEP_REFS + old, old)])
            self._get(self.folder, ref, force=True)

    def _get(self, folder: Path, source: str, *, force: bool) -> None:
        """Fetch *source* into the head; a new mirror gets no more than the depth at first."""
        fresh = folder != self.folder or self.objects.at(HEAD_REF) is None
        depth = self._depth if fresh else 0
        self._remote.fetch(folder, source, force=force, partial=self._partial, depth=depth)

    def _fetch_commit(self, folder: Path, meant: Fixed) -> None:
        """Get one commit by its id or, where the host gives none by id, through its branch."""
        try:
            self._get(folder, meant.commit, force=True)
        except RemoteUnreachable:
            raise
        except MirrorError:
            # All of its history: how far back the commit is, is what nobody knows.
            self._remote.fetch(folder, meant.via, force=True, into=VIA_REF, partial=self._partial)
            with closing(Objects(self._git, folder)) as objects:
                tip = objects.revision(VIA_REF).commit
                if not objects.contains(tip, meant.commit):
                    raise RefMissing(f"{meant.commit} is not on {meant.via}") from None
            self._change_refs([(HEAD_REF, meant.commit), (VIA_REF, None)], folder)

    def _choose(self, chosen: Chosen) -> None:
        """Keep in mind what is followed now; across restarts too, where it may change."""
        if (chosen.ref, chosen.moved_from) != (self._chosen.ref, self._chosen.moved_from):
            more = {"chosen": chosen.ref, "moved_from": chosen.moved_from}
            partial = (marker(self.folder) or {}).get("partial", "")
            self._mark(self.folder, self._format(), **{"partial": partial, **more})
        self._chosen = chosen

    @property
    def chosen(self) -> Chosen:
        """What is followed, as it was last found at the remote. Any thread may ask."""
        return self._chosen

    def _rebuild(self, object_format: str) -> None:
        """Fetch everything anew beside, and only then let go of what is there."""
        new = self._beside("new")
        self._make(new, object_format)
        chosen = Chosen("", self._wanted.why)
        try:
            if isinstance(self._wanted, Fixed):
                self._fetch_commit(new, self._wanted)
            else:
                chosen, _ = self._aim(self._wanted)
                self._get(new, chosen.ref, force=True)
        except MirrorError:
            discard(new)
            raise
        self._swap()
        self._choose(chosen)

    def _format(self) -> str:
        return (marker(self.folder) or {}).get("format", "sha1")

    # ------------------------------------------------------------------ what it has

    def head(self) -> Revision:
        """Return the last fetched head, without network; RefMissing if there is none yet."""
        if self.objects.at(HEAD_REF) is None:
            raise RefMissing(f"{self._wanted} was not fetched yet from {self._address.url}")
        return self.objects.revision(HEAD_REF)

    def annotated(self) -> tuple[str, bytes] | None:
        """Return name and object of the annotated tag that is followed, None if none is."""
        _, kind, raw = self.objects.raw(HEAD_REF)
        return (self._chosen.ref.removeprefix(TAGS), raw) if kind == "tag" else None

    def resolve(self, spec: str) -> Revision:
        """
        Return the revision an operator means: a commit id, full or shortened, or the followed ref.

        Only commits that the head or a kept revision leads to. Raises ConfigurationError for what
        is no revision at all, RefMissing for one that is not here.
        """
        asked = checked_spec(spec)
        ref = self._chosen.ref or str(self._wanted)
        short = ref.removeprefix("refs/heads/").removeprefix(TAGS)
        if asked.base in {"HEAD", ref, short}:
            return self.objects.revision(HEAD_REF + asked.steps)
        if not asked.is_hex:
            raise RefMissing(f"the mirror follows {ref} only, not {asked.base[:100]}")
        revision = self.objects.revision(str(asked))
        if not self._git.run(verbs.containing(self.folder, revision.commit, "refs/gitsource")):
            raise RefMissing(f"commit {revision.short} is no longer part of {ref}")
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
        partial = bool((marker(self.folder) or {}).get("partial"))
        small = verbs.repack_all(self.folder) if partial else verbs.repack(self.folder)
        self._git.run(verbs.gc(self.folder, partial=partial) if full else small)
        return True
