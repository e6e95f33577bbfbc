"""The benchmarks count right: on twenty resources, and without a word on how long anything took."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

import documents  # noqa: E402 - the benchmarks are scripts and stand on the path
import envoy_documents  # noqa: E402
import processes  # noqa: E402
import repository  # noqa: E402
import views  # noqa: E402
from gitsource._proto.istio.mcp.v1alpha1.mcp_pb2 import Resources  # noqa: E402
from gitsource.build.judge import bounds, judge  # noqa: E402
from gitsource.catalog.whole import Catalog  # noqa: E402
from gitsource.files import judge_files  # noqa: E402
from gitsource.settings.whole import Settings  # noqa: E402


def _judged(number, generation=0):
    catalog = Catalog()
    text = documents.document(number, generation).encode()
    return judge(text, None, catalog, bounds(catalog), json=False)


@pytest.fixture
def payload(tmp_path):
    """A push of three resources, as a file."""
    push = Resources(collection="acme/v1/things", nonce="1")
    for name in ("a/one", "a/two", "a/three"):
        push.resources.add().metadata.name = name
    file = tmp_path / "payload"
    file.write_bytes(push.SerializeToString())
    return file


def test_every_generated_document_is_published_without_a_finding():
    results = [_judged(number) for number in range(60)]

    assert [] == [f.message for r in results for d in r.documents for f in d.findings]
    assert [documents.name_of(n) for n in range(60)] == [r.documents[0].name for r in results]


def test_what_generated_documents_refer_to_is_there(tmp_path):
    for number in range(200):
        (tmp_path / f"{number}.yaml").write_text(documents.document(number))

    assert ((), 200) == judge_files([tmp_path], Settings())


@pytest.mark.parametrize("number", [0, 4, 7, 9], ids=documents.kind_of)
def test_the_next_generation_of_a_document_has_another_version(number):
    old, new = _judged(number, 0), _judged(number, 1)

    assert old.documents[0].name == new.documents[0].name
    assert old.documents[0].version != new.documents[0].version


def test_a_repository_has_a_file_a_resource_and_twenty_commits(tmp_path):
    made = repository.make(250, work=tmp_path)
    files = repository.git(made.folder, "ls-tree", "-r", "--name-only", "main").splitlines()

    assert 250 == len(files) == sum(made.counts.values())
    assert 100 == max(Counter(file.rpartition("/")[0] for file in files).values())
    assert "20" == repository.git(made.folder, "rev-list", "--count", "main")


def test_a_repository_is_the_same_wherever_it_is_made(tmp_path):
    commits = [
        repository.git(repository.make(30, work=tmp_path / place).folder, "rev-parse", "main")
        for place in ("here", "there")
    ]

    assert commits[0] == commits[1]


def test_the_client_counts_what_each_sink_was_sent(payload):
    with (
        processes.echo([payload], 1) as (address, server),
        processes.Sinks(address, ["acme/v1/things"], 5) as sinks,
    ):
        sinks.dial({"acme/v1/things": 3})
        first = sinks.report()
        sinks.arm(2)
        server.tell("0")
        server.tell("0")
        again = sinks.report()
        found = sinks.check()

    assert ["a/one", "a/two", "a/three"] == first["push"]["names"] == again["push"]["names"]
    assert {"resources": 3, "names": 3} == {
        key: found["acme/v1/things"][key] for key in ("resources", "names")
    }


def test_a_sink_that_was_sent_too_little_gives_no_figure(payload):
    with (
        processes.echo([payload], 1) as (address, _),
        processes.Sinks(address, ["acme/v1/things"], 2) as sinks,
    ):
        sinks.dial({"acme/v1/things": 4})

        with pytest.raises(processes.MeasureError, match="expected"):
            sinks.report()


def test_one_command_measures_every_row_and_prints_the_table(tmp_path):
    rows = "cold,warm,commit,watch,full-set,full-change"
    asked = ["--sizes", "20", "--rows", rows, "--sinks", "1,3", "--repeat", "1"]
    done = subprocess.run(
        [sys.executable, str(BENCHMARKS / "table.py"), *asked, "--work", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (0, "") == (done.returncode, done.stderr if done.returncode else "")
    kept = json.loads((tmp_path / "latest.json").read_text())

    assert [
        "cold", "cold-memory", "warm", "commit-1", "commit-3", "memory-3",
        "commit-1-watch", "commit-3-watch", "full-set", "full-change", "full-memory",
    ] == [row["name"] for row in kept["rows"]]  # fmt: skip
    assert all(value > 0 for row in kept["rows"] for value in row["values"])
    assert "one-file commit (POST /sync) → ACK of 3 incremental sinks" in done.stdout


def test_one_command_measures_what_following_a_repository_costs(tmp_path):
    asked = ["--sizes", "20", "--rows", "poll,soak", "--soak", "20", "--repeat", "1"]
    done = subprocess.run(
        [sys.executable, str(BENCHMARKS / "table.py"), *asked, "--work", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (0, "") == (done.returncode, done.stderr if done.returncode else "")
    kept = json.loads((tmp_path / "latest.json").read_text())

    assert ["poll", "soak", "soak-mirror"] == [row["name"] for row in kept["rows"]]
    assert all(value > 0 for row in kept["rows"] for value in row["values"])


@pytest.mark.timeout(300)
def test_one_command_measures_the_rows_of_xds(tmp_path):
    rows = "xds-mesh,xds-idle,xds-storm,limited"
    asked = ["--sizes", "20", "--rows", rows, "--sinks", "3", "--repeat", "1"]
    done = subprocess.run(
        [sys.executable, str(BENCHMARKS / "table.py"), *asked, "--work", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (0, "") == (done.returncode, done.stderr if done.returncode else "")
    kept = json.loads((tmp_path / "latest.json").read_text())
    streams = {
        f"xds-{wire}-mesh-3-{what}"
        for wire in ("sotw", "delta")
        for what in ("full", "commit", "update", "memory")
    }

    assert streams | {
        "xds-idle-memory", "xds-idle-update", "xds-idle-commit",
        "xds-storm-sotw", "xds-storm-delta", "limited",
    } == {row["name"] for row in kept["rows"]}  # fmt: skip


@pytest.mark.parametrize("number", [0, 9, 18, 19])
def test_envoys_documents_are_published_and_have_generations(number):
    def judged(generation):
        text = documents.document(number, generation, envoy_documents.MESH).encode()
        catalog = Catalog()
        (one,) = judge(text, None, catalog, bounds(catalog), json=False).documents
        return one

    old, new = judged(0), judged(1)

    assert ((), documents.name_of(number)) == (tuple(old.findings), old.name)
    assert (new.name, True) == (old.name, new.version != old.version)


def test_what_envoys_documents_refer_to_is_there(tmp_path):
    for number in range(60):
        text = documents.document(number, 0, envoy_documents.MESH)
        (tmp_path / f"{number}.yaml").write_text(text)

    assert ((), 60) == judge_files([tmp_path], Settings())


def test_views_show_what_their_form_says():
    shown = {cost.form: cost.shown for cost in views.measured(40, 4)}

    assert shown == {
        "each its own part": 40,
        "nearly all, none sees the change": 30 + 3 * 20,
        "nearly all, all see the change": 4 * 30,
        "by a label that is different everywhere": 16,
    }
