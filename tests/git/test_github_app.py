"""A GitHub App against an API and a Git host on loopback: tokens bought, kept, renewed, refused."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest

from certificates import Authority
from gitsource.errors import AccessRefused, RemoteUnreachable
from gitsource.git.command import Git
from gitsource.git.credentials import Credentials
from gitsource.git.github_app import App, Tokens, Way, lasting
from gitsource.git.mirror import Mirror
from gitsource.settings.following import CredentialRow, GitHubApp, Repository
from gitsource.settings.units import FilePath
from repositories import Upstream
from servers.github_api import GitHubApi
from servers.over_http import HttpGit, basic, tls_server
from servers.proxies import HttpProxy, Socks5Proxy


class Clock:
    """A clock that a test sets."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="module")
def authority():
    return Authority()


@pytest.fixture
def ca(tmp_path, authority):
    (tmp_path / "ca.pem").write_bytes(authority.certificate)
    return tmp_path / "ca.pem"


@pytest.fixture
def api(authority):
    with GitHubApi(tls_server(authority.issue())) as api:
        yield api


@pytest.fixture
def app(api):
    row = GitHubApp(api.app_id, api.installation_id, FilePath("app.pem"), api.url)
    return App(row, api.private_key, Path("app.pem"))


def test_a_token_is_kept_until_shortly_before_its_end(api, app, ca):
    """Then another one is bought; our clock is not asked, and may be set."""
    steady = Clock()
    tokens = Tokens(steady=steady)
    first = tokens.get(app, Way(ca=ca))
    steady.now += 3200
    again = tokens.get(app, Way(ca=ca))
    steady.now += 200
    second = tokens.get(app, Way(ca=ca))

    assert [first, second] == api.tokens
    assert first == again
    assert first not in repr(tokens)


def test_a_token_that_was_not_taken_is_bought_anew(api, app, ca):
    """It may have been withdrawn."""
    tokens = Tokens()
    first = tokens.get(app, Way(ca=ca))
    tokens.forget(app.row)

    assert [first, tokens.get(app, Way(ca=ca))] == api.tokens


def test_another_key_buys_another_token(api, app, ca):
    """A key was rotated, perhaps since the old one had leaked."""
    tokens = Tokens()
    tokens.get(app, Way(ca=ca))
    other = App(app.row, app.key + b"\n", app.key_file)
    tokens.get(other, Way(ca=ca))

    assert 2 == len(api.tokens)


@pytest.mark.parametrize("ahead", [-7200.0, -45.0, 0.0, 45.0, 7200.0])
def test_clocks_that_differ_do_no_harm(api, app, ca, ahead):
    """GitHub says what time it is, and is believed."""
    api.ahead = ahead
    steady = Clock()
    tokens = Tokens(steady=steady)
    token = tokens.get(app, Way(ca=ca))
    steady.now += 3000

    assert [token] == api.tokens
    assert token == tokens.get(app, Way(ca=ca))


@pytest.mark.parametrize(
    ("told", "seconds"),
    [
        ("1970-01-01T00:30:00Z", 800.0),
        ("1970-01-01T00:30:00", 800.0),
        ("2970-01-01T00:00:00Z", 3600.0),
        ("soon", 360.0),
        (None, 360.0),
    ],
)
def test_a_token_lasts_for_as_long_as_it_says_at_most_an_hour(told, seconds):
    """Whatever that is."""
    assert seconds == lasting(told, 1000.0)


@pytest.mark.parametrize(
    ("status", "error", "kind", "words"),
    [
        (401, AccessRefused, "authentication", "app_id"),
        (404, AccessRefused, "authentication", "installation"),
        (403, AccessRefused, "permission", "suspended"),
        (500, RemoteUnreachable, "", "api_url"),
        (302, RemoteUnreachable, "", "api_url"),
        (201, RemoteUnreachable, "", "api_url"),
    ],
)
def test_an_answer_without_a_token_says_whose_fault_it_is(api, app, ca, status, error, kind, words):
    """And does not repeat the assertion, although the answer does."""
    api.status = status
    with pytest.raises(error) as caught:
        Tokens().get(app, Way(ca=ca))
    told = f"{caught.value} {caught.value.hint}"

    assert (kind, True) == (caught.value.kind, words in caught.value.hint)
    assert [one for one in api.assertions if one in told] == []


