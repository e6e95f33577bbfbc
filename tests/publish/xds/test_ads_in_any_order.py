"""
The exchange with xDS clients under requests, answers and snapshots in any order.

The clients keep their own books: what they accepted, and what they refuse (any content in version
``bad``, in different words). Over SotW a refused complete set changes nothing in the model; what
merges is dropped as a whole.
"""

import pytest
from ads_transcript import URLS, collection_name, stored
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from gitsource.catalog.whole import Catalog
from gitsource.model import Collection, Revision, Snapshot
from gitsource.publish.words import Acked, Error, Nacked, Node, Stale
from gitsource.publish.xds.ads import Ads, Memory
from gitsource.publish.xds.blame import RESPONSES
from gitsource.publish.xds.subscription import delta as delta_subscription
from gitsource.publish.xds.subscription import sotw as sotw_subscription
from gitsource.publish.xds.types import TYPES, Stage
from gitsource.publish.xds.watch import TRANSITIONS, Event, State
from gitsource.publish.xds.words import DeltaRequest, SotwRequest
from gitsource.snapshot.cache import SnapshotCache
from gitsource.snapshot.reports import SinkReport

LABELS = ["CDS", "EDS", "LDS", "RDS"]
NAMES = "abc"
CONTENT = st.dictionaries(st.sampled_from(NAMES), st.sampled_from(["v1", "v2", "v3", "bad"]))
TEXTS = ["refused", "resource(s) {bad}: no", "'{good}' is not there", "{bad} {good} in a row"]


def snapshot(contents):
    built = {}
    for label, content in contents.items():
        url = URLS[label]
        words = [stored(url, f"{name}@{version}") for name, version in content.items()]
        built[collection_name(url)] = Collection.of(collection_name(url), words)
    return Snapshot.of(Revision("c" * 40, "t", 0), built)


class Client:
    """One client: a stream at a time, and what it has."""

    def __init__(self, delta, node):
        self.delta, self.node = delta, node
        self.has = {}


