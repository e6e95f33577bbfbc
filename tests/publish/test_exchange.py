"""The exchange under requests and snapshots in any order; its sinks keep their own books."""

import base64
import hashlib

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from exchange_transcript import SHORT
from gitsource.catalog.whole import Catalog
from gitsource.model import Collection, Origin, Resource, Revision, Snapshot
from gitsource.publish.classic.exchange import STATED, TRANSITIONS, Event, Exchange, State
from gitsource.publish.words import Acked, Delta, Error, Full, Nacked, Request, Stale, Subscribed
from gitsource.snapshot.cache import SnapshotCache
from gitsource.snapshot.reports import SinkReport
from gitsource.snapshot.window import Window

COLLECTIONS = [SHORT["SE"], SHORT["VS"], "acme/v1/flags"]
CONTENT = st.dictionaries(st.sampled_from("abc"), st.sampled_from(["v0", "v1"]))


def recomputed(held):
    """Return a collection's version as a sink works it out from what it holds."""
    told = b""
    for name in sorted(held):
        for part in (name.encode(), held[name].encode()):
            told += len(part).to_bytes(4, "big") + part
    return base64.b64encode(hashlib.sha256(told).digest()).decode()


def collection(name, content):
    origin = Origin("a.yaml", 1)
    return Collection.of(name, [Resource(n, v, b"", origin) for n, v in content.items()])


def snapshot(contents):
    built = {name: collection(name, content) for name, content in contents.items()}
    return Snapshot.of(Revision("c" * 40, "t", 0), built)


class Book:
    """What a sink knows of one collection, across its streams."""

    def __init__(self):
        self.held = {}
        self.refused = set()
        self.accepted = None


class Sinks(RuleBasedStateMachine):
    """One sink with a name, one without; each with one stream that may be torn and opened again."""

    def __init__(self):
        super().__init__()
        self.cache = SnapshotCache(window=Window(versions=12))
        self.now = 0.0
        self.books = {}
        self.streams = {}
        for node in ("pilot", ""):
            self.opened(node)

    def opened(self, node):
        stream = self.cache.open_stream()
        self.streams[node] = {
            "number": stream,
            "exchange": Exchange(stream, self.cache, Catalog, settle=0),
            "last": 0,
            "pending": {},
            "asked": {},
        }
        if not node:
            for book in (b for (owner, _), b in self.books.items() if owner == node):
                book.refused, book.accepted = set(), None
        self.cache.report(SinkReport("connected", stream, stream, "peer"))

    def book(self, node, name):
        return self.books.setdefault((node, name), Book())

    def hear(self, node, request):
        stream = self.streams[node]
        heard = stream["exchange"].receive(request, self.cache.get(), self.now)
        events = {Subscribed: "subscribed", Acked: "acked", Nacked: "nacked"}
        if not isinstance(heard, Stale):
            about = {} if isinstance(heard, Subscribed) else {"version": heard.version}
            self.cache.report(
                SinkReport(
                    events[type(heard)],
                    stream["number"],
                    stream["exchange"].identity,
                    collection=heard.collection,
                    requested=heard.requested,
                    **about,
                )
            )
        return heard

    nodes = st.sampled_from(["pilot", ""])
    names = st.sampled_from(COLLECTIONS)

    @rule(contents=st.dictionaries(names, CONTENT), quiet=st.booleans())
    def publish(self, contents, quiet):
        """Collections that are not in *contents* are empty now; a sink may be slow to read."""
        self.cache.set("default", snapshot(contents))
        if not quiet:
            self.write(self.streams)

    @rule(node=nodes, name=names, incremental=st.booleans(), quiet=st.booleans())
    def ask(self, node, name, incremental, quiet):
        stream = self.streams[node]
        first = name not in stream["asked"]
        held = self.book(node, name).held
        states = dict(held) if incremental and first else {}
        if not states:
            held.clear()
        stream["pending"].pop(name, None)
        stream["asked"][name] = True
        request = Request(name, "", None, incremental, states, node)

        assert isinstance(self.hear(node, request), Subscribed)

        if not quiet:
            self.write([node])

    def unanswered(self):
        return [(n, name) for n, stream in self.streams.items() for name in stream["pending"]]

    @precondition(unanswered)
    @rule(data=st.data(), incremental=st.booleans())
    def accept_one(self, data, incremental):
        self.accept(*data.draw(st.sampled_from(self.unanswered())), incremental)

    @precondition(unanswered)
    @rule(data=st.data(), incremental=st.booleans())
    def refuse_one(self, data, incremental):
        node, name = data.draw(st.sampled_from(self.unanswered()))
        push = self.streams[node]["pending"].pop(name)
        request = Request(name, push.nonce, Error(3, "no"), incremental)

        assert isinstance(self.hear(node, request), Nacked)

        self.book(node, name).refused.add(push.version)

    def accept(self, node, name, incremental):
        push = self.streams[node]["pending"].pop(name)
        book = self.book(node, name)
        if isinstance(push.content, Full):
            book.held = {one.name: one.version for one in push.content.collection}
        else:
            book.held.update((one.name, one.version) for one in push.content.put)
            for gone in push.content.removed:
                del book.held[gone]

        assert isinstance(self.hear(node, Request(name, push.nonce, None, incremental)), Acked)
        assert push.version == recomputed(book.held)

        book.accepted = push.version
        book.refused.discard(push.version)

    @rule(node=nodes, name=names, nonce=st.integers(0, 30), error=st.none() | st.just(Error(3, "")))
    def answer_nothing(self, node, name, nonce, error):
        pending = self.streams[node]["pending"].get(name)
        if pending is not None and pending.nonce == str(nonce):
            return

        assert Stale(name, str(nonce)) == self.hear(node, Request(name, str(nonce), error))

    @rule(node=nodes)
    def reconnect(self, node):
        self.cache.report(SinkReport("disconnected", self.streams[node]["number"]))
        self.opened(node)

    @rule(seconds=st.sampled_from([0.001, 0.01, 2.0]))
    def wait(self, seconds):
        self.now += seconds

    @rule(nodes=st.just(["pilot", ""]) | st.just(["pilot"]))
    def write(self, nodes):
        for node in nodes:
            while self.written(node):
                pass

    def written(self, node):
        """Take one push, as a transport does, and check it against all that is known."""
        stream = self.streams[node]
        push = stream["exchange"].offer(self.cache.get(), self.now)
        if push is None:
            return False
        again = stream["exchange"].offer(self.cache.get(), self.now)
        book = self.book(node, push.requested)
        current = self.cache.get().collection(push.collection)

        assert (push.requested, push.nonce, push.version) == (
            again.requested,
            again.nonce,
            again.version,
        )
        assert str(stream["last"] + 1) == push.nonce
        assert push.requested not in stream["pending"]
        assert push.version not in book.refused
        assert push.version == current.version or (
            stream["asked"][push.requested]
            and current.version in book.refused
            and push.version == book.accepted
        )

        stream["exchange"].sent(push, self.now)
        stream["last"] += 1
        stream["pending"][push.requested] = push
        stream["asked"][push.requested] = False
        self.cache.report(
            SinkReport(
                "sent",
                stream["number"],
                stream["exchange"].identity,
                collection=push.collection,
                requested=push.requested,
                version=push.version,
            )
        )
        return True

    @precondition(lambda self: self.cache.get() is not None)
    @rule(node=nodes)
    def answer_everything(self, node):
        """However it came about: a sink that accepts everything ends up with what is served."""
        pending = self.streams[node]["pending"]
        for _ in range(4 * len(COLLECTIONS)):
            self.now += 2.0
            self.written(node)
            for name in list(pending):
                self.accept(node, name, incremental=True)

        assert not self.written(node)

        for name in self.streams[node]["asked"]:
            book = self.book(node, name)
            current = self.cache.get().collection(name).version

            assert current in {recomputed(book.held), *book.refused}

    @invariant()
    def nothing_is_sent_before_the_first_snapshot(self):
        if self.cache.get() is None:
            assert [0, 0] == [stream["last"] for stream in self.streams.values()]


