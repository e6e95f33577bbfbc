"""The webhook door over TLS, and what the audit log is told of deliveries."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl

import aiohttp
import pytest

from gitsource.errors import ConfigurationError
from gitsource.settings.units import Address, FilePath
from svids import Mesh
from webhook_door import SECRET, door, sign

BODY = json.dumps({"ref": "refs/heads/main", "after": "a" * 40, "repository": {}}).encode()


@pytest.fixture
def papers(tmp_path) -> Mesh:
    """Papers of a door, in files."""
    made = Mesh()
    made.server().put(tmp_path, "door")
    return made


def paths(folder) -> dict:
    return {"cert": FilePath(str(folder / "door.pem")), "key": FilePath(str(folder / "door.key"))}


async def deliver(port: int, tls: ssl.SSLContext | None) -> tuple[int, dict]:
    headers = {
        "Content-Type": "application/json",
        "X-GitHub-Event": "push",
        "X-Hub-Signature-256": sign(SECRET, BODY),
    }
    scheme = "http" if tls is None else "https"
    connector = aiohttp.TCPConnector(ssl=tls) if tls is not None else None
    async with (
        aiohttp.ClientSession(connector=connector) as client,
        client.post(f"{scheme}://localhost:{port}/webhook", data=BODY, headers=headers) as got,
    ):
        return got.status, dict(got.headers)


async def test_a_delivery_comes_in_over_tls(papers, tmp_path):
    tls = ssl.create_default_context(cadata=papers.pem.decode())
    async with door(tmp_path, **paths(tmp_path)) as opened:
        status, headers = await deliver(opened.port, tls)

    assert (status, opened.counts) == (202, ["accepted"])
    assert headers["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert headers["Cache-Control"] == "no-store"


async def test_plaintext_reaches_nothing_behind_it(papers, tmp_path):
    async with door(tmp_path, **paths(tmp_path)) as opened:
        with pytest.raises((aiohttp.ClientError, OSError)):
            await deliver(opened.port, None)
        await asyncio.sleep(0.05)

    assert opened.counts == []


async def test_papers_that_do_not_fit_open_no_door(papers, tmp_path):
    Mesh().server().put(tmp_path, "other")
    wrong = paths(tmp_path) | {"key": FilePath(str(tmp_path / "other.key"))}
    with pytest.raises(ConfigurationError, match=r"webhook\.key .* does not fit"):
        async with door(tmp_path, **wrong):
            pass


async def test_papers_lie_beside_the_settings_and_refusals_are_recorded(papers, tmp_path):
    """As the program opens it: with names of files, the oldest TLS of the settings, and a log."""
    told = []
    how = {"folder": tmp_path, "record": told.append, "oldest": "1.2"}
    tls = ssl.create_default_context(cadata=papers.pem.decode())
    tls.maximum_version = ssl.TLSVersion.TLSv1_2
    names = {"cert": FilePath("door.pem"), "key": FilePath("door.key")}
    async with door(tmp_path, how=how, **names) as opened:
        status, _ = await deliver(opened.port, tls)
        with pytest.raises((aiohttp.ClientError, OSError)):
            await deliver(opened.port, None)
        await asyncio.sleep(0.05)

    assert 202 == status
    assert [("refuse", "webhook")] == [(one.event, one.facts["door"]) for one in told]


async def test_a_door_that_cannot_be_opened_leaves_nothing_behind(papers, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = Address(f"127.0.0.1:{other.getsockname()[1]}")
        with pytest.raises(ConfigurationError, match=r"webhook\.listen: cannot listen"):
            async with door(tmp_path, listen=taken, **paths(tmp_path)):
                pass
    await asyncio.sleep(0)

    assert [] == [t for t in asyncio.all_tasks() if t.get_name() == "papers of webhook"]
