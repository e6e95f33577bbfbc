"""
A dry-run from a local repository to a plan: the pipeline of `serve`, stopped before publishing.

Rule: nothing is fetched and the repository is not written. Each side is judged by its own settings,
but what holds a revision back (`guard`, `trust`, `repository.non_fast_forward`) is the base's: a
change does not let itself through. What is remembered saves time and decides nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event
from typing import Literal, Protocol, TypeAlias

from gitsource.build.builder import Builder
from gitsource.errors import ConfigurationError
from gitsource.git.local import LocalRepository
from gitsource.git.objects import Objects
from gitsource.model import Finding, Revision, Snapshot
from gitsource.plan.bodies import Bodies as BodyReader
from gitsource.plan.compare import Bodies, Known, of_a_guard, plan
from gitsource.plan.values import Plan, RightsChange, SettingChange
from gitsource.reconcile.judging import evaluate
from gitsource.rehearsal.changed import changed_settings
from gitsource.rehearsal.side import Configured, Side, side
from gitsource.rollout.guard import confirmed, rewound
from gitsource.settings.whole import Settings
from gitsource.snapshot.blobs import BlobCache
from gitsource.snapshot.build import FileState, Proposal, Standing, accept, nothing, standing_of

Head: TypeAlias = Literal["commit", "worktree", "staged"]
"""What is tried: a commit, the working tree, or what is staged."""


class Memory(Protocol):
    """What earlier runs found out."""

    def results(self) -> BlobCache | None:
        """Return where results of contents are; None if nothing is remembered."""

    def near(self, of: Side) -> Standing | None:
        """Return the base itself, or a revision like it to start from; None if there is none."""

    def keep(self, of: Side, standing: Standing) -> None:
        """Remember *standing*."""

    def close(self) -> None:
        """Put what came to be known where the next run finds it."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked."""

    base: str | None = None
    """None: where the head left the followed branch."""
    head: str = "HEAD"
    kind: Head = "commit"
    config: Path | None = None
    path: str | None = None
    """Folder of the repository to keep to."""


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """The plan, and what it was made from."""

    plan: Plan
    base: Snapshot
    head: Snapshot
    settings: Settings
    """Those of the base, or of the head if there is none."""


def rehearse(
    repository: LocalRepository, asked: Question, environ: Mapping[str, str], memory: Memory
) -> Rehearsal:
    """
    Return what publishing the head would do to sinks that have the base.

    Raises ConfigurationError, RefMissing or GitFailed if that cannot be told.
    """
    configured = Configured.of(repository, asked.config, asked.path, environ)
    outside = configured.settings(repository.objects, None)
    if asked.kind == "commit":
        revision = repository.objects.revision(asked.head)
        return _rehearsed(
            repository, repository.objects, revision, configured, outside, asked, memory
        )
    tree = repository.working(asked.kind, outside.limits.file_bytes)
    with closing(tree):
        return _rehearsed(repository, tree, tree.now, configured, outside, asked, memory)


def _rehearsed(
    repository: LocalRepository,
    objects: Objects,
    head: Revision,
    configured: Configured,
    outside: Settings,
    asked: Question,
    memory: Memory,
) -> Rehearsal:
    followed = repository.followed(outside.repository)
    committed = asked.kind == "commit"
    start = head if committed else repository.head()
    base = repository.base_of(start, asked.base, followed, inside=not committed)
    before, unusable = _side(configured, objects, base)
    after, refused = _side(configured, objects, head)
    if after is None:
        if before is None or refused is None:
            raise refused or AssertionError
        return _refused(before, head, refused, memory)
    rules = before.settings if before is not None else after.settings
    found = _base(before, memory) if before is not None else None
    proposal = _head(after, before, found, rules, memory)
    snapshot = found.proposal.snapshot if found is not None else nothing().snapshot
    made = plan(
        snapshot,
        proposal,
        Known(found.proposal.findings, found.files) if found is not None else None,
        Bodies(BodyReader((before or after).catalog), BodyReader(after.catalog)),
    )
    guards = tuple(_history(objects, before, start if committed else None, rules))
    made = replace(
        made,
        guards=tuple(sorted((*made.guards, *guards))),
        settings=(*_settings(before, after, made, snapshot), *made.settings),
        rights=_rights(before or after, after, snapshot, proposal.snapshot),
        notes=(*_notes(objects, before, found, asked, start, unusable), *made.notes),
    )
    return Rehearsal(made, snapshot, proposal.snapshot, rules)


