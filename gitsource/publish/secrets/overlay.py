"""
The contents of files put into the Secrets that refer to them, for what is served and nowhere else.

Rule: key material is in the resources that `Overlay.snapshot` returns and in what is made of them
to be sent, and in nothing that is kept on disk, logged, shown or exported. A Secret in Git says
``filename: gitsource://NAME``; what it becomes has the contents inline, and a version that follows
from its own and from them, so that every replica with the same files gives the same one. A file
that is gone or cannot be used leaves the contents it had last; a Secret of which a file never had
any stays as it was served last, or is not served. No I/O: `secret_files` reads and watches.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from gitsource.model import Collection, Resource, Snapshot

if TYPE_CHECKING:
    from gitsource._proto.gitsource.xds.v1.secret_pb2 import Secret

SCHEME = "gitsource://"
COLLECTION = "envoy/secrets"
SECRET = "envoy.extensions.transport_sockets.tls.v3.Secret"  # noqa: S105 - the name of a message
LARGEST = 1024 * 1024
"""Bytes of a file; a larger one is none that belongs into a Secret."""
LIVE = 4
"""Snapshots of which the result is remembered."""

_LONGEST = 512
_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")
_MARKS = (SECRET.encode(), b"PRIVATE KEY-----")


def is_name(text: str) -> bool:
    """Whether *text* may be the name of a file below the folder: no hidden part, no way out."""
    return len(text) <= _LONGEST and all(_PART.fullmatch(part) for part in text.split("/"))


def is_secret(resource: Resource) -> bool:
    """Whether the body of *resource* must not be shown: a Secret, or a private key in plain."""
    return any(mark in resource.wire for mark in _MARKS)


@dataclass(frozen=True, slots=True)
class Reading:
    """What was found in the folder at one moment."""

    files: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    """Contents by name."""
    faults: Mapping[str, str] = field(default_factory=dict)
    """Why a file that is there cannot be used, by name: "cannot be read", say."""
    folder: str = ""
    """Why nothing could be read at all; empty if it could."""


@dataclass(frozen=True, slots=True, order=True)
class Alarm:
    """A file that a Secret refers to and that cannot be used now."""

    resource: str
    file: str
    reason: str
    served: bool
    """Whether the Secret is served, with the contents of before."""

    @property
    def text(self) -> str:
        """The alarm as a sentence."""
        so = "is served as it was" if self.served else "is not served"
        return f"{SCHEME}{self.file} {self.reason}: the Secret {self.resource} {so}"

    def as_json(self) -> dict[str, Any]:
        """Return the row of the status."""
        return {
            "resource": self.resource,
            "file": self.file,
            "reason": self.reason,
            "served": self.served,
        }


class Kept(Protocol):
    """What is asked of the snapshot cache."""

    def derived(self, before: Collection | None, now: Collection | None) -> None:
        """Keep *now*, which is served in place of *before*, as a diff base."""


@dataclass(frozen=True, slots=True)
class _Held:
    """The contents of a file that is in use."""

    data: bytes = field(repr=False)
    digest: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Made:
    """A Secret with its files, and what they were made of."""

    source: Resource
    files: tuple[_Held, ...]
    result: Resource


class Overlay:
    """Secrets with their files. One overlay serves one group."""

    def __init__(self, kept: Kept, tell: Callable[[Alarm], None] = lambda _alarm: None) -> None:
        self._kept = kept
        self._tell = tell
        self._held: dict[str, _Held] = {}
        self._reading = Reading(folder="cannot be read, since secrets.folder is not set")
        self._referred: dict[str, tuple[Resource, tuple[str, ...]]] = {}
        self._made: dict[str, _Made] = {}
        self._alarms: tuple[Alarm, ...] = ()
        self._recent: deque[tuple[Snapshot, Snapshot]] = deque(maxlen=LIVE)
        self._served: Collection | None = None

    def __repr__(self) -> str:
        return f"<Overlay files={len(self._held)} secrets={len(self._made)}>"

    @property
    def alarms(self) -> tuple[Alarm, ...]:
        """What is wrong with the files of what was served last."""
        return self._alarms

    def update(self, reading: Reading) -> bool:
        """
        Take in what the files are now; return whether a Secret is served otherwise from now on.

        What is no longer there is forgotten unless a Secret refers to it.
        """
        before = self._held
        wanted = {name for _, names in self._referred.values() for name in names}
        held = {name: before[name] for name in wanted & before.keys()}
        for name, data in reading.files.items():
            old = before.get(name)
            same = old is not None and old.data == data
            held[name] = old if old and same else _Held(data, hashlib.sha256(data).digest())
        news = any(held.get(name) is not before.get(name) for name in wanted)
        reasons = any(_reason(name, reading) != _reason(name, self._reading) for name in wanted)
        self._held, self._reading = held, reading
        self._recent.clear()
        return news or reasons

    def snapshot(self, snapshot: Snapshot) -> Snapshot:
        """Return *snapshot* with the files in its Secrets; itself where none refers to a file."""
        for source, result in self._recent:
            if source is snapshot:
                return result
        whole = snapshot.collections.get(COLLECTION)
        overlaid = self._overlaid(whole) if whole is not None else None
        if overlaid is whole or overlaid is None:
            result = snapshot
        else:
            collections = {**snapshot.collections, COLLECTION: overlaid}
            result = Snapshot.of(snapshot.revision, collections, snapshot.findings)
        if whole is None:
            self._note((), {})
        now = overlaid if overlaid is not whole else None
        if now is not self._served:
            self._kept.derived(self._served, now)
            self._served = now
        self._recent.append((snapshot, result))
        return result

    # ------------------------------------------------------------------ one collection

    def _overlaid(self, whole: Collection) -> Collection:
        made, alarms, referred = [], [], {}
        for resource in whole:
            names = self._names(resource)
            if not names:
                made.append(resource)
                continue
            referred[resource.name] = (resource, names)
            missing = [name for name in names if name not in self._held]
            result = self._last(resource) if missing else self._with_files(resource, names)
            if result is not None:
                made.append(result)
            for name in names:
                reason = _reason(name, self._reading)
                if reason:
                    alarms.append(Alarm(resource.name, name, reason, result is not None))
        self._note(tuple(sorted(set(alarms))), referred)
        if not referred:
            return whole
        last = self._served
        if last is not None and last.resources == tuple(made):
            return last
        return Collection.of(whole.name, made)

    def _note(
        self, alarms: tuple[Alarm, ...], referred: dict[str, tuple[Resource, tuple[str, ...]]]
    ) -> None:
        for alarm in alarms:
            if alarm not in self._alarms:
                self._tell(alarm)
        self._alarms, self._referred = alarms, referred
        for name in self._made.keys() - referred.keys():
            del self._made[name]

    def _names(self, resource: Resource) -> tuple[str, ...]:
        """Return the files that *resource* refers to; none if it is no Secret."""
        known = self._referred.get(resource.name)
        if known is not None and known[0] is resource:
            return known[1]
        if SCHEME.encode() not in resource.wire:
            return ()
        _, secret = _opened(resource)
        return tuple(_name(source) for source in _sources(secret)) if secret is not None else ()

    def _last(self, resource: Resource) -> Resource | None:
        made = self._made.get(resource.name)
        return made.result if made is not None else None

    def _with_files(self, resource: Resource, names: tuple[str, ...]) -> Resource:
        files = tuple(self._held[name] for name in names)
        made = self._made.get(resource.name)
        if made is None or made.source is not resource or made.files != files:
            made = _Made(resource, files, _filled(resource, files))
            self._made[resource.name] = made
        return made.result


def _reason(name: str, reading: Reading) -> str:
    """Return why *name* cannot be used now; empty if it can."""
    if name in reading.files:
        return ""
    if not is_name(name):
        return "is no name of a file below secrets.folder"
    return reading.folder or reading.faults.get(name) or "is not there"


def _opened(resource: Resource) -> tuple[Any, Secret | None]:
    """Return the envelope of *resource*, and its body if that is a Secret."""
    from google.protobuf.message import DecodeError

    from gitsource._proto.gitsource.xds.v1.secret_pb2 import Secret
    from gitsource._proto.istio.mcp.v1alpha1.resource_pb2 import Resource as Envelope

    envelope = Envelope.FromString(resource.wire)
    if envelope.body.type_url.rpartition("/")[2] != SECRET:
        return envelope, None
    try:
        return envelope, Secret.FromString(envelope.body.value)
    except DecodeError:
        return envelope, None


def _sources(secret: Secret) -> Iterator[Any]:
    """Yield the data sources that are files of ours, always in the same order."""
    kind = secret.WhichOneof("type")
    found: list[Any] = []
    if kind == "tls_certificate":
        tls = secret.tls_certificate
        single = ("certificate_chain", "private_key", "password", "ocsp_staple", "pkcs12")
        found += [getattr(tls, name) for name in single if tls.HasField(name)]
        found += tls.signed_certificate_timestamp
    elif kind == "session_ticket_keys":
        found += secret.session_ticket_keys.keys
    elif kind == "validation_context":
        trust = secret.validation_context
        found += [getattr(trust, name) for name in ("trusted_ca", "crl") if trust.HasField(name)]
    elif kind == "generic_secret":
        generic = secret.generic_secret
        found += [generic.secret] if generic.HasField("secret") else []
        found += [generic.secrets[name] for name in sorted(generic.secrets)]
    return (source for source in found if source.filename.startswith(SCHEME))


def _name(source: Any) -> str:
    return str(source.filename).removeprefix(SCHEME)


def _filled(resource: Resource, files: tuple[_Held, ...]) -> Resource:
    """Return *resource* with the contents of its files."""
    envelope, secret = _opened(resource)
    if secret is None:
        raise AssertionError("a resource that is no Secret was about to be filled")
    for source, held in zip(_sources(secret), files, strict=True):
        source.inline_bytes = held.data
    told = hashlib.sha256(resource.version.encode() + b"\0")
    for held in files:
        told.update(held.digest)
    version = base64.urlsafe_b64encode(told.digest()[:24]).decode()
    envelope.metadata.version = version
    envelope.body.value = secret.SerializeToString(deterministic=True)
    wire = envelope.SerializeToString(deterministic=True)
    return Resource(resource.name, version, wire, resource.origin)
