"""Last good survives: kills, an unreachable remote, restarts, reloads, a draining stop."""

from __future__ import annotations

import queue
import random
import shutil
import threading
import time
from pathlib import Path

import grpc
import pytest

from repositories import Upstream
from running import SE, VS, Gitsource, closing, eventually, route


def test_after_a_kill_with_the_remote_gone_the_last_good_snapshot_is_served(
    server: Gitsource, upstream: Upstream
) -> None:
    version = eventually(lambda: server.status()["version"], "a first snapshot")
    server.kill()
    upstream.folder.rename(upstream.folder.with_suffix(".gone"))

    server.start()

    with closing(server.sink()) as sink:
        push = sink.next()
    assert ["shop/web"] == [each.metadata.name for each in push.resources]
    told = eventually(lambda: server.status()["last_sync"] and server.status(), "a look")
    assert version == told["version"]
    assert told["stale_since"]
    assert "network" == told["last_sync"]["fault"]
    upstream.folder.with_suffix(".gone").rename(upstream.folder)
    assert "unchanged" == server.sync()["outcome"]
    assert server.status()["stale_since"] is None


def test_a_restart_catches_up_with_what_was_pushed_meanwhile(
    server: Gitsource, upstream: Upstream
) -> None:
    eventually(lambda: server.status()["revision"], "a first snapshot")
    server.kill()
    head = upstream.commit({"mesh/web.yaml": None, "mesh/api.yaml": route("api", "a")})

    server.start()

    eventually(lambda: server.status()["revision"] == head, "catching up")


def test_an_incremental_sink_that_was_away_learns_of_deletions(
    server: Gitsource, upstream: Upstream
) -> None:
    upstream.commit({"mesh/api.yaml": route("api", "a")})
    server.sync()
    with closing(server.sink(incremental=True)) as sink:
        sink.next()
        held = {VS: dict(sink.state[VS])}
    server.kill()
    upstream.commit({"mesh/web.yaml": None})
    server.start()
    eventually(lambda: server.status()["revision"] == upstream.tip(), "catching up")

    with closing(server.sink(incremental=True, holds=held)) as sink:
        push = sink.next()

    assert push.incremental
    assert ["shop/web"] == list(push.removed_resources)
    assert [] == list(push.resources)


def test_a_sink_that_has_everything_gets_no_bodies_after_a_restart(server: Gitsource) -> None:
    with closing(server.sink(incremental=True)) as sink:
        sink.next()
        held = {VS: dict(sink.state[VS])}
    server.kill()
    server.start()

    with closing(server.sink(incremental=True, holds=held)) as sink:
        push = sink.next()

    assert [] == list(push.resources) == list(push.removed_resources)


def test_a_broken_head_stays_held_over_a_restart(server: Gitsource, upstream: Upstream) -> None:
    good = eventually(lambda: server.status()["revision"], "a first snapshot")
    upstream.commit({"mesh/bad.yaml": "kind: [\n"})
    server.sync()
    server.kill()

    server.start()

    told = eventually(lambda: server.status()["held"] and server.status(), "holding again")
    assert good == told["revision"]
    assert "GS102" == told["findings"][0]["code"]


def test_a_lost_mirror_is_cloned_again(server: Gitsource, upstream: Upstream) -> None:
    eventually(lambda: server.status()["revision"], "a first snapshot")
    server.kill()
    shutil.rmtree(server.state / "mirror.git")
    head = upstream.commit({"mesh/web.yaml": route("web", "web-v2")})

    server.start()

    eventually(lambda: server.status()["revision"] == head, "cloning again")


def test_a_damaged_history_and_cache_cost_time_and_nothing_else(
    server: Gitsource, upstream: Upstream
) -> None:
    version = eventually(lambda: server.status()["version"], "a first snapshot")
    server.kill()
    for path in (server.state / "history").glob("*.log"):
        path.write_bytes(path.read_bytes()[:-20])
    (server.state / "blobs.sqlite").write_bytes(b"no database")

    server.start()

    eventually(lambda: server.status()["version"] == version, "building it again")


def test_one_state_directory_serves_one_process(server: Gitsource, tmp_path: Path) -> None:
    second = Gitsource(tmp_path / "gitsource", "file:///nowhere").start(wait=False)
    assert second.process is not None

    assert 2 == second.process.wait(30)
    assert "another gitsource uses" in eventually(
        lambda: second.log.read_text()[-2000:], "an error"
    )


