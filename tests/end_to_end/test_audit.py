"""What a running gitsource writes down: all that is asked for, harmless, and as documented."""

from __future__ import annotations

import http.client
import json
import subprocess
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from repositories import Upstream
from running import VS, Gitsource, broken, cli, closing, eventually, route

VALID = Draft202012Validator(
    json.loads((Path(__file__).parents[2] / "docs" / "audit.schema.json").read_text())
)
QUIET = "poll: {interval: 1h}\nwatch: {enabled: false}\n"


def lines(running: Gitsource) -> list[dict]:
    """Return the whole lines of the log, each checked against the documented form."""
    text = (running.state / "audit" / "audit.jsonl").read_text()
    found = [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]
    assert [error.message for line in found for error in VALID.iter_errors(line)] == []
    return found


def found(running: Gitsource, event: str, **facts) -> dict:
    """Return the first line of *event* with these *facts*, once it is there."""

    def look():
        told = facts.items()
        return next(
            (
                line
                for line in lines(running)
                if line["event"] == event
                and told <= {k: _key(v) for k, v in line["facts"].items()}.items()
            ),
            None,
        )

    return eventually(look, f"{event} {facts}: {lines(running)[-5:]}")


def _key(value):
    return tuple(value) if isinstance(value, list) else value


def test_a_day_of_a_gitsource_is_in_its_log(server: Gitsource, upstream: Upstream) -> None:
    first = found(server, "publish")
    with closing(server.sink(node="edge-1")) as sink:
        sink.next()
        pushed = found(server, "push", sink="edge-1")
        found(server, "ack", sink="edge-1")
        connected = found(server, "connect", stream=1)
        found(server, "subscribe", sink="edge-1")
        upstream.commit({"mesh/web.yaml": broken("web")}, message="oops")
        server.sync()
        held = found(server, "hold")
    with closing(server.sink(node="edge-2", accept=lambda _push: False)) as sink:
        sink.next()
        refused = found(server, "nack", sink="edge-2")
    found(server, "disconnect", sink="edge-2")
    server.ask("POST", "/suspend", {"reason": "freeze", "who": "ada"})
    ordered = found(server, "command", command="suspend")
    server.stop()
    log = lines(server)

    assert [log[0]["event"], log[-1]["event"]] == ["start", "stop"]
    assert first["facts"]["commit"] == upstream.git("rev-parse", "main~1").strip()
    assert (first["facts"]["author"], first["facts"]["committer"]) == (first["who"], first["who"])
    assert first["facts"]["collections"] == [f"{VS} 1"]
    assert (pushed["facts"]["resources"], pushed["facts"]["removed"]) == (1, 0)
    assert connected["facts"]["protocol"] == "mcp"
    assert (held["outcome"], held["facts"]["findings"][0].split(":")[0]) == (
        "refused",
        "mesh/web.yaml",
    )
    assert (refused["outcome"], refused["why"]) == ("refused", "refused by the test")
    assert (ordered["who"], ordered["why"], ordered["outcome"]) == ("ada", "freeze", "ok")
    assert [line["seq"] for line in log] == list(range(1, len(log) + 1))
    verified = cli("audit", "verify", "--config", server.config)
    assert (verified.returncode, verified.stdout.split(":")[0]) == (0, "whole"), verified


HOSTILE = '","who":"root","event":"command\n{"v":1}\x1b[2J\u202e'


def test_no_text_of_a_sink_or_a_commit_can_forge_a_line(
    server: Gitsource, upstream: Upstream
) -> None:
    """Node IDs, NACKs and commit authors are whatever somebody wants them to be."""
    upstream.git("config", "user.name", 'Eve","event":"command" \x1b[2J\u202e')
    upstream.commit({"mesh/web.yaml": route("web", "web-v2")}, message=HOSTILE)
    server.sync()
    with closing(server.sink(node=HOSTILE)) as sink:
        sink.next()
    found(server, "disconnect")
    log, raw = lines(server), (server.state / "audit" / "audit.jsonl").read_bytes()
    listed = server_cli(server, "audit", "list")

    orders = {(one["who"], one["facts"]["command"]) for one in log if one["event"] == "command"}
    assert orders == {("", "sync")}
    assert raw.isascii()
    assert not set(raw) & (set(range(32)) - {10})
    assert "\x1b" not in listed.stdout
    assert "\u202e" not in listed.stdout
    assert len(listed.stdout.splitlines()) == len(lines(server))


