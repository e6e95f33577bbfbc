"""A revision that was stored answers as the one it was made from, however much of it is asked."""

from __future__ import annotations

import pytest

from gitsource._proto.gitsource.state.v1.state_pb2 import Head, Links, Record
from gitsource.model import Collection, Finding, Origin, Resource, Revision, Snapshot, digest_line
from gitsource.references.index import Index
from gitsource.rehearsal.remembered import _LENGTHS, parts, standing_in
from gitsource.snapshot.build import FileState, Standing, delta, propose
from gitsource.snapshot.records import PART

REVISION = Revision("c" * 40, "t" * 40, 1_700_000_000, "A <a@example.com>", "subject")
KINDS = ("istio/a", "istio/b")


def resource(number: int, *, content: str = "") -> Resource:
    """Make a resource; every third file holds several."""
    path = f"{number - number % 3 if number % 9 < 3 else number}.yaml"
    wire = f"{number} {content}".encode()
    return Resource(f"ns/{number:06}", f"v{number}{content}", wire, Origin(path, number % 3 + 1))


def made(count: int) -> Standing:
    """Return a revision of *count* resources in two collections."""
    resources = [resource(number) for number in range(count)]
    sides = {
        name: Collection.of(name, resources[at :: len(KINDS)]) for at, name in enumerate(KINDS)
    }
    held: dict[str, list[tuple[str, Resource]]] = {"empty.yaml": []}
    for name, collection in sides.items():
        for each in collection:
            held.setdefault(each.origin.path, []).append((name, each))
    files = {
        path: FileState(f"{at:040x}", at, tuple(some), at % 2)
        for at, (path, some) in enumerate(held.items())
    }
    findings = (Finding("1.yaml", 1, 1, "warning", "GS301", "careful", "A/ns/1"),)
    ignored = sum(state.ignored for state in files.values())
    return Standing(Snapshot.of(REVISION, sides, findings), files, ignored, Index())


def through(standing: Standing) -> Standing:
    """Return *standing* after it was stored and read again."""
    return standing_in(memoryview(b"".join(parts(standing, "recipe"))))


@pytest.mark.parametrize("count", [0, 1, 10, 2 * PART + 1001])
def test_all_of_it_comes_back(count: int) -> None:
    before = made(count)
    after = through(before)

    assert before.snapshot.revision == after.snapshot.revision
    assert before.snapshot.version == after.snapshot.version
    assert before.snapshot.findings == after.snapshot.findings
    assert list(before.snapshot.collections) == list(after.snapshot.collections)
    for name in KINDS:
        one, other = before.snapshot.collection(name), after.snapshot.collection(name)
        assert (one.name, one.version, one.names) == (other.name, other.version, other.names)
        assert one.lines == tuple(other.lines)
        assert one.resources == tuple(other.resources)
    assert before.files == dict(after.files.items())
    assert (list(before.files), before.ignored) == (list(after.files), after.ignored)


def test_some_of_it_is_asked_by_name_place_and_path() -> None:
    before, after = made(9000), through(made(9000))
    one, other = (side.snapshot.collection("istio/b") for side in (before, after))

    assert one.get("ns/008999") == other.get("ns/008999")
    assert other.get("ns/008998") is None
    assert other.get("ns/008999") is other.resources[-1]
    assert one.resources[3998:4003] == other.resources[3998:4003]
    assert one.lines[3998:4003] == other.lines[3998:4003]
    assert digest_line("ns/000001", "v1") == other.lines[0]
    assert before.files["0.yaml"] == after.files["0.yaml"]
    assert "none.yaml" not in after.files
    assert after.files.get("none.yaml") is None
    assert before.files["27.yaml"] == after.files.pop("27.yaml")


def test_a_change_of_it_comes_to_the_same() -> None:
    put = resource(4, content="new")
    changed = {"4.yaml": FileState("a" * 40, 7, (("istio/a", put),)), "8.yaml": None}
    found = []
    for standing in (made(50), through(made(50))):
        proposal = propose(standing, REVISION, changed, ())
        deltas = [
            delta(standing.snapshot.collection(name), proposal.snapshot.collection(name))
            for name in KINDS
        ]
        found.append((proposal.snapshot.version, proposal.findings, deltas))

    assert found[0] == found[1]


@pytest.mark.parametrize("what", ["names", "versions", "paths", "lines", "wires", "order", "file"])
def test_columns_that_do_not_fit_together_are_told_when_it_is_opened(what: str) -> None:
    raw = b"".join(parts(made(20), "recipe"))
    first, second, _ = _LENGTHS.unpack_from(raw, len(raw) - _LENGTHS.size)
    head, record = Head.FromString(raw[:first]), Record.FromString(raw[first : first + second])
    column = record.collections[0]
    if what == "order":
        column.names[0], column.names[1] = column.names[1], column.names[0]
    elif what == "file":
        column.paths[3] = "elsewhere.yaml"
    else:
        getattr(column, what).pop()
    told = [each.SerializeToString() for each in (head, record, Links(facts=[b""] * 99))]
    damaged = b"".join(told) + _LENGTHS.pack(*map(len, told))

    with pytest.raises(ValueError, match=r"columns of a collection|not in order|of a file"):
        standing_in(memoryview(damaged))
