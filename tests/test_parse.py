"""
Bytes to documents, flaws and places.

The cases are files: `parse/accepted` with the expected documents, `parse/rejected` with the
expected flaws (in the first line, or beside the file), `parse/located` with paths and their places.
"""

from __future__ import annotations

import json
import random
import re
import subprocess
import sys
from pathlib import Path

import pytest
import ruamel.yaml

from gitsource.parse import Limits, locate, parse
from gitsource.reading import constructor, library
from parse_cases import cases, strict, values


def places(parsed):
    return [f"{flaw.code} {flaw.line}:{flaw.column}" for flaw in parsed.flaws]


# --------------------------------------------------------------------------- the families of files


@pytest.mark.parametrize("path", cases("accepted"))
def test_an_accepted_file_gives_the_documents_beside_it(path):
    parsed = parse(path.read_bytes(), json=path.suffix == ".json")
    expected = json.loads(Path(f"{path}.expected.json").read_text(encoding="utf-8"))

    assert parsed.flaws == ()
    assert strict(expected) == strict(values(parsed))


@pytest.mark.parametrize("path", cases("rejected"))
def test_a_rejected_file_has_its_flaws_at_their_places(path):
    data = path.read_bytes()
    beside = Path(f"{path}.expect")
    told = beside.read_text() if beside.exists() else data.split(b"\n")[0].decode()
    expected = re.findall(r"GS\d+ \d+:\d+", told)

    assert expected
    assert expected == places(parse(data, json=path.suffix == ".json"))


def located():
    for case in cases("located"):
        path = case.values[0]
        notes = Path(f"{path}.places").read_text(encoding="utf-8")
        for line in notes.splitlines():
            if not line.startswith("#"):
                index, rest = line.split(" ", 1)
                steps, end = json.JSONDecoder().raw_decode(rest)
                value, key = rest[end:].split()
                yield pytest.param(
                    path, int(index), tuple(steps), value, key, id=f"{path.name} {line}"
                )


@pytest.mark.parametrize(("path", "index", "steps", "value", "key"), list(located()))
def test_a_value_and_its_key_are_found_where_they_stand(path, index, steps, value, key):
    data = path.read_bytes()
    found = ["{}:{}".format(*locate(data, index, steps, at_key=at_key)) for at_key in (False, True)]

    assert [value, key] == found


def test_the_families_are_as_large_as_their_subject():
    """An empty folder would pass every test."""
    assert len(cases("accepted")) >= 20
    assert len(cases("rejected")) >= 35
    assert {flaw[:5] for case in cases("rejected") for flaw in places(parse(
        case.values[0].read_bytes(), json=case.values[0].suffix == ".json"))} == {
        f"GS1{n:02}" for n in (1, 2, 3, 4, 5, 6, 8, 10, 11, 12)
    }  # fmt: skip


# --------------------------------------------------------------------------- documents


def test_documents_before_a_syntax_error_are_kept_and_those_after_it_are_not():
    parsed = parse(b"a: 1\n---\nb: [\n---\nc: 1\n")

    assert [{"a": 1}] == values(parsed)
    assert ["GS102 4:1"] == places(parsed)


def test_a_document_with_a_flaw_is_left_out_and_the_others_keep_their_index():
    parsed = parse(b"a: 1\n---\na: 1\na: 2\n---\n---\nb: 1\n")

    assert [(0, 1), (3, 7)] == [(d.index, d.line) for d in parsed.documents]
    assert ["GS103 4:1"] == places(parsed)


def test_the_line_of_a_document_is_that_of_its_first_key():
    parsed = parse(b"# licence\n\n---\n\n# about\na: 1\n--- {b: 1}\n")

    assert [6, 7] == [document.line for document in parsed.documents]


def test_more_documents_than_allowed_end_the_reading():
    limits = Limits(documents=2)

    assert [{"a": 1}, {"b": 1}] == values(parse(b"a: 1\n---\nb: 1\n", limits))
    assert ["GS109 3:1"] == places(parse(b"---\n---\n---\n", limits))


def test_aliases_give_equal_values_and_encoders_see_no_difference():
    parsed = parse(b"a: &a {x: [1]}\nb: *a\n")

    assert b'{"a": {"x": [1]}, "b": {"x": [1]}}' == json.dumps(values(parsed)[0]).encode()


# --------------------------------------------------------------------------- limits


def nested(depth):
    return b"a: " + b"[" * (depth - 1) + b"]" * (depth - 1)


