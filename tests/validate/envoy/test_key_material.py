"""Key material in Envoy's resources: found wherever it stands, and never told."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from gitsource.build.judge import bounds, judge
from gitsource.catalog.whole import Catalog

CATALOG = Catalog()
TYPE = "type.googleapis.com/envoy."
KEY = "hunter2-hunter2"
SECRET = {"@type": f"{TYPE}extensions.transport_sockets.tls.v3.Secret", "name": "a"}
GRPC = {"target_uri": "x", "stat_prefix": "x"}
CALLS = f"{TYPE}extensions.filters.http.ext_authz.v3.ExtAuthz"


def judged(value: Any, catalog: Catalog = CATALOG) -> Any:
    text = json.dumps(value) if not isinstance(value, str) else value
    return judge(text.encode(), None, catalog, bounds(catalog), json=False)


def told(result: Any) -> list[str]:
    return [each.code for document in result.documents for each in document.findings]


def tls(certificate: Any) -> dict[str, Any]:
    """Return a Cluster whose transport socket has *certificate*."""
    name = f"{TYPE}extensions.transport_sockets.tls.v3.UpstreamTlsContext"
    held = {"@type": name, "common_tls_context": {"tls_certificates": [certificate]}}
    socket = {"name": "tls", "typed_config": held}
    return {"@type": f"{TYPE}config.cluster.v3.Cluster", "name": "a", "transport_socket": socket}


def filtered(held: Any) -> dict[str, Any]:
    """Return a TypedExtensionConfig that holds *held*."""
    return {
        "@type": f"{TYPE}config.core.v3.TypedExtensionConfig",
        "name": "a",
        "typed_config": held,
    }


INLINE = {
    "private key": {**SECRET, "tls_certificate": {"private_key": {"inline_string": KEY}}},
    "password": {**SECRET, "tls_certificate": {"password": {"inline_string": KEY}}},
    "pkcs12": {**SECRET, "tls_certificate": {"pkcs12": {"inline_bytes": "aHVudGVyMg=="}}},
    "generic": {**SECRET, "generic_secret": {"secret": {"inlineString": KEY}}},
    "generic map": {**SECRET, "genericSecret": {"secrets": {"a": {"inline_string": KEY}}}},
    "tickets": {**SECRET, "session_ticket_keys": {"keys": [{"inline_string": KEY}]}},
    "in a cluster": tls({"private_key": {"inline_string": KEY}}),
    "token of a gRPC client": filtered(
        {
            "@type": CALLS,
            "grpc_service": {"google_grpc": {**GRPC, "call_credentials": [{"access_token": KEY}]}},
        }
    ),
    "key of an API": filtered(
        {
            "@type": f"{TYPE}extensions.filters.http.api_key_auth.v3.ApiKeyAuth",
            "credentials": [{"key": KEY, "client": "ada"}],
        }
    ),
    "users": filtered(
        {
            "@type": f"{TYPE}extensions.filters.http.basic_auth.v3.BasicAuth",
            "users": {"inline_string": KEY},
        }
    ),
}


@pytest.mark.parametrize("value", INLINE.values(), ids=INLINE.keys())
def test_key_material_holds_the_revision_unless_it_is_allowed(value):
    found = judged(value)

    assert ["GS350"] == told(found)
    assert not found.documents[0].version
    assert KEY.encode() not in found.SerializeToString()
    allowed = judged(value, replace(CATALOG, inline_secrets="allow"))
    assert [] == told(allowed)
    assert allowed.documents[0].version


PUBLIC = {
    "certificate": {**SECRET, "tls_certificate": {"certificate_chain": {"inline_string": KEY}}},
    "roots": {**SECRET, "validation_context": {"trusted_ca": {"inline_string": KEY}}},
    "empty": {**SECRET, "tls_certificate": {"private_key": {}}},
    "variable": {**SECRET, "generic_secret": {"secret": {"environment_variable": "TOKEN"}}},
    "file of Envoy": tls({"private_key": {"filename": "/etc/tls.key"}}),
}


@pytest.mark.parametrize("value", PUBLIC.values(), ids=PUBLIC.keys())
def test_what_is_public_or_elsewhere_may_stand_there(value):
    """A DataSource without anything is refused all the same, but not on account of a key."""
    assert [] == [code for code in told(judged(value)) if code != "GS345"]


BROKEN = {
    "not base64": {**SECRET, "tls_certificate": {"private_key": {"inline_bytes": f"{KEY}!!"}}},
    "no message": {**SECRET, "tls_certificate": {"private_key": KEY}},
    "no text": {**SECRET, "tls_certificate": {"private_key": {"inline_string": [KEY]}}},
    "a number": {**SECRET, "generic_secret": {"secret": {"inline_string": 77341}}},
    "no list": {**SECRET, "session_ticket_keys": {"keys": KEY}},
    "in a cluster": tls({"password": KEY}),
}


@pytest.mark.parametrize("value", BROKEN.values(), ids=BROKEN.keys())
def test_a_value_that_may_be_secret_is_not_quoted_when_it_does_not_fit(value):
    (document,) = judged(value).documents
    (found,) = document.findings

    assert not found.warning
    assert "not shown" in found.message
    assert KEY not in found.message
    assert "77341" not in found.message


def test_a_value_of_a_secret_that_readers_disagree_on_is_not_quoted():
    text = (
        f'"@type": {SECRET["@type"]}\nname: a\ngeneric_secret: {{secret: {{inline_string: 0777}}}}'
    )
    (document,) = judged(text).documents

    assert "GS113" in told(judged(text))
    assert all("777" not in found.message for found in document.findings)


FILES = ["web.key", "web/tls.key", "a/b/c/d.pem", "A_1", "a..b"]
BAD = [
    "",
    "/etc/passwd",
    "../a",
    "a/../b",
    "a/..",
    "./a",
    "a//b",
    "a/",
    ".git/config",
    "a\\b",
    "a b",
    "a\nb",
    "a%2e",
    "-a",
    "a/-b",
    "x" * 600,
    "ä",
]


@pytest.mark.parametrize("name", FILES)
def test_a_secret_names_files_of_the_server_below_its_folder(name):
    value = {**SECRET, "generic_secret": {"secret": {"filename": f"gitsource://{name}"}}}

    assert [] == told(judged(value))


@pytest.mark.parametrize("name", BAD)
def test_a_file_outside_of_the_folder_cannot_be_named(name):
    value = {**SECRET, "generic_secret": {"secret": {"filename": f"gitsource://{name}"}}}

    assert ["GS351"] == told(judged(value))


def test_files_of_the_server_are_for_secrets_alone():
    assert ["GS351"] == told(judged(tls({"private_key": {"filename": "gitsource://web.key"}})))
