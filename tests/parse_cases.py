"""The families of files under `parse`, and comparing what was read from them."""

from __future__ import annotations

from pathlib import Path

import pytest

CASES = Path(__file__).parent / "parse"


def cases(folder):
    """Return the files of a family, without what is noted beside them."""
    notes = (".expected.json", ".expect", ".places")
    paths = sorted(path for path in (CASES / folder).iterdir() if not path.name.endswith(notes))
    return [pytest.param(path, id=path.name) for path in paths]


def values(parsed):
    return [document.value for document in parsed.documents]


def strict(value):
    """Return *value* so that 1, 1.0 and True differ, and so do -0.0 and 0.0."""
    if isinstance(value, dict):
        return {key: strict(item) for key, item in value.items()}
    if isinstance(value, list):
        return [strict(item) for item in value]
    return type(value).__name__, repr(value)
