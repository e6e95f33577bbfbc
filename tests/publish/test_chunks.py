"""Ways from one state of a collection to another, in pushes that fit."""

import base64
import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitsource.catalog.whole import Catalog
from gitsource.errors import OverLimit
from gitsource.model import Collection, Origin, Resource, Revision, Snapshot, empty_collection
from gitsource.publish.classic.exchange import STATED, Exchange
from gitsource.publish.sending.chunks import FIELD_ROOM, HEAD_ROOM, Chunks
from gitsource.publish.words import Acked, Delta, Error, Full, Nacked, Request
from gitsource.snapshot.cache import SnapshotCache
from gitsource.snapshot.reports import SinkReport
from gitsource.snapshot.window import Window

T0 = "acme/v1/flags"
BODY = 20
CONTENT = st.dictionaries(st.sampled_from("abcdefgh"), st.sampled_from(["v0", "v1"]))
TIGHT = HEAD_ROOM + 2 * (BODY + FIELD_ROOM)
"""Room for two resources."""


def collection(content):
    made = [Resource(n, v, bytes(BODY), Origin("a.yaml", 1)) for n, v in content.items()]
    return Collection.of(T0, made)


def snapshot(content):
    return Snapshot.of(Revision("c" * 40, "t", 0), {T0: collection(content)})


def recomputed(held):
    told = b""
    for name in sorted(held):
        for part in (name.encode(), held[name].encode()):
            told += len(part).to_bytes(4, "big") + part
    return base64.b64encode(hashlib.sha256(told).digest()).decode()


class Merging:
    """A sink that asks for increments, on a stream after the other."""

    def __init__(self, *, whole=True, limit=TIGHT, window=None):
        self.cache = SnapshotCache(window=window or Window())
        self.chunks = Chunks(limit)
        self.whole = whole
        self.held = {}
        self.stream = 0
        self.opened()

    def opened(self):
        """Break off and come back, saying what is held."""
        if self.stream:
            self.cache.report(SinkReport("disconnected", self.stream))
        self.stream = self.cache.open_stream()
        self.cache.report(SinkReport("connected", self.stream))
        how = {"chunks": self.chunks, "whole": self.whole, "settle": 0}
        self.exchange = Exchange(self.stream, self.cache, Catalog, **how)
        self.ask(initial_versions=dict(self.held))

    def ask(self, **how):
        request = Request(T0, incremental=True, node_id="n", **how)
        self.exchange.receive(request, self.cache.get(), 0)

    def serve(self, content):
        self.cache.set("default", snapshot(content))

    def push(self):
        """Return the next push, which has to fit."""
        push = self.exchange.offer(self.cache.get(), 0)
        if push is not None:
            self.exchange.sent(push, 0)
            content = push.content
            put = content.put if isinstance(content, Delta) else tuple(content.collection)
            gone = content.removed if isinstance(content, Delta) else ()

            assert len(put) + len(gone) <= 5
            assert len(put) <= 2

        return push

    def accept(self, push):
        content = push.content
        if isinstance(content, Full):
            self.held = {}
        put = content.put if isinstance(content, Delta) else content.collection
        self.held.update((one.name, one.version) for one in put)
        for name in () if isinstance(content, Full) else content.removed:
            self.held.pop(name, None)

        assert push.version == recomputed(self.held)

        heard = self.answer(push)

        assert isinstance(heard, Acked)

        about = {"collection": T0, "requested": T0, "version": heard.version, "part": heard.part}
        self.cache.report(SinkReport("acked", self.stream, "n", **about))

    def answer(self, push, error=None, *, incremental=True):
        request = Request(T0, push.nonce, error, incremental, node_id="n")
        return self.exchange.receive(request, self.cache.get(), 0)

    def refuse(self, push, **how):
        heard = self.answer(push, Error(3, "no"), **how)

        assert isinstance(heard, Nacked)

        about = {"collection": T0, "requested": T0, "version": heard.version}
        self.cache.report(SinkReport("nacked", self.stream, "n", **about))
        return heard

    def settle(self):
        for _ in range(100):
            push = self.push()
            if push is None:
                return
            self.accept(push)
        raise AssertionError("it never ends")


