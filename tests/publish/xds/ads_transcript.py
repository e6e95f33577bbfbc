"""
Runs a conversation between xDS clients and the machine, one line at a time.

A line is ``command -> what is sent``; ``-`` is nothing, ``;`` separates responses, a line that
begins with ``->`` goes on with the one before, ``#`` starts a comment. The clients here are models:
they keep what the responses they ACKed come to, as their kind of stream has it, and nothing else.

    open NAME [sotw|delta] [id=NODE] [settle=S] [timeout=S] [names=N] [types=N]
    NAME ask TYPE [names] [version=V] [nonce=N]      SotW; TYPE is CDS, EDS, … or a type URL
    NAME ask TYPE [+name] [-name] [has=a@1,b@1] [nonce=N]       delta
    NAME ack TYPE NONCE [names | +name -name]
    NAME nack TYPE NONCE [names | +name -name] [: text]
    NAME holds TYPE                    what the client has, from the responses it accepted
    NAME node ID                       a message of another node
    NAME stuck | free | close          the client stops reading, reads again, hangs up
    NAME accept                        ACKs everything that comes, until nothing does
    NAME settled                       whether it has accepted all that is served
    NAME behind                        the types of which the status says that it is behind
    NAME retry                         what was refused may be sent again
    snapshot TYPE a@1 b@1 | TYPE …     a cluster `a@1` has its endpoints under `a`;
                                       `a@1>x` under `x`, `a@1>-` has none; `e@1+2` takes 2 MB;
                                       `a@1~30` runs out after 30 s; `v@1&x&y` is also `x` and `y`
    wait SECONDS

A response is written ``TYPE nonce [resources -removed]`` (``~`` before a resource without a body,
which goes on living), with ``=VERSION`` before the brackets
where a selection's version is of interest (``ask … version=same`` states the one that is served).
"""

from dataclasses import dataclass, field

from gitsource._proto.gitsource.xds.v1 import discovery_pb2
from gitsource._proto.istio.mcp.v1alpha1 import resource_pb2
from gitsource.catalog.whole import Catalog
from gitsource.errors import ExchangeError, OverLimit
from gitsource.model import Collection, Origin, Resource, Revision, Snapshot
from gitsource.publish.words import Acked, Error, Nacked, Node, Stale
from gitsource.publish.xds.ads import Ads, Memory
from gitsource.publish.xds.types import TYPES
from gitsource.publish.xds.words import DeltaRequest, SotwRequest
from gitsource.snapshot.cache import SnapshotCache
from gitsource.snapshot.reports import SinkReport

URLS = {row.label: row.url for row in TYPES.values()}
ISTIO = "networking.istio.io/v1/"
URLS |= {
    "SE": ISTIO + "ServiceEntry",
    "DR": ISTIO + "DestinationRule",
    "VS": ISTIO + "VirtualService",
}
LABELS = {url: label for label, url in URLS.items()}
BODY = {row.url: row.url for row in TYPES.values()}


def stored(url, word):
    """Return the resource that *word* stands for."""
    name, _, rest = word.partition("@")
    rest, _, aliases = rest.partition("&")
    rest, _, ttl = rest.partition("~")
    rest, _, megabytes = rest.partition("+")
    version, _, service = rest.partition(">")
    resource = resource_pb2.Resource()
    resource.metadata.name = name
    if ttl:
        resource.metadata.annotations["gitsource.dev/ttl"] = f"{ttl}s"
    if aliases:
        resource.metadata.annotations["gitsource.dev/aliases"] = aliases.replace("&", " ")
    resource.body.type_url = url
    if LABELS.get(url) == "CDS" and service != "-":
        cluster = discovery_pb2.Cluster(name=name, type=3)
        cluster.eds_cluster_config.service_name = service
        resource.body.value = cluster.SerializeToString()
    if megabytes:
        resource.body.value = bytes(int(megabytes) * 1_000_000)
    return Resource(name, version, resource.SerializeToString(), Origin("a.yaml", 1))


def collection_name(url):
    kind = Catalog().by_collection.get(url)
    return kind.collection if kind else url


def built(url, words):
    return Collection.of(collection_name(url), [stored(url, word) for word in words])


@dataclass
class Client:
    """A model client on one stream."""

    stream: int
    ads: Ads
    delta: bool
    node: Node | None
    reads: bool = True
    has: dict = field(default_factory=dict)
    """Type to the resources it accepted: name to version."""
    names: dict = field(default_factory=dict)
    unanswered: dict = field(default_factory=dict)
    """Nonce to response."""