@pytest.mark.parametrize(
    ("change", "words"),
    [({"app_id": 1}, "app_id"), ({"installation_id": 1}, "no installation 1")],
)
def test_wrong_numbers_are_told_apart(api, app, ca, change, words):
    """By the API's own answer."""
    from dataclasses import replace

    wrong = App(replace(app.row, **change), app.key, app.key_file)
    with pytest.raises(AccessRefused) as caught:
        Tokens().get(wrong, Way(ca=ca))

    assert words in caught.value.hint


@pytest.mark.parametrize("key", [b"no key", b"-----BEGIN RSA PRIVATE KEY-----\nhunter2\n"])
def test_a_key_that_is_none_is_told_by_its_file(api, app, ca, key):
    """Nobody is asked, and nothing of it is repeated."""
    with pytest.raises(AccessRefused, match=r"app\.pem is no RSA private key") as caught:
        Tokens().get(App(app.row, key, app.key_file), Way(ca=ca))

    assert (caught.value.kind, api.assertions) == ("credentials", [])
    assert "hunter2" not in str(caught.value)


def test_an_api_that_nobody_vouches_for_is_not_trusted(api, app):
    """The assertion is not shown there."""
    with pytest.raises(AccessRefused) as caught:
        Tokens().get(app, Way())

    assert ("tls", []) == (caught.value.kind, api.assertions)


def test_an_api_that_never_answers_is_left_at_the_deadline(api, app, ca):
    """A look at the repository does not hang."""
    api.silent = True
    with pytest.raises(RemoteUnreachable) as caught:
        Tokens().get(app, Way(ca=ca, timeout=0.5))

    assert "refused" == caught.value.kind


@pytest.mark.parametrize("kind", [HttpProxy, Socks5Proxy])
def test_the_api_is_reached_through_the_proxy_of_the_row(api, app, ca, kind):
    """With its user and password, which no error repeats."""
    scheme = "http" if kind is HttpProxy else "socks5h"
    with kind(("ada", "hunter2")) as proxy:
        good = Way(f"{scheme}://ada:hunter2@{proxy.netloc}", ca)
        token = Tokens().get(app, good)
        with pytest.raises(RemoteUnreachable) as caught:
            Tokens().get(app, Way(f"{scheme}://ada:wrong-one@{proxy.netloc}", ca))

    assert ([token], [api.url.split("/")[2]]) == (api.tokens, proxy.targets)
    assert ("proxy", False) == (caught.value.kind, "wrong-one" in str(caught.value))


def test_a_repository_is_fetched_with_tokens(tmp_path, api, ca, authority):
    """Bought once for several fetches, and anew after the host refused one."""
    upstream = Upstream(tmp_path / "host" / "mesh.git")
    upstream.commit({"a.yaml": "1"})
    (tmp_path / "app.pem").write_bytes(api.private_key)
    app = GitHubApp(api.app_id, api.installation_id, FilePath("app.pem"), api.url)
    with ExitStack() as stack:
        host = HttpGit(upstream.folder.parent, tls=tls_server(authority.issue()))
        stack.enter_context(host)
        row = CredentialRow(host.url, ca=FilePath("ca.pem"), github_app=app)
        git = Git(timeout=20.0, credentials=Credentials((row,), tmp_path, {}))
        mirror = Mirror(tmp_path / "mirror.git", Repository(url=f"{host.url}/mesh.git"), git)
        stack.callback(mirror.close)
        mirror.open()
        # The first token is not known before it is sold, so the host takes it late.
        host.expected = basic("x-access-token", "unknown yet")
        with pytest.raises(AccessRefused):
            mirror.fetch()
        host.expected = None
        mirror.fetch()
        sold = git.credentials.tokens.get(
            App(app, api.private_key, tmp_path / "app.pem"), Way(ca=ca)
        )
        host.expected = basic("x-access-token", sold)
        mirror.fetch()
        second = upstream.commit({"a.yaml": "2"})
        mirror.fetch()

        assert (mirror.head().commit, 2) == (second, len(api.tokens))
