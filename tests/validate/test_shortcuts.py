"""What is seen without CEL is what CEL would say."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitsource.catalog.rows import BUILTIN
from gitsource.validate import cel
from gitsource.validate.shortcuts import SHORTCUTS, sure


def _rules_in(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        yield from (row["rule"] for row in schema.get("x-kubernetes-validations", ()))
        for item in schema.values():
            yield from _rules_in(item)
    elif isinstance(schema, list):
        for item in schema:
            yield from _rules_in(item)


SHIPPED = sorted({rule for kind in BUILTIN for rule in _rules_in(json.loads(kind.schema_text()))})
SHORT = [rule for rule in SHIPPED if sure([rule]) is not None]
TEXTS = st.sampled_from(
    (
        *("", "*", "a", "A-1", "-a", "a*b", "1ms", "0s", "999us", "5s", "1.5h", "999999h"),
        *("unix://", "unix:///run/a", "unix:///run/", "unix://@a", "NONE", "STATIC", "10.0.0.0/8"),
        *("DNS_ROUND_ROBIN", "1000000h", "a\n", "\u00e9", "a" * 62, "a" * 63, "\ud800"),
    )
)
NUMBERS = st.integers(-(2**63), 2**63 - 1) | st.sampled_from(
    (0, 1, 65535, 65536, 80.0, -0.0, 1.5, True, False, None)
)
PLAIN = TEXTS | st.text(max_size=5) | NUMBERS
NAMES = st.sampled_from(
    (
        *("address", "network", "ports", "resolution", "endpoints", "addresses", "number"),
        *("serviceAccounts", "notServiceAccounts", "principals", "credentialName", "selector"),
        *("credentialNames", "tlsCertificates", "targetRef", "targetRefs", "workloadSelector"),
    )
)
VALUES = st.recursive(
    PLAIN,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(st.fixed_dictionaries({"number": NUMBERS}), max_size=3)
        | st.dictionaries(NAMES, inner, max_size=4)
        | st.dictionaries(TEXTS | st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=6,
)


@settings(deadline=None, max_examples=1500)
@given(st.sampled_from(SHORT), VALUES)
def test_a_shortcut_says_yes_only_where_cel_does(rule: str, value: Any) -> None:
    holds = sure([rule])

    assert holds is not None
    assert not holds(value) or cel._holds(rule, cel._seen([rule]).part(value))


@pytest.mark.parametrize("rule", SHORTCUTS)
def test_each_shortcut_is_of_a_rule_that_a_schema_has(rule: str) -> None:
    assert rule in SHIPPED


USUAL: dict[str, list[Any]] = {
    "0 < self && self <= 65535": [1, 443, 65535],
    "duration(self) >= duration('1ms')": ["1ms", "30s", "5m", "1h"],
    "has(self.address) || has(self.network)": [{"address": "10.0.0.1"}, {"network": "n"}],
    "self.all(l1, self.exists_one(l2, l1.number == l2.number))": [[{"number": 1}, {"number": 2}]],
    'self != "*"': ["a.example"],
    'self.all(key, !key.contains("*"))': [{"a": 1}, {}],
    "self.size() == 0": [{}, []],
}


@pytest.mark.parametrize("rule", USUAL)
def test_what_is_usual_is_seen_without_cel(rule: str) -> None:
    holds = sure([rule])

    assert holds is not None
    assert [holds(value) for value in USUAL[rule]] == [True] * len(USUAL[rule])


OF_FIELDS: list[Any] = [{}, {"b": None}, {"a": 1, "c": 1}, []]
TWO_OF_FOUR = [True, True, False, False]


def test_at_most_one_of_some_fields_is_seen_for_any_fields() -> None:
    holds = sure(["(has(self.a) ? 1 : 0) + (has(self.b) ? 1 : 0) + (has(self.c) ? 1 : 0) <= 1"])

    assert holds is not None
    assert [holds(value) for value in OF_FIELDS] == TWO_OF_FOUR


def test_rules_together_have_a_shortcut_only_if_each_has_one() -> None:
    assert sure(["self.size() == 0", "self.size() == 1"]) is None
    assert sure([]) is None
