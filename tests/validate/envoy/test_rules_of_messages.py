"""
The rules that Envoy's messages declare: every one that is installed, at its bounds, and in places.

What the rules of one field say is worked out here anew, from the descriptor.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.json_format import ParseDict
from google.protobuf.message_factory import GetMessageClass
from hypothesis import given, settings
from hypothesis import strategies as st

from generated import documents
from gitsource.build.judge import bounds, judge
from gitsource.catalog.kinds import body_descriptor
from gitsource.catalog.rows import ENVOY
from gitsource.catalog.whole import Catalog
from gitsource.validate.envoy.rules import compiled, values
from gitsource.validate.envoy.rules.quick import clean
from gitsource.validate.envoy.rules.walk import problems
from gitsource.validate.envoy.rules.walk import told as told_in
from validate import validate_pb2

CATALOG = Catalog()
URL = "type.googleapis.com/"
CLUSTER = f"{URL}envoy.config.cluster.v3.Cluster"
UPSTREAM = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
BASE = Path(validate_pb2.__file__).parents[1]
MANY = 600
"""Messages, and rules, that there are at least: fewer would mean that none are found."""


def messages() -> Iterator[Descriptor]:
    """Yield the messages of Envoy's v3 API and of xDS."""
    for root in ("envoy", "xds"):
        for path in sorted((BASE / root).rglob("*_pb2.py")):
            parts = path.relative_to(BASE).with_suffix("").parts
            if "v3" in parts:
                module = importlib.import_module(".".join(parts))
                yield from _all(module.DESCRIPTOR.message_types_by_name.values())


def _all(found: Any) -> Iterator[Descriptor]:
    for each in found:
        if not each.GetOptions().map_entry:
            yield each
            yield from _all(each.nested_types)


def rules_of(field: FieldDescriptor) -> Any:
    return field.GetOptions().Extensions[validate_pb2.rules]


def names(rules: Any) -> Iterator[str]:
    """Yield the names of all rules that *rules* has."""
    for field, value in rules.ListFields():
        if field.message_type is not None and field.message_type.name.endswith("Rules"):
            yield from names(value)
        else:
            yield field.name


def test_there_is_no_rule_that_is_not_judged() -> None:
    """If a new release of the messages has one, it is to be read in rules/values.py."""
    found = {
        name for each in messages() for field in each.fields for name in names(rules_of(field))
    }

    assert set() == found - values.READ
    assert MANY < sum(1 for _ in messages())


def test_no_message_is_switched_off() -> None:
    """There are options for that; no message has them, so they are not read."""
    for each in messages():
        options = each.GetOptions()

        assert not options.Extensions[validate_pb2.disabled]
        assert not options.Extensions[validate_pb2.ignored]


def test_every_message_can_be_judged_empty() -> None:
    for each in messages():
        for found in problems(GetMessageClass(each)()):
            assert found.message.isprintable()
            assert found.code in {"GS345", "GS315"}


# --------------------------------------------------------------------------- one field at a time


def told(message: Any, step: str) -> list[str]:
    """Return what is refused at the field *step* of *message*."""
    found = [each for each in problems(message) if each.code == "GS345"]
    return [each.message for each in found if each.path[:1] == (step,)]


def cases() -> Iterator[tuple[FieldDescriptor, Any, bool]]:
    """Yield a field, a value for it, and whether the rule in question takes that."""
    for each in messages():
        for field in each.fields:
            rules = rules_of(field)
            kind = rules.WhichOneof("type")
            if kind in _WHOLE and not field.is_repeated:
                for value, good in _at_bounds(getattr(rules, kind)):
                    yield field, value, good
            elif kind == "string" and rules.string.max_bytes and not rules.string.pattern:
                most = rules.string.max_bytes
                yield from ((field, "a" * most, True), (field, "a" * (most + 1), False))
            elif kind == "string" and rules.string.min_len == 1 and not rules.string.ignore_empty:
                yield field, "", False


_WHOLE = {"uint32": 2**32 - 1, "uint64": 2**64 - 1, "int32": 2**31 - 1, "int64": 2**63 - 1}


def _at_bounds(rules: Any) -> Iterator[tuple[int, bool]]:
    if rules.HasField("gte"):
        yield rules.gte, True
        if rules.gte:
            yield rules.gte - 1, False
    if rules.HasField("gt"):
        yield from ((rules.gt + 1, True), (rules.gt, False))
    if rules.HasField("lte"):
        yield from ((rules.lte, True), (rules.lte + 1, False))
    if rules.HasField("lt"):
        yield from ((rules.lt - 1, True), (rules.lt, False))


