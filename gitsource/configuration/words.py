"""
How a mistake in the settings is worded: what was meant, and what was found.

Rule: what is shown of a value is one short line without anything that could be a password in a URL.
"""

from __future__ import annotations

import json
from difflib import get_close_matches
from typing import Any

from gitsource.declarations import (
    declared,
)
from gitsource.observe.neutral import without_credentials


def unknown_key(name: str, path: tuple[str, ...]) -> str:
    """Say that *name* is no key at *path*, and which one may have been meant."""
    group, dot, leaf = name.partition(".")
    if dot and name in declared():
        return f'unknown key "{name}": write "{leaf}" under "{group}"'
    here = "".join(f"{part}." for part in path)
    near = {key.removeprefix(here).partition(".")[0] for key in declared() if key.startswith(here)}
    inside = f' in "{path[0]}"' if path else ""
    guess = did_you_mean(name, sorted(near)) or did_you_mean(
        name, [key for key in declared() if key.endswith(f".{name}")] or list(declared())
    )
    return f"unknown key {show(name)}{inside}{guess or ': here belong ' + ', '.join(sorted(near))}"


def did_you_mean(name: str, known: list[str]) -> str:
    """Return the words that name the nearest of *known*; empty if none is near."""
    if len(known) == 1:
        return f': did you mean "{known[0]}"?'
    near = get_close_matches(name, known, n=1, cutoff=0.6)
    return f': did you mean "{near[0]}"?' if near else ""


def show(value: Any) -> str:
    """Return *value* as JSON on one line, cut short: enough to find it again."""
    if value is None:
        return "nothing"
    text = json.dumps(value, ensure_ascii=False, default=str)
    text = "".join(letter if letter.isprintable() else "?" for letter in without_credentials(text))
    return text if len(text) <= 60 else text[:57] + "..."
