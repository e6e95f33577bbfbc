"""
Which protobuf messages are known by name: our own, protobuf's well-known ones, and Envoy's.

Rule: a message is looked for where its package says, in the generated modules of that folder alone,
and those are imported when the first message of the package is asked for: a process that meets no
Envoy message never loads one. Names come from documents, so a name can only choose among modules
that are installed for this, and an unknown one costs a look at the file system.
"""

from __future__ import annotations

import importlib
import importlib.util
import re
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor

ROOTS = ("envoy", "xds", "udpa", "cel", "opentelemetry", "opencensus", "validate")
"""Top-level packages of `xds-protos`; ``google`` is shared with others."""

_GOOGLE = re.compile(r"google\.(api|rpc|type|longrunning|logging)(\..*)?")
_WELL_KNOWN = ("any", "duration", "empty", "field_mask", "struct", "timestamp", "wrappers")
_NAME = re.compile(r"((?:[a-z][a-z0-9_]*\.)+)[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*")
_LONGEST = 300


@lru_cache(maxsize=4096)  # the names come from documents: bounded
def find(name: str) -> Descriptor | None:
    """Return the descriptor of the message called *name* (no leading dot), None if unknown."""
    told = _NAME.fullmatch(name) if len(name) <= _LONGEST else None
    if told is None:
        return None
    from google.protobuf import descriptor_pool

    parts = told[1][:-1].split(".")
    for length in range(len(parts), 0, -1):  # a message may have a name in lower case
        load(".".join(parts[:length]))
    try:
        return descriptor_pool.Default().FindMessageTypeByName(name)
    except KeyError:
        return None


def by_url(url: str) -> Descriptor | None:
    """Return the descriptor of the message that an Any's type URL names."""
    return find(url.rpartition("/")[2])


@lru_cache(maxsize=4096)
def load(package: str) -> None:
    """Import the generated modules of *package*, if there are such."""
    if package == "google.protobuf":
        for name in _WELL_KNOWN:
            importlib.import_module(f"google.protobuf.{name}_pb2")
        return
    root, _, rest = package.partition(".")
    for prefix, folder in _folders(root):
        if root == "google" and not _GOOGLE.fullmatch(package):
            continue
        for module in sorted(folder.joinpath(*rest.split(".")).glob("*_pb2.py")):
            importlib.import_module(f"{prefix}{package}.{module.stem}")


@cache
def _folders(root: str) -> tuple[tuple[str, Path], ...]:
    """Return where packages below *root* may lie, each with what stands before their names."""
    from gitsource import _proto

    own = Path(_proto.__file__).parent / root
    found = [(f"{_proto.__name__}.", own)] if own.is_dir() else []
    spec = importlib.util.find_spec(root) if root in (*ROOTS, "google") else None
    places = (spec.submodule_search_locations if spec else None) or ()
    return (*found, *(("", Path(place)) for place in places))
