"""A snapshot leaves as a file, starts a server elsewhere, and is built again from its commit."""

from __future__ import annotations

import http.server
import json
import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from repositories import Upstream
from running import VS, Gitsource, cli, closing, eventually, route

HOSTILE = Path(__file__).parents[1] / "snapshot" / "hostile_exports"


def exported(upstream: Upstream, file: Path, *args: str) -> Path:
    done = cli("export", *args, "--repo", upstream.folder, "-o", file)
    assert done.returncode == 0, done.stderr
    return file


def versions(server: Gitsource) -> dict[str, str]:
    return {name: each["version"] for name, each in server.status()["collections"].items()}


# ---------------------------------------------------------------------- export and import


def test_an_instance_and_the_repository_export_the_same_file(
    server: Gitsource, upstream: Upstream, tmp_path: Path
) -> None:
    upstream.commit({"mesh/more.yaml": route("more", "x")})
    server.sync()
    server.stop()
    done = cli("export", "--state-dir", server.state, "-o", tmp_path / "kept.snapshot")

    built = exported(upstream, tmp_path / "built.snapshot")
    assert built.read_bytes() == (tmp_path / "kept.snapshot").read_bytes(), done.stderr
    assert 0o600 == built.stat().st_mode & 0o777


def test_the_digest_is_that_of_what_stands_behind_the_first_line(
    upstream: Upstream, tmp_path: Path
) -> None:
    file = exported(upstream, tmp_path / "a.snapshot")
    behind = subprocess.run(["tail", "-n", "+2", file], capture_output=True, check=True)
    done = subprocess.run(["sha256sum"], input=behind.stdout, capture_output=True, check=True)

    assert file.read_bytes().split(b" ")[2] == b"sha256:" + done.stdout.split()[0]


def test_a_server_without_any_repository_serves_what_was_imported(
    upstream: Upstream, tmp_path: Path
) -> None:
    """An air-gapped start: the Git host cannot be reached, and never could be."""
    file = exported(upstream, tmp_path / "a.snapshot")
    state = tmp_path / "gitsource" / "state"
    done = cli("import", file, "--state-dir", state)
    assert done.returncode == 0, done.stderr
    nowhere = (tmp_path / "nowhere.git").as_uri()

    with Gitsource(tmp_path / "gitsource", nowhere) as server:
        with closing(server.sink(VS)) as sink:
            push = sink.next()
        now = eventually(
            lambda: (told := server.status())["stale_since"] and told, "a look that failed"
        )

    assert ["shop/web"] == [each.metadata.name for each in push.resources]
    assert upstream.tip() == now["revision"]


def test_what_the_repository_has_newer_goes_out_over_what_was_imported(
    upstream: Upstream, tmp_path: Path
) -> None:
    file = exported(upstream, tmp_path / "a.snapshot")
    cli("import", file, "--state-dir", tmp_path / "gitsource" / "state")
    later = upstream.commit({"mesh/more.yaml": route("more", "x")})

    with Gitsource(tmp_path / "gitsource", upstream.url) as server:
        eventually(lambda: server.status()["revision"] == later, "the newer commit")
        server.stop()
    again = cli("export", "--state-dir", server.state, "-o", tmp_path / "b.snapshot")

    assert 0 == again.returncode
    assert (tmp_path / "b.snapshot").read_bytes() == exported(
        upstream, tmp_path / "c.snapshot"
    ).read_bytes()


def test_a_state_directory_in_use_is_left_alone(
    server: Gitsource, upstream: Upstream, tmp_path: Path
) -> None:
    file = exported(upstream, tmp_path / "a.snapshot")
    done = cli("import", file, "--state-dir", server.state)

    assert 2 == done.returncode
    assert "another gitsource uses" in done.stderr


def test_importing_the_same_twice_writes_once(upstream: Upstream, tmp_path: Path) -> None:
    file = exported(upstream, tmp_path / "a.snapshot")
    for _ in range(2):
        assert cli("import", file, "--state-dir", tmp_path / "state").returncode == 0

    assert ["00000001.log"] == [p.name for p in (tmp_path / "state" / "history").iterdir()]


def test_a_dry_run_and_a_look_write_nothing(upstream: Upstream, tmp_path: Path) -> None:
    file = exported(upstream, tmp_path / "a.snapshot")
    sound = cli("import", file, "--state-dir", tmp_path / "state", "--dry-run")
    shown = cli("import", file, "--state-dir", tmp_path / "state", "--show", "--output", "json")

    assert (0, 0) == (sound.returncode, shown.returncode)
    assert ["shop/web"] == list(json.loads(shown.stdout)["collections"][VS]["resources"])
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize("name", ["compressed", "one-bit-turned", "no-export", "ends-too-early"])
def test_a_hostile_file_costs_an_error_and_leaves_no_trace(name: str, tmp_path: Path) -> None:
    done = cli("import", HOSTILE / f"{name}.snapshot", "--state-dir", tmp_path / "state")

    assert 2 == done.returncode
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize("what", ["folder", "pipe", "missing"])
def test_what_is_no_file_is_refused_at_once(what: str, tmp_path: Path) -> None:
    path = tmp_path / "thing"
    if what == "folder":
        path.mkdir()
    elif what == "pipe":
        os.mkfifo(path)
    done = cli("import", path, "--dry-run")

    assert 2 == done.returncode
    assert "is no file" in done.stderr
    assert 1 == done.stderr.count(str(path))


