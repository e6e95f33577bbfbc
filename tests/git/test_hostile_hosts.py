"""Git hosts that lie, flood or stall: bounded by deadlines and limits, and the last head stays."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from gitsource.errors import MirrorError
from gitsource.git.command import Git
from gitsource.git.mirror import Mirror
from gitsource.git.process import Limits
from gitsource.settings.following import Repository
from repositories import Upstream
from servers.over_http import HttpGit, Manner


@pytest.fixture
def upstream(tmp_path):
    return Upstream(tmp_path / "host" / "mesh.git")


@pytest.fixture
def mirror_of(tmp_path):
    """Open a mirror of a URL."""
    with ExitStack() as stack:

        def make(url: str, **how: object) -> Mirror:
            mirror = Mirror(tmp_path / "mirror.git", Repository(url=url), Git(**how))
            stack.callback(mirror.close)
            mirror.open()
            return mirror

        yield make


@pytest.mark.parametrize("how", [{"limits": Limits(file_bytes=2_000_000)}, {"timeout": 1.5}])
def test_a_pack_without_end_is_cut_off(upstream, mirror_of, tmp_path, how):
    """At the largest file or at the deadline; what came is thrown away, and the head stays."""
    first = upstream.commit({"a.yaml": "1"})
    with HttpGit(upstream.folder.parent) as host:
        mirror_of(f"{host.url}/mesh.git").fetch()
        mirror = mirror_of(f"{host.url}/mesh.git", **{"timeout": 30.0} | how)
        second = upstream.commit({"a.yaml": "2"})
        host.manner = Manner.ENDLESS_PACK
        with pytest.raises(MirrorError):
            mirror.fetch()
        head = mirror.head().commit
        size = sum(p.stat().st_size for p in mirror.folder.rglob("*") if p.is_file())
        host.manner = Manner.GOOD
        again = mirror_of(f"{host.url}/mesh.git")
        again.fetch()
        left = list(mirror.folder.glob("objects/pack/tmp_*"))

        assert (head, again.head().commit, left) == (first, second, [])
    if "limits" in how:
        assert size < 8_000_000


def test_a_host_that_sends_something_else_is_not_believed(upstream, mirror_of):
    """The commit that it lists is not in its pack: nothing changes here."""
    first = upstream.commit({"a.yaml": "1"})
    with HttpGit(upstream.folder.parent) as host:
        mirror = mirror_of(f"{host.url}/mesh.git")
        mirror.fetch()
        host.manner = Manner.LIES
        with pytest.raises(MirrorError) as caught:
            mirror.fetch()
        head = mirror.head().commit
        host.manner = Manner.GOOD
        second = upstream.commit({"a.yaml": "2"})
        mirror.fetch()

        assert (head, mirror.head().commit) == (first, second)
    assert "did not answer" not in str(caught.value)


def test_a_host_that_sends_a_byte_now_and_then_gets_no_more_time(upstream, mirror_of):
    """The deadline is for the whole step, and not for each byte."""
    first = upstream.commit({"a.yaml": "1"})
    with HttpGit(upstream.folder.parent) as host:
        mirror_of(f"{host.url}/mesh.git").fetch()
        mirror = mirror_of(f"{host.url}/mesh.git", timeout=2.0)
        upstream.commit({"a.yaml": "2"})
        host.manner = Manner.SLOW
        with pytest.raises(MirrorError, match="did not answer within 2 s"):
            mirror.fetch()

        assert first == mirror.head().commit
