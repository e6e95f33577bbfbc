"""
Reading from the admin HTTP of a gitsource that may be anywhere: bounded, checked, GET alone.

Rule: whoever answers is not trusted. An answer has so many bytes and so many seconds and no more;
no redirect is followed and no proxy is asked; a token goes out over TLS or to this machine, never
in the clear. What goes wrong is told by whose fault it is.
"""

from __future__ import annotations

import http.client
import json
import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from socket import SHUT_RDWR
from threading import Timer
from typing import Any
from urllib.parse import urlencode, urlsplit

from gitsource.cli.admin_client import EVERYWHERE, NO_PAPERS, AtSocket, Papers
from gitsource.errors import ConfigurationError, GitsourceError
from gitsource.model import shown
from gitsource.settings_checks.addresses import UNIX, is_loopback

MOST = 64 * 1024 * 1024
"""Bytes of one answer: gitsource's own are a few hundred bytes a sink, and in pages."""
PATIENCE = 30.0
"""Seconds that one answer may take, from dialling to its last byte."""
LONGEST_TOKEN = 16 * 1024


@dataclass(frozen=True, slots=True)
class Door:
    """Where to ask, and how."""

    host: str
    port: int
    prefix: str = ""
    """What stands before every path, where a proxy puts it there."""
    tls: bool = False
    papers: Papers = NO_PAPERS
    """What is shown over TLS, and whom is believed there."""
    socket: str = ""
    """Path of a Unix socket, in place of host and port."""
    token: str = field(default="", repr=False)
    patience: float = PATIENCE
    most: int = MOST

    def __str__(self) -> str:
        if self.socket:
            return f"{UNIX}{self.socket}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.tls else 'http'}://{host}:{self.port}{self.prefix}"


def door(address: str, papers: Papers = NO_PAPERS, *, option: str) -> Door:
    """
    Return the door that *address* means: ``host:port``, an ``http`` or ``https`` URL, or a Unix
    socket as ``unix:/path``.

    Raises ConfigurationError, which names *option*, for what is no address, for a file that cannot
    be read, and for a token that would go out in the clear.
    """
    if address.startswith(UNIX):
        token = _token(papers.token_file) if papers.token_file is not None else ""
        return Door("localhost", 0, socket=address.removeprefix(UNIX), token=token)
    url = address if "://" in address else f"http://{address}"
    try:
        told = urlsplit(url)
        port, host = told.port, told.hostname or ""
    except ValueError:
        port, host = None, ""
    tls = url.startswith("https://")
    if not host or not (tls or (url.startswith("http://") and port)) or port == 0:
        raise ConfigurationError(
            f"{option}: {shown(address)} is no address of an admin HTTP",
            hint="name it as host:port, http://host:port, https://host or unix:/path",
        )
    if told.username is not None or told.query or told.fragment:
        raise ConfigurationError(
            f"{option}: the address has more than host, port and path",
            hint="a token goes into a file: --admin-token-file",
        )
    bracketed = f"[{host}]" if ":" in host else host
    host = EVERYWHERE.get(bracketed, host).strip("[]")
    token = _token(papers.token_file) if papers.token_file is not None else ""
    if token and not tls and not is_loopback(host):
        raise ConfigurationError(
            f"{option}: the token would go to {host} in the clear", hint="use an https:// address"
        )
    if (papers.ca or papers.cert) and not tls:
        raise ConfigurationError("--admin-ca and --admin-cert are for an https:// address")
    return Door(host, port or 443, told.path.rstrip("/"), tls, papers, token=token)


