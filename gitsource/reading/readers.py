"""
The two readers under `parse`: bytes in, one and the same stream of events out.

YAML is read by libyaml (ruamel.yaml.clib), JSON by a tokenizer that is as strict as RFC 8259. Both
yield ruamel.yaml's event classes, so one builder and one way of finding positions serve both.

Rule: here alone it is known how bytes become characters. What libyaml would mistake (UTF-16, %TAG
floods) or report without a place (control characters) is refused before it is asked.
"""

from __future__ import annotations

import re
from codecs import BOM_UTF8
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from json import JSONDecodeError
from json.decoder import scanstring  # type: ignore[attr-defined]  # typeshed lacks it
from typing import Any

from gitsource.reading.library import library
from gitsource.reading.scalars import shown

DEEPEST = 1000
"""No nesting is followed beyond this, whatever is set: libyaml's work grows with its square."""
_ALLOWED = bytes({*b"\t\n\r", *range(0x20, 0x7F)})
_CONTROL = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ufffd\U00010000-\U0010ffff]")
_BREAK = re.compile(r"\r\n|\r|\n")
_FOREIGN_BREAKS = ("\x85", "\u2028", "\u2029")
"""libyaml counts these as line breaks, as YAML 1.1 did; editors and YAML 1.2 do not."""
_TAG_DIRECTIVE = re.compile(r"^%TAG", re.MULTILINE)
_MOST_TAG_DIRECTIVES = 64
"""libyaml compares each with all others: a megabyte of them takes it many seconds."""


class Unreadable(Exception):  # control flow inside the parse stage, not an error of ours
    """The text cannot be read on from here; never leaves the parse stage."""

    def __init__(self, code: str, message: str, line: int, column: int) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.line = line
        self.column = column


@dataclass(frozen=True, slots=True)
class Reader:
    """A text being read."""

    next_event: Callable[[], Any]
    """The next event; raises Unreadable or ruamel's YAMLError at what it cannot read."""
    text: str = field(repr=False)
    marks_count_lines: bool
    """Whether line and column of a mark are right; else they follow from its index."""

    def place(self, mark: Any) -> tuple[int, int]:
        """Return line and column of *mark*, both from 1."""
        if mark.index >= len(self.text):
            # libyaml puts the end on a line of its own.
            return place(self.text, len(self.text))
        if self.marks_count_lines:
            return mark.line + 1, mark.column + 1
        return place(self.text, mark.index)


def place(text: str, index: int) -> tuple[int, int]:
    """Return line and column, both from 1, of the character at *index*."""
    line, start = 1, 0
    for found in _BREAK.finditer(text, 0, index):
        line, start = line + 1, found.end()
    return line, index - start + 1


def yaml_reader(data: bytes, *, stand_ins: bool = False) -> Reader:
    """
    Return a reader of YAML; raises Unreadable (GS101, GS102) for bytes that cannot be YAML.

    With *stand_ins* it also reads what libyaml wrongly refuses, at the price of a second copy: the
    way to read a file again that has a syntax error.
    """
    text = _decoded(data)
    counts = True
    # NB: deleting what is allowed is fifty times faster than searching for what is not.
    if not data.isascii():
        _refuse_control_characters(text)
        counts = not any(char in text for char in _FOREIGN_BREAKS)
    elif data.translate(None, _ALLOWED):
        _refuse_control_characters(text)
    if data.count(b"%TAG") > _MOST_TAG_DIRECTIVES:
        for number, found in enumerate(_TAG_DIRECTIVE.finditer(text), 1):
            if number > _MOST_TAG_DIRECTIVES:
                raise _broken("too many %TAG directives", text, found.start())
    if stand_ins:
        return Reader(_with_stand_ins(text), text, counts)
    return Reader(library().CParser(data).get_event, text, counts)


def plain_text(data: bytes) -> bool:
    """Say whether *data* is text of which libyaml has everything right: characters and lines."""
    if data.isascii():
        return not data.translate(None, _ALLOWED) and b"%TAG" not in data
    if data.startswith(BOM_UTF8) or b"%TAG" in data:
        return False
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return False
    return not _CONTROL.search(text) and not any(char in text for char in _FOREIGN_BREAKS)


_INNER = re.compile(
    r"""^%.*|(?<![^\s\[{,])!\S*|(?<!["'\]}]):(?=[^\s,\[\]{}])|(?<=[\da-fA-F]:):(?=[,\]}])"""
    r"""|(?<=[^\s"'\[\]{},])\?""",
    re.MULTILINE,
)
"""A directive; a tag; a colon that ends no key (no space follows it, nor does it follow quotes), or
the last of an address such as ``2001:db8::``, which Kubernetes' reader takes for text; a question
mark. The first two stay as they are."""
_STAND_INS = range(0xE000, 0xE020)
"""Characters that Unicode leaves to private use."""


