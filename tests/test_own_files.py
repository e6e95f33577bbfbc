"""What collections name is found beside the config file or in the repository, or told."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from google.protobuf import text_format
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from gitsource import protos
from gitsource.build.judge import bounds, judge
from gitsource.configuration.catalogs import catalog_for
from gitsource.configuration.whole import load
from gitsource.errors import ConfigurationError
from gitsource.messages import sets

SETS = Path(__file__).parent / "messages"
ROUTES = text_format.Parse(
    (SETS / "accepted" / "routes.textproto").read_text("utf-8"), FileDescriptorSet()
).SerializeToString()
ROW = {"name": "acme/ai/routes", "message": "acme.ai.v1.ModelRoute"}
PROTO = """\
syntax = "proto3";
package acme.ai.v1;
import "google/protobuf/duration.proto";
import "acme/ai/v1/effort.proto";
message ModelRoute { string model = 1; google.protobuf.Duration timeout = 2; Effort effort = 3; }
"""
EFFORT = 'syntax = "proto3"; package acme.ai.v1; enum Effort { EFFORT_UNSPECIFIED = 0; HIGH = 1; }'


def settings(folder: Path, *rows: dict):
    file = folder / "gitsource.yaml"
    file.write_text(json.dumps({"collections": rows}))
    return load(file, {}, {})


def findings(catalog, text: str) -> list[tuple[str, int, int]]:
    found = judge(text.encode(), None, catalog, bounds(catalog), json=False)
    return [(one.code, one.line, one.column) for each in found.documents for one in each.findings]


DOCUMENT = """\
"@type": type.googleapis.com/acme.ai.v1.ModelRoute
model: small
timeout: 5s
"""


def test_a_set_lies_beside_the_config_file_or_in_the_repository(tmp_path):
    told = settings(tmp_path, ROW | {"descriptor_set": "sets/routes.binpb"})
    from_repository = catalog_for(told, {"sets/routes.binpb": ROUTES}.get)
    (tmp_path / "sets").mkdir()
    (tmp_path / "sets" / "routes.binpb").write_bytes(ROUTES)
    from_beside = catalog_for(told, {"sets/routes.binpb": b"broken"}.get)

    assert from_repository.digest == from_beside.digest
    assert [] == findings(from_beside, DOCUMENT)
    assert [("GS310", 4, 1)] == findings(from_beside, DOCUMENT + "modell: x\n")


def test_another_set_is_another_catalog(tmp_path):
    told = settings(tmp_path, ROW | {"descriptor_set": "a.binpb"})
    more = FileDescriptorSet.FromString(ROUTES)
    more.file[0].message_type[0].field.add(name="more", number=9, type=9, label=1)

    one = catalog_for(told, {"a.binpb": ROUTES}.get)
    other = catalog_for(told, {"a.binpb": more.SerializeToString()}.get)

    assert one.digest != other.digest
    assert [("GS310", 4, 1)] == findings(one, DOCUMENT + "more: x\n")
    assert [] == findings(other, DOCUMENT + "more: x\n")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (None, "there is no descriptor set a.binpb, neither beside the config file"),
        (ROUTES[:-3], "a.binpb in the repository: it is no descriptor set, or not a whole one"),
        (b"x" * (sets.LARGEST + 1), "a descriptor set may have"),
    ],
)
def test_a_set_that_cannot_be_used_names_its_collection(tmp_path, data, words):
    told = settings(tmp_path, ROW | {"descriptor_set": "a.binpb"})
    with pytest.raises(ConfigurationError, match=re.escape(words)) as caught:
        catalog_for(told, lambda _: data)

    assert str(caught.value).startswith("collections: acme/ai/routes: ")
    assert caught.value.hint


def test_before_there_is_a_revision_only_what_lies_beside_is_looked_at(tmp_path):
    told = settings(tmp_path, ROW | {"descriptor_set": "a.binpb"})

    assert "acme/ai/routes" in catalog_for(told, None).by_collection
    (tmp_path / "a.binpb").write_bytes(b"broken")
    with pytest.raises(ConfigurationError, match="it is no descriptor set"):
        catalog_for(told, None)


def test_a_message_that_nobody_knows_is_told_with_what_to_give(tmp_path):
    with pytest.raises(ConfigurationError) as caught:
        catalog_for(settings(tmp_path, ROW), {}.get)

    assert "no message acme.ai.v1.ModelRoute is known" in str(caught.value)
    assert "descriptor_set or protos" in caught.value.hint


# --------------------------------------------------------------------------- .proto files


@pytest.fixture
def folder(tmp_path):
    package = tmp_path / "protos" / "acme" / "ai" / "v1"
    package.mkdir(parents=True)
    (package / "route.proto").write_text(PROTO)
    (package / "effort.proto").write_text(EFFORT)
    return tmp_path


def test_a_folder_of_protos_is_compiled(folder):
    made = catalog_for(settings(folder, ROW | {"protos": "protos"}), {}.get)

    assert [] == findings(made, DOCUMENT + "effort: HIGH\n")
    assert [("GS307", 4, 9)] == findings(made, DOCUMENT + "effort: LOW\n")


def test_a_changed_proto_is_compiled_anew(folder):
    told = settings(folder, ROW | {"protos": "protos"})
    first = catalog_for(told, {}.get)
    assert first.digest == catalog_for(told, {}.get).digest
    route = folder / "protos" / "acme" / "ai" / "v1" / "route.proto"
    route.write_text(PROTO.replace("string model = 1;", "string model = 1; string more = 7;"))

    assert [] == findings(catalog_for(told, {}.get), DOCUMENT + "more: x\n")


def test_protos_that_do_not_compile_are_told_in_the_compilers_words(folder):
    (folder / "protos" / "acme" / "ai" / "v1" / "effort.proto").write_text("enum {")
    with pytest.raises(ConfigurationError, match=r"do not compile: .*effort\.proto:1"):
        catalog_for(settings(folder, ROW | {"protos": "protos"}), {}.get)


def test_a_folder_without_protos_is_told(tmp_path):
    with pytest.raises(ConfigurationError, match=r"there is no \.proto file"):
        catalog_for(settings(tmp_path, ROW | {"protos": "nowhere"}), {}.get)


def test_a_folder_beyond_the_bounds_is_not_compiled(tmp_path):
    (tmp_path / "a.proto").write_bytes(b" " * (protos.LARGEST + 1))
    with pytest.raises(ConfigurationError, match="too many or too large"):
        protos.compiled(tmp_path, "a/b")


def test_without_the_compiler_the_two_ways_on_are_told(folder):
    """In an environment whose installed packages are out of sight."""
    code = """
