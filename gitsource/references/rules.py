"""
What a claim takes for granted, judged against what all documents provide.

Rule: pure, and cheap: a claim looks up a few keys, and of each key the first document that provides
it (by path, then by place in the file). Only selectors look at more, and at a bounded number. Where
several documents exclude each other, each but the first is told about the first.

What a claim depends on is said by `topics`; `index` judges it again when one of them changes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from fnmatch import translate
from functools import lru_cache
from typing import NamedTuple, Protocol, TypeAlias

from gitsource._proto.gitsource.state.v1.state_pb2 import Claim, Facts
from gitsource.model import shown
from gitsource.references import envoy
from gitsource.references.keys import HIDDEN, canonical, covering, covers, seen_from
from gitsource.settings.judging import References

Ref: TypeAlias = tuple[str, int]
"""A document with facts: the path of its file, and its place among those of the file."""

LOOKED_AT = 200
"""Workloads with a label that are looked at for a selector; beyond, one is taken to match."""
HOSTS = 20_000
"""Pairs of hosts that are compared for a gateway; beyond, it is taken to admit one."""


class Verdict(NamedTuple):
    """What does not hold."""

    code: str
    message: str


class View(Protocol):
    """All documents, as a claim sees them."""

    def first(self, key: str) -> Ref | None:
        """Return the first document that provides *key*."""

    def all(self, key: str) -> Sequence[Ref]:
        """Return every document that provides *key*."""

    def facts(self, ref: Ref) -> Facts:
        """Return the facts of a document."""


Holds: TypeAlias = Callable[[Claim, Facts, Ref, View, References], Verdict | None]


def judged(claim: Claim, own: Facts, ref: Ref, view: View, rules: References) -> Verdict | None:
    """Return what is wrong with *claim*, made by the document *ref*; None if it holds."""
    return _RULES[claim.code](claim, own, ref, view, rules)


def topics(claim: Claim, own: Facts) -> Iterator[str]:
    """Yield what the verdict on *claim* depends on, beside the keys its own document provides."""
    words = claim.words
    if claim.code == "GS401":
        yield f"g:{words[0]}"
    elif claim.code == "GS403":
        yield f"d:{words[0]}|{words[1]}"
    elif claim.code == "GS405":
        yield f"h:{words[0]}"
    elif claim.code == "GS408":
        yield words[0]
    elif claim.code == "GS410":
        yield f"W:{own.namespace}"
        for pair in words:
            yield f"w:{own.namespace}|{pair}"
            yield f"c:{own.namespace}|{pair}"
    elif claim.code == "GS411":
        yield f"V:{words[0]}"
    elif claim.code == "GS412":
        yield words[0][:-1]
    elif claim.code in envoy.MISSING:
        yield words[0]


def _other(ref: Ref, view: View) -> str:
    """Return how a message names the document *ref*."""
    return f"{view.facts(ref).resource[:300]} ({ref[0]})"


def _first_of_another(key: str, own: Facts, ref: Ref, view: View) -> Ref | None:
    """
    Return the first document that provides *key*, unless that is *ref* itself.

    A resource that is defined twice is told as that (GS304), not as being in its own way.
    """
    first = view.first(key)
    if first is None or first == ref or view.facts(first).resource == own.resource:
        return None
    return first


# --------------------------------------------------------------------------- gateways


def _gateway(claim: Claim, own: Facts, _ref: Ref, view: View, _rules: References) -> Verdict | None:
    name, *hosts = claim.words
    found = view.first(f"g:{name}|")
    if found is None:
        return Verdict(
            "GS401",
            f"there is no Gateway {shown(name)}: name one that exists, as namespace/name if it is "
            "in another namespace",
        )
    if not hosts or _admits(view.facts(found).offers, hosts, own.namespace):
        return None
    return Verdict(
        "GS402",
        f"Gateway {shown(name)} has no server for any of these hosts: nothing reaches this "
        "VirtualService through it",
    )


def _admits(offers: Sequence[str], hosts: Sequence[str], namespace: str) -> bool:
    """Whether a Gateway that *offers* servers has one for any of *hosts* of *namespace*."""
    if len(hosts) * len(offers) > HOSTS:
        return True
    for offer in offers:
        whose, _, admitted = offer.partition("/")
        if whose in {"*", namespace} and any(
            covers(admitted, host) or covers(host, admitted) for host in hosts
        ):
            return True
    return False


def _alone_on_port(
    claim: Claim, own: Facts, ref: Ref, view: View, _rules: References
) -> Verdict | None:
    key, tls = claim.words
    first = _first_of_another(key, own, ref, view)
    if first is None:
        return None
    theirs = next((c.words[1] for c in view.facts(first).claims if c.words[0] == key), tls)
    if theirs != tls:
        return Verdict(
            "GS409",
            f"{_other(first, view)} serves this host on this port of the same proxies with "
            "other TLS settings: make them alike, or keep one of the two",
        )
    return Verdict(
        "GS407",
        f"{_other(first, view)} serves this host on this port of the same proxies too: keep "
        "one of the two",
    )


FAMILIES = ("HTTP", "TLS", "TCP")


def _one_protocol(
    claim: Claim, _own: Facts, ref: Ref, view: View, _rules: References
) -> Verdict | None:
    port, family, number = claim.words
    known = [(found, each) for each in FAMILIES if (found := view.first(f"{port}|{each}"))]
    first, theirs = min(known, default=(ref, family))
    if first == ref or (theirs == family and family != "TCP"):
        return None
    why = f"{family} cannot share it" if theirs != family else "TCP is never shared"
    return Verdict(
        "GS408",
        f"{_other(first, view)} has {theirs} on port {number} of the same proxies, and {why}: use "
        "another port",
    )


# --------------------------------------------------------------------------- hosts


def _subset(claim: Claim, own: Facts, _ref: Ref, view: View, _rules: References) -> Verdict | None:
    host, subset = claim.words
    hidden: Ref | None = None
    for covered in covering(host):
        topic = f"d:{covered}|{subset}"
        if any(view.first(key) for key in seen_from(topic, own.namespace)):
            return None
        hidden = hidden or view.first(f"{topic}|{HIDDEN}")
    what = f"subset {shown(subset)} of {shown(host)}"
    if hidden is not None:
        return _unseen(what, hidden, own, view)
    return Verdict(
        "GS403",
        f"no DestinationRule defines {what}: define it, or remove the subset here",
    )


def _unseen(what: str, ref: Ref, own: Facts, view: View) -> Verdict:
    return Verdict(
        "GS404",
        f"{what} is defined by {_other(ref, view)}, which is not exported to "
        f"{shown(own.namespace)}: add that namespace to its exportTo",
    )


def _host(claim: Claim, own: Facts, _ref: Ref, view: View, rules: References) -> Verdict | None:
    host = claim.words[0]
    if not rules.service_hosts and host.endswith(".svc"):
        return None  # a Service of the cluster may be called so, whoever else exports the name
    hidden: Ref | None = None
    for covered in covering(host):
        topic = f"h:{covered}"
        if any(view.first(key) for key in seen_from(topic, own.namespace)):
            return None
        hidden = hidden or view.first(f"{topic}|{HIDDEN}")
    if any(_globbed(glob).match(host) for glob in rules.service_hosts):
        return None
    if hidden is not None:
        return _unseen(f"host {shown(host)}", hidden, own, view)
    if not rules.service_hosts:
        return None
    return Verdict(
        "GS405",
        f"nothing defines the host {shown(host)}: add a ServiceEntry, mend the name, or let "
        "references.service_hosts cover it",
    )


@lru_cache(1024)
def _globbed(glob: str) -> re.Pattern[str]:
    return re.compile(translate(canonical(glob, "*")))


def _alone_on_gateway(
    claim: Claim, own: Facts, ref: Ref, view: View, _rules: References
) -> Verdict | None:
    mesh, *keys = claim.words
    for key in keys:
        first = _first_of_another(key, own, ref, view)
        if first is None:
            continue
        if mesh:
            said = "binds this host in the mesh too, and only one of the two is used: join them"
        else:
            said = (
                "has a route with the same match for this host on a gateway of both, and only one "
                "of the two is used: remove one, or make their matches differ"
            )
        return Verdict("GS406", f"{_other(first, view)} {said}")
    return None


# --------------------------------------------------------------------------- workloads


def _selector(claim: Claim, own: Facts, _ref: Ref, view: View, rules: References) -> Verdict | None:
    where = own.namespace
    # A policy of the root namespace is for all namespaces, and not all of them are in Git.
    if where == rules.root_namespace or view.first(f"W:{where}|") is None:
        return None
    wanted = set(claim.words)
    fewest = min((view.all(f"w:{where}|{pair}|") for pair in claim.words), key=len)
    if len(fewest) > LOOKED_AT:
        return None
    for ref in fewest:
        if any(wanted <= set(labels.split(",")) for labels in view.facts(ref).offers):
            return None
    if any(_may_select(pair, wanted, where, view) for pair in claim.words):
        return None
    return Verdict(
        "GS410",
        f"no workload of namespace {shown(where)} in Git has {shown(', '.join(claim.words))}: "
        "mend the labels, or remove what is for nobody",
    )


def _may_select(pair: str, wanted: set[str], where: str, view: View) -> bool:
    """Whether a Service that selects *pair* may stand for a workload with the *wanted* labels."""
    values = dict(each.partition("=")[::2] for each in wanted)
    services = view.all(f"c:{where}|{pair}|")
    if len(services) > LOOKED_AT:
        return True
    for ref in services:
        offers = view.facts(ref).offers
        if not offers:
            return True  # a ServiceEntry, of whose endpoints one has the label
        for labels in offers:
            chosen = (each.partition("=")[::2] for each in labels.split(","))
            if all(values.get(key, value) == value for key, value in chosen):
                return True
    return False


def _single(claim: Claim, own: Facts, ref: Ref, view: View, _rules: References) -> Verdict | None:
    key, selector = claim.words
    first = _first_of_another(key, own, ref, view)
    if first is None:
        return None
    kind = own.resource.partition("/")[0]
    return Verdict(
        "GS413",
        f"{_other(first, view)} has {selector} selector in this namespace too, and Istio uses only "
        f"one such {kind}: join them",
    )


def _said_once(
    claim: Claim, own: Facts, ref: Ref, view: View, _rules: References
) -> Verdict | None:
    key, *subset = claim.words
    first = _first_of_another(key, own, ref, view)
    if first is None:
        return None
    what = f"defines subset {shown(subset[0])}" if subset else "has a trafficPolicy"
    return Verdict(
        "GS414",
        f"{_other(first, view)} {what} for the same host in this namespace too, and only one of "
        "the two is used: join them",
    )


# --------------------------------------------------------------------------- delegates


def _delegate(
    claim: Claim, own: Facts, _ref: Ref, view: View, _rules: References
) -> Verdict | None:
    name = claim.words[0]
    if any(view.first(key) for key in seen_from(f"V:{name}", own.namespace)):
        return None
    hidden = view.first(f"V:{name}|{HIDDEN}")
    if hidden is not None:
        return _unseen(f"VirtualService {shown(name)}", hidden, own, view)
    return Verdict(
        "GS411",
        f"there is no VirtualService {shown(name)} without hosts to delegate to: name one, and "
        "give its namespace if that is another",
    )


def _used(claim: Claim, _own: Facts, _ref: Ref, view: View, _rules: References) -> Verdict | None:
    if view.first(claim.words[0]) is not None:
        return None
    return Verdict(
        "GS412",
        "a VirtualService without hosts is only used where another delegates to it, and none does: "
        "add hosts, or delegate to it",
    )


# --------------------------------------------------------------------------- Envoy's resources


def _there(claim: Claim, _own: Facts, _ref: Ref, view: View, _rules: References) -> Verdict | None:
    topic, name = claim.words
    if view.first(f"{topic}|") is not None:
        return None
    return Verdict(claim.code, envoy.MISSING[claim.code].format(shown(name)))


def _alone_on_address(
    claim: Claim, own: Facts, ref: Ref, view: View, _rules: References
) -> Verdict | None:
    key, address = claim.words
    first = _first_of_another(key, own, ref, view)
    if first is None:
        return None
    return Verdict(
        "GS456",
        f"{_other(first, view)} takes {shown(address)} too, and a client that gets both refuses "
        "one: use another address or port, or show them to different nodes",
    )


def _delta_only(
    claim: Claim, _own: Facts, _ref: Ref, _view: View, _rules: References
) -> Verdict | None:
    return Verdict("GS458", envoy.DELTA_ONLY[claim.words[0]])


_RULES: dict[str, Holds] = {
    **dict.fromkeys(envoy.MISSING, _there),
    "GS456": _alone_on_address,
    "GS458": _delta_only,
    "GS401": _gateway,
    "GS403": _subset,
    "GS405": _host,
    "GS406": _alone_on_gateway,
    "GS407": _alone_on_port,
    "GS408": _one_protocol,
    "GS410": _selector,
    "GS411": _delegate,
    "GS412": _used,
    "GS413": _single,
    "GS414": _said_once,
}
