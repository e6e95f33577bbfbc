"""Messages are found by name in the packages that are installed for them, and nowhere else."""

import subprocess
import sys

import pytest

from gitsource.messages.known import by_url, find


@pytest.mark.parametrize(
    "name",
    [
        "envoy.config.cluster.v3.Cluster",
        "envoy.config.core.v3.HealthCheck.HttpHealthCheck",
        "envoy.extensions.filters.http.lua.v3.Lua",
        "xds.type.v3.TypedStruct",
        "udpa.type.v1.TypedStruct",
        "google.protobuf.Duration",
        "google.protobuf.StringValue",
        "google.rpc.Status",
        "istio.networking.v1alpha3.EnvoyFilter.Patch",
        "gitsource.state.v1.FileResult",
    ],
)
def test_a_message_is_found_by_its_full_name(name):
    assert name == find(name).full_name
    assert name == by_url(f"type.googleapis.com/{name}").full_name


@pytest.mark.parametrize(
    "name",
    [
        "",
        "Cluster",
        ".envoy.config.cluster.v3.Cluster",
        "envoy.config.cluster.v3.Clusters",
        "envoy.config.cluster.v3",
        "envoy..config.Cluster",
        "envoy.../../os.X",
        "os.path.X",
        "subprocess.X",
        "google.auth.X",
        "gitsource.cli.main.X",
        "envoy." * 200 + "X",
        "envoy.config.cluster.v3.Clu\x00ster",
        "\u00e9nvoy.X",
    ],
)
def test_what_is_no_known_message_is_none(name):
    assert find(name) is None


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_a_process_that_meets_no_envoy_message_loads_none():
    code = """
import sys
from gitsource.build.judge import bounds, judge
from gitsource.catalog.whole import Catalog
text = b"apiVersion: networking.istio.io/v1\\nkind: Gateway\\nmetadata: {name: a}\\nspec: {}\\n"
judge(text, None, Catalog(), bounds(Catalog()), json=False)
print(sorted(name for name in sys.modules if name.split(".")[0] in ("envoy", "xds", "udpa")))
"""

    assert "[]" == run(code)


@pytest.mark.parametrize("first", ["theirs", "ours"])
def test_envoys_messages_share_a_process_with_all_others(first):
    """Both distributions ship google/rpc and google/api: either order of loading has to work."""
    ours = """
import google.rpc.status_pb2, google.rpc.error_details_pb2
from grpc_reflection.v1alpha import reflection
from grpc_health.v1 import health_pb2
import gitsource._proto.istio.mcp.v1alpha1.mcp_pb2
"""
    theirs = """
from gitsource.messages.known import find
for name in ("envoy.config.bootstrap.v3.Bootstrap", "envoy.service.status.v3.ClientConfig",
             "google.api.expr.v1alpha1.Expr", "cel.expr.Expr"):
    assert find(name), name
"""
    both = theirs + ours if first == "theirs" else ours + theirs

    assert "fine" == run(both + "print('fine')")
