"""
Reading the settings: flag over environment over file, typed, checked, all mistakes told at once.

Rule: a `Settings` that `load` returns is sound as a whole. Everything that is wrong is collected
first and raised as one ConfigurationError: a line for each mistake with its place, what was
expected and, for a key that does not exist, the nearest one that does.

    gitsource.yaml:3:12: poll.interval: expected a duration such as 30s, found "soon"
    gitsource.yaml:5:1: unknown key "listn": did you mean "listen"?
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

from gitsource.configuration.policy import (
    unsound,
    with_policy,
)
from gitsource.configuration.sources import (
    from_environment,
    from_file,
    from_texts,
)
from gitsource.configuration.texts import content
from gitsource.declarations import (
    declared,
    is_setting,
)
from gitsource.errors import ConfigurationError
from gitsource.settings.units import FilePath
from gitsource.settings.whole import Settings
from gitsource.settings_checks.whole import Fault, Found, check


def load(
    file: Path | None,
    environ: Mapping[str, str],
    flags: Mapping[str, str | None],
    data: bytes | None = None,
) -> Settings:
    """
    Return the settings from all three sources; raises one error for all mistakes.

    *data* is the content of *file* as it is taken, in place of what lies there: another revision's.
    """
    faults: list[Fault] = []
    found: dict[str, Found] = {}
    if file is not None:
        found |= from_file(file, content(file) if data is None else data, faults)
    found |= from_environment(environ, faults)
    given = {key: text for key, text in flags.items() if text is not None}
    found |= from_texts(given, {key: row.flag for key, row in declared().items()}, faults)
    settings: Settings = _assemble(Settings, "", {key: one.value for key, one in found.items()})
    if file is not None:
        settings = replace(settings, folder=FilePath(str(file.parent)))
    if settings.authorization.policy_file:
        settings = with_policy(settings, found, faults)
    if not faults:  # a value that could not be read would only raise more, misleading ones
        faults.extend(check(settings, found))
        faults.extend(unsound(settings, found))
    if faults:
        raise ConfigurationError(
            "\n".join(fault.line() for fault in sorted(faults, key=lambda fault: fault.place)),
            hint="every setting is described in docs/settings.md and by `gitsource serve --help`",
        )
    return settings


def _assemble(group: type, prefix: str, values: Mapping[str, Any]) -> Any:
    """Return *group* with the *values* given by dotted key, and its defaults for the rest."""
    given: dict[str, Any] = {}
    default = group()
    for one in filter(is_setting, fields(group)):
        key = prefix + one.name
        inner = getattr(default, one.name)
        if is_dataclass(inner):
            given[one.name] = _assemble(type(inner), f"{key}.", values)
        elif key in values:
            given[one.name] = values[key]
    return group(**given)
