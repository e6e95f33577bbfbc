"""Two snapshots as a plan: what came, went, changed and was renamed; and what it weighs."""

from __future__ import annotations

import pytest

from gitsource._proto.istio.mcp.v1alpha1 import mcp_pb2
from gitsource.model import Collection, Finding, Origin, Resource, Revision, Snapshot
from gitsource.plan.compare import Bodies, Known, plan
from gitsource.snapshot.build import FileState, Proposal


class Plain:
    """Reads bodies that are JSON already."""

    def __init__(self, bodies: dict[str, object]) -> None:
        self.bodies = bodies

    def read(self, _collection: str, resource: Resource) -> object:
        return self.bodies[resource.version]


def snapshot(number: int, *resources: tuple[str, str, str]) -> Snapshot:
    """Return a snapshot of (name, version, file)."""
    revision = Revision(f"{number}" * 40, "t" * 40, 1)
    made = [Resource(name, version, b"wire", Origin(file, 1)) for name, version, file in resources]
    return Snapshot.of(revision, {"c": Collection.of("c", made)})


def planned(before: Snapshot, after: Snapshot, bodies: dict[str, object] | None = None, **changed):
    """Return the plan; *changed* are the files that differ, with their blobs before and after."""
    readers = Bodies(Plain(bodies), Plain(bodies)) if bodies is not None else None
    files = {
        f"{name}.yaml": FileState(was, 1) for name, (was, _) in changed.items() if was is not None
    }
    now = {
        f"{name}.yaml": FileState(blob, 1) if blob is not None else None
        for name, (_, blob) in changed.items()
    }
    return plan(before, Proposal(after, now, (), full=False), Known((), files), readers)


def what(made) -> dict[str, str]:
    """Return what became of each resource, with its name before if it was renamed."""
    (collection,) = made.collections
    return {
        each.name: each.what + (f" from {each.before}" if each.before else "")
        for each in collection.changes
    }


def test_the_same_content_under_another_name_was_renamed() -> None:
    made = planned(snapshot(1, ("a", "v1", "a.yaml")), snapshot(2, ("b", "v1", "b.yaml")))

    assert {"b": "renamed from a"} == what(made)
    assert (("b",), ("a",)) == (made.collections[0].added, made.collections[0].removed)


def test_nearly_the_same_content_in_the_same_file_was_renamed_and_changed() -> None:
    bodies = {"v1": {"x": 1, "y": 2, "z": [3]}, "v2": {"x": 1, "y": 9, "z": [3]}}
    made = planned(snapshot(1, ("a", "v1", "a.yaml")), snapshot(2, ("b", "v2", "a.yaml")), bodies)

    assert {"b": "renamed from a"} == what(made)
    assert ["y"] == [each.path for each in made.collections[0].changes[0].fields]


def test_a_renamed_file_is_the_same_file() -> None:
    bodies = {"v1": {"x": 1, "y": 2, "z": [3]}, "v2": {"x": 1, "y": 9, "z": [3]}}
    before, after = snapshot(1, ("a", "v1", "a.yaml")), snapshot(2, ("b", "v2", "b.yaml"))

    assert {"b": "renamed from a"} == what(
        planned(before, after, bodies, a=("1", None), b=(None, "1"))
    )
    assert {"a": "removed", "b": "added"} == what(
        planned(before, after, bodies, a=("1", None), b=(None, "2"))
    )


def test_something_else_in_the_same_file_is_new() -> None:
    bodies = {"v1": {"x": 1, "y": 2}, "v2": {"other": 3}}
    made = planned(snapshot(1, ("a", "v1", "a.yaml")), snapshot(2, ("b", "v2", "a.yaml")), bodies)

    assert {"a": "removed", "b": "added"} == what(made)


def test_many_equal_resources_are_each_renamed_once() -> None:
    before = snapshot(1, *((f"a{n}", "v1", "a.yaml") for n in range(3)))
    after = snapshot(2, *((f"b{n}", "v1", "a.yaml") for n in range(4)))

    assert sorted(what(planned(before, after)).values()) == [
        *("added", "renamed from a0", "renamed from a1", "renamed from a2")
    ]


