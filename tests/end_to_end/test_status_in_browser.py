"""The status page of a running server, in a real browser."""

from __future__ import annotations

from pathlib import Path

import pytest

from browser import look
from repositories import Upstream
from running import Gitsource, broken, eventually, route


@pytest.mark.browser
def test_the_status_page_is_whole_and_allowed_by_its_own_policy(tmp_path: Path) -> None:
    upstream = Upstream(tmp_path / "repo.git")
    good = upstream.commit({"mesh/web.yaml": route("web", "v1")})
    with Gitsource(tmp_path / "gitsource", upstream.url) as server:
        eventually(lambda: server.status()["revision"], "a first snapshot")
        upstream.commit({"mesh/<b>bad.yaml": broken("bad")})
        server.cli("sync")
        shown = look(f"http://127.0.0.1:{server.ports['admin']}/")

    assert [] == [line for line in shown.console if "favicon" not in line]
    assert good in shown.dom
    assert "a newer revision is held back" in shown.dom
    assert "mesh/&lt;b&gt;bad.yaml:9:15" in shown.dom
