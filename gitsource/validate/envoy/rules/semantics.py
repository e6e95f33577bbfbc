"""
What Envoy refuses beyond the rules that its messages declare: fields that do not go together.

Rule: only what was seen to be refused, whatever else the configuration has; tests ask a real Envoy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from gitsource.model import FieldPath, Problem

CODE = "GS345"


def beyond(message: Any) -> Iterator[Problem]:
    """Yield what does not go together in *message*, the messages inside it left aside."""
    look = TABLE.get(message.DESCRIPTOR.full_name)
    return look(message) if look is not None else iter(())


def _cluster(message: Any) -> Iterator[Problem]:
    if message.WhichOneof("cluster_discovery_type") == "cluster_type":
        return
    kind = message.DiscoveryType.Name(message.type) if message.type in _TYPES else ""
    if kind == "EDS" and not message.eds_cluster_config.HasField("eds_config"):
        text = "a Cluster of type EDS needs eds_config in eds_cluster_config: say where to ask"
        yield Problem(CODE, text, ("type",))
    if kind != "EDS" and message.HasField("eds_cluster_config"):
        text = "only a Cluster of type EDS has eds_cluster_config: set type to EDS, or remove it"
        yield Problem(CODE, text, ("edsClusterConfig",), at_key=True)
    if kind == "LOGICAL_DNS":
        yield from _single(message)
    if kind == "STATIC":
        yield from _names(message.load_assignment, ("loadAssignment",))
    yield from _original(message, kind)
    policy = message.LOAD_BALANCING_POLICY_CONFIG
    if message.lb_policy == policy and not message.HasField("load_balancing_policy"):
        text = "lb_policy LOAD_BALANCING_POLICY_CONFIG needs load_balancing_policy: add it"
        yield Problem(CODE, text, ("lbPolicy",))


def _original(message: Any, kind: str) -> Iterator[Problem]:
    own = message.HasField("load_balancing_policy")
    provided = message.lb_policy == message.CLUSTER_PROVIDED
    if kind == "ORIGINAL_DST":
        if message.HasField("load_assignment"):
            text = "a Cluster of type ORIGINAL_DST has no load_assignment: remove it"
            yield Problem(CODE, text, ("loadAssignment",), at_key=True)
        if not (own or provided):
            text = "a Cluster of type ORIGINAL_DST needs lb_policy: CLUSTER_PROVIDED"
            yield Problem(CODE, text, ("lbPolicy",))
    elif provided and kind and not own:
        text = f"a Cluster of type {kind} does not bring a policy of its own: choose another one"
        yield Problem(CODE, text, ("lbPolicy",))


def _single(message: Any) -> Iterator[Problem]:
    groups = message.load_assignment.endpoints
    if len(groups) != 1 or len(groups[0].lb_endpoints) != 1:
        text = (
            "a Cluster of type LOGICAL_DNS has one group of endpoints with one endpoint in it: "
            "leave one, or set type to STRICT_DNS"
        )
        yield Problem(CODE, text, ("loadAssignment", "endpoints"))


def _names(assignment: Any, path: FieldPath) -> Iterator[Problem]:
    for index, group in enumerate(assignment.endpoints):
        for number, each in enumerate(group.lb_endpoints):
            address = each.endpoint.address.socket_address
            host = address.address
            if ":" in host or address.resolver_name or not any(map(str.isalpha, host)):
                continue
            at = ("endpoints", index, "lbEndpoints", number, "endpoint", "address")
            text = (
                "endpoints of a Cluster of type STATIC are IP addresses: write one, or set type to "
                "STRICT_DNS"
            )
            yield Problem(CODE, text, (*path, *at, "socketAddress", "address"))


def _listener(message: Any) -> Iterator[Problem]:
    if message.HasField("api_listener"):
        return
    where = message.HasField("address") or message.HasField("internal_listener")
    if not where:
        text = "a Listener needs an address: write where it listens"
        yield Problem(CODE, text, ("address",))
    datagrams = message.HasField("udp_listener_config") or (
        message.address.socket_address.protocol == _UDP
    )
    chains = message.filter_chains or message.HasField("default_filter_chain")
    if where and not (chains or datagrams or message.HasField("fcds_config")):
        text = "a Listener needs filter_chains: write what becomes of its connections"
        yield Problem(CODE, text, ("filterChains",))


_TYPES = frozenset(range(5))
_UDP = 1
TABLE: Mapping[str, Callable[[Any], Iterator[Problem]]] = {
    "envoy.config.cluster.v3.Cluster": _cluster,
    "envoy.config.listener.v3.Listener": _listener,
}
"""Messages of which something is asked, by name."""