EIGHT = dict.fromkeys("abcdefgh", "v0")


@pytest.mark.parametrize("whole", [True, False])
@settings(deadline=None)
@given(steps=st.lists(st.tuples(CONTENT, st.integers(0, 4), st.booleans()), min_size=1))
def test_every_part_fits_leads_to_its_version_and_the_last_to_what_is_served(whole, steps):
    """Whatever comes in between: a newer snapshot, a stream that breaks, parts that are lost."""
    sink = Merging(whole=whole)
    for content, parts, breaks in steps:
        sink.serve(content)
        for _ in range(parts):
            push = sink.push()
            if push is not None:
                sink.accept(push)
        if breaks:
            sink.push()  # lost
            sink.opened()
    sink.settle()

    assert steps[-1][0] == sink.held


def test_the_first_part_replaces_and_the_others_are_merged():
    sink = Merging()
    sink.serve(EIGHT)
    modes = []
    while push := sink.push():
        modes.append((push.incremental, push.version == push.goal))
        sink.accept(push)

    assert [(False, False), (True, False), (True, False), (True, True)] == modes


def test_additions_come_before_removals():
    """Also where a removal would fit into what room is left."""
    sink = Merging(limit=TIGHT + 20)
    sink.serve(dict.fromkeys("abcd", "v0"))
    sink.settle()
    sink.serve(dict.fromkeys("wxyz", "v0"))
    went = []
    while push := sink.push():
        went.append(
            "".join(one.name for one in push.content.put) + "-" * bool(push.content.removed)
        )
        sink.accept(push)

    assert ["wx", "yz-", "-"] == went


def test_a_newer_snapshot_goes_on_from_what_was_accepted():
    sink = Merging()
    sink.serve(EIGHT)
    sink.accept(sink.push())
    sink.serve(EIGHT | {"a": "v1", "h": "v1"})
    names = []
    while push := sink.push():
        names += [one.name for one in push.content.put]
        sink.accept(push)

    assert ["a", "c", "d", "e", "f", "g", "h"] == names


def test_two_sinks_on_the_same_way_share_its_parts():
    sink, other = Merging(), Merging()
    other.chunks = sink.chunks
    other.opened()
    for one in (sink, other):
        one.serve(EIGHT)
    ways = [[], []]
    for one, way in zip((sink, other), ways, strict=True):
        while push := one.push():
            way.append(push.state)
            one.accept(push)

    assert all(mine is theirs for mine, theirs in zip(*ways, strict=True))
    assert 4 == len(ways[0])


def test_a_sink_of_full_state_is_told_that_it_does_not_fit_and_gets_it():
    cache = SnapshotCache()
    cache.set("default", snapshot(EIGHT))
    exchange = Exchange(1, cache, Catalog, chunks=Chunks(TIGHT), settle=0)
    exchange.receive(Request(T0), cache.get(), 0)
    push = sent(exchange, cache)

    assert isinstance(push.content, Full)
    assert f"more than {TIGHT} (limits.message_bytes)" in push.note


def sent(exchange, cache):
    push = exchange.offer(cache.get(), 0)
    exchange.sent(push, 0)
    return push


def test_a_refusal_without_increments_does_not_bring_what_cannot_fit():
    """Istio's sinks leave `incremental` out of a NACK; here it would cost them the stream."""
    sink = Merging()
    sink.serve(EIGHT)
    sink.settle()
    sink.serve(EIGHT | {"a": "v1"})
    sink.refuse(sink.push(), incremental=False)
    sink.serve(EIGHT | {"a": "v2"})
    push = sink.push()

    assert (True, ["a"]) == (push.incremental, [one.name for one in push.content.put])


