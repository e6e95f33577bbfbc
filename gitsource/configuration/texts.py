"""
Where settings come from as text, and where in it each value stands.

Rule: nothing is read past `LARGEST_FILE`; what cannot be parsed is noted with its place, and read
as if nothing were there.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gitsource.errors import ConfigurationError
from gitsource.model import FieldPath
from gitsource.settings_checks.whole import Fault, Place

LARGEST_FILE = 1024 * 1024
"""Bytes; nobody's settings are longer, and the wrong file may be."""
NAME_ONE = "name an existing file with --config, or leave the flag out"


@dataclass(frozen=True)
class Named:
    """A flag or a variable: it has no inside."""

    name: str

    def place(self, _path: FieldPath, *, at_key: bool = False) -> Place:  # noqa: ARG002 - as Text.place
        """Return the name: that is all there is."""
        return Place(self.name)


@dataclass(frozen=True)
class Text:
    """A YAML text that knows where its values stand; made by `read_text`."""

    name: str
    data: bytes
    """As it was parsed."""
    shift: int
    """Columns (and half as many lines) put before what the user wrote: see `from_texts`."""
    value: dict[str, Any]

    def place(self, path: FieldPath, *, at_key: bool = False) -> Place:
        """Return where the value at *path* stands, or with *at_key* its key."""
        from gitsource.parse import locate

        return _shifted(self.name, self.shift, *locate(self.data, 0, path, at_key=at_key))


def read_text(
    name: str, data: bytes, faults: list[Fault], *, shift: int = 0, json: bool = False
) -> Text:
    """Return the mapping that *data* is, an empty one after noting what is wrong with it."""
    from gitsource.parse import parse  # costly, and not every start has a file

    parsed = parse(data, json=json)
    for flaw in parsed.flaws:
        message = f"{flaw.code}: {flaw.message}"
        faults.append(Fault(_shifted(name, shift, flaw.line, flaw.column), "", message))
    if len(parsed.documents) > 1:
        place = _shifted(name, shift, parsed.documents[1].line, 1)
        faults.append(Fault(place, "", "expected one document, found a second one"))
    sound = parsed.documents and not parsed.flaws
    value = parsed.documents[0].value if sound else {}
    return Text(name, data, shift, value)


def _shifted(name: str, shift: int, line: int, column: int) -> Place:
    return Place(name, max(1, line - shift // 2), max(1, column - shift))


def content(file: Path) -> bytes:
    """Return what *file* begins with; raises ConfigurationError if it cannot be read."""
    try:
        with file.open("rb") as stream:
            return stream.read(LARGEST_FILE + 1)
    except OSError as error:
        raise ConfigurationError(
            f"the config file {file} cannot be read: {error.strerror}", hint=NAME_ONE
        ) from error
