"""What Istio takes for a value, edge by edge."""

import pytest
import re2
from google.protobuf.duration_pb2 import Duration
from hypothesis import given, settings
from hypothesis import strategies as st

from gitsource._proto.istio.networking.v1alpha3.virtual_service_pb2 import StringMatch
from gitsource.validate.istio import values

PATH = ("spec", "value")


def told(problems):
    """Return code, path and whether the key is at fault of each problem."""
    return [(problem.code, problem.path, problem.at_key) for problem in problems]


@pytest.mark.parametrize(
    ("seconds", "nanos"), [(0, 10**6), (1, 0), (1, 500_000_000), (9_223_372_036, 854_000_000)]
)
def test_a_time_is_whole_milliseconds(seconds, nanos):
    assert [] == told(values.duration("VS-52", PATH, Duration(seconds=seconds, nanos=nanos)))


@pytest.mark.parametrize(
    ("seconds", "nanos", "word"),
    [
        (0, 0, "short"),
        (0, 999_999, "short"),
        (-1, 0, "short"),
        (0, -(10**6), "short"),
        (1, 1, "exact"),
        (0, 1_500_000, "exact"),
        (9_223_372_036, 855_000_000, "long"),
        (315_576_000_000, 0, "long"),
    ],
)
def test_a_time_is_neither_too_short_nor_too_long_nor_too_exact(seconds, nanos, word):
    """Istio counts nanoseconds in 64 bits: what does not fit is no whole number of milliseconds."""
    found = list(values.duration("VS-52", PATH, Duration(seconds=seconds, nanos=nanos)))

    assert [("VS-52", PATH, False)] == told(found)
    assert f"too {word}" in found[0].message


@pytest.mark.parametrize(("number", "fits"), [(0, 0), (1, 1), (65535, 1), (65536, 0), (-1, 0)])
def test_a_port_is_a_number_from_1_to_65535(number, fits):
    assert bool(fits) == (told(values.port("VS-39", PATH, number)) == [])


@pytest.mark.parametrize(("number", "fits"), [(-1, 0), (0, 1), (100, 1), (101, 0)])
def test_a_percentage_is_a_whole_number_from_0_to_100(number, fits):
    assert bool(fits) == (told(values.percent("DR-60", PATH, number)) == [])


def test_each_wrong_label_is_told_at_its_key_or_its_value():
    found = told(values.labels("VS-40", PATH, {"b": "-", "-a": "x", "ok": "", "_": "_"}))

    expected = [("-a", True), ("_", True), ("_", False), ("b", False)]
    assert [("VS-40", (*PATH, key), at_key) for key, at_key in expected] == found


# --------------------------------------------------------------------------- patterns

PATTERNS = [
    *("a", "/api/.*", r"^v\d+\.x$", "(?i)a", "(?P<id>a)(?P<other>b)", "(?<id>a)", r"\Qa+"),
    *(r"\pL", r"\p{Greek}", r"\p{^Han}", r"[\pL\P{Lu}-]", r"[\pL-z]", r"\Q\p{x}\E", "a{1000}"),
    *(
        r"\_",
        r"\\C",
        r"\Q\C\E",
        r"\x{10FFFF}",
        r"\07",
        r"\z",
        r"\b",
        r"\pL{1000}",
        "(?:a{10}){100}",
    ),
    *(
        "[[:word:]]",
        "[]a]",
        "[^]a]",
        r"[\w]",
        "a{,2}",
        "a{1",
        "x*?",
        "a|",
        "()",
        "(?s-i:a)",
        "(?U)a*",
    ),
    *(r"[(?P<a>](?P<a>b)", r"\(?P<a>(?P<a>b)", r"[[:^alpha:](?P<a>](?P<a>b)", "é", "\n"),
]
NO_PATTERNS = [
    *("*", "+a", "(", ")", "[", "[a", "[z-a]", "\\", "a**", "a{1001}", "(?:a{100}){11}", "?", "|*"),
    *(
        "(?=a)",
        "(?<=a)",
        "(?!a)",
        "(?x)a",
        "(?i",
        "(*a)",
        r"\1",
        r"\8",
        r"\Z",
        r"\C",
        r"a\C",
        r"\é",
    ),
    *(
        "(?P<a>b)(?P<a>c)",
        "(?<a>b)(?P<a>)",
        "(?P<é>a)",
        "(?P<a-b>c)",
        "(?P=a)",
        "(?P<a",
        "a{2}{2}*",
    ),
    *(r"\pX", r"\p{Klingon}", r"\pL\p{Klingon}", r"[a-\pL]", r"\p", r"\p{", "[[:foo:]]", r"[a-\d]"),
    *(r"\x{110000}", r"(\pL"),
]


@pytest.mark.parametrize("text", PATTERNS)
def test_a_pattern_is_what_go_reads_as_one(text):
    assert values.pattern_flaw(text) == ""


@pytest.mark.parametrize("text", NO_PATTERNS)
def test_what_go_refuses_is_no_pattern(text):
    assert values.pattern_flaw(text)


def test_a_flaw_is_told_on_one_line_and_without_control_characters():
    flaw = values.pattern_flaw("(\n\x1b[31m*")

    assert flaw.isprintable()


def test_a_pattern_has_a_text_of_at_most_1024_bytes():
    assert [] == told(values.regex("VS-37", PATH, "a" * 1024))
    assert [("VS-37", PATH, False)] == told(values.regex("VS-37", PATH, "a" * 1025))
    assert [("VS-37", PATH, False)] == told(values.regex("VS-37", PATH, "é" * 513))
    assert [("VS-37", PATH, False)] == told(values.regex("VS-37", PATH, ""))


@settings(max_examples=500, deadline=None)
@given(st.text(r"a0_/.*+?\dw^$-{}[](), |:P<>", max_size=8))
def test_the_short_way_lets_nothing_through_that_re2_refuses(text):
    if not values._PLAIN.fullmatch(text):
        return

    assert values._pattern_flaw(text) == ""


@settings(max_examples=500, deadline=None)
@given(st.text(r"ab\QECp(?P<n>)[]^:*+{1L}|é", max_size=12))
def test_nothing_passes_that_re2_refuses(text):
    options = re2.Options()
    options.log_errors = False
    try:
        re2.compile(text, options)
    except re2.error:
        assert values.pattern_flaw(text)


# --------------------------------------------------------------------------- texts and names


@pytest.mark.parametrize(
    "match",
    [
        *(StringMatch(), StringMatch(exact=""), StringMatch(exact="a"), StringMatch(prefix="a")),
        StringMatch(regex="a+"),
    ],
)
def test_a_text_is_matched_whole_by_its_beginning_or_by_a_pattern(match):
    assert [] == told(values.string_match("VS-38", PATH, match))


@pytest.mark.parametrize("field", ["prefix", "regex"])
def test_an_empty_beginning_or_pattern_matches_nothing(field):
    found = values.string_match("VS-38", PATH, StringMatch(**{field: ""}))

    assert [("VS-38", (*PATH, field), False)] == told(found)


@pytest.mark.parametrize("name", ["x-id", "X_1", "!#$%&'*+-.^`|~", "a,b"])
def test_a_header_has_a_token_for_a_name(name):
    """Istio takes a comma among them."""
    assert values.is_token(name)


@pytest.mark.parametrize(
    "name", ["", " ", "a b", "a:", "a/b", "a(b)", '"', "a\n", "é", "@a", "a;b"]
)
def test_what_http_sets_apart_is_in_no_token(name):
    assert not values.is_token(name)
