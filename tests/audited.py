"""An audit log judged as a whole: each line by the documented schema, and all by their chain."""

from __future__ import annotations

import json
from pathlib import Path

from jsonschema import Draft202012Validator

from gitsource.observe.audit.file import files_of, read_head
from gitsource.observe.audit.verify import verify

SCHEMA = Path(__file__).parents[1] / "docs" / "audit.schema.json"
MOST = 3000
"""Lines that are judged by the schema; a test that pushes for hours has millions alike."""


def problems(log: Path) -> list[str]:
    """Return what is wrong with the log at *log*; nothing if there is none."""
    files = files_of(log)
    if not files:
        return []
    head = read_head(log)
    found = verify(files, [head] if head is not None else [])
    told = [str(found.fault)] if found.fault is not None else []
    valid = Draft202012Validator(json.loads(SCHEMA.read_text(encoding="utf-8")))
    raw = [line for file in files for line in file.read_bytes().splitlines(keepends=True)]
    for line in raw[:MOST]:
        if line.startswith(b"{") and line.endswith(b"}\n"):
            errors = valid.iter_errors(json.loads(line))
            told += [f"{line[:300]!r}: {error.message[:300]}" for error in errors]
    return told
