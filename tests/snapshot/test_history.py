"""What was published survives on disk, whatever happens to the process that wrote it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitsource.errors import StateError
from gitsource.model import Finding
from gitsource.snapshot.build import Standing, accept, nothing, propose
from gitsource.snapshot.history import MAX_DELTAS, Control, History, Pin, Suspension
from gitsource.snapshot.records import PART
from revisions import COLLECTION, file, resource, revision

RECIPE = "recipe-1"


def publish(history: History, standing: Standing, number: int, changed, findings=()) -> None:
    proposal = propose(standing, revision(number), changed, findings, full=number == 1)
    history.append(standing, proposal, RECIPE, 1000.0 + number)
    accept(standing, proposal)


def published(folder: Path, count: int) -> tuple[History, Standing]:
    """Publish *count* revisions, each changing one of ten files, dropping every seventh."""
    history, standing = History(folder), nothing()
    first = {f"f{n}.yaml": file(resource(f"r{n}", path=f"f{n}.yaml")) for n in range(10)}
    publish(history, standing, 1, first)
    for number in range(2, count + 1):
        name = number % 10
        path = f"f{name}.yaml"
        gone = number % 7 == 0 and path in standing.files
        state = None if gone else file(resource(f"r{name}", str(number), path))
        publish(history, standing, number, {path: state})
    return history, standing


def test_the_last_good_snapshot_comes_back_as_it_was(tmp_path: Path) -> None:
    _, standing = published(tmp_path, 12)

    loaded = History(tmp_path).load()

    assert loaded is not None
    assert standing.snapshot.version == loaded.snapshot.version
    assert standing.snapshot.revision == loaded.snapshot.revision
    assert RECIPE == loaded.recipe
    had = list(standing.snapshot.collection(COLLECTION))
    assert had == list(loaded.snapshot.collection(COLLECTION))


def test_a_large_snapshot_is_written_in_parts_and_comes_back_whole(tmp_path: Path) -> None:
    history, standing = History(tmp_path), nothing()
    names = [f"r{n}" for n in range(2 * PART + 1)]
    finding = Finding("r0.yaml", 1, 1, "warning", "GS305", "no collection takes it")
    many = {f"{name}.yaml": file(resource(name)) for name in names}
    publish(history, standing, 1, many, (finding,))
    publish(history, standing, 2, {"r7.yaml": None})

    loaded = History(tmp_path).load()

    assert loaded is not None
    assert standing.snapshot.version == loaded.snapshot.version
    assert standing.snapshot.findings == loaded.snapshot.findings == (finding,)
    assert standing.files == loaded.standing().files


def test_its_files_come_back_too_so_that_the_next_change_is_small(tmp_path: Path) -> None:
    _, standing = published(tmp_path, 12)

    loaded = History(tmp_path).load()

    assert loaded is not None
    assert standing.files == loaded.standing().files


def test_findings_come_back(tmp_path: Path) -> None:
    history, standing = History(tmp_path), nothing()
    warning = Finding("a.yaml", 2, 3, "warning", "GS306", "hm", "Kind/a/b")
    publish(history, standing, 1, {"a.yaml": file(resource("a"))}, (warning,))

    loaded = History(tmp_path).load()

    assert loaded is not None
    assert (warning,) == loaded.snapshot.findings


def test_every_kept_revision_can_be_gone_back_to(tmp_path: Path) -> None:
    history, standing = History(tmp_path), nothing()
    versions = {}
    for number in range(1, 8):
        publish(history, standing, number, {"a.yaml": file(resource("a", str(number), "a.yaml"))})
        versions[revision(number).commit] = standing.snapshot.version

    found = {commit: History(tmp_path).at(commit) for commit in versions}

    assert versions == {c: loaded.snapshot.version for c, loaded in found.items() if loaded}


def test_a_revision_that_was_never_published_is_not_found(tmp_path: Path) -> None:
    history, _ = published(tmp_path, 2)

    assert history.at("0" * 40) is None


def test_an_empty_folder_has_nothing_to_serve(tmp_path: Path) -> None:
    assert History(tmp_path).load() is None


def test_a_torn_end_is_cut_off_and_the_one_before_is_served(tmp_path: Path) -> None:
    history, standing = published(tmp_path, 3)
    before = standing.snapshot.version
    (segment,) = tmp_path.glob("0*.log")
    size = segment.stat().st_size
    publish(history, standing, 4, {"f1.yaml": file(resource("r1", "new", "f1.yaml"))})
    os.truncate(segment, segment.stat().st_size - 5)

    again = History(tmp_path)
    loaded = again.load()

    assert loaded is not None
    assert before == loaded.snapshot.version
    again.resume(loaded)
    assert size == segment.stat().st_size
    on = loaded.standing()
    publish(again, on, 5, {"f2.yaml": None})
    reloaded = History(tmp_path).load()
    assert reloaded is not None
    assert on.snapshot.version == reloaded.snapshot.version


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_wherever_the_newest_segment_ends_what_loads_was_once_published(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("cut")
    history, standing = History(folder), nothing()
    good = set()
    for number in range(1, 5):
        publish(history, standing, number, {"a.yaml": file(resource("a", str(number), "a.yaml"))})
        good.add(standing.snapshot.version)
    (segment,) = folder.glob("0*.log")
    whole = segment.read_bytes()
    first = len(whole) // 3
    at = data.draw(st.integers(first, len(whole)))
    damaged = bytearray(whole[:at])
    if data.draw(st.booleans()):
        damaged[data.draw(st.integers(0, at - 1))] ^= 0xFF
    segment.write_bytes(damaged)

    loaded = History(folder).load()

    assert loaded is None or loaded.snapshot.version in good


def test_a_damaged_newest_segment_falls_back_to_the_one_before(tmp_path: Path) -> None:
    history, standing = published(tmp_path, 3)
    version = standing.snapshot.version
    fresh = propose(nothing(), revision(9), {"z.yaml": file(resource("z"))}, (), full=True)
    history.append(standing, fresh, "another recipe", 1.0)
    newest = max(tmp_path.glob("0*.log"))
    newest.write_bytes(newest.read_bytes()[:-1])

    loaded = History(tmp_path).load()

    assert loaded is not None
    assert version == loaded.snapshot.version


def test_many_small_changes_begin_a_new_segment_and_old_ones_are_forgotten(tmp_path: Path) -> None:
    history, standing = History(tmp_path, keep=10), nothing()
    first = {f"f{n}.yaml": file(resource(f"r{n}", path=f"f{n}.yaml")) for n in range(300)}
    publish(history, standing, 1, first)
    for number in range(2, 3 * MAX_DELTAS):
        publish(
            history, standing, number, {"f1.yaml": file(resource("r1", str(number), "f1.yaml"))}
        )

    segments = sorted(tmp_path.glob("0*.log"))
    entries = history.entries()

    assert 2 == len(segments)
    assert 10 <= len(entries)
    loaded = History(tmp_path).load()
    assert loaded is not None
    assert standing.snapshot.version == loaded.snapshot.version


def test_the_list_names_each_published_revision_once_oldest_first(tmp_path: Path) -> None:
    history, _ = published(tmp_path, 5)

    entries = history.entries()

    assert [revision(n).commit for n in range(1, 6)] == [e.revision.commit for e in entries]
    assert {COLLECTION} == set(entries[-1].collections)


def test_a_pinned_snapshot_outlives_the_segments(tmp_path: Path) -> None:
    history, standing = published(tmp_path, 3)
    pin = Pin(standing.snapshot.revision.commit, "incident 7", "ann", 5.0)
    history.set_control(Control(pin=pin), standing.snapshot)
    for segment in tmp_path.glob("0*.log"):
        segment.unlink()

    again = History(tmp_path)

    assert Control(pin=pin) == again.control()
    found = again.at(pin.revision)
    assert found is not None
    assert standing.snapshot.version == found.snapshot.version


def test_releasing_a_pin_and_a_suspension_is_kept_too(tmp_path: Path) -> None:
    history, standing = published(tmp_path, 2)
    pin = Pin(standing.snapshot.revision.commit, "why", "ann", 5.0)
    suspension = Suspension("why", "bob", 6.0)
    history.set_control(Control(pin, suspension), standing.snapshot)
    history.set_control(Control(None, suspension))

    assert Control(None, suspension) == History(tmp_path).control()
    assert not (tmp_path / "pinned.log").exists()


def test_a_damaged_control_file_is_named_and_not_ignored(tmp_path: Path) -> None:
    (tmp_path / "control.json").write_text("{")

    with pytest.raises(StateError, match=r"control\.json"):
        History(tmp_path).control()


def test_when_the_disk_is_full_the_error_says_so_and_what_was_there_stays(tmp_path: Path) -> None:
    history, standing = published(tmp_path, 2)
    version = standing.snapshot.version
    # Permissions do not stop root: a folder is where the next segment's file would go.
    (tmp_path / "00000002.log.tmp").mkdir()
    (tmp_path / "00000002.log.tmp" / "x").touch()
    proposal = propose(standing, revision(3), {"q.yaml": file(resource("q"))}, (), full=True)

    with pytest.raises(StateError, match="could not be written"):
        history.append(standing, proposal, "another recipe", 1.0)

    loaded = History(tmp_path, readonly=True).load()
    assert loaded is not None
    assert version == loaded.snapshot.version


def test_after_a_failed_write_the_next_record_leans_on_nothing_that_is_missing(
    tmp_path: Path,
) -> None:
    history, standing = published(tmp_path, 2)
    (segment,) = tmp_path.glob("0*.log")
    segment.rename(tmp_path / "away")
    segment.mkdir()
    lost = propose(standing, revision(3), {"lost.yaml": file(resource("lost"))}, ())
    with pytest.raises(StateError):
        history.append(standing, lost, RECIPE, 1.0)
    accept(standing, lost)
    segment.rmdir()
    (tmp_path / "away").rename(segment)

    publish(history, standing, 4, {"next.yaml": file(resource("next", path="next.yaml"))})

    loaded = History(tmp_path).load()
    assert loaded is not None
    assert standing.snapshot.version == loaded.snapshot.version
