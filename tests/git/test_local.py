"""A user's own repository, read where it is, and what its configuration cannot make us do."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gitsource.errors import ConfigurationError, GitFailed, RefMissing
from gitsource.git.local import LocalRepository
from gitsource.settings.following import Repository
from repositories import Upstream, clone, run_git


@pytest.fixture
def upstream(tmp_path):
    upstream = Upstream(tmp_path / "up")
    upstream.commit({"mesh/a.yaml": "1"})
    upstream.commit({"mesh/a.yaml": "2"})
    return upstream


def snapshot(folder: Path) -> dict[str, tuple[int, int]]:
    """Return size and modification time of every file in *folder*."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in files}


@pytest.mark.parametrize("where", ["work", "work/mesh", "work/.git", "up"])
def test_a_repository_is_found_from_any_folder_in_it(upstream, tmp_path, where):
    """A clone, a folder inside it, its .git, or a bare repository."""
    clone(upstream, tmp_path / "work")
    with LocalRepository(tmp_path / where) as local:
        found = local.revision("HEAD").commit
        paths = [entry.path for entry in local.objects.entries(local.revision("HEAD").tree)]

    assert (found, paths) == (upstream.tip(), ["mesh/a.yaml"])


def test_a_linked_worktree_has_its_own_head(upstream, tmp_path):
    """Its .git is a file."""
    work = clone(upstream, tmp_path / "work")
    run_git(work, "worktree", "add", "-q", "--detach", "../linked", "HEAD~1")
    with LocalRepository(tmp_path / "linked") as local:
        found = local.revision("HEAD").commit

    assert found == upstream.git("rev-parse", "main~1")


@pytest.mark.parametrize("where", ["plain", "nothing", "file"])
def test_a_folder_without_a_repository_is_the_operators_affair(tmp_path, where):
    """The message names it; git does not look further up than the system root."""
    (tmp_path / "plain").mkdir()
    (tmp_path / "file").touch()

    with pytest.raises(ConfigurationError, match=where):
        LocalRepository(tmp_path / where)


def test_reading_changes_nothing(upstream, tmp_path):
    """Not the index, not a ref, not a byte."""
    work = clone(upstream, tmp_path / "work")
    before = snapshot(work)
    with LocalRepository(work) as local:
        head = local.revision("HEAD")
        entries = local.objects.entries(head.tree)
        list(local.objects.read([e.blob for e in entries], 10))
        local.objects.births(head.commit, [e.path for e in entries])
        local.objects.changes(local.revision("HEAD~1").tree, head.tree)
        local.base_of(head, None, "main")

    assert snapshot(work) == before


def test_histories_meet_where_they_parted(upstream, tmp_path):
    """Unrelated ones do not meet."""
    base = upstream.tip()
    ours = upstream.commit({"b.yaml": "1"})
    theirs = upstream.commit({"c.yaml": "1"}, branch="side", parents=[base])
    stranger = upstream.commit({"d.yaml": "1"}, branch="stranger", parents=[])
    with LocalRepository(upstream.folder) as local:
        found = [local.merge_base(ours, theirs), local.merge_base(ours, stranger)]

    assert found == [base, None]


@pytest.mark.parametrize(
    ("branch", "expected"),
    [
        ("main", "refs/remotes/origin/main"),
        ("master", "refs/remotes/origin/master"),
        ("trunk", "refs/remotes/origin/trunk"),
    ],
)
def test_the_default_branch_of_a_clone_is_its_origins(tmp_path, branch, expected):
    """Whatever it is called."""
    upstream = Upstream(tmp_path / "other", branch=branch)
    upstream.commit({"a.yaml": "1"})
    with LocalRepository(clone(upstream, tmp_path / "work")) as local:
        found = local.default_branch()

    assert found == expected


@pytest.mark.parametrize(("branch", "expected"), [("main", "refs/heads/main"), ("trunk", None)])
def test_the_default_branch_of_a_repository_without_origin_is_the_usual_one(
    tmp_path, branch, expected
):
    """Or it is not known."""
    upstream = Upstream(tmp_path / "other", branch=branch)
    upstream.commit({"a.yaml": "1"})
    with LocalRepository(upstream.folder) as local:
        found = local.default_branch()

    assert found == expected


