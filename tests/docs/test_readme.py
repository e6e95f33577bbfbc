"""
README.md and docs/commands.md against the program.

Run as a script (`python tests/docs/test_readme.py`), this writes the help blocks anew.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from gitsource.cli.main import EXIT_CODES
from gitsource.configuration.whole import load

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
COMMANDS = ROOT / "docs" / "commands.md"
BLOCK = re.compile(
    r"<!-- help: (gitsource[a-z -]*?) -->\n```text\n(.*?)```\n<!-- /help -->", re.DOTALL
)
HEAD = """\
# Commands

What `--help` says, command by command. Written by `python tests/docs/test_readme.py`; a test
compares it with the program. What exit codes mean: [exit-codes.md](exit-codes.md).
"""


@cache
def printed(*command: str) -> str:
    """Return what ``gitsource COMMAND --help`` prints on 80 columns."""
    program = Path(sys.executable).with_name("gitsource")
    environ = {name: text for name, text in os.environ.items() if not name.startswith("GITSOURCE_")}
    return subprocess.run(
        [program, *command, "--help"],
        check=True,
        capture_output=True,
        text=True,
        env={**environ, "COLUMNS": "80"},
    ).stdout


def commands(*above: str) -> Iterator[tuple[str, ...]]:
    """Yield the program's commands as the program lists them, groups before what is in them."""
    yield above
    _, _, listed = printed(*above).partition("\nCommands:\n")
    for name in re.findall(r"^  ([a-z-]+)", listed, re.MULTILINE):
        yield from commands(*above, name)


def block(*command: str) -> str:
    """Return the help block of a command as it stands in a page."""
    name = " ".join(("gitsource", *command))
    return f"<!-- help: {name} -->\n```text\n{printed(*command)}```\n<!-- /help -->"


def with_help(page: str) -> str:
    """Return *page* with every help block written anew."""
    return BLOCK.sub(lambda found: block(*found[1].split()[1:]), page)


def commands_page() -> str:
    """Return the whole of docs/commands.md."""
    sections = (
        f"\n{'#' * (len(command) + 1)} {' '.join(('gitsource', *command))}\n\n{block(*command)}\n"
        for command in commands()
        if command
    )
    return HEAD + "".join(sections)


def test_the_help_in_the_readme_is_what_the_program_prints() -> None:
    """A block that no longer agrees is written anew by running this file."""
    page = README.read_text(encoding="utf-8")

    assert with_help(page) == page


def test_the_readme_shows_the_help_of_the_commands_that_ci_and_newcomers_use() -> None:
    shown = {name for name, _ in BLOCK.findall(README.read_text(encoding="utf-8"))}

    assert {"gitsource", "gitsource validate", "gitsource dry-run", "gitsource sink"} <= shown


def test_every_command_is_documented_as_the_program_has_it() -> None:
    """A command, or an option of one, that was added or taken away shows here."""
    assert commands_page() == COMMANDS.read_text(encoding="utf-8")


def test_the_program_lists_the_commands_that_are_promised() -> None:
    listed = {" ".join(command) for command in commands()}

    assert {
        "serve",
        "validate",
        "dry-run",
        "sink",
        "status",
        "sync",
        "wait",
        "rollback",
        "pin",
        "unpin",
        "suspend",
        "resume",
        "snapshot",
        "snapshot show",
        "snapshot diff",
        "snapshot list",
        "explain",
        "explain rule",
    } <= listed


def test_the_readme_tells_every_exit_code() -> None:
    _, _, section = README.read_text(encoding="utf-8").partition("\n## Exit codes\n")
    told = {
        int(code): words
        for code, words in re.findall(r"^\| (\d+) \| (.+?) \|$", section, re.MULTILINE)
    }

    assert dict(EXIT_CODES) == told


def test_the_config_in_the_readme_works(tmp_path: Path) -> None:
    """It is read as it stands, by the program's own reader."""
    (found,) = re.findall(
        r"```yaml\n(repository:.*?)```", README.read_text(encoding="utf-8"), re.DOTALL
    )
    file = tmp_path / "gitsource.yaml"
    file.write_text(found, encoding="utf-8")

    settings = load(file, {}, {})

    assert settings.repository.url == "https://git.example.com/mesh.git"
    assert [row.name for row in settings.collections] == ["acme/v1/flags"]


@pytest.mark.parametrize("said", ["Mesh Configuration Protocol", "Model Context Protocol"])
def test_the_readme_says_at_once_which_mcp_is_meant(said: str) -> None:
    first_screen = "\n".join(README.read_text(encoding="utf-8").splitlines()[:24])

    assert said in first_screen


def test_the_readme_names_the_two_commands() -> None:
    page = README.read_text(encoding="utf-8")

    assert {"make demo", "make test"} <= set(re.findall(r"make [a-z]+", page))


if __name__ == "__main__":
    README.write_text(with_help(README.read_text(encoding="utf-8")), encoding="utf-8")
    COMMANDS.write_text(commands_page(), encoding="utf-8")
