"""Text from outside cannot harm who reads it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitsource.observe.neutral import neutral, neutral_lines, without_credentials


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain ünïcode ✓", "plain ünïcode ✓"),
        ("\x1b[2J\x1b]0;title\x07", "\\x1b[2J\\x1b]0;title\\x07"),
        ("one\ntwo\r\n", "one\\ntwo\\r\\n"),
        ("\x9b31m", "\\x9b31m"),
        ("abc\u202egpj.yaml", "abc\\u202egpj.yaml"),
        ("a\u2028b\u200bc\ufeff", "a\\u2028b\\u200bc\\ufeff"),
        ("pass\u00adword \U000e0041", "pass\\xadword \\U000e0041"),
        ("\udcff", "\\udcff"),
    ],
)
def test_harmful_characters_are_written_as_escapes(text, expected):
    assert neutral(text) == expected


@given(st.text())
def test_what_comes_out_is_one_line_that_any_terminal_takes(text):
    shown = neutral(text)

    shown.encode()
    assert shown.splitlines() in ([], [shown])
    assert "\x1b" not in shown


def test_a_traceback_keeps_its_lines():
    assert neutral_lines("a\n\x1bb") == "a\n\\x1bb"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("cannot reach https://user:pa55@git.example/m.git", "cannot reach https://***@git.example/m.git"),
        ("https://t0ken@git.example", "https://***@git.example"),
        ("ssh://git@git.example/m.git", "ssh://git@git.example/m.git"),
        ("ssh://git:pa55@git.example/m.git", "ssh://***@git.example/m.git"),
        ("HTTPS://a:b@x and http://c:d@y", "HTTPS://***@x and http://***@y"),
        ("https://user:p@ss@git.example/", "https://***@git.example/"),
        ("https://git.example/a@b", "https://git.example/a@b"),
        ("mail to ada@example.org", "mail to ada@example.org"),
    ],
)  # fmt: skip
def test_credentials_are_cut_out_of_urls(text, expected):
    assert without_credentials(text) == expected
