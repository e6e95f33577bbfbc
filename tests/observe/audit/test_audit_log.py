"""The audit log on a real disk: written, turned over, failing, and going on after a crash."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from gitsource.observe.audit import log as module
from gitsource.observe.audit.file import files_of, read_head
from gitsource.observe.audit.log import AuditLog
from gitsource.observe.audit.verify import verify
from gitsource.observe.happenings import Happening
from gitsource.settings.keeping import Audit

QUICK = {"retry": 0.02, "gather": 0.001}


@contextmanager
def kept(path: Path, changed=lambda: None, **settings):
    made = AuditLog(replace(Audit(), **settings), path, changed, **QUICK)
    made.start()
    try:
        yield made
    finally:
        made.close()


def eventually(ask, what: str):
    deadline = time.monotonic() + 20
    while not (answer := ask()):
        assert time.monotonic() < deadline, what
        time.sleep(0.005)
    return answer


def lines(path: Path) -> list[dict]:
    return [json.loads(each) for file in files_of(path) for each in file.read_bytes().splitlines()]


def numbered(count: int, start: int = 0):
    return [Happening("push", facts={"n": n}) for n in range(start, start + count)]


def test_what_is_recorded_is_on_disk_in_order_and_whole(tmp_path):
    path = tmp_path / "audit.jsonl"
    with kept(path) as log:
        for each in numbered(3000):
            log.record(each)
    found = verify(files_of(path), [read_head(path)])

    assert [each["facts"]["n"] for each in lines(path)] == list(range(3000))
    assert (found.lines, found.fault, found.head) == (3000, None, read_head(path))


def test_only_its_owner_may_read_it(tmp_path):
    path = tmp_path / "audit" / "audit.jsonl"
    with kept(path) as log:
        log.record(Happening("start"))

    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.with_name("audit.jsonl.head").stat().st_mode & 0o777 == 0o600


def test_a_restart_goes_on_with_number_and_chain(tmp_path):
    path = tmp_path / "audit.jsonl"
    for start in (0, 10, 20):
        with kept(path) as log:
            for each in numbered(10, start):
                log.record(each)

    assert [each["seq"] for each in lines(path)] == list(range(1, 31))
    assert verify(files_of(path)).fault is None


def test_files_are_turned_over_by_size_and_the_oldest_go(tmp_path):
    path = tmp_path / "audit.jsonl"
    with kept(path, rotate_bytes=2000, keep=3) as log:
        for n in range(30):
            log.record(Happening("push", facts={"n": n, "pad": "x" * 300}))
            eventually(lambda n=n: log.state.written == n + 1, "a line")
    found = verify(files_of(path), [read_head(path)])

    assert len(files_of(path)) == 4
    assert (found.fault, found.head.seq) == (None, 30)
    assert found.first > 1
    assert found.notes == (f"it begins with line {found.first}: earlier ones are not here",)


def test_files_are_turned_over_by_age_also_that_of_before_a_restart(tmp_path):
    path, now = tmp_path / "audit.jsonl", 1_800_000_000.0
    for day in range(3):
        settings = replace(Audit(), rotate_after=86_400.0)
        log = AuditLog(settings, path, clock=lambda day=day: now + day * 86_400, **QUICK)
        log.start()
        log.record(Happening("start"))
        log.close()

    assert len(files_of(path)) == 3
    assert verify(files_of(path)).fault is None


@pytest.mark.parametrize("fsync", ["always", "interval", "never"])
def test_with_every_policy_the_head_is_that_of_the_last_line_at_the_end(tmp_path, fsync):
    path = tmp_path / "audit.jsonl"
    with kept(path, fsync=fsync) as log:
        log.record(Happening("start"))

    assert read_head(path) == verify([path]).head


# ------------------------------------------------------------------ crashes

WRITES_FOR_EVER = """
import sys
from pathlib import Path
from gitsource.observe.audit.log import AuditLog
from gitsource.observe.happenings import Happening
from gitsource.settings.keeping import Audit
log = AuditLog(Audit(), Path(sys.argv[1]), gather=0.0)
log.start()
n = 0
while True:
    if log.state.waiting < 1000:
        log.record(Happening("push", "x" * 500, facts={"n": n}))
        n += 1
