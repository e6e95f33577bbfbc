"""
Which reports are to be written and where; the one door to all formats.

    from gitsource.report.formats.write import parse_output, write

    outputs = [parse_output("text"), parse_output("sarif=out.sarif")]
    write(plan, outputs, sys.stdout, colour=False, show_old=False)

Rule: a format's module is imported when somebody asks for that format, and every report is made
before the first is written. A file is whole or as it was before: it is written beside its place
and put there at once. Reports are written where a hostile merge request is checked out, so a link
that stands where one belongs is replaced and never followed.
"""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import NamedTuple, TextIO

from gitsource.errors import ConfigurationError
from gitsource.model import Finding
from gitsource.plan.values import Plan
from gitsource.report.formats.look import Look

FORMATS: Mapping[str, str] = {
    "text": "for people, at a terminal",
    "json": "everything, for programs (plan.schema.json)",
    "junit": "test results, as XML",
    "sarif": "SARIF 2.1.0, for code scanning",
    "github": "annotations of GitHub Actions",
    "gitlab": "GitLab's code quality report",
    "markdown": "one comment on a merge request",
    "html": "one page with everything, for a browser",
}
"""Every format of a plan, and what it is for."""

OF_FINDINGS = ("text", "json", "junit", "sarif", "github", "gitlab")
"""Those that findings without a plan can be written in."""

_MODULES = {"html": "page", "json": "document"}
"""Where a format's module is not called as the format is."""


class Output(NamedTuple):
    """One report that was asked for."""

    format: str
    path: Path | None
    """None: standard output."""


def parse_output(told: str, formats: Sequence[str] = tuple(FORMATS)) -> Output:
    """
    Return what ``FORMAT`` or ``FORMAT=FILE`` asks for; ``-`` is standard output.

    Raises ConfigurationError for a format that is none of *formats*, or a FILE without a name.
    """
    name, separator, file = told.partition("=")
    if name not in formats:
        raise ConfigurationError(
            f"--output: no format {name!r}", hint=f"name one of {', '.join(formats)}"
        )
    if separator and not file:
        raise ConfigurationError(
            f"--output: {told} names no file", hint=f"write {name}=FILE, or {name} alone"
        )
    return Output(name, Path(file) if file not in ("", "-") else None)


def parse_outputs(told: Sequence[str], formats: Sequence[str] = tuple(FORMATS)) -> list[Output]:
    """
    Return all that *told* asks for; ``text`` if that is nothing.

    Raises ConfigurationError if two would go to standard output or to one file, or if a file
    could not be written: before any work is done for it.
    """
    outputs = [parse_output(each, formats) for each in told] or [Output("text", None)]
    taken: dict[Path | None, str] = {}
    for output in outputs:
        place = output.path.absolute() if output.path is not None else None
        if place in taken:
            where = "standard output" if output.path is None else str(output.path)
            raise ConfigurationError(
                f"--output: {taken[place]} and {output.format} would both go to {where}",
                hint=f"give one of them a file of its own: {output.format}=FILE",
            )
        taken[place] = output.format
        if output.path is not None:
            _check(output.path)
    return outputs


def write(
    plan: Plan, outputs: Sequence[Output], stdout: TextIO, *, colour: bool, show_old: bool
) -> None:
    """
    Write *plan* as each of *outputs*.

    *colour* is for standard output; *show_old*: also tell warnings that the base has already.
    Raises ConfigurationError if a file cannot be written.
    """

    def made(output: Output) -> str:
        look = Look(colour=colour and output.path is None, show_old=show_old)
        return _renderer(output.format, "plan")(plan, look)

    _deliver([(each.path, made(each)) for each in outputs], stdout)


def write_findings(
    found: Sequence[Finding],
    files: int,
    outputs: Sequence[Output],
    stdout: TextIO,
    *,
    colour: bool,
) -> None:
    """
    Write what was found in *files* files as each of *outputs*.

    Raises ConfigurationError if a file cannot be written.
    """

    def made(output: Output) -> str:
        look = Look(colour=colour and output.path is None, show_old=True)
        return _renderer(output.format, "findings")(found, files, look)

    _deliver([(each.path, made(each)) for each in outputs], stdout)


def _renderer(name: str, of: str) -> Callable[..., str]:
    module = import_module(f"gitsource.report.formats.{_MODULES.get(name, name)}")
    render: Callable[..., str] = getattr(module, of)
    return render


# ------------------------------------------------------------------------------------------- files


def _check(path: Path) -> None:
    folder = path.parent
    if not path.is_absolute():
        links = [each for each in path.parents if each.is_symlink()]
        if links:
            raise ConfigurationError(
                f"--output: {links[-1]} is a link, which the repository may have brought along",
                hint=f"name the whole path if you trust it: {folder.resolve() / path.name}",
            )
    if not folder.is_dir():
        raise ConfigurationError(
            f"--output: there is no folder {folder} for {path.name}", hint=f"mkdir -p {folder}"
        )
    if path.is_dir():
        raise ConfigurationError(
            f"--output: {path} is a folder", hint="name a file in it that is to be written"
        )


def _deliver(reports: Sequence[tuple[Path | None, str]], stdout: TextIO) -> None:
    for path, text in reports:
        if path is None:
            # A stream may know fewer letters than a report has; it must not fail half-way.
            encoding = stdout.encoding or "utf-8"
            _print(text.encode(encoding, "backslashreplace").decode(encoding), stdout)
        else:
            _put(path, text.encode("utf-8", "backslashreplace"))


def _print(text: str, stdout: TextIO) -> None:
    try:
        stdout.write(text)
        stdout.flush()
    except BrokenPipeError:
        raise  # whoever reads has seen enough, which is no error
    except OSError as error:
        # What is left in the buffer would fail once more when the process ends.
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stdout.fileno())
        raise ConfigurationError(
            f"--output: standard output cannot be written: {error.strerror}",
            hint="make room, or name a file: FORMAT=FILE",
        ) from error


def _put(path: Path, data: bytes) -> None:
    try:
        if _to_append(path):
            with path.open("ab") as file:
                file.write(data)
        elif _is_stream(path):
            path.write_bytes(data)  # there is nothing to put in its place
        else:
            _replace(path, data)
    except OSError as error:
        raise ConfigurationError(
            f"--output: {path} cannot be written: {error.strerror}",
            hint="name a file that may be written",
        ) from error


def _to_append(path: Path) -> bool:
    """Whether *path* is GitHub's summary of a step: what others wrote into it is kept."""
    summary = os.environ.get("GITHUB_STEP_SUMMARY")
    return bool(summary) and path.absolute() == Path(str(summary)).absolute()


def _is_stream(path: Path) -> bool:
    """Whether *path* is a pipe or a device; a link to one counts where the system made it."""
    if path.is_symlink() and not str(path).startswith(("/dev/", "/proc/")):
        return False
    return path.exists() and not stat.S_ISREG(path.stat().st_mode)


def _replace(path: Path, data: bytes) -> None:
    beside = path.with_name(f".{path.name[:100]}.{secrets.token_hex(4)}")
    try:
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        beside.replace(path)
    except OSError:
        beside.unlink(missing_ok=True)
        raise
