"""
Values that Istio takes, drawn by hypothesis, and what gitsource finds in documents made of them.

Rule: `message` takes a strategy for every field of a message, so that no field is forgotten.
"""

from __future__ import annotations

import json
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from gitsource.build.judge import bounds, judge
from gitsource.catalog.kinds import body_descriptor
from gitsource.catalog.rows import BUILTIN
from gitsource.catalog.whole import Catalog

CATALOG = Catalog()
BODIES = {kind.kind: kind.body for kind in BUILTIN}
FEW = settings(
    max_examples=80,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
"""So many documents take a second or two, on a busy machine ten."""

_INNER = "abcxyzABZ0189-"
_ENDS = "abzAZ09"
NAMES = st.one_of(
    st.sampled_from(["http", "grpc-web", "a", "9", "x" * 62]),
    st.builds("{}{}{}".format, st.sampled_from(_ENDS), st.text(_INNER), st.sampled_from(_ENDS)),
).filter(lambda name: len(name) < 63)
"""DNS labels."""
_TOP = st.sampled_from(["com", "internal", "x-y", "a1", "svc.cluster.local"])
HOSTS = st.builds("{}.{}".format, NAMES, _TOP) | st.sampled_from(["db", "a.b.c.d.example."])
"""Domain names without wildcards."""
WILDCARDS = st.builds("*.{}".format, HOSTS)
ADDRESSES = st.ip_addresses().map(str)
RANGES = st.builds("{}/{}".format, st.ip_addresses(v=4), st.integers(0, 32)) | st.builds(
    "{}/{}".format, st.ip_addresses(v=6), st.integers(0, 128)
)
SOCKETS = st.sampled_from(["unix:///run/a.sock", "unix://@a", "unix:///@a/b", "unix://@"])
PORTS = st.integers(1, 65535)
_QUALIFIED = st.sampled_from(["app", "v1", "a.b_c-d", "9", "x" * 63])
LABELS = st.dictionaries(
    _QUALIFIED | st.builds("{}/{}".format, st.sampled_from(["x.io", "a", "a.b.c"]), _QUALIFIED),
    _QUALIFIED | st.just(""),
    max_size=3,
)
SELECTED = st.dictionaries(_QUALIFIED, _QUALIFIED | st.just(""), min_size=1, max_size=3)
"""Labels of a selector."""
HTTP = st.sampled_from(["HTTP", "http2", "GRPC", "grpc-Web", "HTTP_PROXY"])
TLS = st.sampled_from(["HTTPS", "tls"])
TCP = st.sampled_from(["TCP", "Mongo", "REDIS", "mysql", "UDP", ""])
PROTOCOLS = HTTP | TLS | TCP
TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=9)


def message(body: str, /, *required: str, **fields: st.SearchStrategy[Any] | None) -> Any:
    """
    Return a strategy for the message *body*, a kind or a full name.

    *fields* are all of its fields, by their JSON names; one that is None is always left out.
    """
    known = {field.json_name for field in body_descriptor(BODIES.get(body, body)).fields}

    assert known == set(fields), f"fields of {body}"
    given = {field: values for field, values in fields.items() if values is not None}
    must = {field: given.pop(field) for field in required}
    return st.fixed_dictionaries(must, optional=given)


def findings(kind: str, spec: Any, labels: dict[str, str] | None = None) -> list[Any]:
    """Return what is found in a document of *kind* in the namespace shop."""
    version = next(one.api_versions[0] for one in BUILTIN if one.kind == kind)
    document = {
        "apiVersion": version,
        "kind": kind,
        "metadata": {"name": "reviews", "namespace": "shop", "labels": labels or {}},
        "spec": spec,
    }
    judged = judge(json.dumps(document).encode(), None, CATALOG, bounds(CATALOG), json=True)
    return [*judged.findings, *(one for each in judged.documents for one in each.findings)]


def errors(kind: str, spec: Any, labels: dict[str, str] | None = None) -> set[str]:
    """Return the codes of errors in a document of *kind*."""
    return {one.code for one in findings(kind, spec, labels) if not one.warning}