def test_sigterm_sends_streams_elsewhere_and_ends_with_zero(server: Gitsource) -> None:
    with closing(server.sink()) as sink:
        sink.next()

        code = server.stop()

        assert 0 == code
        ended = eventually(lambda: sink.ended, "the end of the stream")
        assert isinstance(ended, grpc.Call)
        assert grpc.StatusCode.UNAVAILABLE == ended.code()
    assert "Traceback" not in server.log.read_text()


def test_sighup_takes_new_settings_over_without_dropping_a_stream(
    server: Gitsource, upstream: Upstream
) -> None:
    flag = "apiVersion: acme.dev/v1\nkind: Flag\nmetadata: {name: dark}\nspec: {on: true}\n"
    upstream.commit({"flag.yaml": flag})
    server.sync()
    with closing(server.sink("acme/v1/flags")) as sink:
        assert [] == list(sink.next().resources)
        server.configure(
            upstream.url,
            "poll: {interval: 1h}\nwatch: {enabled: false}\n"
            "collections: [{name: acme/v1/flags, api_version: acme.dev/v1, kind: Flag}]\n",
        )
        assert server.process is not None
        server.process.send_signal(1)

        assert ["default/dark"] == [each.metadata.name for each in sink.next().resources]


def test_settings_that_are_wrong_on_sighup_leave_the_old_ones(server: Gitsource) -> None:
    eventually(lambda: server.status()["revision"], "a first snapshot")
    server.config.write_text("repository: {urll: x}\n")
    assert server.process is not None
    server.process.send_signal(1)

    eventually(lambda: "urll" in server.log.read_text(), "an error in the log")
    assert "unchanged" == server.sync()["outcome"]


# --------------------------------------------------------------------------- kill -9


def crash(  # noqa: PLR0915 - one life told from birth to death
    server: Gitsource, upstream: Upstream, times: int, seed: int
) -> None:
    """Kill the server *times* times at random moments of a busy life and check what it serves."""
    chance = random.Random(seed)
    versions: dict[str, str] = {}
    order: list[str] = []
    stop = threading.Event()

    def author() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            files = {f"mesh/w{number % 7}.yaml": route(f"w{number % 7}", f"v{number}")}
            if number % 5 == 0:
                files[f"mesh/w{(number + 3) % 7}.yaml"] = None
            upstream.commit(files)
            time.sleep(chance.uniform(0.005, 0.05))

    committing = threading.Thread(target=author)
    committing.start()
    accepted: list[tuple[str, dict[str, str]]] = []
    try:
        for _ in range(times):
            with closing(server.sink(VS, SE, node="crash-test")) as sink:
                until = time.monotonic() + chance.uniform(0.0, 0.6)
                while time.monotonic() < until:
                    try:
                        push = sink.next(0.05)
                    except queue.Empty:
                        continue
                    if push.collection == VS:
                        accepted.append((push.system_version_info, dict(sink.state[VS])))
                server.kill()
            last = accepted[-1] if accepted else None
            server.start()
            with closing(server.sink(VS, node="crash-test")) as sink:
                push = sink.next()
                # What a sink has once accepted is never taken back by a crash: the first answer
                # is that state or a later one, complete in either case.
                state = dict(sink.state[VS])
            if last is not None and push.system_version_info == last[0]:
                assert last[1] == state
            versions[push.system_version_info] = str(sorted(state.items()))
            order.append(push.system_version_info)
            if last is not None:
                seen = [version for version, _ in accepted]
                assert (
                    push.system_version_info == last[0]
                    or push.system_version_info not in seen[: seen.index(last[0])]
                )
    finally:
        stop.set()
        committing.join()
    head = upstream.tip()
    server.sync()
    eventually(lambda: server.status()["revision"] == head, "the head after the last crash")
    names = upstream.git("ls-tree", "-r", "--name-only", "main", "mesh/").split()
    with closing(server.sink(VS)) as sink:
        sink.next()
        assert {f"shop/{Path(name).stem}" for name in names} == set(sink.state[VS])


def test_killed_at_random_moments_it_never_goes_back(tmp_path: Path, upstream: Upstream) -> None:
    with Gitsource(tmp_path / "gitsource", upstream.url, "poll: {interval: 50ms}\n") as server:
        crash(server, upstream, times=10, seed=7)


@pytest.mark.full
@pytest.mark.timeout(1800)
def test_killed_a_hundred_times_it_never_goes_back(tmp_path: Path, upstream: Upstream) -> None:
    with Gitsource(tmp_path / "gitsource", upstream.url, "poll: {interval: 50ms}\n") as server:
        crash(server, upstream, times=110, seed=11)
