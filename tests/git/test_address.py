"""What may be fetched from and followed, and what is refused before any process starts."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gitsource.errors import ConfigurationError
from gitsource.git.address import address, full_ref, is_ref_name, spec

HOSTILE = Path(__file__).parent / "hostile"


def lines(name: str) -> list[str]:
    """Return the cases of a file, escapes decoded."""
    raw = (HOSTILE / name).read_text(encoding="utf-8").splitlines()
    return [line.encode().decode("unicode_escape") for line in raw if not line.startswith("# ")]


@pytest.mark.parametrize("text", lines("addresses.txt"))
def test_hostile_addresses_are_refused(text):
    """Helpers, other schemes, options and tricks with case, NUL and escapes."""
    with pytest.raises(ConfigurationError) as caught:
        address(text)

    assert "ssh://" in caught.value.hint


@pytest.mark.parametrize(
    "text",
    [
        "https://h/x?token=CANARY",
        "https://h/x#CANARY",
        "https://u:CANARY/pw@h/x",
        "https://u:pw@CANARY@h:x/x",
        "u:CANARY@h:x\n",
        "ftp://u:CANARY@h/x",
        "https://h:99999/x?sig=CANARY",
    ],
)
def test_an_address_that_is_refused_is_shown_without_its_secrets(text):
    with pytest.raises(ConfigurationError) as caught:
        address(text)

    assert "CANARY" not in str(caught.value)
    assert "h" in str(caught.value)


@pytest.mark.parametrize("text", lines("refs.txt"))
def test_hostile_refs_are_refused(text):
    """What git check-ref-format refuses, and whatever else could be an option or a range."""
    with pytest.raises(ConfigurationError):
        full_ref(text)


@pytest.mark.parametrize(
    ("text", "url", "scheme"),
    [
        ("/srv/mesh.git", "file:///srv/mesh.git", "file"),
        ("/srv/100%.git", "file:///srv/100%25.git", "file"),
        ("file:///srv/a%20b.git", "file:///srv/a b.git", "file"),
        ("https://example.org/mesh.git", "https://example.org/mesh.git", "https"),
        ("https://example.org", "https://example.org/", "https"),
        ("http://127.0.0.1:8080/a/b", "http://127.0.0.1:8080/a/b", "http"),
        ("https://[::1]:8443/a", "https://[::1]:8443/a", "https"),
        ("https://example.org/~ada/x.git", "https://example.org/~ada/x.git", "https"),
        ("ssh://git@example.org:2222/a.git", "ssh://git@example.org:2222/a.git", "ssh"),
        ("ssh://example.org/~/a.git", "ssh://example.org/~/a.git", "ssh"),
        ("git@example.org:team/mesh.git", "git@example.org:team/mesh.git", "ssh"),
    ],
)
def test_ordinary_addresses_are_taken(text, url, scheme):
    """The four schemes, the short ssh form, and folders of this machine."""
    taken = address(text)

    assert (taken.url, taken.scheme) == (url, scheme)


def test_a_local_address_knows_its_folder():
    """Escapes are undone, since the folder is looked for on disk."""
    taken = address("file:///srv/a%20b%25.git")

    assert (taken.local, taken.url) == (Path("/srv/a b%.git"), "file:///srv/a b%25.git")


def test_credentials_leave_the_url():
    """An argv can be read by every user of the machine, so no secret may get into one."""
    taken = address("https://ada:p%40ss@example.org/x.git")

    assert (taken.url, taken.username, taken.password) == (
        "https://example.org/x.git",
        "ada",
        "p@ss",
    )
    assert ("p@ss" in repr(taken), "ada" in repr(taken)) == (False, False)


@pytest.mark.parametrize(
    ("text", "host", "port", "origin"),
    [
        ("https://ada:x@example.org/x.git", "example.org", 443, "https://example.org"),
        ("http://[::1]:8080/x.git", "::1", 8080, "http://[::1]:8080"),
        ("ssh://git@example.org:2222/x", "example.org", 2222, "ssh://git@example.org:2222"),
        ("git@example.org:x", "example.org", 22, "git@example.org:x"),
        ("/srv/x", "", 0, "file://"),
    ],
)
def test_an_address_knows_whom_it_leads_to(text, host, port, origin):
    """What a secret is tied to, and what known_hosts has a key for."""
    taken = address(text)

    assert (taken.host, taken.port, taken.origin) == (host, port, origin)


def test_a_refused_address_does_not_show_its_password():
    """Error messages end up in logs."""
    with pytest.raises(ConfigurationError) as caught:
        address("https://ada:hunter2@example.org/x?y")

    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "ref"),
    [
        ("main", "refs/heads/main"),
        ("feature/a-b", "refs/heads/feature/a-b"),
        ("refs/tags/v1.0", "refs/tags/v1.0"),
        ("HEAD", "HEAD"),
        ("größe", "refs/heads/größe"),
    ],
)
def test_a_ref_gets_its_full_name(text, ref):
    """A short name is a branch."""
    assert full_ref(text) == ref


ODD = st.sampled_from("ab/.-@{}~^:?*[\\ \x01\x7fé") | st.characters(codec="utf-8")


@settings(max_examples=150, deadline=None)
@given(st.text(ODD, max_size=12))
@example("a.lock/b")
@example("a/.lock")
def test_full_ref_names_are_judged_as_git_does(text):
    """`git check-ref-format` is the reference."""
    if "\0" in text:
        return
    name = f"refs/heads/{text}"
    theirs = subprocess.run(["git", "check-ref-format", name], check=False).returncode == 0

    assert is_ref_name(name) == theirs


@pytest.mark.parametrize(
    ("text", "base", "steps"),
    [
        ("HEAD", "HEAD", ""),
        ("@", "HEAD", ""),
        ("@~2", "HEAD", "~2"),
        ("main~2^", "main", "~2^"),
        ("0123abc", "0123abc", ""),
        ("origin/main", "origin/main", ""),
        ("v1.0^2~3", "v1.0", "^2~3"),
    ],
)
def test_a_revision_is_a_base_and_steps_back(text, base, steps):
    """That is all an operator needs."""
    found = spec(text)

    assert (found.base, found.steps) == (base, steps)


@pytest.mark.parametrize(
    "text",
    ["", "-x", "--all", "a..b", "HEAD^{/x}", "HEAD^{tree}", ":/x", "main:file", "@{-1}", "~1",
     "a\nb", "a b", "x" * 2000, "HEAD" + "^" * 200, "HEAD~123456", "HEAD~1\n"],
)  # fmt: skip
def test_other_ways_to_name_revisions_are_refused(text):
    """Searches, paths and reflogs could name anything; a line end would be a second question."""
    with pytest.raises(ConfigurationError):
        spec(text)
