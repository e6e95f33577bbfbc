"""
What must hold of settings beyond their types: bounds, and one setting's claim on another.

Rule: pure. Each rule is told the settings and where each given one stands, and yields faults; it
never raises. Defaults are sound by themselves, so every fault has a place that somebody wrote.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from fnmatch import fnmatchcase
from typing import Any, Protocol

from gitsource.catalog.rows import BUILTIN
from gitsource.catalog.whole import Catalog
from gitsource.credential_rows import credential_faults
from gitsource.declarations import declared
from gitsource.model import FieldPath
from gitsource.settings.following import LayerRow, Repository, Trust
from gitsource.settings.judging import CollectionRow
from gitsource.settings.serving import DialRow
from gitsource.settings.units import Bytes, Seconds
from gitsource.settings.whole import Settings
from gitsource.settings_checks.http_doors import door_faults
from gitsource.settings_checks.plaintext import plaintext_faults
from gitsource.settings_checks.sinks_door import sink_door_faults

MAY_BE_ZERO = frozenset({"repository.depth", "drain", "guard.removals.count"})
URL = re.compile(r"(file|https?|ssh)://\S+|[^\s/:@-][^\s/:@]*@[^\s/:]+:\S+")
LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
MESSAGE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*")
METADATA_KEY = re.compile(r"[a-z0-9_.-]+")
HEADER = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,99}")
LARGEST_DELIVERY = 25 * 1024 * 1024
"""Bytes; no Git host sends more."""
VERSION_KEY = "config.source.version"
LAYER = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
VIEW = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9._]{0,61}[A-Za-z0-9])?")
FINGERPRINT = re.compile(r"(?:[0-9A-Fa-f]{40}|[0-9A-Fa-f]{64}|SHA256:[A-Za-z0-9+/]{43})")
SHORT_KEY = re.compile(r"(?:0x)?[0-9A-Fa-f]{8,63}")
OBJECT_ID = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
COLLECTION = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*)(/[A-Za-z0-9][A-Za-z0-9._-]*)*")


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where somebody wrote a value: a file with line and column, a flag or a variable."""

    name: str
    line: int = 0
    """1-based; 0 where lines mean nothing."""
    column: int = 0

    def __str__(self) -> str:
        return f"{self.name}:{self.line}:{self.column}" if self.line else self.name


@dataclass(frozen=True, slots=True)
class Fault:
    """One mistake in the settings."""

    place: Place
    key: str
    """Dotted; empty if the mistake is not about the value of one setting."""
    message: str

    def line(self) -> str:
        """Return the mistake as the operator reads it."""
        return ": ".join(filter(None, (str(self.place), self.key, self.message)))


class Source(Protocol):
    """Something settings are written in that knows where in it a value stands."""

    def place(self, path: FieldPath, *, at_key: bool = False) -> Place:
        """Return the place of the value (or its key) at *path*."""


@dataclass(frozen=True, slots=True)
class Found:
    """A setting that somebody gave: its value, typed, and where it was written."""

    value: Any
    source: Source
    path: FieldPath

    def place(self, *below: str | int, at_key: bool = False) -> Place:
        """Return the place of the value, or of something *below* it."""
        return self.source.place((*self.path, *below), at_key=at_key)


def check(settings: Settings, found: Mapping[str, Found]) -> Iterator[Fault]:
    """Yield what is wrong with *settings*; *found* were given, the rest are defaults."""
    yield from _bounds(found)
    yield from _repository(found)
    yield from _layers(settings, found)
    yield from _together(settings, found)
    doors = (door_faults, sink_door_faults, plaintext_faults)
    for key, path, text in (fault for judge in doors for fault in judge(settings)):
        if one := found.get(key):
            here = key + "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in path)
            yield Fault(one.place(*path), here, text)
    if (namespace := found.get("default_namespace")) and not LABEL.fullmatch(namespace.value):
        text = "expected a namespace: lower-case letters, digits and dashes, at most 63"
        yield Fault(namespace.place(), "default_namespace", text)
    if rows := found.get("collections"):
        yield from _collections(settings.collections, rows)
    if views := found.get("views"):
        yield from _views(settings, views)
    if dialled := found.get("sinks.dial"):
        yield from _dialled(settings.sinks.dial, dialled)
    if rows := found.get("credentials"):
        for index, key, text in credential_faults(settings.credentials):
            here = f"credentials[{index}]{f'.{key}' if key else ''}"
            yield Fault(rows.place(index, *([key] if key else [])), here, text)
    yield from _trust(settings.trust, found, layered=bool(settings.layers))
    if metadata := found.get("sinks.metadata"):
        yield from _metadata(metadata)


