"""Whether a text is CEL is told by its syntax, at a bounded cost."""

import pytest

from gitsource.validate.istio import cel_text


@pytest.mark.parametrize(
    "text",
    [
        "response.code >= 400",
        "!has(response.code) || response.code >= 400",
        "'shop' in xds.cluster_metadata.filter_metadata",
        "request.headers.exists(name, name.startsWith('x-shop'))",
        "no.such() + 1 == 'name'",
        "(" * 30 + "true" + ")" * 30,
        " || ".join(["connection.mtls"] * 2000),
    ],
    ids=lambda text: text[:30],
)
def test_expressions_are_taken(text):
    assert "" == cel_text.flaw(text)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "it is empty"),
        ("  \n", "it is empty"),
        ("response.code >=", "mismatched input"),
        ("response code", "extraneous input 'code'"),
        ("has(request)", "has() argument must be a field selection"),
        ("'shop", "token recognition error"),
        ("a\0b", "token recognition error"),
        ("\ud800", "not Unicode"),
        ("a" * 100_001, "100001 characters"),
    ],
    ids=lambda text: ascii(text[:30]),
)
def test_what_is_no_expression_is_told_why_on_one_line(text, why):
    flaw = cel_text.flaw(text)

    assert why in flaw
    assert flaw.isprintable()


@pytest.mark.parametrize("text", ["(" * 200 + "1" + ")" * 200, " + ".join(["1"] * 100)])
def test_what_is_too_deep_to_be_read_is_taken_unread(text):
    """Istio's reader goes deeper than ours, so it is not for us to refuse it."""
    assert "" == cel_text.flaw(text)
