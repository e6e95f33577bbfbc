"""The status page."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser

from gitsource.admin import page

EVIL = "<script>alert(1)</script>\"'&\x1b\u202e"


class Reader(HTMLParser):
    """Reads a page strictly: tags must nest, and only those of a plain page may occur."""

    VOID = ("meta", "br")

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.text = ""

    def handle_starttag(self, tag, attrs):  # noqa: ARG002 - the parser passes it
        self.tags.append(tag)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open:
            self.text += f"{data} "


def read(status) -> Reader:
    reader = Reader()
    reader.feed(page.render(status))
    reader.close()
    assert reader.open == []
    return reader


def full(text: str) -> dict:
    """A status in which every text from outside is *text*."""
    return {
        "revision": "0f1e2d",
        "version": text,
        "stale_since": text,
        "repository": {"url": text, "ref": text},
        "held": {"revision": text, "reason": text, "since": text},
        "pin": {"revision": text, "reason": text, "who": text, "at": text},
        "suspended": {"reason": text, "who": text, "at": text},
        "last_sync": {"at": text, "outcome": text, "error": text},
        "findings": [
            {
                "file": text,
                "line": 1,
                "column": 2,
                "severity": text,
                "code": text,
                "message": text,
                "resource": text,
            }
        ],
        "collections": {text: {"version": text, "count": 3}},
        "sinks": [
            {
                "id": text,
                "peer": text,
                "connected_at": text,
                "collections": {text: {"sent": text, "acked": text, "error": text}},
            }
        ],
    }


def test_it_shows_what_is_served_held_and_connected():
    text = read(full("told")).text

    for word in ("0f1e2d", "Held", "Pinned", "Suspended", "Stale since", "told:1:2", "Sinks: 1"):
        assert word in text


def test_nothing_from_outside_becomes_markup_or_reaches_the_screen_raw():
    reader = read(full(EVIL))
    raw = page.render(full(EVIL))

    assert set(reader.tags) == set(read(full("told")).tags)
    assert "script" not in reader.tags
    assert not re.search("[\x1b\u202e]", raw)
    assert "<script>alert(1)</script>" in reader.text


def test_a_gitsource_that_serves_nothing_yet_says_so():
    assert "nothing yet" in read({"revision": None}).text


def test_it_opens_with_how_things_stand():
    good = {"revision": "0f1e2d"}
    held = good | {"held": {"reason": "r"}, "pin": {"reason": "r"}}

    assert "serves the revision it follows" in read(good).text
    assert "a newer revision is held back; pinned by an operator" in read(held).text
    assert 'class="state is-good"' in page.render(good)
    assert 'class="state is-bad"' in page.render(held)
    assert 'class="state is-doubt"' in page.render(good | {"stale_since": "noon"})


def test_collections_without_resources_are_folded_away():
    status = {"collections": {"full": {"count": 2, "version": "v"}, "void": {"count": 0}}}
    raw = page.render(status)

    assert "1 without resources" in read(status).text
    assert raw.index("full") < raw.index("<details") < raw.index("void") < raw.index("</details")


def test_long_lists_are_cut_and_counted():
    status = full("told")
    status["sinks"] *= 1000
    text = read(status).text

    assert "and 800 more" in text
    assert "Sinks: 1000" in text


def test_the_style_is_the_one_that_the_policy_allows():
    style = re.search("<style>(.*)</style>", page.render({}), re.DOTALL)[1]

    assert base64.b64encode(hashlib.sha256(style.encode()).digest()).decode() == page.STYLE_HASH


def test_each_layer_is_shown_with_why_it_is_held_and_nothing_of_it_is_believed():
    layer = {
        "name": "team",
        "url": "https://git.example.com/<b>",
        "ref": "main",
        "revision": "a" * 40,
        "head": "b" * 40,
        "held": {"reason": "does not validate: <script>", "since": "2026-01-01T00:00:00Z"},
        "error": "could not be <i>reached",
    }
    shown = page.render({"revision": "c" * 64, "layers": [layer]})

    assert "Layer team" in shown
    assert "held: does not validate: &lt;script&gt;" in shown
    assert "could not be &lt;i&gt;reached" in shown
    assert "<script>" not in shown
    assert "Repository" not in shown


def test_an_audit_log_that_cannot_be_written_is_seen_at_once():
    served = {"revision": "a" * 40, "audit": {"failure": "No space left on device"}}
    told = read(served).text

    assert "the audit log cannot be written" in told
    assert "No space left on device" in told
