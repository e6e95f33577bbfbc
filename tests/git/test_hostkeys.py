"""How known_hosts files are read and ssh's complaints are explained; ssh-keygen is the judge."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from gitsource.git.hostkeys import Known, explained, fingerprint, host_name, read

KEY = "AAAAC3NzaC1lZDI1NTE5AAAAIPCQIWJBPXQmTNtWB4ihCpEIlBzjXIIoIDTkCQlRTYsB"


def known(line: str) -> Known:
    (one,) = read(line)
    return one


def test_fingerprints_and_hashed_names_are_those_of_ssh_keygen(tmp_path):
    """Computed here, printed there."""
    file = tmp_path / "known_hosts"
    file.write_text(f"git.example.com ssh-ed25519 {KEY}\n[::1]:2222 ssh-ed25519 {KEY}\n")
    told = subprocess.run(
        ["ssh-keygen", "-l", "-f", file], capture_output=True, text=True, check=True
    ).stdout.split()
    subprocess.run(["ssh-keygen", "-H", "-f", file], capture_output=True, check=True)
    first, second = read(file.read_text())

    assert told[1] == first.fingerprint
    assert (first.fits("git.example.com"), first.fits("git.example.org")) == (True, False)
    assert (second.fits("[::1]:2222"), second.fits("::1")) == (True, False)


@pytest.mark.parametrize(
    ("hosts", "name", "fits"),
    [
        ("git.example.com", "git.example.com", True),
        ("Git.Example.com", "git.example.com", True),
        ("*.example.com", "git.example.com", True),
        ("git?.example.com", "git1.example.com", True),
        ("*.example.com,!git.example.com", "git.example.com", False),
        ("a.example.com,git.example.com", "git.example.com", True),
        ("git.example.com", "[git.example.com]:2222", False),
        ("[git.example.com]:2222", "[git.example.com]:2222", True),
        ("[a-z]it.example.com", "git.example.com", False),
        ("|1|bad|bad", "git.example.com", False),
        ("|1|", "git.example.com", False),
    ],
)
def test_a_line_is_about_hosts_as_ssh_reads_it(hosts, name, fits):
    """Patterns, negations, ports."""
    assert fits == known(f"{hosts} ssh-ed25519 {KEY}").fits(name)


@pytest.mark.parametrize(
    "line",
    ["", "#", "host", "host ssh-ed25519", "host ssh-ed25519 not*base64", "@revoked", "h \x1b k"],
)
def test_a_line_without_a_key_is_passed_over(line):
    """As ssh does."""
    assert [] == list(read(line))


@pytest.mark.parametrize(
    ("host", "port", "name"),
    [("Git.example.com", 22, "git.example.com"), ("::1", 2222, "[::1]:2222")],
)
def test_a_host_is_named_as_known_hosts_has_it(host, port, name):
    """A port that is not the usual one is part of the name."""
    assert name == host_name(host, port)


def test_what_a_host_says_cannot_hide_or_forge_a_line():
    """Control characters of a file or a host are made visible."""
    error = explained("host", Path("/k\x1b[2J"), [], "Host key verification failed.", [])

    assert ("\x1b" in str(error), "\x1b" in error.hint) == (False, False)


def test_another_file_than_ours_is_not_quoted():
    """A line number that is told for it says nothing about ours."""
    stderr = (
        f"The fingerprint for the ED25519 key sent by the remote host is\n{fingerprint(KEY)}.\n"
        "Offending ED25519 key in /etc/passwd:1\n"
    )
    error = explained("host", Path("/k"), [known(f"host ssh-rsa {KEY}")], stderr, [])

    assert ("/etc/passwd" in str(error), "/k has ssh-rsa" in str(error)) == (False, True)
