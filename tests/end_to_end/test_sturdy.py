"""Whatever fails around it, gitsource serves what was last good and goes on by itself."""

from __future__ import annotations

import http.client
import os
import resource
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from threading import Thread

import pytest

from repositories import Upstream
from running import SE, VS, Gitsource, closing, eventually, route
from servers.over_http import HttpGit, Manner

WORLD = Path(__file__).parent / "world"
QUIET = "poll: {interval: 1h}\nwatch: {enabled: false}\n"
NO_POWERS = ("setpriv", "--bounding-set=-all", "--inh-caps=-all")
"""Takes from root the power to write everywhere."""


def served(server: Gitsource) -> set[str]:
    """Return the names that a sink gets as its first answer."""
    with closing(server.sink()) as sink:
        sink.next()
        return set(sink.state[VS])


def children(process: int) -> list[str]:
    """Return what a process and its descendants have running, itself aside."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except (OSError, IndexError):
            continue
        if parent == process:
            found += [command, *children(int(folder.name))]
    return found


# --------------------------------------------------------------------------- the remote


@pytest.mark.parametrize("manner", [Manner.SILENT, Manner.SLOW, Manner.ENDLESS_PACK, Manner.LIES])
def test_a_host_that_misbehaves_costs_freshness_and_nothing_else(
    tmp_path: Path, upstream: Upstream, manner: Manner
) -> None:
    with HttpGit(upstream.folder.parent) as host:
        server = Gitsource(tmp_path / "gitsource", f"{host.url}/{upstream.folder.name}", QUIET)
        server.config.write_text(server.config.read_text().replace("ref:", "timeout: 2s, ref:"))
        with server:
            first = eventually(lambda: server.status()["revision"], "a first snapshot")
            head = upstream.commit({"mesh/api.yaml": route("api", "a")})
            host.manner = manner

            told = server.sync()

            assert "failed" == told["outcome"]
            assert first == server.status()["revision"]
            assert {"shop/web"} == served(server)
            assert server.process is not None
            running = [line for line in children(server.process.pid) if "fetch" in line]
            assert [] == running, "the process group of the fetch is gone"
            assert [] == [*(server.state / "mirror.git").rglob("tmp_pack_*")]
            host.manner = Manner.GOOD
            assert "published" == server.sync()["outcome"]
            assert head == server.status()["revision"]


def look(server: Gitsource) -> None:
    """Have it look, until it is killed."""
    with suppress(OSError, http.client.HTTPException):
        server.sync()


def test_orders_do_not_wait_for_a_host_that_does_not_answer(
    tmp_path: Path, upstream: Upstream
) -> None:
    with HttpGit(upstream.folder.parent) as host:
        server = Gitsource(tmp_path / "gitsource", f"{host.url}/{upstream.folder.name}", QUIET)
        with server:
            first = eventually(lambda: server.status()["revision"], "a first snapshot")
            upstream.commit({"mesh/api.yaml": route("api", "a")})
            server.sync()
            with closing(server.sink()) as sink:
                sink.next()
                host.manner = Manner.SILENT
                looking = Thread(target=look, args=(server,))
                looking.start()
                assert host.held.wait(30)

                server.ask("POST", "/rollback", {"revision": first, "reason": "incident 7"})
                push = sink.next()
                server.ask("POST", "/suspend", {"reason": "freeze"})
                hangs = looking.is_alive()

    assert {"shop/web"} == {each.metadata.name for each in push.resources}
    assert hangs, "the look was under way all the time"


def test_it_ends_when_it_is_told_to_whatever_it_waits_for(
    tmp_path: Path, upstream: Upstream
) -> None:
    with HttpGit(upstream.folder.parent) as host:
        server = Gitsource(tmp_path / "gitsource", f"{host.url}/{upstream.folder.name}", QUIET)
        with server:
            eventually(lambda: server.status()["revision"], "a first snapshot")
            upstream.commit({"mesh/api.yaml": route("api", "a")})
            host.manner = Manner.SILENT
            looking = Thread(target=look, args=(server,))
            looking.start()
            assert host.held.wait(30)
            assert server.process is not None
            below = children(server.process.pid)

            code = server.stop()

    assert 0 == code
    assert any("fetch" in line for line in below)


def test_a_fetch_larger_than_the_settings_allow_is_not_taken(
    tmp_path: Path, upstream: Upstream
) -> None:
    settings = QUIET + "limits: {fetch_bytes: 1MiB}\n"
    with Gitsource(tmp_path / "gitsource", upstream.url, settings) as server:
        eventually(lambda: server.status()["revision"], "a first snapshot")
        first = upstream.tip()
        upstream.commit({"noise.bin": os.urandom(4 << 20)})

        told = server.sync()

        assert ("failed", "operator") == (told["outcome"], told["fault"])
        assert "limits.fetch_bytes" in told["hint"]
        assert first == server.status()["revision"]
        size = sum(f.stat().st_size for f in server.state.rglob("*") if f.is_file())
        assert size < 3 << 20
        upstream.commit({"mesh/api.yaml": route("api", "a")}, parents=[first])
        assert "published" == server.sync()["outcome"]


def test_a_lock_that_a_killed_git_left_does_not_stop_the_next_look(
    server: Gitsource, upstream: Upstream
) -> None:
    upstream.commit({"mesh/api.yaml": route("api", "a")})
    for lock in ("packed-refs.lock", "refs/gitsource/head.lock"):
        (server.state / "mirror.git" / lock).touch()

    assert "published" == server.sync()["outcome"]


# --------------------------------------------------------------------------- the disk


def limit_files(server: Gitsource, size: int) -> None:
    """Let the server write no file larger than *size* from now on, as on a full disk."""
    assert server.process is not None
    _, hard = resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (size, hard))


def test_what_cannot_be_kept_on_disk_is_served_all_the_same(
    server: Gitsource, upstream: Upstream
) -> None:
    first = upstream.tip()
    limit_files(server, 64)
    head = upstream.commit({"mesh/api.yaml": route("api", "a")})

    assert "published" == server.sync()["outcome"]
    told = server.status()
    assert head == told["revision"]
    assert "could not be written" in told["unsaved"]
    assert {"shop/web", "shop/api"} == served(server)
    server.kill()
    server.start()
    eventually(lambda: server.status()["revision"] == head, "catching up")
    assert "unsaved" not in [key for key, value in server.status().items() if value]
    assert first != head


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Return a file system of four megabytes."""
    folder = tmp_path / "small"
    folder.mkdir()
    code = os.system(f"mount -t tmpfs -o size=4m,mode=0700 small {folder} 2>/dev/null")  # noqa: S605
    if code:
        pytest.skip("no file system can be mounted here; files that may not grow stand in above")
    yield folder
    os.system(f"umount -l {folder}")  # noqa: S605


