"""Whether a text is CEL is told by its syntax, at a bounded cost."""

import pytest

from gitsource._proto.istio.telemetry.v1alpha1.telemetry_pb2 import Telemetry
from gitsource.validate.istio import cel_text, telemetry
from gitsource.validate.istio.subject import Subject


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


def test_of_a_huge_document_only_so_much_is_read():
    """Each expression is short enough by itself; together they would take their time."""
    filters = [{"filter": {"expression": "a " * 25_000}} for _ in range(5)]
    spec = Telemetry(access_logging=filters)

    found = list(telemetry.check(Subject(spec, {}, "logs", "shop", {}, {})))

    assert [0, 1, 2, 3] == [problem.path[2] for problem in found]
