"""When files were born (design invariant 6), on real histories."""

from __future__ import annotations

import pytest

from gitsource.git.command import Git
from gitsource.git.local import LocalRepository
from gitsource.git.objects import Objects
from repositories import EPOCH, HOUR, Upstream, clone


@pytest.fixture
def upstream(tmp_path):
    return Upstream(tmp_path / "up")


@pytest.fixture
def objects(upstream):
    opened = Objects(Git(), upstream.folder)
    yield opened
    opened.close()


@pytest.fixture(params=[1, 256])
def either_way(upstream, request):
    """Objects that go back commit by commit, or at once ask git for the log."""
    opened = Objects(Git(), upstream.folder, walk=request.param)
    yield opened
    opened.close()


def hour(number: int) -> int:
    """Return the committer time of the commit with this number, from 0."""
    return EPOCH + number * HOUR


def all_births(objects: Objects, head: str) -> dict[str, int]:
    """Return the births of every candidate at *head*."""
    paths = [e.path for e in objects.entries(objects.revision(head).tree)]
    return objects.births(head, paths)


def test_changes_do_not_make_a_file_younger(upstream, objects):
    """Contents, modes and types may change; the path was there all the time."""
    upstream.commit({"a.yaml": "1", "d/b.yaml": "1"})
    upstream.commit({"a.yaml": "2"})
    upstream.commit({"a.yaml": "2"}, modes={"a.yaml": "100755"})
    upstream.commit(symlinks={"d/b.yaml": "../a.yaml"})
    head = upstream.commit({"d/b.yaml": "3", "c.yaml": "1"})

    assert all_births(objects, head) == {"a.yaml": hour(0), "d/b.yaml": hour(0), "c.yaml": hour(4)}


def test_a_file_that_comes_back_is_born_again(upstream, objects):
    """Even with the same content, and even within folders that come and go."""
    upstream.commit({"a.yaml": "1", "d/b.yaml": "1"})
    upstream.commit({"a.yaml": None, "d/b.yaml": None, "x": "1"})
    head = upstream.commit({"a.yaml": "1", "d/b.yaml": "1"})

    assert all_births(objects, head) == {"a.yaml": hour(2), "d/b.yaml": hour(2)}


def test_a_rename_is_a_birth(upstream, objects):
    """Renames are not followed."""
    upstream.commit({"a.yaml": "same content"})
    head = upstream.commit({"a.yaml": None, "b.yaml": "same content"})

    assert all_births(objects, head) == {"b.yaml": hour(1)}


def test_a_folder_in_its_place_ends_a_file(upstream, objects):
    """Existence is any entry that is not a folder."""
    upstream.commit({"a.yaml": "1"})
    upstream.commit({"a.yaml": None, "a.yaml/inner.yaml": "1"})
    head = upstream.commit({"a.yaml/inner.yaml": None, "a.yaml": "1"})

    assert all_births(objects, head) == {"a.yaml": hour(2)}


def test_a_submodule_in_its_place_does_not_end_a_file(upstream, objects):
    """The path existed without a gap."""
    upstream.commit({"a.yaml": "1"})
    upstream.commit(submodules={"a.yaml": "1" * 40})
    head = upstream.commit({"a.yaml": "1"})

    assert all_births(objects, head) == {"a.yaml": hour(0)}


def test_what_a_merge_brings_is_born_with_the_merge(upstream, objects):
    """Only the first-parent line counts: that is when the mesh got it."""
    base = upstream.commit({"a.yaml": "1"})
    upstream.commit({"b.yaml": "1"}, branch="side", parents=[base])
    side = upstream.commit({"c.yaml": "1", "a.yaml": None}, branch="side")
    upstream.commit({"m.yaml": "1"})
    merge = upstream.commit({"a.yaml": None, "b.yaml": "1", "c.yaml": "1"}, merge=[side])
    head = upstream.commit({"a.yaml": "1"})

    assert all_births(objects, merge) == {
        "m.yaml": hour(3),
        "b.yaml": hour(4),
        "c.yaml": hour(4),
    }
    assert all_births(objects, head)["a.yaml"] == hour(5)


def test_what_a_merge_leaves_alone_keeps_its_birth(upstream, objects):
    """Deleted on the side branch but kept by the merge: never gone from the line."""
    base = upstream.commit({"a.yaml": "1"})
    side = upstream.commit({"a.yaml": None, "x": "1"}, branch="side", parents=[base])
    head = upstream.commit({"x": "1"}, merge=[side])

    assert all_births(objects, head) == {"a.yaml": hour(0)}


def test_committer_times_are_taken_as_they_are(upstream, objects):
    """Clocks go wrong; what Git says is the same on every replica."""
    upstream.commit({"a.yaml": "1"}, when=5000)
    upstream.commit({"b.yaml": "1"}, when=100)
    head = upstream.commit({"c.yaml": "1"}, when=100)

    assert all_births(objects, head) == {"a.yaml": 5000, "b.yaml": 100, "c.yaml": 100}


