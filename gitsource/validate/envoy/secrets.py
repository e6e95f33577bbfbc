"""
Key material in Envoy's messages: what stands there in plain, and which files it is taken from.

Rule: no message of a finding ever quotes what may be secret. What is secret is told by
`messages.sensitive`. A Secret may take it from a file of the server:
`filename: gitsource://NAME` is NAME below the setting `secrets.folder`; only its form is judged
here, since the file is nobody's business before it is served.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from gitsource.messages.opened import opened
from gitsource.messages.sensitive import DATA, exposed_in
from gitsource.model import Doubt, FieldPath, Problem

SCHEME = "gitsource://"
SECRET = "envoy.extensions.transport_sockets.tls.v3.Secret"  # noqa: S105 - the name of a message

_STEPS = frozenset(
    (
        *("privatekey", "password", "pkcs12", "sessionticketkeys", "genericsecret", "secretdata"),
        *("authpassword", "downstreamauthpassword", "downstreamauthpasswords", "users", "jsonkey"),
        *("secretaccesskey", "sessiontoken", "accesstoken", "googlerefreshtoken", "backendtoken"),
        *("credentials", "credentialsdatasource", "webidentitytokendatasource"),
        *("privatekeyprovider", "inlinebytes", "inlinestring"),
    )
)
"""Fields in whose places nothing is quoted when they cannot even be read."""
_LONGEST = 512
_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")


def problems(message: Any, *, inline: bool) -> Iterator[Problem]:
    """Yield what is wrong with the key material in *message*; with *inline* it may stand there."""
    files = message.DESCRIPTOR.full_name == SECRET
    told: set[FieldPath] = set()
    for path, inner in opened(message):
        for place in () if inline else exposed_in(path, inner):
            if place not in told:
                told.add(place)
                yield _inline(place)
        if inner.DESCRIPTOR.full_name == DATA and inner.filename.startswith(SCHEME):
            yield from _file(inner.filename, (*path, "filename"), allowed=files)


def _inline(path: FieldPath) -> Problem:
    message = (
        "key material stands in the repository: put it into a file of the server and name that in "
        "a Secret as filename: gitsource://NAME; change the key, as it is in Git's history"
    )
    return Problem("GS350", message, path, at_key=True)


def _file(name: str, path: FieldPath, *, allowed: bool) -> Iterator[Problem]:
    if not allowed:
        message = (
            "files of the server are read into Secrets alone: name a Secret here (sds_config), and "
            "the file there"
        )
        yield Problem("GS351", message, path)
        return
    parts = name.removeprefix(SCHEME).split("/")
    if len(name) > _LONGEST or not all(_PART.fullmatch(part) for part in parts):
        message = (
            "a file of the server is named by its path below secrets.folder, as in "
            f"{SCHEME}web/tls.key: letters, digits, '-', '_' and '.', no part of it beginning with "
            "'.' or '-'"
        )
        yield Problem("GS351", message, path)


def unquoted(problem: Problem) -> Problem:
    """Return *problem*, without the value it is about if that may be secret."""
    steps = {str(step).replace("_", "").lower() for step in problem.path}
    if problem.code == "GS310" or steps.isdisjoint(_STEPS):
        return problem
    message = "this value does not fit its field (it is not shown, since it may be secret)"
    return Problem(problem.code, message, problem.path, problem.severity, problem.at_key)


def unquoting(doubt: Doubt) -> Doubt:
    """Return *doubt* about a value of a Secret, without the value."""
    message = "readers disagree on this value (it is not shown, since it may be secret): quote it"
    return Doubt(message, doubt.line, doubt.column)