class Stage:
    """The cache, the clock and all clients of one conversation."""

    def __init__(self):
        self.cache = SnapshotCache()
        self.memory = Memory()
        self.now = 100.0
        self.clients = {}

    def run(self, line):
        """Carry out the command *line* and return what came of it, as it is written down."""
        first, *rest = line.split()
        if first in {"open", "snapshot", "wait"}:
            said = getattr(self, first)(*rest)
        else:
            verb, *more = rest
            said = getattr(self, verb)(self.clients[first], *more)
        told = [said] if isinstance(said, str) else list(said or [])
        for name, client in self.clients.items():
            label = f"{name}: " if len(self.clients) > 1 else ""
            told += [label + response for response in self.responses(client)]
        return told or ["-"]

    def responses(self, client):
        while client.reads:
            response = client.ads.offer(self.cache.get(), self.now)
            if response is None:
                return
            self.checked(client, response)
            client.ads.sent(response, self.now)
            if not response.heartbeat:
                client.unanswered[response.nonce] = response
            self.report(client, "sent", response)
            yield self.written(response)

    def checked(self, client, response):
        """What holds of every response, whatever was asked."""
        put = [one.name for one in response.put]
        assert len(put) == len(set(put))
        assert not set(put) & set(response.removed)
        assert response.nonce not in client.unanswered
        assert response.version
        assert all(one.version and one.wire for one in response.put)

    def written(self, response):
        name = LABELS.get(response.requested, response.requested)
        sign = "~" if response.heartbeat else ""
        words = [f"{sign}{one.name}@{one.version}" for one in response.put]
        words += [f"-{name}" for name in response.removed]
        return f"{name} {response.nonce} [{' '.join(words)}]"

    def report(self, client, event, about, **more):
        more["version"] = about.version
        if isinstance(about, Acked | Nacked) or event == "sent":
            more["nonce"] = about.nonce
        self.cache.report(
            SinkReport(
                event,
                client.stream,
                client.ads.identity,
                collection=about.collection,
                requested=about.requested,
                **more,
            )
        )

    # ------------------------------------------------------------------ everyone's commands

    def open(self, name, *options):
        given = dict(option.split("=") for option in options if "=" in option)
        stream = self.cache.open_stream()
        ads = Ads(
            stream,
            self.cache,
            Catalog,
            self.memory,
            delta="delta" in options,
            settle=float(given.get("settle", 0)),
            timeout=float(given.get("timeout", 5)),
            names=int(given.get("names", 100)),
            subscriptions=int(given.get("types", 100)),
        )
        node = Node(id=given["id"]) if "id" in given else None
        self.clients[name] = Client(stream, ads, "delta" in options, node)
        self.cache.report(SinkReport("connected", stream, stream, name))
        self.cache.assign(stream, views=None, wanted=ads.wanted)

    def snapshot(self, *words):
        collections = {}
        for part in " ".join(words).split("|"):
            kind, *body = part.split()
            url = URLS.get(kind, kind)
            collections[collection_name(url)] = built(url, body)
        self.cache.set("default", Snapshot.of(Revision("c" * 40, "t", 0), collections))

    def wait(self, seconds):
        self.now += float(seconds)

    # ------------------------------------------------------------------ a client's commands

    def ask(self, client, word, *options):
        return self.hear(client, word, "", None, options)

    def ack(self, client, word, nonce, *options):
        return self.hear(client, word, nonce, None, options)

    def nack(self, client, word, nonce, *options):
        told = " ".join(options)
        names, _, text = told.partition(": ") if ": " in told else (told, "", "no good")
        return self.hear(client, word, nonce, Error(13, text), names.split())

    def node(self, client, name):
        request = SotwRequest(URLS["CDS"], node=Node(id=name))
        try:
            client.ads.receive(request, self.cache.get(), self.now)
        except ExchangeError as error:
            return f"error: {error}"
        return None

    def hear(self, client, word, nonce, error, options):
        url = URLS.get(word, word)
        given = dict(option.split("=") for option in options if "=" in option)
        words = [option for option in options if "=" not in option]
        about = {"nonce": given.get("nonce", nonce), "error": error, "node": client.node}
        if client.delta:
            stated = dict(pair.split("@") for pair in given.get("has", "").split(",") if pair)
            client.has.setdefault(url, {}).update(stated)
            request = DeltaRequest(
                url,
                frozenset(one[1:] for one in words if one.startswith("+")),
                frozenset(one[1:] for one in words if one.startswith("-")),
                stated,
                **about,
            )
            gone = [one[1:] for one in words if one.startswith("-")]
            for name in gone:
                client.has[url].pop(name, None)
        else:
            version = given.get("version", "")
            if version == "same":
                version = self.cache.get().collection(collection_name(url)).version
            names = client.names.get(url, frozenset())
            if words or (error is None and not nonce):
                names = frozenset(words) - {"none"}
            client.names[url] = names
            request = SotwRequest(url, names, version, **about)
        try:
            heard = client.ads.receive(request, self.cache.get(), self.now)
        except OverLimit as limit:
            return f"limit: {limit}"
        if isinstance(heard, Stale):
            return "stale"
        if isinstance(heard, Acked):
            self.apply(client, client.unanswered.pop(heard.nonce))
            self.report(client, "acked", heard)
        elif isinstance(heard, Nacked):
            client.unanswered.pop(heard.nonce)
            self.report(client, "nacked", heard, error=heard.error.message)
        else:
            self.report(client, "subscribed", heard)
        return None

    def apply(self, client, response):
        brought = {one.name: one.version for one in response.put}
        if response.complete:
            client.has[response.requested] = brought
            return
        held = client.has.setdefault(response.requested, {})
        held.update(brought)
        for name in response.removed:
            held.pop(name, None)

    def holds(self, client, word):
        held = client.has.get(URLS.get(word, word), {})
        return "[" + " ".join(f"{name}@{version}" for name, version in sorted(held.items())) + "]"

    def accept(self, client):
        """ACK whatever comes, as a client without any trouble does."""
        for _ in range(50):
            told = list(self.responses(client))
            yield from told
            waiting = list(client.unanswered.values())
            if not waiting:
                return
            for response in waiting:
                self.hear(client, response.requested, response.nonce, None, ())

    def settled(self, client):
        return "yes" if client.ads.settled(self.cache.get()) else "no"

    def behind(self, client):
        rows = {row["stream"]: row["collections"] for row in self.cache.sinks()}
        late = [
            LABELS.get(url, url)
            for url, row in rows[client.stream].items()
            if row["behind"] is not None
        ]
        return "[" + " ".join(late) + "]"

    def retry(self, client):
        client.ads.retry()
        for url in client.has:
            self.cache._verdicts.forget(client.ads.identity, collection_name(url))

    def stuck(self, client):
        client.reads = False

    def free(self, client):
        client.reads = True

    def close(self, client):
        name = next(name for name, known in self.clients.items() if known is client)
        self.cache.report(SinkReport("disconnected", client.stream))
        del self.clients[name]
