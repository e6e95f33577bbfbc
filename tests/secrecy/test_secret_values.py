"""What must not be shown of a body, and what may."""

from __future__ import annotations

import json

import pytest

from gitsource.secrecy.names import called_secret
from gitsource.secrecy.values import Hidden, canonical, hidden, marked


@pytest.mark.parametrize(
    "key",
    [
        *("password", "Password", "PASSWORD", "db_password", "userPassword", "passphrase"),
        *("token", "accessToken", "access_token", "refresh-token", "secret", "clientSecret"),
        *("apiKey", "api_key", "API_KEY", "apikey", "privateKey", "private_key", "secretKey"),
        *("sessionTicketKeys", "hmacKey", "credentials", "authorization", "jwt", "bearer"),
        *("example.com/api-token", "awsSecretAccessKey", "AWSAccessKey", "sshKey"),
        *("Ocp-Apim-Subscription-Key", "x-functions-key", "x-signature", "x-session-id"),
        *("basicAuth", "passwordHash", "clientSecretValue", "request.headers[x-api-key]"),
    ],
)
def test_secrets_stand_under_such_keys(key) -> None:
    assert called_secret(key)


@pytest.mark.parametrize(
    "key",
    [
        *("name", "secretName", "credentialName", "tokenFile", "passwordFile", "tokenBucket"),
        *("maxTokensPerFill", "key", "keys", "publicKey", "keyPrefix", "hashKey", "monkey"),
        *("secretRef", "tokenUrl", "authorizationUrl", "", "...", "passThrough", "host"),
        *("max_tokens", "tokens_per_fill", "envoy.filters.http.basic_auth", "value", "Data"),
    ],
)
def test_what_is_called_otherwise_is_shown(key) -> None:
    """Names and places of secrets are no secrets."""
    assert not called_secret(key)


def test_every_value_under_such_a_key_is_hidden_and_structure_is_not() -> None:
    value = {"credentials": {"user": "u", "more": ["x", 7, True, None, ""]}, "host": "h"}

    found = hidden(value)

    told = found["credentials"]
    assert isinstance(told["user"], Hidden)
    assert [Hidden, Hidden, bool, type(None), str] == [type(each) for each in told["more"]]
    assert "h" == found["host"]


@pytest.mark.parametrize(
    "text",
    [
        "-----BEGIN PRIVATE KEY-----\nMII",
        "x\n-----BEGIN RSA PRIVATE KEY-----",
        "-----BEGIN OPENSSH PRIVATE KEY-----",
        "https://user:pass@example.com/x",
        "redis://:pass@cache:6379",
        "Bearer abcdefghijk",
        "Basic dXNlcjpwYXNz",
    ],
)
def test_texts_that_are_secrets_are_hidden_wherever_they_stand(text) -> None:
    assert isinstance(hidden({"x": [text]})["x"][0], Hidden)


@pytest.mark.parametrize(
    "text",
    [
        "-----BEGIN CERTIFICATE-----",
        "https://example.com/a@b",
        "a:b@c",
        "Bearer",
        "/etc/keys/private.key",
    ],
)
def test_texts_that_are_none_are_shown(text) -> None:
    assert {"x": text} == hidden({"x": text})


def test_places_that_are_told_are_hidden() -> None:
    found = marked({"a": {"b": [{"inlineString": "key"}], "c": 1}}, [("a", "b", 0, "inlineString")])

    assert isinstance(found["a"]["b"][0]["inlineString"], Hidden)
    assert 1 == found["a"]["c"]


def test_hidden_values_are_alike_if_their_values_are() -> None:
    assert Hidden.of("x") == Hidden.of("x") != Hidden.of("y")
    assert Hidden.of(1) != Hidden.of("1")


def test_no_value_of_a_document_looks_like_a_hidden_one() -> None:
    secret = Hidden.of("x")

    assert canonical(secret) != canonical(secret.digest)
    assert "x" not in json.loads(canonical({"a": secret}))["a"]
