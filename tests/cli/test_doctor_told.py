"""The doctor's table: 80 columns, but what is to be copied stays in one piece."""

from __future__ import annotations

from gitsource.cli.doctor import lines
from gitsource.doctor.check import Check

LINE = f"[git.example.com]:2222 ssh-rsa {'A' * 372}"


def test_a_line_for_known_hosts_can_be_copied():
    hint = f"compare the fingerprint, and only then add to /home/ann/known_hosts the line: {LINE}"

    told = list(lines(Check("host key", "failed", "it is not known", hint), colour=False))

    assert LINE == told[-1]
    assert max(map(len, told[:-1])) <= 80
    assert told[-2].endswith("the line:")


def test_no_hint_drives_the_terminal():
    hint = "add the line: git.example.com ssh-rsa \x1b[2J"

    assert "\x1b" not in "".join(lines(Check("host key", "failed", "no", hint), colour=False))