def test_a_pin_is_served_before_what_was_imported_and_the_import_says_so(
    server: Gitsource, upstream: Upstream, tmp_path: Path
) -> None:
    server.cli("pin", upstream.tip(), "--reason", "drill")
    upstream.commit({"mesh/more.yaml": route("more", "x")})
    server.stop()
    done = cli("import", exported(upstream, tmp_path / "a.snapshot"), "--state-dir", server.state)

    assert 0 == done.returncode
    assert "is pinned and served first" in done.stderr


def test_a_shallow_clone_is_not_exported(upstream: Upstream, tmp_path: Path) -> None:
    """It does not know when resources were created, which is part of what sinks get."""
    upstream.commit({"mesh/more.yaml": route("more", "x")})
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "-q", "--depth=1", upstream.url, clone], check=True)
    done = cli("export", "--repo", clone, "-o", tmp_path / "a.snapshot")

    assert 2 == done.returncode
    assert "git fetch --unshallow" in done.stderr
    assert not (tmp_path / "a.snapshot").exists()


def test_a_commit_that_does_not_validate_is_not_exported(
    upstream: Upstream, tmp_path: Path
) -> None:
    upstream.commit({"mesh/bad.yaml": "kind: VirtualService\napiVersion: networking.istio.io/v1\n"})
    done = cli("export", "--repo", upstream.folder, "-o", tmp_path / "a.snapshot")

    assert 1 == done.returncode
    assert [] == list(tmp_path.glob("*.snapshot"))


SECRET = """\
"@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret
name: web
generic_secret: {secret: {inline_string: hunter2-the-long-one}}
"""


def test_key_material_leaves_only_if_that_is_asked_for(tmp_path: Path) -> None:
    upstream = Upstream(tmp_path / "keys.git")
    upstream.commit({"envoy/web.yaml": SECRET})
    config = tmp_path / "gitsource.yaml"
    config.write_text("secrets: {inline: allow}\n")
    args = ("export", "--repo", upstream.folder, "--config", config, "-o", tmp_path / "a.snapshot")
    refused = cli(*args)
    told = cli(*args, "--with-keys")

    assert (2, 0) == (refused.returncode, told.returncode), told.stderr
    assert "envoy/secrets web" in refused.stderr
    assert "exported with keys" in told.stderr
    assert "hunter2" not in refused.stderr + told.stderr + told.stdout


WITH_A_TOKEN = """\
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web, namespace: shop}
spec:
  hosts: [web.example.com]
  http:
  - headers: {request: {set: {authorization: "Bearer hunter2-the-long-one"}}}
    route: [{destination: {host: web.example.com}}]
"""


def test_what_no_report_shows_leaves_only_if_that_is_asked_for(tmp_path: Path) -> None:
    """A dry-run hides the header, so an export does not hand it on in passing."""
    upstream = Upstream(tmp_path / "token.git")
    upstream.commit({"mesh/web.yaml": WITH_A_TOKEN})
    args = ("export", "--repo", upstream.folder, "-o", tmp_path / "a.snapshot")
    refused = cli(*args)
    told = cli(*args, "--with-keys")
    verified = cli("verify", "--repo", upstream.folder, "--against", tmp_path / "a.snapshot")

    assert (2, 0, 0) == (refused.returncode, told.returncode, verified.returncode), verified.stderr
    assert "istio/networking/v1alpha3/virtualservices shop/web" in refused.stderr


# ---------------------------------------------------------------------- verify


def test_what_is_served_is_built_again_from_its_commit(
    server: Gitsource, upstream: Upstream, tmp_path: Path
) -> None:
    """By an instance, by its history, by a file, and by the version alone."""
    repo = ("--repo", str(upstream.folder))
    version = server.status()["version"]
    file = exported(upstream, tmp_path / "a.snapshot")
    ways = (
        (version, "--against", f"127.0.0.1:{server.ports['admin']}"),
        ("--against", str(file)),
        (upstream.tip()[:12], "--state-dir", str(server.state)),
        (version, "--revision", upstream.tip()),
    )
    done = [cli("verify", *way, *repo) for way in ways]

    assert [0, 0, 0, 0] == [each.returncode for each in done], [each.stderr for each in done]
    assert all(f"version {version} again" in each.stdout for each in done)


