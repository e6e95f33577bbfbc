"""The webhook's door, over real sockets."""

from __future__ import annotations

import asyncio
import gzip
import os
from dataclasses import asdict
from pathlib import Path

import aiohttp
import pytest

from gitsource.errors import ConfigurationError
from gitsource.settings.triggers import Webhook
from gitsource.settings.units import Address, FilePath
from gitsource.triggers.ledger import Ledger
from gitsource.triggers.webhook import Behind, serve_webhook
from webhook_door import CASES, KEY, SECRET, door, exchange, read_case, sign


@pytest.mark.parametrize("file", CASES, ids=lambda file: f"{file.parent.name}/{file.stem}")
async def test_a_delivery_gets_its_verdict(file, tmp_path):
    case = read_case(file)
    async with door(tmp_path, case.given) as opened:
        status, answer = await exchange(opened.port, case.request)
    (row,) = opened.ledger.rows()
    told = asdict(row)

    assert f"{status} {answer['verdict']}" == case.expected
    assert opened.counts == [answer["verdict"]]
    assert len(opened.pokes) == (status == 202)
    assert f"{told['status']} {told['verdict']}" == case.expected
    assert {key: told[key] for key in case.told} == case.told


async def test_all_causes_of_a_bad_proof_read_the_same(tmp_path):
    answers, reasons = set(), set()
    for case in map(read_case, CASES):
        if case.expected.startswith("401"):
            async with door(tmp_path, case.given) as opened:
                answers.add(str(await exchange(opened.port, case.request)))
                reasons.add(opened.ledger.rows()[0].reason)

    assert len(answers) == 1
    assert len(reasons) == 5  # the operator is told them apart


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
    async with door(tmp_path) as opened:
        first = await post(opened.port, PUSH, **{"X-GitHub-Delivery": "one"})
        again = await post(opened.port, PUSH, **{"X-GitHub-Delivery": "one"})
        other = await post(opened.port, PUSH, **{"X-GitHub-Delivery": "two"})

    assert [first, again, other] == [(202, "accepted"), (200, "duplicate"), (202, "accepted")]
    assert len(opened.pokes) == 2


async def test_a_refused_delivery_may_be_sent_again_when_the_cause_is_gone(tmp_path):
    """Only accepted deliveries are remembered: 'redeliver' after mending the secret works."""
    async with door(tmp_path) as opened:
        wrong = await post(
            opened.port, PUSH, **{"X-GitHub-Delivery": "one", "X-Hub-Signature-256": "sha256=00"}
        )
        right = await post(opened.port, PUSH, **{"X-GitHub-Delivery": "one"})

    assert [wrong, right] == [(401, "unsigned"), (202, "accepted")]


async def test_a_changed_secret_counts_from_the_next_delivery_on(tmp_path):
    async with door(tmp_path) as opened:
        before = await post(opened.port, PUSH)
        (tmp_path / "secrets").write_text("another one, longer\n")
        old = await post(opened.port, PUSH)
        new = await post(
            opened.port, PUSH, **{"X-Hub-Signature-256": sign("another one, longer", PUSH)}
        )

    assert [before, old, new] == [(202, "accepted"), (401, "unsigned"), (202, "accepted")]


async def test_a_chunked_body_is_cut_off_at_the_cap(tmp_path):
    """A body without a length is refused as soon as it is too large, not when it ends."""
    async with door(tmp_path) as opened:
        head = (
            b"POST /webhook HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n"
        )
        chunk = b"800\r\n" + b"x" * 0x800 + b"\r\n"
        # No last chunk: only the cap can end it before the deadline does.
        status, answer = await exchange(opened.port, head + chunk * 3)

    assert (status, answer["verdict"]) == (413, "too_large")


async def test_a_body_that_does_not_come_is_not_waited_for(tmp_path):
    async with door(tmp_path, deadline=0.05) as opened:
        head = (
            b"POST /webhook HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n"
            b"Content-Length: 100\r\n\r\n{"
        )
        status, answer = await exchange(opened.port, head)

    assert (status, answer["verdict"]) == (408, "too_slow")
    assert opened.counts == ["too_slow"]


