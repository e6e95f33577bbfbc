"""The Kubernetes manifest says what the program and the image say."""

from __future__ import annotations

import re
import shutil
import subprocess
import sysconfig
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from gitsource.admin.routes import application
from gitsource.configuration.whole import load
from gitsource.doors.listener import split_address
from gitsource.settings_checks.addresses import is_loopback
from gitsource.triggers.places import local_folder

ROOT = Path(__file__).parents[1]
MANIFEST = ROOT / "deploy" / "kubernetes.yaml"
DOCUMENTS = list(YAML(typ="safe").load_all(MANIFEST.read_text(encoding="utf-8")))


def only(kind: str) -> dict:
    (found,) = (each for each in DOCUMENTS if each["kind"] == kind)
    return found


POD = only("StatefulSet")["spec"]["template"]["spec"]
CLAIMS = {each["metadata"]["name"] for each in only("StatefulSet")["spec"]["volumeClaimTemplates"]}
CONTAINERS = {each["name"]: each for each in POD["containers"]}
PROGRAM = CONTAINERS["gitsource"]


@pytest.fixture
def settings(tmp_path):
    """The settings of the manifest, read as the program reads them."""
    file = tmp_path / "gitsource.yaml"
    file.write_text(only("ConfigMap")["data"]["gitsource.yaml"])
    return load(file, {}, {})


def test_the_settings_are_settings(settings):
    assert settings.repository.ref == "git-sync"


def test_it_follows_the_clone_on_the_shared_volume(settings):
    folder = local_folder(settings.repository.url)
    root = next(each for each in CONTAINERS["git-sync"]["args"] if each.startswith("--root="))
    mounts = {
        name: next(each for each in told["volumeMounts"] if each["name"] == "git")
        for name, told in CONTAINERS.items()
    }

    assert str(folder) == root.removeprefix("--root=") == mounts["gitsource"]["mountPath"]
    assert mounts["gitsource"]["mountPath"] == mounts["git-sync"]["mountPath"]
    assert mounts["gitsource"]["readOnly"] is True


def test_the_clone_has_its_whole_history():
    """A shallow clone would not know since when a file exists."""
    assert "--depth=0" in CONTAINERS["git-sync"]["args"]


def test_state_is_kept_where_the_settings_say(settings):
    mounts = {each["mountPath"]: each["name"] for each in PROGRAM["volumeMounts"]}

    assert mounts[settings.state_dir] in CLAIMS


def test_every_mounted_volume_exists():
    mounted = {each["name"] for told in CONTAINERS.values() for each in told["volumeMounts"]}

    assert mounted == {each["name"] for each in POD["volumes"]} | CLAIMS


@pytest.mark.parametrize("name", list(CONTAINERS))
def test_no_container_may_do_more_than_it_must(name):
    context = CONTAINERS[name]["securityContext"]

    assert context == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert CONTAINERS[name]["resources"]["limits"]["memory"]


def test_both_run_as_the_user_to_whom_the_clone_belongs():
    """Git refuses a repository of another user; the image has this user too."""
    user = str(POD["securityContext"]["runAsUser"])
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")

    assert POD["securityContext"]["runAsNonRoot"] is True
    assert f"USER {user}:{POD['securityContext']['runAsGroup']}" in dockerfile
    assert POD["automountServiceAccountToken"] is False


def test_the_pod_is_a_restricted_one():
    """As Kubernetes' own profile has it, and nothing of the node is shared."""
    context = POD["securityContext"]
    labels = only("Namespace")["metadata"]["labels"]

    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
    assert context["seccompProfile"] == {"type": "RuntimeDefault"}
    assert context["runAsUser"] >= 1000
    assert [key for key in POD if key.startswith("host")] == []
    assert [each for each in POD["volumes"] if "hostPath" in each] == []


def test_what_goes_out_is_bounded_and_what_comes_in_is_named():
    policy = only("NetworkPolicy")["spec"]

    assert set(policy["policyTypes"]) == {"Ingress", "Egress"}
    assert all(rule.get("from") and rule.get("ports") for rule in policy["ingress"])
    assert all(rule.get("ports") for rule in policy["egress"])


def _probes() -> list[str]:
    return [
        PROGRAM[name]["exec"]["command"][-1]
        for name in ("startupProbe", "readinessProbe", "livenessProbe")
    ]


def test_probes_ask_paths_that_exist_at_the_address_that_listens(settings):
    routes = application(None, None, "127.0.0.1").router.routes()
    paths = {route.resource.canonical for route in routes}
    asked = [re.search(r"http://([^/]+)(/\w+)", probe).groups() for probe in _probes()]

    assert {host for host, _ in asked} == {settings.listen.admin}
    assert [path for _, path in asked] == ["/readyz", "/readyz", "/healthz"]
    assert {path for _, path in asked} <= paths


@pytest.mark.parametrize("code", _probes())
def test_probes_fail_where_nothing_answers(code):
    python = Path(sysconfig.get_path("scripts")) / "python"
    done = subprocess.run(
        [python, "-c", code.replace(":9902", ":1")], capture_output=True, check=False
    )

    assert done.returncode == 1


def test_sinks_come_in_by_the_port_that_listens_and_operators_do_not(settings):
    host, port = split_address(settings.listen.mcp, "")
    service = only("Service")["spec"]
    allowed = only("NetworkPolicy")["spec"]["ingress"]

    assert not is_loopback(host)
    assert is_loopback(split_address(settings.listen.admin, "")[0])
    assert PROGRAM["ports"] == [{"name": "mcp", "containerPort": port}]
    assert [each["port"] for each in service["ports"]] == [port]
    assert [each["port"] for rule in allowed for each in rule["ports"]] == [port]
    assert all(rule["from"] for rule in allowed)


def test_everything_selects_the_pod():
    labels = only("StatefulSet")["spec"]["template"]["metadata"]["labels"]

    assert only("StatefulSet")["spec"]["selector"]["matchLabels"] == labels
    assert only("Service")["spec"]["selector"] == labels
    assert only("NetworkPolicy")["spec"]["podSelector"]["matchLabels"] == labels
    assert {each["metadata"].get("namespace", "mesh-config") for each in DOCUMENTS} == {
        "mesh-config"
    }


def test_the_pod_gets_longer_to_stop_than_sinks_get_to_drain(settings):
    assert POD["terminationGracePeriodSeconds"] > settings.drain + 5


@pytest.mark.parametrize("image", [each["image"] for each in CONTAINERS.values()])
def test_images_are_pinned_by_version_and_name_no_registry(image):
    assert re.fullmatch(r"[a-z-]+(/[a-z-]+)?:v?\d+\.\d+\.\d+", image)


def test_every_field_is_one_that_kubernetes_has():
    program = shutil.which("kubernetes-validate", path=sysconfig.get_path("scripts"))
    assert program, "kubernetes-validate is a test extra: make test installs it"
    done = subprocess.run(
        [program, "--strict", "--quiet", MANIFEST], capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stdout) == (0, "")
