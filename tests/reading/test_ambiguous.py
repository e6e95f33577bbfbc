"""Plain scalars that other readers read otherwise are told, with both readings."""

import pytest

from gitsource.parse import parse
from gitsource.reading.ambiguous import by_kubernetes, doubt


@pytest.mark.parametrize(
    ("text", "ours", "theirs"),
    [
        ("yes", 'the text "yes"', "true"),
        ("Off", 'the text "Off"', "false"),
        ("n", 'the text "n"', "false"),
        ("0644", "the number 644", "the number 420"),
        ("-017", "the number -17", "the number -15"),
        ("1_000", 'the text "1_000"', "the number 1000"),
        ("0b11", 'the text "0b11"', "the number 3"),
        ("-0x1F", 'the text "-0x1F"', "the number -31"),
        ("1_0.5", 'the text "1_0.5"', "the number 10.5"),
    ],
)
def test_what_kubernetes_reads_otherwise_is_told_with_both_readings(text, ours, theirs):
    told = doubt(text)

    assert f"{text} is {ours} in YAML 1.2, and so here, but {theirs} to Kubernetes' reader" in told


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("1:30", "the number 90 to readers of YAML 1.1"),
        ("190:20:30", "the number 685230 to readers of YAML 1.1"),
        ("2026-11-21", "a date to readers of YAML 1.1"),
    ],
)
def test_what_only_older_readers_read_otherwise_is_told_too(text, told):
    assert told in doubt(text)


@pytest.mark.parametrize(
    "text",
    [
        *("true", "null", "~", "8080", "-1", "+1", "0", "0x1F", "0o17", "08", "1.5", ".5", "1e3"),
        *("2026-11-21T10:00:00Z", "1.2.3.4", "10.0.0.0/8", "a:b", "yess", "v1", "1h30m", "::1"),
        *("0.0", "1.", "00", "-0", "_1", "0b2", "1e999", "9" * 400),
    ],
)
def test_what_everybody_reads_alike_is_let_alone(text):
    assert "" == doubt(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("on", True),
        ("0777", 511),
        ("0o17", 15),
        ("0b101", 5),
        ("089", 89.0),
        ("a", "a"),
        (".5", 0.5),
    ],
)
def test_the_other_reading_is_the_one_of_kubernetes(text, value):
    assert value == by_kubernetes(text)


def test_each_place_is_told_and_quotes_settle_it():
    document = parse(b'a: yes\nb: "yes"\non: [no, 0644]\nc: !!str off\n').documents[0]

    assert [(1, 4), (3, 1), (3, 6), (3, 10)] == [(d.line, d.column) for d in document.doubts]


def test_a_document_says_nothing_of_the_doubts_of_its_neighbour():
    first, second = parse(b"a: yes\n---\na: 1\n").documents

    assert (1, 0) == (len(first.doubts), len(second.doubts))


def test_a_file_full_of_doubts_is_read_to_its_end():
    (document,) = parse(b"\n".join(b"k%d: yes" % n for n in range(1000))).documents

    assert 1000 == len(document.value)
    assert 20 == len(document.doubts)
