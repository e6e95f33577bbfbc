"""Which news matter to whom."""

from __future__ import annotations

import pytest

from gitsource.settings.following import LayerRow, Repository
from gitsource.settings.whole import Settings
from gitsource.triggers.followed import followed, followed_by, ref_of

A = "1f2e3d4c5b6a79880f1e2d3c4b5a69788f0e1d2c"


@pytest.mark.parametrize(
    ("repository", "expected"),
    [
        (Repository(ref="main"), "refs/heads/main"),
        (Repository(ref="HEAD"), "HEAD"),
        (Repository(ref="refs/tags/v1"), "refs/tags/v1"),
        (Repository(branch="live"), "refs/heads/live"),
        (Repository(branch="live", tag="v1"), "refs/tags/v1"),
        (Repository(tag="v1", semver="^1"), "refs/tags/"),
        (Repository(semver="^1", name="refs/pull/7/head"), "refs/pull/7/head"),
        (Repository(name="refs/pull/7/head", branch="live", commit=A), "refs/heads/live"),
    ],
)
def test_what_names_a_ref_more_exactly_wins(repository, expected):
    assert ref_of(repository) == expected


def test_only_the_commit_of_a_followed_branch_is_awaited():
    """Of a tag it is another object's, of several refs it may never be the head."""
    awaited = {
        name: followed(Repository(**settings)).awaits(ref)
        for name, settings, ref in (
            ("branch", {"ref": "main"}, "refs/heads/main"),
            ("other branch", {"ref": "main"}, "refs/heads/x"),
            ("any branch", {"ref": "HEAD"}, "refs/heads/main"),
            ("tag", {"tag": "v1"}, "refs/tags/v1"),
            ("range", {"semver": "^1"}, "refs/tags/v1"),
            ("commit", {"commit": A, "branch": "main"}, "refs/heads/main"),
        )
    }

    assert awaited == dict.fromkeys(awaited, False) | {"branch": True}


LOW = Repository(url="https://git.example.com/platform/mesh.git", ref="live")
TOP = Repository(url="git@git.example.com:shop/mesh.git", ref="main")
BOTH = followed_by(Settings(layers=(LayerRow("low", LOW), LayerRow("top", TOP))))


@pytest.mark.parametrize(
    ("repository", "ref", "expected"),
    [
        ("https://git.example.com/platform/mesh", "refs/heads/live", True),
        ("https://git.example.com/platform/mesh", "refs/heads/main", False),
        ("https://git.example.com/shop/mesh", "refs/heads/main", True),
        ("https://git.example.com/shop/mesh", "refs/heads/live", False),
    ],
)
def test_news_of_a_layers_repository_matter_by_the_ref_of_that_layer(repository, ref, expected):
    about = BOTH.told_of([repository])

    assert (expected, expected) == (about.concerns(ref), about.awaits(ref))


def test_news_of_a_repository_that_no_layer_follows_matter_to_none():
    assert BOTH.told_of(["https://git.example.com/other/mesh"]) is None


def test_news_that_name_no_repository_may_be_of_any_layer():
    about = BOTH.told_of([])

    assert (True, True) == (about.concerns("refs/heads/live"), about.concerns("refs/heads/main"))


def test_a_single_repository_is_followed_as_ever():
    found = followed_by(Settings(repository=TOP))

    assert followed(TOP) == found
