"""
A first revision: nothing was published before that it could be compared with.

Rule: one that has configuration goes out. One that has none is suspicious, since the state
directory may be new and the repository not: a path that is not there is held, and so is a tree
whose history once had configuration. A repository that never had any is published, and says so as
an alarm.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from gitsource.git.objects import Objects
from gitsource.git.selection import selection
from gitsource.rollout.guard import confirmed, first_empty, path_missing
from gitsource.settings.whole import Settings
from gitsource.snapshot.build import Proposal


def first(
    proposal: Proposal,
    objects: Objects,
    settings: Settings,
    counts: Callable[[str], bool] | None = None,
) -> Proposal:
    """
    Return *proposal*, the first there is, with what is to be said of it if it has no resource.

    *counts* tells whose word counts (`Objects.confirmations`). Raises MirrorError if the repository
    cannot be read.
    """
    snapshot = proposal.snapshot
    if not proposal.acceptable or any(len(each) for each in snapshot.collections.values()):
        return proposal
    revision, followed = snapshot.revision, settings.repository
    allowed = confirmed(objects.confirmations(None, revision.commit, counts))
    if not objects.has_folder(revision.tree, followed.path):
        found = path_missing(followed.path, settings.guard, allowed)
    else:
        chosen = selection(followed)
        takes = chosen.takes if chosen is not None else None
        gone_since = objects.emptied_by(revision.commit, followed.path, takes)
        found = first_empty(allowed, settings.guard, gone_since=gone_since)
    return replace(proposal, findings=tuple(sorted((*proposal.findings, *found))))
