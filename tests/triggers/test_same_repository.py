"""Which addresses are one repository."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitsource.triggers.same_repository import foreign, key


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("https://github.com/Mesh/Config.git", "git@github.com:mesh/config.git"),
        ("https://github.com/mesh/config/", "ssh://git@ssh.github.com:443/mesh/config.git"),
        ("https://user:word@git.example.com/a/b", "http://git.example.com:8080/a/b.git"),
        ("https://git.example.com/scm/mesh/a.git", "ssh://git@git.example.com:7999/mesh/a.git"),
        ("git@ssh.dev.azure.com:v3/org/proj/repo", "https://org@dev.azure.com/org/proj/_git/repo"),
        ("https://dev.azure.com/org/_git/same", "https://dev.azure.com/org/same/_git/same"),
        ("https://org.visualstudio.com/p/_git/r", "https://dev.azure.com/org/p/_git/r"),
        ("https://dev.azure.com/org/a%20b/_git/r", "git@ssh.dev.azure.com:v3/org/a%20b/r"),
        ("https://git.example.com./a//b", "https://git.example.com/a/b"),
        ("ssh://git@[2001:db8::1]:22/a/b", "https://[2001:db8::1]/a/b"),
    ],
)
def test_forms_of_one_address_are_the_same(one, other):
    assert key(one) == key(other)
    assert foreign([one], [other]) is False


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("https://github.com/mesh/config", "https://gitlab.com/mesh/config"),
        ("https://github.com/mesh/config", "https://github.com/mesh/config2"),
        ("https://github.com/mesh/config", "https://github.com/x/mesh/config"),
        ("https://dev.azure.com/org/p/_git/r", "https://dev.azure.com/org/q/_git/r"),
        ("https://evil.example/github.com/mesh/config", "https://github.com/mesh/config"),
        ("https://github.com@evil.example/mesh/config", "https://github.com/mesh/config"),
    ],
)
def test_other_addresses_are_not(one, other):
    assert key(one) != key(other)
    assert foreign([one], [other]) is True


@pytest.mark.parametrize(
    ("told", "configured"),
    [
        ([], ["https://github.com/a/b"]),
        (["https://github.com/a/b"], ["file:///srv/mesh.git"]),
        (["https://github.com/a/b"], ["/srv/mesh.git"]),
        (["://"], ["https://github.com/a/b"]),
        (["a/b"], ["https://github.com/group/a/b"]),
        (["https://x/c", "git@github.com:a/b"], ["https://github.com/a/b"]),
        (["https://x/c"], ["https://github.com/a/b", "https://x/c.git"]),
    ],
)
def test_where_nothing_contradicts_nothing_is_foreign(told, configured):
    assert foreign(told, configured) is False


@given(st.text(), st.text())
def test_no_text_whatsoever_upsets_the_comparison(one, other):
    assert foreign([one], [other]) in (True, False)
    assert foreign([one], [one]) is False
