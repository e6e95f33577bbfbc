"""
Whatever happens, a sink only ever receives what it has a right to at that time, and all of that.

An oracle that shares no code with the implementation decides about every resource of every message
in the moment in which it is written, by the labels that it has in what is sent and by those that it
has in what is served then (or had last): policies in the settings and in the repository, views,
sinks of every wire, relabelled resources, refusals, silence, new streams that say what they have,
and peers that claim each other's node IDs. And it decides about what sinks were told to let go.
"""

import asyncio
import json

import hypothesis.strategies as st
from google.protobuf.json_format import ParseDict
from google.protobuf.struct_pb2 import Struct
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from oracle import any_glob, may
from policed_streams import COLLECTIONS, SDS, TYPES, Loop, Sink, message

from gitsource._proto.istio.mcp.v1alpha1 import resource_pb2
from gitsource.catalog.whole import Catalog
from gitsource.model import Collection, Origin, Resource, Revision, Snapshot
from gitsource.publish.classic.legacy import Legacy
from gitsource.publish.classic.wires import Classic
from gitsource.publish.ending import End
from gitsource.publish.shared import Shared
from gitsource.publish.xds.ads import Memory
from gitsource.publish.xds.served import Xds
from gitsource.security.authorize.documents import COLLECTION
from gitsource.security.peer import NOBODY, Peer
from gitsource.settings.rights import Authorization, Rule, RuleResources, Subject
from gitsource.settings.serving import Limits
from gitsource.settings.views import ViewNodes, ViewResources, ViewRow
from gitsource.snapshot.cache import SnapshotCache

NAMES = ("foo/a", "foo/b", "bar/a", "c")
AT_ONCE = 2.0
"""Seconds after which a sink that answers has been told what it lost: less than what waits for what
refers to it waits (`REMOVAL_TIMEOUT`)."""
FLYING = 8
"""Un-answered responses of one type, over delta, beyond which nothing is sent."""
NODES = ("n-1", "n-2", "m")


def known(path):
    told = f"spiffe://{path}"
    return Peer(means="mtls", spiffe_id=told, identity=told)


PEERS = (
    NOBODY,
    known("a/x"),
    known("a/y"),
    known("b/x"),
    Peer(means="jwt", claims={"sub": "s1"}, identity="jwt:s1@i"),
)

SUBJECTS = (
    Subject(spiffe=("spiffe://a/**",)),
    Subject(spiffe=("spiffe://a/x",)),
    Subject(spiffe=("spiffe://b/x",)),
    Subject(spiffe=("spiffe://a/**",), nodes=ViewNodes(ids=("n-*",))),
    Subject(any="known"),
    Subject(any="all"),
    Subject(claims=(("sub", "s*"),)),
    Subject(any="known", protocols=("mcp*",)),
    Subject(any="known", protocols=("xds",)),
)
RESOURCES = (
    RuleResources(collections=("*",)),
    RuleResources(namespaces=("foo",)),
    RuleResources(namespaces=("bar", "")),
    RuleResources(labels=(("team", "a*"),)),
    RuleResources(collections=("envoy/clusters", "envoy/listeners")),
    RuleResources(namespaces=("foo",), labels=(("team", "*"),)),
)


OF_A_TEAM = (Rule(to=Subject(any="all"), resources=RuleResources(labels=(("team", "a*"),))),)
"""Rights that a revision takes which labels something anew."""


@st.composite
def some_rules(draw):
    if draw(st.booleans()):
        return OF_A_TEAM
    found = []
    for _ in range(draw(st.integers(0, 3))):
        effect = draw(st.sampled_from(["allow", "allow", "only", "deny"]))
        fit = [one for one in SUBJECTS if effect != "deny" or not one.nodes.ids]
        to, what = draw(st.sampled_from(fit)), draw(st.sampled_from(RESOURCES))
        found.append(Rule(to=to, resources=what, effect=effect))
    return tuple(found)


