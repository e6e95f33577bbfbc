"""What is wrong with the sinks' door is on the status and on its page, in words and harmless."""

from datetime import UTC, datetime

from gitsource.admin.page import render
from gitsource.cli import status_text

NOW = datetime(2026, 1, 1, tzinfo=UTC)
STATUS = {
    "revision": "a" * 40,
    "door": {"insecure": "sinks are served in plaintext", "alarms": ["tls.key (<k>) does not fit"]},
}


def test_the_text_names_each_alarm_and_plaintext():
    told = status_text.status(STATUS, NOW)

    assert "sinks are served in plaintext" in told
    assert "tls.key (<k>) does not fit" in told


def test_so_does_the_page():
    told = render(STATUS)

    assert "sinks are served in plaintext" in told
    assert "tls.key (&lt;k&gt;) does not fit" in told


def test_a_door_without_alarms_is_not_mentioned():
    quiet = STATUS | {"door": {"insecure": None, "alarms": []}}

    assert "door" not in status_text.status(quiet, NOW)
    assert "door" not in render(quiet)