def test_nesting_up_to_the_limit_is_read():
    assert [] == places(parse(nested(64)))
    assert ["GS104 1:67"] == places(parse(nested(65)))
    assert ["GS104 1:6"] == places(parse(nested(4), Limits(depth=3)))


def test_values_up_to_the_limit_are_read_over_all_documents():
    data = b"a: [1, 2]\n---\nb: {c: [], d: x}\n"

    assert [] == places(parse(data, Limits(nodes=6)))
    assert ["GS105 2:1"] == [f"{p[:5]} 2:1" for p in places(parse(data, Limits(nodes=5)))]


def test_each_use_of_an_alias_counts_all_that_it_holds():
    data = b"a: &a [1, 2]\nb: [*a, *a]\n"

    assert [] == places(parse(data, Limits(nodes=10)))
    assert ["GS105"] == [flaw.code for flaw in parse(data, Limits(nodes=9)).flaws]


def test_a_flood_of_values_is_left_before_its_end():
    """Who allows large files does not want all of one in memory just to refuse it."""
    flaw = parse(b"a: [" + b"x, " * 5000 + b"]", Limits(nodes=1000)).flaws[0]

    assert ("GS105", True) == (flaw.code, flaw.column < 3 * 2100)


def test_an_alias_of_a_long_text_counts_as_more_than_one_value():
    """A few bytes of alias must not repeat megabytes."""
    data = b"a: &a " + b"x" * 6400 + b"\nb: [*a, *a]\n"

    assert [] == places(parse(data, Limits(nodes=204)))
    assert ["GS105"] == [flaw.code for flaw in parse(data, Limits(nodes=203)).flaws]


def test_an_alias_brings_its_depth_with_it():
    data = b"a: &a [[1]]\nb: {c: *a}\n"

    assert [] == places(parse(data, Limits(depth=4)))
    assert ["GS104 2:8"] == places(parse(data, Limits(depth=3)))


HOSTILE = {
    "flow lists": (b"[" * 1_048_576, "GS104"),
    "flow mappings": (b"{a: " * 262_144, "GS104"),
    "block lists": (b"- " * 524_288, "GS104"),
    "keys of keys": (b"? " * 524_288, "GS110"),
    "block mappings": (b"".join(b" " * n + b"a:\n" for n in range(1400)), "GS104"),
    "a flat list": (b"a: [" + b"x," * 524_288 + b"]", "GS105"),
    "a flat mapping": (
        b"{" + b"".join(b"%x," % n for n in range(0xA0000, 0xE4000)) + b"}",
        "GS105",
    ),
    "documents": (b"---\n" * 262_144, "GS109"),
    "tag directives": (
        b"".join(b"%%TAG !%x! x\n" % n for n in range(70_000)) + b"---\na: 1",
        "GS102",
    ),
    "a file of all characters": (
        b"a: [b:c, " + "".join(map(chr, range(0xA0, 0xD800))).encode() * 2
        + "".join(map(chr, range(0xE000, 0xFFFE))).encode(),
        "GS102",
    ),
    "the same key": (b"a: 1\n" * 200_000, "GS103"),
    "anchors": (b"".join(b"- &a%d x\n" % n for n in range(90_000)), "GS108"),
    "digits": (b"a: " + b"9" * 1_048_000, "GS111"),
    "merges of much": (
        b"a: &a {" + b"".join(b"k%x: 1," % n for n in range(50_000)) + b"}\nb:\n"
        + b"- <<: *a\n" * 30_000,
        "GS105",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("data", "code"), HOSTILE.values(), ids=list(HOSTILE))
def test_a_megabyte_of_malice_is_answered_soon(data, code):
    """The test's own deadline is the measure: what is quadratic takes far longer than that."""
    parsed = parse(data)

    assert code == parsed.flaws[0].code
    assert locate(data, 0, ("a", 0, "b")) >= (1, 1)


@pytest.mark.parametrize("opening", [b"[", b'{"a":'])
def test_a_megabyte_of_malice_in_json_is_answered_soon(opening):
    data = opening * (1_048_576 // len(opening))

    assert ["GS104"] == [flaw.code for flaw in parse(data, json=True).flaws]
    assert locate(data, 0, (0,) * 64) >= (1, 1)


def test_no_setting_lets_nesting_reach_where_libyaml_slows_down():
    limits = Limits(depth=10**6, nodes=10**9)

    assert [] == places(parse(nested(1000), limits))
    assert ["GS104"] == [flaw.code for flaw in parse(nested(10_000), limits).flaws]
    assert ["GS104"] == [flaw.code for flaw in parse(b"? " * 10_000, limits).flaws[1:]]


def test_a_file_full_of_flaws_shows_the_first_hundred():
    assert 100 == len(parse(b"a: 1\n" * 1000).flaws)


# --------------------------------------------------------------------------- messages


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"a: 1\nb: 2\na: 3\n", "key 'a' is given twice; the first is on line 1"),
        (b"x:\n- a: 1\n- b: 1\n  b: 2\n", "key 'b' is given twice; the first is on line 3"),
        (b"8.5: x\n", "key '8.5' is a number, not a string; put it in quotes"),
        (b"a: !!python/name:os.system x\n", "tag '!!python/name:os.system' is not allowed here"),
        (b"a:\n\t- b\n", "a tab cannot stand here; indent with spaces"),
        (b"a: *\n", "text that begins with * or & needs quotes"),
        (
            b"a: [\n1\n",
            "did not find expected ',' or ']' while parsing a flow sequence that starts on line 1",
        ),
        (b"\xff\xfea\0", "the file is UTF-16 or UTF-32, not UTF-8"),
        (b"a: &x [*x]\n", "alias 'x' stands inside its own anchor"),
        (b"- a\n", "the document is a list, not a mapping"),
    ],
)
def test_a_message_says_what_is_wrong_in_words_that_help(data, message):
    assert message == parse(data).flaws[0].message


