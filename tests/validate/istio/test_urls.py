"""URLs are read as Go reads them, since Istio does."""

import pytest

from gitsource.validate.istio import urls

SCHEMES = {
    "http://shop.example.com": "http",
    "HTTPS://shop.example.com/keys": "https",
    "oci://registry.example.com:5000/shop/basket:1.2": "oci",
    "file:///opt/basket.wasm": "file",
    "http://[2001:db8::7]:8443/keys": "http",
    "http://[fe80::1%25eth0]/": "http",
    "http://shop:secret@example.com": "http",
    "http://example.com:": "http",
    "http://example.com:80:90/": "http",
    "http://例え.jp/": "http",
    "http://a%20b@example.com/%7Eshop": "http",
    "mailto:shop@example.com": "mailto",
    "registry:5000/shop": "registry",
    "a+b-c.d:x y": "a+b-c.d",
    "//example.com/keys": "",
    "/keys": "",
    "keys": "",
    "*": "",
    "": "",
}
NONE = {
    ":keys": "no scheme",
    "http://a b.example.com": "no host has",
    "http://shop.example.com:https/": "where a port belongs",
    "http://[::1": "no closing one",
    "http://[shop]:80/": "no IPv6 address",
    "http://[10.0.0.1]/": "no IPv6 address",
    "http://[::1]80/": "where a port belongs",
    "http://a%41.example.com/": "no host has",
    "http://sh<>p@{}/": "no user name has",
    "http://example.com/%zz": "incomplete escape",
    "http://example.com/%": "incomplete escape",
    "http://example.com/#%a": "incomplete escape",
    "1http://example.com": "colon in its first part",
    "5000:keys": "colon in its first part",
    "http://example.com/\n": "control character",
    "http://exa\x7fmple.com/": "control character",
}


@pytest.mark.parametrize("text", SCHEMES)
def test_what_go_reads_has_a_scheme_or_none(text):
    assert SCHEMES[text] == urls.scheme(text)


@pytest.mark.parametrize("text", NONE)
def test_what_go_does_not_read_is_refused_and_said_why(text):
    with pytest.raises(urls.NoUrl, match=NONE[text]):
        urls.scheme(text)


@pytest.mark.parametrize("text", ["", "keys", "#keys", "example.com/keys", "?keys"])
def test_a_request_names_something_absolute(text):
    with pytest.raises(urls.NoUrl, match=r"empty|neither absolute nor a path"):
        urls.scheme(text, request=True)


def test_a_request_has_no_fragment_so_a_hash_is_part_of_the_path():
    """What is no escape in a fragment is none in a path either, and the other way round."""
    text = "http://example.com/a#b:c"

    assert "http" == urls.scheme(text, request=True) == urls.scheme(text)


@pytest.mark.parametrize(
    ("text", "port"),
    [
        ("https://example.com/", ""),
        ("https://example.com:8443/", "8443"),
        ("https://shop:80@example.com/", ""),
        ("https://[2001:db8::7]/", ""),
        ("https://[2001:db8::7]:8443", "8443"),
        ("keys", ""),
    ],
)
def test_a_port_is_what_follows_the_host(text, port):
    assert port == urls.port(text)
