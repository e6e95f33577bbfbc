"""What becomes of one file's content, and how contents are judged once."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitsource._proto.istio.mcp.v1alpha1.resource_pb2 import Resource as Wire
from gitsource.build.builder import FRESH_BYTES, Builder
from gitsource.build.joining import join
from gitsource.build.judge import bounds, judge
from gitsource.catalog.rows import own_kind
from gitsource.catalog.whole import Catalog
from gitsource.model import TreeEntry
from gitsource.settings.judging import Build
from gitsource.snapshot.blobs import BlobCache

ROUTE = b"""\
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web, labels: {app: web}}
spec:
  hosts: [web.example.com]
  http:
  - route:
    - destination: {host: web}
"""
OTHER = ROUTE.replace(b"name: web", b"name: api")
BOUNDS = {"file_bytes": 10_000, "documents": 100, "depth": 64, "nodes": 10_000}
CATALOG = Catalog(limits=BOUNDS).extended(
    [
        own_kind({"name": "acme/v1/flags", "api_version": "acme.dev/v1", "kind": "Flag"}, ""),
        own_kind({"name": "acme/v1/notes", "path": "notes/**"}, '{"required": ["text"]}'),
    ]
)
BLOB = "a" * 40


def file(data: bytes | None, path: str = "mesh/web.yaml", catalog: Catalog = CATALOG):
    """Judge *data* at *path*; returns its resources by name and its findings."""
    result = judge(data, catalog.route(path), catalog, bounds(catalog), json=path.endswith(".json"))
    state, findings = join(TreeEntry(path, "100644", BLOB), 1_700_000_000, result)
    return {resource.name: resource for _, resource in state.resources}, findings, state


def test_a_sound_document_becomes_a_resource_with_its_origin_and_birth() -> None:
    resources, findings, state = file(ROUTE)

    wire = Wire.FromString(resources["default/web"].wire)
    assert [] == findings
    assert "default/web" == wire.metadata.name
    assert 1_700_000_000 == wire.metadata.create_time.seconds
    assert {"app": "web"} == dict(wire.metadata.labels)
    assert resources["default/web"].version == wire.metadata.version
    assert ("mesh/web.yaml", 1) == (
        resources["default/web"].origin.path,
        resources["default/web"].origin.line,
    )
    assert 0 == state.ignored


def test_every_document_of_a_file_counts_and_knows_its_line() -> None:
    resources, _, state = file(
        b"---\n".join((ROUTE, OTHER, b"kind: Deployment\napiVersion: apps/v1\n"))
    )

    assert {"default/web": 1, "default/api": 10} == {
        name: resource.origin.line for name, resource in resources.items()
    }
    assert 1 == state.ignored


def test_an_error_in_one_document_leaves_the_others_of_the_file_judged() -> None:
    resources, findings, _ = file(ROUTE.replace(b"hosts:", b"hostz:") + b"---\n" + OTHER)

    assert {"default/api"} == set(resources)
    assert {"VirtualService/default/web"} == {finding.resource for finding in findings}


def test_the_position_is_that_of_the_value_at_fault() -> None:
    _, findings, _ = file(ROUTE.replace(b"{host: web}", b"{host: web, port: {number: x}}"))

    assert [(8, 47)] == [(finding.line, finding.column) for finding in findings]


def test_a_file_above_the_limit_is_a_finding_without_being_read() -> None:
    _, findings, _ = file(None)

    assert [("GS107", 1)] == [(finding.code, finding.line) for finding in findings]


def test_a_lfs_pointer_is_a_finding() -> None:
    _, findings, _ = file(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")

    assert ["GS203"] == [finding.code for finding in findings]


def test_a_document_that_is_no_mapping_is_ignored_unless_a_collection_takes_its_file() -> None:
    _, findings, state = file(b"- op: add\n")
    _, taken, _ = file(b"- op: add\n", "notes/a.yaml")

    assert ([], 1) == (findings, state.ignored)
    assert ["GS108"] == [finding.code for finding in taken]


def test_unknown_kinds_are_ignored_told_or_refused_by_setting() -> None:
    told = {
        setting: [
            (finding.code, finding.severity)
            for finding in file(
                b"kind: Foo\napiVersion: bar/v1\n", catalog=Catalog((), "default", setting, BOUNDS)
            )[1]
        ]
        for setting in ("ignore", "warn", "error")
    }

    assert {
        "ignore": [],
        "warn": [("GS305", "warning")],
        "error": [("GS305", "error")],
    } == told


def test_an_api_version_that_is_not_served_is_an_error_whatever_unknown_kinds_are() -> None:
    _, findings, state = file(ROUTE.replace(b"istio.io/v1", b"istio.io/v2"))

    (finding,) = findings
    assert ("GS306", "error", 1, 13) == (
        finding.code,
        finding.severity,
        finding.line,
        finding.column,
    )
    assert "networking.istio.io/v1 or" in finding.message
    assert 1 == state.ignored


def test_every_served_version_of_a_kind_is_the_same_resource() -> None:
    versions = {
        file(ROUTE.replace(b"istio.io/v1", b"istio.io/" + served))[0]["default/web"].version
        for served in (b"v1", b"v1beta1", b"v1alpha3")
    }

    assert 1 == len(versions)


def test_a_collection_by_path_takes_every_document_and_names_it_after_its_file() -> None:
    resources, findings, _ = file(b"text: hello\n", "notes/2024/may.yaml")

    assert [] == findings
    assert {"notes/2024/may"} == set(resources)


def test_a_json_file_is_read_as_json() -> None:
    resources, findings, _ = file(b'{"text": "a\\u00e9\\ud83d\\ude00\\/"}', "notes/a.json")

    assert [] == findings
    assert {"notes/a"} == set(resources)


def test_a_schema_error_of_a_nameless_document_names_the_resource_after_the_file() -> None:
    _, findings, _ = file(b"words: hello\n", "notes/a.yaml")

    assert [("acme/v1/notes/notes/a", "GS301")] == [(f.resource, f.code) for f in findings]


def test_a_file_name_that_makes_no_name_is_a_finding() -> None:
    _, findings, _ = file(b"text: hello\n", "notes/a b\x07.yaml")

    assert ["GS303"] == [finding.code for finding in findings]


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.binary(max_size=300), st.text(max_size=200).map(str.encode)))
def test_any_bytes_become_findings_or_resources_and_never_an_exception(data: bytes) -> None:
    file(data)
    file(data, "notes/a.yaml")
    file(data, "notes/a.json")


PIECES = (
    *(b"", b"~", b"[]", b"{}", b"- ", b"1", b"true", b": ", b"\n", b"&a ", b"*a", b"!!int "),
    *(b'"', b".inf", b"1e999", b"\xc3\xa9", b"<<: ", b"0x1f", b"12345678901234567890"),
)


@settings(max_examples=300, deadline=None)
@given(st.integers(0, len(ROUTE) - 1), st.integers(0, 40), st.sampled_from(PIECES))
def test_any_mutation_of_a_document_is_a_resource_that_decodes_or_an_error(
    at: int, length: int, instead: bytes
) -> None:
    resources, findings, state = file(ROUTE[:at] + instead + ROUTE[at + length :])

    for resource in resources.values():
        assert resource.name == Wire.FromString(resource.wire).metadata.name
    if not resources and not state.ignored and ROUTE[:at] + instead:
        assert findings


# --------------------------------------------------------------------------- the builder


class Files:
    """Contents by made-up blob ID; picklable, and counts what was read."""

    def __init__(self, contents: dict[str, bytes]) -> None:
        self.contents = contents
        self.asked: list[str] = []

    def __call__(self, blobs: Sequence[str]) -> Iterator[tuple[str, bytes | None]]:
        for blob in blobs:
            self.asked.append(blob)
            yield blob, self.contents[blob]


def entries(count: int) -> tuple[list[TreeEntry], Files]:
    contents = {
        f"{n:040x}": ROUTE.replace(b"name: web", f"name: web-{n}".encode()) for n in range(count)
    }
    files = [TreeEntry(f"mesh/{n}.yaml", "100644", blob) for n, blob in enumerate(contents)]
    return files, Files(contents)


def test_worker_processes_and_this_one_come_to_the_same() -> None:
    files, read = entries(1200)
    alone = Builder(CATALOG, Build(workers=1))
    pooled = Builder(CATALOG, Build(workers=2, bulk=100))

    one = {e.path: r.SerializeToString() for e, r in alone.results(files, read, read)}
    two = {e.path: r.SerializeToString() for e, r in pooled.results(files, read, read)}

    assert one == two
    assert {entry.path for entry in files} == one.keys()


class ReadWhenNiced(Files):
    """Contents for who is nicer than *ours*; for others they are too large to be read."""

    def __init__(self, contents: dict[str, bytes], ours: int) -> None:
        super().__init__(contents)
        self.ours = ours

    def __call__(self, blobs: Sequence[str]) -> Iterator[tuple[str, bytes | None]]:
        for blob, content in super().__call__(blobs):
            yield blob, content if os.nice(0) > self.ours else None


@pytest.mark.parametrize(("serving", "findings"), [(True, 0), (False, 120)])
def test_bulk_work_is_niced_while_something_is_served(*, serving: bool, findings: int) -> None:
    files, read = entries(120)
    niced = ReadWhenNiced(read.contents, os.nice(0))
    builder = Builder(CATALOG, Build(workers=2, bulk=100), serving=serving)

    found = [result for _, result in builder.results(files, read, niced) if result.findings]

    assert findings == len(found)


def test_a_content_is_judged_once_however_many_paths_it_has() -> None:
    files, read = entries(3)
    again = [TreeEntry(f"copy/{n}.yaml", "100644", e.blob) for n, e in enumerate(files)]

    results = list(Builder(CATALOG, Build()).results([*files, *again], read, read))

    assert 6 == len(results)
    assert 3 == len(read.asked)


def test_a_content_that_was_judged_before_is_not_read_again(tmp_path: Path) -> None:
    files, read = entries(3)
    cache = BlobCache(tmp_path / "blobs")
    builder = Builder(CATALOG, Build(), cache)
    first = list(builder.results(files, read, read))
    builder.flush()
    read.asked.clear()

    second = list(Builder(CATALOG, Build(), cache).results(files, read, read))

    assert first == second
    assert [] == read.asked


def test_contents_are_read_in_the_order_of_the_tree() -> None:
    files, read = entries(9)
    files.reverse()

    list(Builder(CATALOG, Build()).results(files, read, read))

    assert [entry.blob for entry in files] == read.asked


def test_large_results_are_not_kept_in_memory_until_all_are_there(tmp_path: Path) -> None:
    size = 900_000
    count = FRESH_BYTES // size + 2
    note = b'{"text": "' + b"x" * size + b'%d"}'
    read = Files({f"{n:040x}": note % n for n in range(count)})
    files = [TreeEntry(f"notes/{n}.json", "100644", blob) for n, blob in enumerate(read.contents)]
    list(Builder(CATALOG, Build(), BlobCache(tmp_path / "blobs")).results(files, read, read))
    read.asked.clear()

    list(Builder(CATALOG, Build(), BlobCache(tmp_path / "blobs")).results(files, read, read))

    assert 1 == len(read.asked)


@pytest.mark.parametrize(
    "other",
    [
        Catalog(CATALOG.kinds, "elsewhere", "ignore", BOUNDS),
        Catalog(CATALOG.kinds, "default", "error", BOUNDS),
        Catalog(CATALOG.kinds[:-1], "default", "ignore", BOUNDS),
        Catalog(CATALOG.kinds, "default", "ignore", {**BOUNDS, "nodes": 5}),
    ],
    ids=["default_namespace", "unknown_kinds", "collections", "limits"],
)
def test_under_settings_that_change_the_answer_it_is_judged_again(
    tmp_path: Path, other: Catalog
) -> None:
    files, read = entries(3)
    cache = BlobCache(tmp_path / "blobs")
    builder = Builder(CATALOG, Build(), cache)
    list(builder.results(files, read, read))
    builder.flush()
    read.asked.clear()

    list(Builder(other, Build(), cache).results(files, read, read))

    assert 3 == len(read.asked)