import importlib.util, sys
from pathlib import Path
from gitsource import protos
from gitsource.errors import ConfigurationError
sys.path[:] = []
importlib.invalidate_caches()
try:
    protos.compiled(Path(sys.argv[1]), "a/b")
except ConfigurationError as error:
    print(error, error.hint)
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder / "protos")],
        capture_output=True, text=True, check=True,
    )  # fmt: skip

    assert "there is no compiler for them install gitsource[protos], or compile" in done.stdout


# --------------------------------------------------------------------------- Envoy's messages


ENVOY = [
    {"name": "envoy/clusters", "message": "envoy.config.cluster.v3.Cluster"},
    {"name": "envoy/endpoints", "message": "envoy.config.endpoint.v3.ClusterLoadAssignment"},
    {
        "name": "envoy/listeners",
        "path": "listeners/*.yaml",
        "message": "envoy.config.listener.v3.Listener",
    },
]
CLUSTER = """\
"@type": type.googleapis.com/envoy.config.cluster.v3.Cluster
name: outbound|9080||reviews.shop.svc.cluster.local
connect_timeout: 1s
metadata: {filter_metadata: {shop: {a: 1}}}
transport_socket:
  name: envoy.transport_sockets.tls
  typed_config:
    "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext
    sni: reviews.example.com
"""


