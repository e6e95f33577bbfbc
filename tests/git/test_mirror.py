"""The mirror over file:// upstreams: following, keeping, repairing, resolving."""

from __future__ import annotations

import json
import os
import shutil
import stat
from pathlib import Path

import pytest

from gitsource.errors import (
    ConfigurationError,
    GitFailed,
    RefMissing,
    RemoteUnreachable,
    StateError,
)
from gitsource.git.command import Git
from gitsource.git.mirror import Mirror
from gitsource.settings.following import Repository
from repositories import Upstream, run_git


@pytest.fixture
def upstream(tmp_path):
    return Upstream(tmp_path / "up")


@pytest.fixture
def mirrors(tmp_path, upstream):
    """Open mirrors in one folder, each closing the one before, as restarts do."""
    opened: list[Mirror] = []

    def make(url: str | None = None, ref: str = "main", **how: object) -> Mirror:
        for mirror in opened:
            mirror.close()
        mirror = Mirror(
            tmp_path / "state" / "mirror.git", Repository(url=url or upstream.url, ref=ref), **how
        )
        opened.append(mirror)
        mirror.open()
        return mirror

    yield make
    for mirror in opened:
        mirror.close()


# --------------------------------------------------------------------------- following


def test_a_mirror_follows_its_branch(upstream, mirrors):
    """Fetch, and the head is where the branch is; its objects can be read."""
    upstream.commit({"a.yaml": "1"})
    mirror = mirrors()
    heads = []
    for content in ("2", "3"):
        commit = upstream.commit({"a.yaml": content})
        mirror.fetch()
        heads.append(mirror.head().commit == commit)
    entries = mirror.objects.entries(mirror.head().tree)

    assert heads == [True, True]
    assert list(mirror.objects.read([e.blob for e in entries], 10)) == [(entries[0].blob, b"3")]


def test_fetching_when_nothing_is_new_changes_nothing(upstream, mirrors):
    """Polling is fetching."""
    commit = upstream.commit({"a.yaml": "1"})
    mirror = mirrors()
    mirror.fetch()
    mirror.fetch()

    assert mirror.head().commit == commit


def test_how_much_a_mirror_holds_is_told_without_asking_git(upstream, mirrors):
    upstream.commit({f"{number}.yaml": str(number) for number in range(300)})
    mirror = mirrors()
    mirror.fetch()

    run_git(mirror.folder, "repack", "-a", "-d", "-q")

    assert 300 + 1 + 1 == mirror.packed()  # the tree and the commit


@pytest.mark.parametrize("ref", ["refs/tags/v1", "refs/heads/main", "HEAD", "release/1.0"])
def test_any_ref_can_be_followed(upstream, mirrors, ref):
    """Full names, annotated tags, branches with slashes, the default branch."""
    commit = upstream.commit({"a.yaml": "1"})
    upstream.tag("v1", annotated=True)
    upstream.branch("release/1.0")
    mirror = mirrors(ref=ref)
    mirror.fetch()

    assert mirror.head().commit == commit


def test_nothing_but_the_followed_ref_is_fetched(upstream, mirrors, tmp_path):
    """Other branches and tags stay where they are."""
    upstream.commit({"a.yaml": "1"})
    upstream.commit({"b.yaml": "1"}, branch="other")
    upstream.tag("v1")
    mirrors().fetch()
    refs = run_git(tmp_path / "state" / "mirror.git", "for-each-ref", "--format=%(refname)")

    assert refs == b"refs/gitsource/head\n"


