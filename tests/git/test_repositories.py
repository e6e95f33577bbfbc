"""The scripted upstream and the fixture format, on which most other tests stand."""

from __future__ import annotations

from pathlib import Path

from repositories import EPOCH, HOUR, Upstream, build_history, clone, run_git


def test_the_same_script_gives_the_same_commit_ids(tmp_path):
    """Dates and authors are fixed, so ids can be written into expectations."""

    def script(folder: Path) -> list[str]:
        upstream = Upstream(folder)
        return [upstream.commit({"a.yaml": "a"}), upstream.commit({"a.yaml": None, "b": b"\xff"})]

    assert script(tmp_path / "one") == script(tmp_path / "two")


def test_commits_stack_up_and_none_deletes(tmp_path):
    """Each commit changes what it names and keeps the rest."""
    upstream = Upstream(tmp_path / "up")
    upstream.commit({"a": "1", "d/b": "2"})
    upstream.commit({"a": None, 'odd "name"\n': "3"})
    listed = run_git(tmp_path / "up", "ls-tree", "-r", "-z", "--name-only", "main")

    assert listed == b'd/b\0odd "name"\n\0'


def test_a_new_root_replaces_the_branch(tmp_path):
    """`parents=[]` is how a test rewrites history from nothing."""
    upstream = Upstream(tmp_path / "up")
    upstream.commit({"a": "1"})
    root = upstream.commit({"b": "1"}, parents=[])

    assert upstream.git("rev-list", "main") == root


def test_a_merge_has_its_parents_in_order(tmp_path):
    """The first parent is the branch that is merged into."""
    upstream = Upstream(tmp_path / "up")
    base = upstream.commit({"a": "1"})
    side = upstream.commit({"b": "1"}, branch="side", parents=[base])
    merged = upstream.commit({"b": "1"}, merge=[side])

    assert upstream.git("rev-list", "--parents", "-1", merged) == f"{merged} {base} {side}"


def test_links_and_submodules_have_their_modes(tmp_path):
    """Symlinks are 120000, submodules 160000."""
    upstream = Upstream(tmp_path / "up")
    upstream.symlink("l.yaml", "/etc/passwd")
    upstream.submodule("sub")
    modes = [line.split()[0] for line in upstream.git("ls-tree", "main").splitlines()]

    assert modes == ["100644", "120000", "160000"]


def test_hostile_trees_are_written_as_given(tmp_path):
    """Names that git would refuse reach the tree, so that readers can be tested with them."""
    upstream = Upstream(tmp_path / "up")
    upstream.hostile([("100644", b"../evil.yaml", b"x")])

    assert upstream.git("ls-tree", "--name-only", "main") == "../evil.yaml"


def test_a_fixture_becomes_history(tmp_path):
    """Step folders are whole trees; `.commit.yaml` sets what a folder cannot hold."""
    fixture = tmp_path / "fixture"
    first, second = fixture / "01-start-here", fixture / "02-next"
    for step in (first, second):
        (step / "d").mkdir(parents=True)
    (first / "d" / "a.yaml").write_bytes(b"a\r\n")
    (first / "gone.yaml").write_text("x")
    (second / "d" / "a.yaml").write_bytes(b"b\r\n")
    (second / ".commit.yaml").write_text(
        "message: told\nauthor: Eve <eve@example.org>\nsymlinks: {l.yaml: d/a.yaml}\n"
        "modes: {d/a.yaml: '100755'}\n"
    )
    commits = build_history(fixture, tmp_path / "up")
    log = run_git(tmp_path / "up", "log", "--format=%H|%s|%an|%ct", "main").decode().splitlines()
    tree = run_git(tmp_path / "up", "ls-tree", "-r", "main", "--format=%(objectmode) %(path)")

    assert log == [
        f"{commits[1]}|told|Eve|{EPOCH + HOUR}",
        f"{commits[0]}|start here|Ada Example|{EPOCH}",
    ]
    assert tree == b"100755 d/a.yaml\n120000 l.yaml\n"


def test_a_partial_step_keeps_the_rest(tmp_path):
    """`partial` adds to the step before; `deleted` takes away."""
    fixture = tmp_path / "fixture"
    for name in ("01-a", "02-b"):
        (fixture / name).mkdir(parents=True)
    (fixture / "01-a" / "a").write_text("1")
    (fixture / "01-a" / "b").write_text("1")
    (fixture / "02-b" / "c").write_text("1")
    (fixture / "02-b" / ".commit.yaml").write_text("partial: true\ndeleted: [a]\n")
    build_history(fixture, tmp_path / "up")

    assert run_git(tmp_path / "up", "ls-tree", "--name-only", "main") == b"b\nc\n"


def test_an_upstream_can_be_cloned(tmp_path):
    """The repository is an ordinary one."""
    upstream = Upstream(tmp_path / "up", object_format="sha256")
    upstream.commit({"a": "1"})
    into = clone(upstream, tmp_path / "work")

    assert (into / "a").read_text() == "1"
