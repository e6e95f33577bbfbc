"""A scripted upstream and a server that follows it, for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from repositories import Upstream
from running import Gitsource, eventually, route


@pytest.fixture
def upstream(tmp_path: Path) -> Upstream:
    """Return a bare repository with one VirtualService on main."""
    made = Upstream(tmp_path / "upstream.git")
    made.commit({"mesh/web.yaml": route("web", "web-v1")}, message="first")
    return made


@pytest.fixture
def server(tmp_path: Path, upstream: Upstream) -> Iterator[Gitsource]:
    """Return a server that serves the first commit and from then on looks when it is told to."""
    quiet = "poll: {interval: 1h}\nwatch: {enabled: false}\n"
    with Gitsource(tmp_path / "gitsource", upstream.url, quiet) as running:
        # Else the look it starts with may find what a test commits, and if that is broken there is
        # no last good snapshot that could stay up.
        eventually(lambda: running.status()["revision"], "a first snapshot")
        yield running
