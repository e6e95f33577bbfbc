"""A source in a time of its own, with policies and sinks of every wire, for tests in short."""

import pytest
from google.protobuf.json_format import ParseDict
from google.protobuf.struct_pb2 import Struct
from policed_streams import CDS, SDS, TYPES, Loop, Sink, message

from gitsource._proto.istio.mcp.v1alpha1 import resource_pb2
from gitsource.catalog.whole import Catalog
from gitsource.model import Collection, Origin, Resource, Revision, Snapshot
from gitsource.publish.classic.legacy import Legacy
from gitsource.publish.classic.wires import Classic
from gitsource.publish.shared import Shared
from gitsource.publish.xds.ads import Memory
from gitsource.publish.xds.served import Xds
from gitsource.security.authorize.documents import COLLECTION
from gitsource.security.peer import Peer
from gitsource.settings.rights import Authorization, RuleResources, Subject
from gitsource.settings.serving import Limits
from gitsource.snapshot.cache import SnapshotCache

WIRES = ("mcp", "mcp-incremental", "mcp-legacy", "xds", "xds-delta")
every_wire = pytest.mark.parametrize("speaks", WIRES)
ALL = RuleResources(collections=("*",))
FOO, BAR = RuleResources(namespaces=("foo",)), RuleResources(namespaces=("bar",))


def known(path):
    told = f"spiffe://{path}"
    return Peer(means="mtls", spiffe_id=told, identity=told)


A, B = known("a/x"), known("b/x")
TO_A, TO_B = Subject(spiffe=("spiffe://a/**",)), Subject(spiffe=("spiffe://b/**",))


def stored(collection, name, tag, labels=()):
    envelope = resource_pb2.Resource()
    envelope.metadata.name, envelope.metadata.version = name, tag
    envelope.metadata.labels.update(labels)
    envelope.body.Pack(message(collection, name, tag))
    return Resource(name, tag, envelope.SerializeToString(), Origin(f"{name}.yaml", 1))


def policy_document(*rules):
    told = ParseDict({"rules": list(rules)}, Struct())
    envelope = resource_pb2.Resource()
    envelope.metadata.name = "team"
    envelope.body.Pack(told)
    version = str(hash(told.SerializeToString(deterministic=True)))
    return Resource("team", version, envelope.SerializeToString(), Origin("authz/team.yaml", 1))


class World:
    """A source in a time of its own."""

    def __init__(self, limits=None):
        self.messages = []
        """(sink, type, names put, names removed) of every message."""
        self.happenings = []
        self.cache = SnapshotCache()
        limits = limits or Limits()
        self.shared = Shared(self.cache, limits, record=self.happenings.append)
        memory = Memory()
        both = {"names": 100, "subscriptions": 10}
        self.wires = {
            "mcp": Classic(self.cache, Catalog, limits),
            "mcp-legacy": Legacy(self.cache, Catalog, limits),
            "xds": Xds(self.cache, Catalog, memory, delta=False, **both),
            "xds-delta": Xds(self.cache, Catalog, memory, delta=True, **both),
        }
        self.sinks = []

    def received(self, sink, url, put, removed):
        names = tuple(sorted(name for name, _ in put))
        self.messages.append((sink, url, names, tuple(sorted(removed))))

    def policy(self, *rules, ceiling=()):
        told = Authorization(
            tuple(rules), repository_file="authz/*" if ceiling else None, ceiling=ceiling
        )
        self.shared.access.configure((), told, guarded=False)
        self.cache.wake()

    def serve(self, *names, tag="v1", policies=(), labels=()):
        self.serve_these(
            {one: [stored(one, name, tag, labels) for name in names] for one in TYPES},
            policies,
        )

    def serve_these(self, found, policies=()):
        built = {one: Collection.of(one, resources) for one, resources in found.items()}
        if policies:
            built[COLLECTION] = Collection.of(COLLECTION, [policy_document(*policies)])
        snapshot = Snapshot.of(Revision("c" * 40, "t", 0, "Ann <a@b>"), built)
        self.cache.set("default", snapshot)
        for wire in self.wires.values():
            wire.serve(snapshot.collections.values())

    def sink(self, speaks, who, node="n-1"):
        wire = self.wires[speaks.removesuffix("-incremental")]
        sink = Sink(self.shared, wire, who, node, ("foo/a", "bar/a", "bar/b"), self.received)
        sink.wants_increments = speaks.endswith("incremental")
        self.sinks.append(sink)
        return sink

    def seen_by(self, sink):
        """Return every name that was ever in a message to *sink*."""
        told = [put + removed for one, _, put, removed in self.messages if one is sink]
        return {name for names in told for name in names}


def in_its_own_time(scenario, limits=None):
    """Run *scenario*, a coroutine of a `World`, in a time of its own."""

    async def whole():
        made = World(limits)
        try:
            return await scenario(made)
        finally:
            for sink in made.sinks:
                await sink.close()

    loop = Loop()
    try:
        return loop.run_until_complete(whole())
    finally:
        loop.close()


def names(sink, url=CDS):
    return sorted(sink.held[url])


def merges(sink, url):
    """Whether the sink is never told what is gone."""
    return sink.wire.protocol == "xds" and url == SDS
