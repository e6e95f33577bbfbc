"""
What a resource of xDS is called, and what is wrong with it beyond its message.

Rule: only what is sure whoever the client is. A client tracks a resource by the name outside and
uses it by the name inside, so both have to be the same wherever the message has one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from gitsource.catalog.kinds import Kind, spellings, wrapped
from gitsource.envoy_types import XdsType
from gitsource.messages import known
from gitsource.model import FieldPath, Problem, shown
from gitsource.validate.envoy import secrets
from gitsource.validate.envoy.rules import walk as rules
from gitsource.validate.envoy.wrapper import INNER, Wrapper
from gitsource.validate.metadata import ENVOY_NAME, ENVOY_NAME_LENGTH, Identity

_WITHOUT = frozenset(
    (
        "envoy.config.endpoint.v3.ClusterLoadAssignment",
        "envoy.config.endpoint.v3.LbEndpoint",
        "envoy.service.runtime.v3.Runtime",
    )
)
"""Messages, often large, in which no key material can stand."""
_OUTSIDE = {
    "envoy.config.route.v3.VirtualHost": (
        "a VirtualHost is asked for as ROUTE_CONFIGURATION/HOST: put a Resource with that name "
        "around it"
    ),
    "envoy.config.endpoint.v3.LbEndpoint": (
        "an LbEndpoint is asked for as xdstp://AUTHORITY/…/NAME: put a Resource with that name "
        "around it"
    ),
}
"""How resources are called whose message has no field for it."""


def identified(
    value: dict[str, Any], kind: Kind, xds: XdsType, namespace: str, wrapper: Wrapper | None
) -> tuple[Identity | None, tuple[Problem, ...]]:
    """
    Return what the resource *value* is called, and what is wrong with that.

    Paths lead from *value* on; what is wrong with *wrapper*, the Resource around it, is told by
    `around`.
    """
    labels = wrapper.labels if wrapper else {}
    annotations = wrapper.annotated() if wrapper else {}
    given = wrapper.name if wrapper else ""
    if xds.name:
        name, problem = _inside(value, xds)
    else:
        name, problem = _outside(value, kind, given)
    if problem is not None:
        return None, (problem,)
    return Identity(name, namespace, labels, annotations), ()


def _inside(value: dict[str, Any], xds: XdsType) -> tuple[str, Problem | None]:
    descriptor = known.find(xds.body)
    names = spellings(descriptor.fields_by_name[xds.name]) if descriptor else (xds.name,)
    field = next((each for each in names if each in value), xds.name)
    name = value.get(field)
    if name is None or name == "":
        where: FieldPath = (field,) if field in value else ()
        return "", Problem("GS302", f"a {xds.label} needs a name: set {xds.name}", where)
    if not _fits(name):
        return "", Problem("GS303", _refused(name), (field,))
    return name, None


def _outside(value: dict[str, Any], kind: Kind, given: str) -> tuple[str, Problem | None]:
    name = given or value.get("name")
    prefix, _, host = name.partition("/") if isinstance(name, str) else ("", "", "")
    if kind.body.endswith(".LbEndpoint"):
        fits = prefix == "xdstp:" and host.startswith("/")
    else:
        fits = bool(prefix and host)
    if not fits:
        return "", Problem("GS302", _OUTSIDE[kind.body], ("name",) if "name" in value else ())
    if not _fits(name):
        return "", Problem("GS303", _refused(name), ("name",))
    return str(name), None


def _fits(name: Any) -> bool:
    return (
        isinstance(name, str)
        and len(name) <= ENVOY_NAME_LENGTH
        and bool(ENVOY_NAME.fullmatch(name))
    )


def _refused(name: Any) -> str:
    return (
        f"{shown(name)} cannot be the name of a resource: use text without spaces, at most "
        f"{ENVOY_NAME_LENGTH} characters"
    )


def around(wrapper: Wrapper, kind: Kind, identity: Identity | None) -> Iterator[Problem]:
    """Yield what is wrong with the *wrapper* of a resource of *kind*, with paths from it on."""
    yield from wrapper.problems
    xds = kind.xds
    if xds is None:
        message = f"only resources of xDS stand in a Resource: write the {kind.label} by itself"
        yield Problem("GS341", message, ("@type",))
        return
    if wrapper.name and identity is not None and identity.name != wrapper.name:
        message = (
            f"the {xds.label} inside is called {shown(identity.name)}: both names have to be the "
            "same, or clients mix resources up"
        )
        yield Problem("GS342", message, ("name",))
    if wrapper.ttl and not xds.ttl:
        message = (
            f"a {xds.label} must not have a TTL: Envoy crashes when it runs out, or keeps the "
            "resource all the same; only a Cluster or a Listener may have one"
        )
        yield Problem("GS340", message, ("ttl",), at_key=True)
    if wrapper.aliases and not xds.body.endswith(".VirtualHost"):
        message = f"only a VirtualHost has aliases, which nobody asks a {xds.label} for: remove it"
        yield Problem("GS341", message, ("aliases",), at_key=True)


def problems(
    kind: Kind, value: dict[str, Any], message: Any, name: str | None, *, inline: bool
) -> Iterator[Problem]:
    """
    Yield what is wrong with *message*, which the document *value* became, called *name*.

    With *inline*, key material may stand in it. Paths lead from the document on.
    """
    root: FieldPath = ("spec",) if wrapped(value) else ()
    xds = kind.xds
    if root and xds is not None and xds.name and getattr(message, xds.name) != (name or ""):
        text = f"metadata.name has to be the same as {xds.name}, or clients mix resources up"
        yield Problem("GS342", text, (*root, xds.name))
    if kind.body not in _WITHOUT:
        for each in secrets.problems(message, inline=inline):
            yield replace(each, path=(*root, *each.path))
    for each in rules.problems(message) if xds is not None else ():
        yield replace(each, path=(*root, *each.path))


def inside(found: Problem) -> Problem:
    """Return *found*, which is about a resource, as one about the wrapper around it."""
    return replace(found, path=(*INNER, *found.path))
