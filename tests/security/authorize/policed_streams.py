"""
Sinks of every wire on real sessions, in a time of their own, that remember whatever they received.

Rule: a sink knows no rights. It asks, answers as it is told to, applies what comes, and hands every
message to `received` in the moment in which it is written.
"""

import asyncio
import selectors

from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.listener.v3 import listener_pb2
from envoy.extensions.transport_sockets.tls.v3 import secret_pb2
from envoy.service.discovery.v3 import discovery_pb2
from google.protobuf.wrappers_pb2 import StringValue

from gitsource._proto.istio.mcp.v1alpha1 import mcp_pb2, resource_pb2
from gitsource.publish.ending import End, Ending
from gitsource.publish.session import Session

PREFIX = "type.googleapis.com/"
CDS = PREFIX + "envoy.config.cluster.v3.Cluster"
LDS = PREFIX + "envoy.config.listener.v3.Listener"
SDS = PREFIX + "envoy.extensions.transport_sockets.tls.v3.Secret"
VS = "networking.istio.io/v1alpha3/VirtualService"
"""How istiod asks for a kind of Istio's over xDS: in order of rank, each as MCP's resource."""
VIRTUAL_SERVICES = "istio/networking/v1alpha3/virtualservices"
TYPES = {
    "envoy/clusters": CDS,
    "envoy/listeners": LDS,
    "envoy/secrets": SDS,
    VIRTUAL_SERVICES: VS,
}
COLLECTIONS = {url: collection for collection, url in TYPES.items()}
COMPLETE = {CDS, LDS, VS}


def message(collection, name, tag):
    """Return the body called *name* of *collection*, unlike all others by *tag*."""
    if collection == "envoy/clusters":
        return cluster_pb2.Cluster(name=name, alt_stat_name=tag)
    if collection == "envoy/listeners":
        return listener_pb2.Listener(name=name, stat_prefix=tag)
    if collection == VIRTUAL_SERVICES:
        return StringValue(value=f"{name} {tag}")
    return secret_pb2.Secret(name=name, generic_secret={"secret": {"inline_string": tag}})


class _Leap(selectors.DefaultSelector):
    def __init__(self):
        super().__init__()
        self.now = 1000.0

    def select(self, timeout=None):
        found = super().select(0)
        if not found and timeout:
            self.now += timeout
        return found


class Loop(asyncio.SelectorEventLoop):
    """An event loop whose time passes as soon as there is nothing to do."""

    def __init__(self):
        self._leap = _Leap()
        super().__init__(self._leap)

    def time(self):
        return self._leap.now


