"""
The three sources of settings: the config file, the environment and the flags.

Rule: each is read whole before anything is decided, and every mistake is noted with its place.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from gitsource.configuration.entries import entries_of
from gitsource.configuration.texts import LARGEST_FILE, NAME_ONE, Named, Text, read_text
from gitsource.configuration.words import did_you_mean, show, unknown_key
from gitsource.declarations import (
    LISTS,
    Row,
    declared,
    groups,
    read,
)
from gitsource.errors import ConfigurationError
from gitsource.settings.units import FilePath, FilePaths
from gitsource.settings_checks.whole import Fault, Found, Place

OTHER_VARIABLES = frozenset(
    (
        "GITSOURCE_ADMIN",
        "GITSOURCE_ADMIN_TOKEN_FILE",
        "GITSOURCE_CACHE_KEY",
        "GITSOURCE_CONFIG",
    )
)
"""Variables of ours that are no settings: they stand for flags of some commands."""

SERVICE_LINK = re.compile(r"GITSOURCE_(.*_)?(SERVICE_HOST|SERVICE_PORT(_.*)?|PORT(_[0-9]+_.*)?)")
"""What Kubernetes puts into every pod beside a Service called gitsource(-something): not ours."""


def from_file(file: Path, data: bytes, faults: list[Fault]) -> dict[str, Found]:
    """Return the settings in *data*, by dotted key; raises ConfigurationError for a huge file."""
    if len(data) > LARGEST_FILE:
        raise ConfigurationError(f"the config file {file} is larger than 1 MiB", hint=NAME_ONE)
    text = read_text(str(file), data, faults, json=file.suffix == ".json")
    found: dict[str, Found] = {}
    _walk(text, text.value, (), found, faults)
    for key, one in found.items():
        if declared()[key].type is FilePath and one.value:
            found[key] = replace(one, value=FilePath(str(file.parent / one.value)))
        elif declared()[key].type is FilePaths:
            listed = tuple(str(file.parent / path) for path in one.value)
            found[key] = replace(one, value=FilePaths(listed))
    return found


def _walk(
    text: Text,
    mapping: Mapping[str, Any],
    path: tuple[str, ...],
    found: dict[str, Found],
    faults: list[Fault],
) -> None:
    """Read the settings of *mapping*, which stands at *path*, into *found*."""
    for name, value in mapping.items():
        here = (*path, name)
        key = ".".join(here)
        if key in declared() and "." not in name:
            _take(declared()[key], Found(value, text, here), found, faults)
        elif key in groups() and "." not in name:
            if isinstance(value, dict):
                _walk(text, value, here, found, faults)
            elif value is not None:
                message = f"expected a mapping, found {show(value)}"
                faults.append(Fault(text.place(here), key, message))
        else:
            faults.append(Fault(text.place(here, at_key=True), "", unknown_key(name, path)))


def from_environment(environ: Mapping[str, str], faults: list[Fault]) -> dict[str, Found]:
    """Return the settings among the variables; one of ours that is none is a fault."""
    names = {row.variable: key for key, row in declared().items()}
    texts = {}
    for variable, text in environ.items():
        if variable in names:
            texts[names[variable]] = text
        elif (
            variable.startswith("GITSOURCE_")
            and variable not in OTHER_VARIABLES
            and not SERVICE_LINK.fullmatch(variable)
        ):
            message = f"there is no such setting{did_you_mean(variable, list(names))}"
            faults.append(Fault(Place(variable), "", message))
    return from_texts(texts, {key: row.variable for key, row in declared().items()}, faults)


def from_texts(
    texts: Mapping[str, str], names: Mapping[str, str], faults: list[Fault]
) -> dict[str, Found]:
    """Read settings given as text each, as flags and variables are; *names* are their places."""
    found: dict[str, Found] = {}
    for key, given in texts.items():
        one = Found(given or None if declared()[key].optional else given, Named(names[key]), ())
        if key in LISTS:
            # NB: a document is a mapping, so the list is put under its key; JSON is YAML too.
            body = "".join(f"  {line}\n" for line in given.splitlines())
            text = read_text(names[key], f"{key}:\n{body}".encode(), faults, shift=2)
            one = Found(text.value.get(key), text, (key,))
        _take(declared()[key], one, found, faults)
    return found


def _take(row: Row, given: Found, found: dict[str, Found], faults: list[Fault]) -> None:
    """Put *given* into *found* as the type of *row*, or a fault into *faults*."""
    if row.key in LISTS:
        found[row.key] = replace(given, value=entries_of(row.key, given, faults))
    elif given.value is None and row.optional:
        found[row.key] = given
    else:
        try:
            found[row.key] = replace(given, value=read(row.type, given.value))
        except ValueError as error:
            # A URL may carry a password: it is never repeated.
            shown = "" if row.key == "repository.url" else f", found {show(given.value)}"
            faults.append(Fault(given.place(), row.key, f"expected {error}{shown}"))
