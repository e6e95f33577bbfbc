"""Links and file names in every page of the repository lead somewhere."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LINK = re.compile(r"(?<!!)\[[^\]\n]+\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
FOLDERS = (
    "gitsource",
    "docs",
    "tests",
    "fixtures",
    "proto",
    "schemas",
    "benchmarks",
    "deploy",
    "demo",
)
NAMED = re.compile(
    rf"`((?:{'|'.join(FOLDERS)})/[A-Za-z0-9_./-]*\.[a-z]+|[A-Z][A-Z]+\.md|Makefile)`"
)


def _pages() -> list[str]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split("\n")
    return [name for name in listed if name and not name.startswith("fixtures/repos/")] or [
        "README.md"
    ]


def _prose(page: Path) -> str:
    return FENCE.sub("", page.read_text(encoding="utf-8"))


def _anchors(page: Path) -> set[str]:
    """Return the anchors that a Git host makes of the headings of *page*."""
    headings = re.findall(r"^#+ (.+)$", _prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in headings}


@pytest.mark.parametrize("name", _pages())
def test_every_internal_link_resolves(name: str) -> None:
    """The file is there, and so is the heading that is pointed at."""
    page = ROOT / name
    dead = []
    for target in LINK.findall(_prose(page)):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path) if path else page
        if not file.exists() or (anchor and anchor not in _anchors(file)):
            dead.append(target)

    assert dead == []


@pytest.mark.parametrize("name", _pages())
def test_every_file_that_is_named_exists(name: str) -> None:
    """What git ignores is made by running something, so a fresh clone does not have it."""
    named = NAMED.findall(_prose(ROOT / name))
    made = (ROOT / ".gitignore").read_text().replace("/\n", "\n").split()

    missing = [path for path in named if not (ROOT / path).exists()]

    assert [path for path in missing if f"/{path.rstrip('/')}" not in made] == []
