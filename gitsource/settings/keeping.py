"""
What is kept and written down: history, audit log, log.

Rule: declarations alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from gitsource.settings.units import Bytes, FilePath, Seconds


@dataclass(frozen=True, slots=True)
class Audit:
    """Who was let in, what was sent to whom, and who ordered what: lines that stay."""

    enabled: bool = True
    """Whether an audit log is kept."""
    file: FilePath | None = None
    """The file. Absent: `audit/audit.jsonl` in `state_dir`."""
    rotate_bytes: Bytes = Bytes(64 * 1024 * 1024)
    """Size at which a new file is begun; the old one is named after its first line."""
    rotate_after: Seconds = Seconds(86_400.0)
    """Age at which a new file is begun."""
    keep: int = 30
    """Ended files that stay; the oldest are removed."""
    fsync: Literal["always", "interval", "never"] = "interval"
    """When the disk is asked to keep what was written: after each batch of lines, once a second, or
    when it pleases. A killed process loses nothing that was written by any of them."""
    on_failure: Literal["continue", "stop-new"] = "continue"
    """What happens while the log cannot be written (a full disk). `continue`: an alarm, and all
    goes on. `stop-new`: no new stream or subscription is taken and no new revision goes out; those
    who are connected keep what they have. Both end by themselves."""
    lines_each: int = 20
    """Lines a second for what the streams of one identity (or address) do, in the long run; at once
    as many as in 40 minutes. Beyond that they are counted in a line a minute, so that nobody pushes
    older lines of others out of the log. 0: each has its line."""
    queue: int = 50_000
    """Lines that wait to be written, at most; about 500 bytes of memory each."""
    on_full: Literal["drop", "fail"] = "drop"
    """What happens when they do not fit. `drop`: they are lost, counted, and a line says how many.
    `fail`: besides, `on_failure` holds until half of the queue is free."""


@dataclass(frozen=True, slots=True)
class Keep:
    """What stays on disk."""

    revisions: int = 50
    """How many published snapshots can be gone back to without building them again."""


@dataclass(frozen=True, slots=True)
class Log:
    """What is written to standard error."""

    format: Literal["text", "json"] = "text"
    """`json` writes one object a line."""
    level: Literal["debug", "info", "warning", "error"] = "info"
    """The least severe message that is written."""
