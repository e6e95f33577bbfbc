"""What a change of files makes of a snapshot."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitsource.model import Collection, Finding, Snapshot
from gitsource.snapshot.build import (
    FileState,
    Standing,
    accept,
    delta,
    nothing,
    propose,
)
from revisions import COLLECTION, file, next_revision, resource, revision

ERROR = Finding("bad.yaml", 3, 5, "error", "GS301", "no")
WARNING = Finding("odd.yaml", 1, 1, "warning", "GS306", "hm")


def test_the_first_revision_holds_what_its_files_hold() -> None:
    standing = nothing()

    proposal = next_revision(standing, 1, {"a.yaml": file(resource("ns/a"), resource("ns/b"))})

    assert ("ns/a", "ns/b") == proposal.snapshot.collection(COLLECTION).names
    assert standing.snapshot is proposal.snapshot


def test_a_deleted_file_takes_its_resources_with_it() -> None:
    standing = nothing()
    next_revision(standing, 1, {"a.yaml": file(resource("a")), "b.yaml": file(resource("b"))})

    proposal = next_revision(standing, 2, {"a.yaml": None})

    assert ("b",) == proposal.snapshot.collection(COLLECTION).names


def test_a_resource_that_moves_to_another_file_is_no_duplicate() -> None:
    standing = nothing()
    next_revision(standing, 1, {"old.yaml": file(resource("a", path="old.yaml"))})

    moved = {"old.yaml": None, "new.yaml": file(resource("a", path="new.yaml"))}
    proposal = propose(standing, revision(2), moved, ())

    assert proposal.acceptable
    assert standing.snapshot.version == proposal.snapshot.version


def test_two_files_that_define_one_name_are_refused_naming_both() -> None:
    files = {
        "a.yaml": file(resource("same", "1", "a.yaml")),
        "b.yaml": file(resource("same", "2", "b.yaml")),
    }

    proposal = propose(nothing(), revision(1), files, (), full=True)

    (finding,) = proposal.findings
    assert ("b.yaml", "GS304", "error") == (finding.file, finding.code, finding.severity)
    assert "a.yaml:1" in finding.message
    assert not proposal.acceptable


def test_a_name_that_an_untouched_file_holds_cannot_be_taken() -> None:
    standing = nothing()
    next_revision(standing, 1, {"a.yaml": file(resource("same", path="a.yaml"))})

    proposal = propose(standing, revision(2), {"b.yaml": file(resource("same", path="b.yaml"))}, ())

    assert ["GS304"] == [finding.code for finding in proposal.findings]


def test_the_same_name_in_two_collections_is_fine() -> None:
    files = {
        "a.yaml": file(resource("same"), collection="one"),
        "b.yaml": file(resource("same"), collection="two"),
    }

    assert propose(nothing(), revision(1), files, (), full=True).acceptable


def test_a_revision_with_an_error_cannot_be_accepted() -> None:
    proposal = propose(nothing(), revision(1), {}, (ERROR,), full=True)

    with pytest.raises(AssertionError):
        accept(nothing(), proposal)


def test_warnings_of_untouched_files_stay_and_those_of_changed_files_go() -> None:
    standing = nothing()
    first = {"odd.yaml": file(resource("a")), "b.yaml": file(resource("b"))}
    next_revision(standing, 1, first, (WARNING,))

    kept = propose(standing, revision(2), {"b.yaml": None}, ())
    gone = propose(standing, revision(2), {"odd.yaml": None}, ())

    assert (WARNING,) == kept.findings
    assert () == gone.findings


def test_an_untouched_collection_is_the_same_object_in_the_next_snapshot() -> None:
    standing = nothing()
    files = {
        "a.yaml": file(resource("a"), collection="one"),
        "b.yaml": file(resource("b"), collection="two"),
    }
    first = next_revision(standing, 1, files).snapshot

    second = next_revision(standing, 2, {"b.yaml": None}).snapshot

    assert first.collections["one"] is second.collections["one"]
    assert "two" not in second.collections


names = st.sampled_from([f"ns/{letter}" for letter in "abcdefgh"])
contents = st.dictionaries(names, st.sampled_from("123"))


@given(contents, contents)
def test_a_delta_turns_the_one_into_the_other(old: dict[str, str], new: dict[str, str]) -> None:
    before = Collection.of("c", [resource(n, v) for n, v in old.items()])
    after = Collection.of("c", [resource(n, v) for n, v in new.items()])

    change = delta(before, after)

    told = {name: f"v{content}" for name, content in old.items()}
    for name in change.removed:
        del told[name]
    assert not any(told.get(each.name) == each.version for each in change.put)
    told |= {each.name: each.version for each in change.put}
    assert {name: f"v{content}" for name, content in new.items()} == told


@given(st.lists(st.dictionaries(names, st.sampled_from("123") | st.none()), max_size=6))
def test_step_by_step_comes_to_the_same_as_all_at_once(steps: list[dict[str, str | None]]) -> None:
    standing = nothing()
    files: dict[str, FileState] = {}
    for number, step in enumerate(steps, 1):
        changed = {
            f"{name}.yaml": None if content is None else file(resource(name, content))
            for name, content in step.items()
        }
        next_revision(standing, number, changed)
        for path, state in changed.items():
            files.pop(path, None)
            if state is not None:
                files[path] = state

    fresh: Standing = nothing()
    next_revision(fresh, 1, dict(files))

    assert fresh.snapshot.version == standing.snapshot.version
    assert fresh.files == standing.files


def test_many_changes_at_once_come_to_the_same_as_few() -> None:
    whole = Collection.of("c", [resource(f"r{n:05}") for n in range(3000)])
    put = {f"r{n:05}": resource(f"r{n:05}", "2") for n in range(0, 3000, 2)}
    gone = [f"r{n:05}" for n in range(1, 3000, 3)]

    bulk = whole.changed(gone, put)

    small = whole
    for name in gone:
        small = small.changed([name], {})
    for name, each in put.items():
        small = small.changed([], {name: each})
    assert bulk.version == small.version
    assert bulk.names == small.names


def test_a_snapshot_version_does_not_depend_on_the_commit() -> None:
    content = {"c": Collection.of("c", [resource("a")])}

    assert Snapshot.of(revision(1), content).version == Snapshot.of(revision(2), content).version


def test_an_empty_collection_does_not_count() -> None:
    empty = {"c": Collection.of("c", [])}

    assert Snapshot.of(revision(1), {}).version == Snapshot.of(revision(1), empty).version