def test_every_bound_of_every_field_is_where_it_is_declared() -> None:
    count = 0
    for field, value, good in cases():
        message = GetMessageClass(field.containing_type)()
        if field.message_type is not None:
            getattr(message, field.name).value = value
        else:
            setattr(message, field.name, value)
        count += 1

        assert bool(told(message, field.json_name)) != good, (field.full_name, value)
    assert count > MANY


def test_what_is_required_is_missed() -> None:
    """Of messages and of oneofs; a member of a oneof can be left out all the same."""
    count = 0
    for each in messages():
        empty = GetMessageClass(each)()
        said = [found.message for found in problems(empty) if found.code == "GS345"]
        for field in each.fields:
            rules = rules_of(field)
            if field.containing_oneof is None and (
                rules.message.required or rules.any.required or rules.duration.required
            ):
                count += 1

                assert f"{field.name} of {each.name} is required" in " ".join(said)
        required = [o for o in each.oneofs if o.GetOptions().Extensions[validate_pb2.required]]
        count += len(required)

        assert len(required) == sum(text.startswith(f"{each.name} needs ") for text in said)
    assert count > MANY / 3


# --------------------------------------------------------------------------- documents in whole


def judged(value: Any) -> list[tuple[str, str, bool]]:
    """Return code, message and whether it is a warning of what is found in a document."""
    found = judge(json.dumps(value).encode(), None, CATALOG, bounds(CATALOG), json=True)
    findings = [each for document in found.documents for each in document.findings]
    return [(each.code, each.message, each.warning) for each in (*findings, *found.findings)]


SECONDS = st.integers(1, 9_000_000_000).map(lambda number: f"{number}s")
THRESHOLD = st.integers(0, 2**32 - 1)
CHECK = st.fixed_dictionaries(
    {
        "timeout": SECONDS,
        "interval": SECONDS,
        "healthy_threshold": THRESHOLD,
        "unhealthy_threshold": THRESHOLD,
        "http_health_check": st.just({"path": "/"}),
    }
)
ENDPOINTS = st.lists(
    st.fixed_dictionaries(
        {
            "endpoint": st.just(
                {"address": {"socket_address": {"address": "10.0.0.1", "port_value": 80}}}
            )
        },
        optional={"load_balancing_weight": st.integers(1, 2**32 - 1)},
    ),
    min_size=1,
    max_size=3,
)
STREAMS = st.integers(1, 2**31 - 1)
GOOD = st.fixed_dictionaries(
    {
        "@type": st.just(CLUSTER),
        "name": st.just("svc-a"),
        "connect_timeout": SECONDS,
        "health_checks": st.lists(CHECK, min_size=1, max_size=2),
        "load_assignment": ENDPOINTS.map(
            lambda each: {"cluster_name": "svc-a", "endpoints": [{"lb_endpoints": each}]}
        ),
        "outlier_detection": st.fixed_dictionaries({"max_ejection_percent": st.integers(0, 100)}),
        "typed_extension_protocol_options": STREAMS.map(
            lambda number: {
                UPSTREAM: {
                    "@type": f"{URL}{UPSTREAM}",
                    "explicit_http_config": {
                        "http2_protocol_options": {"max_concurrent_streams": number}
                    },
                }
            }
        ),
    },
    optional={
        "lb_policy": st.sampled_from(["ROUND_ROBIN", "RANDOM", "MAGLEV"]),
        "cleanup_interval": SECONDS,
        "max_requests_per_connection": THRESHOLD,
    },
)
HTTP2 = (UPSTREAM, "explicit_http_config", "http2_protocol_options")
BREAKS = [
    (("connect_timeout",), st.sampled_from(["0s", "-1s", "-0.5s"])),
    (("cleanup_interval",), st.sampled_from(["0s", "-1s", "9223372036s", "315576000000s"])),
    (("health_checks", 0, "healthy_threshold"), st.none()),
    (("health_checks", 0, "http_health_check", "path"), st.sampled_from(["", "/\n", "\0"])),
    (("load_assignment", "cluster_name"), st.just("")),
    (
        ("load_assignment", "endpoints", 0, "lb_endpoints", 0, "load_balancing_weight"),
        st.just(0),
    ),
    (("outlier_detection", "max_ejection_percent"), st.integers(101, 2**32 - 1)),
    (
        ("typed_extension_protocol_options", *HTTP2, "max_concurrent_streams"),
        st.just(0) | st.integers(2**31, 2**32 - 1),
    ),
]


@settings(max_examples=80, deadline=None)
@given(GOOD)
def test_what_keeps_to_the_rules_is_taken(value: dict[str, Any]) -> None:
    assert [] == [each for each in judged(value) if each[0] != "GS315"]


