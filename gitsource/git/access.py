"""
What one git step that talks to a remote is given: configuration, variables, how ssh is called.

Rule: a value that lasts for one step. Its secrets travel in git's environment and are in no argv,
no file and no `repr`; `without_secrets` takes them out of whatever the other side makes git say.
What git itself ties to a host (the credential helper) may follow a redirect; what it does not (a
header, a client's certificate) makes redirects an error. Pure.
"""

from __future__ import annotations

import base64
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from gitsource.git.address import Address

_HELPER = (
    '!f() { test "$1" = get && printf "username=%s\\npassword=%s\\n" '
    '"$GITSOURCE_USERNAME" "$GITSOURCE_PASSWORD"; }; f'
)
"""What git asks for user and password, once the host at the configured address wants them. The
words are printed by the shell itself, so they are in no argv."""

_SSH_OPTIONS = (
    *("BatchMode=yes", "StrictHostKeyChecking=yes", "ControlMaster=no", "ControlPath=none"),
    *("PermitLocalCommand=no", "ClearAllForwardings=yes", "UpdateHostKeys=no"),
    *("FingerprintHash=sha256", "VerifyHostKeyDNS=no"),
)
_SHORTEST = 4
"""Characters; a shorter secret is found in too many innocent words to be taken out of them."""


@dataclass(frozen=True)
class Access:
    """How one step reaches its remote, and as whom."""

    config: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Git's configuration, besides what every command has."""
    environ: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Variables, besides what every command has."""
    dropped: frozenset[str] = frozenset()
    """Variables of ours that git would otherwise see."""
    known_hosts: Path | None = None
    """Where ssh looks for the host's key, if that is one file."""
    proxy: str = ""
    """``host:port`` of the proxy that is used."""
    secrets: tuple[str, ...] = field(default=(), repr=False)
    """What nobody may read, in every form in which the other side could send it back."""
    unknown: str = ""
    """What to do where the host does not know us; empty: look at what it was shown."""

    def without_secrets(self, text: bytes) -> bytes:
        """Return *text* with every secret taken out."""
        for secret in self.secrets:
            text = text.replace(secret.encode("utf-8", "surrogateescape"), b"***")
        return text


def forms(*secrets: str, user: str = "") -> tuple[str, ...]:
    """Return *secrets* as they are, as a URL has them and (with *user*) as HTTP basic does."""
    found: dict[str, None] = {}
    for secret in secrets:
        if len(secret) >= _SHORTEST:
            pair = base64.b64encode(f"{user}:{secret}".encode("utf-8", "surrogateescape"))
            encoded = quote(secret, safe="", errors="surrogateescape")
            found |= dict.fromkeys((pair.decode(), secret, encoded))
    return tuple(sorted(found, key=len, reverse=True))


def basic(remote: Address, username: str, password: str) -> tuple[dict[str, str], dict[str, str]]:
    """Return configuration and variables by which git answers *remote*'s question who we are."""
    scheme, _, host = remote.origin.partition("://")
    origins = [remote.origin]
    if scheme == "http" and ":" not in host.rpartition("]")[2]:
        origins.append(f"https://{host}")  # where a careful host sends us at once
    config = {f"credential.{origin}.helper": _HELPER for origin in origins}
    return config, {"GITSOURCE_USERNAME": username, "GITSOURCE_PASSWORD": password}


def bearer(remote: Address, token: str) -> dict[str, str]:
    """Return configuration by which *remote* is sent *token* at once."""
    return {f"http.{remote.origin}/.extraHeader": f"Authorization: Bearer {token}"}


NO_REDIRECTS: dict[str, str] = {"http.followRedirects": "false"}
"""For what git would send along to wherever a redirect leads."""


def ssh_command(options: Iterable[str], config: str = "") -> str:
    """Return how git calls ssh: no questions, only known hosts, and *options* (``Name=value``)."""
    words = ["ssh", *(["-F", config] if config else [])]
    for option in (*_SSH_OPTIONS, *options):
        words += ["-o", option]
    return shlex.join(words)


def quoted(path: Path | str) -> str:
    """Return *path* as ssh's options have it: in quotes, its percent signs doubled."""
    return '"' + str(path).replace("%", "%%").replace('"', '\\"') + '"'