def fill(file: Path) -> None:
    """Write *file* until there is not a byte left."""
    with file.open("wb", buffering=0) as filler, suppress(OSError):
        while True:
            filler.write(b"x" * 4096)


def test_a_full_disk_costs_freshness_until_there_is_space_again(
    small_disk: Path, tmp_path: Path, upstream: Upstream
) -> None:
    server = Gitsource(tmp_path / "gitsource", upstream.url, QUIET)
    text = server.config.read_text().replace("state_dir: state", f"state_dir: {small_disk}/state")
    server.config.write_text(text)
    with server:
        first = eventually(lambda: server.status()["revision"], "a first snapshot")
        head = upstream.commit({"mesh/api.yaml": route("api", "a")})
        filler = small_disk / "filler"
        fill(filler)

        full = server.sync()

        assert "failed" == full["outcome"]
        assert first == server.status()["revision"]
        server.kill()
        server.start()
        assert {"shop/web"} == served(server), "last good, with not a byte left"
        filler.unlink()
        server.sync()
        eventually(lambda: server.status()["revision"] == head, "the head")


def test_a_read_only_state_directory_costs_freshness_alone(
    server: Gitsource, upstream: Upstream
) -> None:
    server.stop()
    if os.geteuid() == 0:
        server.before = NO_POWERS
    server.start()
    first = eventually(lambda: server.status()["last_sync"] and server.status()["revision"], "one")
    folders = [server.state, *(f for f in server.state.rglob("*") if f.is_dir())]
    try:
        for folder in folders:
            folder.chmod(0o500)
        head = upstream.commit({"mesh/api.yaml": route("api", "a")})

        told = server.sync()

        assert ("failed", "operator") == (told["outcome"], told["fault"])
        assert "state_dir" in told["hint"]
        assert first == server.status()["revision"]
        server.kill()
        server.start()
        assert {"shop/web"} == served(server), "last good, from a directory that is read-only"
    finally:
        for folder in folders:
            folder.chmod(0o700)
    server.sync()
    eventually(lambda: server.status()["revision"] == head, "the head")


