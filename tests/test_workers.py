"""Worker processes: what they do comes back, and nobody outlives anybody."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from threading import Event, Thread, Timer

import pytest

from gitsource.errors import StateError
from gitsource.workers import NICENESS, Workers, beside


def doubled(number: int) -> int:
    """Work on one piece; a negative one goes wrong."""
    if number < 0:
        raise ValueError(f"{number} is negative")
    return 2 * number


def test_every_piece_comes_back_with_its_result() -> None:
    with Workers(2, doubled) as workers:
        done = dict(workers.run(range(50)))

    assert {number: 2 * number for number in range(50)} == done


def parent(_piece: int) -> int:
    """Return the parent of the process that does the work."""
    return os.getppid()


def test_a_process_with_threads_is_not_forked() -> None:
    done = Event()
    beside_us = Thread(target=done.wait)
    beside_us.start()
    try:
        with Workers(1, parent) as workers:
            found = dict(workers.run([0]))
        with Workers(2, doubled) as workers:
            results = dict(workers.run(range(5)))
    finally:
        done.set()
        beside_us.join()

    assert os.getpid() != found[0]
    assert {number: 2 * number for number in range(5)} == results


def test_what_else_this_process_starts_finds_its_modules_as_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("PYTHONSAFEPATH", raising=False)
    done = Event()
    beside_us = Thread(target=done.wait)
    beside_us.start()
    before = dict(os.environ)
    try:
        with Workers(1, doubled) as workers:
            assert {1: 2} == dict(workers.run([1]))
    finally:
        done.set()
        beside_us.join()

    assert before == dict(os.environ)


THREADED = """
from threading import Event, Thread
from gitsource.workers import Workers

if __name__ == "__main__":
    done = Event()
    Thread(target=done.wait).start()
    with Workers(1, abs) as workers:
        print(dict(workers.run([-1])))
    done.set()
"""


def test_no_worker_imports_what_lies_in_the_working_directory(tmp_path: Path) -> None:
    script = tmp_path / "threaded.py"
    script.write_text(THREADED)
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    for name in ("multiprocessing", "signal", "_ruamel_yaml"):
        (checkout / f"{name}.py").write_text(f"open('{tmp_path}/{name}.ran', 'w').close()")
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONSAFEPATH"}

    done = subprocess.run(
        [sys.executable, script],
        cwd=checkout,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert ("{-1: 1}\n", "") == (done.stdout, done.stderr)
    assert [] == list(tmp_path.glob("*.ran"))


ALONE = """
import os
from gitsource.workers import Workers, get_ready

def parent(_piece):
    return os.getppid()

if __name__ == "__main__":
    get_ready()
    with Workers(2, parent) as workers:
        found = set(dict(workers.run(range(20))).values())
    print(found == {os.getpid()})
"""


def test_a_process_with_one_thread_is_forked_as_it_is() -> None:
    done = subprocess.run(
        [sys.executable, "-c", ALONE], capture_output=True, text=True, timeout=60, check=False
    )

    assert ("True\n", "") == (done.stdout, done.stderr)


def niceness(_piece: int) -> int:
    """Return the niceness of the process that does the work."""
    return os.nice(0)


def test_humble_workers_are_niced_and_others_are_not() -> None:
    ours = os.nice(0)
    with Workers(1, niceness) as workers:
        usual = dict(workers.run([0]))
    with Workers(1, niceness, humble=True) as workers:
        humble = dict(workers.run([0]))

    assert {0: ours} == usual
    assert {0: min(19, ours + NICENESS)} == humble


@pytest.mark.parametrize(
    ("wanted", "cores", "allowed"), [(2, 1, 1), (2, 2, 1), (2, 4, 2), (8, 4, 3), (1, 8, 1)]
)
def test_beside_a_server_one_core_is_left_to_it(wanted: int, cores: int, allowed: int) -> None:
    assert allowed == beside(wanted, cores)


def test_no_pieces_are_no_work() -> None:
    with Workers(2, doubled) as workers:
        assert [] == list(workers.run([]))


def test_what_goes_wrong_in_a_worker_is_raised_where_it_was_asked_for() -> None:
    with pytest.raises(ValueError, match="-1 is negative"), Workers(2, doubled) as workers:
        list(workers.run([1, -1, 2]))


def test_a_killed_worker_is_an_error_that_says_what_to_do_and_no_hang() -> None:
    with Workers(2, time.sleep) as workers:
        killer = Timer(0.5, lambda: os.kill(_children()[0], signal.SIGKILL))
        killer.start()

        with pytest.raises(StateError, match="killed"):
            list(workers.run([600.0] * 4))
        killer.join()
        # Leaving goes on to end the other one, which is still asleep.
        raised = RuntimeError("leave")
        workers.__exit__(RuntimeError, raised, None)

    assert [] == _children()


def _children() -> list[int]:
    return [child.pid for child in multiprocessing.active_children() if child.pid]


def test_workers_do_not_outlive_the_process_they_work_for(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(
        "import multiprocessing, time\n"
        "from gitsource.workers import Workers\n"
        "if __name__ == '__main__':\n"
        "    with Workers(2, time.sleep) as workers:\n"
        "        print(*[p.pid for p in multiprocessing.active_children()], flush=True)\n"
        "        list(workers.run([1.0] * 600))\n"
    )
    parent = subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    workers = [int(pid) for pid in parent.stdout.readline().split()]
    assert 2 == len(workers)

    parent.kill()
    parent.wait()

    deadline = time.monotonic() + 20
    while any(_alive(pid) for pid in workers):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize("module", ["jsonschema_rs", "multiprocessing", "signal"])
def test_modules_in_the_working_directory_are_not_loaded(module: str, tmp_path: Path) -> None:
    """In CI that is a checkout of what somebody proposes: loading from it would run their code."""
    (tmp_path / f"{module}.py").write_text("open('loaded', 'w').close()\n", encoding="utf-8")
    script = tmp_path.with_suffix(".py")
    script.write_text(
        "from gitsource.workers import Workers\n"
        "if __name__ == '__main__':\n"
        "    with Workers(1, abs) as workers:\n"
        "        print(*workers.run([-7]))\n",
        encoding="utf-8",
    )

    done = subprocess.run(
        [sys.executable, str(script)], cwd=tmp_path, capture_output=True, text=True, check=False
    )

    assert "(-7, 7)" == done.stdout.strip(), done.stderr
    assert not (tmp_path / "loaded").exists()
