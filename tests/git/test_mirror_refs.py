"""Which commit a mirror brings: fixed commits, any refs, tags, ranges of versions."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from gitsource.errors import ConfigurationError, RefMissing
from gitsource.git.mirror import Mirror
from gitsource.settings.following import Repository
from repositories import Upstream, run_git
from servers.over_http import HttpGit


@pytest.fixture
def upstream(tmp_path):
    return Upstream(tmp_path / "up")


def fetched(mirror: Mirror) -> str:
    """Fetch, and return the commit the mirror is at."""
    mirror.fetch()
    return mirror.head().commit


# --------------------------------------------------------------------------- one commit


def test_a_fixed_commit_is_fetched_by_its_id(upstream, mirrors):
    """It need not be at the tip of anything; commits after it do not matter."""
    meant = upstream.commit({"a.yaml": "1"})
    upstream.commit({"a.yaml": "2"})
    mirror = mirrors(commit=meant.upper())

    assert fetched(mirror) == meant
    assert str(mirror.chosen) == "repository.commit"


def test_a_fixed_commit_that_is_here_needs_no_remote(upstream, mirrors, tmp_path):
    """A commit never changes, so nothing is asked again."""
    meant = upstream.commit({"a.yaml": "1"})
    fetched(mirrors(commit=meant))
    upstream.folder.rename(tmp_path / "away")

    assert fetched(mirrors(commit=meant)) == meant


@pytest.fixture
def old_url(upstream):
    """Serve the upstream by a host that gives what its refs point to, and no commits by id."""
    with HttpGit(upstream.folder.parent) as host:
        host.old = True
        yield f"{host.url}/{upstream.folder.name}"


def test_a_commit_that_is_not_given_by_id_is_looked_for_on_its_branch(upstream, mirrors, old_url):
    meant = upstream.commit({"a.yaml": "1"}, branch="live")
    upstream.commit({"a.yaml": "2"}, branch="live")
    upstream.commit({"b.yaml": "1"})
    mirror = mirrors(old_url, commit=meant, branch="live")
    commit = fetched(mirror)
    kept = run_git(mirror.folder, "for-each-ref", "--format=%(refname)")

    assert (commit, kept) == (meant, b"refs/gitsource/head\n")


def test_a_commit_that_is_nowhere_is_told(upstream, mirrors, old_url):
    """With the branches it could be on."""
    upstream.commit({"a.yaml": "1"})
    upstream.commit({"b.yaml": "1"}, branch="live")
    elsewhere = "1" * 40
    told = []
    for url in (upstream.url, old_url):
        with pytest.raises(RefMissing) as caught:
            mirrors(url, commit=elsewhere).fetch()
        told.append((str(caught.value).replace(url, "URL"), caught.value.hint))

    text = f"commit {elsewhere} is not in URL, nor on refs/heads/main"
    assert told == [(text, "set repository.branch to the branch it is on: live, main")] * 2


def test_a_commit_beside_the_branch_is_told(upstream, mirrors, old_url):
    """Another branch has it, but that one is not named."""
    upstream.commit({"a.yaml": "1"})
    beside = upstream.commit({"b.yaml": "1"}, branch="live")
    upstream.commit({"b.yaml": "2"}, branch="live")

    with pytest.raises(RefMissing, match="nor on refs/heads/main"):
        mirrors(old_url, commit=beside).fetch()


def test_a_commit_of_a_sha256_repository_is_fetched(tmp_path, mirrors):
    upstream = Upstream(tmp_path / "other", object_format="sha256")
    meant = upstream.commit({"a.yaml": "1"})
    upstream.commit({"a.yaml": "2"})

    assert fetched(mirrors(upstream.url, commit=meant)) == meant


# --------------------------------------------------------------------------- refs and tags


def test_any_ref_is_followed_by_its_full_name(upstream, mirrors):
    """A pull request, say, which is no branch."""
    upstream.commit({"a.yaml": "1"})
    pull = upstream.commit({"a.yaml": "2"}, branch="theirs")
    upstream.git("update-ref", "refs/pull/7/head", pull)
    mirror = mirrors(name="refs/pull/7/head")

    assert fetched(mirror) == pull
    assert str(mirror.chosen) == "refs/pull/7/head (repository.name)"


@pytest.mark.parametrize("annotated", [True, False])
def test_a_tag_is_followed_to_its_commit(upstream, mirrors, annotated):
    commit = upstream.commit({"a.yaml": "1"})
    upstream.tag("v1", annotated=annotated)
    upstream.commit({"a.yaml": "2"})

    assert fetched(mirrors(tag="v1")) == commit


@pytest.mark.parametrize("annotated", [True, False])
@pytest.mark.parametrize("meant", [{"tag": "v1.0.0"}, {"semver": "^1.0"}])
def test_a_tag_that_was_moved_is_followed_and_told(
    upstream, mirrors, annotated, meant, caplog, tmp_path
):
    """Until another is chosen, restarts included; tags are not meant to move."""
    upstream.commit({"a.yaml": "1"})
    upstream.tag("v1.0.0", annotated=annotated)
    before = upstream.git("rev-parse", "refs/tags/v1.0.0")
    heads, moved = [], []
    mirror = mirrors(**meant)
    heads.append(fetched(mirror))
    second = upstream.commit({"a.yaml": "2"}, parents=[])
    upstream.git("tag", "-d", "v1.0.0")
    upstream.tag("v1.0.0", annotated=annotated)
    moved.append(mirror.chosen.moved_from)
    with caplog.at_level(logging.WARNING):
        heads.append(fetched(mirror))
    moved.append(mirror.chosen.moved_from)
    mirror = mirrors(**meant)
    heads.append(fetched(mirror))
    moved.append(mirror.chosen.moved_from)

    assert heads[1:] == [second, second]
    assert moved == ["", before, before]
    assert "refs/tags/v1.0.0 was moved" in caplog.text


def test_a_missing_tag_is_told_with_those_there_are(upstream, mirrors):
    upstream.commit({"a.yaml": "1"})
    upstream.tag("v1.0.0")
    with pytest.raises(RefMissing) as caught:
        mirrors(tag="v2").fetch()

    assert str(caught.value).startswith("refs/tags/v2 is not in ")
    assert caught.value.hint == "set repository.tag to a tag that is: v1.0.0"


# --------------------------------------------------------------------------- versions


def test_the_highest_version_is_followed_as_tags_come(upstream, mirrors):
    """Also from one line of releases to another, where nothing is fast-forward."""
    first = upstream.commit({"a.yaml": "1"})
    upstream.tag("v1.9.0")
    upstream.tag("not-a-version")
    mirror = mirrors(semver=">=1.2 <2", non_fast_forward="deny")
    heads, chosen = [fetched(mirror)], [str(mirror.chosen)]
    upstream.commit({"a.yaml": "2"})
    upstream.tag("v2.0.0")
    heads.append(fetched(mirror))
    third = upstream.commit({"a.yaml": "3"}, branch="release-1", parents=[first])
    fourth = upstream.commit({"a.yaml": "4"}, branch="elsewhere", parents=[])
    upstream.tag("v1.10.0", third, annotated=True)
    heads.append(fetched(mirror))
    upstream.tag("1.11.0", fourth)
    heads.append(fetched(mirror))
    chosen.append(str(mirror.chosen))

    assert heads == [first, first, third, fourth]
    assert chosen == [
        "refs/tags/v1.9.0 (the highest tag in >=1.2 <2, of 2)",
        "refs/tags/1.11.0 (the highest tag in >=1.2 <2, of 5)",
    ]


def test_a_withdrawn_version_gives_way_to_the_one_before(upstream, mirrors):
    """A tag that is deleted is no longer the highest; deleting is how a release is taken back."""
    first = upstream.commit({"a.yaml": "1"})
    upstream.tag("v1.0.0")
    second = upstream.commit({"a.yaml": "2"})
    upstream.tag("v1.1.0")
    mirror = mirrors(semver="1.x")
    heads = [fetched(mirror)]
    upstream.git("tag", "-d", "v1.1.0")
    heads.append(fetched(mirror))

    assert heads == [second, first]
    assert mirror.chosen.moved_from == ""


def test_no_version_in_the_range_is_told_with_the_tags_there_are(upstream, mirrors):
    upstream.commit({"a.yaml": "1"})
    told = []
    for tag in (None, "v1.0.0", "v3.0.0"):
        if tag:
            upstream.tag(tag)
        with pytest.raises(RefMissing) as caught:
            mirrors(semver="^2").fetch()
        told.append((str(caught.value).replace(upstream.url, "URL"), caught.value.hint))

    text = "no tag of URL is a version in ^2"
    assert told == [
        (text, "there are no tags at all: push one"),
        (text, "the tags are: v1.0.0"),
        (text, "the tags are: v3.0.0, v1.0.0"),
    ]


def test_the_head_stays_when_no_tag_is_in_the_range_any_more(upstream, mirrors):
    commit = upstream.commit({"a.yaml": "1"})
    upstream.tag("v2.0.0")
    mirror = mirrors(semver="^2")
    mirror.fetch()
    upstream.git("tag", "-d", "v2.0.0")
    with pytest.raises(RefMissing) as caught:
        mirror.fetch()

    assert mirror.head().commit == commit
    assert caught.value.hint == "what is served stays; there are no tags at all: push one"


def test_versions_of_a_sha256_repository_are_followed(tmp_path, mirrors):
    upstream = Upstream(tmp_path / "other", object_format="sha256")
    commit = upstream.commit({"a.yaml": "1"})
    upstream.tag("v1.0.0", annotated=True)

    assert fetched(mirrors(upstream.url, semver="*")) == commit


def test_another_range_starts_without_a_head(upstream, mirrors):
    """What was chosen by other settings is not what is meant now."""
    first = upstream.commit({"a.yaml": "1"})
    upstream.tag("v1.0.0")
    upstream.commit({"a.yaml": "2"})
    upstream.tag("v2.0.0")
    fetched(mirrors(semver="*"))
    mirror = mirrors(semver="^1")
    with pytest.raises(RefMissing, match="was not fetched yet"):
        mirror.head()

    assert fetched(mirror) == first


def test_a_version_is_named_by_operators_as_its_tag(upstream, mirrors):
    commit = upstream.commit({"a.yaml": "1"})
    upstream.tag("v1.0.0")
    mirror = mirrors(semver="*")
    mirror.fetch()

    assert {mirror.resolve(spec).commit for spec in ("HEAD", "v1.0.0", "refs/tags/v1.0.0")} == {
        commit
    }


@pytest.mark.parametrize("wrong", [{"semver": "newest"}, {"ignore": ("[a",)}, {"include": ("/",)}])
def test_a_wrong_word_is_refused_before_anything_is_started(tmp_path, upstream, wrong):
    with pytest.raises(ConfigurationError, match=rf"repository\.{next(iter(wrong))}: "):
        Mirror(tmp_path / "state" / "mirror.git", Repository(url=upstream.url, **wrong))

    assert not Path(tmp_path / "state").exists()
