"""The webhook's door, over real sockets."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import re
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from gitsource.errors import ConfigurationError
from gitsource.settings import Address, Bytes, FilePath, Webhook
from gitsource.triggers.webhook import serve_webhook

CASES = sorted((Path(__file__).parent / "deliveries").glob("*.http"))
SECRET = "It's a Secret to Everybody"
MAX_BODY = 4096


@asynccontextmanager
async def door(folder: Path, *, ref: str = "main", deadline: float = 5.0):
    """An open door; what it asks for and counts is kept in lists."""
    secrets = folder / "secrets"
    secrets.write_text(f"{SECRET}\n\n   \nthe next secret\n")
    pokes: list[str] = []
    counts: list[str] = []
    listener = await serve_webhook(
        Webhook(Address("127.0.0.1:0"), FilePath(str(secrets)), Bytes(MAX_BODY)),
        ref,
        pokes.append,
        counts.append,
        deadline=deadline,
    )
    try:
        yield listener, pokes, counts
    finally:
        await listener.close()


def sign(secret: str, body: bytes) -> str:
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


async def exchange(port: int, raw: bytes) -> tuple[int, dict]:
    """Send *raw* and return status and JSON of the answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(raw)
    await writer.drain()
    answer = await asyncio.wait_for(reader.read(), 10)
    writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body) if body.startswith(b"{") else {}


def read_case(file: Path) -> tuple[str, bytes]:
    """Return the expected answer of a case, and the request as it goes over the wire."""
    head, _, body = file.read_bytes().partition(b"\n\n")
    body = body.removesuffix(b"\n")
    lines = head.split(b"\n")
    assert lines[0].startswith(b"# ")
    expected = lines[1].removeprefix(b"expect: ").decode()
    headers = [
        re.sub(rb"sign\((.*)\)", lambda found: sign(found[1].decode(), body).encode(), line)
        for line in lines[2:]
    ]
    if not any(line.lower().startswith(b"content-length:") for line in headers):
        headers.append(b"Content-Length: %d" % len(body))
    start = [b"POST /webhook HTTP/1.1", b"Host: hook.example", b"Connection: close"]
    return expected, b"\r\n".join([*start, *headers, b"", body])


@pytest.mark.parametrize("case", CASES, ids=lambda file: file.stem)
async def test_a_delivery_gets_its_verdict(case, tmp_path):
    expected, request = read_case(case)
    async with door(tmp_path) as (listener, pokes, counts):
        status, answer = await exchange(listener.port, request)

    assert f"{status} {answer['verdict']}" == expected
    assert counts == [answer["verdict"]]
    assert pokes == (["webhook"] if status == 202 else [])


async def test_all_causes_of_a_bad_signature_read_the_same(tmp_path):
    answers = set()
    async with door(tmp_path) as (listener, _, _):
        for case in CASES:
            if case.stem.startswith("signature-"):
                answers.add(str(await exchange(listener.port, read_case(case)[1])))

    assert len(answers) == 1


async def post(port: int, body: bytes, **headers: str):
    """Post a signed push as GitHub does; returns status and verdict."""
    given = {
        "Content-Type": "application/json",
        "X-GitHub-Event": "push",
        "X-Hub-Signature-256": sign(SECRET, body),
    }
    async with (
        aiohttp.ClientSession() as session,
        session.post(
            f"http://127.0.0.1:{port}/webhook", data=body, headers=given | headers
        ) as answer,
    ):
        return answer.status, (await answer.json())["verdict"]


PUSH = b'{"ref":"refs/heads/main"}'


async def test_a_delivery_sent_again_is_answered_but_not_looked_at_again(tmp_path):
    async with door(tmp_path) as (listener, pokes, _):
        first = await post(listener.port, PUSH, **{"X-GitHub-Delivery": "one"})
        again = await post(listener.port, PUSH, **{"X-GitHub-Delivery": "one"})
        other = await post(listener.port, PUSH, **{"X-GitHub-Delivery": "two"})

    assert [first, again, other] == [(202, "accepted"), (200, "duplicate"), (202, "accepted")]
    assert pokes == ["webhook", "webhook"]


async def test_a_refused_delivery_may_be_sent_again_when_the_cause_is_gone(tmp_path):
    """Only accepted deliveries are remembered: 'redeliver' after mending the secret works."""
    async with door(tmp_path) as (listener, _, _):
        wrong = await post(
            listener.port, PUSH, **{"X-GitHub-Delivery": "one", "X-Hub-Signature-256": "sha256=00"}
        )
        right = await post(listener.port, PUSH, **{"X-GitHub-Delivery": "one"})

    assert [wrong, right] == [(401, "unsigned"), (202, "accepted")]


async def test_a_changed_secret_counts_from_the_next_delivery_on(tmp_path):
    async with door(tmp_path) as (listener, _, _):
        before = await post(listener.port, PUSH)
        (tmp_path / "secrets").write_text("another one\n")
        old = await post(listener.port, PUSH)
        new = await post(listener.port, PUSH, **{"X-Hub-Signature-256": sign("another one", PUSH)})

    assert [before, old, new] == [(202, "accepted"), (401, "unsigned"), (202, "accepted")]


