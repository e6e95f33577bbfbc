"""The doctor before real Git hosts: each fault is found by its check, and nothing is changed."""

from __future__ import annotations

import fcntl
import os
import socket
import ssl
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import pytest

from certificates import Authority, Pair
from gitsource.doctor.check import CHECKS, Check
from gitsource.doctor.examine import examine
from gitsource.git.mirror import Mirror
from gitsource.settings.doors import Admin, Listen, Tls
from gitsource.settings.following import CredentialRow, LayerRow, Repository, Trust
from gitsource.settings.judging import CollectionRow
from gitsource.settings.triggers import Webhook
from gitsource.settings.units import Address
from gitsource.settings.whole import Settings
from repositories import Upstream
from servers.over_http import HttpGit
from servers.over_sshd import SERVERS
from svids import Mesh


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Have no files of the user's own in the way."""
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(folder))
    return folder


@pytest.fixture
def upstream(tmp_path: Path) -> Upstream:
    made = Upstream(tmp_path / "hosted" / "mesh.git")
    made.commit({"a.yaml": "kind: A\n"}, when=int(time.time()) - 60)
    return made


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Return settings whose state directory is sound and whose ports are free."""
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    with socket.socket() as one, socket.socket() as other:
        for each in (one, other):
            each.bind(("127.0.0.1", 0))
        addresses = [f"127.0.0.1:{each.getsockname()[1]}" for each in (one, other)]
    return Settings(state_dir=str(state), listen=Listen(*addresses), folder=str(tmp_path))


def found(
    settings: Settings, url: str, *rows: CredentialRow, **repository: str
) -> dict[str, Check]:
    """Return the checks by name, once it is seen that each was made once and in order."""
    followed = Repository(url, **repository)
    checks = list(examine(replace(settings, repository=followed, credentials=rows)))
    order = [name for name in CHECKS if name in {check.name for check in checks}]
    assert order == sorted((check.name for check in checks), key=list(CHECKS).index)
    assert all(check.hint for check in checks if check.state in {"failed", "warning"})
    return {check.name: check for check in checks}


def states(checks: dict[str, Check]) -> dict[str, str]:
    """Return what is not well."""
    return {name: check.state for name, check in checks.items() if check.state != "ok"}


def tls_server(pair: Pair) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.NamedTemporaryFile() as file:
        file.write(pair.certificate + pair.key)
        file.flush()
        context.load_cert_chain(file.name)
    return context


# --------------------------------------------------------------------------- hosts


def test_a_sound_set_up_has_nothing_to_say(settings, upstream, tmp_path):
    authority = Authority()
    ca, token = tmp_path / "ca.pem", tmp_path / "token"
    ca.write_bytes(authority.certificate)
    token.write_text("t0ken-t0ken\n")
    tls = tls_server(authority.issue(days=90))
    with HttpGit(upstream.folder.parent, token="t0ken-t0ken", tls=tls) as host:
        row = CredentialRow(host.url, ca=str(ca), token_file=str(token))
        checks = found(settings, f"{host.url}/mesh.git", row)

    assert {} == states(checks)
    assert set(CHECKS) - {"host key", "door", "admin", "webhook"} == set(checks)
    assert upstream.tip()[:12] in checks["ref"].text
    assert "t0ken" not in repr(checks)


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("expired", {"tls": "failed"}),
        ("unknown", {"tls": "failed"}),
        ("ends soon", {"tls": "warning"}),
    ],
)
def test_a_certificate_is_judged_before_anything_is_sent(
    settings, upstream, tmp_path, fault, expected
):
    authority = Authority()
    ca = tmp_path / "ca.pem"
    ca.write_bytes((Authority() if fault == "unknown" else authority).certificate)
    days = {"expired": -1, "ends soon": 3}.get(fault, 90)
    with HttpGit(upstream.folder.parent, tls=tls_server(authority.issue(days=days))) as host:
        checks = found(settings, f"{host.url}/mesh.git", CredentialRow(host.url, ca=str(ca)))
        asked = host.requests

    assert expected.items() <= states(checks).items()
    if expected["tls"] == "failed":
        assert {"credentials", "ref", "read only"} <= states(checks).keys()
        assert not any("info/refs" in line for line in asked)


def test_a_wrong_password_is_a_matter_of_credentials(settings, upstream):
    with HttpGit(upstream.folder.parent, credentials=("reader", "right-one")) as host:
        url = f"{host.url}/mesh.git".replace("://", "://reader:wrong-one@")
        checks = found(settings, url)

    assert {"credentials": "failed", "ref": "skipped", "read only": "skipped"} == states(checks)
    assert "wrong-one" not in repr(checks)


def test_a_password_file_that_is_missing_is_named(settings, upstream):
    with HttpGit(upstream.folder.parent) as host:
        row = CredentialRow(host.url, username="x", password_file="not-there")
        checks = found(settings, f"{host.url}/mesh.git", row)

    assert "failed" == checks["credentials"].state
    assert "not-there" in checks["credentials"].text


def test_what_takes_no_pushes_over_http_is_read_only(settings, upstream):
    with HttpGit(upstream.folder.parent) as host:
        reading = found(settings, f"{host.url}/mesh.git")
        upstream.git("config", "http.receivepack", "true")
        before = upstream.git("for-each-ref")
        pushing = found(settings, f"{host.url}/mesh.git")
        asked = host.requests

    assert "ok" == reading["read only"].state
    assert {"read only": "warning"} == states(pushing)
    assert before == upstream.git("for-each-ref")
    assert not any(line.startswith("POST") and "receive-pack" in line for line in asked)


@pytest.mark.parametrize("server", SERVERS)
def test_what_takes_no_pushes_over_ssh_is_read_only(settings, upstream, home, server):
    with server(upstream.folder.parent) as host:
        host.write_home(home)
        known = home / ".ssh" / "known_hosts"
        key = home / ".ssh" / "id_ed25519"
        url = f"{host.url}/mesh.git"
        row = CredentialRow(
            f"ssh://127.0.0.1:{host.port}", ssh_key=str(key), known_hosts=str(known)
        )
        reading = found(settings, url, row)
        host.take_pushes()
        pushing = found(settings, url, row)

    assert {"clock": "skipped"} == states(reading), reading["credentials"].text
    assert {"clock": "skipped", "read only": "warning"} == states(pushing)
    assert "ok" == reading["host key"].state


@pytest.mark.parametrize("server", SERVERS)
def test_a_host_key_that_changed_is_told_with_both_fingerprints(settings, upstream, home, server):
    with server(upstream.folder.parent) as host:
        host.write_home(home, known=host.known_hosts_line(wrong=True))
        row = CredentialRow(
            f"ssh://127.0.0.1:{host.port}",
            ssh_key=str(home / ".ssh" / "id_ed25519"),
            known_hosts=str(home / ".ssh" / "known_hosts"),
        )
        checks = found(settings, f"{host.url}/mesh.git", row)
        fingerprint = host.fingerprint

    assert "failed" == checks["host key"].state
    assert "skipped" == checks["credentials"].state
    assert fingerprint in checks["host key"].text
    assert 2 == checks["host key"].text.count("SHA256:")


def test_a_host_that_is_not_there_is_found_at_the_first_step(settings):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"https://127.0.0.1:{closed.getsockname()[1]}/mesh.git"
        away = found(settings, url)
    nowhere = found(settings, "https://nowhere.invalid/mesh.git")

    assert ("ok", "failed") == (away["dns"].state, away["tcp"].state)
    assert "tls" not in away
    assert "failed" == nowhere["dns"].state
    assert "tcp" not in nowhere


def test_a_branch_that_is_missing_is_told_with_those_there_are(settings, upstream):
    checks = found(settings, upstream.url, ref="release")

    assert "failed" == checks["ref"].state
    assert "main" in checks["ref"].hint


@pytest.mark.parametrize("followed", [{"tag": "v1.2.0"}, {"semver": "^1.0"}, {"name": "HEAD"}])
def test_whatever_is_followed_is_looked_for(settings, upstream, followed):
    upstream.git("tag", "v1.2.0", "main")
    upstream.git("tag", "v2.0.0", "main")

    checks = found(settings, upstream.url, **followed)

    assert "ok" == checks["ref"].state, checks["ref"].text
    assert upstream.tip()[:12] in checks["ref"].text


def test_a_path_that_is_not_in_the_head_is_told_before_anything_is_served(settings, upstream):
    upstream.commit({"mesh/eu/a.yaml": "kind: A\n"})
    there, typo, file = (
        found(settings, upstream.url, path=path)["path"]
        for path in ("mesh/eu/", "mehs", "mesh/eu/a.yaml")
    )

    assert ("ok", "failed", "failed") == (there.state, typo.state, file.state)
    assert f"'mehs' in {upstream.tip()[:12]}" in typo.text
    assert "repository.path" in typo.hint


def test_a_path_on_a_host_is_looked_for_in_what_was_fetched(settings, upstream):
    with HttpGit(upstream.folder.parent) as host:
        url = f"{host.url}/mesh.git"
        before = found(settings, url, path="mehs")["path"]
        mirror = Mirror(Path(settings.state_dir) / "mirror.git", Repository(url))
        mirror.open()
        mirror.fetch()
        mirror.close()
        after = found(settings, url, path="mehs")["path"]

    assert ("skipped", "failed") == (before.state, after.state)


# --------------------------------------------------------------------------- this machine


def test_a_repository_that_we_could_write_to_is_warned_of(settings, upstream):
    writable = os.access(upstream.folder, os.W_OK)
    checks = found(settings, upstream.url)

    assert writable
    assert "warning" == checks["read only"].state


def test_keys_that_cannot_be_read_are_a_matter_of_signatures(settings, upstream):
    trust = Trust(mode="head", gpg_keys=("/not/there.asc",))
    checks = found(replace(settings, trust=trust), upstream.url)

    assert "failed" == checks["signatures"].state
    assert "/not/there.asc" in checks["signatures"].text


def test_a_schema_that_is_none_is_found(settings, upstream, tmp_path):
    (tmp_path / "flags.json").write_text('{"type": 7}')
    rows = (CollectionRow("acme/v1/flags", api_version="a/v1", kind="F", schema="flags.json"),)
    broken = found(replace(settings, collections=rows), upstream.url)
    (tmp_path / "flags.json").write_text('{"type": "object"}')
    mended = found(replace(settings, collections=rows), upstream.url)

    assert "failed" == broken["schemas"].state
    assert "ok" == mended["schemas"].state


def test_the_lock_of_a_running_gitsource_is_seen_and_not_taken(settings, upstream):
    lock = Path(settings.state_dir) / "lock"
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        used = found(settings, upstream.url)["state"]
    free = found(settings, upstream.url)["state"]

    assert "in use by a gitsource" in used.text
    assert "in use" not in free.text


def test_a_port_that_somebody_else_has_is_told(settings, upstream):
    host, _, port = settings.listen.mcp.rpartition(":")
    with socket.create_server((host, int(port))):
        checks = found(settings, upstream.url)

    assert "failed" == checks["ports"].state
    assert settings.listen.mcp in checks["ports"].text


def test_nothing_is_left_behind(settings, upstream):
    def left() -> list[Path]:
        return sorted([*Path(settings.state_dir).rglob("*"), *Path("/proc/self/fd").iterdir()])

    found(settings, upstream.url)  # what is loaded once is loaded
    before = left()

    found(settings, upstream.url)

    assert before == left()


def test_each_layer_is_looked_at_and_the_rest_once(settings, upstream):
    gone = upstream.folder.with_name("gone.git").as_uri()
    layers = (
        LayerRow("low", Repository(upstream.url)),
        LayerRow("top", Repository(upstream.url, ref="missing")),
        LayerRow("lost", Repository(gone)),
    )

    checks = list(examine(replace(settings, layers=layers)))

    assert [("low", "ok"), ("top", "failed"), ("lost", "skipped")] == [
        (check.layer, check.state) for check in checks if check.name == "ref"
    ]
    assert ["", "", "", "", ""] == [
        check.layer
        for check in checks
        if check.name in {"git", "schemas", "state", "clock", "ports"}
    ]


def test_a_schema_that_only_a_layer_could_have_is_missing(settings, upstream):
    rows = (CollectionRow("acme/v1/x", api_version="acme/v1", kind="X", schema="x.json"),)
    layers = (LayerRow("low", Repository(upstream.url)),)

    checks = list(examine(replace(settings, layers=layers, collections=rows)))

    assert ["failed"] == [check.state for check in checks if check.name == "schemas"]


# --------------------------------------------------------------------------- the sinks' door


def test_the_papers_of_the_sinks_door_are_tried_out(settings, tmp_path):
    mesh = Mesh()
    cert, key = mesh.server().put(tmp_path, "server")
    (tmp_path / "ca.pem").write_bytes(mesh.pem)
    papers = Tls(cert=str(cert), key=str(key), ca=str(tmp_path / "ca.pem"))
    told = []
    for spoil in (False, True):
        if spoil:
            key.write_bytes(mesh.server().key)
        mine = replace(settings, tls=papers, repository=Repository(url=f"file://{tmp_path}"))
        (door,) = (one for one in examine(mine) if one.name == "door")
        told.append(door)

    assert ["ok", "failed"] == [one.state for one in told]
    assert "days left" in told[0].text
    assert f"tls.key ({key}) does not fit" in told[1].text


@pytest.mark.parametrize(
    ("secret", "spoilt", "state", "words"),
    [
        ("a-secret-of-this-test", False, "ok", "days left"),
        (None, False, "failed", "No such file"),
        ("# nothing but words", False, "failed", "has no secret in it"),
        ("a", False, "failed", "line 1: a secret is"),
        ("a-secret-of-this-test", True, "failed", "hook.pem"),
    ],
)
def test_what_the_webhooks_door_needs_is_tried_out(
    settings, tmp_path, secret, spoilt, state, words
):
    cert, key = Mesh().server().put(tmp_path, "hook")
    if spoilt:
        cert.write_text("garbage")
    if secret is not None:
        (tmp_path / "secret").write_text(f"{secret}\n")
    hook = Webhook(
        Address("127.0.0.1:0"), secret_file=str(tmp_path / "secret"), cert=str(cert), key=str(key)
    )
    mine = replace(settings, webhook=hook, repository=Repository(url=f"file://{tmp_path}"))

    (door,) = (one for one in examine(mine) if one.name == "webhook")

    assert state == door.state
    assert words in door.text
    assert bool(door.hint) is (state == "failed")


def test_the_papers_of_the_operators_door_are_tried_out(settings, tmp_path):
    cert, key = Mesh().server().put(tmp_path, "admin")
    here = Repository(url=f"file://{tmp_path}")
    mine = replace(settings, admin=Admin(cert=str(cert), key=str(key)), repository=here)
    told = []
    for content in (key.read_bytes(), b"garbage"):
        key.write_bytes(content)
        told += [one for one in examine(mine) if one.name == "admin"]

    assert ["ok", "failed"] == [one.state for one in told]
    assert f"admin.key ({key})" in told[1].text


def test_plaintext_on_a_network_is_warned_of(settings, tmp_path):
    everywhere = Address("0.0.0.0:0")
    here = Repository(url=f"file://{tmp_path}")
    open_ = replace(settings, insecure=True, listen=Listen(mcp=everywhere), repository=here)
    (door,) = (one for one in examine(open_) if one.name == "door")

    assert ("warning", True) == (door.state, "plaintext" in door.text)


def test_one_branch_is_told_as_one(settings, upstream):
    assert found(settings, upstream.url)["credentials"].text.endswith("can be read, 1 branch")
