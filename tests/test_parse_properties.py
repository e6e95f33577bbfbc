"""
What holds for any file: it has an answer, and the answer is the one that others give.

ruamel.yaml's own loader and the standard library's json are the measure for values.
"""

from __future__ import annotations

import json
import math
import re
import warnings
from datetime import date

import ruamel.yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gitsource.codes.table import CODES
from gitsource.parse import Flaw, locate, parse
from parse_cases import cases, strict, values

# fmt: off
PIECES = st.sampled_from([
    "a", "b", ": ", "- ", "\n", "  ", "\n  ", "? ", "[", "]", "{", "}", ", ", "&a ", "*a", "*b",
    "<<", "'", '"', "|\n", ">\n", "#", "!!str ", "!!int ", "!x ", "---\n", "...\n", "%YAML 1.2\n",
    "1", "0x1", "1.5", ".inf", "1e999", "true", "null", "~", "\t", "\r\n", "\\u12", "é", "😀", "-",
    "a:b", "c?d", "::1",
    "\ufeff", "\x85", "\u2028", "\0", '"k": ', "\\ud83d\\ude00", "\\udc00", "NaN",
])
# fmt: on
SEEDS = [path.values[0].read_bytes() for path in cases("accepted")]


READ_OTHERWISE = re.compile(rb"!\s|[-+]0[xo]|0b|[0-9.xob]_")
"""! 80, -0x1F, 0b11 and 1_000 are strings in YAML 1.2, and numbers to the stock reader."""


COLON_FIRST = re.compile(rb"[{,'\"]\s*:[^\s,}\]]")
"""{:x} is text in YAML 1.2, and a mapping from null or an error to ruamel.yaml's own scanner."""


def has_deliberate_difference(value):
    """Whether ruamel read something as YAML 1.1 would: dates, sets, numbers without end."""
    if isinstance(value, dict):
        return any(has_deliberate_difference(part) for pair in value.items() for part in pair)
    if isinstance(value, list):
        return any(map(has_deliberate_difference, value))
    if isinstance(value, float):
        return not math.isfinite(value)
    return not isinstance(value, str | int | None) or isinstance(value, date)


def check_promises(data, *, as_json):
    """Whatever *data* is: values are JSON, flaws are in the file, every value has a place."""
    parsed = parse(data, json=as_json)
    lines = re.split(r"\r\n|\r|\n", data.decode("utf-8", "replace"))
    for flaw in parsed.flaws:
        assert isinstance(flaw, Flaw)
        assert flaw.code in CODES
        assert 1 <= flaw.line <= len(lines)
        assert 1 <= flaw.column <= len(lines[flaw.line - 1]) + 2
        assert flaw.message
    for document in parsed.documents:
        json.dumps(document.value, allow_nan=False).encode()
        assert isinstance(document.value, dict)
        for path in paths_in(document.value):
            for at_key in (False, True):
                line, column = locate(data, document.index, path, at_key=at_key)
                assert 1 <= line <= len(lines)
                assert 1 <= column <= len(lines[line - 1]) + 2


def paths_in(value, path=()):
    yield path
    if isinstance(value, dict | list) and len(path) < 6:
        inside = value.items() if isinstance(value, dict) else enumerate(value)
        for step, item in inside:
            yield from paths_in(item, (*path, step))


@given(st.one_of(st.binary(), st.lists(PIECES, max_size=40).map(lambda t: "".join(t).encode())))
@settings(max_examples=600, deadline=None)
@example(b"\xef\xbb\xbf")
@example(b"\xef\xbb\xbf\xef\xbb\xbf[")
@example(b"&a *a")
@example(b"? &a <<\n: *a")
def test_any_bytes_have_an_answer(data):
    for as_json in (False, True):
        check_promises(data, as_json=as_json)


def with_text_keys(value):
    """Return *value* with whole-numbered keys as text: the one thing that is read otherwise."""
    if isinstance(value, dict):
        return {
            str(key) if type(key) is int else key: with_text_keys(item)
            for key, item in value.items()
        }
    return [with_text_keys(item) for item in value] if isinstance(value, list) else value


@st.composite
def mutated(draw):
    """A realistic file with a few bytes deleted, doubled, changed or moved from another."""
    data = draw(st.sampled_from(SEEDS))
    for _ in range(draw(st.integers(1, 4))):
        at, upto = sorted(draw(st.tuples(*[st.integers(0, len(data))] * 2)))
        upto = min(upto, at + 40)
        new = draw(st.one_of(st.just(b""), st.just(data[at:upto] * 2), PIECES.map(str.encode)))
        data = data[:at] + new + data[upto:]
    return data


@given(mutated())
@settings(max_examples=600, deadline=None)
def test_a_damaged_file_has_an_answer(data):
    for as_json in (False, True):
        check_promises(data, as_json=as_json)


@given(st.one_of(mutated(), st.lists(PIECES, max_size=30).map(lambda t: "".join(t).encode())))
@settings(max_examples=800, deadline=None)
def test_what_the_stock_reader_accepts_is_read_alike_or_refused(data):
    """ruamel.yaml's safe loader on the same C parser; what differs on purpose is listed here."""
    parsed = parse(data)
    if parsed.flaws or READ_OTHERWISE.search(data):
        return
    loader = ruamel.yaml.YAML(typ="safe")
    try:
        stock = [value for value in loader.load_all(data) if value is not None]
    except ruamel.yaml.YAMLError as error:
        # It refuses what YAML 1.2 allows: an anchor given again, << as a value, and colons inside
        # text between brackets, which ruamel.yaml's own scanner takes.
        allowed = r"duplicate anchor|tag 'tag:yaml.org,2002:merge'"
        if re.search(allowed, str(error)) or COLON_FIRST.search(data):
            return
        pure = ruamel.yaml.YAML(typ="safe", pure=True)
        with warnings.catch_warnings():  # of anchors given again
            warnings.simplefilter("ignore")
            stock = [value for value in pure.load_all(data) if value is not None]
    except (ValueError, TypeError, AttributeError):
        return  # it falls over some of its own dates, numbers and keys
    if not has_deliberate_difference(stock):
        assert strict(with_text_keys(stock)) == strict(values(parsed))


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.text()
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)  # fmt: skip


@given(st.dictionaries(st.text(), JSON_VALUES), st.sampled_from([None, 0, 1, "\t"]), st.booleans())
@settings(max_examples=300, deadline=None)
def test_json_is_read_as_the_standard_library_reads_it(value, indent, ascii_only):
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    parsed = parse(text.encode("utf-8", "surrogatepass"), json=True)

    assert parsed.flaws == ()
    assert strict([json.loads(text)]) == strict(values(parsed))


@given(st.lists(PIECES, max_size=20).map(lambda parts: '{"a": ' + "".join(parts) + "}"))
@settings(max_examples=400, deadline=None)
def test_json_that_the_standard_library_refuses_is_refused(text):
    try:
        json.loads(text)
    except ValueError:
        assert parse(text.encode(), json=True).flaws