def test_the_log_says_which_commit_was_served_from_when_whatever_was_ordered(
    server: Gitsource, upstream: Upstream
) -> None:
    first = upstream.tip()
    eventually(lambda: server.status()["revision"] == first, "a first snapshot")
    second = upstream.commit({"mesh/web.yaml": route("web", "web-v2")})
    server.sync()
    server.cli("rollback", "--reason", "incident 7", "--who", "ann")
    server.cli("unpin", "--reason", "over", "--who", "ann")
    eventually(lambda: server.status()["revision"] == second, "the head again")
    server.cli("pin", "main~1", "--reason", "incident 8", "--who", "ann")
    found(server, "command", revision="main~1")
    server.stop()
    log = lines(server)
    orders = [one["facts"] for one in log if one["event"] == "command"]

    assert [first, second] * 2 + [first] == [
        one["facts"]["commit"] for one in log if one["event"] == "publish"
    ]
    assert [("rollback", first), ("unpin", second), ("pin", first)] == [
        (one["command"], one["commit"]) for one in orders if one["command"] != "sync"
    ]


def server_cli(running: Gitsource, *args: str) -> subprocess.CompletedProcess[str]:
    """Run a command with the settings of *running*."""
    return cli(*args, "--config", running.config)


def test_lines_are_found_by_event_sink_and_time(server: Gitsource) -> None:
    for node in ("edge-1", "edge-2"):
        with closing(server.sink(node=node)) as sink:
            sink.next()
            found(server, "ack", sink=node)
    of_one = server_cli(server, "audit", "list", "--sink", "edge-1", "--output", "json")
    pushes = server_cli(server, "audit", "--event", "push", "--output", "json")
    told = [json.loads(line) for line in of_one.stdout.splitlines()]
    long_ago = server_cli(server, "audit", "list", "--since", "2999-01-01T00:00:00Z")
    one = server_cli(server, "audit", "show", str(told[0]["seq"]))

    assert {line["facts"]["sink"] for line in told} == {"edge-1"}
    assert {json.loads(line)["event"] for line in pushes.stdout.splitlines()} == {"push"}
    assert (long_ago.returncode, long_ago.stdout) == (0, "")
    assert "sink:            edge-1" in one.stdout


def test_a_hand_in_the_log_is_named_with_its_line(server: Gitsource) -> None:
    server.ask("POST", "/suspend", {"reason": "freeze", "who": "mallory"})
    found(server, "command")
    server.stop()
    log = server.state / "audit" / "audit.jsonl"
    whole = log.read_bytes()
    log.write_bytes(whole.replace(b"mallory", b"ada----"))
    verified = server_cli(server, "audit", "verify")
    log.write_bytes(whole)

    assert verified.returncode == 1
    assert f"{log}:" in verified.stderr


def test_a_head_of_an_earlier_status_is_a_witness(server: Gitsource) -> None:
    witness = eventually(lambda: _head(server), "a head")
    server.kill()
    good = server_cli(server, "audit", "verify", "--head", witness)
    number = int(witness.partition(":")[0])
    bad = server_cli(server, "audit", "verify", "--head", f"{number}:{'0' * 64}")
    beyond = server_cli(server, "audit", "verify", "--head", f"{number + 100}:{'0' * 64}")

    assert [done.returncode for done in (good, bad, beyond)] == [0, 1, 1]
    assert "cut off" in beyond.stderr


def _head(server: Gitsource) -> str:
    told = server.status()["audit"]
    return told["head"] if not told["waiting"] and not told["head"].startswith("0:") else ""


# ------------------------------------------------------------------ when it cannot be written