@pytest.mark.parametrize(
    "body", [b"zz\r\nnot a chunk\r\n0\r\n\r\n", b"5\r\nab", b"ffffffffffffffffff\r\nx\r\n"]
)
async def test_broken_chunks_end_that_connection_only(tmp_path, body, caplog):
    async with door(tmp_path, deadline=0.2) as opened:
        head = (
            b"POST /webhook HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n"
        )
        status, _ = await exchange(opened.port, head + body)
        after = await post(opened.port, PUSH)

    assert 400 <= status < 500
    assert after == (202, "accepted")
    assert len(opened.pokes) == 1
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
    async with door(tmp_path) as opened:
        status, _ = await exchange(opened.port, request_head)

    assert status == 400
    assert opened.pokes == []
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


async def test_a_caller_that_hangs_up_in_mid_body_disturbs_nobody(tmp_path):
    async with door(tmp_path) as opened:
        _, writer = await asyncio.open_connection("127.0.0.1", opened.port)
        writer.write(b"POST /webhook HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n")
        writer.write(b"Content-Length: 100\r\n\r\n{")
        await writer.drain()
        writer.transport.abort()
        after = await post(opened.port, PUSH)

    assert after == (202, "accepted")


async def test_the_answer_does_not_wait_for_the_look(tmp_path):
    """The door only opened.pokes; a poke that schedules slow work does not hold the answer."""
    async with door(tmp_path) as opened:
        answers = await asyncio.gather(*(post(opened.port, PUSH) for _ in range(20)))

    assert set(answers) == {(202, "accepted")}
    assert len(opened.pokes) == 20


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/webhook", 405), ("POST", "/other", 404), ("PUT", "/webhook", 405)],
)
async def test_other_paths_and_methods_are_refused(tmp_path, method, path, status):
    async with (
        door(tmp_path) as opened,
        aiohttp.ClientSession() as session,
        session.request(method, f"http://127.0.0.1:{opened.port}{path}") as answer,
    ):
        assert answer.status == status
        assert answer.headers["Server"] == "gitsource"
        assert opened.pokes == []


async def test_deliveries_are_taken_at_the_root_too(tmp_path):
    async with door(tmp_path) as opened, aiohttp.ClientSession() as session:
        headers = {"Content-Type": "application/json", "X-Signature": sign(SECRET, b"{}")}
        url = f"http://127.0.0.1:{opened.port}/"
        async with session.post(url, data=b"{}", headers=headers) as answer:
            assert answer.status == 202
        assert len(opened.pokes) == 1


async def test_nothing_that_is_logged_or_answered_has_the_secret(tmp_path, caplog):
    caplog.set_level("DEBUG")
    async with door(tmp_path) as opened:
        for case in CASES:
            _, answer = await exchange(opened.port, read_case(case).request)
            assert SECRET not in str(answer)

    logged = " ".join(str(vars(record)) for record in caplog.records)
    assert "delivery" in logged
    assert SECRET not in logged


async def test_refusals_cannot_fill_the_log(tmp_path, caplog):
    async with door(tmp_path) as opened:
        for _ in range(30):
            await post(opened.port, PUSH, **{"X-Hub-Signature-256": "sha256=00"})

    refused = [r for r in caplog.records if r.getMessage() == "webhook delivery refused"]
    assert len(opened.counts) == 30
    assert len(refused) == 1


async def test_a_door_without_a_secret_does_not_open(tmp_path):
    secrets = tmp_path / "secrets"
    secrets.write_text("\n  \n")
    settings = Webhook(Address("127.0.0.1:0"), FilePath(str(secrets)))
    behind = Behind(lambda: None, print, print)

    with pytest.raises(ConfigurationError, match="no secret"):
        await serve_webhook(settings, behind)
    with pytest.raises(ConfigurationError, match="no secret"):
        await serve_webhook(settings, behind, insecure=True)
    with pytest.raises(ConfigurationError, match=r"without webhook\.secret_file"):
        await serve_webhook(Webhook(Address("127.0.0.1:0")), behind)


