"""What is remembered decides nothing: a dry-run says the same with any memory, and from nothing."""

from __future__ import annotations

import os
import random
import sqlite3
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import pytest

from gitsource.build.builder import Builder
from gitsource.configuration.catalogs import catalog_for
from gitsource.git.local import LocalRepository
from gitsource.model import Finding
from gitsource.plan.values import Plan
from gitsource.reconcile.judging import evaluate
from gitsource.rehearsal.memory import Folder, Forgetful
from gitsource.rehearsal.question import Memory, Question
from gitsource.rehearsal.run import rehearse
from gitsource.rehearsal.sealed import Sealed
from gitsource.settings.whole import Settings
from gitsource.snapshot.build import nothing
from repositories import FIXTURES, Upstream, build_history

CASES = Path(__file__).parents[1] / "references" / "cases"
HISTORIES = ("bookinfo", "broken", "demo", "envoy", "gateway", "moves")


def told(upstream: Upstream, base: str, head: str, memory: Memory) -> Plan:
    with LocalRepository(upstream.folder) as repository, closing(memory):
        return rehearse(repository, Question(base, head), {}, memory).plan


def remembering(folder: Path, key: bytes = b"") -> Folder:
    folder.mkdir(exist_ok=True)
    return Folder(Sealed(folder, key), "code")


def from_nothing(upstream: Upstream, commit: str) -> tuple[str, tuple[Finding, ...]]:
    """Return the version of a commit and its findings, judged without any other."""
    with LocalRepository(upstream.folder) as repository:
        settings = Settings()
        builder = Builder(catalog_for(settings, lambda _: None), settings.build)
        revision = repository.objects.revision(commit)
        found = evaluate(repository.objects, None, revision, builder, settings)
    return found.snapshot.version, found.findings


def check(upstream: Upstream, commits: list[str], folder: Path) -> None:
    """Compare plans over *commits*, each after the one before, with all kinds of memory."""
    served = nothing().snapshot.version
    for base, head in pairwise(commits):
        expected = told(upstream, base, head, Forgetful())
        remembered = [told(upstream, base, head, remembering(folder)) for _ in range(2)]

        assert [expected, expected] == remembered

        version, findings = from_nothing(upstream, head)
        assert version == expected.version_after
        if not any(each.code == "GS304" for each in findings):  # the newer of two is told
            assert list(findings) == sorted((*expected.new, *expected.old))
        before = from_nothing(upstream, base)
        if not any(each.severity == "error" for each in before[1]):
            served = before[0]
        assert served == expected.version_before
        assert len(before[1]) == len(expected.fixed) + len(expected.old)


@pytest.mark.parametrize("name", HISTORIES)
def test_a_history_is_told_alike_with_any_memory(name: str, tmp_path: Path) -> None:
    commits = build_history(FIXTURES / name, tmp_path / "up")
    upstream = Upstream.__new__(Upstream)
    upstream.folder = tmp_path / "up"

    check(upstream, commits, tmp_path / "memory")


@pytest.mark.parametrize("seed", range(3))
def test_any_way_through_documents_that_refer_to_each_other_is_told_alike(
    seed: int, tmp_path: Path
) -> None:
    """Files come, go, change, break and are renamed; what others say of them follows."""
    chance = random.Random(seed)
    texts = [
        path.read_text()
        for folder in sorted(CASES.iterdir())
        if "defined-twice" not in folder.name
        for path in sorted(folder.glob("*.yaml"))
    ]
    upstream = Upstream(tmp_path / "up")
    files = {f"f{n}.yaml": chance.choice(texts) for n in range(12)}
    commits = [upstream.commit(files, whole=True)]
    for _ in range(8):
        for _ in range(chance.randint(1, 3)):
            path = f"f{chance.randrange(14)}.yaml"
            act = chance.choice(["put", "put", "drop", "break", "rename", "longer"])
            if act == "put" or path not in files:
                files[path] = chance.choice(texts)
            elif act == "drop":
                del files[path]
            elif act == "break":
                files[path] += "\n---\n{"
            elif act == "longer":
                files[path] = f"# a comment\n{files[path]}"
            else:
                files[f"r{chance.randrange(14)}.yaml"] = files.pop(path)
        commits.append(upstream.commit(dict(files), whole=True))

    check(upstream, commits, tmp_path / "memory")


@pytest.fixture
def changed(tmp_path: Path) -> tuple[Upstream, str, str]:
    upstream = Upstream(tmp_path / "up")
    commits = build_history(FIXTURES / "demo", tmp_path / "up")
    return upstream, commits[0], commits[1]


def test_a_base_is_started_from_an_earlier_one(changed, tmp_path: Path) -> None:
    """It is not judged again, and is remembered itself."""
    upstream, first, second = changed
    third = upstream.commit({"README.md": "words"})
    told(upstream, first, second, remembering(tmp_path / "memory"))
    near = remembering(tmp_path / "memory")
    expected = told(upstream, second, third, Forgetful())

    assert expected == told(upstream, second, third, near)
    assert 2 == len(list((tmp_path / "memory").glob(f"*-{'?' * 40}")))


