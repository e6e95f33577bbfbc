"""
Worker processes for bulk work: each does one piece at a time and hands the result back.

Rule: a process that runs threads (gRPC's, say) is never forked, since that is not safe: workers
then come from a clean forkserver. One that has a single thread, as offline commands have, is forked
as it is, and nobody waits for what is imported again. Nobody outlives anybody: a worker is told by
the end of its pipe that its work or its parent is gone, also after a kill -9; a worker that dies is
an error at once, never a wait.

This is no `concurrent.futures.ProcessPoolExecutor` because that can hang for good when a worker is
killed (CPython issue 94777), and its workers live on when their parent is killed.

Beside a process that serves they give way: they run niced, and one core is left to it.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib import import_module
from multiprocessing import forkserver
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkContext, ForkServerContext
from multiprocessing.process import BaseProcess
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from gitsource.errors import StateError

P = TypeVar("P")
R = TypeVar("R")

PRELOAD = ("__main__", "gitsource.build.builder", "_ruamel_yaml", "jsonschema_rs")
"""Imported once by what workers are forked from, not once by each of them."""


NICENESS = 10
"""Of workers beside a process that serves: of a core that both want, they get a tenth."""


def beside(count: int, cores: int | None = None) -> int:
    """Return how many of *count* workers run beside a process that serves, on so many *cores*."""
    known = cores if cores is not None else len(os.sched_getaffinity(0))
    return max(1, min(count, known - 1))


def get_ready() -> None:
    """Start what workers come from, without waiting for it: it comes up while Git is asked."""
    if not single():
        _forkserver()


def single() -> bool:
    """Tell whether this process has one thread only, of Python's or of anybody's."""
    try:
        return len(os.listdir("/proc/self/task")) == 1  # noqa: PTH208 - only how many
    except OSError:
        return False


def _forked() -> ForkContext:
    for name in PRELOAD:
        import_module(name)
    return multiprocessing.get_context("fork")


def _forkserver() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(PRELOAD))
    # Python starts the forkserver with `-c`, and that looks for modules in the working directory
    # first: in CI, where this may be a checkout of whatever somebody proposes. Whatever else this
    # process starts is none of ours, and finds its modules as before.
    before = os.environ.get("PYTHONSAFEPATH")
    os.environ["PYTHONSAFEPATH"] = "1"
    try:
        forkserver.ensure_running()
    finally:
        if before is None:
            del os.environ["PYTHONSAFEPATH"]
        else:
            os.environ["PYTHONSAFEPATH"] = before
    return context


class Workers(Generic[P, R]):
    """
    *count* processes that each call *work*, which has to be picklable.

    With *humble* they run niced: whoever serves comes first.
    """

    def __init__(self, count: int, work: Callable[[P], R], *, humble: bool = False) -> None:
        forks = single()
        context = _forked() if forks else _forkserver()
        self._workers: dict[Connection, BaseProcess] = {}
        for _ in range(count):
            ours, theirs = context.Pipe()
            # A fork has the parent's ends of all pipes, and nobody may hold those but the parent.
            parents = (*self._workers, ours) if forks else ()
            process = context.Process(
                target=_work, args=(theirs, work, humble, parents), daemon=True
            )
            process.start()
            theirs.close()
            self._workers[ours] = process

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for connection, process in self._workers.items():
            connection.close()
            if kind is not None:
                process.kill()
            process.join()

    def run(self, pieces: Iterable[P]) -> Iterator[tuple[P, R]]:
        """
        Yield each of *pieces* with its result, in the order in which they are done.

        Raises StateError if a worker was killed, and what *work* raised.
        """
        waiting = iter(pieces)
        busy: dict[Connection, P] = {}
        for connection in self._workers:
            _give(connection, waiting, busy)
        while busy:
            for ready in wait(list(busy)):
                connection = next(each for each in busy if each is ready)
                piece = busy.pop(connection)
                result = _taken(connection)
                _give(connection, waiting, busy)
                yield piece, result


def _give(connection: Connection, waiting: Iterator[P], busy: dict[Connection, P]) -> None:
    for piece in waiting:
        try:
            connection.send(piece)
        except OSError as error:
            raise _killed() from error
        busy[connection] = piece
        return


def _taken(connection: Connection) -> Any:
    try:
        succeeded, result = connection.recv()
    except (EOFError, OSError) as error:
        raise _killed() from error
    if not succeeded:
        raise result
    return result


def _killed() -> StateError:
    return StateError(
        "a worker process was killed while it judged a part of the revision",
        hint="is there enough memory? build.workers: 1 needs the least",
    )


def _work(
    connection: Connection,
    work: Callable[[P], R],
    humble: bool,  # noqa: FBT001  # positional: a process's arguments
    parents: Sequence[Connection],
) -> None:
    for each in parents:
        each.close()
    if humble:
        os.nice(NICENESS)
    # Ctrl-C reaches the whole process group; it is the parent's to answer.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # What stays (modules, schemas, tables) is not walked by the collector again and again.
    gc.freeze()
    while True:
        try:
            piece = connection.recv()
        except (EOFError, OSError):
            return
        try:
            answer: tuple[bool, object] = (True, work(piece))
        except Exception as error:  # noqa: BLE001 - it is raised again where the work was asked for
            answer = (False, error)
        try:
            connection.send(answer)
        except OSError:
            return
