"""
Worker processes for bulk work: each does one piece at a time and hands the result back.

Rule: they come from a clean forkserver, because a fork of a process that runs gRPC threads is not
safe; and nobody outlives anybody. A worker is told by the end of its pipe that its work or its
parent is gone, also after a kill -9; a worker that dies is an error at once, never a wait.

This is no `concurrent.futures.ProcessPoolExecutor` because that can hang for good when a worker is
killed (CPython issue 94777), and its workers live on when their parent is killed.

Beside a process that serves they give way: they run niced, and one core is left to it.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterable, Iterator
from multiprocessing import forkserver
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from gitsource.errors import StateError

P = TypeVar("P")
R = TypeVar("R")

PRELOAD = ("__main__", "gitsource.build", "_ruamel_yaml", "jsonschema_rs")
"""Imported once by the forkserver, not once by each worker."""


NICENESS = 10
"""Of workers beside a process that serves: of a core that both want, they get a tenth."""


def beside(count: int, cores: int | None = None) -> int:
    """Return how many of *count* workers run beside a process that serves, on so many *cores*."""
    known = cores if cores is not None else len(os.sched_getaffinity(0))
    return max(1, min(count, known - 1))


def get_ready() -> None:
    """Start what workers come from, without waiting for it: it comes up while Git is asked."""
    _context()
    forkserver.ensure_running()


def _context() -> ForkServerContext:
    # Python starts the forkserver with `-c`, and that looks for modules in the working directory
    # first: in CI, where this may be a checkout of whatever somebody proposes.
    os.environ["PYTHONSAFEPATH"] = "1"
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(PRELOAD))
    return context


class Workers(Generic[P, R]):
    """
    *count* processes that each call *work*, which has to be picklable.

    With *humble* they run niced: whoever serves comes first.
    """

    def __init__(self, count: int, work: Callable[[P], R], *, humble: bool = False) -> None:
        context = _context()
        self._workers: dict[Connection, BaseProcess] = {}
        for _ in range(count):
            ours, theirs = context.Pipe()
            process = context.Process(target=_work, args=(theirs, work, humble), daemon=True)
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


def _work(connection: Connection, work: Callable[[P], R], humble: bool) -> None:  # noqa: FBT001  # positional: a process's arguments
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