def test_a_sha256_repository_is_mirrored(tmp_path, mirrors):
    """The first fetch finds out; from then on ids have 64 digits, restarts included."""
    upstream = Upstream(tmp_path / "other", object_format="sha256")
    first = upstream.commit({"a.yaml": "1"})
    mirror = mirrors(upstream.url)
    mirror.fetch()
    found = [mirror.head().commit]
    mirror = mirrors(upstream.url)
    second = upstream.commit({"a.yaml": "2"})
    mirror.fetch()
    found.append(mirror.resolve(second[:10]).commit)

    assert (found, len(second)) == ([first, second], 64)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_an_upstream_of_another_user_can_be_read(upstream, mirrors):
    """A sidecar that fills it runs under its own user; the operator named it, so that is fine."""
    commit = upstream.commit({"a.yaml": "1"})
    for folder, _, files in os.walk(upstream.folder):
        for name in (".", *files):
            os.chown(Path(folder) / name, 12345, 12345)
    mirror = mirrors()
    mirror.fetch()

    assert mirror.head().commit == commit


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_clone_with_a_working_tree_can_be_an_upstream(upstream, mirrors, tmp_path):
    """Such as git-sync's, which belongs to another user too."""
    commit = upstream.commit({"a.yaml": "1"})
    run_git(tmp_path, "clone", "-q", upstream.url, "work tree")
    for folder, _, files in os.walk(tmp_path / "work tree"):
        for name in (".", *files):
            os.chown(Path(folder) / name, 12345, 12345)
    mirror = mirrors(str(tmp_path / "work tree"))
    mirror.fetch()

    assert mirror.head().commit == commit


# --------------------------------------------------------------------------- trouble upstream


def test_a_forced_push_is_followed_and_the_old_head_kept(upstream, mirrors, tmp_path):
    """What was published can be gone back to, even after garbage collection."""
    base = upstream.commit({"a.yaml": "1"})
    old = upstream.commit({"a.yaml": "2"})
    mirror = mirrors()
    mirror.fetch()
    new = upstream.commit({"b.yaml": "1"}, parents=[base])
    mirror.fetch()
    run_git(tmp_path / "state" / "mirror.git", "gc", "-q", "--prune=now")

    assert (mirror.head().commit, mirror.resolve(old).commit) == (new, old)


def test_a_branch_that_goes_back_is_followed(upstream, mirrors):
    """A rewind is a forced push too."""
    base = upstream.commit({"a.yaml": "1"})
    upstream.commit({"a.yaml": "2"})
    mirror = mirrors()
    mirror.fetch()
    upstream.force(base)
    mirror.fetch()

    assert mirror.head().commit == base


def test_a_deleted_branch_is_told_and_the_head_stays(upstream, mirrors):
    """The hint names what there is instead."""
    commit = upstream.commit({"a.yaml": "1"})
    upstream.branch("develop")
    mirror = mirrors()
    mirror.fetch()
    upstream.delete_branch()
    with pytest.raises(RefMissing) as caught:
        mirror.fetch()

    assert "refs/heads/main was deleted in file://" in str(caught.value)
    assert commit[:12] in str(caught.value)
    assert "develop" in caught.value.hint
    assert mirror.head().commit == commit


def test_an_empty_repository_is_told(mirrors):
    """There is nothing to follow, and no head."""
    mirror = mirrors()
    with pytest.raises(RefMissing, match="is empty") as caught:
        mirror.fetch()
    with pytest.raises(RefMissing, match="not fetched yet"):
        mirror.head()

    assert caught.value.hint == "push a commit to refs/heads/main"


def test_an_unborn_branch_is_told_and_appears_later(upstream, mirrors):
    """HEAD upstream names a branch that has no commit, while others have."""
    upstream.commit({"a.yaml": "1"}, branch="draft")
    mirror = mirrors()
    with pytest.raises(RefMissing, match="is not in") as caught:
        mirror.fetch()
    commit = upstream.commit({"a.yaml": "1"})
    mirror.fetch()

    assert ("draft" in caught.value.hint, mirror.head().commit) == (True, commit)


def test_an_upstream_that_is_away_is_told_and_the_head_stays(upstream, mirrors):
    """Also after a restart: reading needs no network."""
    commit = upstream.commit({"a.yaml": "1"})
    mirrors().fetch()
    upstream.folder.rename(upstream.folder.with_name("gone"))
    mirror = mirrors()
    with pytest.raises(RemoteUnreachable, match="git fetch"):
        mirror.fetch()

    assert mirror.head().commit == commit


