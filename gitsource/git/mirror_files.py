"""
The files of a mirror that git does not know: its marker, and what is put in order around them.

Rule: a file is there whole or not at all, flushed before it takes its place; and what a killed git
left behind is removed only while nothing of ours runs there.
"""

from __future__ import annotations

import json
import os
import shutil
from contextlib import suppress
from pathlib import Path

MARKER = "gitsource-mirror"
_VERSION = 1


def folder_of(state: Path, layer: str = "") -> Path:
    """Return where the mirror is in the state directory *state*; of a layer, its own."""
    return state / "mirrors" / f"{layer}.git" if layer else state / "mirror.git"


def marker(folder: Path) -> dict[str, str] | None:
    """Return what the marker says; None if *folder* is no whole mirror of this version."""
    if folder.is_symlink():
        return None
    try:
        told = json.loads((folder / MARKER).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return told if isinstance(told, dict) and told.get("version") == _VERSION else None


def mark(folder: Path, follows: str, object_format: str, **more: str) -> None:
    """Write down what the mirror at *folder* follows, and what *more* is known of that."""
    told = {"version": _VERSION, "follows": follows, "format": object_format} | more
    rewrite(folder / MARKER, json.dumps(told))


def rewrite(file: Path, content: str) -> None:
    """Write *file* so that a crash leaves the old or the new content."""
    beside = file.with_name(file.name + ".tmp")
    with beside.open("w", encoding="utf-8") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    beside.replace(file)
    sync(file.parent)


def sync(folder: Path) -> None:
    """Have what was renamed in *folder* outlive a loss of power."""
    number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def discard(path: Path) -> None:
    """Remove a folder, or whatever else is there under its name."""
    if path.is_symlink() or path.is_file():
        path.unlink()
    elif path.exists():
        shutil.rmtree(path)


def clear(folder: Path) -> None:
    """Remove what a git that was killed left behind: locks, and packs that were never finished."""
    stale = [folder / "HEAD.lock", folder / "config.lock", folder / "packed-refs.lock"]
    stale += [folder / "shallow.lock", folder / "packed-refs.new", folder / "gc.pid"]
    stale += folder.glob("refs/**/*.lock")
    stale += folder.glob("objects/**/*.lock")
    stale += folder.glob("objects/pack/tmp_*")
    stale += folder.glob("objects/pack/.tmp-*")
    stale += folder.glob("objects/??/tmp_obj_*")
    for path in stale:
        with suppress(FileNotFoundError):
            path.unlink()
    for left in (*folder.glob("objects/tmp_objdir-*"), *folder.glob("objects/incoming-*")):
        discard(left)
