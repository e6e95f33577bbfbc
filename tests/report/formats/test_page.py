"""What a page of a dry-run is to readers of every kind."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest

from gitsource.admin import page as status_page
from gitsource.report.formats import page
from report_expected import CLEAN, EMPTY, RICH, report
from report_readers import OF_A_PAGE, read_html

PAIRS = [
    *((ink, "paper") for ink in ("ink", "quiet", "good", "bad", "doubt", "link")),
    *(("ink", paper) for paper in ("good-bg", "bad-bg", "doubt-bg")),
]


def luminance(colour: str) -> float:
    digits = colour if len(colour) == 6 else "".join(c * 2 for c in colour)
    parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("style", [page.STYLE, status_page.STYLE], ids=["dry-run", "status"])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_every_text_stands_out_from_its_ground(style: str, *, dark: bool) -> None:
    """By the formula of WCAG 2, 4.5 to 1 at least: level AA."""
    light, _, rest = style.partition("@media (prefers-color-scheme: dark)")
    told = dict(re.findall(r"--([a-z-]+): #([0-9a-f]{3,6})", rest if dark else light))

    for ink, paper in PAIRS:
        high, low = sorted((luminance(told[ink]), luminance(told[paper])), reverse=True)
        assert (high + 0.05) / (low + 0.05) >= 4.5, (ink, paper)


def test_a_page_can_be_read_aloud() -> None:
    """It has a language, one title, headings in order, and tables whose columns are named."""
    told = report("html", RICH, show_old=True)
    read = read_html(told, OF_A_PAGE)
    levels = [int(level) for level in re.findall(r"<h([1-6])", told)]
    named = re.findall(r'href="#([^"]+)"', told)

    assert ("html", "lang", "en") in read.attributes
    assert 1 == told.count("<title>") == levels.count(1) == told.count("<main>")
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert told.count("<th ") == told.count('scope="col"') > 0
    assert named == re.findall(r'<section id="([^"]+)"', told)


def test_colour_is_never_all_there_is() -> None:
    """Each line of a difference begins with its sign, and each change says what it is."""
    told = report("html", RICH)

    for kind, sign in (("in", "+"), ("out", "-"), ("moved", "!")):
        shown = re.findall(rf'<span class="{kind}">(.)', told)
        assert {sign} == {*shown}
    for words in ("+ added", "~ changed", "&gt; renamed", "- removed"):
        assert words in told


@pytest.mark.parametrize("planned", [RICH, CLEAN, EMPTY], ids=["rich", "clean", "empty"])
def test_a_page_asks_for_nothing(planned) -> None:
    told = report("html", planned)

    assert not re.search(r"<(script|img|link|iframe|object|form|base)\b|url\(|@import", told)
    assert "default-src 'none'; style-src 'sha256-" in told


def test_differences_of_few_resources_are_unfolded_and_of_many_are_not() -> None:
    from test_limits import many

    assert "<details open>" in report("html", many(3))
    assert "<details open>" not in report("html", many(30))
