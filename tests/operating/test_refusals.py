"""What sinks refused, traced to file, commit and author."""

import asyncio

import pytest

from gitsource.model import Origin, Resource, Revision, Snapshot
from gitsource.operating.refusals import Refusals
from gitsource.snapshot.reports import SinkReport

SERVED = Revision("c" * 40, "t", 0)
CHANGE = Revision("a" * 40, "t", 0, "Ada \x1b[31m <ada@example.org>", "cart: move")
CART = Resource("web/cart", "v1", b"", Origin("web/cart.yaml", 7))


STANDS = {(1, "clusters")}
"""What sinks still refuse; the others accepted something else, or are served something else."""


def nack(stream=1, requested="clusters", blamed=(CART,)):
    return SinkReport(
        "nacked", stream, "edge", "peer", "envoy/clusters", requested, error="no", blamed=blamed
    )


@pytest.fixture
def refusals():
    async def changed(commit, path):
        return CHANGE if (commit, path) == (SERVED.commit, "web/cart.yaml") else None

    return Refusals(
        lambda: Snapshot.of(SERVED, {}), changed, lambda *key: key in STANDS, clock=lambda: 1e9
    )


async def test_a_refusal_is_traced_to_the_last_change_of_the_file(refusals):
    refusals.heard(nack())
    await asyncio.sleep(0.01)
    (row,) = refusals.rows(10)

    assert ("edge", "clusters", "no", SERVED.commit, False) == tuple(
        row[key] for key in ("sink", "collection", "error", "revision", "settled")
    )
    assert [
        {
            "name": "web/cart",
            "file": "web/cart.yaml",
            "line": 7,
            "commit": CHANGE.commit,
            "author": "Ada \\x1b[31m <ada@example.org>",
            "subject": "cart: move",
        }
    ] == row["resources"]


async def test_what_names_nothing_is_told_without(refusals):
    refusals.heard(nack(blamed=()))

    assert [[]] == [row["resources"] for row in refusals.rows(10)]


async def test_a_refusal_stands_as_long_as_the_sink_refuses_what_is_served(refusals):
    refusals.heard(nack(blamed=()))
    refusals.heard(nack(stream=2, blamed=()))
    told = [(row["settled"]) for row in refusals.rows(10)]

    assert ([False, True], 1) == (told, refusals.open)


async def test_a_later_refusal_takes_the_place_of_an_earlier_one(refusals):
    refusals.heard(nack(blamed=()))
    refusals.heard(nack(blamed=()))

    assert [False, True] == [row["settled"] for row in refusals.rows(10)]


async def test_the_refusals_of_who_is_gone_are_settled(refusals):
    refusals.heard(nack(blamed=()))
    refusals.heard(SinkReport("disconnected", 1))

    assert 0 == refusals.open


async def test_no_more_than_a_few_are_remembered(refusals):
    for stream in range(1000):
        refusals.heard(nack(stream, blamed=()))

    assert 200 == len(refusals.rows(1000))
    await refusals.close()
