"""Values as messages quote them."""

import pytest

from gitsource.model import SHOWN, shown


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("text", "'text'"),
        ("", "''"),
        ("a\nb\x1b[2J", r"'a\nb\x1b[2J'"),
        ("\u202eevil", r"'\u202eevil'"),
        ("\ud800", r"'\ud800'"),
        ("h\u00e9", "'h\u00e9'"),
        (None, "null"),
        (True, "true"),
        (False, "false"),
        (80, "80"),
        (80.5, "80.5"),
        (10**400, "a number of 1329 bits"),
        ([1, 2], "a list of 2"),
        ({}, "a mapping ()"),
        ({"a": 1, "b": 2, "c": 3, "d": 4}, "a mapping ('a', 'b', 'c', …)"),
    ],
)
def test_a_value_is_quoted_as_it_was_written(value, expected):
    assert shown(value) == expected


def test_a_long_text_is_cut():
    assert shown("x" * 1000) == f"'{'x' * (SHOWN - 1)}…'"