def test_an_upstream_with_a_cut_off_history_is_told(upstream, mirrors, tmp_path):
    """Births could not be known, so it is not followed half."""
    upstream.commit({"a.yaml": "1"})
    upstream.commit({"a.yaml": "2"})
    run_git(tmp_path, "clone", "-q", "--bare", "--depth=1", upstream.url, "shallow")
    mirror = mirrors((tmp_path / "shallow").as_uri())
    with pytest.raises(GitFailed) as caught:
        mirror.fetch()

    assert "shallow" in caught.value.hint


def test_a_branch_with_the_name_of_an_option_is_harmless(upstream, mirrors, tmp_path):
    """Git 2.39 runs what such a ref says if it stands where options may."""
    upstream.commit({"a.yaml": "1"})
    tip = upstream.tip()
    (upstream.folder / "packed-refs").write_text(
        f"{tip} refs/heads/--upload-pack=touch {tmp_path}/pwned\n{tip} refs/heads/--output=x\n"
        f"{tip} refs/heads/main\n"
    )
    upstream.git("update-ref", "-d", "refs/heads/none")
    mirror = mirrors()
    mirror.fetch()
    with pytest.raises(ConfigurationError):
        mirrors(ref=f"--upload-pack=touch {tmp_path}/pwned")

    assert (mirror.head().commit, (tmp_path / "pwned").exists()) == (tip, False)


def test_objects_that_git_refuses_are_not_taken(upstream, mirrors):
    """A .gitmodules that would run something elsewhere ends the fetch; names that are only odd
    do not, since they are judged with a finding.
    """
    upstream.hostile([("100644", b"../evil.yaml", b"x"), ("100644", b".GIT", b"y")])
    mirror = mirrors()
    mirror.fetch()
    odd = [entry.path for entry in mirror.objects.entries(mirror.head().tree)]
    upstream.commit({".gitmodules": '[submodule "x"]\n path = x\n url = "--upload-pack=touch x"\n'})
    with pytest.raises(GitFailed) as caught:
        mirror.fetch()

    assert (odd, "fsck" in caught.value.hint) == (["../evil.yaml"], True)


# --------------------------------------------------------------------------- hostile surroundings


def test_the_users_configuration_has_no_effect(upstream, mirrors, tmp_path, monkeypatch):
    """Neither ~/.gitconfig nor variables can run a program or send the fetch elsewhere."""
    commit = upstream.commit({"a.yaml": "1"})
    home = tmp_path / "home"
    (home / ".config" / "git").mkdir(parents=True)
    touch = f"touch {tmp_path}/pwned"
    hostile = (
        f'[core]\n fsmonitor = {touch}\n sshCommand = {touch}\n hooksPath = {home}\n'
        f' alternateRefsCommand = {touch}\n[url "file:///nowhere"]\n insteadOf = {upstream.url}\n'
        f'[uploadpack]\n packObjectsHook = {touch};\n[alias]\n fetch = !{touch}\n'
        "[protocol]\n allow = never\n[init]\n templateDir = /nowhere\n"
    )  # fmt: skip
    for file in (home / ".gitconfig", home / ".config" / "git" / "config"):
        file.write_text(hostile)
    hook = home / "reference-transaction"
    hook.write_text(f"#!/bin/sh\n{touch}\n")
    hook.chmod(0o755)
    for name, value in {
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home / ".config"),
        "GIT_CONFIG_GLOBAL": str(home / ".gitconfig"),
        "GIT_CONFIG_SYSTEM": str(home / ".gitconfig"),
        "GIT_SSH_COMMAND": touch,
        "GIT_EXTERNAL_DIFF": touch,
        "GIT_DIR": "/nowhere",
        "GIT_OBJECT_DIRECTORY": "/nowhere",
        "GIT_CONFIG_PARAMETERS": f"'core.fsmonitor'='{touch}'",
        "GIT_TEMPLATE_DIR": str(home),
        "GIT_ALLOW_PROTOCOL": "ext",
    }.items():
        monkeypatch.setenv(name, value)
    mirror = mirrors()
    mirror.fetch()

    assert (mirror.head().commit, (tmp_path / "pwned").exists()) == (commit, False)


