"""The folder of secret files as it really is: links, rotations, and what should not be there."""

import asyncio
import logging
import os
from pathlib import Path

import pytest

from gitsource._proto.gitsource.xds.v1.secret_pb2 import Secret
from gitsource._proto.istio.mcp.v1alpha1 import resource_pb2
from gitsource.model import Collection, Origin, Resource, Revision, Snapshot
from gitsource.publish.secrets import files as secret_files
from gitsource.publish.secrets.files import SecretFiles
from gitsource.publish.secrets.overlay import COLLECTION, LARGEST, SECRET, Overlay, Reading
from gitsource.snapshot.cache import DEFAULT, SnapshotCache


class Taken:
    """What was read, in order."""

    def __init__(self):
        self.readings: list[Reading] = []
        self.news = asyncio.Event()

    def __call__(self, reading):
        self.readings.append(reading)
        self.news.set()
        return True

    @property
    def files(self):
        return dict(self.readings[-1].files)


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "secrets"
    made.mkdir()
    return made


def load(folder, times=1):
    """Return what the folder holds, looked at so many times."""
    taken = Taken()
    files = SecretFiles(folder, taken, lambda: None)

    async def looked():
        for _ in range(times):
            await files.load()

    asyncio.run(looked())
    return taken


def put(folder, name, data=b"x"):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def mounted(folder, generation, **files):
    """Mount (or rotate) *files* below *folder* as Kubernetes does."""
    for name, data in files.items():
        put(folder, f"..{generation}/{name}", data)
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(f"..data/{name}")
    (folder / "..data_tmp").symlink_to(f"..{generation}")
    (folder / "..data_tmp").rename(folder / "..data")


# --------------------------------------------------------------------------- one look


def test_files_are_named_by_their_path_below_the_folder(folder):
    put(folder, "tls.key", b"1")
    put(folder, "web/tls.key", b"2")

    assert {"tls.key": b"1", "web/tls.key": b"2"} == load(folder).files


def test_a_volume_of_kubernetes_is_read_through_its_links(folder):
    mounted(folder / "web", "2026_11_01", crt=b"1", key=b"2")

    assert {"web/crt": b"1", "web/key": b"2"} == load(folder).files


def test_hidden_files_have_no_name(folder):
    put(folder, ".git/config")
    put(folder, ".hidden")
    put(folder, "-flag")
    put(folder, "two words")

    assert ({}, {}) == (load(folder).files, load(folder).readings[0].faults)


def test_a_link_out_of_the_folder_is_not_followed(folder, tmp_path):
    outside = put(tmp_path, "outside/key")
    (folder / "file").symlink_to(outside)
    (folder / "down").symlink_to(outside.parent)
    (folder / "relative").symlink_to("../outside/key")
    (folder / "beside").symlink_to(put(tmp_path, "secrets-of-another/key"))
    reason = "is a link that leads out of secrets.folder"

    assert {} == load(folder).files
    assert dict.fromkeys(("beside", "down", "file", "relative"), reason) == (
        load(folder).readings[0].faults
    )


def test_the_folder_itself_may_be_a_link(folder, tmp_path):
    put(folder, "key", b"1")
    (tmp_path / "link").symlink_to(folder)

    assert {"key": b"1"} == load(tmp_path / "link").files


def test_what_is_no_usable_file_is_named_with_the_reason(folder):
    put(folder, "empty", b"")
    put(folder, "large", b"x" * (LARGEST + 1))
    put(folder, "most", b"x" * LARGEST)
    os.mkfifo(folder / "pipe")
    (folder / "dangling").symlink_to("nothing")
    (folder / "circle").symlink_to("circle")
    taken = load(folder)

    assert {"most"} == taken.files.keys()
    assert {
        "empty": "is empty",
        "large": "is larger than 1 MiB",
        "pipe": "is no regular file",
        "dangling": "cannot be read (No such file or directory)",
        "circle": "cannot be read (Too many levels of symbolic links)",
    } == taken.readings[0].faults


def test_a_folder_that_is_not_there_is_told_once(folder, caplog):
    caplog.set_level(logging.WARNING)
    taken = load(folder / "none", times=3)

    assert [Reading(folder="cannot be read (No such file or directory)")] == taken.readings
    assert ["secrets.folder cannot be read (No such file or directory)"] == caplog.messages


def test_links_that_go_in_circles_end(folder):
    for name in "abcdefgh":
        (folder / "in" / name).mkdir(parents=True)
        (folder / "in" / name / "again").symlink_to("..")
    (reading,) = load(folder).readings

    assert reading.folder.startswith("has more than 4096 files in it")


def test_too_many_files_are_refused_as_a_whole(folder):
    for number in range(secret_files.FILES + 1):
        (folder / f"f{number}").touch()
    (reading,) = load(folder).readings

    assert (0, True) == (len(reading.files), reading.folder.startswith("has more than 4096 files"))


def test_too_many_bytes_are_refused_as_a_whole(folder):
    for number in range(65):
        with (folder / f"f{number}").open("wb") as file:
            file.truncate(LARGEST)
    (reading,) = load(folder).readings

    assert "has more than 64 MiB in it" == reading.folder


