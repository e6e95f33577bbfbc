"""Deliveries of Git hosts, taken by a real server that follows a real repository."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from gitsource._proto.istio.mcp.v1alpha1 import mcp_pb2
from repositories import Upstream
from running import BIN, VS, Gitsource, cli, closing, eventually, route

SECRET = "planted-webhook-secret"
URL = "https://git.example.com/mesh/config.git"
SETTINGS = (
    "poll: {interval: 1h}\nwatch: {enabled: false}\n"
    "webhook: {listen: '127.0.0.1:0', secret_file: hook-secret}\n"
)


@pytest.fixture
def hooked(tmp_path: Path, upstream: Upstream) -> Iterator[Gitsource]:
    """A server that looks when its webhook says so, and at no other time."""
    made = Gitsource(tmp_path / "gitsource", upstream.url, SETTINGS)
    (made.folder / "hook-secret").write_text(f"{SECRET}\n")
    with made as running:
        eventually(lambda: running.status()["revision"], "a first snapshot")
        eventually(lambda: "webhook" in running.ports, "the webhook's door")
        yield running


def deliver(server: Gitsource, commit: str, name: str, secret: str = SECRET) -> tuple[int, str]:
    """Send what GitHub sends on a push; returns status and verdict."""
    body = json.dumps({"ref": "refs/heads/main", "before": "0" * 40, "after": commit}).encode()
    signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    connection = http.client.HTTPConnection("127.0.0.1", server.ports["webhook"], timeout=20)
    headers = {
        "Content-Type": "application/json",
        "X-GitHub-Event": "push",
        "X-GitHub-Delivery": name,
        "X-Hub-Signature-256": f"sha256={signature}",
    }
    connection.request("POST", "/webhook", body, headers)
    answer = connection.getresponse()
    verdict = json.loads(answer.read())["verdict"]
    connection.close()
    return answer.status, verdict


def test_a_commit_that_is_announced_goes_out_and_the_ledger_tells_of_it(
    hooked: Gitsource, upstream: Upstream
) -> None:
    commit = upstream.commit({"mesh/web.yaml": route("web", "web-v2")})
    answers = [deliver(hooked, commit, "d-1"), deliver(hooked, commit, "d-1")]
    answers.append(deliver(hooked, commit, "d-2", "guessed"))
    eventually(lambda: hooked.status()["revision"] == commit, "the announced commit")
    listed = hooked.cli("webhook", "list", "--output", "json")
    shown = json.loads(hooked.cli("webhook", "show", "d-1", "--output", "json").stdout)
    refused = hooked.cli("webhook", "show", "3")
    unknown = hooked.cli("webhook", "show", "d-9")

    assert answers == [(202, "accepted"), (200, "duplicate"), (401, "unsigned")]
    assert hooked.status()["published"]["triggers"] == ["webhook"]
    assert hooked.status()["announced"] is None
    verdicts = [row["verdict"] for row in json.loads(listed.stdout)["deliveries"]]
    assert verdicts == ["unsigned", "duplicate", "accepted"]
    assert (shown["verdict"], shown["commit"]) == ("duplicate", commit)
    assert "no secret fits" in refused.stdout
    assert unknown.returncode == 2
    assert SECRET not in listed.stdout + refused.stdout + hooked.log.read_text()


def test_a_commit_that_is_announced_before_it_is_visible_is_looked_for(
    hooked: Gitsource, upstream: Upstream, tmp_path: Path
) -> None:
    """The host tells of a push that a fetch does not show yet; no second delivery comes."""
    ahead = Upstream(tmp_path / "ahead.git")
    ahead.commit({"mesh/web.yaml": route("web", "web-v1")}, message="first")
    commit = ahead.commit({"mesh/web.yaml": route("web", "web-v3")}, message="second")
    answer = deliver(hooked, commit, "early")
    awaited = eventually(lambda: hooked.status()["announced"], "an announced commit")
    visible = upstream.commit({"mesh/web.yaml": route("web", "web-v3")}, message="second")
    eventually(lambda: hooked.status()["revision"] == visible, "the commit, once it is visible")

    assert visible == commit
    assert answer == (202, "accepted")
    assert (awaited["revision"], awaited["state"]) == (commit, "awaited")
    eventually(lambda: hooked.status()["announced"] is None, "nothing that is awaited")


def test_a_delivery_is_remembered_across_a_restart(hooked: Gitsource, upstream: Upstream) -> None:
    first = deliver(hooked, upstream.tip(), "once")
    hooked.stop()
    hooked.start()
    eventually(lambda: "webhook" in hooked.ports, "the webhook's door")

    assert first == (202, "accepted")
    assert deliver(hooked, upstream.tip(), "once") == (200, "duplicate")
    assert len(json.loads(hooked.cli("webhook", "--output", "json").stdout)["deliveries"]) == 2


def test_after_a_reload_it_is_the_newly_followed_ref_that_matters(
    hooked: Gitsource, upstream: Upstream
) -> None:
    upstream.git("branch", "live", upstream.tip())
    before = deliver(hooked, upstream.tip(), "before")
    hooked.config.write_text(hooked.config.read_text().replace("ref: main", "ref: live"))
    hooked.process.send_signal(signal.SIGHUP)
    eventually(lambda: "settings reloaded" in hooked.log.read_text(), "a reload")

    assert before == (202, "accepted")
    assert deliver(hooked, upstream.tip(), "after") == (200, "other_ref")


def test_a_door_without_a_secret_opens_when_a_flag_alone_says_so(
    tmp_path: Path, upstream: Upstream
) -> None:
    made = Gitsource(tmp_path / "gitsource", upstream.url)
    state = tmp_path / "state"
    command = [BIN / "gitsource", "serve", "--config", made.config, "--webhook-listen"]
    refused = cli(*command[1:], "127.0.0.1:0", "--state-dir", state)
    process = subprocess.Popen(
        [*command, "127.0.0.1:0", "--state-dir", state, "--insecure-webhook"],
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        lines = iter(process.stderr.readline, "")
        said = next(line for line in lines if '"webhook"' in line or "taken from anybody" in line)
    finally:
        process.kill()
        process.communicate()

    assert refused.returncode == 2
    assert "webhook.listen: needs webhook.secret_file" in refused.stderr
    assert "webhook deliveries are taken from anybody: insecure_webhook is set" in said


def test_sync_returns_when_the_sinks_have_accepted_what_it_found(
    server: Gitsource, upstream: Upstream
) -> None:
    with closing(server.sink(VS, node="quick")) as sink:
        sink.next()
        commit = upstream.commit({"mesh/web.yaml": route("web", "web-v2")})
        done = server.cli("sync")
        told = server.status()

        assert done.returncode == 0
        assert done.stdout.splitlines()[-1] == "accepted by 1 of 1 sinks"
        assert told["revision"] == commit
        assert told["sinks"][0]["collections"][VS]["acked"] == told["collections"][VS]["version"]


def test_sync_does_not_wait_for_a_sink_that_refused(server: Gitsource, upstream: Upstream) -> None:
    """The time that sinks get is longer than the test may take."""
    with closing(server.sink(VS, node="picky", accept=lambda push: push.nonce == "1")) as sink:
        sink.next()
        upstream.commit({"mesh/web.yaml": route("web", "web-v2")})
        done = server.cli("sync", "--timeout", "1h")
        again = server.cli("sync", "--timeout", "1h")

    assert (done.returncode, again.returncode) == (1, 1)
    assert done.stdout.splitlines()[-1] == "accepted by 0 of 1 sinks, refused by 1"
    assert again.stdout.splitlines()[-1] == "accepted by 0 of 1 sinks, refused by 1"


def test_sync_says_when_a_sink_has_not_accepted_in_time(
    server: Gitsource, upstream: Upstream
) -> None:
    silent = threading.Event()

    def accept(push: mcp_pb2.Resources) -> bool:
        return push.nonce == "1" or silent.wait(60)

    with closing(server.sink(VS, node="slow", accept=accept)) as sink:
        sink.next()
        upstream.commit({"mesh/web.yaml": route("web", "web-v2")})
        done = server.cli("sync", "--timeout", "500ms")
        silent.set()

    assert done.returncode == 1
    assert done.stdout.splitlines()[-1] == "accepted by 0 of 1 sinks"