def test_what_can_only_be_read_is_served_and_orders_count_until_the_end(
    server: Gitsource, upstream: Upstream
) -> None:
    first = server.status()["revision"]
    upstream.commit({"mesh/api.yaml": route("api", "a")})
    server.sync()
    server.stop()
    if os.geteuid() == 0:
        server.before = NO_POWERS
    everything = [server.state, *server.state.rglob("*")]
    modes = {path: path.stat().st_mode for path in everything}
    try:
        for path in everything:
            path.chmod(0o500 if path.is_dir() else 0o400)
        server.start()
        assert {"shop/web", "shop/api"} == served(server)
        at_first = server.status()["unkept"]
        done = server.cli("rollback", first, "--reason", "an incident")
        told, (_, ready) = server.status(), server.ask("GET", "/readyz")
        now = served(server)
    finally:
        for path, mode in modes.items():
            path.chmod(mode)

    assert "cannot be written" in at_first
    assert 0 == done.returncode
    assert "warning: a restart would forget this order" in done.stderr
    assert (first, {"shop/web"}) == (told["pin"]["revision"], now)
    assert any("orders are not kept across a restart" in each for each in ready["reasons"])
    server.sync()
    assert server.status()["unkept"] is None
    server.kill()
    server.start()
    assert first == server.status()["revision"], "the pin was kept as soon as it could be"


# --------------------------------------------------------------------------- the clock


@pytest.mark.parametrize("jump", [-400 * 86_400, 86_400, 20 * 365 * 86_400])
def test_a_clock_that_jumps_stops_nothing(tmp_path: Path, upstream: Upstream, jump: int) -> None:
    clock = tmp_path / "clock"
    clock.write_text("0")
    world = {"PYTHONPATH": str(WORLD), "WORLD_CLOCK": str(clock)}
    settings = "poll: {interval: 100ms}\nwatch: {enabled: false}\n"
    with Gitsource(tmp_path / "gitsource", upstream.url, settings, **world) as server:
        eventually(lambda: server.status()["revision"], "a first snapshot")
        with closing(server.sink(node="clock")) as sink:
            sink.next()
            clock.write_text(str(jump))
            head = upstream.commit({"mesh/api.yaml": route("api", "a")})

            eventually(lambda: server.status()["revision"] == head, "the poll")

            assert {"shop/web", "shop/api"} == {r.metadata.name for r in sink.next().resources}
        told = server.status()
        year = time.gmtime(time.time() + jump).tm_year
        assert told["published"]["at"].startswith(str(year)), "the clock did jump"
        code, waited = server.ask("GET", f"/wait?revision={head}&timeout=5")
        assert (200, "accepted") == (code, waited["outcome"])
        clock.write_text("0")
        again = upstream.commit({"mesh/api.yaml": route("api", "b")})
        eventually(lambda: server.status()["revision"] == again, "the poll, once more")
        server.kill()
        server.start()
        with closing(server.sink()) as sink:
            sink.next()
        eventually(lambda: server.status()["revision"] == again, "the same after a restart")
        assert server.ask("GET", "/metrics")[0] == 200


# --------------------------------------------------------------------------- death


