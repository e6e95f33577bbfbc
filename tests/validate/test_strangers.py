"""Documents that no collection takes, and what is told of them."""

import pytest

from gitsource.catalog.whole import Catalog
from gitsource.validate.strangers import told

CATALOG = Catalog()
REST = {"metadata": {"name": "reviews"}, "spec": {}}


def document(**fields):
    named = {"apiVersion": fields.pop("version", None), "kind": fields.pop("kind", None)}
    return {key: value for key, value in named.items() if value is not None} | REST | fields


@pytest.mark.parametrize(
    ("stranger", "path"),
    [
        (document(version="networking.istio.io/v1", kind="VirtualServices"), ("kind",)),
        (document(version="networking.istio.io/v1", kind="Virtualservice"), ("kind",)),
        (document(version="networking.istio.io/v1", kind="AuthorizationPolicy"), ("apiVersion",)),
        (document(version="security.istio.io/v1"), ("apiVersion",)),
        (document(version="security.istio.io/v1", kind=7), ("kind",)),
        (document(kind="PeerAuthentication"), ("kind",)),
        (document(version=1.0, kind="PeerAuthentication"), ("apiVersion",)),
        (document(version="v1", kind="VirtualService"), ("apiVersion",)),
        (document(version="networking.istio.io", kind="VirtualService"), ("apiVersion",)),
        (document(version="network.istio.io/v1", kind="VirtualService"), ("apiVersion",)),
    ],
    ids=[
        "plural",
        "case",
        "other-group",
        "no-kind",
        "kind-is-a-number",
        "no-version",
        "version-is-a-number",
        "no-group",
        "group-alone",
        "group-misspelled",
    ],
)
def test_a_typing_error_in_what_istio_is_meant_to_take_is_an_error(stranger, path):
    """Nobody who wrote that believes it to be of no concern."""
    problem = told(stranger, CATALOG)

    assert ("GS305", path, "error") == (problem.code, problem.path, problem.severity)


def test_a_kind_of_a_later_istio_is_a_warning():
    """A repository may be ahead of this release, and must not be held for that."""
    problem = told(document(version="networking.istio.io/v1", kind="MeshWeather"), CATALOG)

    assert ("GS305", "warning") == (problem.code, problem.severity)


@pytest.mark.parametrize(
    "stranger",
    [
        document(version="v1", kind="Service"),
        document(version="rbac.istio.io/v1alpha1", kind="ServiceRole"),
        document(version="install.istio.io/v1alpha1", kind="IstioOperator"),
        document(version="extensions.higress.io/v1alpha1", kind="WasmPlugin"),
        document(version="appmesh.k8s.aws/v1beta2", kind="VirtualService"),
        {"kind": "Gateway", "replicas": 3},
        {"replicas": 3},
    ],
    ids=["kubernetes", "retired", "operator", "higress", "app-mesh", "values", "no-document"],
)
def test_what_belongs_to_others_passes_by(stranger):
    """Values files and the cluster's own documents lie beside the mesh's."""
    assert told(stranger, CATALOG) is None