"""


def test_killed_at_any_moment_it_tears_the_last_line_at_most_and_goes_on(tmp_path):
    path = tmp_path / "audit.jsonl"
    for _ in range(6):
        size = path.stat().st_size if path.exists() else 0
        process = subprocess.Popen([sys.executable, "-c", WRITES_FOR_EVER, path])
        eventually(lambda size=size: path.exists() and path.stat().st_size > size, "lines")
        process.kill()
        process.wait()
        heads = [each for each in [read_head(path)] if each]

        assert verify(files_of(path), heads).fault is None
    with kept(path) as log:
        log.record(Happening("stop"))

    assert verify(files_of(path), [read_head(path)]).fault is None


def test_half_a_line_of_a_crash_stays_and_the_next_line_owns_up_to_it(tmp_path):
    path = tmp_path / "audit.jsonl"
    with kept(path) as log:
        log.record(Happening("start"))
    with path.open("ab") as file:
        file.write(b'{"v":1,"seq":2,"time":"20')
    before = verify([path])
    with kept(path) as log:
        log.record(Happening("start"))
    after = verify([path], [read_head(path)])
    events = [json.loads(raw)["event"] for raw in path.read_bytes().splitlines() if b"prev" in raw]

    assert (before.fault, len(before.notes)) == (None, 1)
    assert (after.fault, len(after.notes)) == (None, 1)
    assert b'{"v":1,"seq":2,"time":"20\n' in path.read_bytes()
    assert events == ["start", "torn", "start"]


# ------------------------------------------------------------------ failing


@contextmanager
def largest_file(size: int):
    """As a full disk would: no file of this process grows beyond *size* bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_is_told_and_what_waits_is_written_when_there_is_room(tmp_path):
    path, told = tmp_path / "audit.jsonl", []
    with kept(path, lambda: told.append(1), on_failure="stop-new") as log:
        log.record(Happening("start"))
        eventually(lambda: log.state.written == 1, "the first line")
        with largest_file(path.stat().st_size + 700):
            for each in numbered(20):
                log.record(each)
            eventually(lambda: log.stopped, "it stops")
            failing, size = log.state, path.stat().st_size
        eventually(lambda: not log.stopped, "it goes on")
    found = verify([path], [read_head(path)])

    assert failing.failure
    assert failing.waiting == 20
    assert path.read_bytes()[:size].endswith(b"\n")  # nothing half-written was left
    assert (found.fault, found.lines, found.notes) == (None, 21, ())
    assert len(told) == 2


def test_with_continue_a_failure_is_an_alarm_and_stops_nothing(tmp_path):
    folder = tmp_path / "no"
    folder.write_text("a file where the folder should be")
    with kept(folder / "audit.jsonl", on_failure="continue") as log:
        log.record(Happening("start"))
        eventually(lambda: log.failure, "the alarm")

        assert (log.stopped, bool(log.state.since)) == (False, True)
        folder.unlink()
        eventually(lambda: not log.failure, "the end of it")

    assert verify([folder / "audit.jsonl"]).lines == 1


def test_what_does_not_fit_the_queue_is_counted_and_a_line_says_how_many(tmp_path):
    path = tmp_path / "audit.jsonl"
    log = AuditLog(replace(Audit(), queue=10), path, **QUICK)
    for each in numbered(25):
        log.record(each)
    full = log.state
    log.start()
    eventually(lambda: log.state.written, "lines")
    log.close()
    written = lines(path)

    assert (full.waiting, full.lost, full.failure) == (10, 15, "")
    assert [each["facts"] for each in written if each["event"] == "gap"] == [{"lost": 15}]
    assert len(written) == 11


def test_a_full_queue_may_count_as_a_failure_and_ends_by_itself(tmp_path):
    settings = replace(Audit(), queue=10, on_full="fail", on_failure="stop-new")
    log = AuditLog(settings, tmp_path / "audit.jsonl", **QUICK)
    for each in numbered(11):
        log.record(each)
    full = log.stopped
    log.start()
    eventually(lambda: not log.stopped, "it goes on")
    log.close()

    assert full