def die_at(server: Gitsource, upstream: Upstream, step: int) -> bool:
    """
    Have the server die at its *step*th deed of a look; True if the look has that many.

    Whatever is served afterwards is the state before or the state after, whole, and what a sink has
    accepted is never taken back.
    """
    armed = server.folder / "armed"
    armed.unlink(missing_ok=True)
    server.environ |= {
        "PYTHONPATH": str(WORLD),
        "WORLD_ARMED": str(armed),
        "WORLD_KILL_AT": str(step),
        "WORLD_STATE": str(server.state),
    }
    server.start()
    eventually(lambda: server.status()["last_sync"], "the look it starts with")
    before = served(server)
    name = f"n{step}"
    head = upstream.commit({f"mesh/{name}.yaml": route(name, "a")})
    after = before | {f"shop/{name}"}
    accepted: set[str] = set()
    died = False
    with closing(server.sink(VS, SE, node="fragile")) as sink:
        sink.next()
        armed.touch()
        try:
            server.sync()
        except (OSError, http.client.HTTPException):
            died = True
        assert server.process is not None
        if died:
            assert -9 == server.process.wait(30)
        else:
            server.kill()
        accepted = set(sink.state[VS])
    del server.environ["WORLD_KILL_AT"]

    server.start()

    assert served(server) in ([after] if accepted == after else [before, after]), step
    eventually(lambda: server.status()["revision"] == head, f"the head after a death at {step}")
    assert after == served(server)
    assert [] == [*(server.state / "mirror.git").rglob("*.lock")]
    assert "Traceback" not in server.log.read_text()
    server.kill()
    return died


def die_everywhere(server: Gitsource, upstream: Upstream, every: int) -> None:
    server.stop()
    step = 1
    while die_at(server, upstream, step):
        step += every
        assert step < 200
    assert step > 3, "it died in more than a few places"


def test_killed_at_some_steps_of_a_look_it_loses_nothing(
    server: Gitsource, upstream: Upstream
) -> None:
    die_everywhere(server, upstream, every=4)


@pytest.mark.full
@pytest.mark.timeout(900)
def test_killed_at_every_step_of_a_look_it_loses_nothing(
    server: Gitsource, upstream: Upstream
) -> None:
    """Fetch, read, judge, write, publish: each program started and each file touched is a step."""
    die_everywhere(server, upstream, every=1)


def dies_at_birth(folder: Path, upstream: Upstream, step: int) -> bool:
    """Have a new server die at the *step*th deed of its life; True if it did."""
    folder.mkdir()
    world = {"PYTHONPATH": str(WORLD), "WORLD_ARMED": str(WORLD), "WORLD_KILL_AT": str(step)}
    server = Gitsource(folder, upstream.url, QUIET, **world, WORLD_STATE=str(folder / "state"))
    server.start(wait=False)
    assert server.process is not None
    process = server.process

    def over() -> bool:
        try:
            told = "admin" in server.ports and server.status()["revision"]
        except (OSError, http.client.HTTPException):
            told = None  # it dies as it answers
        return bool(told) or process.poll() is not None

    eventually(over, "a death or a snapshot")
    died = process.poll() is not None
    if died:
        assert -9 == process.returncode
    else:
        server.kill()
    del server.environ["WORLD_KILL_AT"]
    with server:
        eventually(lambda: server.status()["revision"] == upstream.tip(), f"life after {step}")
        assert {"shop/web"} == served(server)
    return died


def dies_everywhere_at_birth(folder: Path, upstream: Upstream, every: int) -> None:
    step = 1
    while dies_at_birth(folder / f"life-{step}", upstream, step):
        step += every
        assert step < 200
    assert step > 10, "it died in many places"


def test_killed_at_some_steps_of_its_first_start_it_starts_anew(
    tmp_path: Path, upstream: Upstream
) -> None:
    dies_everywhere_at_birth(tmp_path, upstream, every=13)


@pytest.mark.full
@pytest.mark.timeout(900)
def test_killed_at_every_step_of_its_first_start_it_starts_anew(
    tmp_path: Path, upstream: Upstream
) -> None:
    dies_everywhere_at_birth(tmp_path, upstream, every=1)