def _bounds(found: Mapping[str, Found]) -> Iterator[Fault]:
    for key, one in found.items():
        counted = declared()[key].type in {Seconds, Bytes, int}
        if counted and one.value == 0 and key not in MAY_BE_ZERO:
            yield Fault(one.place(), key, "expected more than 0")


def _repository(found: Mapping[str, Found]) -> Iterator[Fault]:
    url, ref, path = (found.get(f"repository.{name}") for name in ("url", "ref", "path"))
    if url and url.value and not URL.fullmatch(url.value):
        text = "expected a file://, https://, http:// or ssh:// URL, or user@host:path"
        yield Fault(url.place(), "repository.url", text)
    if ref and not re.fullmatch(r"[^\s-]\S*", ref.value):
        text = "expected a branch or a full ref name, such as main or refs/heads/main"
        yield Fault(ref.place(), "repository.ref", text)
    yield from _followed(found)
    if path and (path.value.startswith("/") or ".." in path.value.split("/")):
        text = "expected a folder inside the repository, such as mesh/config"
        yield Fault(path.place(), "repository.path", text)


def _followed(found: Mapping[str, Found]) -> Iterator[Fault]:
    commit, name, tag, branch, ref = (
        found.get(f"repository.{key}") for key in ("commit", "name", "tag", "branch", "ref")
    )
    if commit and commit.value and not OBJECT_ID.fullmatch(commit.value.lower()):
        text = "expected the whole id of a commit, 40 or 64 hex digits"
        yield Fault(commit.place(), "repository.commit", text)
    if name and name.value and not re.fullmatch(r"HEAD|refs/\S+", name.value):
        text = "expected the full name of a ref, such as refs/pull/7/head"
        yield Fault(name.place(), "repository.name", text)
    for key, one in (("tag", tag), ("branch", branch)):
        if one and one.value and not re.fullmatch(r"(?!refs/)[^\s-]\S*", one.value):
            text = f"expected the name of a {key} without refs/; repository.name takes full names"
            yield Fault(one.place(), f"repository.{key}", text)
    if branch and branch.value and ref:
        said = ref.value.removeprefix("refs/heads/")
        if said != branch.value:
            text = f"repository.ref says {said}: give one of them"
            yield Fault(branch.place(), "repository.branch", text)


def _layers(settings: Settings, found: Mapping[str, Found]) -> Iterator[Fault]:
    """Judge each layer as a repository of its own, and what they leave no place for."""
    rows = found.get("layers")
    if rows is None:
        return
    if settings.layers:
        yield from _beside_layers(found)
    taken: dict[str, int] = {}
    default = Repository()
    for index, row in enumerate(settings.layers):
        here = f"layers[{index}]"
        if not LAYER.fullmatch(row.name):
            text = (
                "expected a name such as defaults: lower-case letters, digits, dashes, at most 63"
            )
            yield Fault(rows.place(index, "name"), f"{here}.name", text)
        elif row.name in taken:
            text = f"the name {row.name} belongs to layers[{taken[row.name]}]"
            yield Fault(rows.place(index, "name"), f"{here}.name", text)
        taken.setdefault(row.name, index)
        if not row.repository.url:
            text = "expected repository: {url: ...}: where this layer comes from"
            yield Fault(rows.place(index), here, text)
        given = {
            f"repository.{each.name}": Found(
                value, rows.source, (*rows.path, index, "repository", each.name)
            )
            for each in fields(Repository)
            if (value := getattr(row.repository, each.name)) != getattr(default, each.name)
        }
        for fault in (*_bounds(given), *_repository(given), *_signed(settings.trust, row, given)):
            where = rows.place(index, fault.key) if fault.key == "since" else fault.place
            yield replace(fault, place=where, key=f"{here}.{fault.key}")