def test_a_shallow_clone_is_enough_to_verify(
    server: Gitsource, upstream: Upstream, tmp_path: Path
) -> None:
    upstream.commit({"mesh/more.yaml": route("more", "x")})
    server.sync()
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "-q", "--depth=1", upstream.url, clone], check=True)
    done = cli("verify", "--against", f"127.0.0.1:{server.ports['admin']}", "--repo", clone)

    assert 0 == done.returncode, done.stdout + done.stderr


def test_a_snapshot_that_was_not_made_of_its_commit_is_found_out(
    upstream: Upstream, tmp_path: Path
) -> None:
    """Whoever made the file took a resource of another commit along."""
    file = exported(upstream, tmp_path / "a.snapshot")
    upstream_tip = upstream.tip()
    evil = Upstream(tmp_path / "evil.git")
    evil.commit({"mesh/web.yaml": route("web", "elsewhere"), "mesh/x.yaml": route("x", "y")})
    forged = forge(exported(evil, tmp_path / "evil.snapshot"), file, tmp_path / "forged.snapshot")
    text = cli("verify", "--against", forged, "--repo", upstream.folder)
    told = cli("verify", "--against", forged, "--repo", upstream.folder, "--output", "json")

    assert (1, 1) == (text.returncode, told.returncode), text.stderr
    assert "not what was told" in text.stdout
    (differing,) = json.loads(told.stdout)["collections"]
    assert (VS, ["shop/web", "shop/x"]) == (differing["collection"], differing["resources"])
    assert upstream_tip == json.loads(told.stdout)["revision"]


def forge(content: Path, revision: Path, out: Path) -> Path:
    """Write a file with the *content* of one export and the *revision* of another."""
    from gitsource.encode.resource import proved
    from gitsource.snapshot.exported import read, write

    with content.open("rb") as one, revision.open("rb") as other, out.open("wb") as file:
        write(file, read(one, proved)[0].at(read(other, proved)[0].revision))
    return out


@contextmanager
def answering(told: dict) -> Iterator[str]:
    """Serve *told* as the answer to everything."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(told).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            return

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()


def test_an_instance_whose_collections_do_not_come_to_its_version_is_lying(
    server: Gitsource, upstream: Upstream
) -> None:
    _, told = server.ask("GET", "/snapshot")
    forged = "A" * 43 + "="
    told["collections"][VS]["version"] = forged
    with answering(told) as address:
        done = cli("verify", "--against", address, "--repo", upstream.folder)

    assert 1 == done.returncode, done.stderr
    assert "do not come to that version themselves" in done.stdout


@pytest.mark.parametrize("revision", ["HEAD", "--output=/tmp/x", "main", "a" * 39])
def test_an_instance_that_names_no_commit_is_not_followed(
    revision: str, server: Gitsource, upstream: Upstream
) -> None:
    _, told = server.ask("GET", "/snapshot")
    with answering(told | {"revision": revision}) as address:
        done = cli("verify", "--against", address, "--repo", upstream.folder)

    assert 2 == done.returncode
    assert "for a commit" in done.stderr


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["nothing"], "neither the version of a snapshot nor a commit"),
        (["abcd", "--revision", "main"], "--revision goes with a VERSION"),
        (["abcdef", "--against", "127.0.0.1:1"], "cannot reach gitsource"),
        (["abcdef", "--state-dir", "nowhere"], "is no state directory"),
        (["--against", "a:1", "--state-dir", "b"], "one of them"),
    ],
)
def test_what_cannot_be_verified_is_a_wrong_usage(
    args: list[str], words: str, upstream: Upstream
) -> None:
    done = cli("verify", *args, "--repo", upstream.folder)

    assert 2 == done.returncode
    assert words in done.stderr


def test_a_commit_that_the_repository_does_not_have_is_told(
    server: Gitsource, tmp_path: Path
) -> None:
    other = Upstream(tmp_path / "other.git")
    other.commit({"a.yaml": route("a", "b")})
    done = cli("verify", "--against", f"127.0.0.1:{server.ports['admin']}", "--repo", other.folder)

    assert 2 == done.returncode
    assert "does not have" in done.stderr


def test_other_settings_make_another_snapshot(upstream: Upstream, tmp_path: Path) -> None:
    upstream.commit({"mesh/one.yaml": route("one", "x").replace(", namespace: shop", "")})
    file = exported(upstream, tmp_path / "a.snapshot")
    config = tmp_path / "gitsource.yaml"
    config.write_text("default_namespace: elsewhere\n")
    done = cli("verify", "--against", file, "--repo", upstream.folder, "--config", config)

    assert 1 == done.returncode
    assert "elsewhere/one" in done.stdout
    assert "the same settings" in done.stderr
