"""A scripted upstream and a server that follows it, for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from repositories import Upstream
from running import Gitsource, route


@pytest.fixture
def upstream(tmp_path: Path) -> Upstream:
    """Return a bare repository with one VirtualService on main."""
    made = Upstream(tmp_path / "upstream.git")
    made.commit({"mesh/web.yaml": route("web", "web-v1")}, message="first")
    return made


@pytest.fixture
def server(tmp_path: Path, upstream: Upstream) -> Iterator[Gitsource]:
    """Return a server that only looks when it is told to."""
    quiet = "poll: {interval: 1h}\nwatch: {enabled: false}\n"
    with Gitsource(tmp_path / "gitsource", upstream.url, quiet) as running:
        yield running
