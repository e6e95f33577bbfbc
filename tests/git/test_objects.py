"""Reading objects from real repositories through the long-lived git processes."""

from __future__ import annotations

import concurrent.futures
import hashlib
import multiprocessing
import os
import pickle
import signal
import zlib
from pathlib import Path

import pytest

from gitsource.errors import ConfigurationError, GitFailed, RefMissing
from gitsource.git.command import Git
from gitsource.git.objects import Objects, bulk_read
from gitsource.model import Change, Revision, TreeEntry
from repositories import EPOCH, Upstream


@pytest.fixture(params=["sha1", "sha256"])
def upstream(request, tmp_path):
    return Upstream(tmp_path / "up", object_format=request.param)


@pytest.fixture
def objects(upstream):
    opened = Objects(Git(), upstream.folder)
    yield opened
    opened.close()


def blob(upstream: Upstream, path: str, at: str = "main") -> str:
    """Return the id of a file's content."""
    return upstream.git("rev-parse", f"{at}:{path}")


# --------------------------------------------------------------------------- revisions


def test_a_revision_is_named_by_ref_or_id(upstream, objects):
    """Full or shortened ids, branches, tags of both sorts, and steps back."""
    first = upstream.commit({"a.yaml": "1"}, message="first\n\nmore")
    upstream.tag("light")
    upstream.tag("heavy", annotated=True)
    upstream.commit({"a.yaml": "2"}, message="second")
    tree = upstream.git("rev-parse", f"{first}^{{tree}}")
    expected = Revision(first, tree, EPOCH, "Ada Example <ada@example.org>", "first")
    specs = [first, first[:10], "main~1", "main^", "HEAD~1", "light", "heavy", "refs/tags/heavy"]

    assert [objects.revision(spec) for spec in specs] == [expected] * len(specs)


@pytest.mark.parametrize("spec", ["nope", "0123456", "main~5", "light:a.yaml", "-x", "a\nb"])
def test_what_names_no_commit_is_an_error(upstream, objects, spec):
    """And the next question is answered as if nothing had been."""
    commit = upstream.commit({"a.yaml": "1"})
    with pytest.raises((RefMissing, ConfigurationError)):
        objects.revision(spec)

    assert objects.revision("main").commit == commit


def test_an_id_that_fits_several_commits_is_an_error(tmp_path):
    """Four digits are soon not enough."""
    upstream = Upstream(tmp_path / "up")
    first = upstream.commit({"a.yaml": "1"})
    raw = upstream.git("cat-file", "commit", first) + "\n"
    seen: dict[str, str] = {}
    while True:
        told = raw + str(len(seen))
        raw_object = f"commit {len(told)}\0{told}".encode()
        name = hashlib.sha1(raw_object, usedforsecurity=False).hexdigest()
        if name[:4] in seen:
            break
        seen[name[:4]] = told
    for text in (told, seen[name[:4]]):
        upstream.git("hash-object", "-t", "commit", "-w", "--stdin", stdin=text.encode())
    objects = Objects(Git(), upstream.folder)
    with pytest.raises(RefMissing, match="more than one"):
        objects.revision(name[:4])
    full = objects.revision(name).commit
    objects.close()

    assert full == name


def test_a_moved_branch_is_seen_at_once(upstream, objects):
    """The long-lived process reads refs anew."""
    upstream.commit({"a.yaml": "1"})
    objects.revision("main")
    second = upstream.commit({"a.yaml": "2"})

    assert objects.revision("main").commit == second


def test_a_huge_commit_is_refused(upstream, objects):
    """Its size is asked first."""
    upstream.commit({"a.yaml": "1"}, message="x" * (2 << 20))

    with pytest.raises(GitFailed, match="larger than"):
        objects.revision("main")


def test_ancestry_is_told(upstream, objects):
    """Unknown commits are no ancestors."""
    first = upstream.commit({"a.yaml": "1"})
    second = upstream.commit({"a.yaml": "2"})
    told = [
        objects.contains(second, first),
        objects.contains(second, second),
        objects.contains(first, second),
        objects.contains(second, "f" * len(first)),
    ]

    assert told == [True, True, False, False]


