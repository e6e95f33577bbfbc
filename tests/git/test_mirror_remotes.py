"""The mirror over HTTP and SSH, against real servers and against hosts that misbehave."""

from __future__ import annotations

import os
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from gitsource.errors import GitFailed, MirrorError, RefMissing, RemoteUnreachable
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
    """Open a mirror of a URL, with little patience."""
    opened: list[Mirror] = []

    def make(url: str, **how: object) -> Mirror:
        git = Git(**{"timeout": 20.0} | how)
        mirror = Mirror(tmp_path / "mirror.git", Repository(url=url), git)
        opened.append(mirror)
        mirror.open()
        return mirror

    yield make
    for mirror in opened:
        mirror.close()


def git_processes() -> list[str]:
    """Return the command lines of git processes that descend from this one."""
    found, parents = [], {os.getpid()}
    stats = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
            stats[int(path.parent.name)] = (int(fields[1]), fields[0])
        except OSError:
            continue
    while True:
        more = {pid for pid, (parent, _) in stats.items() if parent in parents} - parents
        if not more:
            break
        parents |= more
    for pid in parents - {os.getpid()}:
        try:
            line = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        if stats[pid][1] not in {"Z", "X"} and (" fetch " in line or "remote-http" in line):
            found.append(line)
    return found


# --------------------------------------------------------------------------- http


def test_a_mirror_follows_a_branch_over_http(upstream, mirror_of):
    """Clone, then each new commit, with one request for refs and one for objects."""
    upstream.commit({"a.yaml": os.urandom(200_000)})
    with HttpGit(upstream.folder.parent) as host:
        mirror = mirror_of(f"{host.url}/mesh.git")
        mirror.fetch()
        second = upstream.commit({"b.yaml": "1"})
        host.requests.clear()
        mirror.fetch()
        found = mirror.head().commit

    assert (found, len(host.requests)) == (second, 3)


def test_credentials_are_sent_and_seen_nowhere(upstream, mirror_of, tmp_path):
    """They travel in a header; neither an argv nor the mirror on disk holds them."""
    commit = upstream.commit({"a.yaml": "1"})
    with HttpGit(upstream.folder.parent, credentials=("ada", "hunter2")) as host:
        mirror = mirror_of(f"http://ada:hunter2@{host.netloc}/mesh.git")
        mirror.fetch()
        found = mirror.head().commit
        host.manner = Manner.SILENT
        fetching = threading.Thread(target=_failing, args=(mirror,))
        fetching.start()
        until, seen = time.monotonic() + 10, []
        while not (host.held.is_set() and seen) and time.monotonic() < until:
            seen = git_processes()
        host.stopping.set()
        fetching.join()
    on_disk = [p for p in (tmp_path / "mirror.git").rglob("*") if p.is_file()]

    assert (found, bool(seen), host.held.is_set()) == (commit, True, True)
    assert [line for line in seen if "hunter2" in line or "aHVudGVyMg" in line] == []
    assert [p for p in on_disk if b"hunter2" in p.read_bytes()] == []


def _failing(mirror: Mirror) -> None:
    with suppress(MirrorError):
        mirror.fetch()


@pytest.mark.parametrize("given", ["", "ada:wrong@"])
def test_missing_or_wrong_credentials_are_told(upstream, mirror_of, given):
    """Nobody is asked on a terminal, and the message does not repeat them."""
    upstream.commit({"a.yaml": "1"})
    with HttpGit(upstream.folder.parent, credentials=("ada", "hunter2")) as host:
        mirror = mirror_of(f"http://{given}{host.netloc}/mesh.git")
        with pytest.raises(RemoteUnreachable) as caught:
            mirror.fetch()

    assert ("token or key" in caught.value.hint, "wrong" in str(caught.value)) == (True, False)


@pytest.mark.parametrize(
    ("name", "error"), [("nothing.git", RemoteUnreachable), ("mesh.git", RefMissing)]
)
def test_a_missing_or_empty_repository_over_http_is_told(upstream, mirror_of, name, error):
    """One is the address's fault, the other the repository's."""
    with HttpGit(upstream.folder.parent) as host:
        mirror = mirror_of(f"{host.url}/{name}")

        with pytest.raises(error):
            mirror.fetch()


def test_a_host_that_is_down_is_told(upstream, mirror_of):
    """And found again when it is back."""
    commit = upstream.commit({"a.yaml": "1"})
    with HttpGit(upstream.folder.parent) as host:
        mirror = mirror_of(f"{host.url}/mesh.git")
        mirror.fetch()
    with pytest.raises(RemoteUnreachable):
        mirror.fetch()

    assert mirror.head().commit == commit