def _settings(
    before: Side | None, after: Side, made: Plan, was: Snapshot
) -> tuple[SettingChange, ...]:
    return changed_settings(before, after, made, was) if before is not None else ()


def _rights(before: Side, after: Side, was: Snapshot, now: Snapshot) -> tuple[RightsChange, ...]:
    """Return what the change does to who may receive what; nothing where rules are unreadable."""
    given = before.settings.authorization
    if given == after.settings.authorization and not given.repository_file:
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


def _side(
    configured: Configured, objects: Objects, revision: Revision | None
) -> tuple[Side | None, ConfigurationError | None]:
    """Return the side that *revision* is, or why its settings and schemas cannot be used."""
    try:
        return (side(configured, objects, revision) if revision is not None else None), None
    except ConfigurationError as error:
        return None, error


def _refused(before: Side, head: Revision, why: ConfigurationError, memory: Memory) -> Rehearsal:
    """Return what becomes of a head by whose own settings nothing can be judged: it is held."""
    snapshot = _base(before, memory).proposal.snapshot
    finding = Finding("", 0, 0, "error", "GS311", str(why))
    made = Plan(before.revision, head, snapshot.version, snapshot.version, new=(finding,))
    return Rehearsal(made, snapshot, snapshot.at(head), before.settings)


# --------------------------------------------------------------------------- the two sides


@dataclass(slots=True)
class _Base:
    proposal: Proposal
    files: Mapping[str, FileState]
    standing: Standing | None
    """It as what the head is judged against; None if it has errors."""


def _base(of: Side, memory: Memory) -> _Base:
    near = memory.near(of)
    if near is not None and near.snapshot.revision.commit == of.revision.commit:
        known = Proposal(near.snapshot, {}, near.snapshot.findings, full=False)
        return _Base(known, near.files, near)
    proposal = _judged(of, near, memory)
    # What a guard says of the way from a revision that happened to be remembered is no matter.
    findings = tuple(each for each in proposal.findings if not of_a_guard(each))
    proposal = replace(proposal, findings=findings)
    if not proposal.acceptable:
        if near is not None:
            proposal = _judged(of, None, memory)
        files = {path: state for path, state in proposal.changed.items() if state is not None}
        return _Base(proposal, files, None)
    if near is None:
        standing = standing_of(proposal)
    else:
        standing = near
        accept(standing, proposal)
    memory.keep(of, standing)
    return _Base(proposal, standing.files, standing)


def _head(
    of: Side, before: Side | None, base: _Base | None, rules: Settings, memory: Memory
) -> Proposal:
    alike = before is not None and before.recipe == of.recipe
    standing = base.standing if base is not None and alike else None
    served = base.proposal.snapshot if base is not None else None
    return _judged(of, standing, memory, rules, served)


def _judged(
    of: Side,
    standing: Standing | None,
    memory: Memory,
    rules: Settings | None = None,
    served: Snapshot | None = None,
) -> Proposal:
    """Return what a side comes to, judged against *standing*; contents that are known are not."""
    settings = of.settings if rules is None else replace(of.settings, guard=rules.guard)
    builder = Builder(of.catalog, settings.build, memory.results())
    proposal = evaluate(of.objects, standing, of.revision, builder, settings, served)
    builder.flush()
    return proposal


# --------------------------------------------------------------------------- guards and notes


def _history(
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


def _notes(
    objects: Objects,
    before: Side | None,
    found: _Base | None,
    asked: Question,
    start: Revision | None,
    unusable: ConfigurationError | None,
) -> list[str]:
    notes = []
    if unusable is not None:
        notes.append(f"the settings of the base cannot be used ({unusable}): it is left out")
    if before is None:
        notes.append("there is no base: everything counts as new")
        return notes
    short = before.revision.short
    if found is not None and found.standing is None:
        notes.append(
            f"the base {short} does not validate, so sinks hold an earlier revision; name that "
            "one with --base"
        )
    if start is not None and asked.base is not None:
        met = objects.merge_bases(before.revision.commit, start.commit)
        if not met:
            notes.append(f"the base {short} has no history in common with the head")
        elif before.revision.commit not in met:
            notes.append(
                f"the head does not follow from the base {short}: what the base has beside it "
                "counts as removed"
            )
    if asked.kind != "commit":
        notes.append("what is not committed has no signature: only `--head` asks for those")
    return notes
