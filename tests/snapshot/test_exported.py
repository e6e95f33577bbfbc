"""A snapshot as a file: the same bytes for the same snapshot, and nothing believed that is told."""

from __future__ import annotations

import hashlib
import io
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from google.protobuf import text_format

from gitsource._proto.gitsource.state.v1.state_pb2 import Head, Record
from gitsource.catalog.rows import own_kind
from gitsource.encode.resource import Encoded, encode, frame, proved
from gitsource.errors import ConfigurationError
from gitsource.model import (
    Collection,
    Finding,
    LayerRevision,
    Origin,
    Resource,
    Revision,
    Snapshot,
)
from gitsource.snapshot import exported
from gitsource.snapshot.compose import opened_up, parted

KIND = own_kind({"name": "acme/v1/flags", "api_version": "acme.dev/v1", "kind": "Flag"})
HOSTILE = Path(__file__).parent / "hostile_exports"
WARNING = Finding("flags/cart.yaml", 3, 1, "warning", "GS305", "old words", "Flag/shop/cart")
REASONS = {
    "announces-a-gigabyte": "ends too early",
    "announces-a-terabyte": "are taken at most",
    "compressed": "is no exported snapshot",
    "empty": "is no exported snapshot",
    "ends-too-early": "ends too early",
    "first-line-without-end": "is no exported snapshot",
    "format-of-the-future": "reads formats 1 and 2",
    "goes-on-behind-its-end": "goes on behind its end",
    "head-longer-than-the-file": "its head is longer",
    "no-export": "is no exported snapshot",
    "no-protobuf": "cannot be read",
    "nothing-behind-the-first-line": "its head is longer|no commit",
    "one-bit-turned": "does not have the digest",
    "text-that-is-no-utf-8": "cannot be read",
}


WEB = SimpleNamespace(labels={"team": "web"}, annotations={})


def flag(name: str, *, on: bool = True, birth: int = 1704067200) -> Resource:
    """Return a resource as the pipeline makes it."""
    made: Encoded = encode({"metadata": {"name": name}, "spec": {"on": on}}, WEB, KIND)
    wire = frame(name, birth, made.metadata, made.body)
    return Resource(name, made.version, wire, Origin(f"flags/{name}.yaml", 1))


def of(*resources: Resource, layers: tuple[LayerRevision, ...] = ()) -> Snapshot:
    revision = Revision("c" * 40, "d" * 40, 1704067200, "Ada <ada@example.org>", "Flags", layers)
    flags = Collection.of("acme/v1/flags", resources)
    return Snapshot.of(revision, {flags.name: flags}, (WARNING,))


def written(snapshot: Snapshot) -> bytes:
    file = io.BytesIO()
    exported.write(file, snapshot)
    return file.getvalue()


def read(data: bytes) -> Snapshot:
    return exported.read(io.BytesIO(data), proved)[0]


def test_what_is_read_is_what_was_written():
    snapshot = of(flag("shop/a"), flag("shop/b", on=False))

    found = read(written(snapshot))

    assert found.revision == snapshot.revision
    assert (found.version, found.findings) == (snapshot.version, snapshot.findings)
    assert (
        found.collection("acme/v1/flags").resources
        == snapshot.collection("acme/v1/flags").resources
    )


def test_the_same_snapshot_gives_the_same_bytes():
    """However it was put together."""
    one = of(flag("shop/a"), flag("shop/b"))
    other = read(written(of(flag("shop/b"), flag("shop/a"))))

    assert written(one) == written(other)


def test_the_digest_in_the_first_line_can_be_checked_with_sha256sum():
    line, payload = written(of(flag("shop/a"))).split(b"\n", 1)

    assert line.split() == [
        b"gitsource-snapshot",
        b"1",
        f"sha256:{hashlib.sha256(payload).hexdigest()}".encode(),
        str(len(payload)).encode(),
    ]


def test_a_snapshot_without_resources_can_be_exported():
    assert read(written(of())).collections == {}


def test_a_large_collection_is_written_in_parts_and_read_as_one():
    snapshot = of(*(flag(f"shop/flag-{number:05}") for number in range(4100)))

    assert read(written(snapshot)).version == snapshot.version


