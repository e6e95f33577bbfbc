"""Files with nothing to tell of are read the short way, and just as the long way reads them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitsource.parse import Limits, Parsed, carefully, parse
from gitsource.reading.plainly import plainly
from parse_cases import cases, strict

# fmt: off
PIECES = st.sampled_from([
    "a", "b", "k", ": ", "- ", "\n", "  ", "\n  ", "\n- ", "\nk: ", "? ", "[", "]", "{", "}",
    "&a ", "*a", "<<", "'", '"', "|\n", ">-\n", "#", "!!str ", "! ", "---\n", "...\n", ", ",
    "%YAML 1.2\n", "%TAG !x! !y\n", "1", "0x1", "010", "1.5", "-0.0", "1_000", "1:30", "1e999",
    "~", "true", "null", "no", "\t", "\r\n", "\r", "\u00e9", "\U0001f600", "a:b", "c?d",
    "\ufeff", "\x85", "\u2028", "\0", '"\\u00e9"', "8080: ",
    "key: {a: 1, b: [x, 'y', \"z\"]}\n", "list:\n- a\n- b: 1\n  c: {}\n",
])
# fmt: on
TEXTS = st.lists(PIECES, max_size=25).map(lambda pieces: "".join(pieces).encode())
ACCEPTED = [path.values[0].read_bytes() for path in cases("accepted")]
SMALL = Limits(documents=2, depth=3, nodes=60)


def compared(parsed: Parsed) -> object:
    """Return *parsed* so that 1, 1.0 and True differ."""
    return [
        (strict(each.value), each.index, each.line, each.doubts, each.root)
        for each in parsed.documents
    ], parsed.flaws


def check(data: bytes, limits: Limits, *, lists: bool) -> None:
    documents = plainly(data, limits, lists=lists)
    if documents is not None:
        short = Parsed(tuple(documents), ())

        assert compared(carefully(data, limits, lists=lists)) == compared(short)


@given(TEXTS, st.sampled_from((Limits(), SMALL)), st.booleans())
@settings(max_examples=2500, deadline=None)
def test_what_is_read_the_short_way_is_what_the_long_way_reads(
    data: bytes,
    limits: Limits,
    lists: bool,  # noqa: FBT001 - drawn
) -> None:
    check(data, limits, lists=lists)


@given(st.sampled_from(ACCEPTED), st.data())
@settings(max_examples=1000, deadline=None)
def test_so_is_a_damaged_file(data: bytes, draws: st.DataObject) -> None:
    at = draws.draw(st.integers(0, len(data)))
    piece = draws.draw(PIECES).encode()
    gone = draws.draw(st.integers(0, 30))

    check(data[:at] + piece + data[at + gone :], Limits(), lists=True)


@pytest.mark.parametrize("family", ["accepted", "rejected", "located"])
def test_so_is_every_file_that_is_known(family: str) -> None:
    for path in cases(family):
        for lists in (False, True):
            check(path.values[0].read_bytes(), Limits(), lists=lists)


def test_an_ordinary_file_is_read_the_short_way() -> None:
    data = b"# who\n---\napiVersion: v1\nspec:\n  ports: [80, 'x']\n---\n\nb: {c: }\n"

    documents = plainly(data, Limits())

    assert documents is not None
    assert [(each.value, each.index, each.line) for each in documents] == [
        ({"apiVersion": "v1", "spec": {"ports": [80, "x"]}}, 0, 3),
        ({"b": {"c": None}}, 1, 8),
    ]


PECULIAR = {
    "an anchor": b"a: &x 1",
    "an alias": b"a: 1\nb: *x",
    "a tag": b"a: !!str 1",
    "a tag of a mapping": b"a: !!map {}",
    "a merge": b"a: {}\n<<: {}",
    "a key that is a number": b"8080: a",
    "a key twice": b"a: 1\na: 2",
    "a mapping as a key": b"? {a: 1}\n: b",
    "what readers of YAML 1.1 take for a boolean": b"a: no",
    "a number that JSON cannot carry": b"a: 1e999",
    "a syntax error": b"a: [",
    "an empty document": b"a: 1\n---\n",
    "a list": b"- a",
    "a directive": b"%YAML 1.2\n---\na: 1",
    "a control character": b"a: \x01",
    "bytes that are no UTF-8": b"a: \xff",
    "a line break of YAML 1.1": "a: 1\u2028b".encode(),
}


@pytest.mark.parametrize("peculiarity", PECULIAR)
def test_what_might_have_to_be_told_is_read_the_long_way(peculiarity: str) -> None:
    assert plainly(PECULIAR[peculiarity], Limits()) is None


@pytest.mark.parametrize(
    "data", [b"a: {b: {c: {}}}", b"a: 1\n---\nb: 1\n---\nc: 1\n", b"a: " + b"b" * 60]
)
def test_what_reaches_a_limit_is_read_the_long_way(data: bytes) -> None:
    assert plainly(data, Limits()) is not None
    assert plainly(data, SMALL) is None


def test_who_reads_with_care_meanwhile_still_gets_events() -> None:
    """Both ways share one parser's module; what one of them makes is not the other's."""
    data = b"a: &x [b, {c: 1}]\nd: *x\n"

    parsed = parse(data)
    assert plainly(b"a: [b, {c: 1}]\n", Limits()) is not None

    assert compared(parse(data)) == compared(parsed)
    assert [each.value for each in parsed.documents] == [
        {"a": ["b", {"c": 1}], "d": ["b", {"c": 1}]}
    ]
