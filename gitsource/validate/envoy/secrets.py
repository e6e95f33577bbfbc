"""
Key material in Envoy's messages: what stands there in plain, and which files it is taken from.

Rule: no message of a finding ever quotes what may be secret. What is secret is what Envoy's own
messages mark as sensitive, and a few fields beside. A Secret may take it from a file of the server:
`filename: gitsource://NAME` is NAME below the setting `secrets.folder`; only its form is judged
here, since the file is nobody's business before it is served.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Any

from google.protobuf.descriptor_pool import Default

from gitsource.messages import known
from gitsource.messages.opened import opened, within
from gitsource.model import Doubt, FieldPath, Problem

if TYPE_CHECKING:
    from google.protobuf.descriptor import FieldDescriptor

SCHEME = "gitsource://"
SECRET = "envoy.extensions.transport_sockets.tls.v3.Secret"  # noqa: S105 - the name of a message
DATA = "envoy.config.core.v3.DataSource"

_GRPC = "envoy.config.core.v3.GrpcService.GoogleGrpc.CallCredentials"
_BESIDE = frozenset(
    (
        f"{_GRPC}.access_token",
        f"{_GRPC}.google_refresh_token",
        f"{_GRPC}.ServiceAccountJWTAccessCredentials.json_key",
        "envoy.extensions.filters.http.api_key_auth.v3.Credential.key",
    )
)
"""Secret fields that Envoy's messages do not mark."""
_PUBLIC = re.compile(r".*[._](username|context_extensions|credentials)")
"""Marked fields that hold no secret, or messages of which one field is looked at by itself."""
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
        for field in () if inline else _sensitive(inner.DESCRIPTOR.full_name):
            fresh = (each for each in _plain(path, inner, field) if each.path not in told)
            for problem in fresh:
                told.add(problem.path)
                yield problem
        if inner.DESCRIPTOR.full_name == DATA and inner.filename.startswith(SCHEME):
            yield from _file(inner.filename, (*path, "filename"), allowed=files)


def _plain(path: FieldPath, message: Any, field: FieldDescriptor) -> Iterator[Problem]:
    if field.message_type is None:
        if getattr(message, field.name):
            yield _inline((*path, field.json_name))
        return
    for there, value in within(path, message, field):
        for below, inner in opened(value):
            if inner.DESCRIPTOR.full_name == DATA:
                given = inner.WhichOneof("specifier") or ""
                if given.startswith("inline_"):
                    step = inner.DESCRIPTOR.fields_by_name[given].json_name
                    yield _inline((*there, *below, step))


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


@cache
def _sensitive(name: str) -> tuple[FieldDescriptor, ...]:
    """Return the fields of the message *name* that hold secrets."""
    descriptor = known.find(name)
    if descriptor is None or known.find("udpa.annotations.StatusAnnotation") is None:
        return ()
    sensitive: Any = Default().FindExtensionByName("udpa.annotations.sensitive")
    return tuple(
        field
        for field in descriptor.fields
        if not _PUBLIC.fullmatch(field.full_name)
        if field.full_name in _BESIDE or field.GetOptions().Extensions[sensitive]
    )


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