@pytest.fixture
def envoy(tmp_path):
    return catalog_for(settings(tmp_path, *ENVOY), {}.get)


def test_an_envoy_resource_is_chosen_by_its_type_and_named_by_itself(envoy):
    judged = judge(CLUSTER.encode(), None, envoy, bounds(envoy), json=False).documents[0]

    assert [] == list(judged.findings)
    assert ("envoy/clusters", "outbound|9080||reviews.shop.svc.cluster.local") == (
        judged.collection,
        judged.name,
    )


def test_endpoints_are_named_after_their_cluster(envoy):
    text = """\
"@type": type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment
cluster_name: reviews
"""
    judged = judge(text.encode(), None, envoy, bounds(envoy), json=False).documents[0]

    assert "reviews" == judged.name


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("connect_timeout", "conect_timeout", ("GS310", 3, 1)),
        ("connect_timeout: 1s", "lb_policy: FASTEST", ("GS307", 3, 12)),
        ("sni:", "snj:", ("GS310", 9, 5)),
        ("UpstreamTlsContext", "Upstream", ("GS320", 8, 14)),
        ("name: outbound|9080||reviews.shop.svc.cluster.local", "name: a b", ("GS303", 2, 7)),
    ],
)
def test_what_is_wrong_with_an_envoy_resource_is_told_at_its_place(envoy, old, new, expected):
    assert [expected] == findings(envoy, CLUSTER.replace(old, new))


def test_an_envoy_resource_may_be_chosen_by_its_path(envoy):
    route = envoy.route("listeners/a.yaml")
    address = b"{socket_address: {address: 0.0.0.0, port_value: 80}}"
    text = b"name: web\ndefault_filter_chain: {}\naddress: " + address
    judged = judge(text, route, envoy, bounds(envoy), json=False).documents[0]

    assert ("envoy/listeners", "web", []) == (
        judged.collection,
        judged.name,
        list(judged.findings),
    )


def test_the_type_url_is_another_name_of_the_collection_and_its_rank_envoys(envoy):
    url = "type.googleapis.com/envoy.config.cluster.v3.Cluster"

    assert "envoy/clusters" == envoy.by_collection[url].collection
    ranks = [envoy.rank(f"envoy/{name}") for name in ("clusters", "endpoints", "listeners")]
    assert sorted(ranks) == ranks


def test_a_resource_of_a_type_that_no_collection_takes_counts_as_any_unknown_kind(tmp_path):
    text = b'"@type": type.googleapis.com/envoy.config.bootstrap.v3.Admin\nname: a\n'
    rows = json.dumps([{"name": "a/b", "path": "x/*"}])
    catalog = catalog_for(load(None, {}, {"collections": rows, "unknown_kinds": "error"}), {}.get)
    (finding,) = judge(text, None, catalog, bounds(catalog), json=False).findings

    assert ("GS305", 1, 10) == (finding.code, finding.line, finding.column)
    assert "envoy.config.bootstrap.v3.Admin" in finding.message


def test_the_descriptor_sets_of_the_gateway_are_what_its_protos_compile_to(tmp_path):
    gateway = Path(__file__).parents[1] / "fixtures" / "repos" / "gateway"
    seen = 0
    for step in sorted(path for path in gateway.iterdir() if path.is_dir()):
        if (step / "protos").is_dir():
            shutil.copytree(step / "protos", tmp_path, dirs_exist_ok=True)
            theirs = FileDescriptorSet.FromString((step / "descriptors/ai.binpb").read_bytes())
            ours = FileDescriptorSet.FromString(protos.compiled(tmp_path, "a/b"))
            seen += 1

            assert {f.name: f for f in ours.file} == {f.name: f for f in theirs.file}
    assert 2 == seen
