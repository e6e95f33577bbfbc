"""
What is told beside a push plan: the head's history, what rights change, how it came about.

Rule: the same for one repository and for a layer of several. What holds a revision back is the
base's: a change does not let itself through.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from json import JSONDecodeError
from threading import Event

from gitsource.errors import ConfigurationError
from gitsource.git.objects import Objects
from gitsource.model import Finding, Revision, Snapshot
from gitsource.plan.values import RightsChange
from gitsource.rehearsal.question import Question
from gitsource.rehearsal.side import LARGEST, Configured, Side
from gitsource.rollout.guard import confirmed, rewound
from gitsource.settings.following import Trust
from gitsource.settings.whole import Settings

_PLACED = re.compile(r"(?P<file>[^\n]*?):(?P<line>[0-9]+):(?P<column>[0-9]+): ")
"""How what is wrong with a config file begins."""


def rights(before: Side, after: Side, was: Snapshot, now: Snapshot) -> tuple[RightsChange, ...]:
    """Return what the change does to who may receive what; nothing where rules are unreadable."""
    given = before.settings.authorization
    if given == after.settings.authorization and not (given.repository_file or given.policy):
        return ()
    from gitsource.plan.rights import rights_changes
    from gitsource.security.authorize.documents import standing

    try:
        old, new = (
            standing(side.settings.authorization, side.settings.views, of.collections)
            for side, of in ((before, was), (after, now))
        )
    except ValueError:
        return ()  # the finding says so
    return rights_changes(old, new, was, now)


def history(
    objects: Objects, before: Side | None, head: Revision | None, rules: Settings
) -> list[Finding]:
    """Return what is to be said of the commits that are new, and of where they come from."""
    if head is None or before is None:
        return []
    base, found = before.revision, list[Finding]()
    how = rules.repository.non_fast_forward
    if how != "allow" and not objects.contains(head.commit, base.commit):
        allowed = confirmed(objects.confirmations(None, head.commit))
        found += rewound(base.commit, head, allowed, deny=how == "deny")
    if rules.trust.mode != "none":
        # Here and not above: few ask for signatures, and everybody would wait for it.
        from gitsource.reconcile.trusting import Commits
        from gitsource.snapshot.history import Followed

        commits = Commits(Event())
        with closing(commits):
            known = Followed(verified=base.commit, since=rules.trust.since or "")
            found += commits.untrusted(objects, head, rules.trust, known)
    return found


@contextmanager
def counting(objects: Objects, trust: Trust) -> Iterator[Callable[[str], bool] | None]:
    """Give what tells whether a commit's word counts by *trust*; None: everybody's does."""
    if trust.mode == "none":
        yield None
        return
    from gitsource.reconcile.trusting import Commits

    with closing(Commits(Event())) as commits:
        yield commits.counting(objects, trust)


def unusable_head(
    configured: Configured, objects: Objects, head: Revision, why: ConfigurationError
) -> Finding:
    """Return that by its own settings or schemas *head* cannot be judged, where they have it."""
    told, cause = str(why), why.__cause__
    at = _PLACED.match(told)
    if at is not None and configured.file is not None and at["file"] == str(configured.file):
        place = (configured.inside, int(at["line"]), int(at["column"]))
        return Finding(*place, "error", "GS311", told[at.end() :])
    if isinstance(cause, JSONDecodeError):
        name = told.partition(" in the repository")[0]
        for file in (f"{configured.folder}{name}", name):
            if objects.file(head.tree, file, LARGEST) is not None:
                said = f"{name} is not JSON: {cause.msg}"
                return Finding(file, cause.lineno, cause.colno, "error", "GS311", said)
    return Finding("", 0, 0, "error", "GS311", told)


def notes(
    objects: Objects,
    before: Side | None,
    asked: Question,
    start: Revision | None,
    unusable: ConfigurationError | None,
    *,
    sound: bool,
    signed: bool,
) -> list[str]:
    """
    Return what a reader should know of the two sides.

    *sound*: the base could be served; *signed*: signatures are asked for.
    """
    told = []
    if unusable is not None:
        told.append(f"the settings of the base cannot be used ({unusable}): it is left out")
    if before is None:
        told.append("there is no base: everything counts as new")
        return told
    short = before.revision.short
    if not sound:
        told.append(f"the base {short} does not validate, so sinks hold an earlier revision")
    if start is not None and asked.base is not None:
        met = objects.merge_bases(before.revision.commit, start.commit)
        if not met:
            told.append(f"the base {short} has no history in common with the head")
        elif before.revision.commit not in met:
            told.append(
                f"the head does not follow from the base {short}: what the base has beside it "
                "counts as removed"
            )
    if asked.kind != "commit" and signed:
        told.append("what is not committed has no signature: only `--head` asks for those")
    return told
