"""What `gitsource validate` remembers saves time and never changes an answer."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitsource._proto.gitsource.state.v1.state_pb2 import Listing
from gitsource.files import judge_files
from gitsource.model import Finding
from gitsource.seen import LISTINGS, SETTLED, Known, Seen, Stat, cache_folder
from gitsource.settings.judging import References
from gitsource.settings.whole import Settings

ROUTE = """\
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web}
spec:
  hosts: [web.example.com]
  gateways: [front]
  http: [{route: [{destination: {host: web}}]}]
"""
FOUND = Finding("a.yaml", 1, 2, "warning", "GS401", "no", "Kind/a/b", suppressed=True)
KNOWN = Known(Stat(1, 2, 3, 4), "ab" * 32, SETTLED + 10)


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    folder = cache_folder({"XDG_CACHE_HOME": str(tmp_path / "cache")})
    assert folder is not None
    return folder


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    folder = tmp_path / "tree"
    folder.mkdir()
    old(folder / "a.yaml", ROUTE)
    old(folder / "b.yaml", "kind: [")
    return folder


def old(path: Path, text: str) -> None:
    """Write a file that was left alone for an hour, as far as its times tell."""
    path.write_text(text)
    hour = path.stat().st_mtime - 3600
    os.utime(path, (hour, hour))


def codes(found: tuple[tuple[Finding, ...], int]) -> list[str]:
    return [finding.code for finding in found[0]]


def test_the_second_answer_is_the_first(tree: Path, cache: Path) -> None:
    first = judge_files([tree], Settings(), cache=cache)
    second = judge_files([tree], Settings(), cache=cache)

    assert first == second
    assert judge_files([tree], Settings()) == second


def test_what_a_first_run_keeps_is_the_answer_to_the_second(tree: Path, cache: Path) -> None:
    """Also when files are judged in another order than they are looked at."""
    for number in range(30):
        old(tree / f"n{number}.yaml", f"a: {number}")
    questions = []
    for _ in range(2):
        judge_files([tree], Settings(), cache=cache)
        (listing,) = (cache / "listings").iterdir()
        questions.append(Listing.FromString(listing.read_bytes()[32:]).question)

    assert questions[0] == questions[1]


def test_a_changed_file_changes_the_answer(tree: Path, cache: Path) -> None:
    judge_files([tree], Settings(), cache=cache)
    old(tree / "b.yaml", "a: b")

    assert ["GS401"] == codes(judge_files([tree], Settings(), cache=cache))


def test_a_file_that_is_gone_or_new_changes_the_answer(tree: Path, cache: Path) -> None:
    judge_files([tree], Settings(), cache=cache)
    (tree / "b.yaml").rename(tree / "c.yaml")

    found, _ = judge_files([tree], Settings(), cache=cache)

    assert ["a.yaml", "c.yaml"] == sorted(Path(each.file).name for each in found)


def test_settings_and_ways_to_judge_have_answers_of_their_own(tree: Path, cache: Path) -> None:
    silent = Settings(references=References(severity="off"))
    expected = [["GS401", "GS102"], ["GS102"], ["GS102"], ["GS401", "GS102"]]

    told = [
        codes(judge_files([tree], Settings(), cache=cache)),
        codes(judge_files([tree], silent, cache=cache)),
        codes(judge_files([tree], Settings(), cache=cache, isolated=True)),
        codes(judge_files([tree], Settings(), cache=cache)),
    ]

    assert expected == told


def test_a_change_that_left_size_and_time_alone_is_seen_if_the_file_was_new(
    tree: Path, cache: Path
) -> None:
    """Two writes within one tick of the clock look alike: such a file is read again."""
    fresh = tree / "b.yaml"
    fresh.write_text("kind: [")
    judge_files([tree], Settings(), cache=cache)
    before = fresh.stat()
    fresh.write_text("kind: x")
    os.utime(fresh, ns=(before.st_atime_ns, before.st_mtime_ns))

    assert ["GS401"] == codes(judge_files([tree], Settings(), cache=cache))


def test_a_file_is_trusted_only_when_it_had_been_left_alone(cache: Path) -> None:
    settled, racy = KNOWN, replace(KNOWN, taken=SETTLED + 3)
    Seen(cache, [Path("x")]).remember({"settled": settled, "racy": racy}, b"", ())
    seen = Seen(cache, [Path("x")])

    assert settled.content == seen.content("settled", settled.stat)
    assert seen.content("racy", racy.stat) is None
    assert seen.content("settled", settled.stat._replace(inode=9)) is None
    assert seen.content("other", settled.stat) is None


def test_an_answer_is_given_to_its_own_question_only(cache: Path) -> None:
    Seen(cache, [Path("x")]).remember({}, b"question", (FOUND,))

    assert (FOUND,) == Seen(cache, [Path("x")]).answer(b"question")
    assert Seen(cache, [Path("x")]).answer(b"another") is None
    assert Seen(cache, [Path("y")]).answer(b"question") is None


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_a_listing_that_was_damaged_is_not_there(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    cache = cache_folder({"XDG_CACHE_HOME": str(tmp_path_factory.getbasetemp() / "damaged")})
    assert cache is not None
    Seen(cache, [Path("x")]).remember({"a": KNOWN}, b"question", (FOUND,))
    (file,) = (cache / "listings").iterdir()
    raw = bytearray(file.read_bytes())
    at = data.draw(st.integers(0, len(raw) - 1))
    raw[at] ^= data.draw(st.integers(1, 255))
    file.write_bytes(raw[: data.draw(st.sampled_from([at + 1, len(raw)]))])

    seen = Seen(cache, [Path("x")])

    assert {} == seen.files
    assert seen.answer(b"question") is None


@pytest.mark.parametrize("name", ["results.sqlite", "listings"])
def test_a_cache_that_is_rubbish_changes_nothing(tree: Path, cache: Path, name: str) -> None:
    expected = judge_files([tree], Settings())
    judge_files([tree], Settings(), cache=cache)
    for file in (cache / name).iterdir() if name == "listings" else [cache / name]:
        file.write_bytes(b"rubbish" * 1000)
    old(tree / "c.yaml", "a: b")

    assert (expected[0], 3) == judge_files([tree], Settings(), cache=cache)


def test_a_cache_that_became_unwritable_changes_nothing(tree: Path, cache: Path) -> None:
    """A file stands where the folder was: for root, modes would not matter."""
    expected = judge_files([tree], Settings())
    for name in ("listings", "results.sqlite"):
        path = cache / name
        if path.is_dir():
            path.rmdir()
            path.write_text("in the way")
        else:
            path.mkdir()

    assert expected == judge_files([tree], Settings(), cache=cache)


@pytest.mark.parametrize("environ", [{}, {"XDG_CACHE_HOME": "relative"}, {"HOME": "/dev/null"}])
def test_without_a_place_nothing_is_remembered(environ: dict[str, str]) -> None:
    assert cache_folder(environ) is None


def test_listings_of_many_places_are_forgotten_again(cache: Path) -> None:
    for number in range(LISTINGS + 5):
        Seen(cache, [Path(str(number))]).remember({}, b"q", ())

    assert LISTINGS == len(list((cache / "listings").iterdir()))