def test_messages_weigh_what_the_wire_takes() -> None:
    """But for the nonce, which is each stream's own."""
    before = snapshot(1, ("a", "v1", "a.yaml"), ("gone", "v", "a.yaml"), ("same", "v", "a.yaml"))
    after = snapshot(2, ("a", "v2", "a.yaml"), ("same", "v", "a.yaml"))
    (collection,) = planned(before, after).collections
    version = after.collection("c").version

    full = mcp_pb2.Resources(system_version_info=version, collection="c", nonce="1")
    step = mcp_pb2.Resources(
        system_version_info=version, collection="c", nonce="1", removed_resources=["gone"],
        incremental=True,
    )  # fmt: skip
    # A wire of four bytes: a field with a length of two bytes.
    wire = 2 + len(b"wire")

    assert full.ByteSize() + 2 * wire == collection.full_bytes - 2
    assert step.ByteSize() + wire == collection.incremental_bytes


def broken(file: str, resource: str) -> Finding:
    return Finding(file, 2, 3, "error", "GS301", "x", resource)


def test_what_cannot_be_read_in_a_file_that_was_renamed_is_not_removed() -> None:
    """Its old name is gone and its new one defines nothing; sinks would keep what they have."""
    before, after = snapshot(1, ("a", "v1", "a.yaml"), ("b", "v1", "b.yaml")), snapshot(2)
    files = {"a.yaml": FileState("1", 1), "b.yaml": FileState("2", 1)}
    now = {"a.yaml": None, "b.yaml": None, "new.yaml": FileState("3", 1)}
    head = Proposal(after, now, (broken("new.yaml", "Thing/a"),), full=False)
    made = plan(before, head, Known((), files))

    assert {"b": "removed"} == what(made)
    assert (2, 1) == (made.collections[0].count_before, made.collections[0].count_after)


def test_the_same_content_in_a_renamed_file_with_an_error_is_not_removed() -> None:
    before = snapshot(1, ("a", "v1", "a.yaml"), ("b", "v1", "b.yaml"))
    now = {"a.yaml": None, "new.yaml": FileState("1", 1)}
    head = Proposal(snapshot(2), now, (broken("new.yaml", ""),), full=False)
    files = {"a.yaml": FileState("1", 1), "b.yaml": FileState("2", 1)}

    assert {"b": "removed"} == what(plan(before, head, Known((), files)))


@pytest.mark.parametrize(
    ("code", "place"),
    [("GS206", "guards"), ("GS210", "guards"), ("GS211", "guards"), ("GS301", "new")],
)
def test_what_guards_say_stands_by_itself(code, place) -> None:
    found = Finding("", 0, 0, "error", code, "x")
    made = plan(snapshot(1), Proposal(snapshot(2), {}, (found,), full=False))

    assert (found,) == getattr(made, place)
    assert ("guarded" if place == "guards" else "findings") == made.ends


def test_so_much_that_nobody_reads_is_not_compared_field_by_field() -> None:
    """The cost of a plan is bounded, and so is what it holds; that is said."""
    names = range(200)
    bodies: dict[str, object] = {f"v{n}": {f"f{i}": i for i in range(150)} for n in names}
    bodies |= {f"w{n}": {f"f{i}": -i for i in range(150)} for n in names}
    before = snapshot(1, *((f"r{n}", f"v{n}", f"{n}.yaml") for n in names))
    after = snapshot(2, *((f"r{n}", f"w{n}", f"{n}.yaml") for n in names))

    made = planned(before, after, bodies)

    changes = made.collections[0].changes
    assert 20_000 >= sum(len(each.fields) for each in changes) > 19_000
    assert any(each.omitted and not each.fields for each in changes)
    assert "so much differs" in made.notes[0]


def test_a_body_that_is_too_large_is_told_as_changed() -> None:
    large = [Resource("a", v, b"x" * 600_000, Origin("a.yaml", 1)) for v in ("v1", "v2")]
    before, after = (
        Snapshot.of(Revision(f"{n}" * 40, "t", 1), {"c": Collection.of("c", [large[n - 1]])})
        for n in (1, 2)
    )

    (change,) = planned(before, after, {}).collections[0].changes

    assert ("changed", (), 1) == (change.what, change.fields, change.omitted)