def _beside_layers(found: Mapping[str, Found]) -> Iterator[Fault]:
    """Yield what has no place beside layers."""
    for key, one in found.items():
        if key.startswith("repository.") and one.value:
            text = "each of the layers says its own: remove it here"
            yield Fault(one.place(), key, text)
    if (since := found.get("trust.since")) and since.value:
        text = "a commit is one repository's: give since in each of the layers"
        yield Fault(since.place(), "trust.since", text)
    if (policy := found.get("authorization.repository_file")) and policy.value:
        text = "nobody could say whose rules count: give them in authorization.policy"
        yield Fault(policy.place(), "authorization.repository_file", text)


def _signed(trust: Trust, row: LayerRow, given: Mapping[str, Found]) -> Iterator[Fault]:
    """Judge what a layer says of signatures; faults of `since` are placed by the caller."""
    nowhere = Place("")
    if row.since and not OBJECT_ID.fullmatch(row.since):
        yield Fault(nowhere, "since", "expected the whole id of a commit, 40 or 64 hex digits")
    if row.since and trust.mode != "since":
        yield Fault(nowhere, "since", "nothing is checked by it without trust.mode: since")
    if trust.mode == "since" and not row.since:
        text = "trust.mode: since needs the commit after which all of this layer have to be signed"
        yield Fault(nowhere, "since", text)
    depth = given.get("repository.depth")
    if depth and trust.mode == "since":
        text = "trust.mode: since looks at every commit, so all of them have to be there"
        yield Fault(depth.place(), "repository.depth", text)


def _together(settings: Settings, found: Mapping[str, Found]) -> Iterator[Fault]:
    listens = found.get("webhook.listen")
    insecure = settings.insecure_webhook
    if listens and listens.value and not settings.webhook.secret_file and not insecure:
        text = "needs webhook.secret_file: deliveries that nobody signed are not taken"
        yield Fault(listens.place(), "webhook.listen", text)
    largest = found.get("webhook.max_body")
    if largest and largest.value > LARGEST_DELIVERY:
        yield Fault(largest.place(), "webhook.max_body", "expected at most 25MiB")
    header = found.get("webhook.header")
    if header and not HEADER.fullmatch(header.value):
        text = "expected the name of an HTTP header, such as X-Webhook-Secret"
        yield Fault(header.place(), "webhook.header", text)
    addresses = {
        "listen.mcp": settings.listen.mcp,
        "listen.admin": settings.listen.admin,
        "webhook.listen": settings.webhook.listen,
    }
    taken: dict[str, str] = {}
    for key, address in addresses.items():
        if not address or address.endswith(":0"):
            continue
        other = taken.setdefault(address, key)
        if other != key:
            one = found.get(key) or found[other]
            yield Fault(one.place(), key, f"{address} is the address of {other} too")


def _trust(trust: Trust, found: Mapping[str, Found], *, layered: bool) -> Iterator[Fault]:
    mode, since = found.get("trust.mode"), found.get("trust.since")
    if since and since.value and not OBJECT_ID.fullmatch(since.value):
        text = "expected the whole id of a commit, 40 or 64 hex digits"
        yield Fault(since.place(), "trust.since", text)
    if mode and trust.mode == "since" and not trust.since and not layered:
        text = "since needs trust.since, the commit after which all have to be signed"
        yield Fault(mode.place(), "trust.mode", text)
    depth = found.get("repository.depth")
    if depth and depth.value and trust.mode == "since":
        text = "trust.mode: since looks at every commit, so all of them have to be there"
        yield Fault(depth.place(), "repository.depth", text)
    if mode and trust.mode != "none" and not (trust.gpg_keys or trust.allowed_signers):
        text = "needs trust.gpg_keys or trust.allowed_signers: nobody could sign"
        yield Fault(mode.place(), "trust.mode", text)
    # A policy that nothing enforces would look like one that is in force.
    for key in ("since", "gpg_keys", "allowed_signers", "revoked_keys", "paths", "merge_commits"):
        one = found.get(f"trust.{key}")
        if one and one.value and trust.mode == "none":
            text = "nothing is checked without trust.mode: head or since"
            yield Fault(one.place(), f"trust.{key}", text)
    yield from _policy(trust, found)


