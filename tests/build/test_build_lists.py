"""Documents that hold several, and documents of kinds that are for others."""

from dataclasses import replace

import pytest

from gitsource.build.judge import bounds, judge
from gitsource.catalog.rows import own_kind
from gitsource.catalog.whole import Catalog

CATALOG = Catalog()
ROUTE = """
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web, namespace: shop}
spec:
  hosts: [web.example.com]
  http:
  - timeout: 5s
    route:
    - destination: {host: web}
"""
HTTP_ROUTE = """
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: web}
"""


def judged(text, catalog=CATALOG):
    return judge(text.encode(), None, catalog, bounds(catalog), json=False)


def listed(*items, kind="List", version="v1"):
    """Return a list of *items*, each of which is the text of a document."""
    lines = [f"apiVersion: {version}", f"kind: {kind}", "items:"]
    for item in items:
        first, *others = item.strip().splitlines()
        lines += [f"- {first}", *(f"  {line}" for line in others)]
    return "\n".join(lines) + "\n"


def told(result):
    findings = [f for document in result.documents for f in document.findings]
    return [(f.code, f.line, f.column) for f in (*findings, *result.findings)]


def test_an_item_of_a_list_becomes_what_it_would_become_alone():
    (alone,) = judged(ROUTE).documents
    first, second = judged(listed(ROUTE, ROUTE.replace("name: web,", "name: two,"))).documents

    assert (first.name, first.version, first.body) == (alone.name, alone.version, alone.body)
    assert second.name == "shop/two"
    assert (first.line, second.line) == (4, 13)


def test_what_is_wrong_in_an_item_is_told_at_its_place():
    assert told(judged(listed(ROUTE, ROUTE.replace("5s", "5x")))) == [("GS301", 19, 16)]


def test_a_list_in_a_list_is_taken_apart_too():
    text = listed(listed(ROUTE.replace("5s", "5x")), ROUTE)

    assert told(judged(text)) == [("GS301", 13, 18)]
    assert len(judged(text).documents) == 2


def test_items_of_a_typed_list_need_not_say_what_they_are():
    bare = ROUTE.partition("kind: VirtualService\n")[2]
    text = listed(bare, kind="VirtualServiceList", version="networking.istio.io/v1")
    (document,) = judged(text).documents

    assert (document.kind, document.name, told(judged(text))) == ("VirtualService", "shop/web", [])


def test_an_item_that_is_no_mapping_is_refused_and_the_others_are_judged():
    result = judged(listed("text", ROUTE, "[1]"))

    assert told(result) == [("GS108", 4, 3), ("GS108", 14, 3)]
    assert [document.name for document in result.documents] == ["shop/web"]


@pytest.mark.parametrize(
    ("items", "expected"),
    [("items: text", [("GS301", 3, 8)]), ("items: null", []), ("metadata: {}", [])],
)
def test_a_list_may_be_empty_but_not_something_else(items, expected):
    assert told(judged(f"apiVersion: v1\nkind: List\n{items}\n")) == expected


def test_items_that_nobody_takes_are_counted_one_by_one():
    service = "apiVersion: v1\nkind: Service\nmetadata: {name: a}\n"

    assert judged(listed(service, service, ROUTE)).ignored == 2


def test_a_kind_of_the_users_own_may_end_in_list():
    own = own_kind({"name": "acme/v1/lists", "api_version": "acme/v1", "kind": "ShoppingList"}, "")
    text = "apiVersion: acme/v1\nkind: ShoppingList\nmetadata: {name: a}\nspec: {items: [milk]}\n"
    (document,) = judged(text, CATALOG.extended([own])).documents

    assert document.collection == "acme/v1/lists"


def test_a_doubt_is_told_of_the_item_that_holds_it():
    old = ROUTE.replace("namespace: shop}", "namespace: shop, labels: {on: yes}}")
    first, second = judged(listed(ROUTE, old)).documents

    assert [finding.code for finding in first.findings] == []
    assert {finding.code for finding in second.findings} >= {"GS113"}


# --------------------------------------------------------------------------- the Gateway API


@pytest.mark.parametrize("kind", ["HTTPRoute", "Gateway", "GatewayClass", "BackendTLSPolicy"])
def test_a_gateway_api_document_does_not_vanish_in_silence(kind):
    result = judged(HTTP_ROUTE.replace("HTTPRoute", kind))

    assert [(f.code, f.warning, f.line, f.column) for f in result.findings] == [
        ("GS316", True, 3, 7)
    ]
    assert kind in result.findings[0].message
    assert result.ignored == 1


@pytest.mark.parametrize(
    ("gateway_api", "unknown_kinds", "expected"),
    [
        ("ignore", "ignore", []),
        ("ignore", "error", [False]),
        ("warn", "ignore", [True]),
        ("warn", "warn", [True]),
        ("warn", "error", [False]),
        ("error", "ignore", [False]),
    ],
)
def test_what_a_gateway_api_document_is_can_be_set(gateway_api, unknown_kinds, expected):
    catalog = replace(CATALOG, gateway_api=gateway_api, unknown_kinds=unknown_kinds)

    assert [f.warning for f in judged(HTTP_ROUTE, catalog).findings] == expected


def test_the_warning_can_be_suppressed_by_annotation():
    text = HTTP_ROUTE.replace(
        "{name: web}", "{name: web, annotations: {gitsource.dev/suppress: GS316}}"
    )

    assert [finding.suppressed for finding in judged(text).findings] == [True]


def test_a_collection_of_the_users_own_carries_gateway_api_documents():
    row = {
        "name": "acme/v1/routes",
        "api_version": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
    }
    result = judged(HTTP_ROUTE, CATALOG.extended([own_kind(row, "")]))

    assert [document.collection for document in result.documents] == ["acme/v1/routes"]
    assert list(result.findings) == []


def test_a_gateway_of_istios_is_none_of_the_gateway_apis():
    text = HTTP_ROUTE.replace("gateway.networking.k8s.io", "networking.istio.io")

    assert judged(text.replace("HTTPRoute", "Gateway")).documents