def _token(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            text = opened.read(LONGEST_TOKEN + 1).decode("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"--admin-token-file: {file} cannot be read: {getattr(error, 'strerror', error)}"
        ) from error
    if not text or len(text) > LONGEST_TOKEN or any(not c.isprintable() or c == " " for c in text):
        raise ConfigurationError(f"--admin-token-file: {file} holds no token on one line")
    return text


# --------------------------------------------------------------------------- asking


def read(door: Door, path: str, told: Mapping[str, str] | None = None) -> Any:
    """
    Return the JSON that ``GET path`` answers; *told* is its query.

    Raises ConfigurationError if no gitsource answers there as it should, and GitsourceError for
    what gitsource itself says went wrong.
    """
    target = door.prefix + path + (f"?{urlencode(told)}" if told else "")
    headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
    if door.token:
        headers["Authorization"] = f"Bearer {door.token}"
    deadline = time.monotonic() + door.patience
    connection = _connection(door)
    try:
        connection.connect()
        with _bounded(connection, deadline):
            connection.request("GET", target, headers=headers)
            response = connection.getresponse()
            body = response.read(door.most + 1)
    except ssl.SSLError as error:
        if time.monotonic() >= deadline:
            raise _late(door) from error
        raise ConfigurationError(
            f"{door}: its certificate does not count: {getattr(error, 'verify_message', error)}",
            hint="name the certificates it has to come from with --admin-ca; is it https at all?",
        ) from error
    except (OSError, http.client.HTTPException) as error:
        if time.monotonic() >= deadline or isinstance(error, TimeoutError):
            raise _late(door) from error
        if isinstance(error, http.client.HTTPException):
            raise _stranger(door, "it does not speak HTTP as it should") from error
        raise _unreachable(door, error.strerror or str(error)) from error
    finally:
        connection.close()
    if time.monotonic() >= deadline:
        raise _late(door)
    if len(body) > door.most:
        raise _stranger(door, f"its answer has more than {door.most} bytes")
    return _answer(door, path, response.status, body)


@contextmanager
def _bounded(connection: http.client.HTTPConnection, deadline: float) -> Iterator[None]:
    """End the conversation at *deadline*, however slowly it goes on: a byte a minute, say."""
    socket = connection.sock

    def end() -> None:
        with suppress(OSError):
            socket.shutdown(SHUT_RDWR)

    timer = Timer(max(0.0, deadline - time.monotonic()), end)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _connection(door: Door) -> http.client.HTTPConnection:
    if door.socket:
        return AtSocket(door.socket, door.patience)
    if not door.tls:
        return http.client.HTTPConnection(door.host, door.port, timeout=door.patience)
    papers = door.papers
    try:
        context = ssl.create_default_context(cafile=str(papers.ca) if papers.ca else None)
        if papers.cert:
            context.load_cert_chain(papers.cert, papers.key)
    except OSError as error:  # ssl.SSLError is one
        raise ConfigurationError(
            f"--admin-ca, --admin-cert or --admin-key: {error.strerror or error}",
            hint="name PEM files that fit together",
        ) from error
    return http.client.HTTPSConnection(door.host, door.port, timeout=door.patience, context=context)


def _answer(door: Door, path: str, status: int, body: bytes) -> Any:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError) as error:
        if status in (401, 403):
            raise _refused(door, status) from error
        raise _stranger(door, f"its answer (HTTP {status}) is no JSON") from error
    if not isinstance(value, dict):
        raise _stranger(door, "its answer is no object")
    if status == http.client.OK:
        return value
    error_text, hint = (str(value.get(key) or "") for key in ("error", "hint"))
    if status in (401, 403):
        raise _refused(door, status, error_text)
    if status == http.client.NOT_FOUND:
        raise ConfigurationError(
            f"{door} has no {path}", hint="is it an older gitsource? this command needs a newer one"
        )
    said = str(value.get("fault"))
    fault = said if said in {"operator", "repository", "network"} else "gitsource"
    raise GitsourceError(f"{door} answers HTTP {status}: {error_text} (fault: {fault})", hint=hint)


def _unreachable(door: Door, why: str) -> ConfigurationError:
    return ConfigurationError(
        f"cannot reach gitsource at {door}: {why}",
        hint="is it running, and is this its listen.admin (port 9902 by default)?",
    )


def _late(door: Door) -> ConfigurationError:
    return _unreachable(door, f"it did not answer within {door.patience:g} s")


def _refused(door: Door, status: int, said: str = "") -> ConfigurationError:
    return ConfigurationError(
        f"{door} does not let us in (HTTP {status}){f': {said}' if said else ''}",
        hint="name a file with the token for it: --admin-token-file",
    )


def _stranger(door: Door, why: str) -> ConfigurationError:
    return ConfigurationError(
        f"what answers at {door} is not the admin HTTP of gitsource: {why}",
        hint="name listen.admin (127.0.0.1:9902 by default); listen.mcp is for sinks",
    )
