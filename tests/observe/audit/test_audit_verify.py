"""What a hand may do to an audit log, and what is said of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gitsource.observe.audit.file import Head, files_of, read_head
from gitsource.observe.audit.lines import NO_LINE, digest, encoded
from gitsource.observe.audit.log import AuditLog
from gitsource.observe.audit.verify import read, verify
from gitsource.observe.happenings import Happening
from gitsource.settings.keeping import Audit


@pytest.fixture
def path(tmp_path) -> Path:
    """A log of ten lines."""
    made = tmp_path / "audit.jsonl"
    log = AuditLog(Audit(), made, gather=0.001)
    log.start()
    for n in range(10):
        log.record(Happening("command", f"operator-{n}", facts={"command": "pin"}))
    log.close()
    return made


def change(raw: list[bytes]) -> None:
    raw[4] = raw[4].replace(b"operator-4", b"somebody-1")


def remove(raw: list[bytes]) -> None:
    del raw[4]


def swap(raw: list[bytes]) -> None:
    raw[4], raw[5] = raw[5], raw[4]


def repeat(raw: list[bytes]) -> None:
    raw.insert(5, raw[4])


def insert(raw: list[bytes]) -> None:
    made = encoded(6, 1.0, "command", Happening("command", "root"), digest(raw[4]))
    raw.insert(5, made)


def garble(raw: list[bytes]) -> None:
    raw[4] = raw[4][:40]


def blank(raw: list[bytes]) -> None:
    raw[4] = b"\0" * len(raw[4])


def empty(raw: list[bytes]) -> None:
    raw.insert(5, b"")


def cut(raw: list[bytes]) -> None:
    del raw[8:]


def change_the_last(raw: list[bytes]) -> None:
    raw[9] = raw[9].replace(b"operator-9", b"somebody-1")


def garble_the_last(raw: list[bytes]) -> None:
    raw[9] = raw[9][:40]


def rewrite_all(raw: list[bytes]) -> None:
    prev = NO_LINE
    for n, each in enumerate(raw):
        told = json.loads(each)
        raw[n] = encoded(n + 1, 1.0, "command", Happening("command", told["who"] + "!"), prev)
        prev = digest(raw[n])


@pytest.mark.parametrize(
    ("tamper", "line", "text"),
    [
        (change, 6, "the line before it, or its own seal, was changed"),
        (remove, 5, "lines 5 to 5 are missing"),
        (swap, 5, "lines 5 to 5 are missing"),
        (repeat, 6, "its number was there before"),
        (insert, 7, "its number was there before"),
        (garble, 5, "no JSON object"),
        (blank, 5, "zeros"),
        (empty, 6, "no JSON object"),
        (cut, 0, "its end is cut off: it ends with line 8, and had 10"),
        (change_the_last, 10, "another line than the head says"),
        (garble_the_last, 10, "no JSON object"),
        (rewrite_all, 10, "another line than the head says"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_what_a_hand_did_is_named_with_its_place(path, tamper, line, text):
    raw = path.read_bytes().splitlines()
    tamper(raw)
    path.write_bytes(b"\n".join(raw) + b"\n")
    found = verify([path], [read_head(path)])

    assert found.fault is not None
    assert (found.fault.file, found.fault.line) == (str(path), line)
    assert text in found.fault.text


def test_a_head_that_was_kept_elsewhere_convicts_who_rewrote_log_and_head_together(path):
    witness = read_head(path)
    raw = path.read_bytes().splitlines()
    rewrite_all(raw)
    path.write_bytes(b"\n".join(raw) + b"\n")
    forged = Head(10, digest(raw[9]))

    assert verify([path], [forged]).fault is None
    assert verify([path], [witness]).fault is not None


def test_a_claimed_tear_that_is_none_is_a_fault(path):
    raw = path.read_bytes().splitlines()
    raw.insert(10, raw[3][:50])
    torn = Happening("stop", facts={"sha256": digest(b"something else"), "bytes": 50})
    raw.append(encoded(11, 1.0, "torn", torn, digest(raw[9])))
    path.write_bytes(b"\n".join(raw) + b"\n")

    assert verify([path]).fault.line == 11


def test_a_file_that_is_missing_between_others_is_seen(path, tmp_path):
    raw = path.read_bytes().splitlines()
    for name, part in (("a", raw[:3]), ("b", raw[3:6]), ("c", raw[6:])):
        (tmp_path / name).write_bytes(b"\n".join(part) + b"\n")
    whole = verify([tmp_path / name for name in "abc"])
    missing = verify([tmp_path / name for name in "ac"])

    assert (whole.fault, whole.lines) == (None, 10)
    assert (missing.fault.file, missing.fault.line) == (str(tmp_path / "c"), 1)
    assert "lines 4 to 6 are missing" in missing.fault.text


def test_a_log_begun_anew_after_its_files_were_taken_shows_what_is_missing(path):
    path.unlink()
    log = AuditLog(Audit(), path, gather=0.001)
    log.start()
    log.record(Happening("start"))
    log.close()
    found = verify(files_of(path))

    assert found.first == 11
    assert found.notes == ("it begins with line 11: earlier ones are not here",)


def test_lines_are_read_by_what_is_wanted_and_broken_ones_are_passed_over(path):
    with path.open("ab") as file:
        file.write(b"garbage\n")
    found = [line.seq for line, _ in read([path], lambda line: line.who > "operator-7")]

    assert found == [9, 10]


def test_an_empty_log_is_whole(tmp_path):
    (tmp_path / "audit.jsonl").touch()

    assert verify([tmp_path / "audit.jsonl"]).fault is None
