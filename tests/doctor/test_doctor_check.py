"""What probes found becomes a verdict with a next step."""

from __future__ import annotations

import pytest

from gitsource.doctor.check import (
    LITTLE_SPACE,
    NO_SPACE,
    Certificate,
    Check,
    Folder,
    Port,
    certificate,
    folder,
    newest_commit,
    ports,
    skew,
    worst,
)

DAY = 86_400.0
GOOD = Folder("/s", exists=True, owner=7, ours=7, mode=0o700, writable=True, free=1 << 40)


@pytest.mark.parametrize(
    ("shown", "state", "words"),
    [
        (Certificate("git", "CA", 90 * DAY), "ok", "git, by CA, 90 days left"),
        (Certificate("git", "CA", 20 * DAY), "warning", "20 days left"),
        (Certificate(problem="certificate has expired"), "failed", "expired"),
        (Certificate(problem="self-signed certificate"), "failed", "self-signed"),
    ],
)
def test_a_certificate_has_to_count_and_to_last(shown, state, words):
    told = certificate("git.example.com", shown, 0.0, "ca.pem")

    assert state == told.state
    assert words in told.text
    assert bool(told.hint) == (state != "ok")


@pytest.mark.parametrize(
    ("found", "state", "words"),
    [
        (GOOD, "ok", "free"),
        (Folder("/s", exists=False, writable=True), "ok", "serve makes it"),
        (Folder("/s", exists=False), "failed", "none can be made"),
        (Folder("/s", exists=True, owner=0, ours=7), "failed", "belongs to user 0"),
        (Folder("/s", exists=True, owner=7, ours=7, mode=0o700), "failed", "cannot be written"),
        (
            Folder("/s", exists=True, owner=7, ours=7, writable=True, free=NO_SPACE - 1),
            "failed",
            "32.0 MiB free",
        ),
        (
            Folder("/s", exists=True, owner=7, ours=7, writable=True, free=LITTLE_SPACE - 1),
            "warning",
            "too little",
        ),
        (
            Folder("/s", exists=True, owner=7, ours=7, writable=True, free=1 << 30, mirror=2 << 30),
            "warning",
            "too little to fetch it anew",
        ),
        (
            Folder("/s", exists=True, owner=7, ours=7, mode=0o755, writable=True, free=1 << 40),
            "warning",
            "open to others (mode 0755)",
        ),
    ],
)
def test_a_state_directory_has_to_be_ours_and_roomy(found, state, words):
    told = folder(found)

    assert state == told.state
    assert words in told.text
    assert bool(told.hint) == (state != "ok")


@pytest.mark.parametrize(
    ("ours", "state", "words"),
    [
        (1000.0, "ok", "within 30 s of host"),
        (1045.0, "warning", "45 s ahead of host"),
        (0.0, "failed", "1000 s behind host"),
    ],
)
def test_clocks_have_to_agree(ours, state, words):
    told = skew(1000.0, ours, "host")

    assert (state, words) == (told.state, told.text)


def test_a_commit_of_tomorrow_says_that_a_clock_is_wrong():
    assert "warning" == newest_commit(DAY, 0.0).state
    assert "ok" == newest_commit(0.0, DAY).state


def test_a_port_may_be_taken_by_a_gitsource_and_by_nobody_else():
    free = Port("listen.mcp", "127.0.0.1:1")
    ours = Port("listen.admin", "127.0.0.1:2", "in use", taken=True, ours=True)
    taken = Port("webhook.listen", "127.0.0.1:3", "in use", taken=True)

    assert "ok" == ports([free, ours]).state
    assert "is a gitsource" in ports([free, ours]).text
    assert "failed" == ports([free, taken]).state
    assert "webhook.listen 127.0.0.1:3: in use" == ports([free, ours, taken]).text


def test_the_worst_check_is_what_all_come_to():
    good, bad, skipped = (Check("git", state, "") for state in ("ok", "failed", "skipped"))
    doubtful = Check("git", "warning", "")

    assert ["ok", "ok", "warning", "failed"] == [
        worst(found) for found in ([], [good, skipped], [good, doubtful], [doubtful, bad, good])
    ]
