"""Reading what git prints, and judging paths: pure functions, no repository."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitsource.errors import GitFailed
from gitsource.git.changes import (
    Step,
    births,
    births_between,
    commit,
    inside,
    is_candidate,
    log_steps,
    raw_change,
    safe_path,
    tree_entries,
)
from gitsource.model import Change, Revision, TreeEntry

BLOB = "a" * 40
LONG = "b" * 64
"""As a SHA-256 repository has them."""


def test_only_configuration_files_are_candidates():
    """By the end of the name, in any case."""
    names = ["a.yaml", "b.YML", "c.Json", "d.yaml.bak", "yaml", "e.txt", ".yaml"]

    assert [name for name in names if is_candidate(name)] == ["a.yaml", "b.YML", "c.Json", ".yaml"]


@pytest.mark.parametrize(
    "path",
    ["a.yaml", "a/b c/d.yaml", "größe/ü.yaml", ".github/x.yml", "a..b/c.yaml", "...", "x.git/a",
     "a/.gitignore", "git~2", "-x.yaml", "a" * 4096],
)  # fmt: skip
def test_ordinary_paths_are_safe(path):
    """Odd is not unsafe."""
    assert safe_path(path) is None


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("", "empty"),
        ("/etc/passwd.yaml", "absolute"),
        ("../evil.yaml", "'..'"),
        ("a/../b.yaml", "'..'"),
        ("a/./b.yaml", "'.'"),
        ("a//b.yaml", "empty"),
        ("a/", "empty"),
        (".git/config.yaml", ".git"),
        ("a/.GIT/x.yaml", ".git"),
        ("a/git~1/x.yaml", ".git"),
        ("a/GIT~1/x.yaml", ".git"),
        (".git./x.yaml", ".git"),
        (".git /x.yaml", ".git"),
        (".git::$INDEX_ALLOCATION/x.yaml", ".git"),
        (".g\u200cit/x.yaml", ".git"),
        ("a\\b.yaml", "backslash"),
        ("..\\evil.yaml", "backslash"),
        ("a\nb.yaml", "control"),
        ("a\x00b.yaml", "control"),
        ("a\x1b[31m.yaml", "control"),
        ("a\x9bb.yaml", "control"),
        ("a\u202eyaml.b", "order"),
        ("a\udcff.yaml", "UTF-8"),
        ("a" * 4097, "longer"),
        ("ü" * 2049, "longer"),
    ],
)
def test_unsafe_paths_are_refused_with_a_reason(path, why):
    """Whatever another system or a terminal could read differently."""
    assert why in (safe_path(path) or "")


@given(st.text())
def test_judging_a_path_never_fails(path):
    """Any text gets an answer, and a safe path has no empty or climbing part."""
    if safe_path(path) is None:
        assert not {"", ".", "..", ".git"} & set(path.split("/"))


@pytest.mark.parametrize(
    ("path", "prefix"),
    [("", ""), (".", ""), ("/", ""), ("a", "a/"), ("a/", "a/"), ("/a/b/", "a/b/")],
)
def test_the_folder_setting_becomes_a_prefix(path, prefix):
    """However it is written."""
    assert inside(path) == prefix


def listing(*records: bytes) -> bytes:
    """Return what ls-tree would print."""
    return b"".join(b"100644 blob " + BLOB.encode() + b"\t" + r + b"\0" for r in records)


def test_a_listing_is_read_in_pieces_of_any_size():
    """Pipes cut anywhere, and names may have tabs, line ends and bytes that are not UTF-8."""
    told = listing(b"a.yaml", b"x\ty.yaml", b"n\nl.yaml", b"\xff.yaml", b"README")
    paths = ["a.yaml", "x\ty.yaml", "n\nl.yaml", "\udcff.yaml"]
    by_size = [
        [e.path for e in tree_entries((told[at : at + n] for at in range(0, len(told), n)), "")]
        for n in (1, 7, 1000)
    ]

    assert by_size == [paths, paths, paths]


def test_a_listing_keeps_to_a_folder():
    """A file that is called like the folder is not in it."""
    told = listing(b"mesh", b"mesh/a.yaml", b"mesh.yaml", b"meshes/b.yaml")

    assert list(tree_entries([told], "mesh/")) == [TreeEntry("mesh/a.yaml", "100644", BLOB)]


@pytest.mark.parametrize(
    ("header", "change"),
    [
        (
            f":000000 100644 {'0' * 40} {BLOB} A",
            Change("p.yml", TreeEntry("p.yml", "100644", BLOB)),
        ),
        (f":100644 100755 {BLOB} {BLOB} M", Change("p.yml", TreeEntry("p.yml", "100755", BLOB))),
        (f":100644 120000 {BLOB} {BLOB} T", Change("p.yml", TreeEntry("p.yml", "120000", BLOB))),
        (f":100644 000000 {BLOB} {'0' * 40} D", Change("p.yml", None)),
        (
            f":000000 100644 {'0' * 64} {LONG} A",
            Change("p.yml", TreeEntry("p.yml", "100644", LONG)),
        ),
        (f":000000 160000 {'0' * 40} {BLOB} A", Change("p", TreeEntry("p", "160000", BLOB))),
        (f":160000 100644 {BLOB} {BLOB} T", Change("p", None)),
    ],
)
def test_a_raw_record_becomes_a_change(header, change):
    """What is gone or no configuration has no entry; a change of type has the new mode."""
    raw = raw_change(header.encode(), change.path.encode())

    assert (True, change) == (raw.counts, raw.as_change())


def test_a_record_that_is_none_is_an_error():
    """Rather a failed sync than a guess."""
    with pytest.raises(GitFailed, match="not a raw record"):
        raw_change(b":fatal: bad", b"p")


# --------------------------------------------------------------------------- commits


def test_a_commit_object_is_read():
    """Tree, parents, committer time, author and the first line."""
    raw = (
        f"tree {'1' * 40}\nparent {'2' * 40}\nparent {'3' * 40}\n"
        "author Ada <ada@example.org> 100 +0200\ncommitter Bob <bob@example.org> 200 -0330\n"
        "gpgsig -----BEGIN\n tree 9\n committer X <x> 9 +0000\n -----END\n\nsubject \n\nbody"
    ).encode()
    found = commit("f" * 40, raw)

    assert (found.revision, found.parents) == (
        Revision("f" * 40, "1" * 40, 200, "Ada <ada@example.org>", "subject"),
        ("2" * 40, "3" * 40),
    )


@pytest.mark.parametrize(
    ("committer", "seconds"),
    [
        ("Bob <b> 1704067200 +0000", 1704067200),
        ("Bob <b> 5> <c> 7 +0000", 7),
        ("Bob <b> -5 +0000", 0),
        ("Bob <b> 99999999999999999999 +0000", 253402300799),
        ("Bob <b>", 0),
        ("", 0),
    ],
)
def test_odd_committer_times_stay_within_what_the_wire_can_carry(committer, seconds):
    """A commit is hostile input like everything else."""
    raw = f"tree {'1' * 40}\nauthor A <a> 1 +0000\ncommitter {committer}\n\nx".encode()

    assert commit("f" * 40, raw).revision.committed_at == seconds


def test_a_commit_without_a_tree_is_an_error():
    """It is not a commit at all."""
    with pytest.raises(GitFailed):
        commit("f" * 40, b"object 1\ntype commit\n\n")


# --------------------------------------------------------------------------- births


def test_the_log_is_read_in_pieces_of_any_size():
    """A path may look like anything, even like a status or a commit."""
    told = (
        b"\x01" + b"b" * 40 + b" 200\0\nA\0A\0D\0\x01x\0"
        b"\x01" + b"c" * 40 + b" 150\0"
        b"\x01" + b"a" * 40 + b" 100\0\nA\0\x01x\0"
    )  # fmt: skip
    steps = [
        Step("b" * 40, 200, ["A"], ["\x01x"]),
        Step("c" * 40, 150),
        Step("a" * 40, 100, ["\x01x"]),
    ]
    by_size = [
        list(log_steps(told[at : at + n] for at in range(0, len(told), n))) for n in (1, 5, 1000)
    ]

    assert by_size == [steps, steps, steps]


def test_a_path_is_born_at_its_last_addition():
    """Deleted and added again means born again; a change is no birth."""
    history = [Step("3", 30, ["a"]), Step("2", 20, [], ["a"]), Step("1", 10, ["a", "b"])]

    assert births(history, {"a", "b"}) == {"a": 30, "b": 10}


def test_history_is_not_read_further_than_needed():
    """Most lookups end early."""
    read = []

    def history():
        for number in range(9, 0, -1):
            read.append(number)
            yield Step(str(number), number, [f"f{number}"])

    births(history(), {"f8", "f7"})

    assert read == [9, 8, 7]


def test_births_between_two_commits_leave_out_what_is_gone():
    """Oldest first, a deletion undoes an addition, whether of then or of before."""
    steps = [
        Step("1", 10, ["a.yaml", "b.yaml", "note"]),
        Step("2", 20, [], ["a.yaml", "old.yaml"]),
        Step("3", 30, ["old.yaml"]),
    ]

    assert births_between(steps) == {"b.yaml": 10, "old.yaml": 30}


EVENTS = st.lists(st.lists(st.sampled_from(["a.yaml", "b.yaml", "c.yaml"]), unique=True))


@given(EVENTS)
def test_both_folds_agree(touched):
    """Going forwards from nothing and going backwards from the head give the same births."""
    there: set[str] = set()
    steps = []
    for time, paths in enumerate(touched, start=1):
        added = [path for path in paths if path not in there]
        deleted = [path for path in paths if path in there]
        there = (there | set(added)) - set(deleted)
        steps.append(Step(str(time), time, added, deleted))

    assert births_between(steps) == births(reversed(steps), there)
