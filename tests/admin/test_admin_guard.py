"""Who gets in at the operators' door, over real sockets: roles, TLS, sockets, foreign pages."""

from __future__ import annotations

import asyncio
import os
import ssl
import stat
from contextlib import asynccontextmanager
from dataclasses import replace

import aiohttp
import pytest

from gitsource.admin.commands import COMMANDS
from gitsource.admin.routes import application
from gitsource.admin.server import Terms, serve_admin
from gitsource.errors import ConfigurationError
from gitsource.observe.telemetry import Telemetry
from gitsource.settings.doors import Admin, AdminIdentity, AdminToken
from svids import Mesh, spiffe
from test_admin_server import READY, Scripted

READER, BOSS = "reader-reader-reader", "boss-boss-boss-boss-"
ROUTES = [
    (route.method, route.resource.canonical)
    for route in application(None, None, "127.0.0.1").router.routes()
]
PAGES = [path for method, path in ROUTES if method == "GET"]
OPERATOR = spiffe("ns/ops/sa/ada")


class Everything(Scripted):
    """Operations that answer whatever they are asked, and remember it."""

    def __getattr__(self, name):
        if name.startswith("_"):
            raise AttributeError(name)

        async def asked(*args, **told):
            return await self._did(name, *args, *told.values())

        return asked


@pytest.fixture
def admin(tmp_path) -> Admin:
    """A door that asks for tokens."""
    (tmp_path / "reader").write_text(READER)
    (tmp_path / "boss").write_text(BOSS)
    rows = (AdminToken("grafana", "reader", "viewer"), AdminToken("ada", "boss", "operator"))
    return Admin(tokens=rows)


@pytest.fixture
def told() -> list:
    """What the audit log is told."""
    return []


@asynccontextmanager
async def door(terms: Terms, address="127.0.0.1:0", tls=None):
    """An open door, a client of it, and what is behind it."""
    operations = Everything()
    listener = await serve_admin(operations, Telemetry(), address, terms)
    connector, base = None, f"http://127.0.0.1:{listener.port}"
    if address.startswith("unix:"):
        connector, base = aiohttp.UnixConnector(address.removeprefix("unix:")), "http://localhost"
    elif tls is not None:
        connector, base = aiohttp.TCPConnector(ssl=tls), f"https://localhost:{listener.port}"
    async with aiohttp.ClientSession(base, connector=connector) as client:
        try:
            yield client, operations, listener
        finally:
            await listener.close()


def as_bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def status_of(request) -> int:
    async with request as response:
        await response.read()
        return response.status


# ------------------------------------------------------------------ guessing


async def test_after_many_wrong_tokens_none_of_that_address_is_looked_at(admin, tmp_path, told):
    """Probes go on, and so does who shows no token where none is needed."""
    terms = Terms(admin, folder=tmp_path, record=told.append, failed_tokens=lambda: 3)
    async with door(terms) as (client, operations, _):
        wrong = [
            await status_of(client.get("/status", headers=as_bearer(f"guess-{at:020}")))
            for at in range(5)
        ]
        right = await status_of(client.get("/status", headers=as_bearer(READER)))
        probe = await status_of(client.get("/readyz", headers=as_bearer(READER)))
        async with client.get("/status", headers=as_bearer(READER)) as response:
            said = await response.json()

    assert ([401, 401, 401, 429, 429], 429, 200) == (wrong, right, probe)
    assert [] == [call for call in operations.calls if call[0] == "status"]
    assert "limits.failed_tokens" in said["hint"]
    assert ["refuse"] * 7 == [one.event for one in told]


async def test_right_tokens_are_never_slowed_down(admin, tmp_path):
    terms = Terms(admin, folder=tmp_path, failed_tokens=lambda: 2)
    async with door(terms) as (client, _, _):
        got = [await status_of(client.get("/status", headers=as_bearer(READER))) for _ in range(20)]
        nothing = [await status_of(client.get("/status")) for _ in range(5)]
        after = await status_of(client.get("/status", headers=as_bearer(READER)))

    assert ([200] * 20, [401] * 5, 200) == (got, nothing, after)


# ------------------------------------------------------------------ roles


