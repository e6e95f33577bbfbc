"""
What gitsource makes of each fixture repository, step by step, in the form of the expected files.

Run as a program it writes `fixtures/repos/<name>/NN-step.expected.json` for the fixtures named on
the command line (all of them by default), to be read before they are committed: they are the claim,
not the proof. `tests/test_fixtures.py` compares.

    python tests/fixtures_expected.py [bookinfo ...]
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import tempfile
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from google.protobuf.json_format import MessageToDict
from google.protobuf.message_factory import GetMessageClass

from gitsource._proto.istio.mcp.v1alpha1 import resource_pb2
from gitsource.catalog.kinds import Kind, body_descriptor
from gitsource.catalog.whole import Catalog
from gitsource.configuration.catalogs import catalog_for
from gitsource.configuration.whole import load
from gitsource.git.mirror import Mirror
from gitsource.git.objects import Objects
from gitsource.model import Finding, Resource, Revision, Snapshot
from gitsource.reconcile.judging import schema_reader
from gitsource.reconcile.reconciler import Reconciler
from gitsource.settings.following import Repository
from gitsource.settings.units import FilePath
from gitsource.settings.whole import Settings
from gitsource.snapshot.blobs import BlobCache
from gitsource.snapshot.cache import SnapshotCache
from gitsource.snapshot.history import History
from repositories import FIXTURES, Upstream, commit_step, steps


def fixtures() -> list[Path]:
    """Return every fixture repository: a folder that has steps."""
    found = {step.parent for step in FIXTURES.rglob("[0-9][0-9]-*") if step.is_dir()}
    return sorted(
        folder for folder in found if not any(parent in found for parent in folder.parents)
    )


def name_of(fixture: Path) -> str:
    """Return the fixture's name, with its family if it has one."""
    return fixture.relative_to(FIXTURES).as_posix()


def settings_of(fixture: Path) -> Settings:
    """Return the settings that lie beside the steps, or the defaults."""
    file = fixture / "gitsource.yaml"
    return load(file, {}, {}) if file.exists() else Settings()


async def followed(fixture: Path, work: Path) -> AsyncIterator[tuple[Path, dict[str, Any]]]:
    """
    Commit one step after the other, look at each, and yield it with what is then served.

    The whole write half is at work, as in `gitsource serve`, with its folders in *work*.
    """
    upstream = Upstream(work / "upstream.git")
    settings = replace(
        settings_of(fixture), repository=Repository(upstream.url), state_dir=FilePath(str(work))
    )
    catalogs: list[Catalog] = []

    def catalog_at(told: Settings, objects: Objects | None, at: Revision | None) -> Catalog:
        catalogs.append(catalog_for(told, schema_reader(objects, at, told)))
        return catalogs[-1]

    reconciler = Reconciler(
        settings,
        Mirror(work / "mirror.git", settings.repository),
        History(work / "history"),
        BlobCache(work / "blobs.sqlite"),
        SnapshotCache(),
        catalog_at,
    )
    try:
        for step in steps(fixture):
            commit_step(upstream, step)
            outcome = await reconciler.sync()
            if outcome.result == "failed":
                raise AssertionError(f"{step}: {outcome.error}")
            now = reconciler.condition
            told = described(
                outcome.result, now.serving, outcome.findings, now.ignored, catalogs[-1]
            )
            yield step, told
    finally:
        await reconciler.close()


def described(
    outcome: str,
    serving: Snapshot | None,
    findings: tuple[Finding, ...],
    ignored: int,
    catalog: Catalog,
) -> dict[str, Any]:
    """Return the expected file of one step."""
    collections = serving.collections.values() if serving else ()
    return {
        "outcome": outcome,
        "ignored": ignored,
        "collections": {
            each.name: {
                "version": each.version,
                "resources": {
                    resource.name: _resource(resource, catalog.by_collection[each.name])
                    for resource in each
                },
            }
            for each in collections
        },
        "findings": [
            {
                "file": found.file,
                "line": found.line,
                "column": found.column,
                "severity": found.severity,
                "code": found.code,
                "message": found.message,
                "resource": found.resource,
            }
            for found in findings
        ],
    }


def _resource(resource: Resource, kind: Kind) -> dict[str, Any]:
    wire = resource_pb2.Resource.FromString(resource.wire)
    message = GetMessageClass(body_descriptor(kind.body, kind.descriptors))
    body = MessageToDict(message.FromString(wire.body.value))
    born = datetime.fromtimestamp(wire.metadata.create_time.ToSeconds(), UTC)
    return {
        "version": wire.metadata.version,
        "labels": dict(wire.metadata.labels),
        "annotations": dict(wire.metadata.annotations),
        "create_time": born.isoformat().replace("+00:00", "Z"),
        "origin": f"{resource.origin.path}:{resource.origin.line}",
        "type": wire.body.type_url,
        "body": body,
    }


def expected_file(step: Path) -> Path:
    """Return where the expectation of *step* is."""
    return step.parent / f"{step.name}.expected.json"


async def write(fixture: Path) -> None:
    """Write the expected file of every step."""
    with tempfile.TemporaryDirectory() as work:
        told = followed(fixture, Path(work))
        async with contextlib.aclosing(told):
            async for step, found in told:
                text = json.dumps(found, indent=1, ensure_ascii=False, sort_keys=True)
                expected_file(step).write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    for each in fixtures():
        if len(sys.argv) == 1 or name_of(each) in sys.argv[1:]:
            asyncio.run(write(each))
