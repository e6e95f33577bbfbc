"""
Istio's rules for EnvoyFilter (EF): each patch, what it matches, and that both fit together.

Rule: a patch is judged by itself, in the order of Istio's validator; what makes the rest of a patch
meaningless ends the judgement of that patch. What a patch puts in place is judged by
`envoy_patch`, what it matches by this module.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gitsource.model import FieldPath, Problem, shown
from gitsource.validate.istio import envoy_patch
from gitsource.validate.istio.policies import alpha_selector
from gitsource.validate.istio.subject import Subject, error, spelled, warning
from gitsource.validate.istio.values import LONGEST_PATTERN, pattern_flaw

NULLS = {"configPatches.*": "EF-03"}

MOST = 100
"""Warnings of one document's values that are told."""
_PATCHES: FieldPath = ("spec", "configPatches")
_MANAGER = "envoy.filters.network.http_connection_manager"
_ROUTES = ("ROUTE_CONFIGURATION", "VIRTUAL_HOST", "HTTP_ROUTE")
_CHAINS = ("FILTER_CHAIN", "NETWORK_FILTER")
_OBJECTS = {
    **dict.fromkeys(("LISTENER", *_CHAINS, "HTTP_FILTER"), "listener"),
    **dict.fromkeys(_ROUTES, "route_configuration"),
    "CLUSTER": "cluster",
}
"""The match object that goes with what a patch applies to."""
_CODES = {"listener": "EF-15", "route_configuration": "EF-25", "cluster": "EF-26"}
_WRITTEN = {"route_configuration": "routeConfiguration"}
_NOT_IN_WAYPOINTS = frozenset(("LISTENER", "LISTENER_FILTER", "BOOTSTRAP", "EXTENSION_CONFIG"))

_RENAMED = {
    "envoy.buffer": "envoy.filters.http.buffer",
    "envoy.client_ssl_auth": "envoy.filters.network.client_ssl_auth",
    "envoy.cors": "envoy.filters.http.cors",
    "envoy.csrf": "envoy.filters.http.csrf",
    "envoy.ext_authz": "envoy.filters.http.ext_authz or envoy.filters.network.ext_authz",
    "envoy.fault": "envoy.filters.http.fault",
    "envoy.grpc_http1_bridge": "envoy.filters.http.grpc_http1_bridge",
    "envoy.grpc_json_transcoder": "envoy.filters.http.grpc_json_transcoder",
    "envoy.grpc_web": "envoy.filters.http.grpc_web",
    "envoy.gzip": "envoy.filters.http.gzip",
    "envoy.health_check": "envoy.filters.http.health_check",
    "envoy.http_connection_manager": _MANAGER,
    "envoy.http_dynamo_filter": "envoy.filters.http.dynamo",
    "envoy.ip_tagging": "envoy.filters.http.ip_tagging",
    "envoy.listener.http_inspector": "envoy.filters.listener.http_inspector",
    "envoy.listener.original_dst": "envoy.filters.listener.original_dst",
    "envoy.listener.original_src": "envoy.filters.listener.original_src",
    "envoy.listener.proxy_protocol": "envoy.filters.listener.proxy_protocol",
    "envoy.listener.tls_inspector": "envoy.filters.listener.tls_inspector",
    "envoy.lua": "envoy.filters.http.lua",
    "envoy.mongo_proxy": "envoy.filters.network.mongo_proxy",
    "envoy.rate_limit": "envoy.filters.http.ratelimit",
    "envoy.ratelimit": "envoy.filters.network.ratelimit",
    "envoy.redis_proxy": "envoy.filters.network.redis_proxy",
    "envoy.router": "envoy.filters.http.router",
    "envoy.squash": "envoy.filters.http.squash",
    "envoy.tcp_proxy": "envoy.filters.network.tcp_proxy",
}
"""Old names of filters, and what they are called today."""


def check(subject: Subject) -> Iterator[Problem]:
    """Yield what is wrong with an EnvoyFilter."""
    message = (
        "an EnvoyFilter patches what Istio makes inside, which may change with every release: use "
        "another kind where one does the same, and look again at each upgrade"
    )
    yield warning("EF-01", ("kind",), message)
    yield from alpha_selector("EF-02", ("spec", "workloadSelector"), subject.spec)
    left = MOST
    for index, patch in enumerate(subject.spec.config_patches):
        for problem in _patch(subject, (*_PATCHES, index), patch, min(left, envoy_patch.MOST)):
            left -= problem.severity == "warning"
            yield problem


def _patch(subject: Subject, path: FieldPath, patch: Any, most: int) -> Iterator[Problem]:
    applies = _name(patch, "apply_to")
    if _name(patch.match, "context") == "WAYPOINT":
        yield from _waypoint(path, applies, patch.match)
        return
    ended = False
    for problem in (*_complete(subject, path, patch), *_version(path, patch)):
        ended = ended or problem.severity == "error"
        yield problem
        if ended:
            return
    for problem in _match(path, patch.match, applies):
        ended = ended or (problem.severity == "error" and problem.code in _ENDING)
        yield problem
    if not ended and patch.patch.HasField("value"):
        at = (*path, "patch", "value")
        yield from envoy_patch.check(_written(subject, at), applies, at, max(most, 0))


_ENDING = frozenset(("EF-15", "EF-17", "EF-18", "EF-19", "EF-20"))


def _name(message: Any, field: str) -> str:
    """Return the name of an enum's value; its number if it has none."""
    number = getattr(message, field)
    known = message.DESCRIPTOR.fields_by_name[field].enum_type.values_by_number
    return known[number].name if number in known else str(number)


