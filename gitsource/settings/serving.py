"""
What sinks meet: limits, dialled sinks, the wires, files behind Secrets.

Rule: declarations alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from gitsource.settings.units import Address, Bytes, FilePath, Seconds, Words


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds that keep a hostile or broken peer from hurting others."""

    file_bytes: Bytes = Bytes(1024 * 1024)
    """A larger configuration file holds the revision; its size is asked before it is read."""
    files: int = 200_000
    """A revision with more configuration files than this is held."""
    documents: int = 2000
    """Documents in one file."""
    depth: int = 64
    """Nesting of one document."""
    nodes: int = 200_000
    """Values in one file, each use of an alias counted again: this is what stops alias bombs."""
    fetch_bytes: Bytes = Bytes(16 * 1024 * 1024 * 1024)
    """The largest file that a git step may write: a fetch that brings a larger pack is ended, and
    nothing of it is kept."""
    fetch_memory: Bytes = Bytes(4 * 1024 * 1024 * 1024)
    """Memory that a git process may fill, files it maps aside: one that wants more ends."""
    streams: int = 4096
    """Open sink streams; one more is refused with RESOURCE_EXHAUSTED."""
    streams_each: int = 1024
    """Open streams and calls of one identity, or of one address as long as nobody knows who is
    there (this machine's own addresses tell nobody apart, and have no share of their own)."""
    new_streams: int = 200
    """New streams and calls a second of one of those; after a quiet time `streams_each` at once."""
    failed_tokens: int = 60
    """Bearer tokens that are no good, a minute of one address, at the doors of sinks and of
    operators alike. After that no token from there is looked at: RESOURCE_EXHAUSTED, or 429. A
    sink's token that was good before is. 0: there is no such bound."""
    connections: int = 4352
    """Open connections of sinks; one more is closed at once."""
    connections_each: int = 1024
    """Open connections over TLS of one identity or address, as above."""
    handshake: Seconds = Seconds(10.0)
    """A TLS handshake that takes longer is given up."""
    keepalive: Seconds = Seconds(30.0)
    """After so much silence a sink is asked whether it is there, and has two thirds of it to
    answer."""
    requests: int = 1000
    """Requests a second of one stream beside its answers to pushes; ten times as many at once. A
    stream that brings more is ended."""
    metadata_bytes: Bytes = Bytes(16 * 1024)
    """Metadata (headers) of one call; a call with more is refused."""
    request_bytes: Bytes = Bytes(32 * 1024 * 1024)
    """The largest request a sink may send; an incremental sink sends a version for each resource it
    holds."""
    subscriptions: int = 1024
    """Collections (xDS: types) one stream may ask for."""
    names: int = 100_000
    """Single resources one xDS stream may ask for by name, or say that it has."""
    named_bytes_each: Bytes = Bytes(256 * 1024 * 1024)
    """Memory for what the streams of one identity (or address, as above) name: subscriptions,
    resources they ask for, and what they say they have. What several ask for alike counts once. A
    stream that would need more is ended with RESOURCE_EXHAUSTED."""
    named_bytes: Bytes = Bytes(1024 * 1024 * 1024)
    """The same of all sinks together."""
    push_bytes: Bytes = Bytes(1024 * 1024 * 1024)
    """The largest message that is sent; a stream that would need a larger one is ended."""
    push_bytes_in_flight: Bytes = Bytes(64 * 1024 * 1024)
    """Large pushes being written at one time, over all sinks: peak memory follows this."""
    stalled: Seconds = Seconds(30.0)
    """A stream whose sink has not taken a push after this long is ended."""
    unanswered: Seconds = Seconds(30.0)
    """A stream that has what it may not have any more, and cannot be told so since it does not
    answer what it was sent before, is ended after this long."""
    message_bytes: Bytes = Bytes(4092 * 1024)
    """The largest message that sinks of classic MCP are taken to accept: 4 MiB less a margin, what
    gRPC's are built with. An incremental sink gets more than that in several pushes."""


@dataclass(frozen=True, slots=True)
class DialRow:
    """One sink that gitsource dials, since that sink listens (`ResourceSink`)."""

    name: str
    """What it is called in status and log."""
    address: Address | None = None
    """Where it listens. Required."""
    tls: Literal["none", "simple", "mutual"] = "none"
    """`simple`: the sink proves who it is. `mutual`: gitsource does so too, with `cert` and
    `key`."""
    ca: FilePath | None = None
    """File with the certificates that may vouch for the sink; absent: those of this machine."""
    cert: FilePath | None = None
    """File with the certificate chain that gitsource shows."""
    key: FilePath | None = None
    """File with its private key. All these files are read again at each dial."""
    server_name: str | None = None
    """The name the sink's certificate is for, if it is not the host of `address`."""
    token_file: FilePath | None = None
    """File with a bearer token that each stream carries; over TLS only."""


@dataclass(frozen=True, slots=True)
class Sinks:
    """What sinks are told, who is dialled, and what becomes of one that refuses."""

    on_nack: Literal["hold", "return"] = "hold"
    """A sink that refuses (NACKs) a part of a snapshot: `hold` keeps what it accepted of it,
    `return` sends it back to the last snapshot that it accepted as a whole."""
    metadata: Words = Words(())
    """Pairs such as `mesh=prod` that go with each stream as gRPC metadata, beside
    `config.source.version`."""
    dial: tuple[DialRow, ...] = ()
    """Sinks that listen and are dialled. Others dial `listen.mcp`."""


@dataclass(frozen=True, slots=True)
class Xds:
    """How xDS clients are brought from one snapshot to the next."""

    removal_timeout: Seconds = Seconds(5.0)
    """What is gone stays until all that may refer to it was accepted, and what refers to something
    new waits for that; both at most this long, so that no client waits for ever."""


@dataclass(frozen=True, slots=True)
class Secrets:
    """Key material of Envoy resources: it belongs to the server, not into Git."""

    folder: FilePath | None = None
    """Folder with the files that Secrets name as `filename: gitsource://NAME`. They are read and
    watched by the server, so keys change without a commit."""
    inline: Literal["refuse", "allow"] = "refuse"
    """What a private key, password or token in an Envoy resource is. `refuse`: it holds the
    revision. `allow`: it is delivered, and is in Git and in the state directory as well."""
