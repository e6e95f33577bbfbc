"""
The rows: Istio's kinds, Envoy's types, and how a collection of the user's becomes one.

Rule: no other module names a kind. A new built-in kind is one row, its `.proto` and its schema. A
row says which apiVersions are served, under which names sinks may subscribe, which message is the
body, and its rank in a push: what is referred to has a lower rank than what refers to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gitsource.catalog.kinds import STRUCT, Kind, Use
from gitsource.envoy_types import XDS


def _istio(
    group: str,
    kind: str,
    plural: str,
    *,
    versions: str = "v1 v1beta1 v1alpha3",
    rank: int,
    legacy: str = "",
    xds: str,
    also: tuple[Use, ...] = (),
    rules: str = "",
) -> Kind:
    """
    Return the row of a kind of Istio's.

    *versions* are the served ones, newest first: the oldest names collection and body. *legacy* is
    the first release that knows the collection, *xds* the first that asks for the kind over xDS.
    """
    served = versions.split()
    oldest, full = served[-1], f"{group}.istio.io"
    urls = tuple(f"{full}/{version}/{kind}" for version in served)
    collection = f"istio/{group}/{oldest}/{plural}"
    asked: tuple[Use, ...] = (Use(urls[-1], xds),)
    if len(urls) > 1:
        asked = (Use(urls[-1], xds, "1.23"), Use(urls[0], "1.24"))
    return Kind(
        collection=collection,
        body=f"istio.{group}.{oldest}.{kind}",
        kind=kind,
        api_versions=tuple(f"{full}/{version}" for version in served),
        aliases=(*urls, *(use.name for use in also)),
        rank=rank,
        uses=(*((Use(collection, legacy, "1.17"),) if legacy else ()), *also, *asked),
        rules=rules,
    )


_BETA = "v1 v1beta1"

_SYNTHETIC = Use("istio/networking/v1alpha3/synthetic/serviceentries", "1.3", "1.5")

_K8S_WASM = Use("k8s/extensions.istio.io/v1alpha1/wasmplugins", "1.12", "1.12")

BUILTIN: tuple[Kind, ...] = (
    _istio(
        "networking",
        "WorkloadEntry",
        "workloadentries",
        rank=6,
        legacy="1.6",
        xds="1.6",
        rules="workload_entry",
    ),
    _istio(
        "networking",
        "WorkloadGroup",
        "workloadgroups",
        rank=8,
        legacy="1.8",
        xds="1.8",
        rules="workload_group",
    ),
    _istio(
        "networking",
        "ServiceEntry",
        "serviceentries",
        rank=10,
        legacy="1.3",
        xds="1.6",
        also=(_SYNTHETIC,),
        rules="service_entry",
    ),
    _istio(
        "networking",
        "DestinationRule",
        "destinationrules",
        rank=20,
        legacy="1.3",
        xds="1.6",
        rules="destination_rule",
    ),
    _istio(
        "networking",
        "Gateway",
        "gateways",
        rank=30,
        legacy="1.3",
        xds="1.6",
        rules="gateway",
    ),
    _istio(
        "networking",
        "VirtualService",
        "virtualservices",
        rank=40,
        legacy="1.3",
        xds="1.6",
        rules="virtual_service",
    ),
    _istio(
        "security",
        "RequestAuthentication",
        "requestauthentications",
        versions=_BETA,
        rank=50,
        legacy="1.5",
        xds="1.6",
        rules="request_authentication",
    ),
    _istio(
        "security",
        "PeerAuthentication",
        "peerauthentications",
        versions=_BETA,
        rank=52,
        legacy="1.5",
        xds="1.6",
        rules="peer_authentication",
    ),
    _istio(
        "security",
        "AuthorizationPolicy",
        "authorizationpolicies",
        versions=_BETA,
        rank=54,
        legacy="1.4",
        xds="1.6",
        rules="authorization_policy",
    ),
    _istio(
        "networking",
        "Sidecar",
        "sidecars",
        rank=60,
        legacy="1.3",
        xds="1.6",
        rules="sidecar",
    ),
    _istio(
        "networking",
        "ProxyConfig",
        "proxyconfigs",
        versions="v1beta1",
        rank=62,
        legacy="1.13",
        xds="1.13",
        rules="proxy_config",
    ),
    _istio(
        "telemetry",
        "Telemetry",
        "telemetries",
        versions="v1 v1alpha1",
        rank=64,
        legacy="1.10",
        xds="1.10",
        rules="telemetry",
    ),
    _istio(
        "networking",
        "EnvoyFilter",
        "envoyfilters",
        versions="v1alpha3",
        rank=70,
        legacy="1.3",
        xds="1.6",
        rules="envoy_filter",
    ),
    _istio(
        "extensions",
        "WasmPlugin",
        "wasmplugins",
        versions="v1alpha1",
        rank=72,
        legacy="1.12",
        xds="1.12",
        also=(_K8S_WASM,),
        rules="wasm_plugin",
    ),
    _istio(
        "extensions",
        "TrafficExtension",
        "trafficextensions",
        versions="v1alpha1",
        rank=74,
        xds="1.30",
        rules="traffic_extension",
    ),
)
"""
The built-in kinds, in the order of a push. Istio's v1 documents carry v1alpha3 messages: that is no
mistake.
"""

ENVOY: tuple[Kind, ...] = tuple(
    Kind(
        collection=row.collection,
        body=row.body,
        aliases=(f"type.googleapis.com/{row.body}",),
        namespaced=False,
        rank=row.rank,
        builtin=False,
        typed=True,
    )
    for row in XDS.values()
)
"""The collections of Envoy's types, whose documents say by ``@type`` what they are."""


def own_kind(row: Mapping[str, Any], schema: str = "", descriptors: bytes = b"") -> Kind:
    """
    Return the catalog row of a user-defined collection.

    *row* has ``name`` and what chooses its documents: ``api_version`` and ``kind``, or ``path``, or
    ``message`` alone. The body is the ``message`` (of the set *descriptors*, or one that is known),
    a Struct without one.
    """
    api_version = row.get("api_version") or ""
    body = row.get("message") or STRUCT
    url = f"type.googleapis.com/{body}"
    return Kind(
        collection=row["name"],
        body=body,
        kind=row.get("kind") or "",
        api_versions=(api_version,) if api_version else (),
        path=row.get("path") or "",
        aliases=() if body == STRUCT or url == row["name"] else (url,),
        namespaced=not body.startswith("envoy."),
        rank=XDS[body].rank if body in XDS else 100,
        builtin=False,
        own=True,
        schema=schema,
        descriptors=descriptors,
    )