@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_without_a_token_every_path_is_closed_but_those_for_probes(
    admin, tmp_path, told, method, path
):
    terms = Terms(admin, folder=tmp_path, record=told.append)
    async with door(terms) as (client, operations, _):
        got = await status_of(client.request(method, path, json={} if method == "POST" else None))

    if path in {"/healthz", "/readyz"}:
        assert (got, told) == (200, [])
    else:
        assert (got, operations.calls) == (401, [])
        assert [(one.event, one.outcome, one.facts["path"]) for one in told] == [
            ("refuse", "refused", path)
        ]


@pytest.mark.parametrize("name", COMMANDS)
async def test_a_viewer_gives_no_orders_and_the_attempt_is_told(admin, tmp_path, told, name):
    terms = Terms(admin, folder=tmp_path, record=told.append)
    async with door(terms) as (client, operations, _):
        got = await status_of(client.post(f"/{name}", json={}, headers=as_bearer(READER)))

    assert (got, operations.calls) == (403, [])
    assert [(one.event, one.who, one.outcome) for one in told] == [
        ("refuse", "token:grafana", "refused")
    ]


@pytest.mark.parametrize("path", ["/", "/status", "/metrics", "/history"])
async def test_a_viewer_reads(admin, tmp_path, told, path):
    terms = Terms(admin, folder=tmp_path, record=told.append)
    async with door(terms) as (client, operations, _):
        operations.history = operations.status
        got = await status_of(client.get(path, headers=as_bearer(READER)))

    assert (got, told) == (200, [])


async def test_an_operator_gives_orders_under_the_name_that_is_proved(admin, tmp_path, told):
    """Whatever name is claimed besides."""
    order = {"revision": "abc", "reason": "bad deploy", "who": "root"}
    terms = Terms(admin, folder=tmp_path, record=told.append)
    async with door(terms) as (client, operations, _):
        got = await status_of(client.post("/pin", json=order, headers=as_bearer(BOSS)))
        (one,) = told

    assert got == 200
    assert operations.calls == [("pin", "abc", "bad deploy", "token:ada (root)")]
    assert (one.event, one.who, one.outcome, one.why) == (
        "command",
        "token:ada",
        "ok",
        "bad deploy",
    )
    assert one.facts == {"command": "pin", "revision": "abc", "claimed": "root"}
    assert one.peer.startswith("127.0.0.1:")


async def test_where_nobody_is_asked_the_claimed_name_is_told_as_it_was(told):
    async with door(Terms(record=told.append)) as (client, _, _):
        await status_of(client.post("/unpin", json={"who": "ada@laptop"}))

    assert [(one.who, one.facts) for one in told] == [("ada@laptop", {"command": "unpin"})]


async def test_an_order_that_failed_is_told_as_failed(told):
    async with door(Terms(record=told.append)) as (client, operations, _):
        operations.error = ConfigurationError("no such revision")
        await status_of(client.post("/pin", json={"revision": "abc", "reason": "r"}))

    assert [(one.event, one.outcome, one.facts["error"]) for one in told] == [
        ("command", "failed", "no such revision")
    ]


@pytest.mark.parametrize("path", PAGES)
async def test_no_get_changes_anything(path):
    """Every page is read by an operator, with whatever a command would take as its query."""
    changing = set(COMMANDS)
    async with door(Terms()) as (client, operations, _):
        query = {"revision": "abc", "reason": "r", "who": "w", "sink": "s"}
        await status_of(client.get(path, params=query))
        await status_of(client.get(path))
        for name in COMMANDS:
            assert await status_of(client.get(f"/{name}", params=query)) == 405

    assert {call[0] for call in operations.calls} & changing == set()


async def test_probes_are_told_no_reasons_unless_they_may_read(admin, tmp_path):
    async with door(Terms(admin, folder=tmp_path)) as (client, operations, _):
        operations.told = READY | {"held": {"revision": "f" * 40, "reason": "a secret reason"}}
        async with client.get("/readyz") as response:
            stranger = await response.json()
        async with client.get("/readyz", headers=as_bearer(READER)) as response:
            reader = await response.json()

    assert stranger == {"ready": True}
    assert "a secret reason" in str(reader["reasons"])