async def test_a_chunked_body_is_cut_off_at_the_cap(tmp_path):
    """A body without a length is refused as soon as it is too large, not when it ends."""
    async with door(tmp_path) as (listener, _, _):
        head = (
            b"POST /webhook HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n"
        )
        chunk = b"800\r\n" + b"x" * 0x800 + b"\r\n"
        # No last chunk: only the cap can end it before the deadline does.
        status, answer = await exchange(listener.port, head + chunk * 3)

    assert (status, answer["verdict"]) == (413, "too_large")


async def test_a_body_that_does_not_come_is_not_waited_for(tmp_path):
    async with door(tmp_path, deadline=0.05) as (listener, _, counts):
        head = (
            b"POST /webhook HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n"
            b"Content-Length: 100\r\n\r\n{"
        )
        status, answer = await exchange(listener.port, head)

    assert (status, answer["verdict"]) == (408, "too_slow")
    assert counts == ["too_slow"]


@pytest.mark.parametrize(
    "body", [b"zz\r\nnot a chunk\r\n0\r\n\r\n", b"5\r\nab", b"ffffffffffffffffff\r\nx\r\n"]
)
async def test_broken_chunks_end_that_connection_only(tmp_path, body, caplog):
    async with door(tmp_path, deadline=0.2) as (listener, pokes, _):
        head = (
            b"POST /webhook HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n"
        )
        status, _ = await exchange(listener.port, head + body)
        after = await post(listener.port, PUSH)

    assert 400 <= status < 500
    assert after == (202, "accepted")
    assert pokes == ["webhook"]
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


@pytest.mark.parametrize(
    "request_head",
    [
        b"POST /webhook HTTP/1.1\r\nHost: h\r\nContent-Type: a/b\r\nContent-Type: c/d\r\n\r\n",
        b"POST /webhook HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /" + b"x" * 20000 + b" HTTP/1.1\r\nHost: h\r\n\r\n",
        b"POST /webhook HTTP/1.1\r\n" + b"X: y\r\n" * 1000 + b"\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
    ids=["two types", "negative length", "two lengths", "long path", "many headers", "TLS"],
)
async def test_what_is_no_http_is_refused_without_filling_the_log(tmp_path, request_head, caplog):
    async with door(tmp_path) as (listener, pokes, _):
        status, _ = await exchange(listener.port, request_head)

    assert status == 400
    assert pokes == []
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


async def test_a_caller_that_hangs_up_in_mid_body_disturbs_nobody(tmp_path):
    async with door(tmp_path) as (listener, _, _):
        _, writer = await asyncio.open_connection("127.0.0.1", listener.port)
        writer.write(b"POST /webhook HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n")
        writer.write(b"Content-Length: 100\r\n\r\n{")
        await writer.drain()
        writer.transport.abort()
        after = await post(listener.port, PUSH)

    assert after == (202, "accepted")


async def test_the_answer_does_not_wait_for_the_look(tmp_path):
    """The door only pokes; a poke that schedules slow work does not hold the answer."""
    async with door(tmp_path) as (listener, pokes, _):
        answers = await asyncio.gather(*(post(listener.port, PUSH) for _ in range(20)))

    assert set(answers) == {(202, "accepted")}
    assert len(pokes) == 20


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/webhook", 405), ("POST", "/other", 404), ("PUT", "/webhook", 405)],
)
async def test_other_paths_and_methods_are_refused(tmp_path, method, path, status):
    async with (
        door(tmp_path) as (listener, pokes, _),
        aiohttp.ClientSession() as session,
        session.request(method, f"http://127.0.0.1:{listener.port}{path}") as answer,
    ):
        assert answer.status == status
        assert answer.headers["Server"] == "gitsource"
        assert pokes == []


async def test_deliveries_are_taken_at_the_root_too(tmp_path):
    async with door(tmp_path) as (listener, pokes, _), aiohttp.ClientSession() as session:
        headers = {"Content-Type": "application/json", "X-Signature": sign(SECRET, b"{}")}
        url = f"http://127.0.0.1:{listener.port}/"
        async with session.post(url, data=b"{}", headers=headers) as answer:
            assert answer.status == 202
        assert pokes == ["webhook"]


async def test_nothing_that_is_logged_or_answered_has_the_secret(tmp_path, caplog):
    caplog.set_level("DEBUG")
    async with door(tmp_path) as (listener, _, _):
        for case in CASES:
            _, answer = await exchange(listener.port, read_case(case)[1])
            assert SECRET not in str(answer)

    logged = " ".join(str(vars(record)) for record in caplog.records)
    assert "delivery" in logged
    assert SECRET not in logged


async def test_refusals_cannot_fill_the_log(tmp_path, caplog):
    async with door(tmp_path) as (listener, _, counts):
        for _ in range(30):
            await post(listener.port, PUSH, **{"X-Hub-Signature-256": "sha256=00"})

    refused = [r for r in caplog.records if r.getMessage() == "webhook delivery refused"]
    assert len(counts) == 30
    assert len(refused) == 1


async def test_a_door_without_a_secret_does_not_open(tmp_path):
    secrets = tmp_path / "secrets"
    secrets.write_text("\n  \n")
    settings = Webhook(Address("127.0.0.1:0"), FilePath(str(secrets)))

    with pytest.raises(ConfigurationError, match="no secret"):
        await serve_webhook(settings, "main", print, print)
    with pytest.raises(ConfigurationError, match=r"without webhook\.secret_file"):
        await serve_webhook(Webhook(Address("127.0.0.1:0")), "main", print, print)
