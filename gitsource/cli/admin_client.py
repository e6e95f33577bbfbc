"""
Asking a running gitsource over its admin HTTP: one request, one JSON answer.

Rule: standard library only, no proxy, no redirect, and no token in the clear over a network. Nobody
there, or something else there, is the caller's environment (ConfigurationError); what gitsource
itself refuses comes back as a `Refusal`.
"""

from __future__ import annotations

import http.client
import json
import re
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from gitsource.declarations import door as checked
from gitsource.errors import ConfigurationError
from gitsource.settings_checks.addresses import UNIX, is_loopback

PATIENCE = 900.0
"""Seconds a command may take: a sync may clone and build a large repository first."""


HTTPS = "https://"
PORT = re.compile(r":[0-9]+$")

EVERYWHERE = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}  # noqa: S104 - compared, not bound
"""Hosts that listen on every address, and where to reach those."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What gitsource said."""

    text: str
    """The JSON as it came."""
    value: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Refusal:
    """What gitsource would not do, or could not."""

    error: str
    hint: str
    fault: str
    """Whose: ``operator`` for a wrong request."""


@dataclass(frozen=True, slots=True)
class Papers:
    """What the caller shows, and whom it believes."""

    token_file: Path | None = None
    """File with a bearer token."""
    ca: Path | None = None
    """Certificates that the server's own has to come from; None: those this machine trusts."""
    cert: Path | None = None
    """The caller's own certificate chain (PEM)."""
    key: Path | None = None
    """Its private key; None: it is in `cert`."""


NO_PAPERS = Papers()


def admin_address(
    given: str | None, config: Path | None, environ: Mapping[str, str], option: str = "--admin"
) -> str:
    """
    Return where the admin HTTP of the gitsource meant is: *given*, or what the settings say.

    ``host:port``, ``https://host:port`` or ``unix:/path``. A server that listens on every address
    is reached over loopback. Raises ConfigurationError.
    """
    scheme = ""
    if given is None:
        from gitsource.configuration.whole import load

        settings = load(config, environ, {})
        given, scheme = settings.listen.admin, HTTPS if settings.admin.cert else ""
    elif given.startswith(HTTPS):
        given, scheme = given.removeprefix(HTTPS).rstrip("/"), HTTPS
        given = given if PORT.search(given) else f"{given}:443"
    try:
        address = checked(given)
    except ValueError as error:
        raise ConfigurationError(f"{option}: expected {error}, found {given!r}") from error
    if address.startswith(UNIX):
        return address
    host, _, port = address.rpartition(":")
    if port == "0":
        raise ConfigurationError(
            "listen.admin has port 0, so the port is chosen anew at each start",
            hint=f"name the address with {option}; serve logs it when it starts",
        )
    return f"{scheme}{EVERYWHERE.get(host, host)}:{port}"


class AtSocket(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def _connection(address: str, papers: Papers, patience: float) -> http.client.HTTPConnection:
    if address.startswith(UNIX):
        return AtSocket(address.removeprefix(UNIX), patience)
    if not address.startswith(HTTPS):
        if papers.ca or papers.cert:
            raise ConfigurationError(
                f"{address} is asked without TLS, so no certificate is of any use",
                hint=f"name it as --admin {HTTPS}{address}",
            )
        return http.client.HTTPConnection(address, timeout=patience)
    try:
        context = ssl.create_default_context(cafile=str(papers.ca) if papers.ca else None)
        if papers.cert:
            context.load_cert_chain(papers.cert, papers.key)
    except OSError as error:  # ssl.SSLError is one
        raise ConfigurationError(
            f"--admin-ca, --admin-cert or --admin-key: {error.strerror or error}",
            hint="name PEM files that fit together",
        ) from error
    host = address.removeprefix(HTTPS)
    return http.client.HTTPSConnection(host, timeout=patience, context=context)


def _token(address: str, file: Path) -> str:
    """Return the token in *file*; raises ConfigurationError if there is none, or others hear it."""
    clear = not address.startswith((UNIX, HTTPS))
    if clear and not is_loopback(address.rpartition(":")[0].strip("[]")):
        raise ConfigurationError(
            f"the token would go to {address} in the clear", hint=f"--admin {HTTPS}{address}"
        )
    try:
        with file.open("rb") as opened:
            lines = opened.read(64 * 1024).decode("ascii").split()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"--admin-token-file: {file} cannot be read: {getattr(error, 'strerror', error)}"
        ) from error
    if not lines:
        raise ConfigurationError(f"--admin-token-file: {file} has no token in it")
    return lines[-1]


def ask(
    address: str,
    method: str,
    path: str,
    told: Mapping[str, Any] | None = None,
    *,
    patience: float = PATIENCE,
    papers: Papers = NO_PAPERS,
) -> Answer | Refusal:
    """
    Send one request and return what came back; *told* is the query of a GET, the body of a POST.

    Raises ConfigurationError if no gitsource answers there within *patience* seconds.
    """
    body, headers = None, {"Accept": "application/json"}
    if papers.token_file is not None:
        headers["Authorization"] = f"Bearer {_token(address, papers.token_file)}"
    if method == "POST":
        body, headers["Content-Type"] = json.dumps(told or {}), "application/json"
    elif told:
        path = f"{path}?{urlencode(told)}"
    connection = _connection(address, papers, patience)
    try:
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        text = response.read().decode()
        value = json.loads(text)
    except ssl.SSLError as error:
        raise ConfigurationError(
            f"TLS with {address}: {getattr(error, 'verify_message', '') or error.reason or error}",
            hint="--admin-ca names the certificates that the server's has to come from; "
            "--admin-cert and --admin-key are yours",
        ) from error
    except OSError as error:
        raise ConfigurationError(
            f"cannot reach gitsource at {address}: {error.strerror or error}",
            hint="start `gitsource serve`, or name its listen.admin with --admin or --config",
        ) from error
    except (http.client.HTTPException, ValueError):
        value = None  # something else listens there; said below
    finally:
        connection.close()
    if not isinstance(value, dict):
        raise ConfigurationError(
            f"what answers at {address} is not the admin HTTP of gitsource",
            hint="name listen.admin (127.0.0.1:9902 by default); listen.mcp is for sinks",
        )
    if response.status == http.client.OK:
        return Answer(text, value)
    error_text = str(value.get("error") or f"HTTP {response.status}")
    return Refusal(error_text, str(value.get("hint") or ""), str(value.get("fault") or ""))
