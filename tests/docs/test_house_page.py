"""
docs/architecture.md against the house.

Run as a script (`python tests/docs/test_house_page.py`), this writes the list of layers anew.
"""

from __future__ import annotations

import configparser
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "gitsource"
PAGE = ROOT / "docs" / "architecture.md"
LAYERS = re.compile(r"(<!-- layers -->\n).*?(<!-- /layers -->)", re.DOTALL)


def modules() -> set[str]:
    """Return every module of the package, as the page names it."""
    paths = (path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py"))
    return {str(path) for path in paths if path.name != "__init__.py" and path.parts[0] != "_proto"}


def with_layers(page: str) -> str:
    """Return *page* with the layers as the contract has them."""
    contracts = configparser.ConfigParser()
    contracts.read(ROOT / ".importlinter", encoding="utf-8")
    layers = contracts["importlinter:contract:house"]["layers"].strip()
    return LAYERS.sub(lambda found: f"{found[1]}```text\n{layers}\n```\n{found[2]}", page)


def test_the_page_has_a_paragraph_on_every_module_and_on_no_other() -> None:
    """A paragraph begins with the paths it is about, in bold."""
    named = re.findall(r"\*\*`([a-z_/]+\.py)`\*\*", PAGE.read_text(encoding="utf-8"))

    assert sorted(modules()) == sorted(named)


def test_the_layers_on_the_page_are_those_of_the_contract() -> None:
    page = PAGE.read_text(encoding="utf-8")

    assert with_layers(page) == page


def test_the_layers_are_on_the_page() -> None:
    assert "\ncli\n" in PAGE.read_text(encoding="utf-8")


if __name__ == "__main__":
    PAGE.write_text(with_layers(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
