"""
What one row of the table of findings says.

Rule: a code means the same for ever. A code that is no longer given keeps its row, and a new
judgement gets a new code: people write codes into their CI scripts.

``GS`` codes are ours. The others are the rules of Istio's own validator, one module a kind; their
ids are those of docs/findings.md. A rule that one of our own codes already covers has no row: the
row of ours names it in *implements*.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal


@dataclass(frozen=True, slots=True)
class Code:
    """One kind of finding."""

    code: str
    """``GS`` and three digits, or a rule of Istio's: letters, a hyphen and two or three digits."""
    severity: Literal["error", "warning"]
    """How it counts unless the finding itself says otherwise."""
    title: str
    """What is wrong, in a few words, without the value at fault."""
    advice: str
    """What the one who wrote the file does next."""
    note: str = ""
    """Where we judge otherwise than Istio's validator, or copy a quirk of it: what and why."""
    implements: tuple[str, ...] = ()
    """Further rules of Istio's validator that this row stands for."""


def table(*rows: Code) -> Mapping[str, Code]:
    """Return *rows* by code."""
    return MappingProxyType({row.code: row for row in rows})
