"""Settings that cannot be read again: gitsource looks all the same, and says what is wrong."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from repositories import Upstream
from running import Gitsource, eventually, route

QUIET = "watch: {enabled: false}\npoll: {interval: 1h}\n"


def test_a_refused_reload_looks_at_the_repository_and_is_told_until_one_is_taken(
    tmp_path: Path,
) -> None:
    upstream = Upstream(tmp_path / "upstream.git")
    upstream.commit({"a.yaml": route("a", "a")})
    with Gitsource(tmp_path / "run", upstream.url, QUIET) as running:
        eventually(lambda: running.status()["revision"], "a first snapshot")
        sound = running.config.read_text()
        running.config.write_text("listen: [\n")
        head = upstream.commit({"b.yaml": route("b", "b")})
        assert running.process is not None
        os.kill(running.process.pid, signal.SIGHUP)
        eventually(lambda: running.status()["revision"] == head, "the look that was asked for")
        told, ready = running.status(), running.ask("GET", "/readyz")[1]
        page = running.cli("status").stdout
        running.config.write_text(sound)
        os.kill(running.process.pid, signal.SIGHUP)
        eventually(lambda: running.status()["reload_error"] is None, "the settings")
        after = running.ask("GET", "/readyz")[1]

    assert ["reload"] == told["published"]["triggers"]
    assert told["reload_error"]
    assert ["changed settings are not taken over"] == [
        each.partition(":")[0] for each in ready["reasons"]
    ]
    assert "the old ones count" in page
    assert [] == after["reasons"]
