"""The contracts in proto/ and the modules compiled from them."""

import subprocess
import sys
from pathlib import Path

import pytest
from google.protobuf import descriptor_pool

from gitsource._proto.gitsource.state.v1 import state_pb2
from gitsource._proto.istio.mcp.v1alpha1 import mcp_pb2, metadata_pb2, resource_pb2
from gitsource.catalog.kinds import body_descriptor, spellings
from gitsource.catalog.rows import BUILTIN
from gitsource.errors import ConfigurationError

ROOT = Path(__file__).parents[1]
PROTOS = sorted((ROOT / "proto").rglob("*.proto"))


def generate(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, root / "proto" / "generate.py", *arguments]
    return subprocess.run(command, check=False, capture_output=True, text=True)


def test_the_committed_modules_are_what_the_protos_compile_to():
    told = generate(ROOT, "--check")

    assert (told.returncode, told.stderr) == (0, "")


def test_a_stale_module_is_noticed_and_mended(tmp_path):
    for folder in ("proto", "gitsource/_proto"):
        for path in sorted((ROOT / folder).rglob("*.[p]*")):
            if path.is_file() and path.suffix in {".py", ".pyi", ".proto"}:
                target = tmp_path / path.relative_to(ROOT)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(path.read_bytes())
    stale = tmp_path / "gitsource/_proto/istio/mcp/v1alpha1/mcp_pb2.py"
    stale.write_text("# stale\n")
    before = generate(tmp_path, "--check")
    generate(tmp_path)
    after = generate(tmp_path, "--check")

    assert before.returncode == 1
    assert "istio/mcp/v1alpha1/mcp_pb2.py is not what proto/ compiles to" in before.stderr
    assert after.returncode == 0
    assert "stale" not in stale.read_text()


@pytest.mark.parametrize("path", PROTOS, ids=lambda path: path.stem)
def test_a_contract_opens_by_saying_what_it_is_and_borrows_no_annotations(path):
    text = path.read_text()

    assert text.startswith("// ")
    assert 'syntax = "proto3";' in text
    assert not any(word in text for word in ("go_package", "field_behavior", "gogoproto", "+cue"))


def test_a_package_lies_where_its_name_says():
    for path in PROTOS:
        package = path.parent.relative_to(ROOT / "proto").as_posix().replace("/", ".")

        assert f"package {package};" in path.read_text()


@pytest.mark.parametrize("kind", BUILTIN, ids=lambda kind: kind.kind)
def test_every_built_in_kind_has_a_body(kind):
    assert body_descriptor(kind.body).full_name == kind.body


def test_a_body_that_is_no_message_is_a_configuration_error():
    for body in ("istio.networking.v1alpha3.Nothing", "acme.v1.Flag"):
        with pytest.raises(ConfigurationError, match=f"no message {body} is known"):
            body_descriptor(body)


def test_fields_may_be_written_as_json_or_as_declared():
    fields = body_descriptor("istio.networking.v1alpha3.VirtualService").fields_by_name

    assert spellings(fields["export_to"]) == ("exportTo", "export_to")
    assert spellings(fields["hosts"]) == ("hosts",)


NUMBERS = {
    mcp_pb2.RequestResources: {
        "sink_node": 1,
        "collection": 2,
        "initial_resource_versions": 3,
        "response_nonce": 4,
        "error_detail": 5,
        "incremental": 6,
    },
    mcp_pb2.Resources: {
        "system_version_info": 1,
        "collection": 2,
        "resources": 3,
        "removed_resources": 4,
        "nonce": 5,
        "incremental": 6,
    },
    resource_pb2.Resource: {"metadata": 1, "body": 2},
    metadata_pb2.Metadata: {
        "name": 1,
        "create_time": 2,
        "version": 3,
        "labels": 4,
        "annotations": 5,
    },
}


@pytest.mark.parametrize("message", NUMBERS, ids=lambda message: message.DESCRIPTOR.name)
def test_the_protocol_has_the_numbers_of_the_wire(message):
    numbers = {field.name: field.number for field in message.DESCRIPTOR.fields}

    assert numbers == NUMBERS[message]


def test_the_service_is_the_one_that_sinks_call():
    service = descriptor_pool.Default().FindServiceByName("istio.mcp.v1alpha1.ResourceSource")

    assert [method.name for method in service.methods] == ["EstablishResourceStream"]


def test_deprecated_fields_are_marked():
    route = body_descriptor("istio.networking.v1alpha3.HTTPRoute").fields_by_name

    assert route["mirror_percent"].GetOptions().deprecated
    assert not route["mirror_percentage"].GetOptions().deprecated


def test_the_state_is_read_back():
    revision = state_pb2.Revision(commit="c0ffee", committed_at=-1)

    assert state_pb2.Revision.FromString(revision.SerializeToString()) == revision
