"""
Following several layers: look at each → judge each by itself → compose → keep.

Rule: a layer's fault is that layer's. One that cannot be reached, or whose head is broken, goes on
with what stands of it, and the others move on. What is sound by itself and not together with the
others is tried one by one, the lowest first: whatever does no harm goes out, the rest is held. A
layer of which nothing ever was good holds the whole, since what it would override is not meant to
be seen. For the worker thread alone.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from gitsource.errors import ConfigurationError, GitsourceError, MirrorError
from gitsource.git.mirror import Mirror
from gitsource.git.refs import Chosen
from gitsource.model import Finding, Revision, Snapshot, composition_of
from gitsource.reconcile.ground import Ground, Look, Place
from gitsource.reconcile.layers.asked import Asked
from gitsource.reconcile.layers.layer import Layer, Refused
from gitsource.reconcile.layers.member import Candidate
from gitsource.reconcile.one import recipe_of
from gitsource.reconcile.outcomes import LayerState, Outcome
from gitsource.rollout.decide import GUARDED, Hold, decide, reason
from gitsource.settings.whole import Settings
from gitsource.snapshot.build import Proposal, Standing
from gitsource.snapshot.compose import parted

if TYPE_CHECKING:
    from gitsource.build.builder import Builder
    from gitsource.reconcile.layers.composing import Composer

log = logging.getLogger("gitsource.reconcile")

T = TypeVar("T")

UNASKED = frozenset({"poll", "watch", "webhook"})
"""Triggers that nobody waits for."""
UNSOUND = "does not go together with the other layers"
"""Why a head is held that is sound by itself."""


@dataclass(frozen=True, slots=True)
class _Choice:
    """What goes out of the layers that moved."""

    chosen: Mapping[str, Candidate] = field(default_factory=dict)
    back: Mapping[str, Refused] = field(default_factory=dict)
    """What stays back although it is sound by itself."""
    proposal: Proposal | None = None
    """What is chosen, composed; None: nothing goes out."""


class Several:
    """Follows several layers."""

    def __init__(self, ground: Ground, settings: Settings, mirrors: Mapping[str, Mirror]) -> None:
        self._ground = ground
        self._settings = settings
        self._layers = {
            row.name: Layer(ground, settings, row, mirrors[row.name]) for row in settings.layers
        }
        self._asked = Asked(ground, self._layers, lambda: self._base)
        self._base: Standing | None = None
        """The composition that the layers' standing revisions are the parts of."""
        self._tried: tuple[object, _Choice] | None = None
        """What was composed last, and what came of it."""
        self._builder: Builder | None = None
        self._prepare: Callable[[], object] | None = None

    def __repr__(self) -> str:
        return f"<Several {list(self._layers)}>"

    @property
    def chosen(self) -> Chosen:
        """Nothing: each layer has its own (`LayerState.chosen`)."""
        return Chosen("", "")

    def stop(self) -> None:
        """Have Git end what it does, for good. Any thread may say so."""
        for layer in self._layers.values():
            layer.mirror.stop()

    def close(self) -> None:
        """Let go of mirrors and keys."""
        for layer in self._layers.values():
            layer.close()

    def forget(self) -> None:
        """Have heads judged anew at the next look."""
        self._tried = None
        for layer in self._layers.values():
            layer.forget()

    # ------------------------------------------------------------------ looking

    def look(self, triggers: tuple[str, ...]) -> Look:
        """Look once at each layer; raises GitsourceError for a look that failed as a whole."""
        # Here and not above: a restart serves what is on disk before it needs to judge anything.
        from gitsource.reconcile.layers.composing import Composer

        self._fetch(triggers)
        settings, good = self._settings, self._ground.good
        catalog = self._ground.catalog_at(settings, None, None)
        recipe = self._recipe(
            recipe_of(catalog, settings, *(r.repository for r in settings.layers))
        )
        base = good.base(recipe)
        self._stand(base)
        self._builder = builder = self._ground.builder(catalog, settings)
        moved, refused = self._judged(builder)
        control = self._ground.now().control
        allowed = control.allowance.revision if control.allowance is not None else ""
        composer = Composer(
            self._layers, base, good.snapshot, builder, settings, allowed, self._heads().commit
        )
        heads = tuple((layer.head, layer.commit) for layer in self._layers.values())
        asked = (recipe, heads, tuple(moved), control)
        if self._tried is None or self._tried[0] != asked:
            self._tried = (asked, self._choose(composer, moved))
        choice = self._tried[1]
        for name, layer in self._layers.items():
            layer.hold(refused.get(name) or choice.back.get(name))
        if base is not None and base.references is None:
            self._prepare = partial(self._load_references, base, composer)
        if choice.proposal is None:
            return self._nothing_new(base)
        return self._published(choice, recipe)

    def _fetch(self, triggers: tuple[str, ...]) -> None:
        """Bring heads up to date; nobody's news wait for a host that did not answer last time."""
        ordered = sorted(self._layers.values(), key=lambda layer: layer.error is not None)
        asked_for = not set(triggers) <= UNASKED
        news = False
        for layer in ordered:
            failing = layer.error is not None
            if failing and not asked_for and (news or not layer.due()):
                continue
            before = layer.head
            layer.fetch()
            news = news or layer.head != before

    def _recipe(self, recipe: str) -> str:
        told = [(row.name, row.overrides) for row in self._settings.layers]
        return hashlib.sha256(f"{recipe}{told}".encode()).hexdigest()[:32]

    def _stand(self, base: Standing | None) -> None:
        """Have each layer know what stands of it, which is a part of *base*."""
        if base is None:
            for layer in self._layers.values():
                if layer.standing is not None:  # else what its head came to is still known
                    layer.stand(None)
        elif base is not self._base:
            for name, standing in parted(base, self._layers).items():
                self._layers[name].stand(standing)
        self._base = base

    def _judged(self, builder: Builder) -> tuple[dict[str, Candidate], dict[str, Refused]]:
        """Return which new heads are sound by themselves, and why the others are not."""
        moved: dict[str, Candidate] = {}
        refused: dict[str, Refused] = {}
        for name, layer in self._layers.items():
            if not layer.news:
                continue
            try:
                found = layer.judge(builder)
            except (MirrorError, ConfigurationError) as error:
                layer.error = layer.error or error
                continue
            if isinstance(found, Candidate):
                moved[name] = found
            else:
                refused[name] = found
        return moved, refused

    def _choose(self, composer: Composer, moved: Mapping[str, Candidate]) -> _Choice:
        """Return which of what *moved* goes out: all of it, or what does no harm."""
        known = moved if composer.base is not None else self._completed(moved, composer.builder)
        if not known or not self._whole(known):
            return _Choice()
        proposal = composer.judged(known)
        if proposal.acceptable:
            return _Choice(known, {}, proposal)
        first = {name: _unsound(proposal) for name in moved}
        if composer.base is None:
            # Heads that do not go together, and nothing yet that the others could stand on.
            older = self._completed({}, composer.builder)
            if not self._whole(older):
                return _Choice({}, first)
            kept, best = older, composer.judged(older)
            if not best.acceptable:
                return _Choice({}, first)
        else:
            kept, best = {}, None
        back: dict[str, Refused] = dict(first)
        again = len(moved) > 1 or composer.base is None
        while again:
            again = False
            for name in [each for each in moved if each in back]:
                tried = composer.judged({**kept, name: moved[name]})
                if tried.acceptable:
                    kept, best, again = {**kept, name: moved[name]}, tried, True
                    del back[name]
                else:
                    back[name] = _unsound(tried)
        return _Choice(kept, back, best)

    def _completed(self, moved: Mapping[str, Candidate], builder: Builder) -> dict[str, Candidate]:
        """Return *moved* with, of each other layer, what was good of it before."""
        served = self._ground.good.snapshot
        found = dict(moved)
        for name, layer in self._layers.items():
            commit = served.revision.commit_of(name) if served is not None else ""
            if name not in found and commit and layer.opened:
                older = layer.again(commit, builder)
                if older is not None:
                    found[name] = older
        return found

    def _whole(self, chosen: Mapping[str, Candidate]) -> bool:
        """Whether there is something of every layer."""
        return all(name in chosen or layer.commit for name, layer in self._layers.items())

    # ------------------------------------------------------------------ what it came to

    def _published(self, choice: _Choice, recipe: str) -> Look:
        proposal = choice.proposal
        if proposal is None:
            raise AssertionError("nothing was to be published")
        told = tuple(
            replace(
                layer.state,
                commit=choice.chosen[name].revision.commit
                if name in choice.chosen
                else layer.commit,
            )
            for name, layer in self._layers.items()
        )
        revision = replace(
            proposal.snapshot.revision, layers=tuple(state.revision for state in told)
        )
        proposal = replace(proposal, snapshot=proposal.snapshot.at(revision))
        decision, unsaved = self._ground.decided(proposal, recipe)
        if decision is None:
            return Look(Outcome("suspended", revision))
        if isinstance(decision, Hold):
            findings = decision.proposal.findings
            return Look(self._outcome("held", revision, decision.reason, findings))
        signers = [self._layers[name].signer(each) for name, each in choice.chosen.items()]
        for name, candidate in choice.chosen.items():
            self._layers[name].accept(candidate)
        self._base, self._tried = self._ground.good.standing, None
        outcome = self._outcome("published", revision, "", decision.proposal.findings)
        outcome = replace(outcome, signer="; ".join(filter(None, signers)))
        ignored = self._base.ignored if self._base is not None else 0
        return Look(outcome, proposal.snapshot, unsaved, ignored)

    def _nothing_new(self, base: Standing | None) -> Look:
        """Tell why nothing goes out: nothing moved, or what did is held or out of reach."""
        lost = [layer for layer in self._layers.values() if layer.error is not None]
        held = [layer for layer in self._layers.values() if layer.held is not None]
        if lost:
            error = lost[0].error
            why = "; ".join(f"layer {layer.name}: {layer.error}" for layer in lost)
            outcome = self._outcome("failed", None, why)
            return Look(
                replace(
                    outcome,
                    hint=(error.hint or "") if error is not None else "",
                    fault=error.fault if error is not None else "",
                    partly=len(lost) < len(self._layers),
                )
            )
        findings = tuple(f for layer in held if layer.held is not None for f in layer.held.findings)
        if held and held[0].held is not None:
            why = f"layer {held[0].name} {held[0].held.reason}"
            return Look(self._outcome("held", held[0].held.revision, why, findings))
        if base is None:
            raise MirrorError("nothing was fetched yet of any layer")
        known = base.snapshot
        control = self._ground.now().control
        decision = decide(Proposal(known, {}, known.findings, full=False), control)
        if isinstance(decision, Hold):
            return Look(self._outcome("held", known.revision, decision.reason, known.findings))
        return Look(self._outcome("unchanged", known.revision, "", known.findings))

    def _outcome(
        self, result: str, revision: Revision | None, why: str, findings: Sequence[Finding] = ()
    ) -> Outcome:
        layers = tuple(self._state(layer) for layer in self._layers.values())
        heads = self._heads()
        return Outcome(result, revision, why, findings=tuple(findings), layers=layers, head=heads)

    def _state(self, layer: Layer) -> LayerState:
        """Return how *layer* stands; what is to be judged anew is still what is published."""
        state, good = layer.state, self._ground.good.snapshot
        if state.commit or good is None:
            return state
        return replace(state, commit=good.revision.commit_of(layer.name))

    def _heads(self) -> Revision:
        return composition_of({name: layer.head for name, layer in self._layers.items()})

    def afterwards(self) -> None:
        """Do what nobody waits for: remember what was judged, keep the mirrors small."""
        builder, self._builder = self._builder, None
        if builder is not None:
            builder.flush()
        prepare, self._prepare = self._prepare, None
        try:
            if prepare is not None:
                prepare()
        except GitsourceError as error:
            log.warning("what documents say of each other is left for the next commit: %s", error)
        for layer in self._layers.values():
            layer.maintenance()

    def _load_references(self, base: Standing, composer: Composer) -> None:
        """Have what a restart left out there before the next commit asks for it."""
        if base.references is None and self._ground.good.standing is base:
            base.references = composer.loaded(base)

    # ------------------------------------------------------------------ asked by operators

    def earlier(self, spec: str) -> Snapshot:
        """Return the newest composition with the commit ``NAME:REV`` that was published."""
        return self._asked.earlier(spec)

    def known(self, spec: str) -> str | None:
        """Return the commit that *spec* (``NAME:REV``, or an ID of any layer) names, if known."""
        return self._asked.known(spec)

    def contains(self, head: str, commit: str) -> bool:
        """Whether *head* has *commit*; each of them a composition or the commit of a layer."""
        return self._asked.contains(head, commit)

    def last_change(self, head: str, path: str) -> Revision | None:
        """Return the last commit up to the composition *head* that changed ``NAME:path``."""
        return self._asked.last_change(head, path)

    def asked(self, spec: str, question: Callable[[Place], T]) -> T:
        """Return the answer to *question* about the layer that *spec* is of."""
        return self._asked.answer(spec, question)


def _unsound(proposal: Proposal) -> Refused:
    """Return why a layer stays back with which *proposal* would not hold."""
    errors = [each for each in proposal.findings if each.severity == "error"]
    guarded = errors[0].code in GUARDED
    return Refused(reason("needs a confirmation" if guarded else UNSOUND, errors), tuple(errors))
