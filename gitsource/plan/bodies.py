"""
The bodies of resources as JSON without key material, for comparing them.

Rule: a body is read as the message its collection says; nothing that may be secret leaves here. A
body that cannot be read as JSON (a message nobody knows inside an Any) is told apart by its digest.
The same body is read in the same order in every process: fields as their message has them, and
what has no order of its own (a map, a Struct) by its keys.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from gitsource.catalog.kinds import body_descriptor
from gitsource.catalog.whole import Catalog
from gitsource.messages import known
from gitsource.messages.sensitive import exposed
from gitsource.model import Resource
from gitsource.plan.fields import Fields
from gitsource.secrecy.values import Hidden, hidden, marked

if TYPE_CHECKING:
    from google.protobuf.descriptor import FieldDescriptor


class Bodies:
    """Reads resources of the collections of one catalog."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._classes: dict[str, Any] = {}

    def read(self, collection: str, resource: Resource) -> Any:
        """Return labels, annotations and body of *resource* as one JSON value."""
        from gitsource._proto.istio.mcp.v1alpha1.resource_pb2 import Resource as Envelope

        envelope = Envelope.FromString(resource.wire)
        told = Fields()
        metadata = {
            name: _sorted(dict(pairs))
            for name, pairs in (
                ("labels", envelope.metadata.labels),
                ("annotations", envelope.metadata.annotations),
            )
            if pairs
        }
        if metadata:
            told["metadata"] = hidden(metadata)
        body = self._body(collection, envelope.body)
        kind = self._catalog.by_collection.get(collection)
        if kind is None or kind.builtin or not isinstance(body, dict):
            told["spec"] = body
        else:
            told |= body  # with the metadata as the document has it, if that is all in the body
            told.unset = body.unset if isinstance(body, Fields) else {}
        return told

    def _body(self, collection: str, packed: Any) -> Any:
        from google.protobuf import json_format
        from google.protobuf.message import DecodeError

        try:
            found = self._message(collection, packed.type_url).FromString(packed.value)
            told = json_format.MessageToDict(found, descriptor_pool=cast("Any", _Known()))
            kind = self._catalog.by_collection.get(collection)
            # Istio's messages mark nothing as sensitive, and hold none that do.
            places = () if kind is not None and kind.builtin else exposed(found)
            return _arranged(found, hidden(marked(_sorted(told), places)))
        except (
            *(KeyError, TypeError, ValueError, IndexError, RecursionError),
            *(DecodeError, json_format.SerializeToJsonError),
        ):
            return Hidden.of([packed.type_url, packed.value.hex()])

    def _message(self, collection: str, type_url: str) -> Any:
        made = self._classes.get(collection)
        if made is None:
            from google.protobuf.message_factory import GetMessageClass

            kind = self._catalog.by_collection.get(collection)
            name = type_url.rpartition("/")[2]
            descriptor: Any = (
                body_descriptor(kind.body, kind.descriptors) if kind is not None
                else known.find(name)
            )  # fmt: skip
            if descriptor is None:
                raise KeyError(name)
            made = self._classes[collection] = GetMessageClass(descriptor)
        return made


class _Known:
    """What json_format asks for the types of what an Any holds: loaded when one is met."""

    def FindMessageTypeByName(self, name: str) -> Any:  # noqa: N802 - protobuf's name
        found = known.find(name)
        if found is None:
            raise KeyError(name)
        return found


def _sorted(value: Any) -> Any:
    """Sort keys, and write whole numbers as such: a Struct knows only doubles, and 3 went in."""
    if isinstance(value, dict):
        # Most values are texts: they are passed over without a call, which is half of the time.
        return {k: v if type(v) is str else _sorted(v) for k, v in sorted(value.items())}
    if isinstance(value, list):
        return [v if type(v) is str else _sorted(v) for v in value]
    exact = isinstance(value, float) and value.is_integer() and abs(value) <= 2**53
    return int(value) if exact else value


def _arranged(message: Any, told: Any) -> Any:
    """
    Return *told*, the JSON of *message*, with fields in the order of the message.

    An enum that is not set has its first value, and that has a name: without it, one who sets
    another value would seem to add a field.
    """
    if not isinstance(told, dict) or message.DESCRIPTOR.full_name.startswith("google.protobuf."):
        return told
    arranged = Fields()
    for field in message.DESCRIPTOR.fields:
        name = field.json_name
        if name in told:
            arranged[name] = _field(message, field, told[name])
        elif field.enum_type is not None and not field.is_repeated and not field.has_presence:
            first = field.enum_type.values_by_number[field.default_value]
            arranged.unset[name] = first.name
    for name in sorted(told.keys() - arranged.keys()) if len(arranged) < len(told) else ():
        arranged[name] = told[name]  # an extension
    return arranged


def _field(message: Any, field: FieldDescriptor, told: Any) -> Any:
    kind = field.message_type
    if kind is None:
        return told
    held = getattr(message, field.name)
    if kind.GetOptions().map_entry:
        if kind.fields_by_name["value"].message_type is None or not isinstance(told, dict):
            return told
        named = {str(key).lower() if key in (True, False) else str(key): key for key in held}
        return {key: _arranged(held[named[key]], each) for key, each in told.items()}
    if field.is_repeated:
        return [_arranged(*pair) for pair in zip(held, told, strict=True)]
    return _arranged(held, told)
