"""
Asking a running gitsource over its admin HTTP: one request, one JSON answer.

Rule: standard library only, no proxy, no redirect. Nobody there, or something else there, is the
caller's environment (ConfigurationError); what gitsource itself refuses comes back as a `Refusal`.
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from gitsource.declarations import address as checked
from gitsource.errors import ConfigurationError

PATIENCE = 900.0
"""Seconds a command may take: a sync may clone and build a large repository first."""


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


def admin_address(
    given: str | None, config: Path | None, environ: Mapping[str, str], option: str = "--admin"
) -> str:
    """
    Return where the admin HTTP of the gitsource meant is: *given*, or what the settings say.

    A server that listens on every address is reached over loopback. Raises ConfigurationError.
    """
    if given is None:
        from gitsource.configuration import load

        given = load(config, environ, {}).listen.admin
    try:
        address = checked(given)
    except ValueError as error:
        raise ConfigurationError(f"{option}: expected {error}, found {given!r}") from error
    host, _, port = address.rpartition(":")
    if port == "0":
        raise ConfigurationError(
            "listen.admin has port 0, so the port is chosen anew at each start",
            hint=f"name the address with {option}; serve logs it when it starts",
        )
    return f"{EVERYWHERE.get(host, host)}:{port}"


def ask(
    address: str,
    method: str,
    path: str,
    told: Mapping[str, Any] | None = None,
    *,
    patience: float = PATIENCE,
) -> Answer | Refusal:
    """
    Send one request and return what came back; *told* is the query of a GET, the body of a POST.

    Raises ConfigurationError if no gitsource answers there within *patience* seconds.
    """
    body, headers = None, {"Accept": "application/json"}
    if method == "POST":
        body, headers["Content-Type"] = json.dumps(told or {}), "application/json"
    elif told:
        path = f"{path}?{urlencode(told)}"
    connection = http.client.HTTPConnection(address, timeout=patience)
    try:
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        text = response.read().decode()
        value = json.loads(text)
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
