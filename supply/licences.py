"""
The licence of an installed package as an SPDX expression, as far as its metadata tell.

Rule: what SPDX does not know is not guessed: policy.toml names it, or it is unknown.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from importlib.metadata import Distribution

PLAIN = {
    "apache 2.0": "Apache-2.0",
    "apache-2.0": "Apache-2.0",
    "bsd-2-clause": "BSD-2-Clause",
    "bsd-3-clause": "BSD-3-Clause",
    "epl-2.0 or gpl-2.0-or-later": "EPL-2.0 OR GPL-2.0-or-later",
    "mit": "MIT",
    "mit or apache-2.0": "MIT OR Apache-2.0",
    "psf-2.0": "PSF-2.0",
}
"""Free text in metadata that can mean one thing only."""


def expression(name: str, found: Distribution, known: Mapping[str, str]) -> str:
    """Return the licence of the package *name*; empty if nobody knows."""
    told = found.metadata.get("License-Expression")
    if told:
        return str(told)
    if name in known:
        return known[name]
    return PLAIN.get((found.metadata.get("License") or "").strip().lower(), "")


def allowed(told: str, names: Collection[str]) -> bool:
    """Whether an expression without parentheses can be satisfied by *names* alone."""
    return any(
        all(part.strip() in names for part in choice.split(" AND "))
        for choice in told.split(" OR ")
    ) and bool(told)
