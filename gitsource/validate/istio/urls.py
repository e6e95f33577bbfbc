"""
What Istio takes for a URL: what Go's net/url reads, which is neither RFC 3986 nor what browsers do.

Rule: one pass over the text, whatever the text. Two readings differ as in Go: a reference may have
a fragment and be relative; a request URI is absolute or a path.
"""

from __future__ import annotations

import re

from gitsource.model import shown
from gitsource.validate.istio.names import is_ip

_CONTROL = re.compile("[\0-\x1f\x7f]")
_SCHEME = re.compile("([A-Za-z][-A-Za-z0-9+.]*):")
_BAD_ESCAPE = re.compile("%(?![0-9A-Fa-f]{2})")
_USER = re.compile("[-A-Za-z0-9._:~!$&'()*+,;=%@]*")
_PLAIN = r"""[-A-Za-z0-9._~!$&'()*+,;=:\[\]<>"]|[^\x00-\x7f]"""
_HOST = re.compile(f"(?:{_PLAIN}|%25|%[89A-Fa-f][0-9A-Fa-f])*")
_ZONE = re.compile(f"(?:{_PLAIN}|%[0-9A-Fa-f]{{2}})*")
_PORT = re.compile("(?::[0-9]*)?")


class NoUrl(ValueError):
    """The text is no URL; the message says why, to stand after the quoted text."""


def scheme(text: str, *, request: bool = False) -> str:
    """
    Return the scheme of the URL *text* in lower case; empty if it has none.

    With *request* it is read as a request URI. Raises `NoUrl`.
    """
    return _parts(text, request=request)[0]


def port(text: str) -> str:
    """Return the digits of the port that the URL *text* names; empty if there are none."""
    authority = _parts(text, request=False)[1]
    return authority.rpartition("@")[2].rpartition("]")[2].partition(":")[2]


def _parts(text: str, *, request: bool) -> tuple[str, str]:
    """Return scheme and authority of *text*."""
    rest = text
    if not request:
        rest, _, fragment = text.partition("#")
        _escapes(fragment)
    if _CONTROL.search(rest):
        raise NoUrl("has a control character")
    if rest == "*":
        return "", ""
    if rest.startswith(":") or (request and not rest):
        raise NoUrl("has no scheme" if rest else "is empty")
    found = _SCHEME.match(rest)
    named = found[1].lower() if found else ""
    rest = rest[found.end() :] if found else rest
    rest = rest.partition("?")[0]
    if not rest.startswith("/"):
        if named:
            return named, ""  # what follows the colon is not looked at: mailto:shop@example.com
        if request:
            raise NoUrl("is neither absolute nor a path")
        if ":" in rest.partition("/")[0]:
            raise NoUrl("has a colon in its first part, which is no scheme")
    authority = ""
    if rest.startswith("//") and (named or not (request or rest.startswith("///"))):
        authority, slash, path = rest[2:].partition("/")
        rest = slash + path
        _authority(authority)
    _escapes(rest)
    return named, authority


def _authority(text: str) -> None:
    user, at, host = text.rpartition("@")
    if at:
        if not _USER.fullmatch(user):
            raise NoUrl(f"has characters in {shown(user)} that no user name has")
        _escapes(user)
    if host.startswith("["):
        inside, bracket, after = host[1:].rpartition("]")
        address, percent, zone = inside.partition("%25")
        if not bracket:
            raise NoUrl("has an opening bracket in the host, and no closing one")
        if ":" not in address or not is_ip(address) or not _ZONE.fullmatch(percent + zone):
            raise NoUrl(f"has in brackets {shown(inside)}, which is no IPv6 address")
    else:
        name, colon, digits = host.rpartition(":")
        host, after = (name, colon + digits) if colon else (host, "")
        if not _HOST.fullmatch(host):
            raise NoUrl(f"has characters in {shown(host)} that no host has")
    if not _PORT.fullmatch(after):
        raise NoUrl(f"has {shown(after)} where a port belongs")


def _escapes(text: str) -> None:
    bad = _BAD_ESCAPE.search(text)
    if bad:
        raise NoUrl(f"has the incomplete escape {shown(text[bad.start() : bad.start() + 3])}")
