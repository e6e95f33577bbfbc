"""
A dry-run of one layer among several: what the fleet would see of its change.

Rule: the composition is what is planned, made by the code that `serve` composes with (`stack`), and
stopped before publishing. Of the others nothing moves: each stays at what is served of it, or at
what is followed where nobody says what is served.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace

from gitsource.errors import ConfigurationError
from gitsource.git.local import LocalRepository
from gitsource.git.objects import Objects
from gitsource.model import Finding, Revision, Snapshot
from gitsource.plan.bodies import Bodies as BodyReader
from gitsource.plan.compare import Bodies, Known, plan
from gitsource.plan.values import Plan
from gitsource.reconcile.layers.member import Candidate
from gitsource.rehearsal.beside import counting, history, notes, rights, unusable_head
from gitsource.rehearsal.changed import changed_settings
from gitsource.rehearsal.layers.at_hand import Found, InRepository, Search, reviewed
from gitsource.rehearsal.layers.stack import Stack
from gitsource.rehearsal.layers.told import Layered
from gitsource.rehearsal.question import Memory, Question, Rehearsal
from gitsource.rehearsal.side import Configured, Side, side
from gitsource.settings.following import LayerRow
from gitsource.settings.whole import Settings
from gitsource.snapshot.build import FileState, Proposal, Standing, nothing, standing_of

HERE = "this repository"


@dataclass(slots=True)
class _Composed:
    """One side, composed."""

    stack: Stack
    chosen: Mapping[str, Candidate]
    proposal: Proposal
    files: Mapping[str, FileState]
    standing: Standing | None
    """It as what the head is judged against; None if it has errors."""


def rehearsed(
    repository: LocalRepository,
    objects: Objects,
    head: Revision,
    configured: Configured,
    outside: Settings,
    asked: Question,
    memory: Memory,
) -> Rehearsal:
    """
    Return what publishing *head* of the layers that *repository* is would do to sinks.

    Raises GitsourceError if that cannot be told.
    """
    if asked.path is not None:
        raise ConfigurationError(
            "--path has no meaning for layers: each row of `layers` has its own"
        )
    rows = reviewed(repository, outside, asked.layers)
    committed = asked.kind == "commit"
    start = head if committed else repository.head()
    followed = repository.followed(rows[0].repository)
    base = repository.base_of(start, asked.base, followed, inside=not committed)
    before, unusable = _side(configured, objects, base)
    after, refused = _side(configured, objects, head)
    names = [row.name for row in rows]
    with ExitStack() as opened:
        search = Search(outside, asked.others, opened)
        every = {row.name: row for each in (before, after) if each for row in each.settings.layers}
        found = search.all(row for name, row in every.items() if name not in names)
        was = _base(before, names, found, memory) if before is not None else None
        if after is None:
            if before is None or refused is None or was is None:
                raise refused or AssertionError
            return _held(before, head, unusable_head(configured, objects, head, refused), was)
        rules = before.settings if before is not None else after.settings
        now = _head(after, before, names, found, was, rules, memory)
        snapshot = was.proposal.snapshot if was is not None else nothing().snapshot
        made = plan(
            snapshot,
            now.proposal,
            Known(was.proposal.findings, was.files) if was is not None else None,
            Bodies(BodyReader((before or after).catalog), BodyReader(after.catalog)),
        )
        guards = _history(objects, before, start if committed else None, rules, rows)
        changed = changed_settings(before, after, made, snapshot) if before is not None else ()
        sound = was is None or was.standing is not None
        own = {row.name: row for row in rules.layers}
        modes = [rules.of_layer(own.get(row.name, row)).trust.mode for row in rows]
        signed = any(mode != "none" for mode in modes)
        made = replace(
            made,
            guards=tuple(sorted({*made.guards, *guards})),
            settings=(*changed, *made.settings),
            rights=rights(before or after, after, snapshot, now.proposal.snapshot),
            notes=(
                *notes(objects, before, asked, start, unusable, sound=sound, signed=signed),
                *made.notes,
            ),
        )
        layered = Layered(
            after.settings.layers,
            names,
            found,
            _own(names, was),
            _own(names, now),
            references=now.stack.complete,
        )
        told = layered.told(made, snapshot, now.proposal.snapshot, base, head)
        return Rehearsal(told, snapshot, now.proposal.snapshot, rules)


def _own(names: list[str], of: _Composed | None) -> dict[str, Snapshot]:
    """Return what the layers *names* come to by themselves."""
    chosen = of.chosen if of is not None else {}
    return {name: chosen[name].proposal.snapshot for name in names if name in chosen}


def _side(
    configured: Configured, objects: Objects, revision: Revision | None
) -> tuple[Side | None, ConfigurationError | None]:
    """Return the side that *revision* is, or why its settings and schemas cannot be used."""
    try:
        found = side(configured, objects, revision) if revision is not None else None
    except ConfigurationError as error:
        return None, error
    if found is not None and not found.settings.layers:
        return None, ConfigurationError("the settings have no layers")
    return found, None


def _held(before: Side, head: Revision, finding: Finding, was: _Composed) -> Rehearsal:
    """Return what becomes of a head by whose own settings nothing can be judged: it is held."""
    snapshot = was.proposal.snapshot
    made = Plan(before.revision, head, snapshot.version, snapshot.version, new=(finding,))
    return Rehearsal(made, snapshot, snapshot, before.settings)


def _history(
    objects: Objects,
    before: Side | None,
    head: Revision | None,
    rules: Settings,
    rows: tuple[LayerRow, ...],
) -> list[Finding]:
    """Return what is to be said of the commits that are new, by what each of the layers asks."""
    own = {row.name: row for row in rules.layers}
    asked = [rules.of_layer(own.get(row.name, row)) for row in rows]
    return [found for each in asked for found in history(objects, before, head, each)]


# --------------------------------------------------------------------------- the two sides


def _base(of: Side, names: list[str], found: Mapping[str, Found], memory: Memory) -> _Composed:
    stack, chosen = _stacked(of, of.settings, names, found, memory)
    proposal = stack.judged(chosen)
    files = {path: state for path, state in proposal.changed.items() if state is not None}
    if not proposal.acceptable:
        return _Composed(stack, chosen, proposal, files, None)
    stack.accept(chosen)
    return _Composed(stack, chosen, proposal, files, standing_of(proposal))


def _head(
    of: Side,
    before: Side | None,
    names: list[str],
    found: Mapping[str, Found],
    was: _Composed | None,
    rules: Settings,
    memory: Memory,
) -> _Composed:
    served = was.proposal.snapshot if was is not None else None
    alike = before is not None and before.recipe == of.recipe
    if was is not None and was.standing is not None and alike:
        stack = was.stack
        chosen = {name: stack.candidate(name, of.objects, of.revision) for name in names}
        standing: Standing | None = was.standing
    else:
        settings = replace(of.settings, guard=rules.guard)
        stack, chosen = _stacked(of, settings, names, found, memory)
        standing = None
    own = {row.name: row for row in (*of.settings.layers, *rules.layers)}
    with ExitStack() as asked:
        for name in names:
            counts = counting(of.objects, rules.of_layer(own[name]).trust)
            stack.counting(name, asked.enter_context(counts))
        proposal = stack.judged(chosen, standing, served)
    return _Composed(stack, chosen, proposal, {}, None)


def _stacked(
    of: Side, settings: Settings, names: list[str], found: Mapping[str, Found], memory: Memory
) -> tuple[Stack, dict[str, Candidate]]:
    """Return the layers of one side, and each that is at hand judged by itself."""
    there = {row.name for row in settings.layers}
    mine = InRepository(of.objects, of.revision, HERE)
    every = {**found, **dict.fromkeys(names, mine)}
    stack = Stack(
        settings,
        of.catalog,
        {name: each for name, each in every.items() if name in there},
        memory.results(),
    )
    chosen = {
        name: stack.candidate(name, each.objects, each.revision)
        for name in stack.names
        if isinstance(each := every[name], InRepository)
    }
    for name, candidate in chosen.items():
        if name not in names and not candidate.proposal.acceptable:
            raise _unfit(name, candidate)
    return stack, chosen


def _unfit(name: str, candidate: Candidate) -> ConfigurationError:
    errors = [each for each in candidate.proposal.findings if each.severity == "error"]
    first = errors[0]
    return ConfigurationError(
        f"layer {name} does not validate at {candidate.revision.short}: {first.file}:{first.line}: "
        f"{first.code}: {first.message}",
        hint=f"sinks have an earlier commit of it: name that one with --with {name}=DIR@REV",
    )
