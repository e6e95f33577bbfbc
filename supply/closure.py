"""
What is installed because of gitsource: pyproject.toml says what it needs, the metadata of the
installed packages what those need.

Rule: nothing is asked of a network. Names are compared as PyPI compares them.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name


@dataclass(frozen=True)
class Package:
    """One installed package."""

    name: str
    """As PyPI compares it."""
    version: str
    needs: tuple[str, ...]
    """Names of what it needs here."""
    found: Distribution


class MissingError(Exception):
    """Packages that are declared and not installed."""


def project() -> Mapping[str, Any]:
    """Return what pyproject.toml says."""
    file = Path(__file__).parents[1] / "pyproject.toml"
    return tomllib.loads(file.read_text(encoding="utf-8"))


def closure(requirements: Iterable[str]) -> Mapping[str, Package]:
    """Return what *requirements* come to here, by name; raises MissingError."""
    done: dict[str, Package] = {}
    asked: dict[str, set[str]] = {}
    missing: set[str] = set()
    todo = needed(requirements, set())
    while todo:
        name, wanted = todo.pop()
        if name in asked and wanted <= asked[name]:
            continue
        asked.setdefault(name, set()).update(wanted)
        try:
            found = distribution(name)
        except PackageNotFoundError:
            missing.add(name)
            continue
        needs = needed(found.requires or (), asked[name])
        names = sorted({need for need, _ in needs})
        done[name] = Package(name, found.version, tuple(names), found)
        todo += needs
    if missing:
        raise MissingError(f"declared and not installed: {', '.join(sorted(missing))}")
    return dict(sorted(done.items()))


def needed(requirements: Iterable[str], extras: set[str]) -> list[tuple[str, frozenset[str]]]:
    """Return names and extras of the *requirements* that count here, with *extras* asked for."""
    told = (Requirement(line) for line in requirements)
    return [
        (canonicalize_name(one.name), frozenset(one.extras))
        for one in told
        if one.marker is None
        or any(one.marker.evaluate({"extra": extra}) for extra in {"", *extras})
    ]
