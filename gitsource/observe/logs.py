"""
What is written to standard error: one line an event, for people or for machines.

Rule: a log call says what happened in fixed words and puts what it happened to into ``extra``; both
formats then show those fields (docs/operations.md lists them). Values come from commits and peers,
so they are neutralised, and credentials are cut out of URLs, in whatever is logged.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sys
import time
from collections.abc import Mapping
from typing import Any, TextIO

from gitsource.observe.neutral import neutral, neutral_lines, without_credentials
from gitsource.settings.keeping import Log

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_COLOURS = {"DEBUG": "\x1b[2m", "WARNING": "\x1b[33m", "ERROR": "\x1b[31m", "CRITICAL": "\x1b[31m"}
_RESET = "\x1b[0m"
_NOT_ONE_WORD = re.compile(r'[ "=\\]')


def set_up(settings: Log, stream: TextIO | None = None) -> None:
    """
    Send the records of gitsource and its libraries to *stream* (standard error by default).

    Calling it again replaces what was set up before, which is how a reload changes the level.
    """
    stream = sys.stderr if stream is None else stream
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        json_formatter() if settings.format == "json" else TextFormatter(colour=_may_colour(stream))
    )
    root = logging.getLogger()
    for old in [h for h in root.handlers if getattr(h, "is_gitsource", False)]:
        root.removeHandler(old)
    handler.is_gitsource = True  # type: ignore[attr-defined]
    root.addHandler(handler)
    # Libraries speak up from warnings on: their details are not this program's events.
    root.setLevel(logging.WARNING)
    logging.getLogger("gitsource").setLevel(settings.level.upper())


def _may_colour(stream: TextIO) -> bool:
    """Colour is for terminals only, and not for who asks for none (no-color.org)."""
    wanted = not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return wanted and stream.isatty()


def fields(record: logging.LogRecord) -> dict[str, Any]:
    """Return what the caller passed as ``extra``."""
    return {key: value for key, value in vars(record).items() if key not in _STANDARD}


def timestamp(created: float) -> str:
    """Return the time in UTC as RFC 3339 with milliseconds."""
    whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(created))
    return f"{whole}.{int(created * 1000) % 1000:03d}Z"


class TextFormatter(logging.Formatter):
    """``time LEVEL logger  message  key=value ...`` on one line; tracebacks follow indented."""

    def __init__(self, *, colour: bool = False) -> None:
        super().__init__()
        self._colour = colour

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as text, neutralised."""
        level = record.levelname
        if self._colour and level in _COLOURS:
            level = f"{_COLOURS[level]}{level:<7}{_RESET}"
        parts = [
            f"{timestamp(record.created)} {level:<7} {record.name}",
            neutral(without_credentials(record.getMessage())),
            *(f"{key}={_value(value)}" for key, value in fields(record).items()),
        ]
        line = "  ".join(part for part in parts if part)
        trace = self._trace(record)
        return line + "".join(f"\n    {part}" for part in trace.splitlines())

    def _trace(self, record: logging.LogRecord) -> str:
        trace = self.formatException(record.exc_info) if record.exc_info else ""
        if record.stack_info:
            trace += "\n" + record.stack_info
        return neutral_lines(without_credentials(trace))


def _value(value: object) -> str:
    """Return *value* for a ``key=value`` pair; quoted if it would not read as one word."""
    if type(value) is int:
        return str(value)
    if isinstance(value, bool) or value is None:
        return str(value).lower() if value is not None else "-"
    if isinstance(value, float):
        return f"{value:.3f}".rstrip("0").rstrip(".")
    if isinstance(value, Mapping | list | tuple | set | frozenset):
        value = json.dumps(value, default=str, ensure_ascii=False)
    text = neutral(without_credentials(str(value)))
    plain = text and not _NOT_ONE_WORD.search(text)
    return text if plain else json.dumps(text, ensure_ascii=False)


def json_formatter() -> logging.Formatter:
    """Return the formatter for JSON: time, level, logger, message, and the fields."""
    from pythonjsonlogger.json import JsonFormatter  # lazily: only where JSON is wanted

    class OneObject(JsonFormatter):
        """One JSON object a line; control characters come out as escapes by JSON itself."""

        def process_log_record(self, log_record: dict[str, Any]) -> dict[str, Any]:
            return {key: _cleaned(value) for key, value in log_record.items() if key != "taskName"}

        def add_fields(
            self,
            log_record: dict[str, Any],
            record: logging.LogRecord,
            message_dict: dict[str, Any],
        ) -> None:
            log_record["time"] = timestamp(record.created)
            log_record["level"] = record.levelname.lower()
            log_record["logger"] = record.name
            super().add_fields(log_record, record, message_dict)

    return OneObject("%(message)s", json_ensure_ascii=True)


def _cleaned(value: Any) -> Any:
    if isinstance(value, str):
        return without_credentials(value)
    if isinstance(value, Mapping):
        return {str(key): _cleaned(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_cleaned(item) for item in value]
    return value
