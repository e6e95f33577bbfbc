"""The page of a dry-run, in a real browser."""

from __future__ import annotations

from pathlib import Path

import pytest

from browser import look
from hostile_plans import cases, plan_of
from report_expected import RICH, report
from report_readers import OF_A_PAGE, read_html

pytestmark = pytest.mark.browser


def seen(page: str, folder: Path):
    file = folder / "page.html"
    file.write_text(page, encoding="utf-8")
    return look(file.as_uri())


def elements(page: str) -> tuple[list[str], str]:
    """Return what attributes and texts there are, in order."""
    read = read_html(page, OF_A_PAGE)
    return [f"{tag} {name}={value}" for tag, name, value in read.attributes], "".join(
        "".join(text.split()) for tag, text in read.texts if tag != "style"
    )


def test_the_browser_has_the_elements_and_texts_that_were_written(tmp_path: Path) -> None:
    written = report("html", RICH, show_old=True)
    shown = seen(written, tmp_path)

    assert [] == shown.console
    assert elements(written) == elements(shown.dom.replace(' open=""', " open"))


def test_no_hostile_text_becomes_more_than_text_in_the_browser(tmp_path: Path) -> None:
    texts = [text[:200] for text in cases().values()]
    at = iter(range(10**9))
    written = report("html", plan_of(lambda: texts[next(at) % len(texts)]), show_old=True)
    shown = seen(written, tmp_path)

    assert [] == shown.console
    assert elements(written) == elements(shown.dom.replace(' open=""', " open"))


@pytest.mark.parametrize(
    "attack",
    [
        "<script>document.title = 'ow' + 'ned'</script>",
        "<img src='https://example.invalid/pixel.png'>",
        "<img src=x onerror=\"document.title = 'ow' + 'ned'\">",
        "<p style='display:none'>",
    ],
)
def test_the_policy_of_the_page_stops_what_escaping_would_let_through(
    attack: str, tmp_path: Path
) -> None:
    """The second line of defence, tried by tearing a hole into the first."""
    written = report("html", RICH).replace("<main>", f"<main>{attack}")
    shown = seen(written, tmp_path)

    assert "owned" not in shown.dom
    assert "Content Security Policy" in " ".join(shown.console)
