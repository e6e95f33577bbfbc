"""What a delta client says it has is compared in any order, and read where it differs."""

import pytest
from envoy.service.discovery.v3 import discovery_pb2

from gitsource.errors import ExchangeError
from gitsource.model import Collection, Origin, Resource
from gitsource.publish.xds.selection import Shelf
from gitsource.publish.xds.stated import NAME_CHARACTERS, Stated
from gitsource.publish.xds.wire import decode_delta

HELD = {f"cluster-{number}": f"v{number}" for number in range(50)}


def said(versions):
    """Return *versions* as Envoy's own message says them."""
    message = discovery_pb2.DeltaDiscoveryRequest(
        type_url="a/b", initial_resource_versions=versions
    )
    return decode_delta(message.SerializeToString()).initial_versions


def served(versions):
    resources = [Resource(name, told, b"x", Origin("a", 1)) for name, told in versions.items()]
    return Collection.of("c", resources)


def test_what_is_said_in_another_order_is_the_same():
    whole = served(HELD)
    backwards = dict(reversed(HELD.items()))

    assert whole is Shelf().stated(whole, said(backwards))


def test_only_what_differs_is_not_taken_from_what_is_served():
    whole = served(HELD)
    told = {**HELD, "cluster-1": "old", "never": "v1"}
    del told["cluster-2"]
    found = Shelf().stated(whole, said(told))

    assert told == {one.name: one.version for one in found.resources}
    assert whole.get("cluster-3") is found.get("cluster-3")
    assert found.version == Shelf().stated(whole, told).version


def test_an_entry_with_its_fields_the_other_way_round_is_the_same():
    whole = served({"a": "1"})

    assert whole is Shelf().stated(whole, Stated([b"\x12\x011\x0a\x01a"]))


def test_it_reads_like_any_mapping():
    assert HELD == said(HELD)
    assert (50, "v7") == (len(said(HELD)), said(HELD)["cluster-7"])


@pytest.mark.parametrize(
    "entry",
    [b"\xff", b"\x0a\x02\xff\xff", b"\x0a\x05a", b"\x0a\xd1\x0f" + b"x" * (NAME_CHARACTERS + 1)],
    ids=["no field", "no text", "cut off", "too long"],
)
def test_what_is_no_name_and_version_is_refused(entry):
    whole = served(HELD)

    with pytest.raises(ExchangeError):
        Shelf().stated(whole, Stated([entry]))
