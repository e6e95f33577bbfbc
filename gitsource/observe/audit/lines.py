"""
One line of the audit log: how a happening is written, and how the line before is sealed by it.

Rule: pure. A line is one JSON object in ASCII; its ``prev`` is the SHA-256 of the line before it,
so that nothing can be changed, taken out or put in between without the next line telling. Text
from outside is neutralised and cut, credentials are taken out of URLs, and no line is longer than
`LONGEST_LINE`.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, get_args

from gitsource.observe.happenings import Event, Fact, Happening
from gitsource.observe.neutral import neutral, without_credentials

VERSION = 1
"""Of the form of a line (docs/audit.schema.json); new keys of ``facts`` do not count it up."""
NO_LINE = "0" * 64
"""What the first line has as the hash of the line before."""
LONGEST_TEXT = 1000
"""Characters of one text."""
MOST_PARTS = 100
"""Entries of one list."""
LONGEST_LINE = 16 * 1024
"""Bytes; a line that would be longer keeps who, what and why, and says that it was cut."""
SHORT = 1500
"""Bytes up to which a line without anything odd needs no second look."""
GAP, TORN = "gap", "torn"
"""Lines that the log makes by itself: what is missing, and what a crash left half-written."""
EVENTS = (*get_args(Event), GAP, TORN)
"""Everything that ``event`` may be."""

_quoted = json.encoder.encode_basestring_ascii
_encoder = json.JSONEncoder(separators=(",", ":"), check_circular=False)
_make: Any = getattr(json.encoder, "c_make_encoder", None)
_HOW: tuple[Any, ...] = (None, _encoder.default, _quoted, None, ":", ",", False, False, True)
_parts: Any = _make and _make(*_HOW)
"""What the standard encoder makes anew for each value, which costs more than encoding does; None:
this Python has none."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line as it was read."""

    seq: int
    """Counts the lines of a log from 1."""
    time: str
    event: str
    who: str
    peer: str
    outcome: str
    why: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    prev: str = NO_LINE


def encoded(seq: int, at: float, event: str, happening: Happening, prev: str) -> bytes:
    """Return the line of *happening*, without a line feed; *at* is in seconds since the epoch."""
    line = _line(seq, at, event, happening, prev)
    if len(line) <= SHORT and "\\" not in line and "@" not in line:
        return line.encode()  # nothing in it had to be escaped, and no URL has a password
    line = _line(seq, at, event, _cleaned(happening), prev)
    if len(line) > LONGEST_LINE:
        cut = Happening(
            happening.event, _text(happening.who, 200), _text(happening.peer, 200),
            _text(happening.outcome, 200), _text(happening.why, 200), {"cut": True},
        )  # fmt: skip
        line = _line(seq, at, event, cut, prev)
    return line.encode()


def _line(seq: int, at: float, event: str, told: Happening, prev: str) -> str:
    # Twice as fast as one mapping for all: each push is written down, and so is its ACK.
    return (
        f'{{"v":{VERSION},"seq":{seq},"time":"{moment(at)}","event":"{event}",'
        f'"who":{_quoted(told.who)},"peer":{_quoted(told.peer)},'
        f'"outcome":{_quoted(told.outcome)},"why":{_quoted(told.why)},'
        f'"facts":{_encode(told.facts)},"prev":"{prev}"}}'
    )


def _encode(facts: Mapping[str, Fact]) -> str:
    return "".join(_parts(facts, 0)) if _parts else _encoder.encode(facts)


def _cleaned(told: Happening) -> Happening:
    facts = {_text(key, 100): _fact(value) for key, value in told.facts.items()}
    return Happening(
        told.event, _text(told.who), _text(told.peer), _text(told.outcome), _text(told.why), facts
    )


def _fact(value: Fact) -> Fact:
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, tuple):
        more = (f"and {len(value) - MOST_PARTS} more",) if len(value) > MOST_PARTS else ()
        return (*(_text(each) for each in value[:MOST_PARTS]), *more)
    return value


def _text(text: str, longest: int = LONGEST_TEXT) -> str:
    if len(text) > longest:
        text = text[:longest] + "…"
    return neutral(without_credentials(text))


def digest(line: bytes) -> str:
    """Return what the next line has as ``prev``."""
    return hashlib.sha256(line).hexdigest()


def moment(at: float) -> str:
    """Return seconds since the epoch as RFC 3339 in UTC with milliseconds."""
    return f"{_second(int(at // 1))}.{int(at * 1000) % 1000:03d}Z"


@lru_cache(maxsize=4)
def _second(at: int) -> str:
    """Return a whole second as text: thousands of lines may be of the same one."""
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at))


def seconds_of(told: str) -> float:
    """Return what `moment` made of it, or any other RFC 3339 time; ValueError for none."""
    when = datetime.fromisoformat(told)
    return (when if when.tzinfo is not None else when.replace(tzinfo=UTC)).timestamp()


_KEYS: Mapping[str, type] = {
    "v": int,
    "seq": int,
    "time": str,
    "event": str,
    "who": str,
    "peer": str,
    "outcome": str,
    "why": str,
    "facts": dict,
    "prev": str,
}


def decoded(raw: bytes) -> Line:
    """Return the line that *raw* is; ValueError says what is wrong with it."""
    try:
        told = json.loads(raw)
    except (ValueError, RecursionError):
        raise ValueError("it is no JSON object") from None
    if not isinstance(told, dict):
        raise ValueError("it is no JSON object")  # noqa: TRY004 - one exception says "no line"
    if told.keys() != _KEYS.keys():
        raise ValueError("it has other keys than a line of the log")
    for key, kind in _KEYS.items():
        if type(told[key]) is not kind:
            raise ValueError(f"its {key} is no {kind.__name__}")
    if told.pop("v") != VERSION:
        raise ValueError("it is of a form that this gitsource does not know")
    return Line(**told)
