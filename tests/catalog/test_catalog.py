"""
The built-in rows of the catalog against the facts, restated here, and docs/protocol.md.

Run as a script (`python tests/catalog/test_catalog.py`), this writes the page's table anew.
"""

import re
from pathlib import Path

import pytest

from gitsource.catalog.kinds import data_folder
from gitsource.catalog.rows import BUILTIN
from gitsource.catalog.whole import Catalog

PAGE = Path(__file__).parents[2] / "docs" / "protocol.md"
KINDS = re.compile(r"(<!-- kinds: .*? -->\n).*?(<!-- /kinds -->)", re.DOTALL)

FACTS = """
WorkloadEntry         networking v1,v1beta1,v1alpha3 workloadentries        1.6  1.6
WorkloadGroup         networking v1,v1beta1,v1alpha3 workloadgroups         1.8  1.8
ServiceEntry          networking v1,v1beta1,v1alpha3 serviceentries         1.3  1.6
DestinationRule       networking v1,v1beta1,v1alpha3 destinationrules       1.3  1.6
Gateway               networking v1,v1beta1,v1alpha3 gateways               1.3  1.6
VirtualService        networking v1,v1beta1,v1alpha3 virtualservices        1.3  1.6
RequestAuthentication security   v1,v1beta1          requestauthentications 1.5  1.6
PeerAuthentication    security   v1,v1beta1          peerauthentications    1.5  1.6
AuthorizationPolicy   security   v1,v1beta1          authorizationpolicies  1.4  1.6
Sidecar               networking v1,v1beta1,v1alpha3 sidecars               1.3  1.6
ProxyConfig           networking v1beta1             proxyconfigs           1.13 1.13
Telemetry             telemetry  v1,v1alpha1         telemetries            1.10 1.10
EnvoyFilter           networking v1alpha3            envoyfilters           1.3  1.6
WasmPlugin            extensions v1alpha1            wasmplugins            1.12 1.12
TrafficExtension      extensions v1alpha1            trafficextensions      -    1.30
"""
"""Kind, group, served versions, plural, first release that knows the collection and the kind."""

ALSO = {
    "ServiceEntry": ("istio/networking/v1alpha3/synthetic/serviceentries", "1.3", "1.5"),
    "WasmPlugin": ("k8s/extensions.istio.io/v1alpha1/wasmplugins", "1.12", "1.12"),
}
BY_KIND = {kind.kind: kind for kind in BUILTIN}
ROWS = [line.split() for line in FACTS.strip().splitlines()]


def test_the_catalog_has_these_kinds_in_this_order():
    assert [row[0] for row in ROWS] == [kind.kind for kind in BUILTIN]


def test_what_is_referred_to_goes_out_before_what_refers_to_it():
    ranks = [kind.rank for kind in BUILTIN]

    assert ranks == sorted(set(ranks))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_a_row_says_what_is_known_of_the_kind(row):
    name, group, listed, plural, legacy, xds = row
    versions = listed.split(",")
    urls = [f"{group}.istio.io/{version}/{name}" for version in versions]
    collection = f"istio/{group}/{versions[-1]}/{plural}"
    also = [ALSO[name]] if name in ALSO else []
    uses = [(collection, legacy, "1.17"), *also] if legacy != "-" else []
    uses += [(urls[-1], xds, "1.23"), (urls[0], "1.24", "")] if urls[1:] else [(urls[0], xds, "")]
    kind = BY_KIND[name]

    assert kind.collection == collection
    assert kind.body == f"istio.{group}.{versions[-1]}.{name}"
    assert kind.api_versions == tuple(f"{group}.istio.io/{version}" for version in versions)
    assert set(kind.aliases) == {*urls, *(use[0] for use in also)}
    assert [(use.name, use.first, use.last) for use in kind.uses] == uses
    assert kind.namespaced


def test_every_name_a_release_uses_leads_to_the_collection():
    catalog = Catalog()
    for kind in BUILTIN:
        for use in kind.uses:
            assert catalog.by_collection[use.name] is kind


def test_no_name_stands_for_two_collections():
    names = [name for kind in BUILTIN for name in (kind.collection, *kind.aliases)]

    assert len(names) == len(set(names))


def test_every_collection_has_a_schema_and_no_schema_is_without_one():
    folder = data_folder("schemas")
    shipped = {path.relative_to(folder).as_posix() for path in folder.glob("istio/**/*.json")}

    assert shipped == {f"{kind.collection}.json" for kind in BUILTIN}


def table():
    """Return the kinds with their names by release, as the page shows them."""
    rows = ["| kind | collection and other names | releases of Istio |", "| --- | --- | --- |"]
    for kind in BUILTIN:
        told = {use.name: f"{use.first} to {use.last or 'now'}" for use in kind.uses}
        first = kind.kind
        for name in (kind.collection, *sorted(kind.aliases, key=lambda name: name not in told)):
            rows.append(f"| {first} | `{name}` | {told.get(name, 'none; taken all the same')} |")
            first = ""
    return "\n".join((*rows, ""))


def with_table(page):
    return KINDS.sub(lambda found: found[1] + table() + found[2], page)


def test_the_page_shows_the_catalog():
    page = PAGE.read_text()

    assert with_table(page) == page
    assert "`networking.istio.io/v1/VirtualService` | 1.24 to now |" in page


if __name__ == "__main__":
    PAGE.write_text(with_table(PAGE.read_text()))
