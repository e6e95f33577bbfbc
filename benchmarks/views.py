"""
What views cost: the first filtering of a collection, and a change of one resource in it.

    python benchmarks/views.py 10000 --views 50

Rule: in one process, on the very objects that streams use, without a wire; what a change costs
without views (a new collection, snapshot and diff base) is told beside it. Each figure is the
median of twenty changes.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import median

from gitsource._proto.istio.mcp.v1alpha1.resource_pb2 import Resource as Envelope
from gitsource.model import Collection, Origin, Resource, Revision, Snapshot
from gitsource.publish.showing.views import Views
from gitsource.publish.words import Node
from gitsource.settings.units import Globs, Words
from gitsource.settings.views import ViewNodes, ViewResources, ViewRow
from gitsource.snapshot.cache import DEFAULT, SnapshotCache

NAME = "istio/networking/v1alpha3/virtualservices"
CHANGES = 20


@dataclass(frozen=True)
class Cost:
    """What one form of views came to."""

    form: str
    first: float
    """Seconds until every view has been shown for the first time."""
    change: float
    """Seconds until all are up to date after a change of one resource."""
    whole: float
    """Seconds of that change without views."""
    shown: int
    """Resources in all views together."""


def resource(number: int, views: int, version: str = "v0") -> Resource:
    """Return a resource of about a kilobyte; those of one view have a namespace in common."""
    name = f"ns-{number % views}/r{number:>06}"
    envelope = Envelope()
    envelope.metadata.name, envelope.metadata.version = name, version
    envelope.metadata.labels["app"] = f"app-{number}"
    envelope.body.value = bytes(900)
    return Resource(name, version, envelope.SerializeToString(), Origin(f"{name}.yaml", 1))


def forms(views: int) -> Iterator[tuple[str, Callable[[int], ViewResources]]]:
    """Yield each form of views, by what the view of a number shows."""
    spaces = [f"ns-{number}" for number in range(views)]

    def but(number: int, *more: int) -> ViewResources:
        left_out = {spaces[number], *(spaces[one] for one in more)}
        return ViewResources(Words(tuple(one for one in spaces if one not in left_out)))

    yield "each its own part", lambda number: ViewResources(Words((spaces[number],)))
    yield "nearly all, none sees the change", lambda number: but(number, 0)
    yield "nearly all, all see the change", lambda number: but(number or 1)
    yield (
        "by a label that is different everywhere",
        lambda number: ViewResources(labels=Globs((("app", f"app-*{number}"),))),
    )


def measured(resources: int, views: int) -> Iterator[Cost]:
    """Yield the cost of each form."""
    everything = [resource(number, views) for number in range(resources)]
    for form, shows in forms(views):
        rows = [
            ViewRow(f"v{number}", ViewNodes(Words((f"n{number}",))), shows(number))
            for number in range(views)
        ]
        yield _measured(form, everything, rows)


def _measured(form: str, everything: list[Resource], rows: list[ViewRow]) -> Cost:
    cache = SnapshotCache()
    some = Views(rows, cache)
    keys = [some.key(Node(f"n{number}")) for number in range(len(rows))]
    whole = Collection.of(NAME, everything)
    times: dict[str, list[float]] = {"whole": [], "views": []}
    shown: list[Collection] = []
    for change in range(CHANGES + 1):
        start = time.perf_counter()
        if change:
            changed = resource((change - 1) * len(rows) % len(everything), len(rows), f"v{change}")
            whole = whole.changed((), {changed.name: changed})
        snapshot = Snapshot.of(Revision("c" * 40, "t", 0), {NAME: whole})
        cache.set(DEFAULT, snapshot)
        served = time.perf_counter()
        shown = [some.snapshot(snapshot, key).collection(NAME) for key in keys]
        times["whole"].append(served - start)
        times["views"].append(time.perf_counter() - served)
    return Cost(
        form,
        times["views"][0],
        median(times["views"][1:]),
        median(times["whole"][1:]),
        sum(map(len, shown)),
    )


def main() -> None:
    """Print a line for each form."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[1])
    parser.add_argument("resources", type=int, nargs="?", default=10_000)
    parser.add_argument("--views", type=int, default=50)
    told = parser.parse_args()
    print(f"{told.resources} resources, {told.views} views, milliseconds")
    for cost in measured(told.resources, told.views):
        print(
            f"{cost.form:<42} first {cost.first * 1e3:7.1f}   a change {cost.change * 1e3:6.2f}"
            f" (beside {cost.whole * 1e3:.2f})   shown {cost.shown}"
        )


if __name__ == "__main__":
    main()
