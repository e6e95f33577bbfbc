"""What tests of mirrors share."""

from __future__ import annotations

import pytest

from gitsource.git.mirror import Mirror
from gitsource.settings.following import Repository
from servers.over_sshd import SERVERS


@pytest.fixture(params=SERVERS)
def server(request):
    """Each kind of server over ssh that can be started here."""
    return request.param


@pytest.fixture
def mirrors(tmp_path, upstream):
    """Open mirrors of *upstream* in one folder, each closing the one before, as restarts do."""
    opened: list[Mirror] = []

    def make(url: str | None = None, **meant: object) -> Mirror:
        for mirror in opened:
            mirror.close()
        mirror = Mirror(
            tmp_path / "state" / "mirror.git", Repository(url=url or upstream.url, **meant)
        )
        opened.append(mirror)
        mirror.open()
        return mirror

    yield make
    for mirror in opened:
        mirror.close()