# --------------------------------------------------------------------------- trees


def test_entries_are_the_candidates_of_a_folder(upstream, objects):
    """Links and submodules are told with their modes; names are never interpreted."""
    upstream.commit(
        {"mesh/a.yaml": "a", "mesh/run.yml": "b", "mesh.yaml": "c", "mesh/x.txt": "d",
         "mesh/*.yaml": "e", ":(top)/a.json": "f", "mesh/deep/n\nl.json": "g"},
        symlinks={"mesh/l.yaml": "/etc/passwd"},
        submodules=dict.fromkeys(
            ("mesh/s.yaml", "mesh/sub"), "1" * len(upstream.git("hash-object", "/dev/null"))
        ),
        modes={"mesh/run.yml": "100755"},
    )  # fmt: skip
    tree = objects.revision("main").tree
    inside = {e.path: e.mode for e in objects.entries(tree, "mesh")}
    odd = [e.path for e in objects.entries(tree, ":(top)")]

    assert inside == {
        "mesh/*.yaml": "100644",
        "mesh/a.yaml": "100644",
        "mesh/deep/n\nl.json": "100644",
        "mesh/l.yaml": "120000",
        "mesh/run.yml": "100755",
        "mesh/s.yaml": "160000",
        "mesh/sub": "160000",
    }
    assert odd == [":(top)/a.json"]


@pytest.mark.parametrize("path", ["vendor", "vendor.yaml"])
def test_a_submodule_comes_and_goes_whatever_it_is_called(upstream, objects, path):
    """What was or will be of no interest there is gone, or not there yet."""
    module = "1" * len(upstream.git("hash-object", "/dev/null"))
    upstream.commit({path: "a: b"})
    before = objects.revision("main").tree
    upstream.commit({path: None}, submodules={path: module})
    after = objects.revision("main").tree
    forth = objects.changes(before, after)
    back = objects.changes(after, before)

    assert [Change(path, TreeEntry(path, "160000", module))] == forth
    there = {entry.path: entry for entry in objects.entries(before)}
    assert [Change(path, there.get(path))] == back


def test_names_that_git_would_refuse_are_told(upstream, objects):
    """The pipeline judges them; here they only must not confuse anything."""
    upstream.hostile(
        [("100644", b"../evil.yaml", b"x"), ("100644", b".git.yaml", b"y"),
         ("100644", b"\xff\xfe.yaml", b"z"), ("100644", b":000 A.yaml", b"q")],
    )  # fmt: skip
    tree = objects.revision("main").tree
    empty = upstream.git("mktree", stdin=b"")
    paths = ["../evil.yaml", ".git.yaml", "\udcff\udcfe.yaml", ":000 A.yaml"]

    assert [e.path for e in objects.entries(tree)] == paths
    assert sorted(c.path for c in objects.changes(empty, tree)) == sorted(paths)


def test_changes_are_told_between_any_two_trees(upstream, objects):
    """Added, changed, of another mode or type, gone; other files and folders are passed over."""
    upstream.commit({"d/a.yaml": "1", "d/b.yaml": "1", "d/c.yaml": "1", "d/x": "1", "e.yaml": "1"})
    old = objects.revision("main").tree
    upstream.commit(
        {"d/a.yaml": "2", "d/b.yaml": None, "d/n.yaml": "1", "d/x": "2", "e.yaml": "2"},
        symlinks={"d/c.yaml": "a.yaml"},
    )
    new = objects.revision("main").tree
    expected = [
        Change("d/a.yaml", TreeEntry("d/a.yaml", "100644", blob(upstream, "d/a.yaml"))),
        Change("d/b.yaml", None),
        Change("d/c.yaml", TreeEntry("d/c.yaml", "120000", blob(upstream, "d/c.yaml"))),
        Change("d/n.yaml", TreeEntry("d/n.yaml", "100644", blob(upstream, "d/n.yaml"))),
    ]

    assert objects.changes(old, new, "d") == expected
    assert [c.path for c in objects.changes(old, new)] == [*(c.path for c in expected), "e.yaml"]
    assert [c.path for c in objects.changes(new, old, "d")] == [c.path for c in expected]
    assert objects.changes(new, new) == []


