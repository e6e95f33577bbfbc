"""
The catalog: kind ↔ collection ↔ body message ↔ schema, as one table.

Rule: all that judging asks of a kind is answered here, and `digest` changes with everything that
could change an answer.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from typing import Any

from gitsource.catalog.kinds import Kind
from gitsource.catalog.rows import BUILTIN, ENVOY
from gitsource.errors import ConfigurationError

RULES_VERSION = "6"
"""Raised by hand when judging or encoding changes its answer for unchanged content."""


@dataclass(frozen=True)
class Catalog:
    """All collections in force: those of Istio's kinds, of Envoy's types, and the user's own."""

    kinds: tuple[Kind, ...] = (*BUILTIN, *ENVOY)
    default_namespace: str = "default"
    unknown_kinds: str = "ignore"
    """``ignore``, ``warn`` or ``error``: what a document of an unknown kind is."""
    limits: Mapping[str, int] = field(default_factory=dict)
    """Bounds on a document (`parse.Limits` by name), since they change what is accepted."""
    gateway_api: str = "warn"
    """The same as `unknown_kinds` for documents of the Gateway API."""
    inline_secrets: str = "refuse"
    """``refuse`` or ``allow``: what a private key or a password in an Envoy resource is."""

    @cached_property
    def by_collection(self) -> Mapping[str, Kind]:
        """Collection names and aliases to kinds."""
        table: dict[str, Kind] = {}
        for kind in self.kinds:
            for name in (kind.collection, *kind.aliases):
                table.setdefault(name, kind)
        return table

    @cached_property
    def by_document(self) -> Mapping[tuple[str, str], Kind]:
        """(apiVersion, kind) to kinds."""
        return {
            (version, kind.kind): kind
            for kind in self.kinds
            if kind.kind
            for version in kind.api_versions
        }

    @cached_property
    def by_type(self) -> Mapping[str, Kind]:
        """Full names of messages to the kinds whose documents say so by ``@type``."""
        table: dict[str, Kind] = {}
        for kind in self.kinds:
            if kind.by_type:
                table.setdefault(kind.body, kind)
        return table

    @cached_property
    def _by_path(self) -> Sequence[tuple[Callable[[str], object], Kind]]:
        return [(path_glob(kind.path).fullmatch, kind) for kind in self.kinds if kind.path]

    def route(self, path: str) -> Kind | None:
        """Return the collection that takes every document of the file at *path*, if one does."""
        for matches, kind in self._by_path:
            if matches(path):
                return kind
        return None

    def kind_of(self, value: Mapping[str, Any]) -> Kind | None:
        """Return the collection that the document *value* says it belongs to, if there is one."""
        named, group_version, url = value.get("kind"), value.get("apiVersion"), value.get("@type")
        if isinstance(named, str) and isinstance(group_version, str):
            return self.by_document.get((group_version, named))
        return self.by_type.get(url.rpartition("/")[2]) if isinstance(url, str) else None

    def called(self, collection: str) -> str:
        """Return what a resource of *collection* is called in findings: its kind if it has one."""
        kind = self.by_collection.get(collection)
        return kind.label if kind else collection

    def rank(self, collection: str) -> int:
        """Return the place of *collection* (or an alias of it) in a push."""
        kind = self.by_collection.get(collection)
        return kind.rank if kind else 100

    @cached_property
    def digest(self) -> str:
        """
        Digest of everything that changes what a document becomes.

        Part of every cache key: rows, schemas, settings, rules and loader versions.
        """
        rows = [
            [
                *(k.collection, k.body, k.kind, k.api_versions, k.path, k.namespaced, k.by_type),
                k.schema_text(),
                hashlib.sha256(k.descriptors).hexdigest() if k.descriptors else "",
            ]
            for k in self.kinds
        ]
        told = [
            RULES_VERSION,
            self.default_namespace,
            self.unknown_kinds,
            self.gateway_api,
            self.inline_secrets,
            sorted(self.limits.items()),
            rows,
            library_versions(),
        ]
        return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:32]

    def extended(self, own: Iterable[Kind]) -> Catalog:
        """
        Return this catalog with the user's collections.

        They may not shadow those of Istio's kinds. One with the message, or the name, of a
        collection of Envoy's takes the place of that: its documents by ``@type``, and its type URL.
        """
        rows = tuple(own)
        kept = [kind for kind in self.kinds if not _replaced(kind, rows)]
        gone = {kind.body for kind in self.kinds} - {kind.body for kind in kept}
        rows = _heirs(rows, gone)
        taken = {name for kind in kept for name in (kind.collection, *kind.aliases)}
        documents = {pair for kind in kept for pair in _pairs(kind)}
        types: set[str] = set()
        for kind in rows:
            clash = kind.collection in taken
            pairs = _pairs(kind)
            typed = kind.body if kind.by_type else ""
            if clash or pairs & documents or typed in types:
                what = kind.collection if clash else typed
                what = what or f"{kind.kind} ({kind.api_versions[0]})"
                raise ConfigurationError(
                    f"collections: {what} is defined twice",
                    hint="give each collection a name, and each apiVersion and kind or @type, once",
                )
            taken.add(kind.collection)
            documents |= pairs
            types |= {typed} if typed else set()
            kept.append(kind)
        return replace(self, kinds=tuple(kept))


