"""
The bodies of resources: from an Any's type URL and bytes to a message, and to JSON.

Rule: no kind is named here. Istio's and Envoy's messages are known by name; so are those that a
script of the user's has loaded. What is not known is passed on as bytes, never dropped. JSON is for
people and files: key material is not in it.
"""

from __future__ import annotations

from base64 import b64encode
from functools import lru_cache
from typing import Any, cast

from google.protobuf import json_format, message_factory, struct_pb2
from google.protobuf.message import DecodeError, Message

from gitsource.messages import known
from gitsource.messages.sensitive import exposed
from gitsource.model import FieldPath

REDACTED = "redacted"
"""Stands in JSON where key material stands in a message."""
STRUCT = struct_pb2.Struct.DESCRIPTOR.full_name
"""Naming it loads the message of all user-defined collections into the pool."""


def message(type_url: str, body: bytes) -> Message | None:
    """
    Return *body* as the message that *type_url* names, None if there is no such message here.

    Raises ValueError if the bytes are not such a message.
    """
    kind = _message_class(type_url.rpartition("/")[2])
    if kind is None:
        return None
    try:
        return kind.FromString(body)
    except DecodeError as error:
        raise ValueError(f"the body is no {kind.DESCRIPTOR.full_name}: {error}") from error


def as_json(type_url: str, body: bytes) -> Any:
    """
    Return *body* as plain JSON values by the rules of protobuf's JSON form.

    Private keys, passwords and tokens are given as REDACTED. What has no such form (an unknown or
    broken message, a NaN in a Struct) is given as its type and its bytes in base64.
    """
    try:
        found = message(type_url, body)
        if found is not None:
            told = json_format.MessageToDict(found, descriptor_pool=cast("Any", _Known()))
            for place in exposed(found):
                _redact(told, place)
            return _whole(told)
    except (ValueError, TypeError, json_format.SerializeToJsonError):
        pass
    return {"@type": type_url, "value": b64encode(body).decode()}


class _Known:
    """What json_format asks for the types of what an Any holds: loaded when one is met."""

    def FindMessageTypeByName(self, name: str) -> Any:  # noqa: N802 - protobuf's name
        found = known.find(name)
        if found is None:
            raise KeyError(name)
        return found


def _redact(told: Any, place: FieldPath) -> None:
    """Put REDACTED in the place of what stands at *place* in the JSON form *told*."""
    *outer, last = place
    for step in outer:
        told = told[str(step) if isinstance(told, dict) else step]
    told[last] = REDACTED


def _whole(value: Any) -> Any:
    """Write whole numbers as such: a Struct knows only doubles, and 3 went in."""
    if isinstance(value, dict):
        return {key: _whole(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_whole(inner) for inner in value]
    exact = isinstance(value, float) and value.is_integer() and abs(value) <= 2**53
    return int(value) if exact else value


@lru_cache(maxsize=256)  # the names come from the source: bounded
def _message_class(name: str) -> type[Message] | None:
    found = known.find(name)
    return None if found is None else message_factory.GetMessageClass(found)