class Sink:
    """One sink; `connect` opens a stream of it."""

    def __init__(self, shared, wire, who, node, names, received):
        self.shared, self.wire, self.who, self.node = shared, wire, who, node
        self.names = names
        """Secrets that an xDS sink asks for."""
        self.received = received
        self.refuses = False
        """Whether it refuses the next message."""
        self.answers = True
        self.told = set()
        """(type, name) of everything that it was ever told or asked for."""
        self.told_versions = {}
        """Version by type and body of everything that it was ever sent."""
        self.session = None
        self.connect()

    @property
    def xds(self):
        return self.wire.protocol.startswith("xds")

    def connect(self, *, holding=False):
        """Open a stream; with *holding*, saying what it has of the one before, where it can."""
        if not (holding and self.can_state):
            self.held = {url: {} for url in COLLECTIONS}
            self.versions = {url: {} for url in COLLECTIONS}
        self.heard = {url: dict(held) for url, held in self.held.items()}
        """What it has, or may have: of what it did not answer, or refused, too."""
        self.ending = None
        self.unanswered = []
        self.queue = asyncio.Queue()
        self.session = Session(
            self.shared, self.wire, "test:1", self.queue.get, self.write, who=self.who
        )
        self.task = asyncio.get_running_loop().create_task(self.run(self.session))
        for url in (CDS, LDS, SDS, VS):
            self.ask(url, stated=self.versions[url])

    async def run(self, session):
        ending = await session.run()
        if session is self.session:
            self.ending = ending

    @property
    def can_state(self):
        """Whether it can say what it has when it comes back."""
        return self.wire.protocol == "xds-delta" or self.wants_increments

    async def close(self):
        self.session.end(Ending(End.CLOSED))
        await self.task

    # ------------------------------------------------------------------ what it says

    def ask(self, url, nonce="", version="", error=None, stated=None):
        """Ask for *url*, or answer."""
        fields = {"response_nonce": nonce}
        if stated:
            fields["initial_resource_versions"] = stated
            self.told |= {(url, name) for name in stated}
        if error is not None:
            fields["error_detail"] = {"code": 13, "message": error}
        if not self.xds:
            if self.wire.protocol == "mcp":
                kind = mcp_pb2.RequestResources
                fields["incremental"] = self.wants_increments
                fields["collection"] = COLLECTIONS[url]
            else:
                kind = mcp_pb2.MeshConfigRequest
                fields["version_info"] = version
                fields["type_url"] = COLLECTIONS[url]
            self.queue.put_nowait(kind(sink_node={"id": self.node}, **fields).SerializeToString())
            return
        names = self.names if url == SDS else ()
        self.told |= {(url, name) for name in names}
        if self.wire.protocol == "xds":
            kind = discovery_pb2.DiscoveryRequest
            fields |= {"resource_names": names, "version_info": version}
        else:
            kind = discovery_pb2.DeltaDiscoveryRequest
            if not nonce:
                fields["resource_names_subscribe"] = names
        request = kind(node={"id": self.node}, type_url=url, **fields)
        self.queue.put_nowait(request.SerializeToString())

    wants_increments = False
    refuses_all = False

    # ------------------------------------------------------------------ what it hears

    async def write(self, data):
        """Take a message in, tell everything that is in it, and answer."""
        url, nonce, version, put, removed, whole = self.read(data)
        self.received(self, url, [(name, value) for name, value in put], removed)
        self.told |= {(url, name) for name, _ in put}
        self.heard[url] = _applied({} if whole else self.heard[url], put, removed)
        answer = (url, nonce, version, put, removed, whole)
        if self.answers:
            self.answer(answer)
        else:
            self.unanswered.append(answer)

    def answer(self, heard):
        url, nonce, version, put, removed, whole = heard
        if self.refuses or self.refuses_all:
            self.refuses = False
            if not self.xds:
                # An xDS client may have taken over a part; a sink of MCP takes all or nothing, and
                # has been told of what is not as it was.
                told = _applied({} if whole else self.held[url], put, removed)
                had = self.held[url].items()
                self.heard[url] = {name: value for name, value in had if told.get(name) == value}
            self.ask(url, nonce, error="a die said so")
            return
        self.held[url] = _applied({} if whole else self.held[url], put, removed)
        told = {name: self.told_versions.get((url, value), "?") for name, value in put}
        self.versions[url] = _applied({} if whole else self.versions[url], told.items(), removed)
        self.ask(url, nonce, version)

    def read(self, data):
        """Return type, nonce, version, what is put, what is removed, and whether it is all."""
        if self.wire.protocol == "mcp":
            heard = mcp_pb2.Resources.FromString(data)
            put = [(one.metadata.name, one.body.value) for one in heard.resources]
            gone = list(heard.removed_resources)
            url = TYPES[heard.collection]
            for one in heard.resources:
                self.told_versions[url, one.body.value] = one.metadata.version
            return url, heard.nonce, heard.system_version_info, put, gone, not heard.incremental
        if self.wire.protocol == "mcp-legacy":
            heard = mcp_pb2.MeshConfigResponse.FromString(data)
            put = [(one.metadata.name, one.body.value) for one in heard.resources]
            return TYPES[heard.type_url], heard.nonce, heard.version_info, put, [], True
        if self.wire.protocol == "xds":
            heard = discovery_pb2.DiscoveryResponse.FromString(data)
            put = [_named(one) for one in heard.resources]
            whole = heard.type_url in COMPLETE
            return heard.type_url, heard.nonce, heard.version_info, put, [], whole
        heard = discovery_pb2.DeltaDiscoveryResponse.FromString(data)
        put = [(one.name, _named(one.resource)[1]) for one in heard.resources]
        gone = list(heard.removed_resources)
        for one in heard.resources:
            self.told_versions[heard.type_url, _named(one.resource)[1]] = one.version
        return heard.type_url, heard.nonce, heard.system_version_info, put, gone, False


def _applied(held, put, removed):
    left = {name: value for name, value in held.items() if name not in removed}
    return left | dict(put)


def _named(packed):
    """Return name and body of what is *packed* in a response of xDS."""
    kinds = {CDS: cluster_pb2.Cluster, LDS: listener_pb2.Listener, SDS: secret_pb2.Secret}
    if packed.type_url in kinds:
        return kinds[packed.type_url].FromString(packed.value).name, packed.value
    wrapped = resource_pb2.Resource.FromString(packed.value)
    return wrapped.metadata.name, wrapped.body.value