def _pairs(kind: Kind) -> set[tuple[str, str]]:
    return {(version, kind.kind) for version in kind.api_versions if kind.kind}


def _replaced(kind: Kind, own: Iterable[Kind]) -> bool:
    """Say whether *kind* is one of Envoy's types that a row of the user's stands for."""
    names = (kind.collection, *kind.aliases)
    return not (kind.builtin or kind.own) and any(
        row.body == kind.body or row.collection in names for row in own
    )


def _heirs(own: Sequence[Kind], gone: Iterable[str]) -> tuple[Kind, ...]:
    """
    Return *own*, in which one row takes the documents by ``@type`` of each of the messages *gone*.

    That is the row that asks for nothing else, or else the first with the message.
    """
    heirs: dict[str, Kind] = {}
    for row in sorted(own, key=lambda row: not row.by_type):
        if row.body in gone:
            heirs.setdefault(row.body, row)
    chosen = {id(row) for row in heirs.values()}
    return tuple(replace(row, typed=True) if id(row) in chosen else row for row in own)


def path_glob(pattern: str) -> re.Pattern[str]:
    """Compile a path glob: ``*`` and ``?`` stay inside a folder, ``**`` crosses folders."""
    out, at = [], 0
    while at < len(pattern):
        if pattern.startswith("**/", at):
            out.append("(?:[^/]+/)*")
            at += 3
        elif pattern.startswith("**", at):
            out.append(".*")
            at += 2
        elif pattern[at] == "*":
            out.append("[^/]*")
            at += 1
        elif pattern[at] == "?":
            out.append("[^/]")
            at += 1
        else:
            out.append(re.escape(pattern[at]))
            at += 1
    return re.compile("".join(out), re.DOTALL)


@cache
def library_versions() -> str:
    """Name and version of what reads and judges documents: a new reader may read differently."""
    readers = ("ruamel.yaml", "ruamel.yaml.clib")
    checkers = ("jsonschema", "jsonschema-rs", "google-re2", "cel-expr-python")
    names = (*readers, *checkers, "protobuf", "xds-protos")
    installed = _installed()
    return " ".join(f"{name}={installed.get(name) or _version(name)}" for name in names)


def _installed() -> dict[str, str]:
    """Return versions by the names of the folders that say what was installed, the first found."""
    # importlib.metadata reads whole files with a parser of mails, which takes 20 ms of every start.
    found: dict[str, str] = {}
    for folder in filter(None, sys.path):
        with suppress(OSError):
            for entry in os.listdir(folder):  # noqa: PTH208 - hundreds of Path objects cost
                name, dash, version = entry.removesuffix(".dist-info").partition("-")
                if dash and entry.endswith(".dist-info"):
                    found.setdefault(_SEPARATORS.sub("-", name).lower(), version)
                    found.setdefault(_SEPARATORS.sub(".", name).lower(), version)
    return found


_SEPARATORS = re.compile(r"[-_.]+")


def _version(name: str) -> str:
    from importlib.metadata import version

    return version(name)
