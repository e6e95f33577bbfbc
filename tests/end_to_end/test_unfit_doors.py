"""Files of an HTTP door that are no good end a start before any sink is let in."""

from __future__ import annotations

from pathlib import Path

import pytest

from repositories import Upstream
from running import cli
from svids import Mesh

HOOK = "webhook: {listen: '127.0.0.1:0', secret_file: HERE/secret"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (f"{HOOK}}}\n", "webhook.secret_file"),
        (f"{HOOK}, cert: HERE/bad.pem, key: HERE/good.key}}\n", "webhook.cert"),
        ("admin: {cert: HERE/good.pem, key: HERE/bad.pem}\n", "admin.key"),
    ],
    ids=["no secret", "a bad certificate", "a bad key of the operators"],
)
def test_a_start_that_cannot_open_all_doors_opens_none(
    tmp_path: Path, upstream: Upstream, settings: str, words: str
) -> None:
    Mesh().server().put(tmp_path, "good")
    (tmp_path / "bad.pem").write_text("garbage\n")
    if "cert" in settings:
        (tmp_path / "secret").write_text("a-secret-of-this-test\n")
    config = tmp_path / "gitsource.yaml"
    config.write_text(
        f"repository: {{url: '{upstream.url}'}}\nstate_dir: {tmp_path}/state\n"
        "listen: {mcp: '127.0.0.1:0', admin: '127.0.0.1:0'}\n"
        + settings.replace("HERE", str(tmp_path))
    )

    done = cli("serve", "--config", config)

    assert 2 == done.returncode
    assert words in done.stderr
    assert "listening" not in done.stderr
