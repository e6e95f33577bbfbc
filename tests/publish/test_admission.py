"""What each peer may have: by identity, or by address as long as nobody knows who it is."""

from dataclasses import replace

import pytest

from gitsource.publish.entry.admission import (
    REMEMBERED,
    Admission,
    Bucket,
    host_of,
    is_local,
    key_of,
)
from gitsource.security.peer import Peer
from gitsource.settings.serving import Limits

LIMITS = replace(Limits(), streams=10, streams_each=2, new_streams=1, connections=5)
A, B = Peer(address="ipv4:10.0.0.1:5"), Peer(address="ipv4:10.0.0.2:5")
KNOWN = Peer(address="ipv4:10.0.0.1:6", identity="spiffe://prod/a")


@pytest.fixture
def admission():
    return Admission(replace(LIMITS, connections_each=2))


def test_a_peer_is_its_identity_or_else_its_host():
    assert "spiffe://prod/a" == key_of(KNOWN)
    assert "ipv4:10.0.0.1" == key_of(A)


@pytest.mark.parametrize(
    ("address", "host"),
    [
        ("ipv4:10.0.0.1:5000", "ipv4:10.0.0.1"),
        ("ipv6:[2001:db8:1:2:3:4:5:6]:5000", "ipv6:2001:db8:1:2::/64"),
        ("ipv6:[fe80::1%25eth0]:5000", "ipv6:fe80::/64"),
        ("ipv6:[::1]:5000", "ipv6:[::1]"),
        ("ipv6:[::ffff:10.0.0.1]:5000", "ipv4:10.0.0.1"),
        ("unix:", "unix:"),
    ],
)
def test_a_host_is_an_address_and_of_ipv6_a_network(address, host):
    assert host == host_of(address)


def test_who_has_a_whole_network_of_addresses_has_one_share(admission):
    told = [admission.connection(host_of(f"ipv6:[2001:db8::{at:x}]:5")) for at in range(1, 5)]
    other = admission.connection(host_of("ipv6:[2001:db8:0:1::1]:5"))

    assert ["", "", "over", "over"] == ["over" if one else "" for one in told]
    assert "" == other


def test_each_address_and_each_identity_has_its_own_share(admission):
    told = [admission.stream(peer, 0.0) for peer in (A, A, A, B, KNOWN, KNOWN, KNOWN)]

    assert ["", "", "over", "", "", "", "over"] == ["over" if one else "" for one in told]
    assert "more than 1 new streams a second of one peer (limits.new_streams)" == told[2]


def test_after_a_quiet_time_there_is_room_for_as_many_as_are_over(admission):
    for _ in range(2):
        admission.stream(A, 0.0)
    full = admission.stream(A, 100.0)
    admission.stream_over(A)

    assert "2 streams of one peer are open (limits.streams_each)" == full
    assert "" == admission.stream(A, 100.0)


def test_a_share_that_is_not_used_is_nobody_elses(admission):
    for _ in range(5):
        admission.stream_over(A)

    assert ["", "", "over"] == ["over" if admission.stream(A, 0.0) else "" for _ in range(3)]


def test_this_machines_addresses_have_no_share(admission):
    """All sinks may be here, and as many calls besides as anybody may have."""
    here = Peer(address="ipv4:127.0.0.1:9")
    told = [admission.stream(here, 0.0) for _ in range(12)]
    full = admission.stream(here, 100.0)

    assert [""] * 12 == told
    assert "12 streams of one peer are open (limits.streams_each)" == full


@pytest.mark.parametrize(
    ("key", "local"),
    [
        ("ipv4:127.0.0.1", True),
        ("ipv6:[::1]", True),
        ("unix:", True),
        ("ipv4:10.0.0.1", False),
        ("ipv4:12.7.0.1", False),
        ("ipv6:[::12]", False),
        ("dns:127.0.0.1", False),
        ("spiffe://prod/unix:", False),
    ],
)
def test_which_addresses_are_this_machines(key, local):
    assert local == is_local(key)


def test_a_connection_moves_to_who_it_turns_out_to_be(admission):
    first = [admission.connection("ipv4:10.0.0.1") for _ in range(2)]
    full = admission.connection("ipv4:10.0.0.1")
    moved = admission.connection_known("ipv4:10.0.0.1", "spiffe://prod/a")

    assert (["", ""], "") == (first, moved)
    assert "2 connections of one peer are open (limits.connections_each)" == full
    assert "" == admission.connection("ipv4:10.0.0.1")
    assert 3 == admission.connections


def test_all_together_have_a_bound_as_well(admission):
    told = [admission.connection(f"ipv4:10.0.0.{at}") for at in range(6)]

    assert ([""] * 5, "5 connections are open (limits.connections)") == (told[:5], told[5])


def test_what_is_remembered_of_peers_is_bounded(admission):
    for at in range(REMEMBERED * 2):
        admission.stream(Peer(address=f"ipv4:10.{at >> 8}.{at & 255}.1:5"), 0.0)
        admission.stream_over(Peer(address=f"ipv4:10.{at >> 8}.{at & 255}.1:5"))

    assert REMEMBERED == len(admission._new)
    assert 0 == len(admission._streams)


def test_a_bucket_gives_so_many_a_second_and_never_more_than_a_burst():
    bucket = Bucket(2.0, 3.0)
    told = [sum(bucket.take(now) for _ in range(10)) for now in (0.0, 1.0, 100.0)]

    assert [3, 2, 3] == told
