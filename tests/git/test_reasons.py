"""What git, curl and ssh say, told apart: whose turn it is, by the words of several versions."""

from __future__ import annotations

from pathlib import Path

import pytest

from gitsource.errors import AccessRefused, GitFailed, OutOfBounds, RemoteUnreachable
from gitsource.git.address import address
from gitsource.git.reasons import failure
from gitsource.git.verbs import Command

FETCH = Command("fetch", ("fetch",), Path("/m"), remote=address("https://git.example.com/proxy/x"))
ACCESS = "fatal: unable to access 'https://git.example.com/proxy/x/': "


@pytest.mark.parametrize(
    ("said", "kind", "error"),
    [
        (f"{ACCESS}Could not resolve host: git.example.com", "dns", RemoteUnreachable),
        ("ssh: Could not resolve hostname x: Name or service not known", "dns", RemoteUnreachable),
        ("ssh: Could not resolve hostname x: Temporary failure in name resolution", "dns",
         RemoteUnreachable),
        (f"{ACCESS}Failed to connect to git.example.com port 443: Connection refused", "refused",
         RemoteUnreachable),
        (f"{ACCESS}Failed to connect to h port 443 after 0 ms: Couldn't connect to server",
         "refused", RemoteUnreachable),
        ("ssh: connect to host x port 22: Connection refused", "refused", RemoteUnreachable),
        ("ssh: connect to host x port 22: Connection timed out", "", RemoteUnreachable),
        ("ssh: connect to host x port 22: No route to host", "", RemoteUnreachable),
        (f"{ACCESS}server certificate verification failed. CAfile: none CRLfile: none", "tls",
         AccessRefused),
        (f"{ACCESS}SSL certificate problem: unable to get local issuer certificate", "tls",
         AccessRefused),
        (f"{ACCESS}gnutls_handshake() failed: The TLS connection was non-properly terminated.",
         "tls", AccessRefused),
        (f"{ACCESS}OpenSSL/3.0.13: error:0A00010B:SSL routines::wrong version number", "tls",
         AccessRefused),
        (f"{ACCESS}CONNECT tunnel failed, response 407", "proxy", AccessRefused),
        (f"{ACCESS}Received HTTP code 407 from proxy after CONNECT", "proxy", AccessRefused),
        (f"{ACCESS}CONNECT tunnel failed, response 502", "proxy", RemoteUnreachable),
        (f"{ACCESS}Received HTTP code 403 from proxy after CONNECT", "proxy", RemoteUnreachable),
        (f"{ACCESS}Could not resolve proxy: proxy.example.com", "proxy", RemoteUnreachable),
        (f"{ACCESS}User was rejected by the SOCKS5 server (1 1).", "proxy", AccessRefused),
        (f"{ACCESS}Can't complete SOCKS5 connection to 10.0.0.1. (5)", "proxy", RemoteUnreachable),
        ("fatal: Authentication failed for 'https://git.example.com/proxy/x/'", "authentication",
         AccessRefused),
        ("git@x: Permission denied (publickey,password).", "authentication", AccessRefused),
        (f"{ACCESS}The requested URL returned error: 403", "permission", AccessRefused),
        (f"{ACCESS}The requested URL returned error: 302", "redirect", RemoteUnreachable),
        (f"{ACCESS}The requested URL returned error: 404", "repository", RemoteUnreachable),
        ("ERROR: Repository not found.\nfatal: Could not read from remote repository.",
         "repository", RemoteUnreachable),
        (f"{ACCESS}The requested URL returned error: 503", "", RemoteUnreachable),
        ("Host key verification failed.", "host-key", AccessRefused),
    ],
)  # fmt: skip
def test_what_went_wrong_is_told_apart(said, kind, error):
    """Each with a hint, and with the one whose turn it is."""
    found = failure(FETCH, 128, said.encode())

    assert (type(found), kind) == (error, found.kind)
    assert found.hint


def test_what_the_other_side_says_about_itself_decides_nothing():
    """A host could else have an operator look for a mistake in the wrong place."""
    said = b"remote: Host key verification failed. Authentication failed, proxy\nfatal: early EOF"
    found = failure(FETCH, 128, said)

    assert (RemoteUnreachable, "") == (type(found), found.kind)


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("Failed to connect to 10.0.0.1 port 3128 after 0 ms: Couldn't connect", "proxy"),
        ("Failed to connect to 10.0.0.1 port 443 after 0 ms: Couldn't connect", "refused"),
    ],
)
def test_a_proxy_is_known_by_its_address(said, kind):
    """What curl says does not tell one from a host."""
    found = failure(FETCH, 128, f"{ACCESS}{said}".encode(), proxy="10.0.0.1:3128")

    assert kind == found.kind


@pytest.mark.parametrize(
    "said",
    [
        "error: insufficient permission for adding an object to repository database objects",
        "fatal: unable to create temporary file: Permission denied",
        "fatal: write error: No space left on device",
    ],
)
def test_a_mirror_that_cannot_be_written_is_no_fault_of_the_host(said):
    """Its own folder is looked at."""
    found = failure(FETCH, 128, said.encode())

    assert (OutOfBounds, "operator") == (type(found), found.fault)
    assert "state_dir" in found.hint


@pytest.mark.parametrize(
    ("said", "setting"),
    [
        ("error: index-pack died of signal 25\nfatal: index-pack failed", "limits.fetch_bytes"),
        ("fatal: fetch-pack: invalid index-pack output", "limits.fetch_bytes"),
        ("error: cannot create async thread: Resource unavailable", "limits.fetch_memory"),
        ("fatal: fetch-pack: unable to fork off sideband demultiplexer", "limits.fetch_memory"),
        ("fatal: unable to create thread: Resource temporarily unavailable", "limits.fetch_memory"),
        ("fatal: Out of memory, malloc failed (tried to allocate 5 bytes)", "limits.fetch_memory"),
    ],
)  # fmt: skip
def test_a_limit_that_was_met_is_named(said, setting):
    found = failure(FETCH, 128, said.encode())

    assert (OutOfBounds, "operator") == (type(found), found.fault)
    assert setting in found.hint


def test_a_pack_that_is_broken_is_no_matter_of_limits():
    said = b"fatal: pack has bad object at offset 12\nfatal: fetch-pack: invalid index-pack output"
    found = failure(FETCH, 128, said)

    assert (GitFailed, "repository") == (type(found), found.fault)


def test_where_nothing_can_be_told_the_next_step_is():
    found = failure(FETCH, 128, b"error:\n")

    assert "exit code 128" in str(found)
    assert "git ls-remote" in found.hint


def test_what_is_known_better_of_who_is_unknown_is_said():
    said = b"fatal: Authentication failed for 'x'"

    assert "no row fits" == failure(FETCH, 128, said, unknown="no row fits").hint
    assert "redirect" not in failure(FETCH, 128, b"ssh: no", unknown="no row fits").hint
