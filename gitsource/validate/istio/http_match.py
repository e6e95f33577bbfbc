"""
Istio's rules for what an HTTP route matches.

Rule: a JWT claim in the place of a header is known to gateways only; whether a route is bound to
them alone is for the caller to say.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from gitsource.model import FieldPath, Problem, shown
from gitsource.validate.istio.headers import is_jwt_claim, match_name_flaw
from gitsource.validate.istio.names import is_dns_label
from gitsource.validate.istio.routing import source
from gitsource.validate.istio.subject import error
from gitsource.validate.istio.values import regex, string_match


def matches(path: FieldPath, entries: Sequence[Any], *, bound: bool) -> Iterator[Problem]:
    """Judge the matches of an HTTP route; *bound* says whether it holds for gateways only."""
    for index, match in enumerate(entries):
        at = (*path, index)
        # NB: an empty prefix of a path is taken; of anything else it is not.
        if match.uri.HasField("regex"):
            yield from regex("VS-37", (*at, "uri", "regex"), match.uri.regex)
        for part in _PARTS:
            if match.HasField(part):
                yield from string_match("VS-38", (*at, part), getattr(match, part))
        if match.query_params:
            for name in sorted(match.query_params):
                where = (*at, "queryParams", name)
                yield from string_match("VS-38", where, match.query_params[name])
        if match.headers:
            yield from _headers("VS-35", (*at, "headers"), match.headers, bound=bound)
        if match.without_headers:
            where = (*at, "withoutHeaders")
            yield from _headers("VS-36", where, match.without_headers, bound=bound)
        if match.port or match.source_labels or match.gateways or match.source_namespace:
            yield from _source(at, match)


_PARTS = ("scheme", "method", "authority")


def _source(path: FieldPath, match: Any) -> Iterator[Problem]:
    yield from source(("VS-39", "VS-40"), path, match)
    namespace = match.source_namespace
    if namespace and not is_dns_label(namespace):
        message = f"{shown(namespace)} is no namespace: use letters, digits and hyphens"
        yield error("VS-41", (*path, "sourceNamespace"), message)


def _headers(code: str, path: FieldPath, headers: Any, *, bound: bool) -> Iterator[Problem]:
    for name in sorted(headers):
        at, match = (*path, name), headers[name]
        if flaw := match_name_flaw(name):
            yield error(code, at, flaw, at_key=True)
        elif not bound and is_jwt_claim(name):
            message = (
                f"{shown(name)} is a JWT claim, which gateways alone can match: name gateways, "
                "without mesh"
            )
            yield error("VS-09", at, message, at_key=True)
        # Without a header, the regex * means any value at all, though it is no RE2.
        if not (code == "VS-36" and match.regex == "*"):
            yield from string_match(code, at, match)
