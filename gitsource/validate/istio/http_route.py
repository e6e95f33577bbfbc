"""
Istio's rules for one HTTP route: what may stand beside what, where it sends, what it changes.

Rule: a route answers in one way (route, redirect or directResponse), or hands over to a delegate.
What slows down, fails, copies and repeats requests is `http_traffic`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gitsource.model import FieldPath, Problem, shown
from gitsource.validate.istio import http_traffic
from gitsource.validate.istio.headers import authority, operations
from gitsource.validate.istio.http_match import matches
from gitsource.validate.istio.routing import destinations
from gitsource.validate.istio.subject import Subject, error, warning
from gitsource.validate.istio.values import duration, port, regex

MIB = 1 << 20
LARGE = 100 << 10
"""Bytes of a direct response from which on Istio warns."""


def check(
    path: FieldPath, route: Any, subject: Subject, *, bound: bool, converted: bool
) -> Iterator[Problem]:
    """
    Judge *route*, an HTTPRoute at *path*.

    *bound* says whether it holds for gateways only, *converted* whether it was made of a Gateway
    API route.
    """
    yield from _shape(path, route, delegate=not subject.spec.hosts)
    if route.match:
        yield from matches((*path, "match"), route.match, bound=bound)
    if route.HasField("headers"):
        yield from operations("VS-50", (*path, "headers"), route.headers)
        yield from authority("VS-51", path, route)
    yield from http_traffic.check(path, route)
    if route.HasField("redirect"):
        yield from _redirect((*path, "redirect"), route)
    if route.HasField("direct_response"):
        yield from _direct_response((*path, "directResponse"), route.direct_response, subject)
    if route.HasField("rewrite"):
        yield from _rewrite((*path, "rewrite"), route.rewrite)
    if route.route:
        at = (*path, "route")
        yield from destinations(at, route.route, converted=converted, http=True)
    if route.HasField("timeout"):
        yield from duration("VS-52", (*path, "timeout"), route.timeout)


# --------------------------------------------------------------------------- what stands together


def _shape(path: FieldPath, route: Any, *, delegate: bool) -> Iterator[Problem]:
    if route.HasField("delegate"):
        at = (*path, "delegate")
        if not delegate:
            yield from _handed_over(path, route)
            return
        message = "a VirtualService without hosts is a delegate itself and has no delegates"
        yield error("VS-31", at, f"{message}: remove delegate")
    if route.HasField("redirect"):
        yield from _clashes(path, "redirect", route, _BESIDE_REDIRECT)
    elif route.HasField("direct_response"):
        yield from _clashes(path, "directResponse", route, _BESIDE_RESPONSE)
    elif not route.route:
        message = "the route answers nothing: give it route, redirect or directResponse"
        yield error("VS-20", (*path, "route"), message)
    if route.mirrors and route.HasField("mirror"):
        message = "mirror cannot stand beside mirrors: move it into the list"
        yield error("VS-28", (*path, "mirror"), message)


def _handed_over(path: FieldPath, route: Any) -> Iterator[Problem]:
    for code, name in (("VS-29", "redirect"), ("VS-30", "route")):
        given = route.route if name == "route" else route.HasField(name)
        if given:
            message = f"{name} cannot stand beside delegate: leave it to the delegate"
            yield error(code, (*path, name), message)


_BESIDE_REDIRECT = (
    ("VS-21", "route"),
    ("VS-22", "fault"),
    ("VS-23", "rewrite"),
    ("VS-24", "direct_response"),
)
_BESIDE_RESPONSE = (("VS-25", "route"), ("VS-26", "fault"), ("VS-27", "rewrite"))


def _clashes(
    path: FieldPath, answer: str, route: Any, others: tuple[tuple[str, str], ...]
) -> Iterator[Problem]:
    for code, name in others:
        given = route.route if name == "route" else route.HasField(name)
        if given:
            other = "directResponse" if name == "direct_response" else name
            message = f"{answer} cannot stand beside {other}: keep one of them"
            yield error(code, (*path, answer), message)


# --------------------------------------------------------------------------- answers and rewrites


def _redirect(path: FieldPath, route: Any) -> Iterator[Problem]:
    """Judge *route*'s redirect; Istio tells the first flaw only."""
    redirect = route.redirect
    rewrite = (*path, "prefixRewrite")
    if redirect.prefix_rewrite and redirect.uri:
        yield error("VS-80", rewrite, "prefixRewrite cannot stand beside uri: keep one of them")
    elif redirect.prefix_rewrite and not all(map(_by_prefix, route.match)):
        message = "prefixRewrite needs a prefix to rewrite: match the uri by prefix, or use uri"
        yield error("VS-81", rewrite, message)
    elif not (
        redirect.uri
        or redirect.prefix_rewrite
        or redirect.authority
        or redirect.scheme
        or redirect.WhichOneof("redirect_port")
    ):
        message = "the redirect changes nothing: give it uri, authority, scheme or a port"
        yield error("VS-82", path, message)
    elif redirect.redirect_code and not 300 <= redirect.redirect_code <= 399:
        message = f"{redirect.redirect_code} is no redirect: use a code from 300 to 399"
        yield error("VS-83", (*path, "redirectCode"), message)
    elif redirect.scheme not in ("", "http", "https"):
        message = f"{shown(redirect.scheme)} is no scheme to redirect to: use http or https"
        yield error("VS-84", (*path, "scheme"), message)
    elif redirect.port:
        yield from port("VS-85", (*path, "port"), redirect.port)


def _by_prefix(match: Any) -> bool:
    return not match.HasField("uri") or match.uri.HasField("prefix")


def _direct_response(path: FieldPath, response: Any, subject: Subject) -> Iterator[Problem]:
    if not 200 <= response.status <= 600:
        message = f"{response.status} is no status of a response: use one from 200 to 599"
        yield error("VS-90", subject.place((*path, "status")), message)
    size = len(response.body.string.encode()) or len(response.body.bytes)
    if size > LARGE:
        at = (*path, "body", response.body.WhichOneof("specifier"))
        if size > MIB:
            message = f"the body has {size} bytes; 1 MiB is allowed: let a service answer"
            yield error("VS-91", at, message)
        else:
            message = f"the body has {size} bytes, which burdens istiod: let a service answer"
            yield warning("VS-92", at, message)


def _rewrite(path: FieldPath, rewrite: Any) -> Iterator[Problem]:
    """Judge a rewrite; Istio tells the first flaw only."""
    at = (*path, "uriRegexRewrite")
    by_regex = rewrite.HasField("uri_regex_rewrite")
    if rewrite.uri and by_regex:
        yield error("VS-100", at, "uriRegexRewrite cannot stand beside uri: keep one of them")
    elif by_regex:
        wanted = rewrite.uri_regex_rewrite
        if not wanted.match or not wanted.rewrite:
            missing = "rewrite" if wanted.match else "match"
            yield error(
                "VS-102", (*at, missing), f"uriRegexRewrite has no {missing}: it needs both"
            )
        else:
            yield from regex("VS-103", (*at, "match"), wanted.match)
    elif not (rewrite.uri or rewrite.authority):
        message = "the rewrite changes nothing: give it uri, uriRegexRewrite or authority"
        yield error("VS-101", path, message)
