"""
What an EnvoyFilter puts in place, against the messages of Envoy: EF-30 to EF-34.

Rule: istiod's reader decides, with its leniency: what it passes over (fields it does not know, the
second member of a oneof, a null in a list) is a warning, what it stops at an error. The value is
walked once for the warnings, beside which a copy is made without what istiod passes over; that copy
is then converted strictly, and where that stops is the error.

An Any is followed into the message that its @type names. A TypedStruct is followed as well, but
istiod leaves it to the proxy, so that nothing in it is more than a warning.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cache
from typing import TYPE_CHECKING, Any

from gitsource.messages import known
from gitsource.model import FieldPath, Problem, shown
from gitsource.validate.istio.subject import error, warning

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor, FieldDescriptor

_HTTP = "envoy.extensions.filters.network.http_connection_manager.v3"
_MESSAGES = {
    "CLUSTER": "envoy.config.cluster.v3.Cluster",
    "LISTENER": "envoy.config.listener.v3.Listener",
    "ROUTE_CONFIGURATION": "envoy.config.route.v3.RouteConfiguration",
    "FILTER_CHAIN": "envoy.config.listener.v3.FilterChain",
    "HTTP_FILTER": f"{_HTTP}.HttpFilter",
    "NETWORK_FILTER": "envoy.config.listener.v3.Filter",
    "VIRTUAL_HOST": "envoy.config.route.v3.VirtualHost",
    "HTTP_ROUTE": "envoy.config.route.v3.Route",
    "EXTENSION_CONFIG": "envoy.config.core.v3.TypedExtensionConfig",
    "BOOTSTRAP": "envoy.config.bootstrap.v3.Bootstrap",
    "LISTENER_FILTER": "envoy.config.listener.v3.ListenerFilter",
}
"""The message of what a patch applies to."""

_NAMED_ALONE = frozenset(("envoy.config.overload.v3.OverloadAction",))
"""Messages whose typed_config says more than the name only where there is more to say."""
_TYPED_STRUCTS = ("udpa.type.v1.TypedStruct", "xds.type.v3.TypedStruct")
MOST = 20
"""Warnings of one patch that are told; after that, what they say is known."""

_BEYOND = re.compile(
    r"(io\.)?istio\..+|stats\..+|envoy\.tcp\.metadataexchange\..+"
    r"|envoy\.extensions\.([a-z0-9_]+\.)+v3alpha\.\w+"
    r"|envoy\.extensions\.filters\.(http\.(dynamo|squash)"
    r"|network\.(client_ssl_auth|generic_proxy\.codecs\.kafka|kafka_broker|mysql_proxy"
    r"|rocketmq_proxy))\.v3\.\w+"
    r"|envoy\.extensions\.([a-z0-9_]+\.)*dynamic_modules\.v3\.\w+"
    r"|envoy\.extensions\.filters\.http\.(a2a|file_server|filter_chain|mcp_json_rest_bridge"
    r"|sse_to_metadata)\.v3\.\w+"
)
"""
Messages that istiod knows besides those we have: Istio's own, Envoy's contributed ones, and those
that Envoy got after the release that xds-protos follows.
"""
_NOT_ISTIODS = re.compile(r"envoy\.(?!.*\.v3(alpha)?\.).*")
"""Messages of Envoy's API before v3, which we have and istiod does not."""


def check(value: Any, applies: str, path: FieldPath, most: int = MOST) -> Iterator[Problem]:
    """
    Yield what is wrong with *value*, as written at *path*, where *applies* is patched.

    Of warnings no more than *most* are told: each costs a search for what may have been meant.
    """
    name = _MESSAGES.get(applies)
    descriptor = known.find(name) if name else None
    if descriptor is None:
        yield error("EF-30", path, f"nothing is known of {shown(applies)}: mend applyTo")
        return
    walk = _Walk(most)
    lenient = walk.message(value, descriptor, path)
    yield from walk.found[:most]
    yield from walk.errors[:1]
    if not walk.errors:
        yield from _refused(lenient, descriptor, path)


def _refused(value: Any, descriptor: Descriptor, path: FieldPath) -> Iterator[Problem]:
    """Yield where *value* stops being a message, if it does."""
    if refused := _stop(value, descriptor):
        at, message = refused
        yield error("EF-30", (*path, *at), f"{descriptor.name}: {message}")


@cache
def _compiler() -> Any:
    from gitsource.encode.message import Compiler

    return Compiler()


def _stop(value: Any, descriptor: Descriptor) -> tuple[FieldPath, str] | None:
    """Return where *value* stops being such a message, and why."""
    from gitsource.encode.scalars import Refused

    try:
        _compiler().message(descriptor)(value)
    except Refused as refused:
        return refused.path, str(refused)
    except (UnicodeEncodeError, RecursionError):
        return (), "it cannot be encoded"
    return None


@cache
def _fields(descriptor: Descriptor) -> dict[str, FieldDescriptor]:
    return {
        spelling: each for each in descriptor.fields for spelling in (each.name, each.json_name)
    }


