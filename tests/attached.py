"""What policies can be attached to, drawn by hypothesis, what they cannot, and what is told."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

import mesh

REFERENCE = "istio.type.v1beta1.PolicyTargetReference"
_KINDS = st.sampled_from(
    [
        {"kind": "Service"},
        {"kind": "Service", "group": ""},
        {"kind": "Service", "group": "core"},
        {"kind": "ServiceEntry", "group": "networking.istio.io"},
        {"kind": "Gateway", "group": "gateway.networking.k8s.io"},
        {"kind": "GatewayClass", "group": "gateway.networking.k8s.io"},
    ]
)
TARGETS = st.builds(lambda kind, name: {**kind, "name": name}, _KINDS, mesh.NAMES)
SELECTORS = st.builds(lambda labels: {"matchLabels": labels}, mesh.SELECTED) | st.just({})


def attached(specs: Any, *, single: bool = True) -> Any:
    """Return a strategy for *specs*, each attached in one way or in none."""
    ways = [
        st.just({}),
        st.builds(lambda selector: {"selector": selector}, SELECTORS),
        st.builds(lambda targets: {"targetRefs": targets}, st.lists(TARGETS, max_size=3)),
    ]
    if single:
        ways.append(st.builds(lambda target: {"targetRef": target}, TARGETS))
    return st.builds(lambda spec, way: {**spec, **way}, specs, st.one_of(ways))


TWO_WAYS = [
    {"selector": {"matchLabels": {"app": "a"}}, "targetRefs": [{"kind": "Service", "name": "a"}]},
    {"selector": {}, "targetRefs": [{"kind": "Service", "name": "a"}]},
]
"""What says twice what a policy applies to."""
BAD_SELECTORS = [{"": "a"}, {"app": "*"}, {"*": "a"}, {"app": "shop-*"}]
BAD_TARGETS = [
    {"kind": "Service"},
    {"kind": "Service", "name": ""},
    {"kind": "Service", "name": "a", "namespace": "b"},
    {"kind": "Service", "name": "a", "group": "v1"},
    {"kind": "Gateway", "name": "a", "group": "networking.istio.io"},
    {"kind": "Deployment", "name": "a", "group": "apps"},
    {"name": "a"},
]


def mutations(one: str, selector: str, target: str) -> list[tuple[str, dict[str, Any]]]:
    """Return what replaces the way in which a policy is attached, with the code it is told by."""
    return [
        *((one, way) for way in TWO_WAYS),
        *((selector, {"selector": {"matchLabels": labels}}) for labels in BAD_SELECTORS),
        *((target, {"targetRefs": [bad]}) for bad in BAD_TARGETS),
    ]


def reattached(spec: dict[str, Any], way: dict[str, Any]) -> dict[str, Any]:
    """Return *spec* attached in this *way* only."""
    ways = ("selector", "targetRef", "targetRefs")
    return {**{name: value for name, value in spec.items() if name not in ways}, **way}


def warnings(kind: str, spec: Any) -> set[str]:
    """Return the codes of warnings of a document of *kind*."""
    return {one.code for one in mesh.findings(kind, spec) if one.warning}
