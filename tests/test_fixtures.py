"""
Every fixture repository, followed commit by commit, against what is written beside its steps.

The expected files were written by the program and read by people. So that they cannot be wrong in
the same way as the program, what can be checked without it is: versions are recomputed from the
rule, bodies are compared with the YAML as another reader has it, ages with git's own log.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from fixtures_expected import expected_file, fixtures, followed, name_of, settings_of
from gitsource.cli.offline import judge
from gitsource.git.local import LocalRepository
from gitsource.rollout.decide import GUARDED
from repositories import Upstream, build_history, commit_step, steps, told

FIXTURES = fixtures()
STEPS = [step for fixture in FIXTURES for step in steps(fixture)]


def expected(step: Path) -> dict[str, Any]:
    return json.loads(expected_file(step).read_text(encoding="utf-8"))


def step_id(step: Path) -> str:
    return f"{name_of(step.parent)}/{step.name}"


@pytest.mark.parametrize("fixture", FIXTURES, ids=name_of)
async def test_following_a_history_serves_what_is_written_beside_each_step(fixture, tmp_path):
    async with contextlib.aclosing(followed(fixture, tmp_path)) as history:
        async for step, found in history:
            assert found == expected(step), step.name


@pytest.mark.parametrize("fixture", FIXTURES, ids=name_of)
def test_judging_a_revision_from_nothing_comes_to_the_same(fixture, tmp_path):
    """
    A replica that starts later must not differ from one that saw every commit.

    But for what is held only because of what was served before.
    """
    commits = build_history(fixture, tmp_path / "upstream.git")
    with LocalRepository(tmp_path / "upstream.git") as repository:
        for step, commit in zip(steps(fixture), commits, strict=True):
            want = expected(step)
            proposal = judge(repository, repository.revision(commit), settings_of(fixture))

            errors = {each["code"] for each in want["findings"] if each["severity"] == "error"}
            assert proposal.acceptable == (errors <= GUARDED)
            if want["outcome"] == "published":
                versions = {c.name: c.version for c in proposal.snapshot.collections.values()}
                served = {name: c["version"] for name, c in want["collections"].items()}
                assert versions == served


@pytest.mark.parametrize("fixture", FIXTURES, ids=name_of)
def test_no_expectation_is_left_over(fixture):
    there = {file.name for file in fixture.glob("*.expected.json")}

    assert there == {expected_file(step).name for step in steps(fixture)}


@pytest.mark.parametrize("step", STEPS, ids=step_id)
def test_families_and_histories_hold_what_their_names_say(step):
    family = name_of(step.parent).split("/")[0]
    outcome = expected(step)["outcome"]

    assert outcome == {"accepted": "published", "rejected": "held"}.get(family, outcome)
    errors = [f for f in expected(step)["findings"] if f["severity"] == "error"]
    assert bool(errors) == (outcome == "held")


# --------------------------------------------------------------------- checked without the program


def prefixed(text: str) -> bytes:
    return len(text.encode()).to_bytes(4, "big") + text.encode()


@pytest.mark.parametrize("step", STEPS, ids=step_id)
def test_a_collections_version_can_be_recomputed_by_any_sink(step):
    for collection in expected(step)["collections"].values():
        lines = b"".join(
            prefixed(name) + prefixed(resource["version"])
            for name, resource in sorted(collection["resources"].items())
        )

        assert collection["version"] == base64.b64encode(hashlib.sha256(lines).digest()).decode()


def test_equal_content_has_equal_versions_and_other_content_others():
    """Over all fixtures and steps: the version is a function of type, body, labels, annotations."""
    content_of: dict[str, str] = {}
    version_of: dict[str, str] = {}
    for step in STEPS:
        for collection in expected(step)["collections"].values():
            for resource in collection["resources"].values():
                content = json.dumps(
                    [resource[key] for key in ("type", "body", "labels", "annotations")],
                    sort_keys=True,
                )
                version = resource["version"]
                assert content_of.setdefault(version, content) == content
                assert version_of.setdefault(content, version) == version

    assert len(version_of) > 40


DURATION = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:([\d.]+)s)?(?:([\d.]+)ms)?")


ZEROS = ("MESH_EXTERNAL",)
"""Enum words that are number 0: proto3 says them by saying nothing."""


def camel(key: str, *, envoys: bool) -> str:
    """Return a field's name as protobuf's JSON has it; Envoy's are written as they are declared."""
    return re.sub(r"_([a-z])", lambda found: found[1].upper(), key) if envoys else key


