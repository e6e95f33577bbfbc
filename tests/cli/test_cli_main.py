"""The command itself: what it loads, and how errors become exit codes and next steps."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import click
import pytest

from gitsource.cli.main import COMMANDS, EXIT_CODES, cli, main
from gitsource.cli.output import colours
from gitsource.errors import (
    ConfigurationError,
    ExchangeError,
    GitsourceError,
    MirrorError,
    RevisionRejected,
    StateError,
)

ROOT = Path(__file__).parents[2]


def gitsource(*args: str, stdout: int = subprocess.PIPE) -> subprocess.CompletedProcess[str]:
    """Run the command as a process of its own."""
    code = "import sys; from gitsource.cli.main import main; sys.exit(main())"
    return subprocess.run(
        [sys.executable, "-c", code, *args],
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        timeout=60,
    )


def test_the_version_is_the_packages():
    ran = gitsource("--version")

    assert (ran.returncode, ran.stdout) == (0, f"gitsource {version('gitsource')}\n")


@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help_lists_every_command_on_80_columns(flag):
    ran = gitsource(flag)

    assert ran.returncode == 0
    assert max(map(len, ran.stdout.splitlines())) <= 80
    for name, entry in COMMANDS.items():
        assert f" {name} {entry.help} " in " ".join(ran.stdout.split()) + " "


def test_help_loads_no_command():
    code = (
        "import json, sys; from gitsource.cli.main import main; main(['--help'])\n"
        "print(json.dumps([name for name in sys.modules if name.startswith('gitsource.')]))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(json.loads(ran.stdout.splitlines()[-1]))

    assert loaded == {
        "gitsource.cli",
        "gitsource.cli.main",
        "gitsource.cli.output",
        "gitsource.errors",
        "gitsource.observe",
        "gitsource.observe.neutral",
    }


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_can_be_loaded_and_is_listed_with_its_own_first_sentence(name):
    command = cli.get_command(click.Context(cli), name)

    assert command is not None
    assert command.name == name
    assert COMMANDS[name].help == command.get_short_help_str(200)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_every_command_fits_80_columns(name, capsys):
    code = main([name, "--help"])
    out = capsys.readouterr().out

    assert code == 0
    assert max(map(len, out.splitlines())) <= 80


def test_an_unknown_command_is_wrong_usage_and_the_nearest_is_named(capsys):
    code = main(["stauts"])

    assert code == 2
    assert "No such command 'stauts'. Did you mean 'status'?" in capsys.readouterr().err


def test_no_command_at_all_shows_the_help(capsys):
    code = main([])

    assert code == 2
    assert "Commands:" in "".join(capsys.readouterr())


@pytest.fixture
def raising():
    """Let `gitsource boom` raise what a test hands in."""

    def prepare(error: BaseException) -> None:
        @cli.command("boom")
        def boom() -> None:
            raise error

    yield prepare
    cli.commands.pop("boom")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigurationError("wrong"), 2),
        (StateError("wrong"), 2),
        (MirrorError("wrong"), 2),
        (RevisionRejected("wrong", ()), 1),
        (ExchangeError("wrong"), 1),
        (GitsourceError("wrong"), 2),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else str(value),
)
def test_each_error_has_its_exit_code_and_is_told_in_one_line(raising, capsys, error, code):
    raising(error)

    assert main(["boom"]) == code
    assert capsys.readouterr() == ("", "gitsource: error: wrong\n")


def test_an_error_of_several_lines_is_told_line_by_line_then_the_next_step(raising, capsys):
    raising(ConfigurationError("a.yaml:1:1: one\na.yaml:2:1: \x1b[31mtwo", hint="mend both"))
    main(["boom"])

    assert capsys.readouterr().err.splitlines() == [
        "gitsource: error: a.yaml:1:1: one",
        r"gitsource: error: a.yaml:2:1: \x1b[31mtwo",
        "next: mend both",
    ]


def test_a_bug_is_neither_findings_nor_wrong_usage(raising, capsys):
    raising(ZeroDivisionError("oh"))
    code = main(["boom"])
    err = capsys.readouterr().err

    assert code == 70
    assert "Traceback" in err
    assert "ZeroDivisionError: oh" in err


@pytest.mark.parametrize("error", [KeyboardInterrupt(), click.Abort()])
def test_an_interrupt_is_130_without_a_traceback(raising, capsys, error):
    raising(error)
    code = main(["boom"])

    assert code == 130
    assert "Traceback" not in capsys.readouterr().err


def test_a_closed_output_is_no_traceback():
    read, write = os.pipe()
    os.close(read)
    ran = gitsource("--help", stdout=write)
    os.close(write)

    assert ran.stderr == ""


def test_every_exit_code_is_documented():
    page = (ROOT / "docs" / "exit-codes.md").read_text(encoding="utf-8")

    for code, meaning in EXIT_CODES.items():
        assert f"| {code} | {meaning} |" in page
    for name in COMMANDS:
        assert f"`{name}`" in page


class Terminal:
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, True),
        ({"NO_COLOR": "1"}, False),
        ({"NO_COLOR": ""}, True),
        ({"TERM": "dumb"}, False),
    ],
)
def test_colours_are_for_terminals_that_want_them(monkeypatch, environ, expected):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in environ.items():
        monkeypatch.setenv(name, value)

    assert colours(Terminal()) is expected


def test_a_pipe_is_never_coloured(tmp_path):
    with (tmp_path / "out").open("w") as stream:
        assert colours(stream) is False
