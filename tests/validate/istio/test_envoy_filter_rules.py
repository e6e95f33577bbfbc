"""What the corpus cannot say of EnvoyFilter: several findings, warnings of error codes, bounds."""

import pytest
from google.protobuf.message_factory import GetMessageClass

from gitsource.build.judge import bounds, judge
from gitsource.catalog.whole import Catalog
from gitsource.messages.known import find
from gitsource.validate.istio import envoy_filter, envoy_patch

CATALOG = Catalog()
HEAD = """\
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata: {name: shop, namespace: shop}
spec:
"""


def found(spec: str) -> list[tuple[str, bool, int]]:
    """Return code, warning and line of each finding, the first line of *spec* being 1."""
    data = (HEAD + spec).encode()
    judged = judge(data, None, CATALOG, bounds(CATALOG), json=False)
    findings = [*judged.findings, *judged.documents[0].findings]
    return [(f.code, f.warning, f.line - 4) for f in findings if f.code != "EF-01"]


def test_a_selector_without_labels_is_a_warning():
    assert [("EF-02", True, 1)] == found("  workloadSelector: {}\n")


def test_each_patch_is_judged_by_itself():
    spec = """\
  configPatches:
  - applyTo: CLUSTER
  - applyTo: CLUSTER
    patch: {operation: MERGE, value: {name: [a]}}
  - applyTo: LISTENER
    match: {cluster: {}}
    patch: {operation: MERGE, value: {name: [a]}}
"""

    assert [("EF-06", False, 2), ("EF-30", False, 4), ("EF-15", False, 6)] == found(spec)


def test_every_unknown_field_is_told_and_the_error_beside_them():
    spec = """\
  configPatches:
  - applyTo: CLUSTER
    patch:
      operation: MERGE
      value:
        nam: x
        connect_timeout: soon
        circuit_breakers:
          threshold: []
"""

    assert [("EF-32", True, 6), ("EF-32", True, 9), ("EF-30", False, 7)] == found(spec)


def test_a_route_matched_by_something_else_is_still_looked_into():
    spec = """\
  configPatches:
  - applyTo: HTTP_ROUTE
    match: {cluster: {}}
    patch:
      operation: MERGE
      value: {name: [a]}
"""

    assert [("EF-25", False, 3), ("EF-30", False, 6)] == found(spec)


def test_enums_by_number_and_snake_case_are_the_same_patch():
    spec = """\
  config_patches:
  - apply_to: 8
    match: {context: 0, route_configuration: {}}
    patch: {operation: 1, value: {}}
"""

    assert ("EF-26", False, 3) in found(spec)


def test_the_warnings_of_one_patch_are_bounded():
    fields = "".join(f"        field{index}: 1\n" for index in range(5000))
    spec = f"""\
  configPatches:
  - applyTo: CLUSTER
    patch:
      operation: MERGE
      value:
{fields}"""

    assert ["EF-32"] * 20 == [code for code, _, _ in found(spec)]


@pytest.mark.parametrize(
    "item", ["address: null", "hidden_envoy_deprecated_hosts: [null]", "health_checks: [null, {}]"]
)
def test_nulls_are_read_as_istiod_reads_them(item):
    spec = f"""\
  configPatches:
  - applyTo: CLUSTER
    patch: {{operation: MERGE, value: {{{item}}}}}
"""

    assert [] == [each for each in found(spec) if not each[1]]


def test_every_object_that_can_be_patched_has_a_message_of_envoys():
    values = find("istio.networking.v1alpha3.EnvoyFilter").enum_types_by_name["ApplyTo"].values
    names = {value.name for value in values if value.number}

    assert names == set(envoy_patch._MESSAGES)
    assert all(GetMessageClass(find(name)) for name in envoy_patch._MESSAGES.values())


def test_the_old_names_of_filters_are_the_twenty_seven_that_istio_lists():
    assert 27 == len(envoy_filter._RENAMED)
