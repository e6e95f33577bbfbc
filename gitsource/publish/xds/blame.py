"""
Which resource of a refused response is at fault, and what to send instead.

Rule: a NACK tells no names but in its text, and a client may have refused one resource and dropped
all. So the text is asked first; if it tells nothing for sure, the resources go out again in smaller
groups until one is refused alone. However a client answers, the responses for one target are
bounded: after `RESPONSES` refusals what is left is not sent until something changes.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass

from gitsource.model import Collection

RESPONSES = 32
"""Refusals of one target that are looked into."""
IDENTITIES = 32_768
"""Clients and types of which refused contents are remembered."""
CONTENTS = 1000
"""Refused contents remembered for each of them."""

_NAME = r"[^\s'\"`,;:()\[\]{}<>]"


@dataclass(frozen=True, slots=True)
class Blame:
    """Names that a text holds against resources."""

    names: frozenset[str]
    sure: bool
    """Whether the form of the text says so, rather than a word that happens to be a name."""


def blamed(text: str, names: frozenset[str]) -> Blame:
    """Return which of *names* the *text* of a NACK holds to be at fault."""
    for pattern in (r"(?:^|[\s,;)])({name}+(?::{name}+)*):(?=\s|$)", r"(['\"`])(.+?)\1"):
        found = re.findall(pattern.replace("{name}", _NAME), text)
        said = {one if isinstance(one, str) else one[-1] for one in found}
        # A name before a colon says what the text is about; one in quotes may be what it misses.
        if hits := names & said:
            return Blame(hits, sure=True)
    words = set(re.findall(rf"{_NAME}+", text)) | set(re.findall(r"[^\s'\"`,;()]+", text))
    hits = names & (words | _stripped(words))
    return Blame(hits, sure=len(hits) == 1)


def _stripped(words: set[str]) -> set[str]:
    return {word.strip(".:!?") for word in words}


def halves(names: frozenset[str]) -> tuple[frozenset[str], frozenset[str]]:
    """Return *names* in two groups of about the same size."""
    ordered = sorted(names)
    middle = (len(ordered) + 1) // 2
    return frozenset(ordered[:middle]), frozenset(ordered[middle:])


@dataclass(slots=True)
class Trouble:
    """What one subscription refused, and how far it was looked into."""

    target: str = ""
    """The version on whose way it happened."""
    refused: frozenset[str] = frozenset()
    """Versions that are not sent again."""
    refused_at: float | None = None
    """When it refused last, if it accepted nothing since."""
    why: str = ""
    """What it said then."""
    sent: Collection | None = None
    """What it would have, had it accepted what it refused last."""
    had: Collection | None = None
    """The complete set it refused last, of which it may have taken over a part."""
    refusals: int = 0
    groups: tuple[frozenset[str], ...] = ()
    """Names to send next, apart from all others."""
    named: frozenset[str] = frozenset()
    """Those that a text blamed, without proof."""

    def about(self, target: str) -> None:
        """Begin anew if it is another *target*."""
        if target != self.target:
            self.target, self.refusals, self.groups = target, 0, ()
            self.named = frozenset()


@dataclass(frozen=True, slots=True)
class Verdict:
    """What comes of a refused response."""

    bad: frozenset[str] = frozenset()
    cleared: frozenset[str] = frozenset()
    """Names that were blamed before, and perhaps wrongly: to be tried alone."""
    groups: tuple[frozenset[str], ...] = ()
    whole: bool = False
    """Whether nothing more is tried."""


def judge(trouble: Trouble, put: frozenset[str], text: str) -> Verdict:
    """Return what to do about a refused response that brought the resources *put*."""
    if trouble.refusals >= RESPONSES or not put:
        return Verdict(whole=True)
    blame = blamed(text, put | trouble.named)
    # A text that names what was not even sent names what it misses, not what is at fault.
    cleared = trouble.named & blame.names - put
    hits = blame.names & put
    if not hits:
        cleared = trouble.named
    waiting = (*trouble.groups, *(frozenset((name,)) for name in sorted(cleared)))
    if len(put) == 1:
        return Verdict(put, cleared, waiting)
    if hits and hits != put and blame.sure:
        return Verdict(hits, cleared, (put - hits, *waiting))
    if hits and hits != put:
        alone = tuple(frozenset((name,)) for name in sorted(hits))
        return Verdict(frozenset(), cleared, (put - hits, *alone, *waiting))
    return Verdict(frozenset(), cleared, (*halves(put), *waiting))


class Grudges:
    """What clients refused, beyond the end of a stream."""

    def __init__(self, most: int = IDENTITIES) -> None:
        self._most = most
        self._known: OrderedDict[tuple[Hashable, str], frozenset[tuple[str, str]]] = OrderedDict()
        self._doubted: OrderedDict[tuple[Hashable, str], None] = OrderedDict()

    def __repr__(self) -> str:
        return f"<Grudges {len(self._known)}>"

    def of(self, identity: Hashable, type_url: str) -> frozenset[tuple[str, str]]:
        """Return the refused contents, as pairs of name and version."""
        return self._known.get((identity, type_url), _NOTHING) if self._known else _NOTHING

    def bear(self, identity: Hashable, type_url: str, bad: frozenset[tuple[str, str]]) -> None:
        """Remember *bad*; of what is too much, the latest is kept."""
        held = self.of(identity, type_url) | bad
        self._set(identity, type_url, held if len(held) <= CONTENTS else bad)

    def forgive(
        self, identity: Hashable, type_url: str, names: frozenset[str] | None = None
    ) -> None:
        """Forget what is remembered of *names*; None: of all."""
        held = self.of(identity, type_url)
        left = frozenset(pair for pair in held if names is not None and pair[0] not in names)
        if left != held:
            self._set(identity, type_url, left)

    def doubt(self, identity: Hashable, type_url: str) -> None:
        """Remember that a client refused a complete set, and may have taken over a part."""
        self._doubted[identity, type_url] = None
        if len(self._doubted) > self._most:
            self._doubted.popitem(last=False)

    def trust(self, identity: Hashable, type_url: str) -> None:
        """Remember that it accepted one since."""
        self._doubted.pop((identity, type_url), None)

    def doubted(self, identity: Hashable, type_url: str) -> bool:
        """Say whether it may have something else than it says."""
        return (identity, type_url) in self._doubted

    def _set(self, identity: Hashable, type_url: str, bad: frozenset[tuple[str, str]]) -> None:
        self._known.pop((identity, type_url), None)
        if bad:
            self._known[identity, type_url] = bad
            if len(self._known) > self._most:
                self._known.popitem(last=False)


_NOTHING: frozenset[tuple[str, str]] = frozenset()