def test_what_another_key_sealed_is_not_believed(changed, tmp_path: Path) -> None:
    """Whoever fills a folder without the key decides nothing: here, a plan without any change."""
    upstream, first, second = changed
    told(upstream, first, second, remembering(tmp_path / "memory", b"theirs"))
    (forged,) = (tmp_path / "memory").glob(f"*-{first}")
    expected = told(upstream, first, second, Forgetful())

    ours = remembering(tmp_path / "memory", b"ours")
    assert ours._read(forged.name) is None
    assert expected == told(upstream, first, second, ours)


@pytest.mark.parametrize("harm", ["cut", "changed", "empty", "other", "folder", "pipe"])
def test_what_is_damaged_is_as_if_it_were_not_there(changed, tmp_path: Path, harm: str) -> None:
    upstream, first, second = changed
    told(upstream, first, second, remembering(tmp_path / "memory"))
    (file,) = (tmp_path / "memory").glob(f"*-{first}")
    raw = file.read_bytes()
    file.unlink()
    if harm == "folder":
        file.mkdir()
    elif harm == "pipe":
        os.mkfifo(file)
    else:
        file.write_bytes(
            {
                "cut": raw[:-1],
                "changed": raw[:-40] + bytes([raw[-40] ^ 1]) + raw[-39:],
                "empty": b"",
                "other": Sealed(tmp_path, b"")._seal(file.name, [b"x" * 40]) + b"x" * 40,
            }[harm]
        )
    expected = told(upstream, first, second, Forgetful())

    assert expected == told(upstream, first, second, remembering(tmp_path / "memory"))


VIEW = """
CREATE TABLE recipes (number INTEGER PRIMARY KEY, digest TEXT UNIQUE);
CREATE VIEW results AS WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x FROM n)
    SELECT x AS recipe, x AS key, x AS result FROM n;
"""
TRIGGER = """
CREATE TABLE recipes (number INTEGER PRIMARY KEY, digest TEXT UNIQUE);
CREATE TABLE results (recipe INTEGER, key TEXT, result BLOB, UNIQUE (recipe, key));
CREATE TRIGGER other AFTER INSERT ON results BEGIN DELETE FROM results; END;
"""


@pytest.mark.parametrize("script", [VIEW, TRIGGER, "CREATE TABLE other (x);"])
def test_results_with_something_else_among_them_are_thrown_away(
    changed, tmp_path: Path, script: str
) -> None:
    """A view or a trigger would be run: one that never ends, say."""
    upstream = changed[0]
    broken = upstream.commit({"broken.yaml": "{"})
    after = upstream.commit({"words.yaml": "# none"})
    file = tmp_path / "memory" / "results.sqlite"
    file.parent.mkdir()
    with closing(sqlite3.connect(file)) as connection:
        connection.executescript(script)
    expected = told(upstream, broken, after, Forgetful())

    assert expected == told(upstream, broken, after, remembering(file.parent))
    assert expected == told(upstream, broken, after, remembering(file.parent))
    with closing(sqlite3.connect(file)) as connection:
        there = connection.execute("SELECT type, name FROM sqlite_master WHERE sql IS NOT NULL")
        assert {("table", "recipes"), ("table", "results")} == set(there)
        assert connection.execute("SELECT count(*) FROM results").fetchone()[0] > 1


def test_results_that_another_key_sealed_are_not_believed(changed, tmp_path: Path) -> None:
    """They are there, under the very same names, and judged anew all the same."""
    upstream = changed[0]
    broken = upstream.commit({"broken.yaml": "{"})
    after = upstream.commit({"words.yaml": "# none"})
    told(upstream, broken, after, remembering(tmp_path / "memory", b"theirs"))
    with closing(sqlite3.connect(tmp_path / "memory" / "results.sqlite")) as connection:
        (recipe,) = connection.execute("SELECT digest FROM recipes").fetchone()
        (key,) = connection.execute("SELECT key FROM results").fetchone()
    blob, json, collection = (*key.split(" ", 2),)

    found = []
    for secret in (b"theirs", b"ours"):
        memory = remembering(tmp_path / "memory", secret)
        results = memory.results()
        assert results is not None
        asked = (blob, collection, json == "1")
        found.append(len(results.get(recipe.removeprefix("code"), [asked])))
        memory.close()

    assert [1, 0] == found


def test_no_more_than_a_few_revisions_are_remembered(changed, tmp_path: Path) -> None:
    upstream, first, _ = changed
    heads = [upstream.commit({"a.md": str(number)}) for number in range(12)]
    for base, head in zip([first, *heads], heads, strict=False):
        told(upstream, base, head, remembering(tmp_path / "memory"))

    assert 8 == len(list((tmp_path / "memory").glob(f"*-{'?' * 40}")))


def test_what_is_remembered_is_for_its_owner_alone(changed, tmp_path: Path) -> None:
    upstream, first, second = changed
    told(upstream, first, second, remembering(tmp_path / "memory"))

    modes = {
        path.name[-8:]: path.stat().st_mode & 0o077 for path in (tmp_path / "memory").iterdir()
    }
    assert set(modes.values()) == {0}, modes


def test_another_state_of_the_program_starts_anew(changed, tmp_path: Path) -> None:
    upstream, first, second = changed
    told(upstream, first, second, remembering(tmp_path / "memory"))
    other = Folder(Sealed(tmp_path / "memory", b""), "later code")

    assert told(upstream, first, second, other) == told(upstream, first, second, Forgetful())
    assert 2 == len(list((tmp_path / "memory").glob(f"*-{first}")))
