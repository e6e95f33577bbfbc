"""
A judged document → the bytes and the version every sink gets.

Rule: a version is a digest of content alone (body, labels, annotations), so it is the same on every
replica and after every restart, and changes if and only if the content does. All bytes are
canonical: map entries are sorted, so the order in which a document is written does not show.

The envelope is joined from parts that are encoded once (`frame`), because its name and creation
time are only known when the content meets its path.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import Any, Protocol

from gitsource.catalog.kinds import STRUCT, Kind, body_descriptor, wrapped
from gitsource.encode.scalars import Refused
from gitsource.encode.struct import opened, sized, struct_bytes, unencodable
from gitsource.errors import GitsourceError
from gitsource.messages import sets
from gitsource.messages.fields import varint
from gitsource.model import FieldPath, Problem, shown


class EncodeProblem(GitsourceError):
    """A document cannot become a resource; *problem* says where and why."""

    fault = "repository"

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


class Identified(Protocol):
    """What is taken of a document's identity; its name comes to it in `frame`."""

    @property
    def labels(self) -> Mapping[str, str]:
        """Its labels."""

    @property
    def annotations(self) -> Mapping[str, str]:
        """Its annotations."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """A document's share of a resource: everything but name and creation time."""

    version: str
    """Content-derived; 32 characters that are safe in URLs."""
    metadata: bytes = field(repr=False)
    """Serialized `istio.mcp.v1alpha1.Metadata` without name and create_time."""
    body: bytes = field(repr=False)
    """Serialized `istio.mcp.v1alpha1.Resource` with only its body."""
    message: Any = field(default=None, repr=False, compare=False)
    """The body itself; None if that is a Struct."""


def encode(value: Any, identity: Identified, kind: Kind) -> Encoded:
    """Return the document *value* encoded as *kind*; raise `EncodeProblem` if it cannot be."""
    root: FieldPath = ()
    message = None
    try:
        content, root = _content(value, kind)
        if kind.body == STRUCT:
            body = struct_bytes(content)
        else:
            message, body = _message(kind, content)
        root = ("metadata",)
        labels = _pairs(b"\x22", identity.labels)
        annotations = _pairs(b"\x2a", identity.annotations)
    except Refused as refused:
        problem = Problem(refused.code, str(refused), root + refused.path)
        raise EncodeProblem(problem) from None
    except UnicodeEncodeError:
        raise EncodeProblem(_surrogate(value)) from None
    except RecursionError:
        raise EncodeProblem(Problem("GS307", "nested too deep to be encoded", root)) from None
    type_url = kind.type_url.encode()
    version = _version(type_url, body, labels, annotations)
    metadata = b"\x1a" + sized(version.encode()) + labels + annotations
    return Encoded(version, metadata, _packed(type_url, body), message)


def _content(value: Any, kind: Kind) -> tuple[Any, FieldPath]:
    """Return what the body of a document holds, and where that stands."""
    if kind.builtin or wrapped(value):
        spec = value.get("spec")
        if not kind.builtin and kind.body != STRUCT:
            _refuse_strangers(value)
        return ({} if spec is None else spec), ("spec",)
    if kind.body == STRUCT or type(value) is not dict or "@type" not in value:
        return value, ()
    told = value["@type"]
    if type(told) is not str or told.rpartition("/")[2] != kind.body:
        text = f"{kind.collection} takes documents of {kind.body}, not of {shown(told)}"
        raise Refused(text).under("@type")
    return {key: item for key, item in value.items() if key != "@type"}, ()


def _refuse_strangers(value: dict[str, Any]) -> None:
    for key in value:
        if key not in ("apiVersion", "kind", "metadata", "spec", "status"):
            text = f"a document has no field {shown(key)} beside spec: put it into spec"
            raise Refused(text, "GS310").under(key)