def test_what_is_held_beside_a_composition_is_not_part_of_it():
    """Else replicas that saw different heads would give different files."""
    held = LayerRevision("base", "a" * 40, head="b" * 40, held="does not validate")
    still = LayerRevision("base", "a" * 40)

    assert written(of(flag("a"), layers=(held,))) == written(of(flag("a"), layers=(still,)))


def test_a_composition_keeps_the_commits_of_its_layers():
    layers = (LayerRevision("base", "a" * 40), LayerRevision("team", "b" * 40))

    assert read(written(of(flag("a"), layers=layers))).revision.layers == layers


LAYERS = (LayerRevision("base", "a" * 40), LayerRevision("team", "b" * 40))


def composed() -> Snapshot:
    """Return a composition in which a layer covers another."""
    top, low, other = flag("shop/a"), flag("shop/a", on=False), flag("shop/b")
    top, low = (
        replace(one, origin=Origin(f"{layer}:a.yaml", 3))
        for one, layer in ((top, "team"), (low, "base"))
    )
    other = replace(other, origin=Origin("base:b.yaml", 1))
    return replace(of(top, other, layers=LAYERS), covered=((KIND.collection, low),))


def test_a_composition_is_carried_with_what_is_covered_in_it_and_can_be_taken_apart():
    snapshot = composed()
    found = read(written(snapshot))
    apart = parted(opened_up(found), ("base", "team"))

    names = {name: one.snapshot.collection(KIND.collection).names for name, one in apart.items()}
    assert {"base": ("shop/a", "shop/b"), "team": ("shop/a",)} == names
    assert ("b" * 40, snapshot.covered) == (
        apart["team"].snapshot.revision.commit, found.covered
    )  # fmt: skip


def test_only_where_something_is_covered_is_the_format_another_one():
    """What was written before has the same bytes, and is read by those who read it."""
    plain, layered = of(flag("shop/a"), layers=LAYERS), composed()

    assert [b"1", b"2"] == [written(each).split(b" ")[1] for each in (plain, layered)]


def test_what_is_covered_is_not_taken_for_a_plain_snapshot():
    with pytest.raises(ConfigurationError, match="in other words"):
        read(written(composed()).replace(b"gitsource-snapshot 2", b"gitsource-snapshot 1", 1))


def test_a_file_larger_than_is_taken_is_refused_by_its_first_line():
    with pytest.raises(ConfigurationError, match="10 are taken at most"):
        exported.read(io.BytesIO(written(of(flag("a")))), proved, largest=10)


def test_creation_times_of_whole_seconds_are_all_that_is_taken():
    old = flag("shop/a")
    odd = old.wire.replace(b"\x12\x06\x08\x80", b"\x12\x08\x10\x01\x08\x80", 1)
    odd = b"\x0a" + bytes([odd[1] + 2]) + odd[2:]
    changed = Resource(old.name, old.version, odd, old.origin)

    with pytest.raises(ConfigurationError, match="is not in the form"):
        read(written(of(changed)))


@pytest.mark.parametrize("file", sorted(HOSTILE.glob("*.snapshot")), ids=lambda path: path.stem)
def test_a_file_that_is_not_whole_is_refused(file: Path):
    with pytest.raises(ConfigurationError, match=REASONS[file.stem]), file.open("rb") as opened:
        exported.read(opened, proved)


@pytest.mark.parametrize("file", sorted(HOSTILE.glob("*.textproto")), ids=lambda path: path.stem)
def test_a_file_that_says_what_is_not_so_is_refused(file: Path):
    """Its digest is right: whoever made it knew what it takes."""
    text = file.read_text(encoding="utf-8")
    head, _, record = text.partition("---\n")
    told = text_format.Parse(head, Head()).SerializeToString(deterministic=True)
    payload = len(told).to_bytes(4, "big") + told
    content = text_format.Parse(record, Record())
    payload += content.SerializeToString(deterministic=True)
    layered = 2 if content.files.covered else 1
    seal = exported.Seal(hashlib.sha256(payload).hexdigest(), len(payload), layered)
    expected = text.partition("\n")[0].removeprefix("# ")

    with pytest.raises(ConfigurationError, match=expected):
        read(seal.header + payload)


def test_a_hostile_file_without_a_reason_does_not_go_unnoticed():
    assert {path.stem for path in HOSTILE.glob("*.snapshot")} == set(REASONS)
    assert len(list(HOSTILE.glob("*.textproto"))) > 20
