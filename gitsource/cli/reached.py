"""
What is served somewhere: an instance that is asked, or an exported snapshot that is opened.

Rule: read-only. An instance is asked by GET alone (`admin_door`) and told nothing; a file is proved
before anything in it is believed. Where layers are served, what is told can be taken apart, or it
is not used for that.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gitsource.errors import ConfigurationError, GitsourceError
from gitsource.model import (
    Collection,
    LayerRevision,
    Origin,
    Resource,
    Revision,
    Snapshot,
    shown,
)
from gitsource.settings_checks.addresses import UNIX

if TYPE_CHECKING:
    from gitsource.cli.admin_client import Papers
    from gitsource.cli.admin_door import Door
    from gitsource.plan.served import Served
    from gitsource.snapshot.build import Standing

Resources = Callable[[str], Mapping[str, str] | None]
"""From the name of a collection to the versions of what is served of it; None: nobody knows."""
Apart = Callable[[Iterable[str]], "Mapping[str, Standing]"]
"""From the names of layers to what is served of them; nothing if not all of that is known."""


@dataclass(frozen=True, slots=True)
class Reached:
    """What is served, and how to learn more of it."""

    served: Served
    resources: Resources
    apart: Apart
    bodies: bool
    """Whether it tells what is in resources, and not their versions alone."""


def reach(told: str, papers: Papers, *, option: str) -> Reached:
    """Return what *told*, an address or a file, says is served; raises GitsourceError."""
    file = Path(told)
    if "://" not in told and not told.startswith(UNIX) and file.exists():
        return _exported(file)
    from gitsource.cli.admin_door import door

    try:
        where = door(told, papers, option=option)
    except ConfigurationError as error:
        if "://" in told or "is no address" not in str(error):
            raise
        raise ConfigurationError(
            f"{option}: {shown(told)} is neither a file that is there nor an address",
            hint="name a file of `gitsource export`, or an address as host:port, https://host or "
            "unix:/path",
        ) from error
    return _instance(where)


def in_snapshot(snapshot: Snapshot, source: str) -> Reached:
    """Return what *snapshot* says that *source* has."""
    from gitsource.plan.served import of_snapshot

    def resources(name: str) -> Mapping[str, str]:
        return {each.name: each.version for each in snapshot.collection(name)}

    def apart(names: Iterable[str]) -> Mapping[str, Standing]:
        return _apart(snapshot, names)

    return Reached(of_snapshot(snapshot, source), resources, apart, bodies=True)


def _apart(snapshot: Snapshot, names: Iterable[str]) -> Mapping[str, Standing]:
    from gitsource.snapshot.compose import opened_up, parted

    there = {layer.name for layer in snapshot.revision.layers}
    return parted(opened_up(snapshot), [name for name in names if name in there])


def _exported(file: Path) -> Reached:
    from gitsource.cli.exported import opened

    snapshot, _ = opened(file)
    return in_snapshot(snapshot, str(file))


def _instance(where: Door) -> Reached:
    from gitsource.cli.admin_door import read
    from gitsource.plan.served import read as understand

    try:
        served = understand(read(where, "/snapshot"), str(where))
    except ValueError as error:
        raise ConfigurationError(
            f"{where} answers what no gitsource does: {error}",
            hint="is it the admin HTTP of gitsource, and not something between?",
        ) from error

    def resources(name: str) -> Mapping[str, str] | None:
        try:
            return _pages(where, name, served.version)[0]
        except (ValueError, GitsourceError):
            return None  # Only the names are missing then: versions are known already.

    def apart(names: Iterable[str]) -> Mapping[str, Standing]:
        try:
            return _apart(_whole(where, served), names)
        except (ValueError, GitsourceError):
            return {}

    return Reached(served, resources, apart, bodies=False)


def _pages(where: Door, collection: str, version: str) -> tuple[dict[str, str], dict[str, Origin]]:
    """Return versions and places of all of a *collection*; raises ValueError."""
    from gitsource.cli.admin_door import read
    from gitsource.plan.served import read_origins, read_resources

    found: dict[str, str] = {}
    places: dict[str, Origin] = {}
    after = ""
    while True:
        asked = {"collection": collection} | ({"after": after} if after else {})
        told = read(where, "/snapshot", asked)
        page, following = read_resources(told, version, after)
        found |= page
        places |= read_origins(told)
        if not following:
            return found, places
        after = following


def _whole(where: Door, served: Served) -> Snapshot:
    """Return all that is served, without bodies; raises ValueError if that is not told."""
    if served.covered is None:
        raise ValueError("it does not say what is covered")
    resources: dict[str, list[Resource]] = defaultdict(list)
    for name in served.collections:
        versions, places = _pages(where, name, served.version)
        if versions.keys() != places.keys():
            raise ValueError("it does not say which layer each resource is of")
        resources[name] = [
            Resource(one, version, b"", places[one]) for one, version in versions.items()
        ]
    covered = tuple(
        (each.collection, Resource(each.name, each.version, b"", Origin(each.file, each.line)))
        for each in served.covered
    )
    layers = tuple(LayerRevision(name, commit) for name, commit in served.layers.items())
    revision = Revision(served.revision, "", 0, layers=layers)
    content = {name: Collection.of(name, found) for name, found in resources.items()}
    snapshot = Snapshot.of(revision, content, covered=covered)
    if snapshot.version != served.version:
        raise ValueError("what it tells does not come to the version that it tells")
    return snapshot
