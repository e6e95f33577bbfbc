"""What is written to standard error."""

from __future__ import annotations

import io
import json
import logging
import re

import pytest

from gitsource.observe import logs
from gitsource.settings.keeping import Log


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def put_back():
    """Restore the logging tree, which is global, after the test."""
    root, ours = logging.getLogger(), logging.getLogger("gitsource")
    handlers, levels = list(root.handlers), (root.level, ours.level)
    yield
    root.handlers[:] = handlers
    root.setLevel(levels[0])
    ours.setLevel(levels[1])


def written(settings=None, stream=None, act=None):
    """Set logging up, log, and return what was written."""
    stream = stream if stream is not None else io.StringIO()
    logs.set_up(settings or Log(), stream)
    (act or (lambda log: log.info("published", extra={"revision": "0f1e", "seconds": 0.25})))(
        logging.getLogger("gitsource.test")
    )
    return stream.getvalue()


def test_text_is_one_line_with_time_level_logger_message_and_fields(put_back):
    line = written()

    assert re.fullmatch(
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z INFO    gitsource\.test  published"
        r"  revision=0f1e  seconds=0\.25\n",
        line,
    )


def test_json_is_one_object_a_line_with_the_same_fields(put_back):
    told = json.loads(written(Log(format="json")))

    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", told.pop("time"))
    assert told == {
        "level": "info",
        "logger": "gitsource.test",
        "message": "published",
        "revision": "0f1e",
        "seconds": 0.25,
    }


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_hostile_value_can_neither_forge_a_line_nor_reach_the_terminal(put_back, form):
    evil = '\n2026-01-01 ERROR forged\r\x1b[2J\u202e" key="v'
    line = written(
        Log(format=form), act=lambda log: log.info("seen %s", evil, extra={"path": evil})
    )

    assert line.count("\n") == 1
    assert not re.search("[\x00-\x09\x0b-\x1f\u202e]", line)


@pytest.mark.parametrize("form", ["text", "json"])
def test_credentials_never_reach_the_log(put_back, form):
    def act(log):
        url = "https://user:hunter2@git.example/m.git"
        try:
            raise ValueError(url)
        except ValueError:
            log.exception("cannot reach %s", url, extra={"url": url, "urls": [url, {"u": url}]})

    line = written(Log(format=form), act=act)

    assert "git.example" in line
    assert "hunter2" not in line


def test_a_traceback_follows_indented(put_back):
    def act(log):
        try:
            raise ValueError("\x1b[2J")
        except ValueError:
            log.exception("died")

    first, *rest = written(act=act).splitlines()

    assert first.endswith("died")
    assert rest[-1] == "    ValueError: \\x1b[2J"
    assert all(line.startswith("    ") for line in rest)


def test_values_that_are_no_words_are_quoted(put_back):
    extra = {"a": "two words", "b": "", "c": None, "d": True, "e": ["x"], "f": 'q"'}
    line = written(act=lambda log: log.info("m", extra=extra))

    assert line.endswith('  m  a="two words"  b=""  c=-  d=true  e="[\\"x\\"]"  f="q\\""\n')


@pytest.mark.parametrize(
    ("stream", "environment", "coloured"),
    [
        (Terminal, {}, True),
        (Terminal, {"NO_COLOR": "1"}, False),
        (Terminal, {"TERM": "dumb"}, False),
        (io.StringIO, {}, False),
    ],
)
def test_colour_is_for_terminals_and_for_who_wants_it(
    put_back, monkeypatch, stream, environment, coloured
):
    for name in ("NO_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    line = written(stream=stream(), act=lambda log: log.error("bad"))

    assert ("\x1b[31m" in line) is coloured


def test_setting_it_up_again_replaces_what_was_there(put_back):
    first, second = io.StringIO(), io.StringIO()
    written(Log(level="error"), first)
    written(Log(level="info"), second)

    assert first.getvalue() == ""
    assert second.getvalue().count("published") == 1


def test_libraries_are_heard_from_warnings_on_only(put_back):
    stream = io.StringIO()
    logs.set_up(Log(level="debug"), stream)
    logging.getLogger("some.library").info("detail")
    logging.getLogger("some.library").warning("trouble")

    assert "detail" not in stream.getvalue()
    assert "trouble" in stream.getvalue()