def _with_stand_ins(text: str) -> Callable[[], Any]:
    """
    Return a source of events in which other characters stood for colons and ``?`` inside text.

    libyaml as it is built into ruamel.yaml refuses them between brackets (``[http://a?b]``), which
    YAML 1.2 and newer libyamls read as text.
    """
    # One character for one, so that places stay right; such as the file uses neither as they are
    # nor as an escape. A file that uses all of them is up to something and is read as it is.
    lower = text.lower()
    free = [chr(n) for n in _STAND_INS if chr(n) not in text and f"{n:x}" not in lower]
    into = dict(zip(":?", free, strict=False)) if len(free) > 1 else {}
    back = str.maketrans({stand_in: char for char, stand_in in into.items()})
    replaced = _INNER.sub(lambda found: into.get(found[0], found[0]), text)
    lib = library()
    # A byte order mark of the text itself is then the second one, which libyaml counts.
    get_event = lib.CParser(("\ufeff" + replaced).encode()).get_event

    def next_event() -> Any:
        event = get_event()
        if type(event) is lib.ScalarEvent:
            event.value = event.value.translate(back)
        return event

    return next_event


def json_reader(data: bytes) -> Reader:
    """Return a reader of one JSON text; raises Unreadable (GS101) for bytes that are not UTF-8."""
    text = _decoded(data)
    return Reader(_json_events(text).__next__, text, marks_count_lines=False)


_NAMELESS = "did not find expected alphabetic or numeric character"
"""What libyaml says of an alias or an anchor such as ``*.com``, of what follows its first sign."""
_PLAINLY = {
    "found unexpected ':'": "inside [ ] and { }, this text with a colon needs quotes",
    "found character that cannot start any token": (
        "text that begins with this character needs quotes"
    ),
    _NAMELESS: "text that begins with * or & needs quotes",
    "mapping values are not allowed in this context": (
        "a key cannot stand here; mend the indentation, or quote text that holds a colon"
    ),
}
"""What libyaml says of the most frequent mistakes, in words that tell what to do."""

_UNCLOSED = frozenset(("found unexpected end of stream", "found unexpected document indicator"))
"""What libyaml says where a quote is open; the quote is what has to be mended."""


def syntax_error(error: Any, reader: Reader) -> Unreadable:
    """Return ruamel's YAMLError as ours (GS102), in words for the one who wrote the file."""
    mark = getattr(error, "problem_mark", None)
    line, column = reader.place(mark) if mark else (1, 1)
    problem = getattr(error, "problem", None)
    started = getattr(error, "context_mark", None)
    if problem in _UNCLOSED and started:
        line, column = reader.place(started)
        return Unreadable("GS102", "this quote is not closed: close it", line, column)
    if problem == _NAMELESS and started:
        line, column = reader.place(started)
    if mark and reader.text[mark.index : mark.index + 1] == "\t":
        message = "a tab cannot stand here; indent with spaces"
    elif problem in _PLAINLY:
        message = _PLAINLY[problem]
    else:
        message = problem or str(error)
        if getattr(error, "context", None):
            message = f"{message} {error.context}"
        if started and reader.place(started)[0] != line:
            message = f"{message} that starts on line {reader.place(started)[0]}"
    return Unreadable("GS102", message, line, column)


def _decoded(data: bytes) -> str:
    """Return *data* as text, without the byte order mark (libyaml does not count it either)."""
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        if data.startswith((b"\xff\xfe", b"\xfe\xff", b"\0\0\xfe\xff")):
            message = "the file is UTF-16 or UTF-32, not UTF-8"
            raise Unreadable("GS101", message, 1, 1) from None
        before = data[: error.start].decode().removeprefix("\ufeff")
        message = f"byte 0x{data[error.start]:02x} is not UTF-8 here"
        raise Unreadable("GS101", message, *place(before, len(before))) from None
    return text.removeprefix("\ufeff")


def _refuse_control_characters(text: str) -> None:
    found = _CONTROL.search(text)
    if found:
        raise _broken(f"character U+{ord(found[0]):04X} is not allowed", text, found.start())


def _broken(message: str, text: str, index: int) -> Unreadable:
    return Unreadable("GS102", message, *place(text, index))


# --------------------------------------------------------------------------- JSON

_TOKEN = re.compile(
    r"[ \t\n\r]*(?:([{}\[\],:])"
    r'|"([^"\\\x00-\x1f]*)"'
    r'|(")'
    r"|((?:true|false|null|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?)(?!\w))"
    r"|((?:NaN|-?Infinity)(?!\w))"
    r"|(.?))",
    re.DOTALL,
)
_SIGN, _TEXT, _QUOTE, _PLAIN, _INFINITE, _OTHER = range(1, 7)
"""The groups of a token: a sign; a string without escapes; what opens any other string; a number or
a word; a number that is none; anything else, or the end."""
_QUOTED = (_TEXT, _QUOTE)
_ESCAPE = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    r"|(?P<lone>\\u[dD][89a-fA-F][0-9a-fA-F]{2})|\\.",
    re.DOTALL,
)