def test_recording_never_waits_and_what_is_too_much_is_counted(tmp_path):
    """A pipe in its place can be opened and is no place for a log."""
    path = tmp_path / "audit.jsonl"
    os.mkfifo(path)
    with kept(path, queue=1000) as log:
        for each in numbered(5000):
            log.record(each)
        eventually(lambda: log.failure, "a failure")

        assert (log.state.lost, log.state.waiting) == (4000, 1000)


def test_a_log_that_is_moved_away_is_begun_anew_and_the_chain_goes_on(tmp_path):
    path = tmp_path / "audit.jsonl"
    with kept(path) as log:
        log.record(Happening("start"))
        eventually(lambda: log.state.written == 1, "a line")
        path.rename(tmp_path / "elsewhere.jsonl")
        log.record(Happening("stop"))
        eventually(lambda: log.state.written == 2, "another")

    assert verify([tmp_path / "elsewhere.jsonl", path]).fault is None
    assert lines(path)[0]["seq"] == 2


def test_a_link_in_its_place_is_not_followed(tmp_path):
    target, path = tmp_path / "precious", tmp_path / "audit.jsonl"
    target.write_text("precious\n")
    path.symlink_to(target)
    with kept(path) as log:
        log.record(Happening("start"))
        eventually(lambda: log.failure, "a failure")

    assert target.read_text() == "precious\n"


def test_two_do_not_write_one_log(tmp_path):
    path = tmp_path / "audit.jsonl"
    with kept(path) as first:
        first.record(Happening("start"))
        eventually(lambda: first.state.written == 1, "a line")
        with kept(path) as second:
            second.record(Happening("start"))
            eventually(lambda: second.failure, "a failure")
            first.record(Happening("stop"))

    assert verify([path]).fault is None


def test_a_flood_of_refusals_takes_few_lines(tmp_path):
    path = tmp_path / "audit.jsonl"
    with kept(path) as log:
        for n in range(5000):
            log.record(Happening("refuse", peer=f"ipv4:10.0.0.9:{n}", why="not known"))
    written = lines(path)
    counted = sum(each["facts"].get("times", 1) for each in written)

    assert len(written) < 500
    assert counted == 5000


def test_the_pauses_are_short_enough_for_an_alarm():
    assert module.PAUSE + module.RETRY < 2


def test_a_tenant_that_subscribes_without_end_pushes_nobodys_lines_out(tmp_path):
    """Ten thousand times the same, and as often from a new stream, beside one line of another."""
    path, evil = tmp_path / "audit.jsonl", "spiffe://prod/ns/evil/sa/a"
    same = {"stream": 1, "sink": "x", "collection": "routes", "delta": False}
    with kept(path, rotate_bytes=20_000, keep=2, lines_each=1) as log:
        log.record(Happening("subscribe", "spiffe://prod/good", facts={**same, "stream": 2}))
        for at in range(10_000):
            log.record(Happening("subscribe", evil, "ipv4:10.0.0.9:5", "ok", facts=same))
            log.record(Happening("ack", evil, "ipv4:10.0.0.9:5", "ok", facts=same))
            if not at % 1000:
                eventually(lambda: log.state.waiting < 10_000, "room in the queue")
    told = lines(path)
    found = verify(files_of(path), [read_head(path)])

    assert ["spiffe://prod/good", evil, evil, evil, evil] == [one["who"] for one in told]
    assert [9999, 9999] == [one["facts"].get("times") for one in told[3:]]
    assert (found.fault, found.lines) == (None, 5)


def test_a_tenant_that_comes_and_goes_without_end_has_a_share_of_the_log(tmp_path):
    path, evil = tmp_path / "audit.jsonl", "spiffe://prod/ns/evil/sa/a"
    with kept(path, rotate_bytes=10_000_000, lines_each=1) as log:
        for at in range(5000):
            told = {"stream": at, "protocol": "mcp"}
            log.record(Happening("connect", evil, "ipv4:10.0.0.9:5", "ok", facts=told))
        log.record(Happening("connect", "spiffe://prod/good", facts={"stream": 9999}))
    told = lines(path)
    (rest,) = [one for one in told if "times" in one["facts"]]
    whole = sum(one["who"] == evil for one in told) - 1

    assert 2500 <= whole < 2600
    assert 5000 - whole == rest["facts"]["times"]
    assert [9999] == [one["facts"]["stream"] for one in told if one["who"] != evil]
    assert verify(files_of(path), [read_head(path)]).fault is None