async def test_metrics_are_open_if_the_settings_say_so(admin, tmp_path):
    open_ = replace(admin, open=("/metrics",))
    async with door(Terms(open_, folder=tmp_path)) as (client, _, _):
        got = [await status_of(client.get(path)) for path in ("/metrics", "/healthz", "/status")]

    assert got == [200, 401, 401]


async def test_a_refusal_says_how_to_ask_and_not_what_was_wrong(admin, tmp_path):
    async with door(Terms(admin, folder=tmp_path)) as (client, _, _):
        texts = []
        for headers in ({}, as_bearer("wrong"), as_bearer(BOSS + "x"), {"Authorization": "x"}):
            async with client.get("/status", headers=headers) as response:
                assert response.headers["WWW-Authenticate"] == 'Bearer realm="gitsource"'
                texts.append(await response.text())

    assert len(set(texts)) == 1


async def test_a_token_that_is_taken_out_of_its_file_no_longer_counts(admin, tmp_path):
    async with door(Terms(admin, folder=tmp_path)) as (client, _, _):
        before = await status_of(client.get("/status", headers=as_bearer(BOSS)))
        (tmp_path / "boss").write_text("another-another-another")
        after = await status_of(client.get("/status", headers=as_bearer(BOSS)))

    assert (before, after) == (200, 401)


# ------------------------------------------------------------------ pages of other sites

FORGED = {
    "a form": ({"Content-Type": "application/x-www-form-urlencoded"}, 415),
    "a form that looks like JSON": ({"Content-Type": "text/plain"}, 415),
    "a script": ({"Content-Type": "application/json", "Origin": "https://evil.example"}, 403),
    "a sandbox": ({"Content-Type": "application/json", "Origin": "null"}, 403),
    "another port": ({"Content-Type": "application/json", "Origin": "http://127.0.0.1:1"}, 403),
    "two origins": (
        [("Content-Type", "application/json"), ("Origin", "http://HERE"), ("Origin", "http://x")],
        403,
    ),
    "another site": (
        {"Content-Type": "application/json", "Sec-Fetch-Site": "cross-site"},
        403,
    ),
    "a neighbour": ({"Content-Type": "application/json", "Sec-Fetch-Site": "same-site"}, 403),
    "a forged navigation": (
        {
            "Content-Type": "application/json",
            "Sec-Fetch-Site": "cross-site",
            "Sec-Fetch-Mode": "navigate",
            "Sec-Fetch-Dest": "document",
        },
        403,
    ),
    "a rebound name": ({"Content-Type": "application/json", "Host": "evil.example"}, 403),
}


@pytest.mark.parametrize("how", FORGED)
async def test_a_page_of_another_site_gives_no_orders(how):
    """On loopback nobody is asked who they are: the browser of an operator is enough."""
    headers, expected = FORGED[how]
    async with door(Terms()) as (client, operations, listener):
        if isinstance(headers, list):
            headers = [(k, v.replace("HERE", f"127.0.0.1:{listener.port}")) for k, v in headers]
        got = await status_of(client.post("/unpin", data=b"{}", headers=headers))

    assert (got, operations.calls) == (expected, [])


@pytest.mark.parametrize("dest", ["image", "script", "iframe", "empty"])
async def test_a_page_of_another_site_reads_nothing_either(dest):
    headers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": dest}
    async with door(Terms()) as (client, _, _):
        assert await status_of(client.get("/status", headers=headers)) == 403


async def test_a_link_to_the_status_page_may_be_followed():
    headers = {
        "Sec-Fetch-Site": "cross-site",
        "Sec-Fetch-Mode": "navigate",
        "Sec-Fetch-Dest": "document",
    }
    async with door(Terms()) as (client, _, _):
        assert await status_of(client.get("/", headers=headers)) == 200


async def test_its_own_page_and_tools_may_ask():
    async with door(Terms()) as (client, _, _):
        for site in ("same-origin", "none"):
            assert await status_of(client.get("/status", headers={"Sec-Fetch-Site": site})) == 200


# ------------------------------------------------------------------ TLS


@pytest.fixture
def mesh(tmp_path) -> Mesh:
    """An authority, with the papers of the door in files."""
    made = Mesh()
    made.server().put(tmp_path, "door")
    (tmp_path / "ca.pem").write_bytes(made.pem)
    return made


