"""Settings that change while gitsource runs: what counts at once does, and the rest is told."""

from __future__ import annotations

import json
import signal
from pathlib import Path

from repositories import Upstream
from running import Gitsource, eventually

QUIET = "poll: {interval: 1h}\nwatch: {enabled: false}\n"


def test_limits_count_at_once_or_are_told_to_need_a_restart(
    tmp_path: Path, upstream: Upstream
) -> None:
    with Gitsource(tmp_path / "gitsource", upstream.url, QUIET) as server:
        before = server.status()
        changed = "limits: {names: 77, streams: 9, file_bytes: 2MiB}\naudit: {keep: 3}\n"
        server.configure(upstream.url, QUIET + changed)
        assert server.process is not None
        server.process.send_signal(signal.SIGHUP)
        eventually(lambda: server.status()["limits"]["names"] == 77, "the new limit")
        status = server.status()
        server.configure(upstream.url, QUIET)
        server.process.send_signal(signal.SIGHUP)
        eventually(lambda: server.status()["limits"]["names"] != 77, "the old limit")
        after = server.status()
        server.stop()
        log = server.log.read_text()
        audited = (server.state / "audit" / "audit.jsonl").read_text().splitlines()
    reloads = [
        line["facts"]
        for line in map(json.loads, audited)
        if line["facts"].get("command") == "reload"
    ]

    assert [[], ["audit", "limits.streams"], []] == [
        one["needs_restart"] for one in (before, status, after)
    ]
    assert 4096 == status["limits"]["streams"]
    assert "limits.streams needs a restart" in log
    assert [["limits"], ["limits"]] == [one["changed"] for one in reloads]
    assert [["audit", "limits.streams"], None] == [one.get("needs_restart") for one in reloads]
