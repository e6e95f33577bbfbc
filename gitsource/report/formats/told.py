"""
The findings of a plan as every format tells them: which, in what order, and how to know one again.

Rule: what holds a revision is always told, whether the base had it already or not; warnings that
the base has are told when somebody asks for them.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from gitsource.model import Finding
from gitsource.plan.values import Plan
from gitsource.report.formats.look import Look

State: TypeAlias = Literal["new", "old", "fixed", "guard"]
"""How a finding stands to the base; ``guard``: a guard of the server says it."""

_NUMBERS = re.compile(r"\b(?:lines?|columns?) \d+|(?<=:)\d+(?::\d+)?")


@dataclass(frozen=True, slots=True)
class Told:
    """One finding, and how it stands to the base."""

    finding: Finding
    state: State
    elsewhere: bool = False
    """Whether its file is in another repository: that of a layer which is not under review."""

    @property
    def weight(self) -> tuple[bool, bool, Finding]:
        """Sorts what holds a revision before what does not, and the suppressed last."""
        found = self.finding
        return found.suppressed, found.severity != "error", found


def of_head(planned: Plan, look: Look) -> list[Told]:
    """Return what is to be told of the head, guards first, then the heaviest first."""
    far = planned.elsewhere
    guards = [Told(each, "guard", far(each.file)) for each in planned.guards]
    rest = [Told(each, "new", far(each.file)) for each in planned.new]
    rest += [
        Told(each, "old", far(each.file))
        for each in planned.old
        if look.show_old or (each.severity == "error" and not each.suppressed)
    ]
    return [*sorted(guards, key=lambda each: each.weight), *sorted(rest, key=lambda e: e.weight)]


def of_base(planned: Plan) -> list[Told]:
    """Return what the head does away with."""
    return [Told(each, "fixed", planned.elsewhere(each.file)) for each in planned.fixed]


def silent(planned: Plan, look: Look) -> int:
    """Return how many old warnings are not told."""
    kept = len(planned.new) + len(planned.old) + len(planned.guards)
    return kept - len(of_head(planned, look))


def plain(found: Iterable[Finding]) -> list[Told]:
    """Return findings that no base is compared with, the heaviest first."""
    return sorted((Told(each, "new") for each in found), key=lambda each: each.weight)


def fingerprints(told: Sequence[Told]) -> Iterator[str]:
    """
    Yield for each of *told* what it is known by in later runs: 64 hexadecimal digits.

    The same wherever in its file it stands: made from code, file, resource and message, without
    the lines that the message names. Findings that are alike in all that are counted.
    """
    seen: Counter[bytes] = Counter()
    for each in told:
        found = each.finding
        message = _NUMBERS.sub("", found.message)
        parts = (found.code, found.file, found.resource, message)
        coded = [part.encode("utf-8", "surrogatepass") for part in parts]
        key = b"".join(b"%d:%b," % (len(part), part) for part in coded)
        seen[key] += 1
        yield hashlib.sha256(b"%b%d" % (key, seen[key])).hexdigest()