def plain(value: Any, *, envoys: bool = False) -> Any:
    """Return *value* with what protobuf spells otherwise spelled alike: numbers and durations."""
    if isinstance(value, dict):
        return {
            camel(str(key), envoys=envoys): plain(item, envoys=envoys)
            for key, item in value.items()
            if item not in ZEROS
        }
    if isinstance(value, list):
        return [plain(item, envoys=envoys) for item in value]
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int | float):
        return float(value)
    parts = DURATION.fullmatch(value)
    if value and parts:
        hours, minutes, seconds, milliseconds = (float(part or 0) for part in parts.groups())
        return ("seconds", hours * 3600 + minutes * 60 + seconds + milliseconds / 1000)
    return value


def file_at(step: Path, path: str) -> Path:
    """Return the file at *path* after *step*: a partial step has only what it changes."""
    earlier = [each for each in steps(step.parent) if each.name <= step.name]
    return next(each / path for each in reversed(earlier) if (each / path).exists())


def documents(text: str) -> Iterator[tuple[int, Any]]:
    """Yield the documents of a file, or the items of those that are lists, with their lines."""
    nodes = YAML().compose_all(text)
    for node, value in zip(nodes, YAML(typ="safe").load_all(text), strict=True):
        if isinstance(value, list):
            lines = [item.start_mark.line + 1 for item in node.value]
            yield from zip(lines, value, strict=True)
        else:
            yield node.start_mark.line + 1, value


@pytest.mark.parametrize(
    "step", [step for step in STEPS if expected(step)["outcome"] == "published"], ids=step_id
)
def test_a_body_is_what_another_reader_finds_in_the_file(step):
    """Only what is served because of this very tree is compared: a held step serves another."""
    read: dict[str, list[Any]] = {}
    for collection in expected(step)["collections"].values():
        for resource in collection["resources"].values():
            path, _, line = resource["origin"].rpartition(":")
            if path not in read:
                text = file_at(step, path).read_bytes().decode("utf-8-sig")
                read[path] = list(documents(text))
            (document,) = (value for at, value in read[path] if at == int(line))
            metadata = document.get("metadata") or {}
            if "resource" in document:
                metadata = metadata["filter_metadata"]["gitsource.dev"]
                document = document["resource"]
            spec = document["spec"] if "apiVersion" in document else document
            if not resource["type"].endswith("google.protobuf.Struct"):
                spec = {key: item for key, item in spec.items() if key != "@type"}

            envoys = "/envoy." in resource["type"]
            assert plain(resource["body"]) == plain(spec, envoys=envoys)
            assert resource["labels"] == (metadata.get("labels") or {})
            assert resource["annotations"] == (metadata.get("annotations") or {})


@pytest.mark.parametrize("fixture", FIXTURES, ids=name_of)
def test_a_resource_is_as_old_as_its_path_in_gits_own_log(fixture, tmp_path):
    """The path's last addition without following renames, as `git log` tells it."""
    upstream = Upstream(tmp_path / "upstream.git")
    for step in steps(fixture):
        commit_step(upstream, step)
        want = expected(step)
        if want["outcome"] != "published":
            continue
        for collection in want["collections"].values():
            for resource in collection["resources"].values():
                path = resource["origin"].rpartition(":")[0]
                log = upstream.git(
                    "log", "-1", "--first-parent", "--no-renames", "--diff-filter=A",
                    "--format=%cd", "--date=format-local:%Y-%m-%dT%H:%M:%SZ",
                    "main", "--", f":(literal){path}",
                )  # fmt: skip

                assert resource["create_time"] == log, resource["origin"]


def test_every_step_says_in_a_sentence_what_it_is():
    assert [step for step in STEPS if len(told(step)["message"].split()) < 1] == []