@dataclass
class _Walk:
    """One patch: what istiod passes over in it."""

    most: int
    found: list[Problem] = field(default_factory=list)
    errors: list[Problem] = field(default_factory=list)

    def message(self, value: Any, descriptor: Descriptor, path: FieldPath) -> Any:
        """Return *value*, a message as it is written, without what istiod passes over."""
        special = _SPECIAL.get(descriptor.full_name)
        if special is not None:
            return special(self, value, path)
        if descriptor.full_name.startswith("google.protobuf.") or type(value) is not dict:
            return value
        fields = _fields(descriptor)
        out: dict[str, Any] = {}
        for key, item in value.items():
            if key not in fields:
                self._unknown(descriptor, fields, key, path)
            elif not self._taken(value, fields, key, path):
                out[key] = self._field(item, fields[key], (*path, key))
        self._untyped(descriptor, fields, out, path)
        if descriptor.full_name in _TYPED_STRUCTS:
            self._struct(value, path)
        return out

    def _unknown(self, owner: Descriptor, fields: Any, key: str, path: FieldPath) -> None:
        if len(self.found) >= self.most:
            return
        near = get_close_matches(key, fields, 1)
        hint = f": did you mean {near[0]}?" if near else ": istiod passes over it"
        message = f"{owner.name} has no field {shown(key)}{hint}"
        self.found.append(warning("EF-32", (*path, key), message, at_key=True))

    def _taken(self, value: Any, fields: Any, key: str, path: FieldPath) -> bool:
        """Say whether istiod takes another field of *value* in the place of *key*."""
        mine = fields[key]
        group = mine.containing_oneof
        if group is None and key == mine.json_name:
            return False
        for other in value:
            its = fields.get(other)
            if other == key or its is None or value[other] is None:
                continue
            same = its is mine and key != mine.json_name
            later = group is not None and its.containing_oneof is group and its.index > mine.index
            if same or later:
                message = f"{shown(key)} is passed over for {shown(other)}: keep one of them"
                self.found.append(warning("EF-32", (*path, key), message, at_key=True))
                return True
        return False

    def _untyped(
        self, descriptor: Descriptor, fields: Any, value: dict[str, Any], path: FieldPath
    ) -> None:
        if "typed_config" not in fields:
            return
        if descriptor.full_name in _NAMED_ALONE:
            return
        told = {fields[key].name for key, item in value.items() if item is not None}
        if not told & {"typed_config", "config_discovery"} and len(self.found) < self.most:
            name = value.get("name")
            at = (*path, "name") if name else path
            message = (
                f"{shown(name) if name else 'this'} is configured by its name alone, which Envoy "
                "no longer takes: add typed_config with @type"
            )
            self.found.append(warning("EF-34", at, message))

    def _field(self, value: Any, described: FieldDescriptor, path: FieldPath) -> Any:
        one: Callable[[Any, FieldPath], Any]
        kind = described.message_type
        if kind is None:
            one = _number if described.enum_type is not None else _as_written
        elif kind.GetOptions().map_entry:
            inner = kind.fields_by_name["value"]
            if type(value) is not dict:
                return value
            return {
                key: self._field(_empty(inner) if item is None else item, inner, (*path, key))
                for key, item in value.items()
            }
        else:

            def one(item: Any, at: FieldPath) -> Any:
                return self.message(item, kind, at)

        if described.is_repeated and type(value) is list:
            return [
                one(_empty(described) if item is None else item, (*path, index))
                for index, item in enumerate(value)
            ]
        return one(value, path)

    def _any(self, value: Any, path: FieldPath) -> Any:
        """Follow an Any; one that only istiod knows is taken as it is."""
        if type(value) is not dict or self.errors:
            return value
        url = value.get("@type")
        if type(url) is not str:
            message = "@type is missing: write type.googleapis.com/ and the name of a message"
            self.errors.append(error("EF-30", path, message))
            return {}
        name = url.rpartition("/")[2]
        if _BEYOND.fullmatch(name):
            return {}
        descriptor = None if _NOT_ISTIODS.fullmatch(name) else known.find(name)
        if descriptor is None:
            old = ": Envoy's API before v3 is gone" if ".v2" in name else ": mend its name"
            message = f"{shown(url)} is no type that istiod knows{old}"
            self.errors.append(error("EF-31", (*path, "@type"), message))
            return {}
        from gitsource.encode.message import apart

        if apart(descriptor, value):
            held = self.message(value.get("value"), descriptor, (*path, "value"))
            return {"@type": url, "value": held} if "value" in value else value
        held = {key: item for key, item in value.items() if key != "@type"}
        return {"@type": url, **self.message(held, descriptor, path)}

    def _struct(self, value: Any, path: FieldPath) -> None:
        """Judge what a TypedStruct holds as the message it stands for, if that is known."""
        url = value.get("type_url", value.get("typeUrl"))
        descriptor = known.by_url(url) if type(url) is str else None
        inner = value.get("value")
        if descriptor is None or type(inner) is not dict:
            return
        walk = _Walk(self.most - len(self.found))
        at = (*path, "value")
        lenient = walk.message(inner, descriptor, at)
        self.found += walk.found
        self.found += [warning("EF-32", each.path, each.message) for each in walk.errors]
        if not walk.errors and (refused := _stop(lenient, descriptor)):
            self.found.append(warning("EF-32", (*at, *refused[0]), refused[1]))


_SPECIAL: dict[str, Callable[[_Walk, Any, FieldPath], Any]] = {
    "google.protobuf.Any": _Walk._any,  # noqa: SLF001 - its own table
}


def _as_written(value: Any, _path: FieldPath) -> Any:
    return value


def _number(value: Any, _path: FieldPath) -> Any:
    """Return an enum's value as it is written; proto3 takes numbers without a name."""
    return 0 if type(value) is int and -(2**31) <= value < 2**31 else value


def _empty(described: FieldDescriptor) -> Any:
    """Return what istiod makes of a null in a list or map."""
    if described.message_type is not None:
        return {}
    if described.cpp_type == described.CPPTYPE_BOOL:
        return False
    return "" if described.cpp_type == described.CPPTYPE_STRING else 0
