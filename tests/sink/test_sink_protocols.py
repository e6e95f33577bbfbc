"""What people may write for a protocol and for what they want of it."""

from __future__ import annotations

import pytest

from gitsource.catalog.rows import BUILTIN, ENVOY
from gitsource.cli.sink import PROTOCOLS
from gitsource.sink.protocols import MESH_CONFIG, asked, wire
from gitsource.sink.wire import Node

PREFIX = "type.googleapis.com/envoy.config."
CDS = f"{PREFIX}cluster.v3.Cluster"


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_each_protocol_has_a_wire_that_goes_by_its_name(protocol):
    found = wire(protocol, Node("me"), (), incremental=False)

    assert (protocol, "delta" in protocol) == (found.protocol, found.incremental)


@pytest.mark.parametrize("protocol", ["mcp", "mcp-legacy"])
def test_classic_sinks_may_ask_for_changes_and_follow_all_built_in_collections(protocol):
    assert wire(protocol, Node(), (), incremental=True).incremental
    assert [kind.collection for kind in BUILTIN] == asked(protocol, ())
    assert ["x"] == asked(protocol, ["x"])


@pytest.mark.parametrize(
    ("protocol", "names", "incremental", "told"),
    [
        ("mcp", ("a",), False, "--name is for xDS"),
        ("xds", (), True, "use xds-delta"),
        ("mcp-xds-delta", (), True, "use mcp-xds-delta"),
    ],
)
def test_what_a_protocol_does_not_have_is_refused(protocol, names, incremental, told):
    with pytest.raises(ValueError, match=told):
        wire(protocol, Node(), names, incremental=incremental)


@pytest.mark.parametrize(
    "word", ["clusters", "Cluster", "CDS", "envoy/clusters", "envoy.config.cluster.v3.Cluster", CDS]
)
def test_a_type_of_envoys_goes_by_many_names(word):
    assert [CDS] == asked("xds", [word])


@pytest.mark.parametrize("kind", ENVOY, ids=lambda kind: kind.label)
def test_every_type_of_envoys_is_known(kind):
    (url,) = {*asked("xds", [kind.collection]), *asked("xds-delta", [kind.label])}

    assert kind.type_url == url


@pytest.mark.parametrize(
    "word", ["VirtualService", "virtualservices", "istio/networking/v1alpha3/virtualservices"]
)
def test_a_kind_of_istios_is_asked_for_as_istiod_does_today(word):
    assert ["networking.istio.io/v1/VirtualService"] == asked("mcp-xds", [word])


def test_without_a_word_a_sink_asks_as_istiod_does_meshconfig_first():
    """Section 4.5 of the protocol facts: sixteen requests, in the order of their kinds."""
    everything = asked("mcp-xds", ())
    kinds = [name.rpartition("/")[2] for name in everything]

    assert MESH_CONFIG == everything[0]
    assert 16 == len(everything)
    assert sorted(kinds[1:]) == kinds[1:]
    assert {"extensions.istio.io/v1alpha1/TrafficExtension", "telemetry.istio.io/v1/Telemetry"} <= {
        *everything
    }


def test_without_a_word_a_client_of_xds_asks_for_what_every_envoy_does():
    kinds = ["Cluster", "ClusterLoadAssignment", "Listener", "RouteConfiguration"]

    assert kinds == [url.rpartition(".")[2] for url in asked("xds", ())]


@pytest.mark.parametrize("protocol", ["mcp-xds", "xds"])
def test_an_unknown_name_with_a_slash_is_passed_on_and_a_bare_word_is_not(protocol):
    assert ["acme/v1/flags"] == asked(protocol, ["acme/v1/flags"])
    with pytest.raises(ValueError, match=r"expected a type such as .*, found 'clutsers'"):
        asked(protocol, ["clutsers"])