class Clients(RuleBasedStateMachine):
    """A SotW client and a delta client, each of which may come back."""

    def __init__(self):
        super().__init__()
        self.cache, self.memory, self.now = SnapshotCache(), Memory(), 0.0
        self.clients = {}
        for name, delta in (("sotw", False), ("delta", True)):
            self.clients[name] = Client(delta, name)
            self.opened(self.clients[name])

    def opened(self, client):
        client.stream = self.cache.open_stream()
        client.ads = Ads(
            client.stream, self.cache, Catalog, self.memory, delta=client.delta, settle=0
        )
        client.wanted, client.last, client.pending, client.nonces = {}, {}, {}, set()
        self.cache.report(SinkReport("connected", client.stream, client.stream, "peer"))
        self.cache.assign(client.stream, views=None, wanted=client.ads.wanted)

    def hear(self, client, request):
        heard = client.ads.receive(request, self.cache.get(), self.now)
        if not isinstance(heard, Stale):
            event = {Acked: "acked", Nacked: "nacked"}.get(type(heard), "subscribed")
            self.cache.report(
                SinkReport(
                    event,
                    client.stream,
                    client.ads.identity,
                    collection=heard.collection,
                    requested=heard.requested,
                    version=heard.version,
                )
            )
        return heard

    which = st.sampled_from(["sotw", "delta"])
    labels = st.sampled_from(LABELS)
    some = st.frozensets(st.sampled_from([*NAMES, "*", "x"]), max_size=3)

    @rule(contents=st.fixed_dictionaries(dict.fromkeys(LABELS, CONTENT)), quiet=st.booleans())
    def publish(self, contents, quiet):
        self.cache.set("default", snapshot(contents))
        if not quiet:
            self.write()

    @rule(which=which, label=labels, names=some, gone=some, quiet=st.booleans())
    def ask(self, which, label, names, gone, quiet):
        client, url = self.clients[which], URLS[label]
        first = url not in client.wanted
        node = Node(id=client.node)
        before, kind = client.wanted.get(url), TYPES[url]
        if client.delta:
            wanted, _ = delta_subscription(before, kind, names, gone)
            has = client.has.get(url, {}) if first else {}
            request = DeltaRequest(url, names, gone, dict(has), node=node)
        else:
            wanted = sotw_subscription(before, kind, names)
            request = SotwRequest(url, names, nonce=client.last.get(url, ""), node=node)
        client.wanted[url] = wanted
        held = client.has.setdefault(url, {})
        if not wanted.all:
            for name in set(held) - wanted.names:
                del held[name]
        self.hear(client, request)
        if not quiet:
            self.write()

    @precondition(lambda self: any(c.pending for c in self.clients.values()))
    @rule(data=st.data(), quiet=st.booleans())
    def answer(self, data, quiet):
        busy = sorted(name for name, one in self.clients.items() if one.pending)
        client = self.clients[data.draw(st.sampled_from(busy))]
        nonce = data.draw(st.sampled_from(sorted(client.pending)))
        self.answered(client, nonce, data.draw(st.sampled_from(TEXTS)))
        if not quiet:
            self.write()

    def answered(self, client, nonce, text):
        """ACK or NACK one response, as its content deserves."""
        response = client.pending.pop(nonce)
        url, wanted = response.requested, client.wanted[response.requested]
        client.last[url] = nonce
        bad = [one.name for one in response.put if one.version == "bad"]
        good = [one.name for one in response.put if one.version != "bad"] or ["none"]
        error = Error(13, text.format(bad=(bad or ["x"])[0], good=good[0])) if bad else None
        if client.delta:
            request = DeltaRequest(url, nonce=nonce, error=error)
        else:
            names = wanted.names | ({"*"} if wanted.all and wanted.named else frozenset())
            request = SotwRequest(url, names, nonce=nonce, error=error)
        heard = self.hear(client, request)
        if isinstance(heard, Stale) or bad:
            return
        brought = {one.name: one.version for one in response.put}
        if response.complete:
            client.has[url] = brought
            return
        held = client.has.setdefault(url, {})
        held.update(brought)
        for name in response.removed:
            held.pop(name, None)
        if not wanted.all:
            for name in set(held) - wanted.names:
                del held[name]

    @rule(which=which, label=labels, nonce=st.sampled_from(["0", "17", "old"]))
    def answer_nothing(self, which, label, nonce):
        client, url = self.clients[which], URLS[label]
        if url in client.wanted and nonce not in client.pending and nonce not in client.nonces:
            request = DeltaRequest if client.delta else SotwRequest

            assert Stale(url, nonce) == self.hear(client, request(url, nonce=nonce))

    @rule(which=which)
    def reconnect(self, which):
        client = self.clients[which]
        self.cache.report(SinkReport("disconnected", client.stream))
        self.opened(client)

    @rule(seconds=st.sampled_from([0.1, 1.0, 6.0]))
    def wait(self, seconds):
        self.now += seconds

    @rule()
    def write(self):
        for client in self.clients.values():
            while self.written(client):
                pass

    def written(self, client):
        """Take one response, as a transport does, and check what always holds."""
        response = client.ads.offer(self.cache.get(), self.now)
        if response is None:
            return False
        again = client.ads.offer(self.cache.get(), self.now)
        put = [one.name for one in response.put]

        assert (response.requested, response.nonce) == (again.requested, again.nonce)
        assert response.nonce not in client.nonces
        assert response.version
        assert len(put) == len(set(put))
        assert not set(put) & set(response.removed)
        assert not response.removed or client.delta
        assert all(one.version and one.wire for one in response.put)
        assert client.wanted[response.requested].all or set(put) <= set(
            client.wanted[response.requested].names
        )

        client.ads.sent(response, self.now)
        client.nonces.add(response.nonce)
        if not client.delta:
            for nonce in [n for n, r in client.pending.items() if r.requested == again.requested]:
                del client.pending[nonce]
        client.pending[response.nonce] = response
        self.cache.report(
            SinkReport(
                "sent",
                client.stream,
                client.ads.identity,
                collection=response.collection,
                requested=response.requested,
                version=response.version,
            )
        )
        return True

    @precondition(lambda self: self.cache.get() is not None)
    @rule(which=which, text=st.sampled_from(TEXTS))
    def answer_everything(self, which, text):
        """However it came about: soon it is quiet, and the client has all that is good."""
        client = self.clients[which]
        for _ in range(len(LABELS) * (RESPONSES + 20)):
            self.now += 6.0
            quiet = not self.written(client) and not client.pending
            for nonce in sorted(client.pending):
                self.answered(client, nonce, text)
            if quiet:
                break
        self.now += 6.0

        assert not self.written(client)

        (row,) = [row for row in self.cache.sinks() if row["stream"] == client.stream]
        for url, wanted in client.wanted.items():
            self.complete(client, url, wanted)
            self.told(url, row["collections"][url])

    def complete(self, client, url, wanted):
        served = self.cache.get().collection(collection_name(url))
        target = {one.name: one.version for one in served if wanted.all or one.name in wanted.names}
        held = client.has.get(url, {})
        if not client.delta and TYPES[url].complete:
            if "bad" not in target.values() and not wanted.nothing:
                assert target == held
            return
        good = {name: version for name, version in target.items() if version != "bad"}

        assert good.items() <= held.items()

        if client.delta:
            assert set(held) <= set(target)

    def told(self, url, row):
        """Where nothing is refused, the status does not say that it is behind."""
        served = self.cache.get().collection(collection_name(url))
        if all(one.version != "bad" for one in served):
            assert row["behind"] is None, (url, row)


TestClients = Clients.TestCase
TestClients.settings = settings(max_examples=100, stateful_step_count=30, deadline=None)


def test_every_state_can_be_reached_and_left():
    reached = {None} | {state for row in TRANSITIONS.values() for state in row.values()}

    assert {None, *State} == reached == set(TRANSITIONS)


@pytest.mark.parametrize("state", State)
def test_a_stale_answer_never_moves_a_subscription(state):
    assert state is TRANSITIONS[state][Event.STALE]


def test_what_is_referred_to_has_its_place_before_what_refers_to_it():
    stages = [row.stage for row in sorted(TYPES.values(), key=lambda row: row.order)]

    assert sorted(stages) == stages
    assert Stage.BY_RANK not in stages