def test_a_refused_part_takes_the_sink_back_to_what_it_accepted_as_a_whole():
    sink = Merging()
    sink.serve({"old": "v0"})
    sink.settle()
    sink.serve(EIGHT)
    sink.accept(sink.push())
    refused = sink.refuse(sink.push())

    assert collection(EIGHT).version == refused.version

    sink.settle()

    assert {"old": "v0"} == sink.held
    assert sink.push() is None

    sink.serve(EIGHT | {"h": "v1"})
    sink.settle()

    assert EIGHT | {"h": "v1"} == sink.held


def test_a_subscription_that_is_repeated_starts_anew():
    sink = Merging()
    sink.serve(EIGHT)
    sink.accept(sink.push())
    sink.push()
    sink.ask()
    push = sink.push()

    assert not push.incremental

    sink.accept(push)
    sink.settle()

    assert EIGHT == sink.held


def test_without_full_state_a_repeated_subscription_gets_everything_again():
    """And what it may have merged of the push that is void goes as well."""
    sink = Merging(whole=False, limit=10_000)
    sink.serve({"a": "v0"})
    push = sent(sink.exchange, sink.cache)
    sink.accept(push)
    sink.serve({"a": "v0", "lost": "v0"})
    sent(sink.exchange, sink.cache)
    sink.serve({"a": "v0", "b": "v0"})
    sink.ask()
    again = sent(sink.exchange, sink.cache).content

    assert (["a", "b"], ("lost",)) == ([one.name for one in again.put], again.removed)


def test_a_sink_whose_base_is_gone_gets_full_state_and_is_told():
    """Parts would take away what it has; full state it can refuse, and come back with its list."""
    sink = Merging(window=Window(versions=0))
    sink.serve(EIGHT)
    sink.settle()
    sink.serve({})
    sink.serve(EIGHT | {"a": "v1"})
    push = sent(sink.exchange, sink.cache)

    assert isinstance(push.content, Full)
    assert "limits.message_bytes" in push.note


def test_what_is_stated_is_found_among_the_parts_though_it_differs_in_much():
    """A sink that broke off halfway to something large goes on from there."""
    content = {f"n{number:05}": "v0" for number in range(STATED * 3)}
    chunks = Chunks(HEAD_ROOM + (STATED + 5000) * (BODY + FIELD_ROOM))
    cache = SnapshotCache()
    served = snapshot(content)
    cache.set("default", served)
    first = Exchange(1, cache, Catalog, chunks=chunks, settle=0)
    first.receive(Request(T0, incremental=True), served, 0)
    part = sent(first, cache)
    held = {one.name: one.version for one in part.content.collection}
    second = Exchange(2, cache, Catalog, chunks=chunks, settle=0)
    second.receive(Request(T0, incremental=True, initial_versions=held), served, 0)
    push = sent(second, cache)

    assert push.incremental
    assert held.keys().isdisjoint(one.name for one in push.content.put)
    assert part.version == push.content.base


def test_without_full_state_too_much_that_differs_is_refused():
    """Nothing else could be right: what is not remembered could never be taken back."""
    sink = Merging(whole=False)
    sink.serve(EIGHT)
    sink.held = {f"n{number}": "v0" for number in range(STATED + 1)}
    with pytest.raises(OverLimit, match="initial_resource_versions"):
        sink.opened()


def test_the_states_that_are_remembered_are_bounded():
    chunks = Chunks(TIGHT)
    cache = SnapshotCache()
    nothing = empty_collection(T0)
    for number in range(60):
        target = collection({f"n{number}-{one}": "v0" for one in range(20_000)})
        chunks.step(nothing, cache.between(nothing, target), target)

    assert "steps=60" in repr(chunks)  # each is two resources long

    whole = collection({f"n{one}": "v0" for one in range(60_000)})
    for number in range(20):
        target = whole.changed(
            (), {r.name: r for r in collection(dict.fromkeys("abc", f"v{number}"))}
        )
        chunks.step(whole, cache.between(whole, target), target)

    assert len(chunks._steps) < 12
