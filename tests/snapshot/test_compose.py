"""Several layers come to one snapshot: the highest that has a name wins it, change by change."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitsource.model import Finding, LayerRevision, Revision, composed_id
from gitsource.snapshot.build import FileState, Proposal, Standing, accept, nothing, propose
from gitsource.snapshot.compose import (
    OVERRIDES,
    Composition,
    Part,
    compose,
    layer_of,
    opened_up,
    parted,
)
from gitsource.snapshot.history import History
from revisions import COLLECTION, file, resource, revision

NAMES = ("low", "mid", "top")


class Stack:
    """Layers and what they come to, as the reconciler keeps them."""

    def __init__(self, *names: str, overrides: str = "warning") -> None:
        self.names = names
        self.layers: dict[str, Standing] = {name: nothing() for name in names}
        self.composed: Standing | None = None
        self.overrides = overrides
        self.moves = 0

    def proposed(self, layer: str, files: dict[str, dict[str, str] | None]) -> Proposal:
        """Return what *layer* comes to when *files* (resources by name, or None: gone) change."""
        self.moves += 1
        changed: dict[str, FileState | None] = {}
        for path, content in files.items():
            whole = f"{layer}:{path}"
            held = [resource(name, text, whole) for name, text in (content or {}).items()]
            changed[whole] = file(*held) if content is not None else None
        return propose(self.layers[layer], revision(self.moves), changed, ())

    def composition(self, *proposals: tuple[str, Proposal], anew: bool = False) -> Composition:
        """Return what the layers come to with *proposals*, as a change or *anew*."""
        after = dict(proposals)
        parts = [
            Part(name, self.layers[name], after.get(name), self.overrides) for name in self.names
        ]
        return compose(None if anew else self.composed, parts, lambda _: "Thing")

    def move(self, layer: str, files: dict[str, dict[str, str] | None]) -> Proposal:
        """Have *layer* move on, and the composition with it."""
        after = self.proposed(layer, files)
        assert after.acceptable
        found = self.composition((layer, after))
        base = self.composed or nothing()
        whole = found.proposal(base, Revision(str(self.moves), "", 0))
        accept(self.layers[layer], after)
        accept(base, whole)
        self.composed = base
        return whole

    @property
    def served(self) -> dict[str, str]:
        """Version by name, of what is served."""
        assert self.composed is not None
        return {one.name: one.version for one in self.composed.snapshot.collection(COLLECTION)}


def test_the_highest_layer_that_has_a_name_wins_it_whole() -> None:
    stack = Stack("low", "top")
    stack.move("low", {"a.yaml": {"ns/a": "low", "ns/b": "low"}})
    stack.move("top", {"a.yaml": {"ns/a": "top"}})

    assert {"ns/a": "vtop", "ns/b": "vlow"} == stack.served


def test_a_lower_layer_does_not_take_a_name_back() -> None:
    stack = Stack("low", "top")
    stack.move("top", {"a.yaml": {"a": "top"}})
    before = stack.composed.snapshot.version
    stack.move("low", {"b.yaml": {"a": "low"}})

    assert before == stack.composed.snapshot.version


def test_a_delete_in_the_highest_layer_uncovers_what_lies_below() -> None:
    stack = Stack("low", "mid", "top")
    stack.move("low", {"a.yaml": {"a": "low"}})
    stack.move("mid", {"a.yaml": {"a": "mid"}})
    stack.move("top", {"a.yaml": {"a": "top"}})
    seen = []
    for layer in ("top", "mid", "low"):
        stack.move(layer, {"a.yaml": None})
        seen.append(stack.served)

    assert [{"a": "vmid"}, {"a": "vlow"}, {}] == seen


def test_an_override_is_told_at_the_document_that_wins_and_names_the_other_one() -> None:
    stack = Stack("low", "top")
    stack.move("low", {"base.yaml": {"a": "low"}})

    (told,) = stack.move("top", {"own.yaml": {"a": "top"}}).findings

    assert ("top:own.yaml", 1, "warning", OVERRIDES) == (
        told.file, told.line, told.severity, told.code,
    )  # fmt: skip
    assert "low:base.yaml" in told.message
    assert "Thing/a" == told.resource


def test_an_override_is_told_until_it_ends() -> None:
    stack = Stack("low", "top")
    stack.move("low", {"base.yaml": {"a": "low"}, "other.yaml": {"b": "low"}})
    stack.move("top", {"own.yaml": {"a": "top"}})
    stack.move("low", {"other.yaml": {"b": "new"}})
    during = len(stack.composed.snapshot.findings)
    stack.move("low", {"base.yaml": None})

    assert (1, 0) == (during, len(stack.composed.snapshot.findings))


def test_an_override_that_a_layer_must_not_make_is_an_error() -> None:
    stack = Stack("low", "top", overrides="error")
    stack.move("low", {"base.yaml": {"a": "low"}})
    after = stack.proposed("top", {"own.yaml": {"a": "top"}})

    found = stack.composition(("top", after)).proposal(stack.composed, revision(9))

    assert not found.acceptable


def test_an_override_that_a_layer_is_meant_to_make_is_not_told() -> None:
    stack = Stack("low", "top", overrides="off")
    stack.move("low", {"base.yaml": {"a": "low"}})

    assert () == stack.move("top", {"own.yaml": {"a": "top"}}).findings


def test_an_override_names_the_next_layer_below_and_no_other() -> None:
    stack = Stack("low", "mid", "top")
    stack.move("low", {"a.yaml": {"a": "low"}})
    stack.move("mid", {"a.yaml": {"a": "mid"}})

    (told,) = stack.move("top", {"a.yaml": {"a": "top"}}).findings

    assert ("top:a.yaml", True) == (told.file, "mid:a.yaml" in told.message)


@pytest.mark.parametrize(
    ("overrides", "expected"), [("warning", ("warning", True)), ("error", ("error", False))]
)
def test_a_document_may_ask_to_be_let_alone_with_a_warning_and_no_more(overrides, expected) -> None:
    stack = Stack("low", "top")
    stack.move("low", {"base.yaml": {"a": "low"}})
    after = stack.proposed("top", {"own.yaml": {"a": "top"}})
    parts = [Part("low", stack.layers["low"]), Part("top", stack.layers["top"], after, overrides)]

    (told,) = compose(stack.composed, parts, let_alone=lambda _: True).findings

    assert expected == (told.severity, told.suppressed)


def test_a_layer_that_is_judged_anew_takes_away_what_is_not_in_it_any_more() -> None:
    stack = Stack("low", "top")
    stack.move("low", {"a.yaml": {"a": "low"}})
    stack.move("top", {"a.yaml": {"a": "top"}, "b.yaml": {"b": "top"}})
    left = {"top:b.yaml": file(resource("b", "new", "top:b.yaml"))}
    after = propose(nothing(), revision(9), left, (), full=True)
    whole = stack.composition(("top", after)).proposal(stack.composed, revision(9))
    accept(stack.composed, whole)

    assert {"a": "vlow", "b": "vnew"} == stack.served
    assert {"low:a.yaml", "top:b.yaml"} == set(stack.composed.files)


def test_a_change_that_changes_nothing_of_who_wins_leaves_the_winner_and_the_loser_alone() -> None:
    stack = Stack("low", "mid", "top")
    stack.move("low", {"a.yaml": {"a": "low"}})
    stack.move("mid", {"a.yaml": {"a": "mid"}})
    stack.move("top", {"a.yaml": {"a": "top"}})

    assert {"mid:a.yaml"} == set(stack.move("mid", {"a.yaml": {"a": "new"}}).changed)


def test_what_files_say_of_others_stands_until_it_is_told_anew() -> None:
    stack = Stack("low", "top")
    stack.move("low", {name: {name: "1"} for name in ("a.yaml", "b.yaml", "c.yaml")})
    says = {
        name: Finding(f"low:{name}", 1, 1, "warning", "GS401", "no")
        for name in ("a.yaml", "b.yaml", "c.yaml")
    }
    base = stack.composed
    base.snapshot = replace(base.snapshot, findings=tuple(says.values()))
    after = stack.proposed("low", {"b.yaml": {"b.yaml": "2"}})
    new = replace(says["c.yaml"], message="still no")
    told = {"told": [new], "told_anew": ["low:c.yaml"]}

    changed = stack.composition(("low", after)).proposal(base, revision(9), **told)
    # Of a layer that is one no more nobody tells anything anew, and nothing of it stands.
    gone = Finding("gone:a.yaml", 1, 1, "warning", "GS401", "no")
    base.snapshot = replace(base.snapshot, findings=(gone, *says.values()))
    anew = stack.composition(("low", after), anew=True).proposal(base, revision(9), **told)

    assert (says["a.yaml"], new) == changed.findings
    assert (new,) == anew.findings


def test_a_change_of_one_layer_changes_no_file_of_another_that_it_does_not_cover() -> None:
    stack = Stack("low", "top")
    stack.move("low", {f"{n}.yaml": {f"low{n}": "1"} for n in range(50)})

    found = stack.move("top", {"own.yaml": {"low7": "top"}})

    assert {"top:own.yaml", "low:7.yaml"} == set(found.changed)


def test_the_id_of_a_composition_follows_from_names_and_commits_alone() -> None:
    one = [LayerRevision("a", "1" * 40, "2" * 40, "held"), LayerRevision("b", "3" * 40)]
    plain = [LayerRevision("a", "1" * 40), LayerRevision("b", "3" * 40)]

    assert composed_id(one) == composed_id(plain) != composed_id(plain[::-1])
    assert 64 == len(composed_id(one))


def test_names_and_commits_cannot_be_mixed_up_in_the_id_of_a_composition() -> None:
    assert composed_id([LayerRevision("ab", "c")]) != composed_id([LayerRevision("a", "bc")])


def states(files: dict[str, FileState]) -> dict[str, tuple[frozenset, frozenset, str, int]]:
    return {
        path: (frozenset(one.resources), frozenset(one.covered), one.blob, one.birth)
        for path, one in files.items()
    }


THINGS = st.dictionaries(st.sampled_from("abcde"), st.sampled_from("12"), max_size=3)
MOVES = st.lists(
    st.tuples(
        st.sampled_from(NAMES),
        st.dictionaries(st.sampled_from(["x", "y", "z"]), st.none() | THINGS, max_size=3),
    ),
    max_size=12,
)


@given(MOVES)
def test_composing_change_by_change_comes_to_what_composing_from_nothing_does(moves) -> None:
    stack = Stack(*NAMES)
    stack.move("low", {})
    for layer, files in moves:
        if stack.proposed(layer, files).acceptable:
            stack.move(layer, files)

    anew = stack.composition(anew=True).proposal(nothing(), revision(0))

    composed = stack.composed
    assert anew.snapshot.version == composed.snapshot.version
    assert anew.snapshot.findings == composed.snapshot.findings
    assert states({p: s for p, s in anew.changed.items() if s}) == states(composed.files)
    assert anew.snapshot.covered == composed.snapshot.covered


@given(MOVES)
def test_a_composition_is_taken_apart_into_its_layers(moves) -> None:
    stack = Stack(*NAMES)
    stack.move("low", {})
    for layer, files in moves:
        if stack.proposed(layer, files).acceptable:
            stack.move(layer, files)

    apart = parted(stack.composed, NAMES)

    for name in NAMES:
        assert stack.layers[name].snapshot.version == apart[name].snapshot.version
        assert states(stack.layers[name].files) == states(apart[name].files)
        assert stack.layers[name].snapshot.findings == apart[name].snapshot.findings


@given(moves=MOVES, together=st.permutations(NAMES))
def test_layers_that_move_at_once_come_to_what_they_do_one_after_another(moves, together) -> None:
    stack, last = Stack(*NAMES), {name: {} for name in NAMES}
    stack.move("low", {})
    for layer, files in moves:
        if stack.proposed(layer, files).acceptable:
            last[layer] |= files
    proposals = [(name, stack.proposed(name, last[name])) for name in NAMES]
    proposals = [(name, one) for name, one in proposals if one.acceptable]
    at_once = stack.composition(*proposals).proposal(stack.composed, revision(0))
    sound = {name for name, _ in proposals}
    for name in together:
        if name in sound:
            stack.move(name, last[name])

    assert at_once.snapshot.version == stack.composed.snapshot.version
    assert at_once.snapshot.findings == stack.composed.snapshot.findings


def test_what_is_covered_is_on_disk_as_well(tmp_path: Path) -> None:
    """A restart takes the layers from the history, and what they cover can be uncovered then."""
    stack, history = Stack("low", "top"), History(tmp_path)
    base = nothing()
    for number, (layer, files) in enumerate(
        [("low", {"a.yaml": {"a": "low", "b": "low"}}), ("top", {"b.yaml": {"a": "top"}})]
    ):
        after = stack.proposed(layer, files)
        found = stack.composition((layer, after))
        rows = (LayerRevision("low", "1" * 40), LayerRevision("top", "2" * 40, "3" * 40, "no"))
        told = Revision(composed_id(rows), "", number, layers=rows)
        whole = found.proposal(base, told)
        history.append(base, whole, "recipe", number)
        accept(stack.layers[layer], after)
        accept(base, whole)
        stack.composed = base
    loaded = History(tmp_path).load()

    standing = loaded.standing()

    assert rows == standing.snapshot.revision.layers
    assert states(base.files) == states(standing.files)
    assert [("a", "low:a.yaml")] == [
        (one.name, one.origin.path) for _, one in loaded.snapshot.covered
    ]
    assert base.snapshot.covered == loaded.snapshot.covered
    apart = parted(standing, ("low", "top"))
    assert {"a", "b"} == set(apart["low"].snapshot.collection(COLLECTION).names)
    assert "1" * 40 == apart["low"].snapshot.revision.commit


def test_a_composition_without_its_files_is_taken_apart_as_well() -> None:
    """As it is where only the snapshot was handed on."""
    stack = Stack("low", "top")
    stack.move("low", {"a.yaml": {"a": "low", "b": "low"}})
    stack.move("top", {"b.yaml": {"a": "top"}})

    apart = parted(opened_up(stack.composed.snapshot), ("low", "top"))

    for name, layer in stack.layers.items():
        assert layer.snapshot.version == apart[name].snapshot.version


def test_documents_that_are_no_resources_are_counted_by_layer() -> None:
    state = {"low:a.yaml": file(ignored=2), "low:b.yaml": file(ignored=1), "top:a.yaml": file()}
    apart = parted(Standing(nothing().snapshot, state), ("low", "top"))

    assert {"low": 3, "top": 0} == {name: one.ignored for name, one in apart.items()}


def test_findings_of_files_go_with_their_layer() -> None:
    stack = Stack("low", "top")
    stack.move("low", {"a.yaml": {"a": "1"}})
    odd = Finding("low:a.yaml", 2, 1, "warning", "GS306", "hm")
    ref = Finding("low:a.yaml", 2, 1, "warning", "GS401", "no")
    base = stack.composed
    base.snapshot = replace(base.snapshot, findings=(odd, ref))

    apart = parted(base, ("low", "top"))

    assert ((odd,), ()) == (apart["low"].snapshot.findings, apart["top"].snapshot.findings)
    assert "low" == layer_of(odd.file)
