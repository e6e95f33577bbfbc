"""What Istio takes for a name, edge by edge."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitsource.validate.istio.names import (
    Hosts,
    covers,
    is_cidr,
    is_dns_label,
    is_fqdn,
    is_gateway_domain,
    is_ip,
    is_partial_wildcard,
    is_subnet,
    is_unix_path,
    is_wildcard_domain,
    label_key_flaw,
    label_value_flaw,
    overlap,
    overlaps,
)

LABEL = "x" * 63
LONGEST = ".".join(["x" * 50] * 5)
FQDNS = ["a", "a.b", "shop.io.", "10.0.0.1.", "a-b.c-d", "A.B", "1.b", f"{LABEL}.io", LONGEST]
NOT_FQDNS = [
    *("", ".", "a..b", ".a", "-a", "a-", "a_b", "a/b", "*.a", "é.io", "a\n", "a b"),
    *("123", "a.123", "10.0.0.1", f"x{LABEL}", f"{LONGEST}.xx"),
]


@pytest.mark.parametrize("text", ["a", "7", "Z", "a-b", "a--b", LABEL])
def test_a_label_is_letters_digits_and_inner_hyphens(text):
    assert is_dns_label(text)


@pytest.mark.parametrize("text", ["", "-", "a-", "-a", "a.b", "a_b", f"x{LABEL}", "ä", "a\n"])
def test_anything_else_is_no_label(text):
    assert not is_dns_label(text)


@pytest.mark.parametrize("text", FQDNS)
def test_a_domain_name_may_end_in_a_dot(text):
    assert is_fqdn(text)


@pytest.mark.parametrize("text", NOT_FQDNS)
def test_a_domain_name_has_no_wildcards_and_does_not_end_in_a_number(text):
    assert not is_fqdn(text)


def test_a_last_label_of_more_than_64_bits_is_no_number_to_istio():
    """Its reader of numbers gives up, and the label passes for a name."""
    assert not is_fqdn(f"a.{2**63 - 1}")
    assert is_fqdn(f"a.{2**63}")


@pytest.mark.parametrize("text", ["*", "*.a", "*a", "*-a", "*a.b", "123", "*.a.", "*7.io", *FQDNS])
def test_the_first_label_may_be_or_begin_with_a_star(text):
    assert is_wildcard_domain(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "**",
        "*.*",
        "a.*",
        "a*.b",
        "*-",
        "*--a",
        "*.123",
        "1.2.3.4",
        f"*{LABEL}",
        f"{LONGEST}.xx",
    ],
)
def test_a_star_stands_nowhere_else(text):
    assert not is_wildcard_domain(text)


@pytest.mark.parametrize(
    "text",
    [
        "outbound_.80_._.cart.shop.io",
        "outbound_.80_.v1_.cart.shop.io",
        "outbound_x8_ _cart",
        "outbound.shop.io",
        "*.shop.io",
    ],
)
def test_a_gateway_takes_the_names_that_istio_makes_up(text):
    assert is_gateway_domain(text, sni=True)


@pytest.mark.parametrize(
    "text",
    [
        "outbound_.port_._.cart.shop.io",
        "outbound_.80_._.",
        "outbound_.80_.cart",
        "outbound_",
        "inbound_.80_._.cart.shop.io",
        f"outbound_.80_._.{LONGEST}",
    ],
)
def test_a_made_up_name_has_a_port_and_a_host(text):
    assert not is_gateway_domain(text, sni=True)


def test_without_sni_a_gateway_takes_no_made_up_names():
    assert not is_gateway_domain("outbound_.80_._.cart.shop.io", sni=False)


@pytest.mark.parametrize(
    ("text", "partial"), [("*", False), ("*.a", False), ("*a", True), ("a", 0)]
)
def test_a_partial_wildcard_stands_for_part_of_a_label(text, partial):
    assert is_partial_wildcard(text) == partial


ADDRESSES = [
    *("1.2.3.4", "0.0.0.1", "255.255.255.255", "::", "::1", "2001:DB8::7", "1:2:3:4:5:6:7::"),
    *("::ffff:1.2.3.4", "fe80::1%eth0", "fe80::1%a%b", "1:2:3:4:5:6:7:8"),
]
NOT_ADDRESSES = [
    *(
        "",
        "1.2.3",
        "1.2.3.4.5",
        "1.2.3.04",
        "1.2.3.256",
        " 1.2.3.4",
        "1.2.3.4\n",
        "1.2.3.4/8",
        "12345",
    ),
    *(
        ":",
        "1::2::3",
        "::12345",
        "1:2:3:4::5:6:7:8",
        "1:2:3:4:5:6:7",
        "[::1]",
        "::1.2.3",
        "::01.2.3.4",
    ),
    *("fe80::1%", "1.2.3.4%eth0", "%::1", "eth0%::1", "\u0661.2.3.4"),
]


@pytest.mark.parametrize("text", ADDRESSES)
def test_an_address_is_what_go_reads_as_one(text):
    assert is_ip(text)
    assert is_subnet(text)


@pytest.mark.parametrize("text", NOT_ADDRESSES)
def test_zeros_in_front_and_zones_without_a_name_are_refused(text):
    assert not is_ip(text)


@pytest.mark.parametrize("text", ["10.0.0.0/8", "10.1.2.3/0", "1.2.3.4/32", "::/0", "::1/128"])
def test_a_prefix_is_an_address_and_a_length(text):
    assert is_cidr(text)
    assert is_subnet(text)


@pytest.mark.parametrize(
    "text",
    [
        "10.0.0.0/",
        "10.0.0.0/33",
        "::/129",
        "10.0.0.0/08",
        "10.0.0.0/+8",
        "10.0.0.0/-1",
        "10.0.0.0/8/8",
        *("fe80::1%eth0/64", "/8", "a/8", "10.0.0.0/\u0668", "10.0.0.0/ 8"),
    ],
)
def test_a_prefix_has_no_zone_and_no_zeros_in_front(text):
    assert not is_cidr(text)
    assert not is_subnet(text)


@pytest.mark.parametrize(
    ("text", "fits"), [("/run/a", 1), ("@a", 1), ("@", 1), ("", 0), ("/run/", 0)]
)
def test_a_socket_has_an_absolute_path_or_an_abstract_name(text, fits):
    assert is_unix_path(text) == bool(fits)


@pytest.mark.parametrize(
    "key",
    ["app", "a.b_c-d", "7", "app.kubernetes.io/name", f"{'x' * 100}.io/a", LABEL, f"{'x' * 253}/a"],
)
def test_the_key_of_a_label_may_have_a_domain_in_front(key):
    """The labels of that domain may be of any length."""
    assert label_key_flaw(key) == ""


@pytest.mark.parametrize(
    "key",
    [
        "",
        "-a",
        "a-",
        "a b",
        "a/b/c",
        "/a",
        "a/",
        "a_b/c",
        "a../b",
        f"x{LABEL}",
        f"{'x' * 254}/a",
        "é",
    ],
)
def test_the_key_of_a_label_has_a_letter_or_digit_first_and_last(key):
    assert label_key_flaw(key)


def test_the_value_of_a_label_may_be_empty_or_long():
    assert label_value_flaw("") == ""
    assert label_value_flaw("x" * 1000) == ""


@pytest.mark.parametrize("value", ["-", "a-", "_a", "a b", "a/b", "é", "a\n"])
def test_the_value_of_a_label_has_a_letter_or_digit_first_and_last(value):
    assert label_value_flaw(value)


@pytest.mark.parametrize(
    ("wide", "narrow"),
    [
        ("a.io", "a.io"),
        ("*", "a.io"),
        ("*", "*"),
        ("*.io", "a.io"),
        ("*.io", "*.a.io"),
        ("*.io", "*.io"),
        ("*a.io", "a.io"),
    ],
)
def test_a_host_covers_itself_and_what_ends_like_its_wildcard(wide, narrow):
    assert covers(wide, narrow)
    assert overlap(narrow, wide)


@pytest.mark.parametrize(
    ("wide", "narrow"), [("a.io", "b.io"), ("*.a.io", "a.io"), ("a.io", "*.io")]
)
def test_a_wildcard_does_not_cover_the_domain_itself(wide, narrow):
    assert not covers(wide, narrow)


HOSTS = st.lists(
    st.sampled_from(
        [
            "a",
            "a.io",
            "b.a.io",
            "*.a.io",
            "*.io",
            "*a.io",
            "*",
            "c.b.a.io",
            "*.b.a.io",
            "io",
            "1.2.3.4",
        ]
    ),
    max_size=6,
)


@settings(max_examples=300, deadline=None)
@given(HOSTS, HOSTS)
def test_many_hosts_asked_at_once_say_what_each_would(hosts, names):
    """`Hosts` and `overlaps` are fast ways to ask `covers` of every pair."""
    known = Hosts(hosts)

    for name in names:
        assert {hosts[place] for place in known.covering(name)} == {
            host for host in hosts if covers(host, name)
        }
    assert set(overlaps(hosts)) == {
        later
        for later, host in enumerate(hosts)
        if any(overlap(host, earlier) for earlier in hosts[:later])
    }
    assert all(first < later for later, first in overlaps(hosts).items())
