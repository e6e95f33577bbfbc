"""Whatever a layer's commit does, a dry-run says of it what following it comes to."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from gitsource.configuration.whole import load
from gitsource.git.local import LocalRepository
from gitsource.model import Finding
from gitsource.plan.values import Plan
from gitsource.rehearsal.memory import Forgetful
from gitsource.rehearsal.question import Others, Question
from gitsource.rehearsal.run import rehearse
from layers_in_process import LAYERS, WORDS, document, reconciler
from repositories import Upstream

ENDS = {"clean": {"published"}, "findings": {"held"}, "guarded": {"held"}}


def configured(folder: Path, upstreams: dict[str, Upstream], overrides: str) -> Path:
    """Write a config file: the middle layer may override or must not, and much is guarded."""
    rows = [{"name": name, "repository": {"url": one.url}} for name, one in upstreams.items()]
    rows[1]["overrides"] = overrides
    guard = {"removals": {"share": 0.3, "count": 0}}
    file = folder / "gitsource.json"
    (folder / "state").mkdir()
    told = {"layers": rows, "state_dir": str(folder / "state"), "guard": guard}
    file.write_text(json.dumps(told))
    return file


def foretold(config: Path, upstreams: dict[str, Upstream], name: str) -> Plan:
    others = {each: (one.folder, None) for each, one in upstreams.items() if each != name}
    asked = Question("main", "change", config=config, layers=(name,), others=Others(others))
    with LocalRepository(upstreams[name].folder) as repository:
        return rehearse(repository, asked, {}, Forgetful()).plan


def as_told_by(name: str, found: tuple[Finding, ...]) -> list[Finding]:
    """Return *found* by the server as a reviewer of the layer *name* is told it."""
    return sorted(replace(each, file=each.file.removeprefix(f"{name}:")) for each in found)


@pytest.mark.parametrize("seed", range(6))
async def test_what_is_foretold_of_any_commit_is_what_comes_of_it(
    tmp_path: Path, seed: int
) -> None:
    """What is held is taken back, so that sinks have what is on main."""
    random, seen = Random(seed), set[str]()
    upstreams = {name: Upstream(tmp_path / f"{name}.git") for name in LAYERS}
    for name, upstream in upstreams.items():
        upstream.commit({f"{name}.yaml": document(random, f"{name}.yaml")})
    config = configured(tmp_path, upstreams, random.choice(("warning", "error")))
    server = reconciler(load(config, {}, {}))
    await server.sync()
    for _ in range(14):
        name = random.choice(LAYERS)
        upstream = upstreams[name]
        there = upstream.git("ls-tree", "--name-only", "main").split()
        files: dict[str, str | None] = {}
        for path in random.sample([f"{word}.yaml" for word in WORDS], random.choice((1, 2))):
            text = document(random, path)
            files[path] = "{" if random.random() < 0.1 else text
            if random.random() < 0.4 and path in there:
                files[path] = None
        last = upstream.tip()
        upstream.commit(files, branch="change", parents=[last])
        plan = foretold(config, upstreams, name)
        before = server.condition.serving
        upstream.force(upstream.tip("change"))
        outcome = await server.sync()
        serving = server.condition.serving
        assert serving is not None
        assert before is not None
        seen.add(plan.ends)

        assert outcome.result in ENDS[plan.ends], outcome.error
        assert before.version == plan.version_before
        if plan.ends == "clean":
            assert serving.version == plan.version_after
            assert serving.revision.commit == plan.composition_after
            told = {each.name: each.version_after for each in plan.collections}
            assert told == {each: serving.collection(each).version for each in told}
            assert as_told_by(name, serving.findings) == list(plan.findings)
        else:
            errors = {each for each in plan.findings if each.severity == "error"}
            held = as_told_by(name, outcome.findings)
            assert {each for each in held if each.severity == "error"} <= errors
            upstream.force(last)
            await server.sync()
    await server.close()

    assert "clean" in seen