def test_a_branch_is_compared_with_where_it_left_the_followed_one(upstream, tmp_path):
    """The remote's before the local one; a base that is named wins."""
    parted = upstream.tip()
    work = clone(upstream, tmp_path / "work")
    run_git(work, "checkout", "-q", "-b", "topic")
    (work / "n.yaml").write_text("n")
    run_git(work, "add", ".")
    run_git(work, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "-m", "n")
    upstream.commit({"later.yaml": "1"})
    run_git(work, "fetch", "-q")
    with LocalRepository(work) as local:
        head = local.revision("HEAD")
        found = [
            local.base_of(head, None, "main"),
            local.base_of(head, None, "refs/remotes/origin/main"),
            local.base_of(head, None, "no-such-branch"),
            local.base_of(head, None),
            local.base_of(head, "origin/main~1"),
        ]
        with pytest.raises(RefMissing):
            local.base_of(head, "nothing")

    assert [revision.commit for revision in found] == [parted] * 5


def test_a_commit_of_the_followed_branch_is_compared_with_the_one_before(upstream):
    """And the first one with nothing."""
    with LocalRepository(upstream.folder) as local:
        head, first = local.revision("main"), local.revision("main~1")
        found = [local.base_of(head, None, "main"), local.base_of(first, None, "main")]

    assert found == [first, None]


# --------------------------------------------------------------------------- hostile repositories


def sign_history(work: Path) -> None:
    """Write the two commits anew with signatures: git log asks gpg about them, if it may."""
    mark = b"\ngpgsig -----BEGIN PGP SIGNATURE-----\n \n x\n -----END PGP SIGNATURE-----\n\n"
    parent = b""
    for name in ("HEAD~1", "HEAD"):
        raw = run_git(work, "cat-file", "commit", name)
        old = run_git(work, "rev-parse", "HEAD~1").strip()
        signed = raw.replace(b"\n\n", mark, 1).replace(old, parent or old)
        parent = run_git(work, "hash-object", "-t", "commit", "-w", "--stdin", stdin=signed).strip()
    (work / ".git" / "refs" / "heads" / "main").write_bytes(parent + b"\n")


def test_a_repositorys_configuration_runs_nothing(upstream, tmp_path):
    """A fresh clone of someone's work, or a .git that was unpacked from an archive."""
    work = clone(upstream, tmp_path / "work")
    touch = f"touch {tmp_path}/pwned;"
    script = tmp_path / "evil"
    script.write_text(f"#!/bin/sh\n{touch}\n")
    script.chmod(0o755)
    with (work / ".git" / "config").open("a") as config:
        config.write(
            f'[core]\n fsmonitor = {script}\n sshCommand = {script}\n pager = {script}\n'
            f' editor = {script}\n hooksPath = {tmp_path}\n askPass = {script}\n'
            f' alternateRefsCommand = {script}\n attributesFile = {tmp_path}/attributes\n'
            f'[diff]\n external = {script}\n orderFile = {tmp_path}/nothing\n renames = copies\n'
            f'[diff "evil"]\n textconv = {script}\n command = {script}\n'
            f'[filter "evil"]\n smudge = {script}\n clean = {script}\n process = {script}\n'
            f'[alias]\n log = !{script}\n ls-tree = !{script}\n cat-file = !{script}\n'
            f'[pager]\n log = {script}\n diff-tree = {script}\n'
            f'[log]\n showSignature = true\n showRoot = false\n diffMerges = off\n follow = true\n'
            f' mailmap = true\n[gpg]\n program = {script}\n[format]\n pretty = raw\n'
            f'[credential]\n helper = !{script}\n[submodule]\n recurse = true\n'
            f'[trace2]\n eventTarget = {tmp_path}/trace\n[gc]\n auto = 1\n'
        )  # fmt: skip
    (tmp_path / "attributes").write_text("* diff=evil filter=evil\n")
    (work / ".git" / "info" / "attributes").write_text("* diff=evil filter=evil\n")
    for hook in ("reference-transaction", "post-index-change", "fsmonitor-watchman", "pre-auto-gc"):
        (tmp_path / hook).write_text(f"#!/bin/sh\n{touch}\n")
        (tmp_path / hook).chmod(0o755)
    sign_history(work)
    with LocalRepository(work) as local:
        head = local.revision("HEAD")
        entries = local.objects.entries(head.tree)
        births = local.objects.births(head.commit, [e.path for e in entries])
        changes = local.objects.changes(local.revision("HEAD~1").tree, head.tree)
        contents = list(local.objects.read([e.blob for e in entries], 10))
        local.base_of(head, "HEAD~1", "main")
        with pytest.raises(ConfigurationError, match="no history in common"):
            local.base_of(head, None, "main")  # it was written anew
        (work / "mesh/a.yaml").write_text("3")
        (work / "mesh/.gitattributes").write_text("* diff=evil filter=evil\n")
        for what in ("worktree", "staged"):
            tree = local.working(what, 100)
            tree.changes(head.tree, tree.now.tree)
            tree.close()

    assert not (tmp_path / "pwned").exists()
    assert not (tmp_path / "trace").exists()
    assert (list(births), [c.path for c in changes], [data for _, data in contents]) == (
        ["mesh/a.yaml"],
        ["mesh/a.yaml"],
        [b"2"],
    )


