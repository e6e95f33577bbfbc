"""What the corpus cannot say of extensions: sizes in bytes, and what a registry looks like."""

import pytest

from gitsource.validate.istio import wasm

CODES = ("MISSING", "UNREADABLE", "UNUSABLE")


def told(text):
    return [problem.code for problem in wasm.url(CODES, ("url",), text)]


@pytest.mark.parametrize(
    "text",
    [
        "oci://registry.example.com/shop/basket:1.2",
        "OCI://registry.example.com/shop/basket",
        "oci://registry.example.com:5000/shop/basket@sha256:00",
        "https://example.com/a.wasm?version=1#top",
        "file:///opt/a b.wasm",
        "file:a.wasm",
        "/opt/a.wasm",
        "basket",
        "registry.example.com/shop/basket:1.2",
        "10.0.0.1:5000/basket",
        "[::1]:5000/basket",
        "*",
    ],
)
def test_where_a_module_can_be(text):
    assert [] == told(text)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "MISSING"),
        (" ", "UNREADABLE"),
        ("#a", "UNREADABLE"),
        ("a b/c", "UNREADABLE"),
        ("http://example.com/%zz", "UNREADABLE"),
        ("http://example.com/a#%zz", "UNREADABLE"),
        ("example.com/a\n", "UNREADABLE"),
        ("s3://modules/a.wasm", "UNUSABLE"),
        ("registry:5000/basket", "UNUSABLE"),
        ("docker.io:443/basket", "UNUSABLE"),
    ],
)
def test_where_none_can_be(text, code):
    assert [code] == told(text)


@pytest.mark.parametrize(("text", "size"), [("a" * 10, 10), ("é" * 5, 10), ("\U0001f6d2" * 3, 12)])
def test_sizes_are_in_bytes(text, size):
    assert [] == list(wasm.longest("SIZE", ("name",), text, size))
    assert ["SIZE"] == [p.code for p in wasm.longest("SIZE", ("name",), text, size - 1)]