async def test_more_deliveries_than_the_rate_are_taken_and_looked_at_together_later(tmp_path):
    """Never refused: hosts turn hooks off that answer errors. Only the looks are spread."""
    async with door(tmp_path, rate=240) as opened:
        for number in range(240):
            await post(opened.port, PUSH, **{"X-GitHub-Delivery": f"d{number}"})
        late = [await post(opened.port, PUSH, **{"X-GitHub-Delivery": f"e{n}"}) for n in range(30)]
        async with asyncio.timeout(20):
            while len(opened.pokes) <= 240:  # noqa: ASYNC110 - the clock is the machine's
                await asyncio.sleep(0.01)

    assert {status for status, _ in late} == {202}
    assert "slowed" in {verdict for _, verdict in late}


async def test_a_delivery_accepted_before_a_restart_is_a_duplicate_after_it(tmp_path):
    file = tmp_path / "webhooks.json"
    before = Ledger(file, clock=lambda: 1_700_000_000.0)
    async with door(tmp_path, ledger=before) as opened:
        first = await post(opened.port, PUSH, **{"X-GitHub-Delivery": "one"})
    await before.close()
    after = Ledger(file, clock=lambda: 1_700_000_000.0)
    after.load()
    async with door(tmp_path, ledger=after) as opened:
        again = await post(opened.port, PUSH, **{"X-GitHub-Delivery": "one"})

    assert [first, again] == [(202, "accepted"), (200, "duplicate")]
    assert [row.verdict for row in after.rows()] == ["duplicate", "accepted"]


async def test_a_delivery_that_is_sent_again_after_a_failed_look_has_it_looked_at_again(tmp_path):
    """What hosts call redelivering: the commit may not have been seen."""
    async with door(tmp_path) as opened:
        first = await post(opened.port, PUSH, **{"X-GitHub-Delivery": "one"})
        opened.missed = True
        again = await post(opened.port, PUSH, **{"X-GitHub-Delivery": "one"})
        opened.missed = False
        quiet = await post(opened.port, PUSH, **{"X-GitHub-Delivery": "one"})

    assert [first, again, quiet] == [(202, "accepted"), (202, "accepted"), (200, "duplicate")]
    assert len(opened.pokes) == 2


async def test_an_unsigned_delivery_is_found_by_the_id_that_its_sender_shows(tmp_path):
    async with door(tmp_path) as opened:
        await post(opened.port, PUSH, **{"X-GitHub-Delivery": "g4"})
        forged = {"X-GitHub-Delivery": "g5", "X-Hub-Signature-256": "sha256=00"}
        await post(opened.port, PUSH, **forged)
        await post(opened.port, PUSH, **(forged | {"X-GitHub-Delivery": "g4"}))
    lost, known = opened.ledger.find("g5"), opened.ledger.find("g4")

    assert (lost.verdict, lost.proven, lost.ref) == ("unsigned", False, "")
    assert (known.verdict, known.number) == ("accepted", 1)


async def test_the_same_id_from_another_host_is_another_delivery(tmp_path):
    generic = {"Content-Type": "application/json", "X-Signature": sign(SECRET, PUSH)}
    async with door(tmp_path) as opened, aiohttp.ClientSession() as session:
        first = await post(opened.port, PUSH, **{"X-GitHub-Delivery": "one"})
        url = f"http://127.0.0.1:{opened.port}/webhook"
        headers = generic | {"X-Delivery-Id": "one"}
        async with session.post(url, data=PUSH, headers=headers) as answer:
            other = answer.status, (await answer.json())["verdict"]

    assert [first, other] == [(202, "accepted"), (202, "accepted")]


def memory() -> int:
    """Return how many bytes of memory this process has in use."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


HEAD = b"POST /webhook HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n"


async def send_without_end(port: int, head: bytes, piece: bytes, most: int) -> tuple[bytes, int]:
    """Send *head* and then *piece* again and again; returns the answer and the bytes sent."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(head)
    sent = 0
    try:
        while sent < most:
            writer.write(piece)
            await writer.drain()
            sent += len(piece)
    except ConnectionError:
        pass
    try:
        answer = await asyncio.wait_for(reader.read(4096), 10)
    except ConnectionError:
        answer = b""  # the refusal was overtaken by the end of the connection
    writer.close()
    return answer, sent