PAPERS = Admin(
    cert="door.pem",
    key="door.key",
    ca="ca.pem",
    identities=(
        AdminIdentity(spiffe("ns/ops/sa/*"), "operator"),
        AdminIdentity("dns:grafana.example.com", "viewer"),
    ),
)


def client_tls(mesh: Mesh, tmp_path, papers=None) -> ssl.SSLContext:
    """Trust the mesh's authority, and show *papers*."""
    context = ssl.create_default_context(cadata=mesh.pem.decode())
    if papers is not None:
        context.load_cert_chain(*papers.put(tmp_path, "client"))
    return context


async def asked(mesh, tmp_path, told, papers, method="GET", path="/status"):
    """Ask with *papers*; returns the status, or what went wrong with TLS."""
    terms = Terms(PAPERS, folder=tmp_path, record=told.append)
    tls = client_tls(mesh, tmp_path, papers)
    async with door(terms, "0.0.0.0:0", tls) as (client, _, _):
        body = {} if method == "POST" else None
        try:
            return await status_of(client.request(method, path, json=body))
        except (aiohttp.ClientError, OSError) as error:
            return type(error).__name__
        finally:
            await asyncio.sleep(0.05)


async def test_an_operator_comes_in_by_certificate(mesh, tmp_path, told):
    got = await asked(mesh, tmp_path, told, mesh.svid(OPERATOR), "POST", "/unpin")

    assert got == 200
    assert [(one.event, one.who) for one in told] == [("command", OPERATOR)]


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("crl.pem", lambda mesh, papers: mesh.revoking(papers)),
        ("ca.pem", lambda _mesh, _papers: Mesh().pem),
    ],
)
async def test_an_open_connection_does_not_outlive_the_right_to_make_it(
    file, content, mesh, tmp_path, told
):
    papers = mesh.svid(OPERATOR)
    (tmp_path / "crl.pem").write_bytes(mesh.revoking())
    terms = Terms(replace(PAPERS, crl="crl.pem"), folder=tmp_path, record=told.append)
    async with door(terms, tls=client_tls(mesh, tmp_path, papers)) as (client, _, _):
        before = await status_of(client.get("/status"))
        (tmp_path / file).write_bytes(content(mesh, papers))
        async with asyncio.timeout(15):
            while (after := await status_of(client.get("/status"))) == 200:  # noqa: ASYNC110 - files are looked at by the clock
                await asyncio.sleep(0.2)

    assert (200, 401) == (before, after)


async def test_a_viewer_comes_in_by_certificate_and_gives_no_orders(mesh, tmp_path, told):
    papers = mesh.svid(dns=["grafana.example.com"])

    assert await asked(mesh, tmp_path, told, papers) == 200
    assert await asked(mesh, tmp_path, told, papers, "POST", "/unpin") == 403


async def test_strangers_with_papers_of_our_authority_are_nobody(mesh, tmp_path, told):
    for papers in (
        None,
        mesh.svid(spiffe("ns/shop/sa/web")),
        mesh.svid(spiffe("ns/ops/sa/ada", "evil.example")),
        mesh.svid(OPERATOR, spiffe("ns/ops/sa/bob")),
        mesh.svid(common="ada"),
        mesh.svid(dns=["other.example.com"]),
    ):
        told.clear()

        assert await asked(mesh, tmp_path, told, papers) == 401
        assert [(one.event, one.outcome, bool(one.why)) for one in told] == [
            ("refuse", "refused", True)
        ]


async def test_papers_of_another_authority_or_that_ran_out_never_reach_http(mesh, tmp_path, told):
    for papers in (
        Mesh().svid(OPERATOR),
        mesh.svid(OPERATOR, days=-1),
        mesh.svid(OPERATOR, self_signed=True, common="x"),
    ):
        told.clear()
        got = await asked(mesh, tmp_path, told, papers)

        assert got != 200
        assert {(one.event, one.outcome, one.facts["what"]) for one in told} == {
            ("refuse", "refused", "connection")
        }
        assert "certificate" in told[0].why or "TLS" in told[0].why


