"""
Whether a text is an expression in CEL, by its syntax alone.

Rule: the reader is a library's, and it is bounded by itself: it stops at 100 000 characters and at
32 steps of nesting. What it gives up on is not called wrong, since Istio's reader goes deeper.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache
from typing import Any

LONGEST = 100_000
"""Characters, in Istio as here."""
_FLAW = re.compile("ERROR: <input>:[0-9]+:[0-9]+: (.*)")
_DEPTH = "recursion"


@lru_cache(maxsize=1024)
def flaw(text: str) -> str:
    """Say why *text* is no CEL expression; empty if it is one."""
    if not text.strip():
        return "it is empty"
    if len(text) > LONGEST:
        return f"it has {len(text)} characters: shorten it to {LONGEST}"
    try:
        _environment().compile(text, disable_check=True)
    except RuntimeError as error:
        return _reason(str(error))
    except TypeError:  # half of a surrogate pair, which is no character
        return "it is not Unicode text"
    return ""


def _reason(told: str) -> str:
    if _DEPTH in told:
        return ""
    found = _FLAW.search(told)
    return (found[1] if found else told.partition("\n")[0]).partition(" expecting {")[0]


@cache
def _environment() -> Any:
    from cel_expr_python import cel

    return cel.NewEnv()
