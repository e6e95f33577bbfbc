"""What sinks refused, traced to file, commit and author."""

import asyncio

import pytest

from gitsource.model import Origin, Resource, Revision, Snapshot
from gitsource.refusals import Refusals
from gitsource.snapshot.reports import SinkReport

SERVED = Revision("c" * 40, "t", 0)
CHANGE = Revision("a" * 40, "t", 0, "Ada \x1b[31m <ada@example.org>", "cart: move")
CART = Resource("web/cart", "v1", b"", Origin("web/cart.yaml", 7))


def nack(stream=1, requested="clusters", blamed=(CART,)):
    return SinkReport(
        "nacked", stream, "edge", "peer", "envoy/clusters", requested, error="no", blamed=blamed
    )


@pytest.fixture
def refusals():
    async def changed(commit, path):
        return CHANGE if (commit, path) == (SERVED.commit, "web/cart.yaml") else None

    return Refusals(lambda: Snapshot.of(SERVED, {}), changed, clock=lambda: 1_700_000_000)


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


@pytest.mark.parametrize(
    "report",
    [
        SinkReport("acked", 1, requested="clusters"),
        SinkReport("disconnected", 1),
        nack(blamed=()),
    ],
    ids=["accepted", "gone", "another"],
)
async def test_a_refusal_stands_until_the_sink_accepts_goes_or_refuses_anew(refusals, report):
    refusals.heard(nack(blamed=()))
    before = refusals.open
    refusals.heard(report)
    expected = 1 if report.event == "nacked" else 0

    assert (1, expected) == (before, refusals.open)
    assert refusals.rows(10)[-1]["settled"]


async def test_what_others_accept_settles_nothing(refusals):
    refusals.heard(nack(blamed=()))
    refusals.heard(SinkReport("acked", 2, requested="clusters"))
    refusals.heard(SinkReport("acked", 1, requested="listeners"))

    assert 1 == refusals.open


async def test_no_more_than_a_few_are_remembered(refusals):
    for stream in range(1000):
        refusals.heard(nack(stream, blamed=()))

    assert 200 == len(refusals.rows(1000))
    await refusals.close()