def test_the_upstreams_configuration_and_hooks_run_nothing(upstream, mirrors, tmp_path):
    """A local upstream may be written by someone else."""
    commit = upstream.commit({"a.yaml": "1"})
    touch = f"touch {tmp_path}/pwned"
    with (upstream.folder / "config").open("a") as config:
        config.write(
            f"[core]\n fsmonitor = {touch}\n alternateRefsCommand = {touch}\n"
            f"[uploadpack]\n packObjectsHook = {touch};\n"
        )
    hooks = upstream.folder / "hooks"
    hooks.mkdir(exist_ok=True)
    for name in ("post-upload-pack", "pre-upload-pack", "reference-transaction"):
        (hooks / name).write_text(f"#!/bin/sh\n{touch}\n")
        (hooks / name).chmod(0o755)
    mirror = mirrors()
    mirror.fetch()

    assert (mirror.head().commit, (tmp_path / "pwned").exists()) == (commit, False)


def test_the_mirror_is_for_its_owner_alone(upstream, mirrors, tmp_path):
    """Configuration may hold what others must not read; there is no hook and no template."""
    upstream.commit({"a.yaml": "1"})
    mirrors().fetch()
    folder = tmp_path / "state" / "mirror.git"

    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert not (folder / "hooks").exists()


@pytest.mark.parametrize("path", ["../x", "a/../../b", ".git", "a//b", "a\0b", "a\\b"])
def test_a_folder_outside_of_the_tree_is_refused(tmp_path, path):
    """As soon as the settings are read."""
    with pytest.raises(ConfigurationError, match=r"repository\.path"):
        Mirror(tmp_path, Repository(url="/srv/x", path=path))


# --------------------------------------------------------------------------- repairing


def break_marker(folder: Path) -> None:
    (folder / "gitsource-mirror").unlink()


def break_version(folder: Path) -> None:
    (folder / "gitsource-mirror").write_text(json.dumps({"version": 99}))


def break_config(folder: Path) -> None:
    (folder / "config").write_bytes(b"\0[[[")


def break_head_file(folder: Path) -> None:
    (folder / "HEAD").unlink()


def break_ref(folder: Path) -> None:
    (folder / "refs" / "gitsource" / "head").write_text("1" * 40 + "\n")


def break_ref_text(folder: Path) -> None:
    (folder / "refs" / "gitsource" / "head").write_bytes(b"\0" * 41)


def break_objects(folder: Path) -> None:
    shutil.rmtree(folder / "objects")


def break_by_a_link(folder: Path) -> None:
    folder.rename(folder.with_name("elsewhere"))
    folder.symlink_to("elsewhere")