def test_missing_objects_are_not_fetched(upstream, tmp_path):
    """A partial clone may name any program as its remote's; its objects are just not there."""
    upstream.git("config", "uploadpack.allowFilter", "true")
    work = clone(upstream, tmp_path / "work", "--filter=blob:none", "--no-checkout")
    run_git(work, "config", "remote.origin.uploadpack", f"touch {tmp_path}/pwned;")
    with LocalRepository(work) as local:
        entries = local.objects.entries(local.revision("HEAD").tree)
        with pytest.raises(GitFailed) as caught:
            list(local.objects.read([e.blob for e in entries], 10))

    assert "--filter" in caught.value.hint
    assert not (tmp_path / "pwned").exists()


def test_replaced_objects_are_read_as_they_are(upstream):
    """An id means its content, whatever refs/replace says."""
    good = upstream.git("rev-parse", "main:mesh/a.yaml")
    evil = upstream.git("hash-object", "-w", "--stdin", stdin=b"evil")
    upstream.git("replace", good, evil)
    with LocalRepository(upstream.folder) as local:
        contents = list(local.objects.read([good], 10))

    assert contents == [(good, b"2")]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_repository_of_another_user_is_read(upstream):
    """CI checks out as another user than it runs as; the operator named the folder."""
    for folder, _, files in os.walk(upstream.folder):
        for name in (".", *files):
            os.chown(Path(folder) / name, 12345, 12345)
    with LocalRepository(upstream.folder) as local:
        found = local.revision("main").subject

    assert found == "change"


def test_grafted_history_stays_as_it_is(upstream):
    """A .git/shallow that is no list of commits is an error, not a guess."""
    (upstream.folder / "shallow").write_bytes(b"\xff\xfe")

    with pytest.raises(ConfigurationError):
        LocalRepository(upstream.folder)


def test_what_the_settings_follow_is_found_in_a_clone(tmp_path):
    """So that a dry-run compares with what is served: by tag, by range, by commit."""
    upstream = Upstream(tmp_path / "up")
    first = upstream.commit({"a.yaml": "1"})
    upstream.tag("v1.2.0")
    upstream.commit({"a.yaml": "2"})
    upstream.tag("v1.10.0", annotated=True)
    head = upstream.commit({"a.yaml": "3"})
    meant = [
        *(Repository(), Repository(branch="live"), Repository(tag="v1.2.0")),
        *(Repository(semver="^1"), Repository(semver="~1.2"), Repository(semver="^2")),
        Repository(commit=first),
    ]
    with LocalRepository(upstream.folder) as local:
        found = [local.followed(one) for one in meant]
        base = local.base_of(local.revision(head), None, found[3])

    assert found == [
        *("main", "live", "refs/tags/v1.2.0"),
        *("refs/tags/v1.10.0", "refs/tags/v1.2.0", "", first),
    ]
    assert base is not None
    assert base.commit == upstream.git("rev-parse", "v1.10.0^0")