@pytest.mark.parametrize(
    "manner", [Manner.SILENT, Manner.SLOW, Manner.ENDLESS_REFS, Manner.ENDLESS_PROGRESS]
)
def test_a_host_that_never_ends_is_left_at_the_deadline(upstream, mirror_of, manner):
    """The process group is gone, the head is where it was, and the host may recover."""
    first = upstream.commit({"a.yaml": "1"})
    with HttpGit(upstream.folder.parent) as host:
        patient = mirror_of(f"{host.url}/mesh.git")
        patient.fetch()
        mirror = mirror_of(f"{host.url}/mesh.git", timeout=1.5)
        second = upstream.commit({"a.yaml": "2"})
        host.manner = manner
        with pytest.raises(RemoteUnreachable, match=r"git fetch did not answer within 1\.5 s"):
            mirror.fetch()
        left, head = git_processes(), mirror.head().commit
        host.manner = Manner.GOOD
        patient.fetch()

    assert (left, head, patient.head().commit) == ([], first, second)


def test_an_endless_list_of_refs_cannot_take_all_memory(upstream, mirror_of):
    """The limit holds for the helper that git starts, too."""
    upstream.commit({"a.yaml": "1"})
    with HttpGit(upstream.folder.parent, manner=Manner.ENDLESS_REFS) as host:
        mirror = mirror_of(f"{host.url}/mesh.git", limits=Limits(memory_bytes=64 << 20))
        with pytest.raises(MirrorError) as caught:
            mirror.fetch()

    assert "did not answer" not in str(caught.value)


@pytest.mark.parametrize("scheme", ["file", "ftp", "ext"])
def test_a_redirect_to_another_transport_is_not_followed(upstream, mirror_of, scheme):
    """A host cannot make us read a repository of this machine, or run anything."""
    upstream.commit({"a.yaml": "1"})
    with HttpGit(upstream.folder.parent) as host:
        host.redirect = f"{scheme}://{upstream.folder}/info/refs?service=git-upload-pack"
        mirror = mirror_of(f"{host.url}/mesh.git")
        with pytest.raises(RemoteUnreachable):
            mirror.fetch()
        with pytest.raises(RefMissing):
            mirror.head()


# --------------------------------------------------------------------------- ssh


def test_a_mirror_follows_a_branch_over_ssh(upstream, mirror_of, server, tmp_path, monkeypatch):
    """With a key and a known host, and with nothing but upload-pack run there."""
    upstream.commit({"a.yaml": os.urandom(100_000)})
    with server(upstream.folder.parent) as host:
        host.write_home(tmp_path / "home")
        monkeypatch.setenv("HOME", str(tmp_path / "home"))
        monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
        mirror = mirror_of(f"{host.url}/mesh.git")
        mirror.fetch()
        second = upstream.commit({"b.yaml": "1"})
        mirror.fetch()
        found = mirror.head().commit

    assert found == second
    assert set(host.commands) == {f"git-upload-pack '{upstream.folder}'"}


@pytest.mark.parametrize("known", ["nobody", "another key", "revoked"])
def test_a_host_whose_key_is_not_known_is_not_trusted(
    upstream, mirror_of, server, tmp_path, monkeypatch, known
):
    """Neither on first sight nor after a change; and its key is not written down."""
    upstream.commit({"a.yaml": "1"})
    with server(upstream.folder.parent) as host:
        line = {
            "nobody": "",
            "another key": host.known_hosts_line(wrong=True),
            "revoked": f"@revoked {host.known_hosts_line()}{host.known_hosts_line()}",
        }[known]
        host.write_home(tmp_path / "home", known=line)
        monkeypatch.setenv("HOME", str(tmp_path / "home"))
        mirror = mirror_of(f"{host.url}/mesh.git")
        with pytest.raises(RemoteUnreachable) as caught:
            mirror.fetch()

    assert (caught.value.kind, caught.value.fault) == ("host-key", "operator")
    assert "known_hosts" in f"{caught.value} {caught.value.hint}"
    assert host.commands == []
    assert (tmp_path / "home" / ".ssh" / "known_hosts").read_text() == line


def test_a_key_that_is_refused_is_told(upstream, mirror_of, server, tmp_path, monkeypatch):
    """No password is asked for."""
    upstream.commit({"a.yaml": "1"})
    with server(upstream.folder.parent) as host:
        host.write_home(tmp_path / "home", key=False)
        monkeypatch.setenv("HOME", str(tmp_path / "home"))
        monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
        mirror = mirror_of(f"{host.url}/mesh.git")
        with pytest.raises(RemoteUnreachable) as caught:
            mirror.fetch()

    assert "token or key" in caught.value.hint


def test_a_missing_repository_over_ssh_is_told(upstream, mirror_of, server, tmp_path, monkeypatch):
    """The far end's words come through."""
    with server(upstream.folder.parent) as host:
        host.write_home(tmp_path / "home")
        monkeypatch.setenv("HOME", str(tmp_path / "home"))
        mirror = mirror_of(f"{host.url}/nothing.git")

        with pytest.raises((RemoteUnreachable, GitFailed), match="does not appear to be"):
            mirror.fetch()