def written(rules):
    """Return *rules* as a document of the repository says them."""

    def plain(value):
        if isinstance(value, tuple) and value and isinstance(value[0], tuple):
            return dict(value)
        return list(value) if isinstance(value, tuple) else value

    def fields(one):
        told = {name: plain(getattr(one, name)) for name in one.__dataclass_fields__}
        return {name: value for name, value in told.items() if value and value != "none"}

    found = []
    for one in rules:
        to = fields(Subject(**{**fields_of(one.to), "nodes": None}))
        if one.to.nodes.ids:
            to["nodes"] = {"ids": list(one.to.nodes.ids)}
        told = {"to": to, "resources": fields(one.resources), "effect": one.effect}
        found.append(told)
    return json.loads(json.dumps({"rules": found}))


def fields_of(one):
    return {name: getattr(one, name) for name in one.__dataclass_fields__}


def stored(collection, name, version, body, labels=()):
    envelope = resource_pb2.Resource()
    envelope.metadata.name, envelope.metadata.version = name, version
    envelope.metadata.labels.update(labels)
    envelope.body.Pack(body)
    return Resource(name, version, envelope.SerializeToString(), Origin(f"{name}.yaml", 1))


VIEWS = (
    (),
    (ViewRow("all"),),
    (ViewRow("foo", ViewNodes(ids=("n-*",)), ViewResources(namespaces=("foo",))),),
)


