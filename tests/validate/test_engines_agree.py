"""The gate and the reference engine accept the same documents; whatever is refused is told."""

import json
from pathlib import Path

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from generated import damaged, documents
from gitsource.catalog.kinds import body_descriptor
from gitsource.catalog.rows import BUILTIN
from gitsource.catalog.whole import Catalog
from gitsource.encode.resource import EncodeProblem, encode
from gitsource.parse import parse
from gitsource.validate.metadata import identify
from gitsource.validate.normal import normal
from gitsource.validate.schema import _declared, _gate, problems

FILES = sorted((Path(__file__).parent / "documents").rglob("*.yaml"))
CORPUS = [document.value for file in FILES for document in parse(file.read_bytes()).documents]
CATALOG = Catalog()
GATES = {kind.kind: _gate(kind.schema_text()) for kind in BUILTIN}
REFERENCES = {
    kind.kind: jsonschema.Draft202012Validator(json.loads(kind.schema_text())) for kind in BUILTIN
}
SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]


def kind_of(value):
    """Return the kind of a document, damaged as it may be."""
    told = (value.get("apiVersion"), value.get("kind"))
    texts = all(isinstance(each, str) for each in told)
    return (CATALOG.by_document.get(told) if texts else None) or BUILTIN[-1]


@pytest.mark.parametrize("value", CORPUS, ids=lambda value: value["kind"])
def test_the_engines_agree_on_every_document_of_the_corpus(value):
    name = value["kind"]

    assert GATES[name].is_valid(value) == REFERENCES[name].is_valid(value)


@settings(max_examples=500, deadline=None, suppress_health_check=SLOW)
@given(damaged(CORPUS))
def test_the_engines_agree_on_damaged_documents(value):
    name = kind_of(value).kind

    assert GATES[name].is_valid(value) == REFERENCES[name].is_valid(value)


def clustered(value, kind):
    """Return the document *value* as a cluster would spell it."""
    return normal(value, kind, _declared(kind.schema_text()))[0]


@settings(max_examples=500, deadline=None, suppress_health_check=SLOW)
@given(damaged(CORPUS))
def test_what_the_gate_refuses_has_a_problem_and_what_has_none_encodes(value):
    """Encoding may still refuse: nothing else asks how large a number in quotes is, for one."""
    kind = kind_of(value)
    identity, unnamed = identify(value, kind, "default")
    found = [p for p in (*unnamed, *problems(value, kind)) if p.severity == "error"]
    made = None
    if not found:
        try:
            made = encode(value, identity, kind).version
        except EncodeProblem as refused:
            made = refused.problem.message

    assert found or GATES[kind.kind].is_valid(clustered(value, kind))
    assert found or made


@pytest.mark.parametrize("kind", BUILTIN, ids=lambda kind: kind.kind)
@settings(max_examples=100, deadline=None, suppress_health_check=SLOW)
@given(st.data())
def test_a_document_that_the_schema_takes_encodes(kind, data):
    """Documents made from the messages break constraints now and then, but never a type."""
    spec = data.draw(documents(body_descriptor(kind.body)))[0]
    value = {"apiVersion": kind.api_versions[0], "kind": kind.kind, "metadata": {"name": "a"}}
    value["spec"] = spec
    refused = [p.code for p in problems(value, kind) if p.severity == "error"]
    made = encode(value, identify(value, kind, "default")[0], kind)

    assert made.version
    assert "GS310" not in refused
    assert REFERENCES[kind.kind].is_valid(clustered(value, kind)) == ("GS301" not in refused)
