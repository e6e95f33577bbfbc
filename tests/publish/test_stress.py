"""
Section 3.12 of the protocol facts: many sinks of every kind, many snapshots, no mismatch.

Each sink works out the version of what it holds after every push; it has to be the one it was
told. Sinks are slow, refuse at random, break off at random and come back; versions are skipped.
"""

import asyncio
import contextlib
import random
from dataclasses import dataclass, field

import pytest

from classic_sink import (
    IncrementWords,
    Listening,
    ResourceWords,
    Sink,
    StateWords,
    connected,
)
from gitsource.model import Collection, Revision, Snapshot
from gitsource.publish.dialout import Dialler
from gitsource.settings.serving import DialRow
from gitsource.settings.units import Address
from serving import resource, serving

COLLECTIONS = [
    "istio/networking/v1alpha3/serviceentries",
    "istio/networking/v1alpha3/destinationrules",
    "istio/networking/v1alpha3/gateways",
    "istio/networking/v1alpha3/virtualservices",
    *(f"acme/v1/kind{number:02}" for number in range(46)),
]
NAMES = [f"ns/name-{number:02}" for number in range(30)]
SMALL = 1900
"""Bytes in one message: so little that a collection does not fit once it has grown."""


class History:
    """Collections that change at random: at most ten additions, updates and deletions a step."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.content = {name: {} for name in COLLECTIONS}
        self.built = {}
        self.steps = 0

    def next(self, *, everything=False):
        """Return the next snapshot."""
        self.steps += 1
        touched = {self.random.choice(COLLECTIONS) for _ in range(self.random.randint(1, 10))}
        for name in COLLECTIONS if everything else touched:
            self.change(name)
        return Snapshot.of(Revision("c" * 40, "t", self.steps), self.built)

    def change(self, collection):
        held = self.content[collection]
        name = self.random.choice(NAMES)
        if name in held and self.random.random() < 0.3:
            del held[name]
        else:
            held[name] = f"v{self.steps}"
        whole = [resource(name, version, size=200) for name, version in held.items()]
        self.built[collection] = Collection.of(collection, whole)


@dataclass
class Weighing(Sink):
    """
    A sink of increments that notes what is too large for it and could have come in parts.

    Full state comes whole, whatever its size, where nobody knows any more what the sink holds:
    parts would take away what it has. That is so only when what it accepted last is not kept.
    """

    kept: object = None
    """Called with a collection and a version: what is kept of it, or None."""
    avoidable: list = field(default_factory=list)

    def take(self, push):
        if push.size > SMALL and self.incremental:
            base = self.versions.get(push.collection)
            if push.incremental or base is None or self.kept(push.collection, base) is not None:
                self.avoidable.append(push)
        return super().take(push)


def refusing(chance, dice):
    return lambda _: "a die said so" if dice.random() < chance else None


async def tear(everybody, dice):
    """End a random stream now and then, with a push un-answered."""
    while True:
        await asyncio.sleep(dice.uniform(0.01, 0.1))
        dice.choice(everybody).torn = True


async def stress(snapshots, sinks, seed, every):
    """Serve *snapshots* random snapshots to *sinks* sinks, one *every* so many seconds."""
    history, dice = History(seed), random.Random(seed + 1)
    kinds = [(ResourceWords, False), (ResourceWords, True), (StateWords, False)]
    kinds += [(IncrementWords, True), (None, True), (None, False), (ResourceWords, True)]
    everybody = []
    async with contextlib.AsyncExitStack() as stack:
        how = serving(history.next(), message_bytes=SMALL, streams=1000)
        cache, server = await stack.enter_async_context(how)
        rows = []
        for number in range(sinks):
            words, incremental = kinds[number % len(kinds)]
            node = f"sink {number}"
            one = Weighing(COLLECTIONS, node, incremental=incremental, kept=cache.find)
            one.refuse = refusing(0.01, dice)
            one.pause = dice.choice([0, 0, 0, 0.002, 0.01])
            one.says_incremental_in_nacks = dice.random() < 0.5
            everybody.append(one)
            if words is not None:
                await stack.enter_async_context(connected(one, server.port, words()))
                continue
            there = await stack.enter_async_context(Listening(one))
            rows.append(DialRow(one.node, Address(f"127.0.0.1:{there.port}")))
        dialler = Dialler(server.shared, server.classic, rows, (), first=0.02, longest=0.1)
        dialler.start()
        stack.push_async_callback(dialler.drain, 5)

        tearing = asyncio.create_task(tear(everybody, dice))
        for _ in range(snapshots):
            cache.set("default", history.next())
            await asyncio.sleep(every)
        tearing.cancel()
        for one in everybody:
            one.refuse, one.pause, one.torn = None, 0, False
        # Whoever refused the last version does not get it again: so there is one more.
        await asyncio.sleep(0.3)
        last = history.next(everything=True)
        cache.set("default", last)
        wanted = {name: last.collection(name).version for name in COLLECTIONS}
        for one in everybody:
            await one.until(lambda sink: wanted == sink.versions)
        return everybody


async def check(snapshots, sinks, seed, every):
    everybody = await stress(snapshots, sinks, seed, every)
    pushes = sum(len(one.got) for one in everybody)
    partial = sum(push.incremental for one in everybody for push in one.got)
    refused = sum(code is not None for one in everybody for _, _, code in one.journal)

    assert [] == [push for one in everybody for push in one.mismatches]
    assert pushes > sinks * len(COLLECTIONS)
    assert partial > 0
    assert [] == [push for one in everybody for push in one.avoidable]
    assert SMALL < max(push.size for one in everybody if not one.incremental for push in one.got)
    assert sum(one.streams for one in everybody) > sinks

    return pushes, refused


async def test_no_sink_ever_holds_anything_but_what_it_was_told():
    await check(snapshots=100, sinks=21, seed=4, every=0.02)


@pytest.mark.full
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", range(3))
async def test_nor_over_a_thousand_snapshots(seed):
    await check(snapshots=1000, sinks=28, seed=seed, every=[0.001, 0.01, 0.05][seed])
