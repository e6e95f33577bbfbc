"""
Whatever stands in a field, the outcome is findings or a resource.

The documents of the corpus are the seeds: some of their values are replaced by anything that YAML
can hold, dropped, or put elsewhere.
"""

import copy
import json
from pathlib import Path

import pytest
import ruamel.yaml
from google.protobuf.message_factory import GetMessageClass
from hypothesis import given, settings
from hypothesis import strategies as st

from gitsource._proto.istio.mcp.v1alpha1.resource_pb2 import Resource
from gitsource.build.judge import bounds, judge
from gitsource.catalog.kinds import body_descriptor
from gitsource.catalog.rows import BUILTIN
from gitsource.catalog.whole import Catalog
from gitsource.codes.table import CODES

CORPUS = Path(__file__).parents[1] / "corpus"
CATALOG = Catalog()
LOADER = ruamel.yaml.YAML(typ="safe")


def seeds(kind):
    """Return the documents of *kind* in the corpus that plain JSON can carry."""
    out = []
    for path in sorted(CORPUS.glob(f"{kind}/*/*.yaml")):
        try:
            document = json.loads(json.dumps(LOADER.load(path.read_text(encoding="utf-8"))))
        except (ruamel.yaml.YAMLError, TypeError):
            continue
        if isinstance(document, dict):
            out.append(document)
    return out


SEEDS = {kind.kind: found for kind in BUILTIN if (found := seeds(kind.kind))}
WORDS = st.sampled_from(
    [
        *("", "*", "~", ".", "/", "a/b", "*/*", "unix://", "unix:///a/", "@", "0", "-1", "1s"),
        *("0s", "1e9s", "(", "(a+)+$", "[", "%", "%REQ(a)%", "%%", "::1", "10.0.0.0/33", "a.b"),
        *("*.a", "a*", "http://", "http://[", "oci://a", "{*}", "{**}", "a" * 300, "\u202e", "é"),
        *("\ud800", "\0", "\t", "\n", "outbound_.80_._.a", "region1/*", "true", "null", "CONNECT"),
    ]
)
NUMBERS = st.one_of(
    st.sampled_from([0, -1, 1, 65536, 2**31, 2**32, 2**53 + 1, 2**63, -(2**63), 2**64, 1e300]),
    st.integers(-10, 1000),
    st.floats(allow_nan=False, allow_infinity=False),
)
LEAVES = st.one_of(st.none(), st.booleans(), NUMBERS, WORDS, st.text(max_size=20))
ANYTHING = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.one_of(WORDS, st.text()), inner, max_size=3)
    ),
    max_leaves=6,
)


def places(value, path=()):
    """Return the paths of everything inside *value*."""
    inside = ()
    if isinstance(value, dict):
        inside = value.items()
    elif isinstance(value, list):
        inside = enumerate(value)
    out = []
    for step, item in inside:
        out += [(*path, step), *places(item, (*path, step))]
    return out


@st.composite
def disturbed(draw, kind):
    """Return a document of *kind* in which up to four values are anything."""
    document = copy.deepcopy(draw(st.sampled_from(SEEDS[kind])))
    for _ in range(draw(st.integers(1, 4))):
        known = [path for path in places(document) if path not in (("apiVersion",), ("kind",))]
        if not known:
            break
        *above, last = draw(st.sampled_from(known))
        box = document
        for step in above:
            box = box[step]
        change = draw(st.sampled_from(["replace", "replace", "drop", "double", "move"]))
        if change == "replace":
            box[last] = draw(ANYTHING)
        elif change == "drop":
            del box[last]
        elif change == "double" and isinstance(box, list):
            box.append(copy.deepcopy(box[last]))
        else:
            box[last] = copy.deepcopy(draw(st.sampled_from([document.get("spec"), box, [box]])))
    return document


@pytest.mark.parametrize("kind", SEEDS)
@settings(max_examples=120, deadline=None)
@given(data=st.data())
def test_the_outcome_is_findings_or_a_resource(kind, data):
    document = data.draw(disturbed(kind))
    text = json.dumps(document).encode()

    result = judge(text, None, CATALOG, bounds(CATALOG), json=True)

    for judged in result.documents:
        wrong = [finding for finding in judged.findings if not finding.warning]
        assert bool(judged.version) != bool(wrong)
        if judged.version:
            body = Resource.FromString(judged.body).body
            assert body.Unpack(GetMessageClass(body_descriptor(body.TypeName()))())
    for finding in [*result.findings, *(f for one in result.documents for f in one.findings)]:
        assert finding.code in CODES
        assert finding.message
        assert finding.message.isprintable()
        assert 1 == finding.line
        assert 1 <= finding.column <= len(text) + 1