def test_a_missing_tree_is_an_error_and_not_an_empty_answer(upstream, objects):
    """Nothing changed and nothing known are different things. An old tree may be gone for good
    reasons (a forced push, a new mirror); a new one that is not there is a loss.
    """
    upstream.commit({"a.yaml": "1"})
    tree = objects.revision("main").tree
    with pytest.raises(GitFailed, match="is not in"):
        objects.changes("1" * len(tree), tree)
    after_the_old = objects.damaged
    with pytest.raises(GitFailed, match="is not in"):
        objects.changes(tree, "1" * len(tree))

    assert (after_the_old, objects.damaged) == (False, True)
    assert objects.changes(tree, tree) == []


def test_a_tree_that_cannot_be_listed_is_a_loss(upstream, objects):
    """The mirror is made anew then."""
    upstream.commit({"a.yaml": "1"})
    tree = objects.revision("main").tree
    with pytest.raises(GitFailed):
        objects.entries("1" * len(tree))

    assert objects.damaged


def test_a_single_file_is_read_by_path(upstream, objects):
    """Folders, missing files and unsafe paths are no file; too large is an error."""
    upstream.commit({"schemas/flags.json": "{}"})
    tree = objects.revision("main").tree
    paths = ["schemas/flags.json", "schemas", "nope", "../x", "a\nb", "/etc/passwd", ""]

    assert [objects.file(tree, path, 10) for path in paths] == [b"{}", *[None] * 6]
    with pytest.raises(GitFailed, match="larger than 1 bytes"):
        objects.file(tree, "schemas/flags.json", 1)


# --------------------------------------------------------------------------- contents


def test_contents_come_in_turn_whatever_their_number_and_size(upstream, objects):
    """Chunks, repeats, empty and binary contents, and more than a pipe holds."""
    contents = [b"", b"\0\n\xff", b"x" * 300_000, *(b"doc %d\n" % n * n for n in range(1300))]
    upstream.commit({f"{n:04}.yaml": data for n, data in enumerate(contents)})
    entries = objects.entries(objects.revision("main").tree)
    blobs = [e.blob for e in entries] + [entries[2].blob]
    got = list(objects.read(blobs, 1 << 20))

    assert got == list(zip(blobs, [*contents, contents[2]], strict=True))


def test_a_content_above_the_limit_is_never_read(upstream, objects):
    """A small pack can hold 200 MB of zeros: the size is asked, and that is all."""
    upstream.commit({"a.yaml": "ok", "bomb.yaml": b"0" * 30_000_000, "c.yaml": "1234567890"})
    blobs = [blob(upstream, name) for name in ("a.yaml", "bomb.yaml", "c.yaml")]

    assert list(objects.read(blobs, 10)) == [
        (blobs[0], b"ok"),
        (blobs[1], None),
        (blobs[2], b"1234567890"),
    ]
    assert [data for _, data in objects.read(blobs, 9)] == [b"ok", None, None]


def test_nothing_to_read_is_no_question(objects, upstream):
    """An empty change has no contents."""
    assert list(objects.read([], 10)) == []


@pytest.mark.parametrize("kind", ["missing", "tree"])
def test_what_is_no_blob_is_an_error(upstream, objects, kind):
    """A lost object is not an empty file; the repository is marked as damaged."""
    upstream.commit({"a.yaml": "a"})
    good = blob(upstream, "a.yaml")
    bad = "1" * len(good) if kind == "missing" else objects.revision("main").tree
    with pytest.raises(GitFailed, match="can be read"):
        list(objects.read([good, bad], 10))

    assert objects.damaged
    assert list(objects.read([good], 10)) == [(good, b"a")]


