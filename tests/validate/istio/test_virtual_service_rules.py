"""What the corpus cannot say of VirtualService: warnings of error codes, many findings, quirks."""

import pytest

from gitsource.build.judge import bounds, judge
from gitsource.catalog.whole import Catalog

CATALOG = Catalog()
HEAD = """\
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: shop, namespace: shop}
spec:
"""
SEND = "route: [{destination: {host: cart}}]"


def found(spec: str) -> list[tuple[str, bool, int]]:
    """Return code, warning and line of each finding, the first line of *spec* being 1."""
    data = (HEAD + spec).encode()
    judged = judge(data, None, CATALOG, bounds(CATALOG), json=False)
    findings = [*judged.findings, *judged.documents[0].findings]
    return sorted((f.code, f.warning, f.line - 4) for f in findings)


def http(*routes: str) -> list[tuple[str, bool, int]]:
    """Return what is found in *routes*, one a line; the first is on line 3."""
    return found("  hosts: [cart]\n  http:\n" + "".join(f"  - {{{route}}}\n" for route in routes))


# --------------------------------------------------------------------------- gateways


def test_a_gateway_in_the_old_form_is_a_warning():
    spec = (
        f"  hosts: [cart.io]\n  gateways:\n  - front.shop.svc.cluster.local\n  http: [{{{SEND}}}]\n"
    )

    assert [("VS-08", True, 3)] == found(spec)


def test_the_old_form_is_told_in_matches_too():
    """Istio forgets it there."""
    assert [("VS-08", True, 3)] == http(f"match: [{{gateways: [front.shop]}}], {SEND}")


@pytest.mark.parametrize("first", ["mesh", "front"])
def test_gateways_after_one_without_a_slash_are_warnings(first):
    """Istio looks at none of them, so it takes the document."""
    spec = f"""\
  hosts: [cart.io]
  gateways:
  - shop/ok
  - {first}
  - shop/not ok
  - not_ok
  http: [{{{SEND}}}]
"""

    assert [("VS-08", True, 5), ("VS-08", True, 6)] == found(spec)


def test_each_gateway_before_one_without_a_slash_is_told():
    spec = f"  hosts: [a.io]\n  gateways:\n  - a/\n  - /b\n  - a_/b\n  http: [{{{SEND}}}]\n"

    assert [("VS-08", False, line) for line in (3, 4, 5)] == found(spec)


# --------------------------------------------------------------------------- hosts


def test_each_host_at_fault_is_told_and_overlaps_are_not_looked_for_then():
    spec = f"  hosts:\n  - cart\n  - a_b\n  - '*'\n  - cart\n  http: [{{{SEND}}}]\n"

    assert [("VS-05", False, 3), ("VS-06", False, 4)] == found(spec)


def test_each_host_that_an_earlier_one_overlaps_is_told_once():
    spec = (
        "  hosts:\n  - '*.shop.io'\n  - a.shop.io\n  - '*.a.shop.io'\n  - a.shop.io\n"
        f"  http: [{{{SEND}}}]\n"
    )

    assert [("VS-07", False, line) for line in (3, 4, 5)] == found(spec)


def test_an_empty_virtual_service_has_no_routes():
    assert [("VS-01", False, 1)] == found("  {}\n")


# --------------------------------------------------------------------------- routes


def test_the_rules_of_a_route_are_told_together():
    spec = "redirect: {redirectCode: 200}, directResponse: {status: 1}, fault: {}, rewrite: {}, "

    codes = [code for code, _, _ in http(spec + SEND)]

    assert ["VS-101", "VS-21", "VS-22", "VS-23", "VS-24", "VS-70", "VS-82", "VS-90"] == codes


def test_a_redirect_tells_its_first_flaw_only():
    assert [("VS-83", False, 3)] == http(
        "redirect: {uri: /, redirectCode: 1, scheme: x, port: 70000}"
    )


def test_a_route_that_hands_over_is_judged_in_all_but_its_shape():
    spec = (
        "delegate: {name: a}, timeout: 0s, mirror: {host: b}, mirrors: [{destination: {host: c}}]"
    )

    assert [("VS-52", False, 3)] == http(spec)


def test_all_of_a_match_is_judged():
    spec = (
        "match: [{uri: {regex: '['}, method: {prefix: ''}, port: 70000, sourceNamespace: a.b, "
        "headers: {a b: {regex: ''}}, withoutHeaders: {a b: {regex: ''}}, sourceLabels: {-: -}}], "
    )

    codes = [code for code, _, _ in http(spec + SEND)]

    assert ["35", "35", "36", "36", "37", "38", "39", "40", "40", "41"] == [c[3:] for c in codes]


def test_the_old_share_of_a_mirror_is_a_warning():
    assert [("VS-54", True, 3)] == http(f"mirror: {{host: b}}, mirrorPercent: 5, {SEND}")
    assert ("VS-54", True, 3) in http(f"mirror: {{host: b}}, mirrorPercent: 500, {SEND}")


@pytest.mark.parametrize("weights", [(1, -1), (2**31 - 1, 2**31 - 1, 2)])
def test_weights_are_summed_up_in_32_bits(weights):
    entries = ", ".join(f"{{destination: {{host: a}}, weight: {weight}}}" for weight in weights)

    assert ("VS-49", False, 3) in http(f"route: [{entries}]")


