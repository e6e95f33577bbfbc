"""Which commit is meant: precedence, ranges over tags, and what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitsource.errors import ConfigurationError
from gitsource.git import refs
from gitsource.git.refs import Fixed, Highest, Named
from gitsource.settings.following import Repository

OID = "0123456789abcdef0123456789abcdef01234567"
EVERYTHING = {
    "commit": OID,
    "name": "refs/pull/7/head",
    "semver": "^1.0",
    "tag": "v1",
    "branch": "live",
    "ref": "main",
}


def test_the_most_exact_word_wins():
    """As Flux has it; taking one away leaves the next."""
    given = dict(EVERYTHING)
    meant = []
    for setting in EVERYTHING:
        meant.append(refs.wanted(Repository(**given)))
        del given[setting]

    assert meant == [
        Fixed(OID, "refs/heads/live"),
        Named("refs/pull/7/head", "repository.name"),
        Highest("^1.0"),
        Named("refs/tags/v1", "repository.tag"),
        Named("refs/heads/live", "repository.branch"),
        Named("refs/heads/main", "repository.ref"),
    ]


@pytest.mark.parametrize(
    ("given", "ref"),
    [
        ({"ref": "refs/tags/v1"}, "refs/tags/v1"),
        ({"ref": "HEAD"}, "HEAD"),
        ({"name": "HEAD"}, "HEAD"),
        ({"tag": "mesh/v1.2"}, "refs/tags/mesh/v1.2"),
        ({"tag": "HEAD"}, "refs/tags/HEAD"),
        ({"branch": "release/1.0"}, "refs/heads/release/1.0"),
    ],
)
def test_a_ref_is_named_in_full(given, ref):
    assert refs.wanted(Repository(**given)).ref == ref


@pytest.mark.parametrize(
    ("setting", "text"),
    [
        ("commit", "0123456"),
        ("commit", "main"),
        ("commit", OID[:-1] + "g"),
        ("name", "main"),
        ("name", "refs/../x"),
        ("tag", "refs/tags/v1"),
        ("tag", "v1 v2"),
        ("tag", "--upload-pack=x"),
        ("branch", "refs/heads/main"),
        ("branch", "-x"),
        ("branch", "HEAD"),
        ("semver", "latest"),
        ("semver", ""),
        ("semver", "   "),
        ("semver", "1.2.3.4"),
        ("semver", "=> 1.2"),
        ("semver", ">" + " " * 300 + "1"),
        ("semver", ">=1.2 <2 && x"),
        ("semver", ">=\u0661"),
    ],
)
def test_what_names_nothing_is_refused_by_its_setting(setting, text):
    with pytest.raises(ConfigurationError, match=f"^repository.{setting}: ") as caught:
        refs.wanted(Repository(**{setting: text}))

    assert bool(caught.value.hint)


TAGS = [
    *("v1.0.0", "v1.2.0", "1.3", "v1.4.9", "v1.10.0", "v2.0.0-rc.1", "v2.0.0-rc.2", "v2.0.0"),
    *(
        "v3.0.0-alpha",
        "v0.9",
        "release",
        "nightly-2024",
        "v1.4.9.1",
        "vv1.5.0",
        "v01.9.0",
        "latest",
    ),
]


@pytest.mark.parametrize(
    ("range_", "tag"),
    [
        (">=1.2 <2", "v1.10.0"),
        (">= 1.2, < 2", "v1.10.0"),
        (">=v1.2 <v1.4", "1.3"),
        ("~1.4", "v1.4.9"),
        ("^1.0", "v1.10.0"),
        ("^0.9", "v0.9"),
        ("1.x", "v1.10.0"),
        ("*", "v2.0.0"),
        ("v1.2", "v1.2.0"),
        ("1.0 - 1.3", "1.3"),
        ("~1.2 || ~1.4", "v1.4.9"),
        (">=2.0.0-rc.1 <2.0.0", "v2.0.0-rc.2"),
        ("2.0.0-rc.1", "v2.0.0-rc.1"),
        (">=3.0.0-0", "v3.0.0-alpha"),
        ("<2.0.0", "v1.10.0"),
        (">2", None),
        ("~1.5", None),
    ],
)
def test_the_highest_tag_in_the_range_is_meant(range_, tag):
    """Ten is more than four; what is no version is passed over, pre-releases unless asked for."""
    found = Highest(range_).of(f"refs/tags/{name}" for name in TAGS)

    assert found == (f"refs/tags/{tag}" if tag else None)


@given(st.permutations(["v1.0.0", "1.0.0", "v1.0.0+b", "v1.0.0+a", "v1.0", "v1"]))
def test_the_order_in_which_tags_are_told_decides_nothing(names):
    """Tags of one version: the names settle it, the same on every replica."""
    assert Highest("1.x").of(f"refs/tags/{name}" for name in names) == "refs/tags/v1.0.0+b"


@given(st.lists(st.text()), st.text())
def test_any_names_of_tags_and_any_range_have_an_answer(names, range_):
    """A stranger chose the names; a range is right, or refused."""
    try:
        meant = refs.wanted(Repository(semver=range_))
    except ConfigurationError:
        meant = Highest("*")
    tags = [f"refs/tags/{name}" for name in names]

    assert meant.of(tags) in {None, *tags}


@pytest.mark.parametrize(
    "tag",
    ["1." + "9" * 100_000, "1.2.3-" + "a." * 50_000, "v" * 100_000, "1.2.3-" + "-" * 150 + "!"],
)
def test_a_huge_tag_is_no_version(tag):
    assert refs.version_of(tag) is None


def test_a_hint_names_the_highest_versions_first():
    told = refs.some(f"refs/tags/{name}" for name in [*TAGS, "bad\x1b[31m"])

    assert told == "v3.0.0-alpha, v2.0.0, v2.0.0-rc.2, v2.0.0-rc.1, v1.10.0, …"
