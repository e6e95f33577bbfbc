"""The example daemon, with a real server: reloads what it accepts, refuses what it cannot use."""

from __future__ import annotations

import http.client
import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from repositories import Upstream
from running import PATIENCE, Gitsource, eventually

EXAMPLE = Path(__file__).parents[2] / "examples" / "flagd"
COLLECTIONS = (EXAMPLE / "gitsource.yaml").read_text(encoding="utf-8")


def flag(**spec: Any) -> str:
    return json.dumps(
        {
            "apiVersion": "acme.dev/v1",
            "kind": "Flag",
            "metadata": {"name": "assistant"},
            "spec": spec,
        }
    )


class Flagd:
    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.lines: list[str] = []
        threading.Thread(target=self._read, daemon=True).start()
        found = eventually(lambda: re.search(r"port (\d+)", self.log), "flagd listens")
        self.port = int(found[1])

    @property
    def log(self) -> str:
        return "".join(self.lines)

    def _read(self) -> None:
        assert self.process.stderr is not None
        self.lines.extend(iter(self.process.stderr.readline, ""))

    def ask(self, path: str) -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            text = answer.read().decode()
            return answer.status, json.loads(text) if text.startswith("{") else text
        finally:
            connection.close()

    def has(self, **wanted: Any) -> None:
        def served() -> bool:
            found = self.ask("/flags")[1]["flags"].get("assistant", {})
            return {key: found.get(key) for key in wanted} == wanted

        eventually(served, f"flagd serves {wanted}")


@contextmanager
def flagd(source: str, state: Path) -> Iterator[Flagd]:
    command = [sys.executable, EXAMPLE / "flagd.py", "--source", source, "--listen", "127.0.0.1:0"]
    process = subprocess.Popen([*command, "--state", state], stderr=subprocess.PIPE, text=True)
    try:
        yield Flagd(process)
    finally:
        process.kill()
        process.wait(PATIENCE)


@pytest.fixture
def flags(tmp_path: Path) -> Upstream:
    made = Upstream(tmp_path / "upstream.git")
    made.commit({"flags/assistant.json": flag(enabled=True, percentage=25)})
    return made


def test_flagd_serves_reloads_refuses_and_remembers(flags: Upstream, tmp_path: Path) -> None:
    quiet = "poll: {interval: 1h}\nwatch: {enabled: false}\n" + COLLECTIONS
    state = tmp_path / "flags.json"
    with Gitsource(tmp_path / "gitsource", flags.url, quiet) as server:
        source = f"127.0.0.1:{server.ports['mcp']}"
        with flagd(source, state) as daemon:
            daemon.has(enabled=True, percentage=25)
            users = [daemon.ask(f"/flags/assistant?user=u{n}")[1]["on"] for n in range(200)]
            assert 20 < sum(users) < 80
            assert 404 == daemon.ask("/flags/nobody")[0]

            flags.commit({"flags/assistant.json": flag(enabled=True, percentage=100)})
            server.sync()
            daemon.has(percentage=100)
            assert {"on": True} == daemon.ask("/flags/assistant?user=u1")[1]

            flags.commit({"flags/assistant.json": flag(enabled=True, percentage=250)})
            server.sync()
            eventually(lambda: "refused version" in daemon.log, "flagd refuses")
            daemon.has(percentage=100)
            eventually(lambda: "percentage has to be" in json.dumps(server.status()), "told")

            flags.commit({"flags/assistant.json": flag(enabled=False)})
            server.sync()
            daemon.has(enabled=False, percentage=100)
    with flagd("127.0.0.1:1", state) as alone:
        alone.has(enabled=False, percentage=100)
        assert 200 == alone.ask("/ready")[0]


def test_flagd_is_not_ready_before_it_has_flags(tmp_path: Path) -> None:
    with flagd("127.0.0.1:1", tmp_path / "none.json") as daemon:
        assert 503 == daemon.ask("/ready")[0]