@pytest.mark.parametrize(
    ("rewrite", "request_", "fits"),
    [
        ("a", "set: {x: b}", True),
        ("", "set: {host: b}", True),
        ("a", "set: {host: ''}", False),
        ("", "set: {host: ''}, add: {Host: b}", True),
        ("", "set: {host: b}, add: {Host: ''}", False),
        ("", "set: {host: b, ':authority': ''}", False),
        ("", "add: {HOST: b, ':Authority': c}", False),
    ],
)
def test_an_empty_authority_counts_only_after_another(rewrite, request_, fits):
    """Istio compares in no order in particular; what it refuses at times is refused always."""
    spec = (
        f"rewrite: {{uri: /, authority: '{rewrite}'}}, headers: {{request: {{{request_}}}}}, {SEND}"
    )

    assert ([] if fits else [("VS-51", False, 3)]) == http(spec)


def test_of_headers_names_and_values_are_told():
    spec = f"headers: {{response: {{set: {{':a': '%', Host: b}}, remove: [':b', '']}}}}, {SEND}"

    assert [("VS-50", False, 3)] * 5 == http(spec)


# --------------------------------------------------------------------------- TLS


def test_sni_is_judged_by_the_gateways_of_the_virtual_service():
    route = (
        "tls: [{match: [{sniHosts: [outbound_.80_._.a.io]}], route: [{destination: {host: a}}]}]"
    )
    spec = f"  hosts: ['*.io']\n  gateways: [front]\n  {route}\n"

    assert ("VS-113", False, 3) not in found(spec)
    assert ("VS-113", False, 3) in found(spec.replace("front", "front, mesh"))


# --------------------------------------------------------------------------- what nothing reaches


def test_everything_after_a_route_without_matches_is_unreachable():
    caught = f"match: [{{port: 1}}, {{port: 2}}], {SEND}"

    expected = [("VS-140", True, 5), ("VS-141", True, 4), ("VS-141", True, 4), ("VS-141", True, 6)]
    assert sorted([*expected, ("VS-141", True, 6)]) == http(SEND, caught, SEND, caught)


def test_equal_matches_of_one_route_are_told():
    assert [("VS-142", True, 3)] == http(f"match: [{{port: 1}}, {{port: 1, name: b}}], {SEND}")


@pytest.mark.parametrize(
    ("first", "second", "covered"),
    [
        ("", "", True),
        ("port: 80", "", False),
        ("port: 80", "port: 80", True),
        ("", "method: {exact: GET}", True),
        ("", "method: {exact: POST}", False),
        ("method: {exact: GETS}", "method: {exact: GET}", True),
        ("method: {regex: P.*}", "", True),
        ("authority: {exact: a}", "", True),
        ("", "authority: {exact: a}", False),
        ("authority: {prefix: ab}", "authority: {prefix: a}", True),
        ("authority: {prefix: ab}", "authority: {exact: a}", False),
        ("headers: {a: {exact: b}}", "headers: {a: {exact: b}}", True),
        ("headers: {a: {exact: b}}", "headers: {b: {exact: b}}", False),
        ("headers: {a: {exact: b}}", "", False),
        ("queryParams: {a: {exact: bc}}", "queryParams: {a: {exact: b}}", True),
        ("withoutHeaders: {a: {}}", "withoutHeaders: {a: {exact: b}}", False),
    ],
)
def test_a_prefix_covers_longer_ones_under_the_same_conditions(first, second, covered):
    """As Istio compares them, its odd ways included."""
    routes = [
        f"match: [{{uri: {{prefix: {prefix}}}, {others}}}], {SEND}"
        for prefix, others in (("/a", first), ("/ab", second))
    ]

    assert ([("VS-144", True, 4)] if covered else []) == http(*routes)


def test_a_prefix_is_told_once_and_not_if_it_is_repeated():
    prefixes = ["/", "/b", "/b/c", "/b", "/a"]
    routes = [f"match: [{{uri: {{prefix: {prefix}}}}}], {SEND}" for prefix in prefixes]

    expected = [("VS-142", 6), ("VS-143", 6), ("VS-144", 4), ("VS-144", 5), ("VS-144", 7)]
    assert expected == [(code, line) for code, _, line in http(*routes)]


def test_exact_and_longer_prefixes_before_shorter_ones_are_fine():
    routes = [
        f"match: [{{uri: {{{uri}}}}}], {SEND}"
        for uri in ("exact: /a/b", "prefix: /a/b", "prefix: /a", "regex: /.*", "prefix: /")
    ]

    assert [] == http(*routes)


def test_of_very_many_dead_matches_a_hundred_are_told():
    """The rest would take longer to find a place for than to judge."""
    matches = ", ".join(f"{{port: {port}}}" for port in range(1, 1000))

    assert 100 == len(http(SEND, f"match: [{matches}], {SEND}"))


def test_prefixes_that_cover_each_other_by_the_thousand_are_not_all_compared():
    matches = ", ".join(f"{{uri: {{prefix: {'/' * size}}}}}" for size in range(1, 1500))

    assert 100 == len(http(f"match: [{matches}], {SEND}"))
