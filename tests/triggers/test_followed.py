"""Which news matter to whom."""

from __future__ import annotations

import pytest

from gitsource.settings import Repository
from gitsource.triggers.followed import followed, ref_of

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
