"""The doctor on the command line, beside a server that runs and before one that cannot."""

from __future__ import annotations

import json
from pathlib import Path

from repositories import Upstream
from running import Gitsource, cli


def test_beside_a_running_server_the_doctor_disturbs_nothing(
    server: Gitsource, upstream: Upstream
) -> None:
    done = cli("doctor", "--config", server.config, "--output", "json")

    told = json.loads(done.stdout)
    states = {check["name"]: check["state"] for check in told["checks"]}
    assert 0 == done.returncode
    assert "warning" == told["state"], "the upstream is this user's own"
    assert {"read only": "warning"} == {k: v for k, v in states.items() if v != "ok"}
    assert "in use by a gitsource" in next(
        check["text"] for check in told["checks"] if check["name"] == "state"
    )
    assert "unchanged" == server.sync()["outcome"]


def test_failures_are_a_table_with_the_next_steps(tmp_path: Path) -> None:
    config = tmp_path / "gitsource.yaml"
    config.write_text(
        f"repository: {{url: 'file://{tmp_path}/nowhere'}}\nstate_dir: state\n"
        "listen: {mcp: '127.0.0.1:0', admin: '127.0.0.1:0'}\n"
    )

    done = cli("doctor", "--config", config)

    lines = done.stdout.splitlines()
    assert 1 == done.returncode
    assert max(map(len, lines)) <= 80
    failed = next(at for at, line in enumerate(lines) if line.startswith("credentials  FAIL"))
    assert any(line.strip().startswith("next: ") for line in lines[failed:])
    assert any(line.startswith("ref          -") for line in lines)


def test_warnings_count_if_they_are_to(server: Gitsource) -> None:
    assert 0 == cli("doctor", "--config", server.config).returncode
    assert 1 == cli("doctor", "--config", server.config, "--strict").returncode


def test_without_a_repository_there_is_nothing_to_examine(tmp_path: Path) -> None:
    done = cli("doctor", cwd=tmp_path)

    assert 2 == done.returncode
    assert "repository.url is not set" in done.stderr
