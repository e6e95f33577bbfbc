"""
The audit of dependencies: `python supply/audit.py` says what is wrong with them, and exits 1.

Rule: no network is asked, so it says nothing of weaknesses that policy.toml does not know; that is
told in README.md, with what to do about it. Everything is found at once.
"""

from __future__ import annotations

import base64
import hashlib
import re
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import FileHash
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from closure import MissingError, Package, closure, project
from licences import allowed, expression

HERE = Path(__file__).parent
PIN = re.compile(r"([A-Za-z0-9._-]+)==([A-Za-z0-9.!+_-]+)")


@dataclass(frozen=True)
class Subject:
    """What is judged."""

    constraints: str
    project: Mapping[str, Any]
    policy: Mapping[str, Any]
    runtime: Mapping[str, Package]
    everything: Mapping[str, Package]
    """With what only builds and tests."""


def subject() -> Subject:
    """Return this repository and this environment."""
    root = HERE.parent
    declared = project()
    shipped, extras = (
        declared["project"]["dependencies"],
        declared["project"]["optional-dependencies"],
    )
    optional = [line for name, lines in extras.items() if name != "test" for line in lines]
    return Subject(
        (root / "constraints.txt").read_text(encoding="utf-8"),
        declared,
        tomllib.loads((HERE / "policy.toml").read_text(encoding="utf-8")),
        closure([*shipped, *optional]),
        closure([*shipped, *optional, *extras["test"]]),
    )


def problems(told: Subject) -> Iterator[str]:
    """Yield what is wrong."""
    pins = dict(_pins(told.constraints))
    yield from _lines(told.constraints)
    yield from _pinned(told.everything, pins)
    yield from _declared(told.project, pins)
    yield from _fitting(told.everything)
    yield from _licences(told)
    yield from _floors(told.everything, told.policy["floors"])


def _pins(constraints: str) -> Iterator[tuple[str, str]]:
    for line in constraints.splitlines():
        if found := PIN.fullmatch(line.strip()):
            yield canonicalize_name(found[1]), found[2]


def _lines(constraints: str) -> Iterator[str]:
    for number, raw in enumerate(constraints.splitlines(), start=1):
        line = raw.strip()
        if line and not line.startswith("#") and not PIN.fullmatch(line):
            yield f"constraints.txt:{number}: {line!r} is no plain pin (name==version)"


def _pinned(packages: Mapping[str, Package], pins: Mapping[str, str]) -> Iterator[str]:
    for name, one in packages.items():
        if name not in pins:
            yield f"{name} {one.version} is installed and not pinned in constraints.txt"
        elif pins[name] != one.version:
            yield f"{name}: {one.version} is installed, and constraints.txt has {pins[name]}"


def _declared(project: Mapping[str, Any], pins: Mapping[str, str]) -> Iterator[str]:
    groups = {
        "dependencies": project["project"]["dependencies"],
        **project["project"]["optional-dependencies"],
        **project.get("dependency-groups", {}),
    }
    for group, lines in groups.items():
        for line in lines:
            one = Requirement(line)
            pin = pins.get(canonicalize_name(one.name))
            if pin is None:
                yield f"pyproject.toml: {group}: {one.name} is not pinned in constraints.txt"
            elif not one.specifier.contains(pin, prereleases=True):
                yield f"pyproject.toml: {group}: {line}, and constraints.txt has {pin}"


def _fitting(packages: Mapping[str, Package]) -> Iterator[str]:
    """Yield which packages do not get what they ask for (`pip check`, for what is ours)."""
    for one in packages.values():
        for line in one.found.requires or ():
            need = Requirement(line)
            name = canonicalize_name(need.name)
            if need.marker is not None and not need.marker.evaluate({"extra": ""}):
                continue
            there = packages.get(name)
            if there is not None and not need.specifier.contains(there.version, prereleases=True):
                yield f"{one.name} needs {line}, and {there.version} is installed"


def _licences(told: Subject) -> Iterator[str]:
    policy = told.policy["licences"]
    runtime, tools = set(policy["runtime"]), set(policy["tools"])
    for name, one in told.everything.items():
        licence = expression(name, one.found, policy["known"])
        names = runtime if name in told.runtime else runtime | tools
        if not licence:
            yield f"{name}: its licence is not told as SPDX: put it into policy.toml"
        elif not allowed(licence, names):
            where = "shipped" if name in told.runtime else "used"
            yield f"{name}: {licence} is not a licence of what may be {where}"


def _floors(packages: Mapping[str, Package], floors: Mapping[str, list[str]]) -> Iterator[str]:
    for name, (floor, why) in floors.items():
        one = packages.get(canonicalize_name(name))
        if one is not None and Version(one.version) < Version(floor):
            yield f"{name} {one.version} is below {floor}: {why}"


def changed_files(packages: Mapping[str, Package], shared: Sequence[str] = ()) -> Iterator[str]:
    """
    Yield which files of packages are not as they were installed.

    A file that two packages of *shared* bring has to be as one of them has it.
    """
    records: dict[Path, dict[str, FileHash]] = {}
    for name, one in packages.items():
        for file in one.found.files or ():
            if file.hash is not None:
                records.setdefault(Path(str(file.locate())).resolve(), {})[name] = file.hash
    for path, owners in records.items():
        names = ", ".join(owners)
        if len(owners) > 1 and not set(owners) <= set(shared):
            yield f"{path.name} belongs to {names}: whoever was installed last has it"
        elif not path.exists():
            yield f"{names}: {path.name} is gone"
        elif not any(_has(path, told) for told in owners.values()):
            yield f"{names}: {path.name} is not as it was installed"


def _has(path: Path, told: FileHash) -> bool:
    made = hashlib.new(told.mode, path.read_bytes()).digest()
    return base64.urlsafe_b64encode(made).rstrip(b"=").decode() == told.value


def main() -> int:
    """Print what is wrong; return the exit code."""
    try:
        told = subject()
    except MissingError as error:
        print(f"audit: {error}")
        return 1
    shared = told.policy["files"]["shared"]
    found = [*problems(told), *changed_files(told.everything, shared)]
    for line in found:
        print(f"audit: {line}")
    counts = f"{len(told.runtime)} packages shipped, {len(told.everything)} with tools"
    print(f"audit: {counts}: {len(found) or 'no'} problems; no advisory database was asked")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