@pytest.mark.parametrize("on_failure", ["stop-new", "continue"])
def test_a_full_disk_stops_new_rights_or_nothing_and_is_over_by_itself(
    tmp_path: Path, upstream: Upstream, on_failure: str
) -> None:
    """The log alone is on the full disk: a folder that cannot be made stands for it."""
    full = tmp_path / "full"
    settings = f"{QUIET}audit: {{file: '{full}/audit.jsonl', on_failure: {on_failure}}}\n"
    with Gitsource(tmp_path / "gitsource", upstream.url, settings) as server:
        eventually(lambda: server.status()["revision"], "a first snapshot")
        with closing(server.sink(node="before")) as before:
            before.next()
            full.rename(tmp_path / "away")
            full.write_text("in the way")
            server.ask("POST", "/suspend", {"reason": "something to write", "who": "ada"})
            server.ask("POST", "/resume", {"who": "ada"})
            failing = eventually(lambda: _failing(server), "the alarm")
            upstream.commit({"mesh/web.yaml": route("web", "web-v2")})
            server.sync()
            with closing(server.sink(node="after")) as after:
                if on_failure == "stop-new":
                    error = eventually(lambda: after.ended, "the refusal")
                    assert "audit log" in error.details()
                    assert before.quiet()
                else:
                    assert after.next().collection == before.next().collection == VS
            metrics = str(server.ask("GET", "/metrics")[1])
            ready = server.ask("GET", "/readyz")
            full.unlink()
            eventually(lambda: not _failing(server), "the end of it")
            if on_failure == "stop-new":
                before.next()
            with closing(server.sink(node="later")) as later:
                assert later.next().collection == VS
        server.stop()
        log = server.log.read_text()
    verified = cli("audit", "verify", tmp_path / "away" / "audit.jsonl", full / "audit.jsonl")

    assert failing["stopped"] is (on_failure == "stop-new")
    assert "gitsource_audit_failing 1.0" in metrics
    assert ready[0] == 200
    assert "audit log" in str(ready[1]["reasons"])
    assert "cannot be written" in log
    assert "is written again" in log
    assert verified.returncode == 0, verified


def _failing(server: Gitsource) -> dict | None:
    told = server.status()["audit"]
    return told if told["failure"] else None


def test_without_an_audit_log_nothing_is_written(tmp_path: Path, upstream: Upstream) -> None:
    settings = f"{QUIET}audit: {{enabled: false}}\n"
    with Gitsource(tmp_path / "gitsource", upstream.url, settings) as server:
        eventually(lambda: server.status()["revision"], "a first snapshot")
        told = server.status()["audit"]

    assert told["file"] is None
    assert not (server.state / "audit").exists()


def test_killed_over_and_over_its_log_stays_whole(tmp_path: Path, upstream: Upstream) -> None:
    server = Gitsource(tmp_path / "gitsource", upstream.url, QUIET)
    for number in range(4):
        with server:
            eventually(lambda: server.status()["revision"], "a snapshot")
            with closing(server.sink(node=f"edge-{number}")) as sink:
                sink.next()
            server.kill()
        assert cli("audit", "verify", "--config", server.config).returncode == 0
    starts = [line for line in lines(server) if line["event"] == "start"]

    assert len(starts) >= 3


def test_deliveries_are_told_whoever_sends_them_and_whatever_they_say(
    tmp_path: Path, upstream: Upstream
) -> None:
    """A sender who controls every header writes no line but its own."""
    secret = "a shared secret of some length"
    (tmp_path / "secret").write_text(secret)
    hook = f"webhook: {{listen: '127.0.0.1:0', secret_file: '{tmp_path}/secret'}}\n"
    with Gitsource(tmp_path / "gitsource", upstream.url, QUIET + hook) as server:
        port = eventually(lambda: server.ports.get("webhook"), "the webhook door")
        for number in range(100):
            headers = {
                "Content-Type": "application/json",
                "X-GitHub-Event": 'push","event":"command',
                "X-GitHub-Delivery": f'{number}","who":"root',
                "X-Hub-Signature-256": "sha256=" + "0" * 64,
            }
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            connection.request("POST", "/webhook", b"{}", headers)
            assert connection.getresponse().status == 401
            connection.close()
        eventually(lambda: _told(server, 100), "all of them")
        log = lines(server)

    assert {line["outcome"] for line in log if line["event"] == "webhook"} == {"refused"}
    assert len([line for line in log if line["event"] == "webhook"]) < 100
    assert [line for line in log if line["event"] == "command" or line["who"] == "root"] == []
    assert secret not in (server.state / "audit" / "audit.jsonl").read_text()


def _told(server: Gitsource, times: int) -> bool:
    counts = (one["facts"].get("times", 1) for one in lines(server) if one["event"] == "webhook")
    return sum(counts) == times
