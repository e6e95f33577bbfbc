"""What an operators' door needs on a network, and which addresses are one."""

from __future__ import annotations

from pathlib import Path

import pytest

from gitsource.configuration.whole import load
from gitsource.settings.doors import Admin, AdminIdentity, AdminToken, Listen
from gitsource.settings.units import Address
from gitsource.settings.whole import Settings
from gitsource.settings_checks.addresses import is_private
from gitsource.settings_checks.http_doors import door_faults, unguarded

CASES = Path(__file__).parents[1] / "configuration" / "configurations" / "accepted"
TLS = {"cert": "a.pem", "key": "a.key"}
TOKENS = {"tokens": (AdminToken("ada", "token"),)}
IDENTITIES = {"ca": "ca.pem", "identities": (AdminIdentity("dns:ada.example.com"),)}


def test_a_door_on_a_network_with_tls_tokens_and_certificates_is_taken():
    settings = load(CASES / "admin.yaml", {}, {})

    assert [(row.name, row.role) for row in settings.admin.tokens] == [
        ("grafana", "viewer"),
        ("ada@example.com", "operator"),
    ]
    assert settings.listen.admin == "0.0.0.0:9902"
    assert not settings.insecure


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("127.0.0.1:9902", True),
        ("[::1]:9902", True),
        ("localhost:9902", True),
        ("unix:/run/gitsource.sock", True),
        ("0.0.0.0:9902", False),
        ("[::]:9902", False),
        ("10.0.0.1:9902", False),
        ("gitsource.example.com:9902", False),
        ("localhost.evil.example:9902", False),
    ],
)
def test_what_is_not_this_machines_alone_is_a_network(address, expected):
    assert is_private(address) is expected


@pytest.mark.parametrize(
    ("address", "told", "expected"),
    [
        ("127.0.0.1:1", {}, ""),
        ("unix:/run/a.sock", {}, ""),
        ("0.0.0.0:1", {}, "admin.cert"),
        ("0.0.0.0:1", TOKENS, "admin.cert"),
        ("0.0.0.0:1", {"cert": "a.pem"} | TOKENS, "admin.cert"),
        ("0.0.0.0:1", TLS, "admin.tokens"),
        ("0.0.0.0:1", TLS | {"ca": "ca.pem"}, "admin.tokens"),
        ("0.0.0.0:1", TLS | TOKENS, ""),
        ("0.0.0.0:1", TLS | IDENTITIES, ""),
    ],
)
def test_a_network_asks_for_tls_and_for_somebody_who_is_known(address, told, expected):
    lacking = unguarded(address, Admin(**told))

    assert expected in lacking
    assert bool(lacking) == bool(expected)


@pytest.mark.parametrize(("insecure", "expected"), [(False, ["listen.admin"]), (True, [])])
def test_a_door_that_is_open_to_a_network_has_to_be_meant(insecure, expected):
    told = Settings(listen=Listen(admin=Address("0.0.0.0:9902")), insecure=insecure)

    assert expected == [key for key, _, _ in door_faults(told)]


@pytest.mark.parametrize("lacking", ["ca", "cert"])
def test_certificates_of_operators_need_tls_and_who_vouches_for_them(lacking):
    admin = Admin(**{**TLS, **IDENTITIES, lacking: None})

    assert "admin.identities" in [key for key, _, _ in door_faults(Settings(admin=admin))]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("ada", True),
        ("ada@example.com", True),
        ("a" * 63, True),
        ("a" * 64, False),
        ("-ada", False),
        (".ada", False),
        ("@ada", False),
        ("ada lovelace", False),
        ("", False),
    ],
)
def test_a_token_has_a_name_by_which_its_holder_is_told(name, expected):
    admin = Admin(tokens=(AdminToken(name, "token"),))

    assert expected is (list(door_faults(Settings(admin=admin))) == [])
