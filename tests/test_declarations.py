"""Settings described from their declarations, and the forms of their values."""

from __future__ import annotations

from pathlib import Path

import pytest

from gitsource.declarations import declared, describe, groups, page, read, write
from gitsource.settings.units import Address, Bytes, FilePath, Seconds

ROOT = Path(__file__).parents[1]


def test_every_setting_is_described_with_its_words():
    for row in describe():
        assert row.doc, row.key
        assert row.type_text, row.key


@pytest.mark.parametrize("of", ["flag", "variable"])
def test_no_two_settings_share_a_name(of):
    names = [getattr(row, of) for row in describe()]

    assert len(set(names)) == len(names)


def test_a_setting_is_named_alike_in_file_flag_and_environment():
    row = declared()["poll.max_backoff"]

    assert row.flag == "--poll-max-backoff"
    assert row.variable == "GITSOURCE_POLL_MAX_BACKOFF"
    assert (row.type_text, row.default_text, row.optional) == ("duration", "5m", False)
    assert "poll" in groups()
    assert declared()["webhook.listen"].optional
    assert declared()["log.level"].type_text == "debug | info | warning | error"


def test_what_only_travels_with_the_settings_is_no_setting():
    assert "folder" not in declared()


@pytest.mark.parametrize("row", describe(), ids=lambda row: row.key)
def test_every_default_can_be_written_and_read_back(row):
    if row.default is None or row.default == ():
        assert row.default_text in {"", "[]", "{}"}
    else:
        assert read(row.type, row.default_text) == row.default


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        (Seconds, "500ms", 0.5),
        (Seconds, "30s", 30.0),
        (Seconds, "1.5m", 90.0),
        (Seconds, "1h", 3600.0),
        (Seconds, "2.5", 2.5),
        (Seconds, 7, 7.0),
        (Seconds, 0, 0.0),
        (Bytes, "512KiB", 524288),
        (Bytes, "1.5GiB", 1610612736),
        (Bytes, "4 MiB", 4194304),
        (Bytes, "17B", 17),
        (Bytes, 17, 17),
        (Address, "127.0.0.1:9901", "127.0.0.1:9901"),
        (Address, "[::1]:0", "[::1]:0"),
        (Address, "mesh-config.local:65535", "mesh-config.local:65535"),
        (bool, "Yes", True),
        (bool, "off", False),
        (bool, True, True),
        (int, "12", 12),
        (str, "ä b", "ä b"),
        (FilePath, "a/b", "a/b"),
    ],
)
def test_a_value_is_read_in_each_of_its_forms(kind, text, expected):
    assert read(kind, text) == expected
    assert type(read(kind, text)) is type(expected)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (Seconds, "soon"),
        (Seconds, "1 d"),
        (Seconds, "-1s"),
        (Seconds, ""),
        (Seconds, "1m30s"),
        (Seconds, True),
        (Seconds, float("inf")),
        (Seconds, float("nan")),
        (Seconds, -0.5),
        (Seconds, [1]),
        (Seconds, "٣s"),
        (Bytes, "1MB"),
        (Bytes, "1.5B"),
        (Bytes, "9" * 30),
        (Bytes, None),
        (Address, "9901"),
        (Address, ":9901"),
        (Address, "::1:9901"),
        (Address, "host:65536"),
        (Address, "host:-1"),
        (Address, "host:1\n"),
        (Address, "http://host:1"),
        (Address, 9901),
        (bool, "maybe"),
        (bool, 1),
        (int, "1.0"),
        (int, 1.5),
        (int, True),
        (int, -1),
        (int, "9" * 20),
        (str, 7),
        (str, "a\nb"),
        (str, "a\x00"),
    ],
)
def test_a_value_in_no_known_form_is_refused_with_what_was_expected(kind, text):
    with pytest.raises(ValueError, match=r"\w"):
        read(kind, text)


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        (Seconds, 0.0, "0s"),
        (Seconds, 0.5, "500ms"),
        (Seconds, 90.0, "90s"),
        (Seconds, 7200.0, "2h"),
        (Bytes, 1000, "1000"),
        (Bytes, 1024**3, "1GiB"),
        (bool, False, "false"),
        (tuple, (), "[]"),
    ],
)
def test_a_value_is_written_in_its_largest_whole_unit(kind, value, text):
    assert write(kind, value) == text


def test_the_settings_page_is_fresh():
    """Write it anew with `python -m gitsource.declarations > docs/settings.md`."""
    expected = page()

    assert expected == (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
