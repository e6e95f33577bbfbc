"""An address has so many failures a minute; then nothing of it is looked at for a while."""

import pytest

from gitsource.security.failures import REMEMBERED, Failures

A, B = "ipv4:10.0.0.1:5", "10.0.0.2:77"


@pytest.fixture
def failures():
    return Failures(lambda: 3)


def failed(failures, peer, times, now=0.0):
    for _ in range(times):
        failures.failed(peer, now)


def test_so_many_failures_block_their_address_and_no_other(failures):
    failed(failures, A, 2)
    before = failures.blocked(A, 0.0)
    failed(failures, "ipv4:10.0.0.1:6", 1)

    assert (False, True, False) == (before, failures.blocked(A, 0.0), failures.blocked(B, 0.0))


def test_with_time_an_address_may_try_again(failures):
    failed(failures, A, 3)

    assert [True, True, False] == [failures.blocked(A, now) for now in (0.0, 19.0, 20.5)]

    failures.failed(A, 20.5)

    assert [True, False] == [failures.blocked(A, now) for now in (21.0, 45.0)]


def test_a_network_of_ipv6_is_one_address(failures):
    for at in range(3):
        failures.failed(f"ipv6:[2001:db8::{at}]:5", 0.0)

    assert failures.blocked("[2001:db8::ffff]:9", 0.0)


def test_0_is_no_bound():
    endless = Failures(lambda: 0)
    failed(endless, A, 1000)

    assert not endless.blocked(A, 0.0)
    assert "<Failures of 0 addresses, 0 a minute each>" == repr(endless)


def test_what_is_remembered_is_bounded(failures):
    for at in range(REMEMBERED * 2):
        failures.failed(f"10.{at >> 16}.{at >> 8 & 255}.{at & 255}", 0.0)

    assert REMEMBERED == len(failures._used)


def test_a_clock_that_stands_still_forgives_nothing(failures):
    failed(failures, A, 3, now=100.0)

    assert failures.blocked(A, 50.0)
