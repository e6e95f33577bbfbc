"""
TLS towards a host.

Rule: what is missing is told at the settings, what may not stand together at each of its fields.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gitsource.model import FieldPath, Problem, shown
from gitsource.validate.istio.subject import camel, error

_SIMPLE, _MUTUAL = 1, 2
_CONFIG_MAP = "configmap://"
_UNVERIFIED = {
    _SIMPLE: ("DR-42", ("ca_certificates", "credential_name", "subject_alt_names")),
    _MUTUAL: ("DR-43", ("ca_certificates", "subject_alt_names")),
}
_FILES = ("client_certificate", "private_key", "ca_certificates", "ca_crl")


def client_tls(namespace: str, path: FieldPath, tls: Any) -> Iterator[Problem]:
    """Judge ClientTLSSettings of a document in *namespace*."""
    if tls.credential_name.startswith(_CONFIG_MAP):
        yield from _config_map(namespace, (*path, "credentialName"), tls.credential_name)
    if tls.mode not in (_SIMPLE, _MUTUAL):
        return
    if tls.insecure_skip_verify.value:
        yield from _unverified(path, tls)
    if tls.credential_name:
        yield from _one_source(path, tls)
    elif tls.mode == _MUTUAL:
        if not tls.client_certificate:
            yield error(
                "DR-45",
                (*path, "clientCertificate"),
                "mode MUTUAL needs a clientCertificate: set it",
            )
        if not tls.private_key:
            yield error("DR-46", (*path, "privateKey"), "mode MUTUAL needs a privateKey: set it")


def _config_map(namespace: str, path: FieldPath, text: str) -> Iterator[Problem]:
    home, _, rest = text.removeprefix(_CONFIG_MAP).partition("/")
    if not home or not rest.partition("/")[0]:
        message = f"{shown(text)} names no config map: write configmap://NAMESPACE/NAME"
        yield error("DR-40", path, message)
    elif home != namespace:
        message = f"the config map is in {shown(home)}: name one in {shown(namespace)}, as the rule"
        yield error("DR-41", path, message)


def _unverified(path: FieldPath, tls: Any) -> Iterator[Problem]:
    code, fields = _UNVERIFIED[tls.mode]
    for field in fields:
        if getattr(tls, field):
            name = camel(field)
            message = f"with insecureSkipVerify the server is not judged: remove it, or {name}"
            yield error(code, (*path, name), message)


def _one_source(path: FieldPath, tls: Any) -> Iterator[Problem]:
    for field in _FILES:
        if getattr(tls, field):
            name = camel(field)
            message = f"credentialName brings the certificates: remove it, or {name}"
            yield error("DR-44", (*path, name), message)
