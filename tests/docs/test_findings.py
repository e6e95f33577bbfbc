"""docs/findings.md against the table of findings."""

from pathlib import Path

from gitsource.report.codes import page

PAGE = Path(__file__).parents[2] / "docs" / "findings.md"


def test_the_page_is_what_the_table_says() -> None:
    """If this fails: python -m gitsource.report.codes > docs/findings.md."""
    assert page() == PAGE.read_text(encoding="utf-8")
