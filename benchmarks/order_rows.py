"""
What an operator's order takes to reach every sink, while all is quiet and while it is not.

Rule: the clock starts when the order is sent and stops when the last sink has decoded the one
resource that it changes and its ACK is with the kernel. The quiet values are taken from the same
process, right before the others; what was not busy all the time that an order took does not count.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Self

from measures import Floor, Row, when_quiet
from processes import MeasureError, Sinks, Source
from rows import Site

QUIET = "the same while all is quiet"
FEWEST = 5
"""Orders during one build at least, for it to say anything."""


class Silent:
    """A host that takes connections and never says anything."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._taken: list[socket.socket] = []
        self._asked = threading.Event()
        self._thread = threading.Thread(target=self._take, daemon=True)

    @property
    def url(self) -> str:
        """A repository there."""
        return f"http://127.0.0.1:{self._socket.getsockname()[1]}/repository.git"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for taken in self._taken:
            taken.close()
        self._socket.close()

    def asked(self) -> None:
        """Return once somebody waits for an answer."""
        if not self._asked.wait(60):
            raise MeasureError("nobody asked the silent host")

    def _take(self) -> None:
        while True:
            try:
                self._taken.append(self._socket.accept()[0])
            except OSError:
                return
            self._asked.set()


def order_rows(site: Site) -> Iterator[Row]:
    """Yield the time from `POST /pin` to the last ACK: during a hanging fetch and a cold build."""
    plan, size = site.plan, site.made.size
    titles = {
        "hanging": f"POST /pin → ACK of {plan.crowd} incremental sinks while a fetch hangs",
        "building": "… while everything is judged anew",
    }
    rows = {
        name: Row(f"order-{name}", title, size, "ms", None, [Floor(QUIET, 2.0)])
        for name, title in titles.items()
    }
    site.prepare()
    for name, row in rows.items():
        for run in range(plan.slow):
            with site.source() as source:
                source.settled()
                commits = (source.status()["revision"], _another(site, source))
                with Sinks(source.address, site.collections, plan.crowd, incremental=True) as sinks:
                    sinks.dial(site.counts)
                    sinks.report()
                    row.notes.setdefault("others_busy", []).append(when_quiet(plan.patience))
                    orders = _Orders(source, sinks, commits)
                    row.floors[0].values += [orders.one() for _ in range(2 * FEWEST)]
                    busy = _hanging if name == "hanging" else _building
                    row.values += busy(source, orders, run)
            for left in ("control.json", "pinned.log"):
                (site.state / "history" / left).unlink()
        plan.say(f"{row.name} {size}: {row.median * 1000:.0f} ms, {row.ratio(row.floors[0]):.2f}")
        yield row


def _another(site: Site, source: Source) -> str:
    """Publish one more commit, of one changed file; returns it."""
    change = site.committer.prepare()
    site.committer.publish(change)
    source.sync()
    return change.commit


class _Orders:
    """Goes back and forth between two revisions that differ in one resource."""

    def __init__(self, source: Source, sinks: Sinks, commits: tuple[str, str]) -> None:
        self._source, self._sinks, self._commits = source, sinks, list(commits)

    def one(self) -> float:
        """Return the seconds from an order to the last ACK of what it changes."""
        self._sinks.arm()
        began = time.monotonic()
        self._source.pin(self._commits[0])
        report = self._sinks.report()
        self._commits.reverse()
        if len(report["push"]["names"]) != 1 or not report["push"]["incremental"]:
            raise MeasureError(f"one resource differs, and the sinks were sent {report['push']}")
        return float(report["last"] - began)


def _hanging(source: Source, orders: _Orders, _run: int) -> list[float]:
    with Silent() as host:
        source.configure("", url=host.url)
        os.kill(source.pid, signal.SIGHUP)
        host.asked()
        return _while(source, orders, lambda found: len(found) < 2 * FEWEST)


def _building(source: Source, orders: _Orders, run: int) -> list[float]:
    # Another default namespace is another catalog: no result of before counts.
    source.configure(f"default_namespace: orders-{run}-{os.getpid()}\n")
    os.kill(source.pid, signal.SIGHUP)
    time.sleep(1.0)
    return _while(source, orders, lambda _: True)


def _while(source: Source, orders: _Orders, more: Callable[[list[float]], bool]) -> list[float]:
    """Give orders until *more* is enough or the look under way is over; return what they took."""
    before, found = source.status()["last_sync"], list[float]()
    while more(found):
        took = orders.one()
        if source.status()["last_sync"] != before:
            break
        found.append(took)
    if len(found) < FEWEST:
        raise MeasureError(f"that was over after {len(found)} orders: too few to say anything")
    return found