@lru_cache(maxsize=256)  # sets of users change with revisions
def _encoder(body: str, descriptors: bytes) -> tuple[Any, Any]:
    """Return what compiles a mapping to fields, and the message they make; loaded on first use."""
    from google.protobuf.message_factory import GetMessageClass

    from gitsource.encode.message import Compiler

    descriptor = body_descriptor(body, descriptors)
    compiler = Compiler(partial(sets.find, descriptors)) if descriptors else Compiler()
    return compiler.message(descriptor), GetMessageClass(descriptor)


def _message(kind: Kind, content: Any) -> tuple[Any, bytes]:
    """Return the body that *content* makes, and its bytes."""
    from google.protobuf.message import EncodeError

    convert, message = _encoder(kind.body, kind.descriptors)
    body = message(**convert(content))
    try:
        return body, body.SerializeToString(deterministic=True)
    except EncodeError:
        missing = ", ".join(body.FindInitializationErrors()[:5])
        raise Refused(f"required fields are not set: {missing}") from None


def _surrogate(value: Any) -> Problem:
    """Say which string of *value* UTF-8 cannot carry."""
    waiting: list[tuple[FieldPath, Any]] = [((), value)]
    while waiting:
        path, item = waiting.pop()
        if isinstance(item, str) and not _carried(item):
            refused = unencodable(item)
            return Problem(refused.code, str(refused), path)
        if isinstance(item, dict):
            waiting += [((*path, key), key) for key in item]
            waiting += [((*path, key), element) for key, element in item.items()]
        elif isinstance(item, list):
            waiting += [((*path, index), element) for index, element in enumerate(item)]
    return Problem("GS307", "holds half a surrogate pair, which UTF-8 cannot carry")


def _carried(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


# --------------------------------------------------------------------------- versions


def _version(*parts: bytes) -> str:
    told = b"".join([len(part).to_bytes(4, "big") + part for part in parts])
    return base64.urlsafe_b64encode(hashlib.sha256(told).digest()[:24]).decode()


# --------------------------------------------------------------------------- envelopes


def _pairs(tag: bytes, pairs: Mapping[str, str]) -> bytes:
    """Return the entries of a map from string to string, sorted by key."""
    return b"".join(
        [tag + sized(opened(key) + sized(pairs[key].encode())) for key in sorted(pairs)]
    )


def _packed(type_url: bytes, body: bytes) -> bytes:
    """Return a serialized Resource whose body is an Any of *body*."""
    packed = b"\x0a" + sized(type_url)
    if body:
        packed += b"\x12" + sized(body)
    return b"\x12" + sized(packed)


def frame(name: str, create_time: int, metadata: bytes, body: bytes) -> bytes:
    """
    Return the serialized `istio.mcp.v1alpha1.Resource` called *name*.

    *create_time* is in seconds since the epoch; *metadata* and *body* are those of an `Encoded`.
    """
    time = b"\x08" + varint(create_time % 2**64) if create_time else b""
    told = b"\x0a" + sized(name.encode()) + b"\x12" + sized(time) + metadata
    return b"\x0a" + sized(told) + body


def proved(wire: bytes) -> tuple[str, str]:
    """
    Return the name of a serialized resource, and its version as its content makes it.

    Raises ValueError if *wire* is not what `frame` returns for that content.
    """
    from google.protobuf.message import DecodeError

    from gitsource._proto.istio.mcp.v1alpha1.resource_pb2 import Resource as Envelope

    try:
        told = Envelope.FromString(wire)
    except DecodeError as error:
        raise ValueError("is no resource") from error
    metadata = told.metadata
    labels, annotations = _pairs(b"\x22", metadata.labels), _pairs(b"\x2a", metadata.annotations)
    type_url, body = told.body.type_url.encode(), told.body.value
    version = _version(type_url, body, labels, annotations)
    rest = b"\x1a" + sized(version.encode()) + labels + annotations
    if frame(metadata.name, metadata.create_time.seconds, rest, _packed(type_url, body)) != wire:
        raise ValueError("is not in the form, or of the version, that its content has")
    return metadata.name, version
