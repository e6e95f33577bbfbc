"""The table of finding codes is complete, ordered and readable."""

import re

import pytest

from gitsource.codes.table import CODES


def test_every_row_is_found_under_its_own_code():
    """A lookup gives the row of that code."""
    codes = [row.code for row in CODES.values()]

    assert list(CODES) == codes


@pytest.mark.parametrize("letters", sorted({code.rstrip("0123456789") for code in CODES}))
def test_the_rows_of_one_kind_read_in_order(letters):
    """Whoever adds a row finds its place."""
    numbers = [int(code.removeprefix(letters)) for code in CODES if code.startswith(letters)]

    assert sorted(numbers) == numbers


def test_codes_of_the_three_stages_that_scripts_rely_on_are_all_there():
    """Codes are public: taking one out breaks somebody's script."""
    expected = (
        {f"GS1{n:02}" for n in range(1, 13)}
        | {f"GS2{n:02}" for n in range(1, 6)}
        | {f"GS3{n:02}" for n in range(1, 11)}
    )

    assert expected <= set(CODES)


@pytest.mark.parametrize("row", CODES.values(), ids=list(CODES))
def test_a_row_reads_as_a_title_and_an_advice(row):
    """Both are shown to people as part of a line: no full stop, no line break."""
    assert re.fullmatch(r"GS[1-9]\d\d|[A-Z]{2,3}-\d{2,3}", row.code)
    assert row.severity in {"error", "warning"}
    for text in (row.title, row.advice):
        assert re.fullmatch(r"\S.*[^.\s]", text)


def test_the_table_cannot_be_changed_by_accident():
    """Judging must not depend on who imported what first."""
    with pytest.raises(TypeError):
        CODES["GS999"] = CODES["GS101"]
