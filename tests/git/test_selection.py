"""Which paths count by include and ignore: read as git reads its own, in linear time."""

from __future__ import annotations

import subprocess

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from gitsource.errors import ConfigurationError
from gitsource.git.selection import Patterns, Selection, selection, why_ignored
from gitsource.settings.following import Repository
from repositories import clean_environment, run_git

# Few letters, so that patterns and paths meet.
PIECES = [
    *"ab-",
    "*",
    "?",
    "**",
    "/",
    "/**/",
    "[ab]",
    "[!a]",
    "[^b]",
    "[a-b]",
    "[*-b]",
    "\\*",
    "\\a",
]
PIECES += ["[[:alpha:]]", "[![:punct:]]", "[]a]", "[]-b]", "[\\]a]", " ", "\\ ", "!", "#", "é", "."]
PATTERN = st.lists(st.sampled_from(PIECES), min_size=1, max_size=7).map("".join)
NAME = st.lists(st.sampled_from([*"ab-*] !#.", "é"]), min_size=1, max_size=4).map("".join)
PATH = st.lists(NAME.filter(lambda name: name.strip(". ") != ""), min_size=1, max_size=4).map(
    "/".join
)


@pytest.fixture(scope="module")
def empty(tmp_path_factory):
    """Return the folder of an empty repository."""
    folder = tmp_path_factory.mktemp("empty")
    run_git(folder, "init", "-q")
    return folder


def ignored_by_git(folder, patterns: list[str], paths: list[str]) -> set[str]:
    """Return which of *paths* git ignores by *patterns*."""
    (folder / ".git" / "info" / "exclude").write_bytes("\n".join(patterns).encode() + b"\n")
    done = subprocess.run(
        ["git", "check-ignore", "--no-index", "-z", "--stdin"],
        cwd=folder,
        input=b"\0".join(path.encode() for path in paths),
        env=clean_environment(),
        capture_output=True,
        check=False,
    )
    assert done.returncode in {0, 1}, done.stderr
    return {raw.decode() for raw in done.stdout.split(b"\0") if raw}


def readable(pattern: str) -> bool:
    """Tell whether *pattern* is one: git lets some be that can never match."""
    try:
        Patterns([pattern], "x")
    except ConfigurationError:
        return False
    return True


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(PATTERN.filter(readable), max_size=4), st.lists(PATH, min_size=1, max_size=12))
@example(["a", "!a/b"], ["a/b", "a", "b/a/b"])
@example(["/a/**", "!/a/b"], ["a/b", "a/b/a", "a"])
@example(["*", "!*/", "!*.b"], ["a.b", "a/a.b", "a/a"])
@example(["a/"], ["a", "a/b", "b/a/b"])
@example(["**/a"], ["a", "b/a", "b/a/b"])
@example(["a/**/b"], ["a/b", "a/a/b", "a/a/a/b", "ab"])
@example(["[*-b]"], ["-", "a", "b"])
@example(["a**/b", "***/a"], ["aa/b", "a/a/b", "b/a"])
def test_patterns_mean_what_they_mean_to_git(empty, patterns, paths):
    """All of gitignore's words, in any order, on any paths."""
    ours = Patterns(patterns, "x")

    expected = ignored_by_git(empty, patterns, paths)
    assert expected == {path for path in paths if ours.match(path) is not None}


@pytest.mark.parametrize(
    "pattern",
    [
        "[a",
        "[",
        "[!",
        "a\\",
        "[a\\",
        "[z-a]",
        "[[:nope:]]",
        "/",
        "//"[:1],
        "!",
        "!/",
        "a\nb",
        "a\0b",
    ],
)
def test_a_pattern_that_can_never_match_is_refused(pattern):
    """Git passes over it, and its author believes that something is left out."""
    with pytest.raises(ConfigurationError, match=r"^repository\.ignore: "):
        Selection((), [pattern])


def test_patterns_are_few_and_short():
    with pytest.raises(ConfigurationError, match="201 patterns are more than 200"):
        Patterns(["a"] * 201, "repository.ignore")
    with pytest.raises(ConfigurationError, match="at most 300 bytes"):
        Patterns(["é" * 151], "repository.ignore")


def test_no_path_keeps_the_patterns_busy():
    """An engine that backtracks would not be through with the first in the age of the universe."""
    hard = Patterns(["*a" * 30 + "b", "**/a/" * 20 + "x", "[ab]*" * 20 + "c"], "x")

    assert hard.match("a" * 4000) is None
    assert hard.match("/".join("a" * 1300)) is None
    assert Patterns(["*"], "x").match("a/" * 100_000) is None  # refused by its length, elsewhere


def test_a_name_that_is_not_utf8_is_matched_as_bytes():
    found = Patterns(["vendor/", "caf?.yaml"], "x")

    assert found.match("vendor/\udce9.yaml") == "vendor/"
    assert found.match("caf\udce9.yaml") == "caf?.yaml"


def test_what_is_included_may_still_be_ignored():
    chosen = Selection(["mesh/", "*.json"], ["*-draft.yaml"])
    paths = ["mesh/a.yaml", "mesh/a-draft.yaml", "docs/a.yaml", "docs/a.json"]

    assert [chosen.takes(path) for path in paths] == [True, False, False, True]


def test_why_nothing_is_read_at_a_path_is_told():
    repository = Repository(path="mesh", include=("/mesh/*/",), ignore=("old/", "*.draft.*"))
    paths = ["docs/a.yaml", "mesh/x/a.txt", "mesh/a.yaml", "mesh/x/old/a.yaml", "mesh/x/a.yaml"]

    assert [why_ignored(path, repository) for path in paths] == [
        "it is outside of repository.path (mesh)",
        "its name does not end in .yaml, .yml, .json",
        "no pattern of repository.include takes it",
        "repository.ignore has old/",
        "",
    ]


def test_without_patterns_there_is_nothing_to_ask():
    assert selection(Repository()) is None
