"""
What is asked of the remote: which refs it has, and what of them a mirror shall get.

Rule: the answers of a stranger. They are bounded, a name that is no ref name is passed over, and
nothing said here is believed beyond the one fetch that follows from it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from gitsource.errors import MirrorError, RefMissing
from gitsource.git import refs, verbs
from gitsource.git.address import Address, is_ref_name
from gitsource.git.command import Git
from gitsource.git.refs import TAGS, Fixed, Highest, Wanted
from gitsource.git.verbs import HEAD_REF

LISTED_BYTES = 16 << 20
"""The longest list of refs that is read: some 200 000 tags."""
HEADS = "refs/heads/"


class Remote:
    """The repository that is followed, as its Git host shows it. For one thread."""

    def __init__(self, git: Git, address: Address) -> None:
        self._git, self.address = git, address

    def refs(self, folder: Path, kind: Literal["heads", "tags"]) -> dict[str, str]:
        """Return the branches or tags with the ids of their objects, in the remote's order."""
        command = verbs.ls_remote(folder, self.address, kind)
        listed = self._git.run(command, most=LISTED_BYTES).decode("utf-8", "replace")
        pairs = (line.split("\t", 1) for line in listed.splitlines() if "\t" in line)
        return {name: oid for oid, name in pairs if is_ref_name(name)}

    def object_format(self, folder: Path) -> str | None:
        """Return ``sha1`` or ``sha256``, None if nobody can tell now."""
        try:
            found = self.refs(folder, "heads") or self.refs(folder, "tags")
        except MirrorError:
            return None
        for oid in found.values():
            return "sha256" if len(oid) == 64 else "sha1"
        return None

    def fetch(
        self,
        folder: Path,
        source: str,
        *,
        force: bool,
        into: str = HEAD_REF,
        partial: bool = False,
        depth: int = 0,
    ) -> None:
        """
        Bring *source*, the full name of a ref or the id of a commit, into the mirror at *folder*.

        Raises DivergedError without *force* if it does not follow from what *into* is at.
        """
        command = verbs.fetch(
            folder, self.address, source, force=force, into=into, partial=partial, depth=depth
        )
        self._git.run(command)

    def missing(self, folder: Path, meant: Wanted, old: str | None) -> RefMissing:
        """Say that *meant* is not there, and what is; the mirror's head was at *old*."""
        where = self.address.url
        tags = isinstance(meant, Highest) or str(meant).startswith(TAGS)
        kind: Literal["heads", "tags"] = "tags" if tags else "heads"
        try:
            names = list(self.refs(folder, kind))
        except MirrorError:
            names = ["(unknown)"]
        some = refs.some(names)
        if isinstance(meant, Fixed):
            return RefMissing(
                f"commit {meant.commit} is not in {where}, nor on {meant.via}",
                hint=f"set repository.branch to the branch it is on: {some}"
                if names
                else "push it",
            )
        if isinstance(meant, Highest):
            what = f"no tag of {where} is a version in {meant.range}"
            stays = "what is served stays; " if old is not None else ""
            return RefMissing(what, hint=f"{stays}the tags are: {some}" if names else
                              f"{stays}there are no tags at all: push one")  # fmt: skip
        setting = "repository.tag" if tags else "repository.ref"
        if old is not None:
            others = f", or set {setting} to one of {some}" if names else ""
            return RefMissing(
                f"{meant} was deleted in {where}: it is not in there any more, and was at "
                f"{old[:12]}",
                hint=f"what is served stays. Push the ref again{others}",
            )
        if not names and tags:
            return RefMissing(f"{meant} is not in {where}", hint="there are no tags: push it")
        if not names:
            return RefMissing(
                f"{where} has no branches: it is empty", hint=f"push a commit to {meant}"
            )
        noun = "tag" if tags else "branch"
        return RefMissing(
            f"{meant} is not in {where}", hint=f"set {setting} to a {noun} that is: {some}"
        )
