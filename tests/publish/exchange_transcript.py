"""
Runs a conversation between sinks and the exchange, one line at a time.

A line is ``command -> what is sent``; ``-`` is nothing, ``;`` separates pushes, a line that begins
with ``->`` goes on with the one before, ``#`` starts a comment. The sinks here are models: they
hold what the pushes they ACKed come to, and nothing else.

    open NAME [id=NODE] [settle=S]     a stream; its name then stands before its commands
    NAME ask COLLECTION [incremental] [has=a@v0,b@v1] [id=NODE]
    NAME ack COLLECTION NONCE [incremental]       NAME nack COLLECTION NONCE [incremental]
    NAME holds COLLECTION              what the sink has, from the pushes it accepted
    NAME status COLLECTION             the row of the status page
    NAME stuck | free | close          the sink stops reading, reads again, hangs up
    snapshot COLLECTION=VERSION a@v0 b@v1 | COLLECTION=VERSION …
    clear    window N    wait SECONDS    accepted

`SE`, `DR`, `GW` and `VS` stand for Istio's collections, which have an order; any other name is a
collection nobody knows. Versions are written by hand, so that a line says what it means.
"""

from dataclasses import dataclass, field

from gitsource.catalog.whole import Catalog
from gitsource.model import (
    Collection,
    Origin,
    Resource,
    Revision,
    Snapshot,
    empty_collection,
)
from gitsource.publish.classic.exchange import Exchange
from gitsource.publish.words import Acked, Delta, Error, Nacked, Push, Request, Stale
from gitsource.snapshot.cache import SnapshotCache
from gitsource.snapshot.reports import SinkReport
from gitsource.snapshot.window import Window

SHORT = {
    "SE": "istio/networking/v1alpha3/serviceentries",
    "DR": "istio/networking/v1alpha3/destinationrules",
    "GW": "istio/networking/v1alpha3/gateways",
    "VS": "istio/networking/v1alpha3/virtualservices",
}
LONG = {name: short for short, name in SHORT.items()}
EMPTY = empty_collection("").version


def full_name(word):
    return SHORT.get(word, word)


def shown(version):
    return "empty" if version == EMPTY else str(version)


def pairs(text):
    return dict(pair.split("@") for pair in text.split(",") if pair)


def collection(name, version, words):
    resources = [
        Resource(name, version, b"", Origin("a.yaml", 1))
        for name, version in (word.split("@") for word in words)
    ]
    built = Collection.of(name, resources)
    return Collection(name, built.names, built.resources, built.lines, version)


@dataclass
class Sink:
    """A model sink on one stream."""

    stream: int
    exchange: Exchange
    node: str = ""
    reads: bool = True
    has: dict = field(default_factory=dict)
    """Collection to the resources it accepted: name to version."""
    unanswered: dict = field(default_factory=dict)
    """Nonce to push."""