def test_nothing_is_told_while_nothing_changes(folder):
    put(folder, "key")

    assert 1 == len(load(folder, times=3).readings)


def test_no_file_shows_in_the_log(folder, caplog):
    caplog.set_level(logging.DEBUG)
    put(folder, "key", b"planted")
    taken = load(folder)

    assert {"key": b"planted"} == taken.files
    assert "planted" not in caplog.text + repr(taken.readings)


# --------------------------------------------------------------------------- watching


async def watched(folder, change, expected, **pauses):
    """Watch *folder*, *change* it after the first look, and return when *expected* is found."""
    taken, woken = Taken(), asyncio.Event()
    task = asyncio.create_task(SecretFiles(folder, taken, woken.set).watch(**pauses))
    try:
        await taken.news.wait()
        change()
        while not taken.readings or taken.files != expected:
            taken.news.clear()
            await taken.news.wait()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    return woken.is_set()


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda folder: put(folder, "key", b"2"), {"key": b"2", "web/key": b"1"}),
        (
            lambda folder: put(folder, "new/key", b"2"),
            {"key": b"1", "web/key": b"1", "new/key": b"2"},
        ),
        (lambda folder: (folder / "key").unlink(), {"web/key": b"1"}),
        (
            lambda folder: put(folder, ".tmp", b"2").rename(folder / "web" / "key"),
            {"key": b"1", "web/key": b"2"},
        ),
    ],
    ids=["written", "added", "removed", "renamed"],
)
def test_a_change_is_noticed_by_its_event(folder, change, expected):
    put(folder, "key", b"1")
    put(folder, "web/key", b"1")

    assert asyncio.run(
        asyncio.wait_for(watched(folder, lambda: change(folder), expected, look=3600.0), 20)
    )


def test_a_rotation_of_kubernetes_brings_all_files_at_once(folder):
    mounted(folder, "1", crt=b"old", key=b"old")
    seen = []

    async def rotated():
        taken = Taken()
        task = asyncio.create_task(SecretFiles(folder, taken, lambda: None).watch(look=3600.0))
        await taken.news.wait()
        mounted(folder, "2", crt=b"new", key=b"new")
        while taken.files != {"crt": b"new", "key": b"new"}:
            taken.news.clear()
            await taken.news.wait()
        task.cancel()
        seen.extend({*one.files.values()} for one in taken.readings)

    asyncio.run(asyncio.wait_for(rotated(), 20))

    assert all(1 == len(values) for values in seen)


def test_a_change_is_noticed_by_the_clock_too(folder, tmp_path):
    """A folder that comes later gives no events before it is there."""
    later = tmp_path / "later"

    assert asyncio.run(
        asyncio.wait_for(
            watched(later, lambda: put(later, "key", b"1"), {"key": b"1"}, slow_look=0.05), 20
        )
    )


def test_a_folder_that_is_replaced_is_watched_anew(folder):
    put(folder, "key", b"1")

    def replaced():
        folder.rename(folder.with_name("old"))
        folder.mkdir()
        put(folder, "key", b"2")

    assert asyncio.run(
        asyncio.wait_for(watched(folder, replaced, {"key": b"2"}, look=0.05, slow_look=0.05), 20)
    )


def test_a_rotation_wakes_the_streams_without_a_commit(folder):
    secret = Secret(name="web")
    secret.generic_secret.secret.filename = "gitsource://token"
    envelope = resource_pb2.Resource()
    envelope.metadata.name = "web"
    envelope.body.type_url = f"type.googleapis.com/{SECRET}"
    envelope.body.value = secret.SerializeToString()
    web = Resource("web", "v1", envelope.SerializeToString(), Origin("web.yaml", 1))
    of = Snapshot.of(Revision("c" * 40, "t", 0), {COLLECTION: Collection.of(COLLECTION, [web])})
    put(folder, "token", b"old")
    cache = SnapshotCache()
    overlay = Overlay(cache)
    files = SecretFiles(folder, overlay.update, cache.wake)
    woken = asyncio.Event()
    cache.watch(woken.set)

    async def rotated():
        await files.load()
        cache.set(DEFAULT, of)
        before = overlay.snapshot(of)
        woken.clear()
        task = asyncio.create_task(files.watch(look=0.05, slow_look=0.05))
        put(folder, "token", b"new")
        await woken.wait()
        task.cancel()
        return before.collection(COLLECTION), overlay.snapshot(of).collection(COLLECTION)

    before, after = asyncio.run(asyncio.wait_for(rotated(), 20))

    assert of is cache.get()
    assert before.version != after.version
    assert (b"old" in before.resources[0].wire, b"new" in after.resources[0].wire) == (True, True)


def test_files_that_change_under_a_look_are_looked_at_again(folder, monkeypatch):
    """As in a rotation between the certificate and the key."""
    mounted(folder, "1", crt=b"old", key=b"old")
    real = os.open
    rotated = []

    def opened(path, *more, **options):
        if Path(path).name == "key" and not rotated:
            rotated.append(path)
            mounted(folder, "2", crt=b"new", key=b"new")
        return real(path, *more, **options)

    monkeypatch.setattr(os, "open", opened)
    (reading,) = load(folder).readings

    assert rotated
    assert {"crt": b"new", "key": b"new"} == reading.files