def break_by_a_file(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.write_text("hello")


BREAKS = [
    *(break_marker, break_version, break_config, break_head_file, break_ref, break_ref_text),
    *(break_objects, break_by_a_link, break_by_a_file),
]


@pytest.mark.parametrize("damage", BREAKS)
def test_a_broken_mirror_is_made_anew(upstream, mirrors, tmp_path, damage):
    """Half made, or half lost: nothing of it is trusted, and the next fetch has everything."""
    commit = upstream.commit({"a.yaml": "1"})
    mirrors().fetch()
    damage(tmp_path / "state" / "mirror.git")
    mirror = mirrors()
    with pytest.raises(RefMissing):
        mirror.head()
    mirror.fetch()

    assert mirror.head().commit == commit


def test_a_mirror_that_lost_an_object_is_fetched_anew(upstream, mirrors, tmp_path):
    """Reading finds the loss; the next fetch makes the mirror anew and swaps it in."""
    upstream.commit({"a.yaml": "1"})
    mirror = mirrors()
    mirror.fetch()
    (entry,) = mirror.objects.entries(mirror.head().tree)
    mirror.close()
    folder = tmp_path / "state" / "mirror.git"
    (pack,) = folder.glob("objects/pack/*.pack")
    content = pack.read_bytes()
    shutil.rmtree(pack.parent)
    run_git(folder, "unpack-objects", "-q", stdin=content)
    (folder / "objects" / entry.blob[:2] / entry.blob[2:]).unlink()
    with pytest.raises(GitFailed):
        list(mirror.objects.read([entry.blob], 10))
    mirror.fetch()

    assert list(mirror.objects.read([entry.blob], 10)) == [(entry.blob, b"1")]


def test_a_lossy_mirror_is_not_thrown_away_while_the_remote_is_down(upstream, mirrors, tmp_path):
    """What is left may still be what is needed."""
    commit = upstream.commit({"a.yaml": "1"})
    mirror = mirrors()
    mirror.fetch()
    with pytest.raises(GitFailed):
        list(mirror.objects.read(["1" * 40], 10))
    upstream.folder.rename(upstream.folder.with_name("gone"))
    with pytest.raises(RemoteUnreachable):
        mirror.fetch()

    assert mirror.head().commit == commit
    assert [p.name for p in (tmp_path / "state").iterdir()] == ["mirror.git"]


def test_locks_and_leftovers_of_a_killed_git_are_removed(upstream, mirrors, tmp_path):
    """We hold the state directory, so whoever made them is gone."""
    upstream.commit({"a.yaml": "1"})
    mirrors().fetch()
    folder = tmp_path / "state" / "mirror.git"
    stale = [
        *("HEAD.lock", "config.lock", "packed-refs.lock", "shallow.lock", "gc.pid"),
        *("refs/gitsource/head.lock", "objects/pack/tmp_pack_x", "objects/info/commit-graph.lock"),
        *("objects/tmp_objdir-incoming-x/pack/y", "refs/gitsource/keep/x.lock"),
    ]
    for name in stale:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    commit = upstream.commit({"a.yaml": "2"})
    mirror = mirrors()
    left = [name for name in stale if (folder / name).exists()]
    mirror.fetch()

    assert (left, mirror.head().commit) == ([], commit)


@pytest.mark.parametrize("state", ["moved away", "moved in", "nothing yet"])
def test_a_swap_that_was_interrupted_is_finished(upstream, mirrors, tmp_path, state):
    """At every point there is one whole mirror to go on with."""
    commit = upstream.commit({"a.yaml": "1"})
    mirrors().fetch()
    folder = tmp_path / "state" / "mirror.git"
    old, new = folder.with_name("mirror.git.old"), folder.with_name("mirror.git.new")
    if state == "moved away":
        shutil.copytree(folder, new)
        folder.rename(old)
    elif state == "moved in":
        shutil.copytree(folder, old)
    else:
        folder.rename(old)
        new.mkdir()
    mirror = mirrors()

    assert mirror.head().commit == commit
    assert [p.name for p in (tmp_path / "state").iterdir()] == ["mirror.git"]


def test_a_folder_that_cannot_be_made_is_the_operators_affair(tmp_path, upstream):
    """The error names it."""
    (tmp_path / "file").write_text("x")
    mirror = Mirror(tmp_path / "file" / "mirror.git", Repository(url=upstream.url))

    with pytest.raises(StateError, match="cannot be made"):
        mirror.open()


# --------------------------------------------------------------------------- pointing elsewhere


def test_another_ref_or_repository_starts_without_a_head_but_keeps_its_objects(
    upstream, mirrors, tmp_path
):
    """The old head must not pass for the new ref's; going back to its commits stays possible."""
    old = upstream.commit({"a.yaml": "1"})
    upstream.commit({"b.yaml": "1"}, branch="prod")
    mirrors().fetch()
    mirror = mirrors(ref="prod")
    with pytest.raises(RefMissing, match="not fetched yet"):
        mirror.head()
    found = mirror.resolve(old).commit
    other = Upstream(tmp_path / "other")
    new = other.commit({"c.yaml": "1"})
    mirror = mirrors(other.url)
    mirror.fetch()

    assert (found, mirror.head().commit, mirror.resolve(old).commit) == (old, new, old)


def test_the_same_settings_written_differently_keep_the_head(upstream, mirrors):
    """A path is a file address; a branch has a full name."""
    commit = upstream.commit({"a.yaml": "1"})
    mirrors().fetch()
    mirror = mirrors(str(upstream.folder), "refs/heads/main")

    assert mirror.head().commit == commit


# --------------------------------------------------------------------------- resolving and keeping


def test_operators_name_revisions_in_the_usual_ways(upstream, mirrors):
    """Ids, shortened ids, the followed branch, and steps back from it."""
    first = upstream.commit({"a.yaml": "1"})
    second = upstream.commit({"a.yaml": "2"})
    mirror = mirrors()
    mirror.fetch()
    specs = [first, first[:8], "main~1", "HEAD^", second[:7] + "~", "refs/heads/main~1"]

    assert [mirror.resolve(spec).commit for spec in specs] == [first] * len(specs)


@pytest.mark.parametrize(
    ("spec", "error"),
    [
        ("other", RefMissing),
        ("gitsource/head", RefMissing),
        ("main~9", RefMissing),
        ("deadbeef", RefMissing),
        ("../../etc/passwd", ConfigurationError),
        ("main:a.yaml", ConfigurationError),
        ("--all", ConfigurationError),
        ("", ConfigurationError),
    ],
)
def test_what_names_no_revision_of_the_mirror_is_an_error(upstream, mirrors, spec, error):
    """Typed text is checked before git sees it."""
    upstream.commit({"a.yaml": "1"})
    mirror = mirrors()
    mirror.fetch()

    with pytest.raises(error):
        mirror.resolve(spec)


def test_a_commit_that_nothing_leads_to_is_not_resolved(upstream, mirrors, tmp_path):
    """It may be anybody's: hosts serve objects of forks."""
    upstream.commit({"a.yaml": "1"})
    mirror = mirrors()
    mirror.fetch()
    folder = tmp_path / "state" / "mirror.git"
    tree = mirror.head().tree
    stray = run_git(
        folder, "-c", "user.name=x", "-c", "user.email=x@y", "commit-tree", "-m", "x", tree
    )

    with pytest.raises(RefMissing, match="no longer part"):
        mirror.resolve(stray.decode().strip())


def test_kept_commits_outlive_garbage_collection_until_they_are_released(
    upstream, mirrors, tmp_path
):
    """Keeping what the head leads to costs nothing and writes nothing."""
    base = upstream.commit({"a.yaml": "1"})
    mirror = mirrors()
    mirror.fetch()
    mirror.keep(base)
    folder = tmp_path / "state" / "mirror.git"
    written = (folder / "refs" / "gitsource" / "keep").exists()
    upstream.commit({"b.yaml": "1"}, parents=[])
    mirror.fetch()
    mirror.keep(base)
    run_git(folder, "gc", "-q", "--prune=now")
    kept = mirror.objects.has(base)
    mirror.release(base)
    mirror.release(base)
    run_git(folder, "gc", "-q", "--prune=now")
    mirror.close()  # a running git still has what was deleted under it

    assert (written, kept, mirror.objects.has(base)) == (False, True, False)


def test_upkeep_packs_what_is_loose_when_it_is_much(upstream, mirrors, tmp_path):
    """And everything can be read as before, by the processes that were already there."""
    upstream.commit({f"{n}.yaml": str(n) for n in range(60)})
    mirror = mirrors()
    mirror.fetch()
    before = mirror.objects.entries(mirror.head().tree)
    little = mirror.maintenance()
    for n in range(12):
        upstream.commit({f"d{m}/{n}.yaml": f"{n} {m}" for m in range(60)})
        mirror.fetch()
    much = mirror.maintenance(most_packs=10)
    whole = mirror.maintenance(full=True)
    packs = list((tmp_path / "state" / "mirror.git").glob("objects/pack/*.pack"))
    contents = [data for _, data in mirror.objects.read([e.blob for e in before], 10)]

    assert (little, much, whole, len(packs)) == (False, True, True, 1)
    assert sorted(contents) == sorted(str(n).encode() for n in range(60))


def test_a_mirror_says_what_it_follows_without_secrets(tmp_path):
    """For logs."""
    mirror = Mirror(tmp_path, Repository(url="https://ada:hunter2@example.org/x.git"), Git())

    assert repr(mirror) == "<Mirror https://example.org/x.git refs/heads/main>"