TestSinks = Sinks.TestCase
TestSinks.settings = settings(max_examples=300, stateful_step_count=50, deadline=None)


def test_every_state_can_be_reached_and_left():
    reached = {None} | {state for row in TRANSITIONS.values() for state in row.values()}

    assert {None, *State} == reached == set(TRANSITIONS)


@pytest.mark.parametrize("state", State)
def test_a_stale_answer_never_moves_a_subscription(state):
    assert state is TRANSITIONS[state][Event.STALE]


def test_no_state_but_asked_and_the_answered_ones_lets_a_push_out():
    ready = {state for state, row in TRANSITIONS.items() if Event.PUSH in row}

    assert {State.ASKED, State.ACCEPTED, State.REFUSED} == ready


def test_a_sink_that_differs_in_more_than_is_remembered_gets_full_state():
    cache = SnapshotCache()
    exchange = Exchange(1, cache, Catalog, settle=0)
    stated = {f"n{number}": "v0" for number in range(STATED + 1)}
    served = snapshot({"T0": {"a": "v0"}})
    cache.set("default", served)
    exchange.receive(Request("T0", incremental=True, initial_versions=stated), served, 0.0)

    assert isinstance(exchange.offer(served, 0.0).content, Full)


def test_a_large_sink_that_differs_in_little_gets_a_delta():
    cache = SnapshotCache()
    exchange = Exchange(1, cache, Catalog, settle=0)
    content = {f"n{number}": "v0" for number in range(STATED * 2)}
    served = snapshot({"T0": content | {"a": "v1"}})
    cache.set("default", served)
    stated = content | {"gone": "v0"}
    exchange.receive(Request("T0", incremental=True, initial_versions=stated), served, 0.0)
    push = exchange.offer(served, 0.0)

    assert isinstance(push.content, Delta)
    assert (["a"], ("gone",)) == ([one.name for one in push.content.put], push.content.removed)