def _policy(trust: Trust, found: Mapping[str, Found]) -> Iterator[Fault]:
    if rows := found.get("trust.paths"):
        for index, row in enumerate(trust.paths):
            here = f"trust.paths[{index}]"
            if not row.path or row.path.startswith("/") or ".." in row.path.split("/"):
                text = "expected path, a glob inside the repository, such as teams/shop/**"
                yield Fault(rows.place(index), here, text)
            if not row.signers:
                yield Fault(rows.place(index), here, "expected signers, at least one")
            yield from _signers(row.signers, rows.place(index), f"{here}.signers")
    if merge := found.get("trust.merge_commits"):
        yield from _signers(trust.merge_commits, merge.place(), "trust.merge_commits")


def _signers(names: tuple[str, ...], place: Place, key: str) -> Iterator[Fault]:
    for name in names:
        if not FINGERPRINT.fullmatch(name) and (
            SHORT_KEY.fullmatch(name) or name.startswith("SHA256:") or " " in name
        ):
            text = (
                "expected the whole fingerprint of a key without spaces (40 hex digits, or SHA256: "
                f"and 43 characters) or a principal, found {name!r}: short ids can be forged"
            )
            yield Fault(place, key, text)


def _collections(rows: tuple[CollectionRow, ...], found: Found) -> Iterator[Fault]:
    builtin = Catalog(BUILTIN)  # those of Envoy's types make room for the user's
    names = dict.fromkeys(builtin.by_collection, "a built-in collection")
    documents = dict.fromkeys(builtin.by_document, "a built-in collection")
    types: dict[str, str] = {}
    for index, row in enumerate(rows):
        key, me = f"collections[{index}]", f"collections[{index}]"
        yield from _collection_name(row, found, index, names)
        names.setdefault(row.name, me)
        yield from _message(row, found, index, types)
        if row.message and not (row.path or row.api_version or row.kind):
            types.setdefault(row.message, me)
        elif row.path is None and not (row.api_version and row.kind):
            text = f"{row.name}: expected either api_version and kind, or path, or message"
            yield Fault(found.place(index), key, text)
        elif row.path is not None and (row.api_version or row.kind):
            text = (
                f"{row.name}: api_version and kind choose documents, path chooses files: give one"
            )
            yield Fault(found.place(index, "path", at_key=True), key, text)
        elif row.api_version and row.kind:
            pair = (row.api_version, row.kind)
            if pair in documents:
                text = f"{row.kind} of {row.api_version} belongs to {documents[pair]}"
                yield Fault(found.place(index, "kind"), f"{key}.kind", text)
            documents.setdefault(pair, me)
        yield from _path(row, found, index)


def _views(settings: Settings, found: Found) -> Iterator[Fault]:
    builtin = (kind.collection for kind in Catalog().kinds)
    known = {*builtin, *(row.name for row in settings.collections)}
    taken: dict[str, int] = {}
    for index, row in enumerate(settings.views):
        key, place = f"views[{index}].name", found.place(index, "name")
        if not VIEW.fullmatch(row.name):
            text = "expected a name such as shop: letters, digits, dots, dashes, at most 63"
            yield Fault(place, key, text)
        elif row.name in taken:
            yield Fault(place, key, f"the name {row.name} belongs to views[{taken[row.name]}]")
        taken.setdefault(row.name, index)
        for at, glob in enumerate(row.resources.collections):
            if not any(fnmatchcase(name, glob) for name in known):
                below = ("resources", "collections", at)
                key = f"views[{index}].resources.collections[{at}]"
                text = f"no collection is called {glob}: see docs/collections.md"
                yield Fault(found.place(index, *below), key, text)