async def test_plaintext_at_a_tls_door_is_refused_and_told(mesh, tmp_path, told):
    terms = Terms(PAPERS, folder=tmp_path, record=told.append)
    async with door(terms) as (client, operations, _):
        with pytest.raises((aiohttp.ClientError, OSError)):
            await status_of(client.post("/unpin", json={}))
        await asyncio.sleep(0.05)

    assert operations.calls == []
    assert [(one.event, one.outcome) for one in told] == [("refuse", "refused")]


async def test_old_tls_is_not_spoken(mesh, tmp_path, told):
    terms = Terms(PAPERS, folder=tmp_path, record=told.append)
    tls = client_tls(mesh, tmp_path, mesh.svid(OPERATOR))
    tls.maximum_version = ssl.TLSVersion.TLSv1_2
    async with door(terms, tls=tls) as (client, _, _):
        with pytest.raises((aiohttp.ClientError, OSError)):
            await status_of(client.get("/status"))


async def test_connections_that_say_nothing_count_towards_the_cap(mesh, tmp_path):
    """Else a handshake that is never begun would cost a descriptor each, without end."""
    async with door(Terms(PAPERS, folder=tmp_path)) as (_, _, listener):
        pairs = [await asyncio.open_connection("127.0.0.1", listener.port) for _ in range(256)]
        await asyncio.sleep(0.05)
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
        over = await asyncio.wait_for(reader.read(), 5)
        for _, each in (*pairs, (reader, writer)):
            each.close()

    assert over == b""


async def test_over_tls_browsers_are_told_to_stay_with_it(mesh, tmp_path):
    tls = client_tls(mesh, tmp_path, mesh.svid(OPERATOR))
    terms = Terms(PAPERS, folder=tmp_path)
    async with door(terms, tls=tls) as (client, _, _), client.get("/healthz") as response:
        assert response.headers["Strict-Transport-Security"] == "max-age=31536000"


# ------------------------------------------------------------------ addresses


@pytest.mark.parametrize("address", ["0.0.0.0:0", "[::]:0", "192.0.2.1:0"])
async def test_a_network_gets_no_door_without_tls_and_login(admin, tmp_path, mesh, address):
    naked = Admin(cert="door.pem", key="door.key")
    for lacking in (Admin(), admin, naked):
        with pytest.raises(ConfigurationError, match=r"listen\.admin: .* on a network it needs"):
            await serve_admin(Everything(), Telemetry(), address, Terms(lacking, folder=tmp_path))


async def test_an_insecure_door_says_so_in_log_and_readiness(caplog):
    terms = Terms(insecure=True)
    async with door(terms, "0.0.0.0:0") as (client, _, _), client.get("/readyz") as response:
        reasons = (await response.json())["reasons"]

    assert "insecure" in str(reasons)
    assert "open to whoever reaches" in caplog.text


async def test_a_unix_socket_is_its_owners_alone_and_names_who_asks(tmp_path, told):
    path = tmp_path / "admin.sock"
    async with door(Terms(record=told.append), f"unix:{path}") as (client, operations, listener):
        mode = stat.S_IMODE(path.stat().st_mode)
        got = await status_of(client.post("/unpin", json={"who": "ada"}))

    assert (mode, got, listener.address) == (0o600, 200, f"unix:{path}")
    assert [one.who for one in told] == [f"uid:{os.getuid()}"]
    assert operations.calls == [("unpin", "", f"uid:{os.getuid()} (ada)")]


async def test_a_socket_that_was_left_behind_is_taken_over_and_one_in_use_is_not(tmp_path):
    path = tmp_path / "admin.sock"
    address = f"unix:{path}"
    async with door(Terms(), address):
        with pytest.raises(ConfigurationError, match="in use"):
            await serve_admin(Everything(), Telemetry(), address, Terms())
    async with door(Terms(), address) as (client, _, _):
        assert await status_of(client.get("/healthz")) == 200


async def test_no_link_is_followed_to_a_socket(tmp_path):
    (tmp_path / "link.sock").symlink_to(tmp_path / "elsewhere.sock")
    with pytest.raises(ConfigurationError, match=r"listen\.admin"):
        await serve_admin(Everything(), Telemetry(), f"unix:{tmp_path}/link.sock", Terms())

    assert not (tmp_path / "elsewhere.sock").exists()
