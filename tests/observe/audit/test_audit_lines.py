"""One line of the audit log: whole, harmless, bounded, and of the documented form."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from gitsource.observe.audit.lines import (
    EVENTS,
    LONGEST_LINE,
    NO_LINE,
    decoded,
    digest,
    encoded,
    moment,
    seconds_of,
)
from gitsource.observe.happenings import Happening

SCHEMA = json.loads((Path(__file__).parents[3] / "docs" / "audit.schema.json").read_text())
VALID = Draft202012Validator(SCHEMA)
AT = 1_800_000_000.25


def line(**told) -> dict:
    return json.loads(encoded(1, AT, "push", Happening("push", **told), NO_LINE))


def test_a_line_says_when_what_who_whence_and_why():
    told = Happening("nack", "spiffe://a/b", "ipv4:10.0.0.1:5", "refused", "no", {"count": 3})

    assert json.loads(encoded(7, AT, "nack", told, "ab" * 32)) == {
        "v": 1,
        "seq": 7,
        "time": "2027-01-15T08:00:00.250Z",
        "event": "nack",
        "who": "spiffe://a/b",
        "peer": "ipv4:10.0.0.1:5",
        "outcome": "refused",
        "why": "no",
        "facts": {"count": 3},
        "prev": "ab" * 32,
    }


def test_a_line_is_read_back_as_it_was_written():
    raw = encoded(3, AT, "push", Happening("push", "ada", facts={"parts": ("a", "b")}), NO_LINE)
    read = decoded(raw)

    assert (read.seq, read.event, read.who, read.facts) == (3, "push", "ada", {"parts": ["a", "b"]})
    assert seconds_of(read.time) == AT


HOSTILE = [
    'x","who":"root',
    'x"}\n{"v":1,"seq":9,"event":"command","who":"root"}',
    "a\r\nb",
    "\x1b[2Jgone",
    "\x9b31m",
    "abc\u202egnp.exe",
    "\u2028\u2029",
    "\udc80",
    "\x00",
    "\\u001b",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_text_of_others_stays_inside_its_field_and_cannot_act(text):
    """What a node ID, a commit's author or a NACK may hold."""
    raw = encoded(1, AT, "push", Happening("push", text, text, "", text, {"sink": text}), NO_LINE)
    told = json.loads(raw)

    assert raw.isascii()
    assert b"\n" not in raw
    assert (told["event"], told["seq"]) == ("push", 1)
    assert VALID.is_valid(told)
    assert told["facts"]["sink"].isprintable()


def test_credentials_in_urls_are_taken_out():
    url = "https://ada:s3cret@git.example/mesh.git"

    assert "s3cret" not in json.dumps(line(who=url, why=f"cannot read {url}", facts={"a": (url,)}))


def test_long_texts_and_lists_are_cut():
    told = line(why="x" * 5000, facts={"names": tuple(map(str, range(500)))})

    assert len(told["why"]) == 1001
    assert len(told["facts"]["names"]) == 101
    assert told["facts"]["names"][-1] == "and 400 more"


def test_no_line_is_longer_than_is_promised():
    worst = "\u202e" * 1000
    facts = {f"k{'abcdefghij'[n]}": (worst,) * 200 for n in range(10)}
    raw = encoded(1, AT, "push", Happening("push", worst, worst, "ok", worst, facts), NO_LINE)

    assert len(raw) <= LONGEST_LINE
    assert json.loads(raw)["facts"] == {"cut": True}


@given(
    st.text(max_size=3000),
    st.text(max_size=300),
    st.dictionaries(
        st.text("abc_", min_size=1, max_size=9).filter(lambda key: key[0] != "_"),
        st.one_of(st.text(), st.integers(-(2**53), 2**53), st.booleans(), st.none()),
        max_size=8,
    ),
)
def test_whatever_is_told_makes_one_valid_line(why, who, facts):
    raw = encoded(1, AT, "hold", Happening("hold", who, who, "", why, facts), NO_LINE)

    assert b"\n" not in raw
    assert list(VALID.iter_errors(json.loads(raw))) == []
    assert decoded(raw).event == "hold"


def test_the_schema_knows_the_events_that_there_are():
    assert SCHEMA["properties"]["event"]["enum"] == list(EVENTS)


@pytest.mark.parametrize(
    ("raw", "wrong"),
    [
        (b"", "no JSON"),
        (b"[]", "no JSON"),
        (b"{}", "other keys"),
        (b"[" * 100_000, "no JSON"),
        (encoded(1, AT, "push", Happening("push"), NO_LINE).replace(b'"v":1', b'"v":2'), "form"),
        (encoded(1, AT, "push", Happening("push"), NO_LINE).replace(b":1,", b':"1",'), "no int"),
    ],
)
def test_what_is_no_line_is_told_apart(raw, wrong):
    with pytest.raises(ValueError, match=wrong):
        decoded(raw)


def test_the_seal_is_sha_256_of_the_line():
    assert digest(b"") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_times_are_utc_with_milliseconds():
    assert moment(0.0567) == "1970-01-01T00:00:00.056Z"
