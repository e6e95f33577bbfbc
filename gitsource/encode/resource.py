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
from functools import cache
from typing import Any, Protocol

from gitsource.catalog import STRUCT, Kind, body_descriptor
from gitsource.encode.scalars import Refused
from gitsource.encode.struct import sized, struct_bytes, unencodable, varint
from gitsource.errors import GitsourceError
from gitsource.model import FieldPath, Problem


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
        if kind.body == STRUCT:
            content, root = _content(value)
            body = struct_bytes(content)
        else:
            spec = value.get("spec")
            root = ("spec",)
            message = _message(kind.body, {} if spec is None else spec)
            body = message.SerializeToString(deterministic=True)
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


def _content(value: Any) -> tuple[Any, FieldPath]:
    """Return what the Struct of a user-defined collection holds, and where that stands."""
    if type(value) is dict and value.get("apiVersion") and value.get("kind"):
        spec = value.get("spec")
        return ({} if spec is None else spec), ("spec",)
    return value, ()


@cache
def _encoder(body: str) -> tuple[Any, Any]:
    """Return what compiles a mapping to fields, and the message they make; loaded on first use."""
    from google.protobuf.message_factory import GetMessageClass

    from gitsource.encode.message import Compiler

    descriptor = body_descriptor(body)
    return Compiler().message(descriptor), GetMessageClass(descriptor)


def _message(body: str, spec: Any) -> Any:
    convert, message = _encoder(body)
    return message(**convert(spec))


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
    out = []
    for key in sorted(pairs):
        entry = b"\x0a" + sized(key.encode()) + b"\x12" + sized(pairs[key].encode())
        out.append(tag + sized(entry))
    return b"".join(out)


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
