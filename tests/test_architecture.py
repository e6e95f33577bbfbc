"""
The house keeps its rules, as far as reading its sources can tell.

Who may import whom is checked by import-linter (`make imports`), style by ruff and mypy.
"""

from __future__ import annotations

import ast
import configparser
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "gitsource"
SOURCES = sorted(
    path
    for path in PACKAGE.rglob("*.py")
    if "_proto" not in path.parts and path.name != "__init__.py"
)
HEAVY = (
    "aiohttp",
    "git",
    "jsonschema",
    "prometheus_client",
    "rich",
    "watchdog",
    "pythonjsonlogger",
)
"""Libraries that a start does not wait for: each is imported where it is first needed."""

over_sources = pytest.mark.parametrize(
    "path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE))
)


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _public(tree: ast.Module) -> Iterator[tuple[str, ast.AST]]:
    """Yield the public functions and classes of a module, and the public methods of the latter."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            if node.name.startswith("_"):
                continue
            yield node.name, node
            for inner in node.body if isinstance(node, ast.ClassDef) else ():
                if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef) and (
                    not inner.name.startswith("_")
                ):
                    yield f"{node.name}.{inner.name}", inner


@over_sources
def test_a_module_says_what_it_is(path: Path) -> None:
    """Its docstring begins with a sentence on its first or second line."""
    words = ast.get_docstring(_tree(path)) or ""

    assert len(words.split()) >= 4
    assert re.search(r"[.:]($|\n| )", words)


@over_sources
def test_public_names_are_explained(path: Path) -> None:
    silent = [name for name, node in _public(_tree(path)) if not ast.get_docstring(node)]  # type: ignore[arg-type]

    assert silent == []


@over_sources
def test_a_module_uses_only_public_names_of_others(path: Path) -> None:
    """What begins with an underscore belongs to its module; the generated `_proto` is a package."""
    private = [
        f"{node.module}.{alias.name}"
        for node in ast.walk(_tree(path))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("gitsource")
        for alias in node.names
        if alias.name.startswith("_") and alias.name != "_proto"
    ]

    assert private == []


@over_sources
def test_a_module_is_named_after_what_it_is_about(path: Path) -> None:
    vague = {"utils", "util", "common", "helpers", "helper", "manager", "core", "misc", "source"}

    assert vague.isdisjoint(path.relative_to(PACKAGE).with_suffix("").parts)


def test_package_inits_are_empty() -> None:
    """So importing one module never imports its neighbours."""
    inits = [p for p in PACKAGE.rglob("__init__.py") if p.stat().st_size]

    assert inits == []


def _shown(path: Path) -> Iterator[tuple[int, str]]:
    """
    Yield the texts of a module that users may see.

    Words for readers of the code (texts that are statements of their own) are left out, but for
    those that become help: docstrings of commands, and the words under settings.
    """
    tree = _tree(path)
    for_readers: set[int] = set()
    if path.parent.name not in {"cli", "settings"}:
        for_readers = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        is_text = isinstance(node, ast.Constant) and isinstance(node.value, str)
        if is_text and id(node) not in for_readers:
            yield node.lineno, node.value


OVERSTATED = re.compile(r"\b(?:live|applied|went live|takes effect)\b", re.IGNORECASE)


@over_sources
def test_an_ack_is_never_called_more_than_acceptance(path: Path) -> None:
    """That a sink accepted a push does not say that the mesh behaves accordingly."""
    found = [(line, text) for line, text in _shown(path) if OVERSTATED.search(text)]

    assert found == []


@pytest.mark.parametrize(
    "page", ["README.md", *sorted(p.name for p in (ROOT / "docs").glob("*.md"))]
)
def test_no_page_calls_an_accepted_push_live_or_applied(page: str) -> None:
    file = ROOT / page if page == "README.md" else ROOT / "docs" / page
    paragraphs = file.read_text(encoding="utf-8").split("\n\n")
    about_sinks = (text for text in paragraphs if re.search(r"\b(ACK|sinks?|push)", text))

    assert [text for text in about_sinks if OVERSTATED.search(text)] == []


def test_every_module_has_its_place_in_the_contract() -> None:
    """The layers are exhaustive, and `make test` checks them."""
    contracts = configparser.ConfigParser()
    contracts.read(ROOT / ".importlinter", encoding="utf-8")
    house = contracts["importlinter:contract:house"]
    placed = set(re.findall(r"[a-z_]+", house["layers"]))
    rooms = {p.relative_to(PACKAGE).parts[0].removesuffix(".py") for p in SOURCES} | {"_proto"}

    assert house["exhaustive"] == "True"
    assert rooms - placed == set()
    assert re.search(r"^test:.*\bimports\b", (ROOT / "Makefile").read_text(), re.MULTILINE)


def test_what_decides_is_under_the_contract_that_forbids_io() -> None:
    contracts = configparser.ConfigParser()
    contracts.read(ROOT / ".importlinter", encoding="utf-8")
    deciding = contracts["importlinter:contract:deciding"]

    assert set(deciding["source_modules"].split()) >= {
        f"gitsource.{name}"
        for name in (
            "model",
            "catalog",
            "git.changes",
            "parse",
            "validate",
            "encode",
            "plan",
            "rollout",
            "publish.classic.exchange",
            "publish.classic.mcp",
        )
    }
    assert set(deciding["forbidden_modules"].split()) >= {
        "asyncio", "threading", "socket", "subprocess", "grpc", "click",
    }  # fmt: skip


def test_a_start_does_not_wait_for_heavy_libraries() -> None:
    """What serves the last good snapshot imports none of them."""
    code = (
        "import sys, gitsource.app.whole, gitsource.publish.server, gitsource.cli.serve\n"
        f"print(*sorted(set({HEAVY!r}) & set(sys.modules)))"
    )
    told = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=ROOT
    )

    assert told.stdout.split() == []


def test_looking_up_help_loads_no_command() -> None:
    """`gitsource --help` and `--version` answer from a table."""
    code = (
        "import sys, gitsource.cli.main as m\n"
        "m.main(['--help'])\n"
        "print(*sorted(n for n in sys.modules if n.startswith(('grpc', 'google', 'gitsource.'))))"
    )
    told = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    loaded = told.stdout.splitlines()[-1].split()

    assert [name for name in loaded if name.startswith(("grpc", "google"))] == []
    assert "gitsource.cli.serve" not in loaded