class Stage:
    """The cache, the clock and all sinks of one conversation."""

    def __init__(self):
        self.cache = SnapshotCache()
        self.now = 100.0
        self.sinks = {}

    def run(self, line):
        """Carry out the command *line* and return what came of it, as it is written down."""
        first, *rest = line.split()
        if first in {"open", "snapshot", "clear", "window", "wait", "accepted"}:
            said = getattr(self, first)(*rest)
        else:
            verb, *more = rest
            said = getattr(self, verb)(self.sinks[first], *more)
        told = [said] if said else []
        for name, sink in self.sinks.items():
            label = f"{name}: " if len(self.sinks) > 1 else ""
            told += [label + push for push in self.pushed(sink)]
        return told or ["-"]

    def pushed(self, sink):
        while sink.reads:
            push = sink.exchange.offer(self.cache.get(), self.now)
            if push is None:
                return
            sink.exchange.sent(push, self.now)
            sink.unanswered[push.nonce] = push
            self.report(sink, "sent", push)
            yield self.written(push)

    def written(self, push: Push):
        name = LONG.get(push.requested, push.requested)
        if isinstance(push.content, Delta):
            mode, put = "delta", push.content.put
            gone = "".join(f" -{name}" for name in push.content.removed)
        else:
            mode, put, gone = "full", push.content.collection.resources, ""
        body = " ".join(f"{one.name}@{one.version}" for one in put)
        return f"push {push.nonce} {mode} {name}={shown(push.version)} [{body}{gone}]"

    def report(self, sink, event, about, **more):
        if isinstance(about, Push | Acked | Nacked):
            more |= {"version": about.version, "nonce": about.nonce}
        self.cache.report(
            SinkReport(
                event,
                sink.stream,
                sink.exchange.identity,
                collection=about.collection,
                requested=about.requested,
                **more,
            )
        )

    # ------------------------------------------------------------------ everyone's commands

    def open(self, name, *options):
        given = dict(option.split("=") for option in options)
        stream = self.cache.open_stream()
        settle = float(given.get("settle", 0))
        exchange = Exchange(stream, self.cache, Catalog, settle=settle)
        self.sinks[name] = Sink(stream, exchange, given.get("id", ""))
        self.cache.report(SinkReport("connected", stream, stream, name))

    def snapshot(self, *words):
        collections = {}
        for part in " ".join(words).split("|"):
            head, *body = part.split()
            name, version = head.split("=")
            if version != "empty":
                collections[full_name(name)] = collection(full_name(name), version, body)
        self.cache.set("default", Snapshot(Revision("c" * 40, "t", 0), "v", collections))

    def clear(self):
        self.cache.clear("default")

    def window(self, versions):
        self.cache = SnapshotCache(window=Window(versions=int(versions)))

    def wait(self, seconds):
        self.now += float(seconds)

    def accepted(self):
        found = self.cache.accepted(self.cache.get())
        late = f", not by {' '.join(found.waiting)}" if found.waiting else ""
        return f"accepted by {found.accepted} of {found.sinks}{late}"

    # ------------------------------------------------------------------ a sink's commands

    def ask(self, sink, word, *options):
        given = dict(option.split("=") for option in options if "=" in option)
        request = Request(
            full_name(word),
            incremental="incremental" in options,
            initial_versions=pairs(given.get("has", "")),
            node_id=given.get("id", sink.node),
        )
        return self.hear(sink, request)

    def ack(self, sink, word, nonce, *options):
        request = Request(
            full_name(word), nonce, incremental="incremental" in options, node_id=sink.node
        )
        return self.hear(sink, request)

    def nack(self, sink, word, nonce, *options):
        request = Request(
            full_name(word),
            "" if nonce == "none" else nonce,
            Error(3, "no good"),
            incremental="incremental" in options,
            node_id=sink.node,
        )
        return self.hear(sink, request)

    def hear(self, sink, request):
        heard = sink.exchange.receive(request, self.cache.get(), self.now)
        if isinstance(heard, Stale):
            return "stale"
        if isinstance(heard, Acked):
            self.apply(sink, sink.unanswered.pop(heard.nonce))
            self.report(sink, "acked", heard)
        elif isinstance(heard, Nacked):
            self.report(sink, "nacked", heard, error=heard.error.message)
        else:
            self.report(sink, "subscribed", heard)
        return None

    def apply(self, sink, push):
        if not isinstance(push.content, Delta):
            sink.has[push.requested] = {one.name: one.version for one in push.content.collection}
            return
        held = sink.has.setdefault(push.requested, {})
        held.update((one.name, one.version) for one in push.content.put)
        for name in push.content.removed:
            held.pop(name, None)

    def holds(self, sink, word):
        held = sink.has.get(full_name(word), {})
        return "[" + " ".join(f"{name}@{version}" for name, version in sorted(held.items())) + "]"

    def status(self, sink, word):
        (row,) = (row for row in self.cache.sinks() if row["peer"] == self.name_of(sink))
        told = row["collections"][full_name(word)]
        words = [f"{key}={shown(told[key])}" for key in ("sent", "acked", "nacked")]
        return " ".join(words) + (f" error={told['error']}" if told["error"] else "")

    def name_of(self, sink):
        return next(name for name, known in self.sinks.items() if known is sink)

    def stuck(self, sink):
        sink.reads = False

    def free(self, sink):
        sink.reads = True

    def close(self, sink):
        self.cache.report(SinkReport("disconnected", sink.stream))
        del self.sinks[self.name_of(sink)]