def _written(subject: Subject, path: FieldPath) -> Any:
    """Return what stands at *path* of the document, as it was written."""
    value: Any = subject.raw
    for step in spelled(subject.raw, path[1:]):
        value = value[step]
    return value


def _complete(subject: Subject, path: FieldPath, patch: Any) -> Iterator[Problem]:
    """Judge that the patch says where, how and what."""
    if not patch.apply_to:
        at = subject.place((*path, "applyTo"))
        yield error("EF-05", at, "applyTo is missing: say what is patched, such as HTTP_FILTER")
        return
    if not patch.HasField("patch"):
        yield error(
            "EF-06",
            subject.place((*path, "patch")),
            "patch is missing: say what becomes of the object",
        )
        return
    if not patch.patch.operation:
        message = "operation is missing: say how the object is patched, such as MERGE"
        yield error("EF-07", subject.place((*path, "patch", "operation")), message)
        return
    operation = _name(patch.patch, "operation")
    if operation != "REMOVE" and not patch.patch.HasField("value"):
        message = f"value is missing: {operation} needs what it puts in place; REMOVE does not"
        yield error("EF-08", subject.place((*path, "patch", "value")), message)


def _version(path: FieldPath, patch: Any) -> Iterator[Problem]:
    pattern = patch.match.proxy.proxy_version
    if not pattern:
        return
    at = (*path, "match", "proxy", "proxyVersion")
    if flaw := pattern_flaw(pattern):
        message = f"{shown(pattern)} is not an RE2 regular expression: {flaw}"
        yield error("EF-09", at, message)
    elif len(pattern.encode()) > LONGEST_PATTERN:
        size = len(pattern.encode())
        message = f"the expression has {size} bytes: proxies are asked for versions, so be brief"
        yield warning("EF-10", at, message)


def _match(path: FieldPath, match: Any, applies: str) -> Iterator[Problem]:
    """Judge that what is matched goes with what is patched."""
    wanted = _OBJECTS.get(applies)
    given = match.WhichOneof("object_types")
    if wanted is None or given is None:
        return
    if given != wanted:
        written = _WRITTEN.get(wanted, wanted)
        other = _WRITTEN.get(given, given)
        message = f"{applies} is matched by {written}, not by {other}: change one of the two"
        yield error(_CODES[wanted], (*path, "match", other), message)
        return
    if given == "listener" and match.listener.filter_chain.HasField("filter"):
        at = (*path, "match", "listener", "filterChain", "filter")
        yield from _filter(at, match.listener.filter_chain.filter, applies)


def _filter(path: FieldPath, matched: Any, applies: str) -> Iterator[Problem]:
    if applies in ("LISTENER", "FILTER_CHAIN"):
        message = f"a filter is not looked at when {applies} is patched: remove it from the match"
        yield warning("EF-16", path, message)
    if not matched.name:
        yield error("EF-17", path, "the filter has no name to match: name it")
        return
    if matched.HasField("sub_filter"):
        found = list(_sub_filter((*path, "subFilter"), matched, applies))
        yield from found
        if found:
            return
    yield from _renamed((*path, "name"), matched.name)
    yield from _renamed((*path, "subFilter", "name"), matched.sub_filter.name)


def _sub_filter(path: FieldPath, matched: Any, applies: str) -> Iterator[Problem]:
    if applies != "HTTP_FILTER":
        message = f"only HTTP_FILTER is matched by a subFilter, not {applies}: remove it"
        yield error("EF-18", path, message)
    elif matched.name not in (_MANAGER, "envoy.http_connection_manager"):
        message = f"{shown(matched.name)} has no HTTP filters inside: name {_MANAGER}"
        yield error("EF-19", (*path[:-1], "name"), message)
    elif not matched.sub_filter.name:
        yield error("EF-20", path, "the subFilter has no name to match: name it")


def _renamed(path: FieldPath, name: str) -> Iterator[Problem]:
    if name in _RENAMED:
        message = f"{name} is the old name of this filter: write {_RENAMED[name]}"
        yield warning("EF-21", path, message)


def _waypoint(path: FieldPath, applies: str, match: Any) -> Iterator[Problem]:
    """Judge a patch of waypoints: the object it applies to, and what is matched with it."""
    given = match.waypoint
    at = (*path, "match", "waypoint")
    if applies in _NOT_IN_WAYPOINTS:
        message = f"waypoints have no {applies} to patch: istiod refuses this patch"
        yield error("EF-04", (*path, "applyTo"), message)
    elif not match.HasField("waypoint"):
        return  # that is the schema's to say
    elif given.HasField("filter") and applies in (*_ROUTES, "CLUSTER"):
        message = f"a filter says nothing of a {applies}: istiod refuses this patch"
        yield error("EF-04", (*at, "filter"), message)
    elif given.HasField("route") and applies in ("CLUSTER", *_CHAINS):
        message = f"a route says nothing of a {applies}: istiod refuses this patch"
        yield error("EF-04", (*at, "route"), message)
    elif applies == "HTTP_FILTER" and given.filter.name != _MANAGER:
        message = f"HTTP filters of waypoints are matched below a filter called {_MANAGER}"
        below = ("filter", "name") if given.filter.name else ("filter",)
        where = (*at, *(below if given.HasField("filter") else ()))
        yield error("EF-04", where, message)
    elif applies == "HTTP_FILTER" and not given.filter.sub_filter.name:
        message = "HTTP filters of waypoints are matched by a subFilter: name it"
        yield error("EF-04", (*at, "filter"), message)