def _dialled(rows: tuple[DialRow, ...], found: Found) -> Iterator[Fault]:
    taken: dict[str, int] = {}
    for index, row in enumerate(rows):
        here = f"sinks.dial[{index}]"
        if row.name in taken:
            text = f"the name {row.name} belongs to sinks.dial[{taken[row.name]}]"
            yield Fault(found.place(index, "name"), f"{here}.name", text)
        taken.setdefault(row.name, index)
        if row.address is None or row.address.endswith(":0"):
            text = "expected an address: host and port of the sink"
            yield Fault(found.place(index), here, text)
        if (row.tls == "mutual") != bool(row.cert and row.key) or bool(row.cert) != bool(row.key):
            text = "cert and key belong to tls: mutual, which needs both"
            yield Fault(found.place(index), here, text)
        over_tls = [name for name in ("ca", "server_name", "token_file") if getattr(row, name)]
        if row.tls == "none" and over_tls:
            text = f"{over_tls[0]} needs tls: simple or tls: mutual"
            yield Fault(found.place(index, over_tls[0], at_key=True), here, text)


def _metadata(found: Found) -> Iterator[Fault]:
    for pair in found.value:
        key, equals, value = pair.partition("=")
        reserved = key.startswith("grpc-") or key.endswith("-bin") or key == VERSION_KEY
        if not equals or not METADATA_KEY.fullmatch(key) or reserved or not value.isascii():
            text = (
                "expected pairs such as mesh=prod: a lower-case key that is not gRPC's or ours, "
                f"and ASCII text, found {pair!r}"
            )
            yield Fault(found.place(), "sinks.metadata", text)


def _message(
    row: CollectionRow, found: Found, index: int, types: Mapping[str, str]
) -> Iterator[Fault]:
    """Judge what a collection says of its body's message; *types* are taken by others."""
    key = f"collections[{index}]"
    chosen = row.path or row.api_version or row.kind
    if row.message and row.message in types and not chosen:
        text = f"documents of {row.message} belong to {types[row.message]}"
        yield Fault(found.place(index, "message"), f"{key}.message", text)
    given = [name for name in ("descriptor_set", "protos") if getattr(row, name)]
    if given and not row.message:
        text = f"{row.name}: {given[0]} needs message, the full name of the body's message"
        yield Fault(found.place(index, given[0], at_key=True), key, text)
    if len(given) > 1:
        text = f"{row.name}: descriptor_set and protos both have the message: give one"
        yield Fault(found.place(index, "protos", at_key=True), key, text)
    if row.message and not MESSAGE.fullmatch(row.message):
        text = "expected the full name of a message, such as acme.ai.v1.ModelRoute"
        yield Fault(found.place(index, "message"), f"{key}.message", text)
    elif row.message and row.message.startswith("google.protobuf."):
        text = "protobuf's own messages are no bodies: put it into a message of your own"
        yield Fault(found.place(index, "message"), f"{key}.message", text)


def _collection_name(
    row: CollectionRow, found: Found, index: int, names: Mapping[str, str]
) -> Iterator[Fault]:
    place, key = found.place(index, "name"), f"collections[{index}].name"
    if not COLLECTION.fullmatch(row.name):
        text = "expected a name such as acme/v1/flags: letters, digits, dots, dashes, slashes"
        yield Fault(place, key, text)
    elif row.name in names:
        yield Fault(place, key, f"the name {row.name} belongs to {names[row.name]}")


def _path(row: CollectionRow, found: Found, index: int) -> Iterator[Fault]:
    if row.path is not None and (row.path.startswith("/") or ".." in row.path.split("/")):
        text = "expected a glob inside the repository, such as flags/**/*.yaml"
        yield Fault(found.place(index, "path"), f"collections[{index}].path", text)
