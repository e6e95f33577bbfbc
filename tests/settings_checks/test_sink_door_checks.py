"""What the sinks' door needs, and what of it fits together; and when it is open to anybody."""

from __future__ import annotations

import pytest

from gitsource.settings.doors import Identity, Listen, Tls, Tokens, TrustDomain
from gitsource.settings.whole import Settings
from gitsource.settings_checks.sinks_door import exposed, sink_door_faults

FILES = {"cert": "a.pem", "key": "a.key"}
MUTUAL = {**FILES, "ca": "ca.pem"}
AGENT = {"workload_api": "unix:///run/agent.sock"}
PROD = TrustDomain("prod.example.org")
OWN = TrustDomain("prod.example.org", ca="prod.pem")
LONG = "a" * 255


def settings(tls=None, identity=None, tokens=None, **told) -> Settings:
    return Settings(
        tls=Tls(**(tls or {})),
        identity=Identity(**(identity or {})),
        tokens=Tokens(**(tokens or {})),
        **told,
    )


def network(**told) -> Settings:
    return settings(**told, listen=Listen(mcp="0.0.0.0:9901"))


ACCEPTED = {
    "plaintext here": {},
    "files": {"tls": MUTUAL, "identity": {"trust_domains": (PROD,)}},
    "who vouches, by domain": {"tls": FILES, "identity": {"trust_domains": (OWN,)}},
    "nobody is asked": {"tls": {**FILES, "clients": "none"}},
    "names of DNS": {"tls": MUTUAL, "identity": {"names": ("dns",)}},
    "an agent": {"tls": AGENT},
    "an agent over TCP": {"tls": {"workload_api": "tcp://127.0.0.1:8081"}},
    "an agent's domains": {"tls": AGENT, "identity": {"trust_domains": (PROD,)}},
    "an agent and old TLS": {"tls": {**AGENT, "min_version": "1.2", "clients": "optional"}},
    "a long name": {"tls": MUTUAL, "identity": {"trust_domains": (TrustDomain(LONG),)}},
    "tokens": {"tokens": {"jwks_file": "j", "issuer": "i", "audience": "a", "skew": 300.0}},
}


@pytest.mark.parametrize("told", ACCEPTED.values(), ids=ACCEPTED)
def test_what_fits_together_is_taken(told):
    assert [] == list(sink_door_faults(settings(**told)))


REJECTED = {
    "a list of revoked ones": ({"tls": {"crl": "crl.pem"}}, ["tls.crl"]),
    "an authority": ({"tls": {"ca": "ca.pem"}}, ["tls.ca"]),
    "asking": ({"tls": {"clients": "optional"}}, ["tls.clients"]),
    "an age": ({"tls": {"min_version": "1.2"}}, ["tls.min_version"]),
    "a key alone": ({"tls": {"key": "a.key"}}, ["tls.key"]),
    "nobody vouches": (
        {"tls": FILES, "identity": {"trust_domains": (PROD,)}},
        ["tls.cert", "identity.trust_domains"],
    ),
    "too long a name": (
        {"tls": MUTUAL, "identity": {"trust_domains": (TrustDomain(LONG + "a"),)}},
        ["identity.trust_domains"],
    ),
    "an agent and an authority": ({"tls": {**AGENT, "ca": "ca.pem"}}, ["tls.ca"]),
    "an agent and a domain's own": (
        {"tls": AGENT, "identity": {"trust_domains": (OWN,)}},
        ["identity.trust_domains"],
    ),
    "an agent at no address": ({"tls": {"workload_api": "unix:agent"}}, ["tls.workload_api"]),
    "an agent of no kind": ({"tls": {"workload_api": "tcp:x"}}, ["tls.workload_api"]),
    "clocks": ({"tokens": {"skew": 301.0}}, ["tokens.skew"]),
}


@pytest.mark.parametrize(("told", "keys"), REJECTED.values(), ids=REJECTED)
def test_what_does_not_is_told_at_its_setting(told, keys):
    assert keys == [key for key, _, _ in sink_door_faults(settings(**told))]


@pytest.mark.parametrize(
    ("told", "open_to_all", "keys"),
    [
        (network(), False, ["listen.mcp"]),
        (network(insecure=True), True, []),
        (network(insecure=True, tls={**FILES, "clients": "none"}), False, []),
        (network(tls=AGENT), False, []),
        (settings(insecure=True), False, []),
    ],
    ids=["plaintext", "meant", "meant, with TLS", "TLS", "on this machine"],
)
def test_a_network_asks_for_tls_or_for_somebody_who_means_it(told, open_to_all, keys):
    assert (open_to_all, keys) == (exposed(told), [key for key, _, _ in sink_door_faults(told)])
