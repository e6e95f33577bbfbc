"""Whatever stands in commits and files, no format lets it do anything."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hostile_plans import cases, plan_of
from report_expected import report
from report_readers import CHECKS

CASES = cases()
TEXTS = st.one_of(
    st.sampled_from([*CASES.values()]).map(lambda text: text[:300]),
    st.text(max_size=30),
    st.text("`~|\\<>[]()!@#*_&;:%{}$\"'\n\r\x1b -=/", max_size=30),
    st.lists(st.sampled_from([*CASES.values()]).map(lambda text: text[:50]), max_size=4).map(
        "".join
    ),
)


@pytest.mark.parametrize("name", CHECKS)
@pytest.mark.parametrize("case", CASES)
def test_a_hostile_text_everywhere_is_only_text(case: str, name: str) -> None:
    CHECKS[name](report(name, plan_of(lambda: CASES[case]), show_old=True))


@pytest.mark.parametrize("name", CHECKS)
@given(data=st.data())
@settings(max_examples=60)
def test_any_text_anywhere_is_only_text(name: str, data: st.DataObject) -> None:
    drawn = data.draw(st.lists(TEXTS, min_size=1, max_size=12))

    CHECKS[name](report(name, plan_of(_cycling(drawn)), show_old=True))


def _cycling(texts: list[str]) -> Callable[[], str]:
    at = -1

    def following() -> str:
        nonlocal at
        at += 1
        return texts[at % len(texts)]

    return following


def test_colours_are_the_only_escapes_of_a_coloured_text() -> None:
    import re

    from report_readers import check_text

    told = report("text", plan_of(lambda: CASES["ansi-clear-and-colour"]), colour=True)

    assert "\x1b[31m" in told
    check_text(re.sub(r"\x1b\[[0-9;]+m", "", told))