def test_odd_names_have_births_too(upstream, objects):
    """They must not shift what is read after them."""
    names = {"a\nb.yaml": "1", "\x01x.yaml": "1", "A.yaml": "1", 'q"\t.yaml': "1", "ü.yaml": "1"}
    upstream.commit(names)
    head = upstream.commit({"z.yaml": "1"})

    assert all_births(objects, head) == {**dict.fromkeys(names, hour(0)), "z.yaml": hour(1)}


@pytest.mark.parametrize(
    "paths", [["a/b/x.yaml"], ["a/b/x.yaml", "a/bc/y.yaml"], ["a/b.yaml", "z.yaml"], []]
)
def test_only_the_history_of_what_is_asked_for_is_read(upstream, objects, paths):
    """Git is told the folder that holds all of them, and that must be no narrower."""
    everything = ["a/b/x.yaml", "a/bc/y.yaml", "a/b.yaml", "z.yaml"]
    upstream.commit(dict.fromkeys(everything, "1"))
    head = upstream.commit({"other/o.yaml": "1"})

    assert objects.births(head, paths) == dict.fromkeys(paths, hour(0))


# --------------------------------------------------------------------------- what is new


def test_births_since_a_commit_are_what_came_after_it(upstream, objects):
    """Also what went and came back; not what was changed, nor what is gone again."""
    old = upstream.commit({"a.yaml": "1", "b.yaml": "1", "c.yaml": "1"})
    upstream.commit({"a.yaml": None, "n.yaml": "1", "gone.yaml": "1"})
    new = upstream.commit({"a.yaml": "1", "b.yaml": "2", "gone.yaml": None, "c.yaml": None})

    assert objects.births_since(old, new) == {"a.yaml": hour(2), "n.yaml": hour(1)}
    assert objects.births_since(new, new) == {}


def test_old_births_and_new_ones_make_the_whole(upstream, either_way):
    """Commit by commit or in one go, by either way of going back: the same as all at once."""
    commits = [upstream.commit({"a.yaml": "0", "b.yaml": "0"})]
    for number in range(1, 8):
        side = upstream.commit({f"s{number}.yaml": "1"}, branch="side", parents=[commits[-1]])
        files = {
            f"f{number % 4}.yaml": str(number) if number % 3 else None,
            "b.yaml": None if number % 5 == 2 else str(number),
            f"s{number}.yaml": "1",
        }
        there = {e.path for e in either_way.entries(either_way.revision(commits[-1]).tree)}
        files = {path: data for path, data in files.items() if data is not None or path in there}
        commits.append(upstream.commit(files, merge=[side] if number % 2 else []))
    head = commits[-1]
    whole = all_births(either_way, head)
    for old in commits:
        merged = {
            path: either_way.births_since(old, head).get(
                path, all_births(either_way, old).get(path)
            )
            for path in whole
        }

        assert merged == whole


def test_after_a_forced_push_every_birth_is_told(upstream, either_way):
    """The line is another one, so nothing that was known holds."""
    upstream.commit({"a.yaml": "1"})
    old = upstream.commit({"b.yaml": "1"})
    upstream.commit({"b.yaml": "1"}, parents=[])
    new = upstream.commit({"a.yaml": "1"})

    assert either_way.births_since(old, new) == {"b.yaml": hour(2), "a.yaml": hour(3)}


def test_an_ancestor_off_the_first_parent_line_is_no_base(upstream, either_way):
    """A merge the other way round makes another line, though nothing was lost."""
    base = upstream.commit({"a.yaml": "1"})
    old = upstream.commit({"b.yaml": "1"})
    upstream.commit({"c.yaml": "1"}, branch="side", parents=[base])
    head = upstream.commit({"b.yaml": "1"}, branch="side", merge=[old])

    assert either_way.births_since(old, head) == all_births(either_way, head)


def test_an_unknown_base_is_no_base(upstream, objects):
    """Its objects may be gone after an upstream was replaced."""
    head = upstream.commit({"a.yaml": "1"})

    assert objects.births_since("1" * 40, head) == {"a.yaml": hour(0)}


def test_a_history_that_is_cut_off_leaves_births_unknown(upstream, tmp_path):
    """Everything seems to be added by the oldest commit of a shallow clone: no guess is made."""
    upstream.commit({"a.yaml": "1"})
    upstream.commit({"b.yaml": "1"})
    upstream.commit({"c.yaml": "1"})
    head = upstream.tip()
    with LocalRepository(clone(upstream, tmp_path / "work", "--depth=2")) as local:
        found = all_births(local.objects, head)

    assert (found, len(local.cut)) == ({"c.yaml": hour(2)}, 1)
