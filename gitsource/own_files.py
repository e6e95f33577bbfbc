"""
The files that the user's collections name: schemas, descriptor sets, folders of `.proto` files.

Rule: a file beside the config file wins over one in the repository, and a path that leads out of
the repository is never asked of it. What cannot be used is a ConfigurationError that names the
collection, the file and what to do. Schemas and sets are bounded before they are read in full.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import TypeAlias

from gitsource.errors import ConfigurationError
from gitsource.messages import known, sets
from gitsource.settings.judging import CollectionRow

Read: TypeAlias = Callable[[str], bytes | str | None]
"""Returns a file of the repository; None if there is none."""


def schema(row: CollectionRow, folder: Path, read: Read | None) -> str:
    """Return the text of the JSON Schema that *row* names, once it is sound; empty without one."""
    if not row.schema:
        return ""
    from gitsource.validate.schema import check_schema

    found = _file(row, "schema", row.schema, folder, read)
    if found is None:
        return ""
    data, where = found
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ConfigurationError(
            f"collections: {row.name}: the schema {where} cannot be read: {error}",
            hint="make it a UTF-8 file that gitsource may read",
        ) from error
    check_schema(text, where)
    return text


def descriptors(row: CollectionRow, folder: Path, read: Read | None) -> bytes:
    """Return the descriptor set that has the message of *row*; empty if none is needed."""
    if not row.message:
        return b""
    told = f"collections: {row.name}"
    if row.protos:
        data = _compiled(folder / row.protos, row.name, _state(folder / row.protos))
        where = f"{told}: the protos in {folder / row.protos}"
    elif row.descriptor_set:
        found = _file(row, "descriptor set", row.descriptor_set, folder, read)
        if found is None:
            return b""
        data, where = found[0], f"{told}: {found[1]}"
    elif known.find(row.message) is None:
        raise ConfigurationError(
            f"{told}: no message {row.message} is known",
            hint="Istio's and Envoy's messages are; for your own give descriptor_set or protos",
        )
    else:
        return b""
    sets.message(data, row.message, where)
    return data


def _file(
    row: CollectionRow, what: str, name: str, folder: Path, read: Read | None
) -> tuple[bytes, str] | None:
    """Return the content of the file *name*, and where it is; None if nobody can tell yet."""
    beside = folder / name
    if beside.is_file():
        try:
            with beside.open("rb") as stream:
                return stream.read(sets.LARGEST + 1), str(beside)
        except OSError as error:
            raise ConfigurationError(
                f"collections: {row.name}: the {what} {beside} cannot be read: {error}",
                hint="make it a file that gitsource may read",
            ) from error
    if read is None:
        return None
    inside = not Path(name).is_absolute() and ".." not in Path(name).parts
    data = read(name) if inside else None
    if data is None:
        if folder == Path(os.devnull):  # of a config file that a revision has: no folder is here
            where, add = " in the repository", "add the file"
        else:
            where = f", neither beside the config file ({beside}) nor in the repository"
            add = "add the file in one of the two places"
        raise ConfigurationError(
            f"collections: {row.name}: there is no {what} {name}{where}",
            hint=f"{add}, or correct `{what.replace(' ', '_')}`",
        )
    return (data.encode() if isinstance(data, str) else data), f"{name} in the repository"


def _state(folder: Path) -> tuple[tuple[str, int, int], ...]:
    """Return what changes when a `.proto` file in *folder* does."""
    files = sorted(folder.rglob("*.proto"))[:10_000] if folder.is_dir() else []
    stats = [(path, path.stat()) for path in files]
    return tuple((str(path), stat.st_mtime_ns, stat.st_size) for path, stat in stats)


@lru_cache(maxsize=16)  # compiled anew when a file changes, not for every revision
def _compiled(folder: Path, name: str, _state: object) -> bytes:
    from gitsource.protos import compiled

    return compiled(folder, name)
