"""What is installed because of what: names, extras and markers; and under which licence."""

from __future__ import annotations

import sys
from importlib.metadata import PathDistribution
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "supply"))

from closure import MissingError, closure, needed  # noqa: E402 - a script beside the package
from licences import expression  # noqa: E402


@pytest.mark.parametrize(
    ("extras", "expected"),
    [
        (set(), [("b-c", {"x", "y"}), ("plain", set())]),
        ({"more"}, [("b-c", {"x", "y"}), ("plain", set()), ("more", set())]),
    ],
)
def test_what_is_needed_depends_on_markers_and_extras(extras, expected):
    lines = [
        "B.c[x,y]>=1",
        "plain; python_version >= '3'",
        "old; python_version < '3'",
        "more; extra == 'more'",
        "other; extra == 'other'",
    ]

    assert expected == [(name, set(asked)) for name, asked in needed(lines, extras)]


@pytest.mark.parametrize(
    "asked", [["PyJWT[crypto]"], ["PyJWT", "PyJWT[crypto]"], ["PyJWT[crypto]", "PyJWT"]]
)
def test_an_extra_that_anybody_asks_for_counts_with_all_that_it_needs(asked):
    found = closure(asked)

    assert {"pyjwt", "cryptography", "cffi"} <= found.keys()
    assert "cryptography" in found["pyjwt"].needs


def test_an_extra_that_nobody_asks_for_does_not():
    assert ["pyjwt"] == list(closure(["PyJWT"]))


def test_all_that_is_declared_and_not_installed_is_told_at_once():
    with pytest.raises(MissingError, match="declared and not installed: nobodys-a, nobodys-b"):
        closure(["packaging", "nobodys.b", "nobodys-a"])


@pytest.mark.parametrize(
    ("metadata", "known", "expected"),
    [
        ("License-Expression: MIT", {"one": "Apache-2.0"}, "MIT"),
        ("License: BSD, somehow", {"one": "BSD-3-Clause"}, "BSD-3-Clause"),
        ("License: BSD, somehow", {"other": "BSD-3-Clause"}, ""),
        ("License:  Apache 2.0 ", {}, "Apache-2.0"),
        ("Summary: of no licence", {}, ""),
    ],
)
def test_a_licence_is_what_the_package_says_or_what_was_looked_up(
    tmp_path, metadata, known, expected
):
    (tmp_path / "METADATA").write_text(f"Metadata-Version: 2.4\nName: one\n{metadata}\n")

    assert expected == expression("one", PathDistribution(tmp_path), known)
