"""
A dry-run from a local repository to a plan: the pipeline of `serve`, stopped before publishing.

Rule: nothing is fetched and the repository is not written. Each side is judged by its own settings,
but what holds a revision back (`guard`, `trust`, `repository.non_fast_forward`) is the base's: a
change does not let itself through. What is remembered saves time and decides nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from itertools import islice

from gitsource.build.builder import Builder
from gitsource.errors import ConfigurationError, RefMissing
from gitsource.git.local import LocalRepository
from gitsource.git.objects import Objects
from gitsource.model import Revision, Snapshot, shown
from gitsource.plan.bodies import Bodies as BodyReader
from gitsource.plan.compare import Bodies, Known, of_a_guard, plan
from gitsource.plan.values import Plan, SettingChange
from gitsource.reconcile.first import first
from gitsource.reconcile.judging import evaluate
from gitsource.rehearsal.beside import counting, history, notes, rights, unusable_head
from gitsource.rehearsal.changed import changed_settings
from gitsource.rehearsal.question import Memory, Question, Rehearsal
from gitsource.rehearsal.side import Configured, Side, side
from gitsource.settings.whole import Settings
from gitsource.snapshot.build import FileState, Proposal, Standing, accept, nothing, standing_of

FAR = 32
"""Commits that are gone back from one that cannot be used, in search of one that can."""


def rehearse(
    repository: LocalRepository, asked: Question, environ: Mapping[str, str], memory: Memory
) -> Rehearsal:
    """
    Return what publishing the head would do to sinks that have the base.

    Raises ConfigurationError, RefMissing or GitFailed if that cannot be told.
    """
    configured = Configured.of(repository, asked.config, asked.path, environ)
    outside = _outside(repository, configured, asked)
    rehearsed = _rehearsed
    if outside.layers:
        # Here and not above: who follows one repository waits for nothing of several.
        from gitsource.rehearsal.layers.run import rehearsed
    elif asked.layers or asked.others.named:
        raise ConfigurationError(
            "the settings have no layers",
            hint="name the config file that has them with --config, as `gitsource serve` does",
        )
    if asked.kind == "commit":
        revision = repository.revision(asked.head)
        return rehearsed(
            repository, repository.objects, revision, configured, outside, asked, memory
        )
    tree = repository.working(asked.kind, outside.limits.file_bytes)
    with closing(tree):
        return rehearsed(repository, tree, tree.now, configured, outside, asked, memory)


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
        return _refused(configured, objects, before, head, refused, memory)
    _look_for_folder(before, after, asked)
    rules = before.settings if before is not None else after.settings
    found = _base(before, memory) if before is not None else None
    stands, served = before, found
    if before is not None and found is not None and found.standing is None:
        stands, served = _last_sound(configured, objects, before.revision, memory)
    snapshot = served.proposal.snapshot if served is not None else nothing().snapshot
    was = snapshot if served is not None else None
    proposal = _head(after, before, found, was, rules, memory)
    made = plan(
        snapshot,
        proposal,
        # What is wrong with the base already is not new, although sinks were never sent it.
        Known(found.proposal.findings, served.files if served else {}) if found else None,
        Bodies(BodyReader((stands or after).catalog), BodyReader(after.catalog)),
    )
    guards = tuple(history(objects, before, start if committed else None, rules))
    made = replace(
        made,
        guards=tuple(sorted((*made.guards, *guards))),
        settings=(*_settings(before, after, made, snapshot), *made.settings),
        rights=rights(stands or after, after, snapshot, proposal.snapshot),
        notes=(
            *notes(
                *(objects, before, asked, start, unusable),
                sound=stands is before,
                signed=rules.trust.mode != "none",
            ),
            *([_stood(before, stands)] if before is not None and stands is not before else ()),
            *made.notes,
        ),
    )
    return Rehearsal(made, snapshot, proposal.snapshot, rules)


def _outside(repository: LocalRepository, configured: Configured, asked: Question) -> Settings:
    """
    Return the settings as far as no revision has a say.

    Where the file is the repository's own and what lies there cannot be used, that is for the head
    to answer for: the newest commit before it counts of which the settings can be used.
    """
    try:
        return configured.settings(repository.objects, None)
    except ConfigurationError as error:
        if not configured.inside:
            raise
        start = asked.head if asked.kind == "commit" else "HEAD"
        for revision in _line(repository.objects, repository.objects.revision(start)):
            with suppress(ConfigurationError):
                return configured.settings(repository.objects, revision)
        raise error from None


def _line(objects: Objects, head: Revision) -> Iterator[Revision]:
    """Yield *head* and what it follows from by first parents, as far as `FAR`."""
    with suppress(RefMissing):
        for back in range(FAR):
            yield objects.revision(f"{head.commit}~{back}")


def _last_sound(
    configured: Configured, objects: Objects, base: Revision, memory: Memory
) -> tuple[Side | None, _Base | None]:
    """Return the newest commit before *base* that validates, which is what sinks have of it."""
    for revision in islice(_line(objects, base), 1, None):
        of, _ = _side(configured, objects, revision)
        found = _base(of, memory) if of is not None else None
        if found is not None and found.standing is not None:
            return of, found
    return None, None


def _stood(base: Side, stands: Side | None) -> str:
    if stands is None:
        return f"no commit among the {FAR} before the base validates: everything counts as new"
    short = stands.revision.short
    return f"compared with {short}, the newest before the base {base.revision.short} that validates"


def _settings(
    before: Side | None, after: Side, made: Plan, was: Snapshot
) -> tuple[SettingChange, ...]:
    return changed_settings(before, after, made, was) if before is not None else ()


def _side(
    configured: Configured, objects: Objects, revision: Revision | None
) -> tuple[Side | None, ConfigurationError | None]:
    """Return the side that *revision* is, or why its settings and schemas cannot be used."""
    try:
        return (side(configured, objects, revision) if revision is not None else None), None
    except ConfigurationError as error:
        return None, error


def _look_for_folder(before: Side | None, after: Side, asked: Question) -> None:
    """
    Raise ConfigurationError for a folder to keep to that neither side has: a name mistyped.

    Nothing in it would change whatever is committed. The folder of a head that has no base is the
    server's to hold, unless it is named for this dry-run alone.
    """
    if before is None and asked.path is None:
        return
    sides = [each for each in (before, after) if each is not None]
    if any(each.objects.has_folder(each.revision.tree, each.selecting) for each in sides):
        return
    where = (
        "the base nor the head has" if before is not None else "the head nor anything before it has"
    )
    option = "repository.path" if asked.path is None else "--path"
    raise ConfigurationError(
        f"{option}: neither {where} a folder {shown(after.selecting)}",
        hint="name a folder from the repository's root, with / and without the repository's name",
    )


def _refused(
    configured: Configured,
    objects: Objects,
    before: Side,
    head: Revision,
    why: ConfigurationError,
    memory: Memory,
) -> Rehearsal:
    """Return what becomes of a head by whose own settings nothing can be judged: it is held."""
    snapshot = _base(before, memory).proposal.snapshot
    finding = unusable_head(configured, objects, head, why)
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
    of: Side,
    before: Side | None,
    base: _Base | None,
    served: Snapshot | None,
    rules: Settings,
    memory: Memory,
) -> Proposal:
    alike = before is not None and before.recipe == of.recipe
    standing = base.standing if base is not None and alike else None
    return _judged(of, standing, memory, rules, served)


def _judged(
    of: Side,
    standing: Standing | None,
    memory: Memory,
    rules: Settings | None = None,
    served: Snapshot | None = None,
) -> Proposal:
    """
    Return what a side comes to, judged against *standing*; contents that are known are not.

    *rules* hold it back if it is the head, *served* is what sinks have then.
    """
    settings = of.settings if rules is None else replace(of.settings, guard=rules.guard)
    builder = Builder(of.catalog, settings.build, memory.results())
    with counting(of.objects, (rules or settings).trust) as counts:
        proposal = evaluate(of.objects, standing, of.revision, builder, settings, served, counts)
        if rules is not None and served is None:
            proposal = first(proposal, of.objects, settings, counts)
    builder.flush()
    return proposal