class Streams(RuleBasedStateMachine):
    """A source, its policies, and sinks that come, refuse, go and lie."""

    def __init__(self):
        super().__init__()
        self.loop = Loop()
        self.wrong = []
        self.bodies = {}
        """Collection, name and labels by the bytes of a body."""
        self.content = {}
        """What is served: labels and version by collection and name."""
        self.labels = {}
        """Labels by collection and name: those that are served, or were last."""
        self.policy, self.repository, self.ceiling, self.views = (), (), (), ()
        self.sinks = []
        self.count = 0
        self.run(self.made())

    def run(self, doing):
        return self.loop.run_until_complete(doing)

    async def made(self):
        self.cache = SnapshotCache()
        limits = Limits()
        self.shared = Shared(self.cache, limits, record=self.recorded)
        memory, self.recorded_happenings = Memory(), []
        ways = {"delta": False, "names": 100, "subscriptions": 10}
        self.wires = (
            Classic(self.cache, Catalog, limits),
            Classic(self.cache, Catalog, limits),
            Legacy(self.cache, Catalog, limits),
            Xds(self.cache, Catalog, memory, **ways),
            Xds(self.cache, Catalog, memory, **{**ways, "delta": True}),
        )

    def recorded(self, happening):
        self.recorded_happenings.append(happening)

    def teardown(self):
        async def end():
            for sink in self.sinks:
                await sink.close()

        self.run(end())
        self.loop.close()

    # ------------------------------------------------------------------ the oracle

    def allowed(self, sink, collection, name, labels):
        if not (self.policy or self.repository_on):
            return True
        book = {"settings": self.policy, "repository": (), "ceiling": ()}
        if self.repository_on:
            book |= {"repository": self.served_repository, "ceiling": self.ceiling}
        protocol = sink.wire.protocol
        return may(book, sink.who, sink.node, protocol, collection, name, labels)

    def viewed(self, sink, name):
        """Whether a view shows it; views are no rights, but decide about what is complete."""
        namespace = name.split("/")[0] if "/" in name else ""
        return not self.views or any(
            any_glob(view.nodes.ids, sink.node) and any_glob(view.resources.namespaces, namespace)
            for view in self.views
        )

    def may_have(self, sink, name, value):
        """Whether a sink may have this body now: by its own labels, and by those that count."""
        collection, told, labels = self.bodies[value]
        now = self.labels[collection, name]
        both = (self.allowed(sink, collection, name, one) for one in (labels, now))
        return told == name and all(both)

    def received(self, sink, url, put, removed):
        """Judge a message in the moment in which it is written."""
        for name, value in put:
            if not self.may_have(sink, name, value):
                self.wrong.append(("not allowed", sink.wire.protocol, sink.who, url, name))
        for name in removed:
            if (url, name) not in sink.told:
                self.wrong.append(("a name it was never told", sink.wire.protocol, url, name))

    def taken_back(self, *, silent=False):
        """Judge that nobody was left with what it may not have; over classic MCP *silent* ones."""
        for sink in self.sinks:
            for url, heard in sink.heard.items():
                unanswered = [one for one in sink.unanswered if one[0] == url]
                if sink.ending is not None or (url == SDS and sink.wire.protocol == "xds"):
                    continue
                most = FLYING if sink.xds else 1
                if len(unanswered) >= most and sink.wire.protocol != "xds" and not silent:
                    continue
                left = [
                    name for name, value in heard.items() if not self.may_have(sink, name, value)
                ]
                assert ([], url, sink.wire.protocol) == (left, url, sink.wire.protocol)

    # ------------------------------------------------------------------ what happens

    repository_on = False
    served_repository = ()

    @initialize(data=st.data())
    def begin(self, data):
        self.policy = data.draw(st.sampled_from([OF_A_TEAM, ()]))
        self.configure()
        self.revise(data)
        for index in range(5):
            self.come(data, index)

    def configure(self):
        self.repository_on = bool(self.ceiling)
        told = Authorization(
            policy=self.policy,
            ceiling=self.ceiling,
            repository_file="authz/*.yaml" if self.ceiling else None,
        )
        self.shared.access.configure(self.views, told, guarded=False)
        self.cache.wake()

    def serve(self):
        built = {}
        for collection in TYPES:
            held = {n: v for (c, n), v in self.content.items() if c == collection}
            found = []
            for name, (labels, version) in held.items():
                self.labels[collection, name] = labels
                body = message(collection, name, f"{version} {sorted(labels.items())}")
                self.bodies[body.SerializeToString()] = (collection, name, labels)
                found.append(stored(collection, name, version, body, labels))
            built[collection] = Collection.of(collection, found)
        if self.repository:
            told = written(self.repository)
            version = f"p{abs(hash(json.dumps(told)))}"
            policy = stored(COLLECTION, "team", version, ParseDict(told, Struct()))
            built[COLLECTION] = Collection.of(COLLECTION, [policy])
        self.served_repository = self.repository
        snapshot = Snapshot.of(Revision(f"{self.count:040x}", "t", 0), built)
        self.cache.set("default", snapshot)
        for wire in self.wires:
            wire.serve(snapshot.collections.values())

    async def passing(self, seconds):
        await asyncio.sleep(seconds)

    @rule(data=st.data(), seconds=st.sampled_from([0.0, 0.01, AT_ONCE, AT_ONCE]))
    def revise_and_wait(self, data, seconds):
        self.revise(data)
        self.run(self.passing(seconds))
        assert [] == self.wrong
        if seconds == AT_ONCE:
            self.taken_back()

    @precondition(lambda self: self.content)
    @rule(data=st.data(), seconds=st.sampled_from([0.01, AT_ONCE, AT_ONCE]))
    def relabel(self, data, seconds):
        """One revision gives things to others, changes things, and takes some away."""
        self.count += 1
        known = st.sampled_from(sorted(self.content))
        for where in data.draw(st.lists(known, min_size=1, max_size=4)):
            team = "b" if self.content[where][0] == {"team": "ab"} else "ab"
            self.content[where] = {"team": team}, f"v{self.count}"
        for where in data.draw(st.lists(known, max_size=2)):
            self.content[where] = self.content[where][0], f"v{self.count}"
        for where in data.draw(st.lists(known, max_size=1)):
            del self.content[where]
        self.serve()
        self.run(self.passing(seconds))
        assert [] == self.wrong
        if seconds == AT_ONCE:
            self.taken_back()

    @rule(seconds=st.sampled_from([AT_ONCE, 40.0]))
    def wait(self, seconds):
        self.run(self.passing(seconds))
        assert [] == self.wrong
        self.taken_back(silent=seconds > AT_ONCE)

    def revise(self, data):
        self.count += 1
        for _ in range(data.draw(st.integers(1, 5))):
            where = data.draw(st.sampled_from(list(TYPES))), data.draw(st.sampled_from(NAMES))
            labels = data.draw(st.sampled_from([{}, {"team": "ab"}, {"team": "ab"}, {"team": "b"}]))
            if data.draw(st.booleans()) or where not in self.content:
                self.content[where] = labels, f"v{self.count}"
            else:
                del self.content[where]
        if data.draw(st.booleans()):
            self.repository = data.draw(some_rules())
        self.serve()

    @rule(policy=some_rules(), ceiling=some_rules(), views=st.sampled_from(VIEWS))
    def change_settings(self, policy, ceiling, views):
        self.policy, self.ceiling, self.views = policy, ceiling, views

        async def change():
            self.configure()
            await asyncio.sleep(0.05)

        self.run(change())
        assert [] == self.wrong

    @rule(data=st.data())
    def another(self, data):
        if len(self.sinks) < 8:
            self.come(data, data.draw(st.integers(0, 4)))
        assert [] == self.wrong

    def come(self, data, index):
        who, node = data.draw(st.sampled_from(PEERS)), data.draw(st.sampled_from(NODES))

        async def connect():
            sink = Sink(self.shared, self.wires[index], who, node, NAMES, self.received)
            sink.wants_increments = index == 1
            self.sinks.append(sink)
            await asyncio.sleep(0)

        self.run(connect())

    @precondition(lambda self: self.sinks)
    @rule(data=st.data(), holding=st.booleans())
    def come_back(self, data, holding):
        sink = data.draw(st.sampled_from(self.sinks))

        async def again():
            await sink.close()
            sink.told = set()
            sink.connect(holding=holding)
            await asyncio.sleep(0.01)

        self.run(again())
        assert [] == self.wrong

    @precondition(lambda self: self.sinks)
    @rule(data=st.data())
    def refuse(self, data):
        data.draw(st.sampled_from(self.sinks)).refuses = True

    @precondition(lambda self: self.sinks)
    @rule(data=st.data())
    def refuse_everything(self, data):
        sink = data.draw(st.sampled_from(self.sinks))
        sink.refuses_all = not sink.refuses_all

    @precondition(lambda self: self.sinks)
    @rule(data=st.data(), how=st.sampled_from(["hold", "return"]))
    def ask_again(self, data, how):
        self.shared.on_nack = how
        sink = data.draw(st.sampled_from(self.sinks))

        async def ask():
            if sink.ending is None:
                sink.ask(data.draw(st.sampled_from(list(COLLECTIONS))))
            await asyncio.sleep(0.02)

        self.run(ask())
        assert [] == self.wrong

    @precondition(lambda self: self.sinks)
    @rule(data=st.data())
    def fall_silent(self, data):
        sink = data.draw(st.sampled_from(self.sinks))
        sink.answers = not sink.answers
        if sink.answers:
            for one in sink.unanswered:
                sink.answer(one)
            sink.unanswered = []

    @rule()
    def settle(self):
        self.run(self.settled())
        assert [] == self.wrong
        for sink in self.sinks:
            self.complete(sink)

    async def settled(self):
        await asyncio.sleep(0.01)
        for sink in self.sinks:
            sink.refuses, sink.refuses_all, sink.answers = False, False, True
            for one in sink.unanswered:
                sink.answer(one)
            sink.unanswered = []
            if sink.ending is not None:
                await sink.close()
                sink.connect()
        await asyncio.sleep(12)
        for sink in self.sinks:
            if sink.ending is None:
                self.cache.forgive(sink.session.identity)
                sink.session.retry()
        await asyncio.sleep(30)

    def complete(self, sink):
        """Judge that a sink has all that it may have and is shown."""
        shown, may_have = {}, 0
        for (collection, name), (labels, version) in self.content.items():
            if self.allowed(sink, collection, name, labels):
                may_have += 1
                if self.viewed(sink, name):
                    body = message(collection, name, f"{version} {sorted(labels.items())}")
                    shown.setdefault(TYPES[collection], {})[name] = body.SerializeToString()
        if sink.ending is not None:
            assert End.DENIED is sink.ending.end
            assert not may_have
            return
        for url in COLLECTIONS:
            held = sink.held[url]
            if url == SDS and sink.wire.protocol == "xds":
                # What is gone is never told to a SotW client that merges.
                held = {name: value for name, value in held.items() if name in shown.get(url, {})}
            assert shown.get(url, {}) == held


TestStreams = Streams.TestCase
TestStreams.settings = settings(max_examples=60, stateful_step_count=14, deadline=None)
