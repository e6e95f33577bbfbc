"""
Every rule of Istio's validator has one place in the house.

The numbers are those of the rules as we know them; docs/findings.md says what each is.
"""

from __future__ import annotations

from collections import Counter

import pytest

from gitsource.codes.apart import APART
from gitsource.codes.examples import right, wrong
from gitsource.codes.table import CODES

NUMBERS = {
    "CMN": "1-14",
    "OTH": "1-5",
    "VS": "1-11 20-31 35-42 45-56 60-65 70-77 80-85 90-92 95-103 110-121 125-131 140-144",
    "DR": "1-10 20-26 30-37 40-46 50-53 60-80 85-89",
    "GW": "1-5 10-11 15-22 25-27 30-42",
    "SE": "1-8 10-17 20 25 30-37 40-46 50-52",
    "WE": "1-8",
    "WG": "1-3 10-16",
    "SC": "1-2 10-17 20 25-32 35-37 40-51 55-63 70-74",
    "EF": "1-10 15-21 25-26 30-34",
    "PC": "1-2",
    "AP": "1-5 10-15 20-27 30-34 40-50",
    "RA": "1-3 10-20",
    "PA": "1-4",
    "TL": "1-3 10-15 20-26 30",
    "WP": "1-3 10-15 20-23 30-31",
    "TE": "1-4 10-11 20-24 30-31",
}


def rules() -> set[str]:
    out = set()
    for family, ranges in NUMBERS.items():
        for told in ranges.split():
            first, _, last = told.partition("-")
            out |= {f"{family}-{n:02}" for n in range(int(first), int(last or first) + 1)}
    return out


def test_there_are_437_rules() -> None:
    assert 437 == len(rules())


def test_each_rule_is_a_finding_or_covered_by_one_or_known_to_judge_no_file() -> None:
    """And by one only: a rule has one place."""
    told = Counter(code for code in CODES if not code.startswith("GS"))
    told.update(rule for row in CODES.values() for rule in row.implements)
    told.update(APART.keys())

    assert set() == rules() - set(told), "rules without a place"
    assert set() == set(told) - rules(), "places without a rule"
    assert [] == [rule for rule, places in told.items() if places > 1]


ELSEWHERE = {
    "GS305": "depends on a setting",
    "GS307": "takes what JSON can hold and YAML cannot",
    "GS311": "is about the schema of a user's collection",
    "GS317": "is about where a file stands: tests/security/authorize",
    "GS318": "takes a file that the settings name: tests/security/authorize",
    "GS320": "takes a collection whose body is a message of the user's, or of Envoy's",
    "VS-91": "takes a body of a megabyte",
    "VS-92": "takes a body of a hundred kilobytes",
}


@pytest.mark.parametrize(
    "code",
    [code for code in CODES if not code.startswith(("GS1", "GS2")) and code not in ELSEWHERE],
)
def test_each_finding_of_a_document_has_a_bad_and_a_good_example(code: str) -> None:
    """`gitsource explain rule` shows them, and test_corpus judges them."""
    bad, good = wrong(code), right(code)

    assert bad is not None
    assert good is not None
    assert bad.text != good.text
