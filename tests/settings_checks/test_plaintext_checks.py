"""What crosses a network readably is told, and refused where nobody wrote that it is meant."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gitsource.settings.doors import Admin, Listen
from gitsource.settings.following import CredentialRow, LayerRow, Repository
from gitsource.settings.serving import DialRow, Sinks
from gitsource.settings.triggers import Webhook
from gitsource.settings.whole import Settings
from gitsource.settings_checks.plaintext import SEND_THE_SECRET, crossings, plaintext_faults

SIGN = ("github", "gitea", "forgejo", "gogs", "bitbucket-cloud", "generic")


def hook(listen="0.0.0.0:9903", host="github", **more) -> Settings:
    return Settings(webhook=Webhook(listen=listen, secret_file="s", host=host, **more))


def dial(address, **more) -> Settings:
    return Settings(sinks=Sinks(dial=(DialRow("edge", address, **more),)))


def follows(url, *rows) -> Settings:
    return Settings(repository=Repository(url), credentials=rows)


QUIET = {
    "nothing set": Settings(),
    "a webhook on this machine": hook("127.0.0.1:9903", "azure-devops"),
    "a webhook over TLS": hook(host="auto", cert="c", key="k"),
    "a sink on this machine": dial("localhost:1"),
    "a sink on this machine by its number": dial("[::1]:1"),
    "a sink over TLS": dial("192.0.2.1:1", tls="simple"),
    "a repository on this machine": follows("http://127.0.0.1:3000/mesh.git"),
    "a repository over TLS": follows("https://git.example.com/mesh.git"),
    "a repository over ssh": follows("git@git.example.com:mesh.git"),
    "a folder": follows("file:///srv/mesh.git"),
    "an operators' door over TLS": Settings(
        listen=Listen(admin="0.0.0.0:9902"), admin=Admin(cert="c", key="k")
    ),
}


@pytest.mark.parametrize("told", QUIET.values(), ids=QUIET)
def test_what_stays_here_or_goes_over_tls_is_not_told(told):
    assert [] == list(crossings(told))
    assert [] == list(plaintext_faults(told))


REFUSED = {
    "a sink": (dial("192.0.2.1:1"), "insecure", ("sinks.dial", (0,))),
    "a sink by a name": (dial("edge.example:1"), "insecure", ("sinks.dial", (0,))),
    "a repository": (follows("http://192.0.2.1/m.git"), "insecure", ("repository.url", ())),
    "a repository in capitals": (
        follows("HTTP://git.example/m"),
        "insecure",
        ("repository.url", ()),
    ),
    "a layer": (
        Settings(
            layers=(
                LayerRow("low", Repository("file:///srv/low.git")),
                LayerRow("top", Repository("http://git.example/top.git")),
            )
        ),
        "insecure",
        ("layers", (1, "repository", "url")),
    ),
    **{
        f"deliveries of {host}": (hook(host=host), "insecure_webhook", ("webhook.listen", ()))
        for host in sorted(SEND_THE_SECRET)
    },
}


@pytest.mark.parametrize(("told", "word", "expected"), REFUSED.values(), ids=REFUSED)
def test_what_must_not_be_read_on_the_way_has_to_be_meant(told, word, expected):
    (fault,) = plaintext_faults(told)
    meant = replace(told, **{word: True})

    assert expected == fault[:2]
    assert fault[2].endswith(f"or set {word}")
    assert [] == list(plaintext_faults(meant))
    assert [expected] == [(one.setting, one.path) for one in crossings(meant)]


@pytest.mark.parametrize("host", SIGN)
def test_deliveries_that_are_signed_are_taken_and_told(host):
    assert [] == list(plaintext_faults(hook(host=host)))
    assert ["webhook.listen"] == [one.setting for one in crossings(hook(host=host))]


def test_the_operators_door_is_told_and_judged_with_the_rest_of_what_it_lacks():
    told = Settings(listen=Listen(admin="0.0.0.0:9902"), insecure=True)

    assert ["listen.admin"] == [one.setting for one in crossings(told)]
    assert [] == list(plaintext_faults(replace(told, insecure=False)))


PASSWORD = CredentialRow("http://git.example", username="ada", password_file="p")
OTHER = CredentialRow("http://other.example", token_file="t")
PROXY = CredentialRow("http://git.example/mesh", proxy="http://proxy:3128")


@pytest.mark.parametrize(
    ("url", "rows", "told"),
    [
        ("http://git.example/mesh.git", (OTHER, PASSWORD), "the secret of credentials[1] goes"),
        ("http://git.example/x", (OTHER,), ""),
        ("http://git.example/mesh/x", (PROXY, PASSWORD), ""),
        ("http://ada:hunter2@git.example/x", (), "the password of its address goes"),
    ],
)
def test_a_secret_that_goes_along_is_told_and_not_shown(url, rows, told):
    (one,) = crossings(follows(url, *rows))

    assert told in one.what
    assert bool(told) == ("goes with it" in one.what)
    assert "hunter2" not in one.what
