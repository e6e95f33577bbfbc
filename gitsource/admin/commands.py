"""
What a request to the admin door may say, checked before anything is done.

Rule: pure. A parameter that is unknown, missing or of the wrong form is refused by name; nothing is
guessed. Text that will be shown to others is one line without control characters.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gitsource.errors import ConfigurationError

LONGEST_TEXT = 1000
"""Characters of a reason, a name or a revision."""
LONGEST_WAIT = 86_400.0
"""Seconds."""
DEFAULT_WAIT = 30.0
"""Seconds that ``GET /wait`` takes at most if it does not say."""

COMMANDS: Mapping[str, tuple[str, ...]] = {
    "sync": ("reason", "timeout"),
    "pin": ("revision", "reason", "who"),
    "rollback": ("revision", "reason", "who"),
    "unpin": ("reason", "who"),
    "allow": ("revision", "reason", "who"),
    "suspend": ("reason", "who"),
    "resume": ("reason", "who"),
    "retry": ("sink", "reason", "who"),
}
"""Each command with the keys of its JSON body."""


@dataclass(frozen=True, slots=True)
class Wait:
    """What ``GET /wait`` asks."""

    revision: str
    sinks: int
    timeout: float
    """Seconds."""


def read_command(name: str, body: bytes) -> dict[str, str]:
    """
    Return the parameters of command *name*, absent ones as empty text.

    Raises ConfigurationError for a body that is no JSON object of texts under the known keys.
    """
    keys = COMMANDS[name]
    try:
        told = json.loads(body) if body.strip() else {}
    except (ValueError, RecursionError) as error:
        raise ConfigurationError(f"the body is not JSON: {error}", hint=_example(name)) from error
    if not isinstance(told, dict):
        raise ConfigurationError("the body is no JSON object", hint=_example(name))
    unknown = sorted(told.keys() - set(keys))
    if unknown:
        raise ConfigurationError(f"{unknown[0]!r} is no key of {name}", hint=_example(name))
    return {key: _text(key, told.get(key)) for key in keys}


def read_wait(query: Mapping[str, str]) -> Wait:
    """Return what ``GET /wait`` asks; raises ConfigurationError for what cannot be waited for."""
    hint = "GET /wait?revision=COMMIT&sinks=1&timeout=30"
    unknown = sorted(set(query) - {"revision", "sinks", "timeout"})
    if unknown:
        raise ConfigurationError(f"{unknown[0]!r} is no parameter of wait", hint=hint)
    revision = _text("revision", query.get("revision"))
    if not revision:
        raise ConfigurationError("wait needs a revision", hint=hint)
    sinks, timeout = query.get("sinks") or "0", query.get("timeout") or str(DEFAULT_WAIT)
    if not (sinks.isascii() and sinks.isdigit() and len(sinks) < 10):
        raise ConfigurationError(f"sinks: {sinks[:20]!r} is no number of sinks", hint=hint)
    return Wait(revision, int(sinks), read_timeout(timeout, hint))


def read_timeout(told: str, hint: str) -> float:
    """Return the seconds in *told*; raises ConfigurationError, with *hint*, if it has none."""
    try:
        seconds = float(told)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= LONGEST_WAIT:  # NaN is in no range
        raise ConfigurationError(
            f"timeout: {told[:20]!r} is not between 0 and {LONGEST_WAIT:.0f} seconds", hint=hint
        )
    return seconds


def read_sink(query: Mapping[str, str]) -> tuple[str, bool]:
    """Return which sink ``GET /sink`` asks for, and whether with bodies."""
    hint = "GET /sink?id=NODE&bodies=1"
    unknown = sorted(set(query) - {"id", "bodies"})
    if unknown:
        raise ConfigurationError(f"{unknown[0]!r} is no parameter of sink", hint=hint)
    name = _text("id", query.get("id"))
    if not name:
        raise ConfigurationError("which sink? id is missing", hint=hint)
    return name, query.get("bodies", "") not in ("", "0", "false")


def read_snapshot(query: Mapping[str, str]) -> tuple[str, str]:
    """Return which collection ``GET /snapshot`` asks for (empty: none), and behind which name."""
    hint = "GET /snapshot?collection=NAME&after=RESOURCE"
    unknown = sorted(set(query) - {"collection", "after"})
    if unknown:
        raise ConfigurationError(f"{unknown[0]!r} is no parameter of snapshot", hint=hint)
    collection, after = (_text(key, query.get(key)) for key in ("collection", "after"))
    if after and not collection:
        raise ConfigurationError("after which resource of which collection?", hint=hint)
    return collection, after


def read_webhook(query: Mapping[str, str]) -> str:
    """Return which delivery ``GET /webhook`` asks for."""
    hint = "GET /webhook?id=NUMBER"
    unknown = sorted(set(query) - {"id"})
    if unknown:
        raise ConfigurationError(f"{unknown[0]!r} is no parameter of webhook", hint=hint)
    name = _text("id", query.get("id"))
    if not name:
        raise ConfigurationError("which delivery? id is missing", hint=hint)
    return name


def read_explain(query: Mapping[str, str]) -> str:
    """Return which commit ``GET /explain`` asks about."""
    hint = "GET /explain?commit=COMMIT"
    unknown = sorted(set(query) - {"commit"})
    if unknown:
        raise ConfigurationError(f"{unknown[0]!r} is no parameter of explain", hint=hint)
    commit = _text("commit", query.get("commit"))
    if not commit:
        raise ConfigurationError("which commit?", hint=hint)
    return commit


def _text(key: str, value: Any) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ConfigurationError(f"{key} is no text", hint=f'"{key}": "..."')
    if len(value) > LONGEST_TEXT or not value.isprintable():
        raise ConfigurationError(
            f"{key} is too long, or has characters that cannot be shown",
            hint=f"one line of at most {LONGEST_TEXT} characters",
        )
    return value.strip()


def _example(name: str) -> str:
    return json.dumps(dict.fromkeys(COMMANDS[name], "..."))
