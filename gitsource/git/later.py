"""
What a shallow or partial mirror fetches later, when it turns out to be needed.

Rule: asked for, never come upon: processes that read may not fetch (GIT_NO_LAZY_FETCH, and no
transport), so what is missing is counted first and fetched in one go: commits and trees as far back
as births reach, contents as far as they are to be judged. Nothing is guessed in their place.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from gitsource.errors import GitFailed, RefMissing
from gitsource.git import verbs
from gitsource.git.command import Git
from gitsource.git.remote import Remote

STEP = 256
"""Commits by which a history is deepened first; then twice as many, and so on."""


class Later:
    """Fetches more of the repository into the mirror at *folder*. For one thread."""

    def __init__(self, git: Git, folder: Path, remote: Remote, ref: Callable[[], str]) -> None:
        self._git, self._folder, self._remote, self._ref = git, folder, remote, ref
        self._step = STEP

    def cut(self) -> frozenset[str]:
        """Return the commits at which the history ends for now."""
        try:
            return frozenset((self._folder / "shallow").read_text(encoding="ascii").split())
        except FileNotFoundError:
            return frozenset()

    def deepen(self, head: str) -> None:
        """
        Fetch more of the history of *head*: commits and trees.

        Raises RemoteUnreachable, RefMissing or GitFailed, also if there was nothing more to get.
        """
        before = self.cut()
        try:
            self._git.run(self._deeper(head))
        except RefMissing:
            # The host gives no commits by id; the ref leads to the same history, unless it moved.
            self._git.run(self._deeper(self._ref() or head))
        self._step *= 2
        if self.cut() == before:
            raise GitFailed(
                f"the history of {head[:12]} cannot be fetched any further from "
                f"{self._remote.address.url}, so nobody knows when its files came to be",
                hint="the upstream's history is cut off (shallow): give it all of it",
            )

    def _deeper(self, source: str) -> verbs.Command:
        return verbs.deepen(self._folder, self._remote.address, source, self._step)

    def bring(self, blobs: Sequence[str]) -> None:
        """Fetch the contents *blobs*. Raises RemoteUnreachable, RefMissing or GitFailed."""
        asked = "".join(f"{verbs.oid(blob)}\n" for blob in blobs).encode()
        self._git.run(verbs.fetch_blobs(self._folder, self._remote.address), stdin=asked)