@pytest.mark.parametrize(
    ("more", "piece", "status"),
    [
        (b"Transfer-Encoding: chunked\r\n", b"10000\r\n" + b"x" * 0x10000 + b"\r\n", b"413"),
        (b"Content-Length: 10737418240\r\n", b"x" * 0x10000, b"413"),
        (
            b"Transfer-Encoding: chunked\r\nContent-Encoding: gzip\r\n",
            b"10000\r\n" + gzip.compress(bytes(1 << 20)).ljust(0x10000, b"\0") + b"\r\n",
            b"415",
        ),
    ],
    ids=["endless chunks", "lying length", "packed"],
)
async def test_ten_gigabytes_are_refused_and_memory_stays_flat(tmp_path, more, piece, status):
    async with door(tmp_path) as opened:
        await post(opened.port, PUSH)
        before = memory()
        answer, sent = await send_without_end(opened.port, HEAD + more + b"\r\n", piece, 10 << 30)
        grown = memory() - before
        after = await post(opened.port, PUSH)

    assert answer[9:12] in (status, b"")
    assert sent < 10 << 30
    assert grown < 8 << 20
    assert after[0] == 202


async def test_many_large_bodies_at_a_time_do_not_add_up(tmp_path):
    """A body above 64 KiB waits for one of eight places; those who never get one are told."""
    large = 4 << 20
    async with door(tmp_path, deadline=3.0, max_body=2 * large) as opened:
        await post(opened.port, PUSH)
        before = memory()
        head = HEAD + b"Content-Length: %d\r\n\r\n" % (2 * large)
        writers = []
        for _ in range(100):
            _, writer = await asyncio.open_connection("127.0.0.1", opened.port)
            writer.write(head + bytes(1024))
            writers.append(writer)
        piece = bytes(0x10000)
        for _ in range(64):
            for writer in writers:
                if writer.transport.get_write_buffer_size() == 0:
                    writer.write(piece)
            await asyncio.sleep(0.01)
        grown = memory() - before
        for writer in writers:
            writer.transport.abort()

    assert grown < 160 << 20


async def first_line(port: int, head: bytes) -> tuple[bytes, asyncio.StreamReader, object]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(head)
    return await asyncio.wait_for(reader.readline(), 10), reader, writer


async def test_a_body_is_asked_for_only_if_its_head_is_fit(tmp_path):
    body = PUSH
    signed = b"X-GitHub-Event: push\r\nX-Hub-Signature-256: %s\r\n" % sign(SECRET, body).encode()
    expect = b"Expect: 100-continue\r\n"
    async with door(tmp_path) as opened:
        large = HEAD + signed + expect + b"Content-Length: 999999\r\n\r\n"
        refused, _, other = await first_line(opened.port, large)
        head = HEAD + signed + expect + b"Content-Length: %d\r\n\r\n" % len(body)
        asked, reader, writer = await first_line(opened.port, head)
        await reader.readline()
        writer.write(body)
        taken = await asyncio.wait_for(reader.readline(), 10)
        for each in (writer, other):
            each.close()

    assert refused == b"HTTP/1.1 413 Request Entity Too Large\r\n"
    assert asked == b"HTTP/1.1 100 Continue\r\n"
    assert taken == b"HTTP/1.1 202 Accepted\r\n"
    assert opened.counts == ["too_large", "accepted"]


async def test_the_ledger_has_no_secret_and_no_body(tmp_path):
    file = tmp_path / "webhooks.json"
    ledger = Ledger(file)
    for case in map(read_case, CASES):
        async with door(tmp_path, case.given, ledger=ledger) as opened:
            await exchange(opened.port, case.request)
    await ledger.close()
    written = file.read_text()

    assert len(ledger.rows()) > 100
    for secret in (SECRET, KEY, "this is secret", "the next secret", "guess", "pusher", "sKanD120"):
        assert secret not in written


async def test_whoever_follows_any_branch_awaits_no_commit(tmp_path):
    """The branch may be another than the remote's default one: nothing would ever show it."""
    commit = "1f2e3d4c5b6a79880f1e2d3c4b5a69788f0e1d2c"
    body = b'{"ref":"refs/heads/topic","after":"%s"}' % commit.encode()
    async with door(tmp_path, "ref=HEAD") as any_branch:
        await post(any_branch.port, body)
    async with door(tmp_path, "ref=topic") as one:
        await post(one.port, body)

    assert any_branch.pokes == [("refs/heads/topic", "")]
    assert one.pokes == [("refs/heads/topic", commit)]
