"""
The rows of `credentials`: which of them an address uses, and what must hold of each. Pure.

Rule: a prefix fits whole parts of an address. Scheme, host and port are equal, a user that the
prefix names is the address's, and its path ends where a part of the address's path does; so neither
`https://git.example.com.evil.org` nor `https://git.example.com/acme-evil` gets what is meant for
`https://git.example.com/acme`. The longest prefix that fits is used, and no other adds to it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields

from gitsource.settings.following import CredentialRow, GitHubApp

_URL = re.compile(
    r"(?P<scheme>https?|ssh)://(?:(?P<user>[A-Za-z0-9_][A-Za-z0-9._+-]*)@)?"
    r"(?P<host>[A-Za-z0-9_][A-Za-z0-9._-]*|\[[0-9A-Fa-f:.]+\])"
    r"(?::(?P<port>[0-9]{1,5}))?(?P<path>/[^?#\s]*)?",
    re.IGNORECASE,
)
_SCP = re.compile(
    r"(?P<user>[A-Za-z0-9_][A-Za-z0-9._+-]*)@"
    r"(?P<host>[A-Za-z0-9_][A-Za-z0-9._-]*|\[[0-9A-Fa-f:.]+\]):(?P<path>[^\s-][^\s]*)?"
)
_PROXY = re.compile(
    r"(?:https?|socks5h?)://(?:[A-Za-z0-9_][A-Za-z0-9._-]*|\[[0-9A-Fa-f:.]+\]):[0-9]{1,5}/?"
)
_API = re.compile(r"https://[A-Za-z0-9_][A-Za-z0-9._-]*(?::[0-9]{1,5})?(?:/[A-Za-z0-9._/-]*)?")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_USER = re.compile(r"[^:\x00-\x1f\x7f]{1,200}")
_PORTS = {"http": 80, "https": 443, "ssh": 22}

_SSH_ONLY = ("ssh_key", "ssh_passphrase_file", "known_hosts")
_BASIC = ("username", "password_file", "password_env")
_HTTP_ONLY = (
    *(*_BASIC, "token_file", "token_env", "github_app"),
    *("client_cert", "client_key", "ca", "proxy", "proxy_credentials_file"),
)


@dataclass(frozen=True, slots=True)
class Prefix:
    """The start of addresses, or a whole address, in parts that can be compared."""

    scheme: str
    user: str
    """Empty: any, or none."""
    host: str
    port: int
    path: tuple[str, ...]

    def fits(self, address: Prefix) -> bool:
        """Tell whether *address* starts with this."""
        return (
            (self.scheme, self.host, self.port) == (address.scheme, address.host, address.port)
            and self.user in {"", address.user}
            and self.path == address.path[: len(self.path)]
        )


def prefix(text: str) -> Prefix | None:
    """Return the parts of *text*; None if it is no start of an http(s) or ssh address."""
    found = _URL.fullmatch(text)
    if found is not None:
        scheme = found["scheme"].lower()
        port = int(found["port"] or _PORTS[scheme])
    else:
        found, scheme, port = _SCP.fullmatch(text), "ssh", 22
    if found is None or not 0 < port < 65536:
        return None
    path = tuple(filter(None, (found["path"] or "").split("/")))
    return Prefix(scheme, found["user"] or "", found["host"].lower().rstrip("."), port, path)


def chosen(rows: Sequence[CredentialRow], url: str) -> CredentialRow | None:
    """Return the row for the address *url* (as git is given it); None if no prefix fits."""
    address = prefix(url)
    if address is None:
        return None
    fitting = [
        (len(one.path), bool(one.user), row)
        for row in rows
        if (one := prefix(row.prefix)) is not None and one.fits(address)
    ]
    return max(fitting, key=lambda entry: entry[:2])[2] if fitting else None


def credential_faults(rows: Sequence[CredentialRow]) -> Iterator[tuple[int, str, str]]:
    """Yield what is wrong: index of the row, key in it (or empty), and what was expected."""
    taken: dict[Prefix, int] = {}
    for index, row in enumerate(rows):
        parts = prefix(row.prefix)
        if parts is None or (parts.user and parts.scheme != "ssh"):
            text = "expected prefix, the start of addresses, such as https://git.example.com/acme"
            yield index, "prefix" if row.prefix else "", f"{text}, without user or password"
            continue
        other = taken.setdefault(parts, index)
        if other != index:
            yield index, "prefix", f"the prefix of credentials[{other}] is the same"
        given = {one.name for one in fields(row) if _given(row, one.name)}
        wrong, what = (_HTTP_ONLY, "ssh") if parts.scheme == "ssh" else (_SSH_ONLY, "http(s)")
        for key in (key for key in wrong if key in given):
            yield index, key, f"means nothing for an {what} address"
        if parts.scheme == "ssh":
            if "known_hosts" not in given:
                text = "expected known_hosts: a host whose key nobody knows is not trusted"
                yield index, "", text
            if "ssh_passphrase_file" in given and "ssh_key" not in given:
                yield index, "ssh_passphrase_file", "needs ssh_key"
        else:
            yield from ((index, key, text) for key, text in _http(row, given))


def _given(row: CredentialRow, name: str) -> bool:
    value = getattr(row, name)
    return value != GitHubApp() if name == "github_app" else bool(value)


def _http(row: CredentialRow, given: set[str]) -> Iterator[tuple[str, str]]:
    ways = [
        [key for key in keys if key in given]
        for keys in (_BASIC[1:], ("token_file", "token_env"), ("github_app",))
    ]
    used = [key for way in ways for key in way]
    if len(used) > 1:
        yield used[1], f"{used[0]} is given too: one way to sign in is enough"
    if ("username" in given) != bool(ways[0]):
        key = "username" if "username" in given else used[0]
        yield key, "username and password_file (or password_env) belong together"
    if row.username and not _USER.fullmatch(row.username):
        yield "username", "expected a user name without a colon"
    for key in ("password_env", "token_env"):
        if key in given and not _VARIABLE.fullmatch(getattr(row, key)):
            # What stands there may be the secret itself: it is not repeated.
            yield key, "expected the name of an environment variable"
    yield from _app(row.github_app, given)
    yield from _way_there(row, given)


def _app(app: GitHubApp, given: set[str]) -> Iterator[tuple[str, str]]:
    if "github_app" in given:
        if not (app.app_id and app.installation_id and app.private_key_file):
            yield "github_app", "needs app_id, installation_id and private_key_file"
        if not _API.fullmatch(app.api_url):
            yield "github_app", "expected api_url, an https:// address without user or query"


def _way_there(row: CredentialRow, given: set[str]) -> Iterator[tuple[str, str]]:
    if "client_key" in given and "client_cert" not in given:
        yield "client_key", "needs client_cert"
    if row.proxy and not _PROXY.fullmatch(row.proxy):
        text = "expected http, https, socks5 or socks5h://host:port"
        yield "proxy", f"{text}; user and password belong in proxy_credentials_file"
    if "proxy_credentials_file" in given and "proxy" not in given:
        yield "proxy_credentials_file", "needs proxy"