@settings(max_examples=80, deadline=None)
@given(GOOD, st.sampled_from(BREAKS), st.data())
def test_one_broken_rule_is_told_once_at_its_place(
    value: dict[str, Any], broken: tuple[tuple[Any, ...], Any], data: st.DataObject
) -> None:
    path, strategy = broken
    bad = data.draw(strategy)
    text = _with(json.dumps(value), path, bad)
    found = judge(text.encode(), None, CATALOG, bounds(CATALOG), json=True)
    errors = [f for d in found.documents for f in d.findings if not f.warning]

    assert ["GS345"] == [each.code for each in errors]
    assert path[-1] in errors[0].message
    rest = text.splitlines()[errors[0].line - 1][errors[0].column - 1 :]
    assert rest.startswith(json.dumps(bad))


def _with(text: str, path: tuple[Any, ...], bad: Any) -> str:
    """Return the document *text* with *bad* at *path*, each value in a line of its own."""
    value = json.loads(text)
    inner = value
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = bad
    return json.dumps(value, indent=1)


def test_what_was_not_seen_to_be_judged_by_an_envoy_is_a_warning() -> None:
    """Of two levels: the route itself is judged by its rules in any case."""
    kind = f"{URL}envoy.extensions.retry.priority.previous_priorities.v3.PreviousPrioritiesConfig"
    priority = {"name": "p", "typed_config": {"@type": kind, "update_frequency": 0}}
    route = {"cluster": "svc-a", "retry_policy": {"retry_priority": priority}}
    host = {"name": "h", "domains": ["*"], "routes": [{"match": {"prefix": "/"}, "route": route}]}
    kind = f"{URL}envoy.config.route.v3.RouteConfiguration"
    value = {"@type": kind, "name": "r", "virtual_hosts": [host]}

    ((code, message, warning),) = judged(value)
    priority["name"] = ""
    both = judged(value)

    assert (code, warning) == ("GS345", True)
    assert "update_frequency" in message
    assert sorted(warning for _, _, warning in both) == [False, True]


@pytest.mark.parametrize("field", ["value", "key"])
def test_no_text_is_quoted(field: str) -> None:
    """It may be a token: the rules are told, and where."""
    header = {"key": "authorization", "value": "x", field: "Bearer hunter2\n"}
    kind = f"{URL}envoy.config.route.v3.RouteConfiguration"
    added = [{"header": header}]

    ((code, message, _),) = judged({"@type": kind, "name": "r", "request_headers_to_add": added})

    assert code == "GS345"
    assert "hunter2" not in message


def test_a_deprecated_field_is_a_warning() -> None:
    value = {"@type": CLUSTER, "name": "a", "http2_protocol_options": {}}

    ((code, message, warning),) = judged(value)

    assert (code, warning) == ("GS315", True)
    assert "http2_protocol_options" in message


def test_a_default_that_envoy_has_given_up_has_to_be_replaced() -> None:
    source = {"api_config_source": {"grpc_services": [{"envoy_grpc": {"cluster_name": "xds"}}]}}
    value = {"@type": CLUSTER, "name": "a", "type": "EDS"}
    value["eds_cluster_config"] = {"eds_config": source}

    ((code, message, warning),) = judged(value)
    source["api_config_source"]["api_type"] = "GRPC"

    assert (code, warning) == ("GS345", False)
    assert "api_type" in message
    assert [] == judged(value)


RESOURCES = [each for each in ENVOY if each.collection != "envoy/secrets"]


@pytest.mark.parametrize("kind", RESOURCES, ids=lambda kind: kind.collection)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_the_quick_answer_is_that_of_the_walk(kind: Any, data: st.DataObject) -> None:
    descriptor = body_descriptor(kind.body)
    plain = data.draw(documents(descriptor, depth=4))[1]
    message = ParseDict(plain, GetMessageClass(descriptor)())

    assert clean(message) == ([] == [*told_in(message)])


@given(GOOD)
@settings(max_examples=20, deadline=None)
def test_the_quick_answer_is_that_of_the_walk_of_good_ones(value: dict[str, Any]) -> None:
    message = ParseDict(
        {key: each for key, each in value.items() if key != "@type"},
        GetMessageClass(body_descriptor("envoy.config.cluster.v3.Cluster"))(),
    )

    found = {each.code for each in told_in(message)}

    assert found <= {"GS315"}
    assert clean(message) == (not found)


def test_descriptors_are_read_once() -> None:
    one = next(each for each in messages() if each.name == "Cluster")

    assert compiled.compiled(one) is compiled.compiled(one)