@pytest.mark.parametrize(
    "loose",
    [
        zlib.compress(b"blob 4\0evil"),
        zlib.compress(b"blob 1000\0short"),
        zlib.compress(b"blob 4\0more than four"),
        b"no zlib at all",
        b"",
    ],
)
def test_a_corrupt_object_is_an_error(tmp_path, loose):
    """Other content than the id says, or less than it should be, never becomes configuration."""
    upstream = Upstream(tmp_path / "up")
    upstream.commit({"a.yaml": "good", "b.yaml": "x"})
    name = blob(upstream, "a.yaml")
    file = upstream.folder / "objects" / name[:2] / name[2:]
    file.chmod(0o600)
    file.write_bytes(loose)
    objects = Objects(Git(timeout=0.5), upstream.folder)
    with pytest.raises(GitFailed):
        list(objects.read([name], 10_000))
    with pytest.raises(GitFailed):
        list(objects.read([name, blob(upstream, "b.yaml")], 10_000))
    objects.close()

    assert objects.damaged


def test_a_reader_that_is_left_early_disturbs_nobody(upstream, objects):
    """Answers that are still coming are not taken for answers to the next question."""
    upstream.commit({f"{n}.yaml": str(n) for n in range(1000)})
    blobs = [e.blob for e in objects.entries(objects.revision("main").tree)]
    reading = objects.read(blobs, 100)
    next(reading)
    meanwhile = objects.revision("main").commit
    next(reading)
    reading.close()

    assert objects.revision("main").commit == meanwhile
    assert len(list(objects.read(blobs, 100))) == 1000


def test_a_killed_process_is_started_again(upstream, objects):
    """Someone's `kill`, or the OOM killer: the question is asked once more."""
    upstream.commit({"a.yaml": "1"})
    tree = objects.revision("main").tree
    objects.changes(tree, tree)
    for process in (objects._batch, *objects._diffs.values()):
        os.kill(process.pid, signal.SIGKILL)

    assert objects.revision("main").tree == tree
    assert objects.changes(tree, tree) == []
    assert not objects.damaged


def test_a_process_killed_while_contents_come_is_started_again(upstream, objects):
    """Reading goes on where it stopped, without a repeat or a gap."""
    upstream.commit({f"{n:04}.yaml": str(n) * 500 for n in range(1500)})
    entries = objects.entries(objects.revision("main").tree)
    objects.close()
    reading = objects.read([e.blob for e in entries], 1 << 20)
    got = [next(reading) for _ in range(10)]
    ours = f"--git-dir={upstream.folder}\0cat-file".encode()
    (child,) = [pid for pid in children() if ours in Path(f"/proc/{pid}/cmdline").read_bytes()]
    os.kill(child, signal.SIGKILL)
    got += reading

    assert [name for name, _ in got] == [e.blob for e in entries]


def children() -> list[int]:
    """Return the processes that this one has started."""
    tasks = Path("/proc/self/task").glob("*/children")
    return [int(pid) for task in tasks for pid in task.read_text().split()]


def test_objects_survive_repacking_under_them(upstream, objects):
    """Upkeep of the repository goes on while it is read."""
    upstream.commit({"a.yaml": "1"})
    before = objects.revision("main")
    upstream.git("gc", "-q", "--prune=now")
    upstream.commit({"b.yaml": "2"})
    upstream.git("repack", "-a", "-d", "-q")
    after = objects.revision("main")

    assert [c.path for c in objects.changes(before.tree, after.tree)] == ["b.yaml"]


def test_worker_processes_read_on_their_own(upstream, objects):
    """What they are given is small and can be sent to them."""
    upstream.commit({"a.yaml": "1", "b.yaml": "22222"})
    blobs = [blob(upstream, "a.yaml"), blob(upstream, "b.yaml")]
    reader = objects.bulk_reader(3)
    expected = [(blobs[0], b"1"), (blobs[1], None)]
    context = multiprocessing.get_context("forkserver")
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as pool:
        got = pool.submit(_read_there, pickle.dumps(reader), blobs).result()

    assert got == expected
    assert bulk_read(upstream.folder, blobs, 3) == expected


def _read_there(reader: bytes, blobs: list[str]) -> list[tuple[str, bytes | None]]:
    return list(pickle.loads(reader)(blobs))  # noqa: S301  # made by this test
