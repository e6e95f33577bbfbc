"""A running gitsource has no more than it needs: modes, cores, and a user without rights."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

import pytest

from repositories import Upstream
from running import Gitsource, closing, eventually, route
from svids import Mesh

USER = 65533
"""The number that the image has."""
QUIET = "poll: {interval: 1h}\nwatch: {enabled: false}\n"


def test_everything_it_writes_is_for_its_user_alone(tmp_path: Path, upstream: Upstream) -> None:
    server = Gitsource(tmp_path / "gitsource", upstream.url, QUIET)
    server.state.mkdir(mode=0o755)
    before = os.umask(0o022)
    try:
        with server:
            eventually(lambda: server.status()["revision"], "a first snapshot")
            with closing(server.sink(node="edge")) as sink:
                sink.next()
            limits = Path(f"/proc/{server.process.pid}/limits").read_text()
            server.stop()
    finally:
        os.umask(before)
    found = [server.state, *server.state.rglob("*")]
    # What git makes in its own folder goes by the modes of git; its folder is closed.
    ours = [each for each in found if "mirror.git" not in each.parts]
    (core,) = (line.split() for line in limits.splitlines() if line.startswith("Max core"))

    assert {each.name: oct(each.stat().st_mode & 0o777) for each in ours if _open(each)} == {}
    assert core[4:6] == ["0", "0"]
    assert "closed" in server.log.read_text()


def _open(path: Path) -> bool:
    return bool(path.lstat().st_mode & 0o077)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
def test_it_works_as_a_user_who_may_nothing_and_whose_memory_is_nobodys() -> None:
    """As the user of the image; what it opened itself it still finds."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        folder.chmod(0o755)
        upstream = Upstream(folder / "upstream.git")
        upstream.commit({"mesh/web.yaml": route("web", "web-v1")})
        cert, key = Mesh().server().put(folder, "door")
        (folder / "secret").write_text("a shared secret of some length")
        hook = {"listen": "127.0.0.1:0", "secret_file": f"{folder}/secret"}
        hook |= {"cert": str(cert), "key": str(key)}
        settings = f"{QUIET}webhook: {json.dumps(hook)}\n"
        server = Gitsource(folder / "gitsource", upstream.url, settings)
        server.state.mkdir()
        for each in (folder, *folder.rglob("*")):
            os.chown(each, USER, USER, follow_symlinks=False)
        server.before = (
            *("setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups"),
            *("--inh-caps=-all", "--bounding-set=-all", "--no-new-privs", "--"),
        )
        server.environ |= {"HOME": str(server.state)}
        with server:
            eventually(lambda: server.status()["revision"], "a first snapshot")
            with closing(server.sink(node="edge")) as sink:
                sink.next()
            # Keys are handed to OpenSSL by descriptors of its own.
            eventually(lambda: server.ports.get("webhook"), "a door with TLS")
            owner = Path(f"/proc/{server.process.pid}/mem").stat().st_uid
            status = Path(f"/proc/{server.process.pid}/status").read_text()
            code = server.stop()

    assert (code, owner) == (0, 0)  # not dumpable: its user may not read it
    assert "\nCapEff:\t0000000000000000\n" in status
    assert "\nNoNewPrivs:\t1\n" in status
