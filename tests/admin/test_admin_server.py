"""The operators' door, over real sockets, before operations that a test scripts."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from contextlib import asynccontextmanager

import aiohttp
import pytest

from gitsource.admin.server import Terms, serve_admin
from gitsource.errors import (
    ConfigurationError,
    GitFailed,
    GitsourceError,
    RefMissing,
    RemoteUnreachable,
    RevisionRejected,
    StateError,
)
from gitsource.observe.telemetry import Telemetry

READY = {
    "revision": "0f1e2d3c4b5a",
    "version": "v=",
    "ready": True,
    "stale_since": None,
    "held": None,
    "pin": None,
    "suspended": None,
    "last_sync": {"at": "2026-01-01T00:00:00Z", "outcome": "published", "error": None},
    "repository": {"url": "file:///srv/mesh.git", "ref": "main", "path": ""},
    "findings": [],
    "collections": {},
    "sinks": [],
}


class Scripted:
    """Operations that remember what they were asked and answer as told."""

    def __init__(self) -> None:
        self.calls: list[tuple] = []
        self.told: dict = dict(READY)
        self.error: Exception | None = None
        self.gate: asyncio.Event | None = None
        self.ended: list[str] = []

    async def status(self):
        if self.error:
            raise self.error
        return self.told

    async def wait(self, revision, sinks, timeout):  # noqa: ASYNC109 - as the real one
        return await self._did("wait", revision, sinks, timeout)

    async def sync(self, reason, timeout):  # noqa: ASYNC109 - as the real one
        return await self._did("sync", reason, timeout)

    async def pin(self, revision, reason, who):
        return await self._did("pin", revision, reason, who)

    async def unpin(self, reason, who):
        return await self._did("unpin", reason, who)

    async def suspend(self, reason, who):
        return await self._did("suspend", reason, who)

    async def resume(self, reason, who):
        return await self._did("resume", reason, who)

    async def snapshot(self, collection, after):
        return await self._did("snapshot", collection, after)

    async def webhooks(self):
        return await self._did("webhooks")

    async def webhook(self, name):
        return await self._did("webhook", name)

    async def _did(self, *call):
        self.calls.append(call)
        try:
            if self.gate is not None:
                await self.gate.wait()
        except asyncio.CancelledError:
            self.ended.append(f"{call[0]} cancelled")
            raise
        if self.error:
            raise self.error
        self.ended.append(f"{call[0]} done")
        return {"did": call[0]}


@asynccontextmanager
async def door(operations=None, address="127.0.0.1:0", terms=None):
    """An open door and a client for it."""
    operations = operations or Scripted()
    listener = await serve_admin(operations, Telemetry(), address, terms)
    base = f"http://127.0.0.1:{listener.port}"
    async with aiohttp.ClientSession(base) as client:
        try:
            yield client, operations
        finally:
            await listener.close()


async def answer(request) -> tuple[int, dict]:
    async with request as response:
        return response.status, await response.json()


# ---------------------------------------------------------------------- reading


async def test_health_is_answered_even_when_nothing_else_works():
    operations = Scripted()
    operations.error = StateError("disk gone")
    async with door(operations) as (client, _):
        assert await answer(client.get("/healthz")) == (200, {"alive": True})


async def test_it_is_not_ready_before_the_first_snapshot_and_says_why():
    operations = Scripted()
    operations.told |= {
        "ready": False,
        "revision": None,
        "last_sync": {"outcome": "failed", "error": "git.example does not answer"},
    }
    async with door(operations) as (client, _):
        status, told = await answer(client.get("/readyz"))

    assert status == 503
    assert told["ready"] is False
    assert told["reasons"] == [
        "no snapshot is served yet",
        "the last look failed: git.example does not answer",
    ]


async def test_it_stays_ready_on_the_last_good_snapshot_whatever_happens_behind_it():
    operations = Scripted()
    operations.told |= {
        "stale_since": "2026-01-01T00:00:00Z",
        "held": {"revision": "ffff", "reason": "does not validate"},
        "suspended": {"reason": "freeze", "who": "ada"},
    }
    async with door(operations) as (client, _):
        status, told = await answer(client.get("/readyz"))

    assert (status, told["ready"]) == (200, True)
    assert len(told["reasons"]) == 2
    assert told["stale_since"] == "2026-01-01T00:00:00Z"


async def test_status_is_what_operations_say():
    async with door() as (client, operations):
        assert await answer(client.get("/status")) == (200, operations.told)


async def test_metrics_come_in_prometheus_text():
    async with door() as (client, _), client.get("/metrics") as response:
        assert response.status == 200
        assert response.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        assert "gitsource_sinks 0.0" in await response.text()


async def test_waiting_hands_its_parameters_on():
    async with door() as (client, operations):
        await answer(client.get("/wait?revision=main&sinks=3&timeout=1.5"))
        await answer(client.get("/wait?revision=abc"))

    assert operations.calls == [("wait", "main", 3, 1.5), ("wait", "abc", 0, 30.0)]


@pytest.mark.parametrize(
    "query",
    [
        "",
        "revision=",
        "revision=a&sinks=-1",
        "revision=a&sinks=1e3",
        "revision=a&sinks=99999999999",
        "revision=a&timeout=nan",
        "revision=a&timeout=-1",
        "revision=a&timeout=999999",
        "revision=a&timeout=soon",
        "revision=a&other=1",
        "revision=a&revision=b",
        "revision=%00",
        "revision=%1b%5b2J",
        "revision=" + "a" * 1001,
    ],
)
async def test_what_cannot_be_waited_for_is_refused(query):
    async with door() as (client, operations):
        status, told = await answer(client.get(f"/wait?{query}"))

    assert (status, told["fault"]) == (400, "operator")
    assert operations.calls == []


async def test_a_waiter_that_goes_away_is_no_longer_waited_for():
    operations = Scripted()
    operations.gate = asyncio.Event()
    async with door(operations) as (client, _):
        with pytest.raises(TimeoutError):
            await answer(client.get("/wait?revision=a", timeout=aiohttp.ClientTimeout(total=0.05)))
        await client.get("/healthz")

        assert operations.ended == ["wait cancelled"]


# ---------------------------------------------------------------------- commands


@pytest.mark.parametrize(
    ("path", "body", "call"),
    [
        ("/sync", {"reason": "merge", "timeout": "1.5"}, ("sync", "merge", 1.5)),
        ("/sync", {}, ("sync", "operator", 0.0)),
        ("/pin", {"revision": "abc", "reason": "r", "who": "ada"}, ("pin", "abc", "r", "ada")),
        ("/pin", {"reason": "back", "who": "ada"}, ("pin", "", "back", "ada")),
        ("/unpin", {"reason": "r", "who": "ada"}, ("unpin", "r", "ada")),
        ("/suspend", {"reason": "r"}, ("suspend", "r", "someone at 127.0.0.1")),
        ("/resume", {"reason": " r ", "who": "ada"}, ("resume", "r", "ada")),
    ],
)
async def test_a_command_is_handed_on(path, body, call):
    async with door() as (client, operations):
        assert await answer(client.post(path, json=body)) == (200, {"did": call[0]})
        assert operations.calls == [call]


async def test_a_command_without_a_body_has_no_parameters():
    async with door() as (client, operations):
        headers = {"Content-Type": "application/json"}
        await answer(client.post("/sync", data=b"", headers=headers))

    assert operations.calls == [("sync", "operator", 0.0)]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        (b"[]", 400),
        (b'"x"', 400),
        (b"\xff", 400),
        (b"[" * 5000, 400),
        (b'{"reason": 1, "revision": "a"}', 400),
        (b'{"revision": ["a"]}', 400),
        (b'{"revision": "a", "force": true}', 400),
        (b'{"revision": "a\\nb"}', 400),
        (b'{"revision": "a", "reason": "\\u001b[2J"}', 400),
        (b'{"revision": "a", "reason": "\\u202e"}', 400),
        (b'{"revision": "' + b"a" * 1001 + b'"}', 400),
        (b" " * 70_000, 413),
    ],
)
async def test_a_command_that_makes_no_sense_is_refused_and_not_carried_out(body, status):
    async with door() as (client, operations):
        headers = {"Content-Type": "application/json"}
        got, told = await answer(client.post("/pin", data=body, headers=headers))

    assert (got, told["fault"]) == (status, "operator")
    assert told["error"]
    assert operations.calls == []


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""]
)
async def test_a_command_in_a_form_that_a_foreign_page_could_send_is_refused(content_type):
    async with door() as (client, operations):
        status, _ = await answer(
            client.post("/sync", data=b"{}", headers={"Content-Type": content_type})
        )

    assert status == 415
    assert operations.calls == []


async def test_a_compressed_command_is_refused():
    async with door() as (client, operations):
        headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
        status, _ = await answer(client.post("/sync", data=b"x", headers=headers))

    assert (status, operations.calls) == (415, [])


async def test_reading_paths_take_no_post_and_commands_no_get():
    async with door() as (client, operations):
        for path in ("/status", "/metrics", "/healthz", "/readyz", "/wait", "/"):
            assert (await answer(client.post(path, json={})))[0] == 405
        for path in ("/sync", "/pin", "/unpin", "/suspend", "/resume"):
            status, told = await answer(client.get(path))
            assert (status, told["hint"]) == (405, "use POST")

    assert operations.calls == []


async def test_a_command_that_has_begun_is_finished_even_if_its_caller_goes_away():
    operations = Scripted()
    operations.gate = asyncio.Event()
    async with door(operations) as (client, _):
        with pytest.raises(TimeoutError):
            await answer(client.post("/unpin", json={}, timeout=aiohttp.ClientTimeout(total=0.05)))
        await client.get("/healthz")
        operations.gate.set()
        await client.get("/healthz")

        assert operations.ended == ["unpin done"]


# ---------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("error", "status", "fault"),
    [
        (ConfigurationError("no such revision", hint="list them"), 400, "operator"),
        (RefMissing("no branch main"), 404, "repository"),
        (RevisionRejected("does not validate", ()), 422, "repository"),
        (RemoteUnreachable("git.example does not answer"), 502, "network"),
        (GitFailed("git died"), 502, "repository"),
        (StateError("disk full"), 500, "operator"),
        (GitsourceError("gitsource is stopping"), 503, "gitsource"),
    ],
)
async def test_an_error_says_whose_fault_it_is_and_what_to_do(error, status, fault):
    operations = Scripted()
    operations.error = error
    async with door(operations) as (client, _):
        got = await answer(client.post("/sync", json={}))

    assert got == (status, {"error": str(error), "hint": error.hint, "fault": fault})


async def test_an_unexpected_error_shows_its_details_in_the_log_only(caplog):
    operations = Scripted()
    operations.error = ZeroDivisionError("secret detail")
    async with door(operations) as (client, _):
        status, told = await answer(client.get("/status"))
        after = await answer(client.get("/healthz"))

    assert (status, told["fault"]) == (500, "gitsource")
    assert "secret detail" not in json.dumps(told)
    assert "secret detail" in caplog.text
    assert after == (200, {"alive": True})


@pytest.mark.parametrize(
    "path", ["/nowhere", "/status/../../etc/passwd", "/%2e%2e/etc/passwd", "/status/", "/debug"]
)
async def test_other_paths_are_not_found(path):
    async with door() as (client, _):
        status, told = await answer(client.get(path))

    assert status == 404
    assert set(told) == {"error", "hint", "fault"}


# ---------------------------------------------------------------------- browsers


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("127.0.0.1:9902", 200),
        ("[::1]:9902", 200),
        ("evil.example", 403),
        ("localhost.evil.example:9902", 403),
        ("192.168.0.1", 403),
        ("", 400),
        ("[", 400),
    ],
)
async def test_on_loopback_only_names_of_this_machine_are_answered(host, status):
    """A page whose name was rebound to 127.0.0.1 sends its own name in Host."""
    async with door() as (client, _):
        assert (await answer(client.get("/status", headers={"Host": host})))[0] == status


async def test_a_door_on_another_address_is_asked_by_any_name():
    """Probes and scrapes ask a pod by its address."""
    async with door(address="0.0.0.0:0", terms=Terms(insecure=True)) as (client, _):
        assert (await answer(client.get("/readyz", headers={"Host": "10.1.2.3:9902"})))[0] == 200


@pytest.mark.parametrize(
    ("origin", "status"),
    [("https://evil.example", 403), ("null", 403), ("http://localhost:1", 200)],
)
async def test_pages_of_other_sites_are_refused(origin, status):
    async with door() as (client, operations):
        headers = {"Host": "localhost:1", "Origin": origin}
        got, _ = await answer(client.post("/sync", json={}, headers=headers))

    assert got == status
    assert bool(operations.calls) == (status == 200)


@pytest.mark.parametrize("path", ["/", "/status", "/nowhere", "/sync"])
async def test_every_answer_forbids_framing_sniffing_scripts_and_keeping(path):
    async with door() as (client, _), client.get(path) as response:
        headers = response.headers

    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Cache-Control"] == "no-store"
    assert headers["Server"] == "gitsource"
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "Access-Control-Allow-Origin" not in headers


async def test_a_page_of_another_site_is_not_let_in_by_asking_first():
    async with door() as (client, _):
        headers = {
            "Origin": "https://evil.example",
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "content-type",
        }
        async with client.options("/sync", headers=headers) as response:
            assert response.status == 403
            assert "Access-Control-Allow-Origin" not in response.headers


async def test_an_address_that_is_none_is_refused():
    with pytest.raises(ConfigurationError, match=r"listen\.admin"):
        await serve_admin(Scripted(), Telemetry(), "nowhere")


def test_importing_the_door_does_not_import_its_http_library():
    script = "import sys, gitsource.admin.server as s\nassert 'aiohttp' not in sys.modules"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stderr) == (0, "")


# ---------------------------------------------------------------------- webhooks


async def test_deliveries_are_listed_and_one_is_shown_by_its_number():
    async with door() as (client, operations):
        listed = await answer(client.get("/webhooks"))
        shown = await answer(client.get("/webhook?id=7"))

    assert listed == (200, {"did": "webhooks"})
    assert shown == (200, {"did": "webhook"})
    assert operations.calls == [("webhooks",), ("webhook", "7")]


@pytest.mark.parametrize("query", ["", "?id=", "?id=1&more=2", "?id=%00"])
async def test_which_delivery_has_to_be_said(query):
    async with door() as (client, operations):
        status, told = await answer(client.get(f"/webhook{query}"))

    assert status == 400
    assert told["fault"] == "operator"
    assert operations.calls == []


# ---------------------------------------------------------------------- what is served


async def test_what_is_served_is_asked_for_as_a_whole_or_by_collection():
    async with door() as (client, operations):
        await answer(client.get("/snapshot"))
        await answer(client.get("/snapshot?collection=acme/v1/flags&after=shop/a"))

    assert operations.calls == [("snapshot", "", ""), ("snapshot", "acme/v1/flags", "shop/a")]


@pytest.mark.parametrize("query", ["bodies=1", "after=shop/a", "collection=%00"])
async def test_what_makes_no_sense_of_what_is_served_is_refused(query):
    async with door() as (client, operations):
        status, _ = await answer(client.get(f"/snapshot?{query}"))

    assert (status, operations.calls) == (400, [])
