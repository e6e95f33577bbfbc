"""Which row of `credentials` an address uses, and which rows are refused."""

from __future__ import annotations

import pytest

from gitsource.credential_rows import chosen, credential_faults
from gitsource.settings.following import CredentialRow, GitHubApp
from gitsource.settings.units import FilePath

FILE = FilePath("secret")


def rows(*prefixes: str) -> list[CredentialRow]:
    return [CredentialRow(prefix=one) for one in prefixes]


@pytest.mark.parametrize(
    ("prefix", "url"),
    [
        ("https://git.example.com", "https://git.example.com/acme/mesh.git"),
        ("https://git.example.com/", "https://git.example.com/acme/mesh.git"),
        ("https://git.example.com/acme", "https://git.example.com/acme/mesh.git"),
        ("https://git.example.com/acme/", "https://git.example.com/acme/mesh.git"),
        ("HTTPS://Git.Example.com:443/acme", "https://git.example.com/acme"),
        ("https://git.example.com./acme", "https://git.example.com/acme"),
        ("https://[::1]:8443", "https://[::1]:8443/x"),
        ("ssh://git.example.com", "ssh://git@git.example.com/acme"),
        ("ssh://git@git.example.com", "git@git.example.com:acme/mesh.git"),
        ("git@git.example.com:acme", "ssh://git@git.example.com:22/acme/mesh.git"),
    ],
)
def test_a_prefix_fits_whole_parts_of_an_address(prefix, url):
    """However scheme, host and default port are written."""
    (row,) = rows(prefix)

    assert row == chosen([row], url)


@pytest.mark.parametrize(
    ("prefix", "url"),
    [
        ("https://git.example.com", "https://git.example.com.evil.org/acme"),
        ("https://git.example.com", "http://git.example.com/acme"),
        ("https://git.example.com", "https://git.example.com:8443/acme"),
        ("https://git.example.com/acme", "https://git.example.com/acme-evil/mesh"),
        ("https://git.example.com/acme", "https://git.example.com/Acme/mesh"),
        ("https://git.example.com/acme/mesh", "https://git.example.com/acme"),
        ("ssh://ada@git.example.com", "ssh://git@git.example.com/acme"),
        ("ssh://git.example.com", "https://git.example.com/acme"),
        ("https://git.example.com", "/srv/git.example.com"),
    ],
)
def test_a_secret_is_not_for_an_address_that_only_looks_alike(prefix, url):
    """A host that ends otherwise, a path that goes on, another port or plain text."""
    assert chosen(rows(prefix), url) is None


def test_the_longest_prefix_that_fits_is_used():
    """In whichever order they are written; a user makes one longer."""
    https = rows("https://h/a/b", "https://h", "https://h/a", "https://h/a/c")
    ssh = rows("ssh://h/a", "ssh://git@h/a")

    assert "https://h/a/b" == chosen(https, "https://h/a/b/x").prefix
    assert "https://h/a" == chosen(https, "https://h/a/x").prefix
    assert "https://h" == chosen(https, "https://h/x").prefix
    assert "ssh://git@h/a" == chosen(ssh, "git@h:a/b").prefix


@pytest.mark.parametrize(
    "row",
    [
        CredentialRow("https://h", ca=FILE),
        CredentialRow("https://h", username="u", password_file=FILE),
        CredentialRow("https://h", username="u", password_env="TOKEN"),
        CredentialRow("https://h", token_env="TOKEN", proxy="socks5h://proxy:1080"),
        CredentialRow("https://h", github_app=GitHubApp(1, 2, FILE)),
        CredentialRow("https://h", client_cert=FILE, client_key=FILE),
        CredentialRow("git@h:", known_hosts=FILE),
        CredentialRow("ssh://h", ssh_key=FILE, ssh_passphrase_file=FILE, known_hosts=FILE),
    ],
)
def test_rows_that_make_sense_are_accepted(row):
    """One for each kind of credentials."""
    assert list(credential_faults([row])) == []


@pytest.mark.parametrize(
    ("row", "key", "words"),
    [
        (CredentialRow(), "", "expected prefix"),
        (CredentialRow("h/acme"), "prefix", "expected prefix"),
        (CredentialRow("file:///srv"), "prefix", "expected prefix"),
        (CredentialRow("https://ada:hunter2@h"), "prefix", "without user or password"),
        (CredentialRow("https://ada@h"), "prefix", "without user or password"),
        (CredentialRow("https://h:99999"), "prefix", "expected prefix"),
        (CredentialRow("ssh://h"), "", "expected known_hosts"),
        (CredentialRow("ssh://h", known_hosts=FILE, token_file=FILE), "token_file", "nothing"),
        (CredentialRow("ssh://h", known_hosts=FILE, proxy="http://p:1"), "proxy", "nothing"),
        (CredentialRow("ssh://h", known_hosts=FILE, ssh_passphrase_file=FILE),
         "ssh_passphrase_file", "needs ssh_key"),
        (CredentialRow("https://h", ssh_key=FILE), "ssh_key", "nothing"),
        (CredentialRow("https://h", username="u"), "username", "belong together"),
        (CredentialRow("https://h", password_file=FILE), "password_file", "belong together"),
        (CredentialRow("https://h", username="u:x", password_file=FILE), "username", "colon"),
        (CredentialRow("https://h", username="u", password_file=FILE, password_env="A"),
         "password_env", "one way"),
        (CredentialRow("https://h", username="u", password_file=FILE, token_file=FILE),
         "token_file", "one way"),
        (CredentialRow("https://h", token_env="ghp_not-a-name"), "token_env", "the name of"),
        (CredentialRow("https://h", github_app=GitHubApp(1)), "github_app", "installation_id"),
        (CredentialRow("https://h", github_app=GitHubApp(1, 2, FILE, "http://api")),
         "github_app", "https://"),
        (CredentialRow("https://h", client_key=FILE), "client_key", "client_cert"),
        (CredentialRow("https://h", proxy="ftp://p:1"), "proxy", "socks5"),
        (CredentialRow("https://h", proxy="http://u:hunter2@p:1"), "proxy", "credentials_file"),
        (CredentialRow("https://h", proxy_credentials_file=FILE), "proxy_credentials_file",
         "needs proxy"),
    ],
)  # fmt: skip
def test_a_row_that_makes_no_sense_is_refused(row, key, words):
    """At its key, and without repeating what may be a secret."""
    ((_, where, text),) = credential_faults([row])

    assert (where, words in text, "hunter2" in text, "ghp_" in text) == (key, True, False, False)


def test_a_prefix_may_be_given_once():
    """Written in another way it is the same."""
    ((index, key, _),) = credential_faults(
        [CredentialRow("https://h/a", ca=FILE), CredentialRow("https://H:443/a/", ca=FILE)]
    )

    assert (index, key) == (1, "prefix")