def test_a_message_repeats_neither_long_nor_steering_text():
    """Messages go to terminals, logs and pages, and the text comes from the repository."""
    data = b'"\\e[31m\\u202e": 1\n"\\e[31m\\u202e": 2\nk: !' + b"x" * 5000 + b" v\n"
    told = [flaw.message for flaw in parse(data).flaws]

    assert len(told) == 2
    assert all(message.isprintable() and len(message) < 200 for message in told)


# --------------------------------------------------------------------------- how it reads


def test_what_was_read_before_does_not_change_what_is_read_next():
    """Scalars are remembered across files, more of them than there is room for."""
    shuffled = random.Random(7).sample(range(10_000), 10_000)
    parse(b"".join(b"k%d: v%d\n" % (n, n) for n in shuffled))
    for text, value in (("1", 1), ("true", True), ("1.0", 1.0), ("~", None), ("k1", "k1")):
        for _ in range(2):
            data = f"a: {text}\nb: '{text}'\n'{text}': [{text}]\n".encode()

            assert strict([{"a": value, "b": text, text: [value]}]) == strict(values(parse(data)))
    assert ["GS110 1:1"] == places(parse(b"1.0: a\n"))
    assert max(map(len, (constructor._values, constructor._keys, library.known))) <= 4096


def test_without_its_c_reader_it_says_so_and_what_to_install():
    """ruamel.yaml alone would read five times slower, and nobody would be told."""
    code = (
        "import sys; sys.modules['_ruamel_yaml'] = None\n"
        "from gitsource.errors import ConfigurationError\n"
        "from gitsource.parse import parse\n"
        "try: parse(b'a: 1')\n"
        "except ConfigurationError as error: print(error, '|', error.hint)"
    )
    told = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )

    assert "the C reader of ruamel.yaml is missing | install ruamel.yaml.clib" in told.stdout


def test_events_of_the_c_reader_keep_the_attributes_of_the_stock_ones():
    """Lighter event classes stand in for the stock ones, for everybody in the process."""
    parse(b"a: 1")
    loader = ruamel.yaml.YAML(typ="safe")
    light = list(loader.parse(b"a: &x !!str 'b'\nc: [*x, {}]\n"))
    stock = list(ruamel.yaml.YAML(typ="safe", pure=True).parse(b"a: &x !!str 'b'\nc: [*x, {}]\n"))

    assert [event.crepr for event in stock] == [event.crepr for event in light]
    for mine, theirs in zip(light, stock, strict=True):
        assert isinstance(mine, type(theirs))
        assert (theirs.start_mark.index, theirs.end_mark.index, theirs.comment) == (
            mine.start_mark.index, mine.end_mark.index, mine.comment,
        )  # fmt: skip
        for name in ("anchor", "value", "style", "flow_style"):
            assert (getattr(theirs, name, None) or None) == (getattr(mine, name, None) or None)