_VALUE, _FIRST_VALUE, _KEY, _FIRST_KEY, _COLON, _NEXT, _END = (1 << bit for bit in range(7))
_EXPECTED = {
    _VALUE: "a value",
    _FIRST_VALUE: "a value or ']'",
    _KEY: "a key in double quotes",
    _FIRST_KEY: "a key in double quotes or '}'",
    _COLON: "':'",
    _NEXT: "',' or the closing bracket",
    _END: "nothing more",
}
"""What may stand at a place in JSON, in words for the message when it does not."""
_VALUES = _VALUE | _FIRST_VALUE
_KEYS = _KEY | _FIRST_KEY
_STRINGS = _VALUES | _KEYS
_ENDS = _NEXT | _FIRST_VALUE | _FIRST_KEY


def _json_events(text: str) -> Iterator[Any]:  # noqa: C901, PLR0912, PLR0915  # hot: one piece
    """Yield the events of one JSON text as libyaml would: numbers and words as plain scalars."""
    lib = library()
    scalar, mark_at, token = lib.ScalarEvent, lib.Mark, _TOKEN.match
    mapping_end, sequence_end = lib.MappingEndEvent, lib.SequenceEndEvent
    mark = mark_at("", 0, 0, 0, None, None)
    yield lib.StreamStartEvent(mark, mark)
    yield lib.DocumentStartEvent(mark, mark)
    closers: list[str] = []
    expect, at = _VALUE, 0
    while True:
        # What mostly comes next is seen without looking for a token.
        if expect == _NEXT:
            if text.startswith(",", at):
                expect, at = (_KEY if closers[-1] == "}" else _VALUE), at + 1
            elif text.startswith(closers[-1], at):
                mark = mark_at("", at, 0, 0, None, None)
                yield (mapping_end if closers.pop() == "}" else sequence_end)(mark, mark)
                expect, at = (_NEXT if closers else _END), at + 1
                continue
        found = token(text, at)
        assert found is not None  # noqa: S101  # the last group matches anything, even nothing
        which = found.lastindex or _OTHER
        at = found.end()
        if which in _QUOTED and expect & _STRINGS:
            string: str = found[which]
            start = found.start(which)
            if which == _QUOTE:
                string, at = _json_string(text, start)
            else:
                start -= 1
            mark = mark_at("", start, 0, 0, None, None)
            yield scalar(None, None, None, string, mark, mark, '"')
            if expect & _VALUES:
                expect = _NEXT if closers else _END
            elif text.startswith(":", at):
                expect, at = _VALUE, at + 1
            else:
                expect = _COLON
            continue
        start, sign = found.start(which), found[which]
        if which == _SIGN:
            if sign == ":" and expect == _COLON:
                expect = _VALUE
                continue
            if sign == "," and expect == _NEXT:
                expect = _KEY if closers[-1] == "}" else _VALUE
                continue
            mark = mark_at("", start, 0, 0, None, None)
            if sign == "{" and expect & _VALUES:
                yield lib.MappingStartEvent(None, None, None, mark, mark, True)  # noqa: FBT003
                closers.append("}")
                expect = _FIRST_KEY
                continue
            if sign == "[" and expect & _VALUES:
                yield lib.SequenceStartEvent(None, None, None, mark, mark, True)  # noqa: FBT003
                closers.append("]")
                expect = _FIRST_VALUE
                continue
            if closers and sign == closers[-1] and expect & _ENDS:
                closers.pop()
                yield (mapping_end if sign == "}" else sequence_end)(mark, mark)
                expect = _NEXT if closers else _END
                continue
        elif which == _PLAIN and expect & _VALUES:
            mark = mark_at("", start, 0, 0, None, None)
            yield scalar(None, None, None, sign, mark, mark, "")
            expect = _NEXT if closers else _END
            continue
        elif which == _INFINITE:
            message = f"{sign} is not a number that JSON can carry"
            raise Unreadable("GS111", message, *place(text, start))
        elif not sign and which == _OTHER and expect == _END:
            break
        if which == _TEXT:
            start, sign = start - 1, '"'
        told = shown(sign) if sign else "the end of the file"
        raise _broken(f"expected {_EXPECTED[expect]}, found {told}", text, start)
    mark = mark_at("", at, 0, 0, None, None)
    yield lib.DocumentEndEvent(mark, mark)
    yield lib.StreamEndEvent(mark, mark)


def _json_string(text: str, start: int) -> tuple[str, int]:
    """Return the string that opens at *start*, and where it ends."""
    try:
        string, end = scanstring(text, start + 1, True)  # noqa: FBT003  # its own interface
    except JSONDecodeError as error:
        if error.msg.startswith("Unterminated"):
            raise _broken("a string starts here and does not end", text, error.pos) from None
        message = f"in a string: {error.msg.removesuffix(' at').lower()}"
        raise _broken(message, text, error.pos) from None
    if not string.isascii():
        for escape in _ESCAPE.finditer(text, start, end):
            if escape["lone"]:
                message = f"{escape[0]} is half of a surrogate pair"
                raise _broken(message, text, escape.start())
    return string, end
