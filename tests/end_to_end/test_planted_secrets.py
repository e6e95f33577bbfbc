"""Random secrets in every place that may have one; all that is emitted is searched for them."""

from __future__ import annotations

import base64
import http.client
import json
import secrets
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from certificates import Authority
from repositories import Upstream
from running import Gitsource, cli, eventually, route
from servers.github_api import GitHubApi
from servers.over_http import HttpGit, Manner, basic, tls_server
from servers.over_sshd import SERVERS
from servers.proxies import HttpProxy, Socks5Proxy

QUIET = "poll: {interval: 1h}\nwatch: {enabled: false}\n"
PAGES = ("/", "/status", "/metrics", "/healthz", "/readyz", "/history", "/sinks", "/webhooks")


@dataclass
class Scene:
    """A Git host, the row that lets in there, and how to change the locks."""

    url: str
    row: dict[str, Any]
    planted: list[str] = field(default_factory=list)
    """Every secret, as it is written in a file, a variable or a URL."""
    environ: dict[str, str] = field(default_factory=dict)
    lock: Any = None
    """Lets nobody in any more."""
    hang: Any = None
    """Has the host take requests and answer none."""
    api: GitHubApi | None = None


class Place:
    """Where a scene is set up: a folder for secrets, and what is closed at the end."""

    def __init__(self, folder: Path, upstream: Upstream, stack: ExitStack) -> None:
        self.folder, self.upstream, self.stack = folder, upstream, stack
        self.authority = Authority()
        self.planted: list[str] = []

    def secret(self) -> str:
        """Return a new secret that is odd enough to be mangled by careless quoting."""
        made = f"s3cr:t/{secrets.token_hex(12)}+@%"
        self.planted.append(made)
        return made

    def file(self, name: str, content: str | bytes) -> str:
        """Write a file; returns its path."""
        path = self.folder / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return str(path)

    def https(self, **how: Any) -> HttpGit:
        """Start an HTTPS host whose authority is in `ca.pem`."""
        self.file("ca.pem", self.authority.certificate)
        tls = tls_server(self.authority.issue(), how.pop("clients", None))
        return self.stack.enter_context(HttpGit(self.upstream.folder.parent, tls=tls, **how))

    def scene(self, host: HttpGit, row: dict[str, Any], **more: Any) -> Scene:
        """Return the scene of an HTTP host."""

        def lock() -> None:
            host.expected, host.manner = basic("nobody", "nothing"), Manner.ECHOES

        def hang() -> None:
            host.expected, host.manner = None, Manner.SILENT

        row = {"prefix": host.url, "ca": str(self.folder / "ca.pem")} | row
        url = more.pop("url", f"{host.url}/mesh.git")
        return Scene(url, row, self.planted, lock=lock, hang=hang, **more)


def password(place: Place) -> Scene:
    secret = place.secret()
    host = place.https(credentials=("ada", secret))
    return place.scene(host, {"username": "ada", "password_file": place.file("p", f"{secret}\n")})


def variable(place: Place) -> Scene:
    secret = place.secret()
    row = {"username": "ada", "password_env": "MESH_PASSWORD"}
    environ = {"MESH_PASSWORD": secret}
    return place.scene(place.https(credentials=("ada", secret)), row, environ=environ)


def token(place: Place) -> Scene:
    secret = place.secret()
    return place.scene(place.https(token=secret), {"token_file": place.file("t", secret)})


def address(place: Place) -> Scene:
    secret = place.secret()
    host = place.https(credentials=("ada", secret))
    url = f"https://ada:{quote(secret, safe='')}@{host.netloc}/mesh.git"
    return place.scene(host, {}, url=url)


def app(place: Place) -> Scene:
    api = place.stack.enter_context(GitHubApi(tls_server(place.authority.issue())))
    place.planted += [line.decode() for line in api.private_key.splitlines()[1:-1]]
    row = {
        "app_id": api.app_id,
        "installation_id": api.installation_id,
        "private_key_file": place.file("app.pem", api.private_key),
        "api_url": api.url,
    }
    return place.scene(place.https(), {"github_app": row}, api=api)


def certificate(place: Place) -> Scene:
    clients = Authority("Clients")
    pair = clients.issue("gitsource")
    place.planted += [line.decode() for line in pair.key.splitlines()[1:-1]]
    row = {"client_cert": place.file("c.pem", pair.certificate)}
    row["client_key"] = place.file("c.key", pair.key)
    return place.scene(place.https(clients=clients.certificate), row)


def http_proxy(place: Place) -> Scene:
    return _proxied(place, HttpProxy, "http")


def socks_proxy(place: Place) -> Scene:
    return _proxied(place, Socks5Proxy, "socks5h")


def _proxied(place: Place, kind: type[HttpProxy | Socks5Proxy], scheme: str) -> Scene:
    secret = place.secret()
    proxy = place.stack.enter_context(kind(("ada", secret)))
    row = {"proxy": f"{scheme}://{proxy.netloc}"}
    row["proxy_credentials_file"] = place.file("proxy", f"ada:{secret}\n")
    scene = place.scene(place.https(), row)
    hang = scene.hang

    def lock() -> None:
        proxy.credentials = ("ada", "another")

    def hang_behind() -> None:
        proxy.credentials = ("ada", secret)
        hang()

    scene.lock, scene.hang = lock, hang_behind
    return scene


def ssh(place: Place) -> Scene:
    secret = place.secret()
    host = place.stack.enter_context(SERVERS[-1](place.upstream.folder.parent))
    for key in (host.private_key(secret), host.private_key()):
        place.planted += [line.decode() for line in key.splitlines()[1:-1]]
    row = {
        "prefix": f"ssh://127.0.0.1:{host.port}",
        "ssh_key": place.file("key", host.private_key(secret)),
        "ssh_passphrase_file": place.file("passphrase", f"{secret}\n"),
        "known_hosts": place.file("known_hosts", host.known_hosts_line()),
    }

    def hang() -> None:
        place.file("key", host.private_key(secret))
        host.hang()

    return Scene(f"{host.url}/mesh.git", row, place.planted, lock=host.new_user_key, hang=hang)


@pytest.mark.parametrize(
    "make",
    [password, variable, token, address, app, certificate, http_proxy, socks_proxy, ssh],
    ids=lambda make: make.__name__,
)
def test_no_secret_is_found_in_anything_that_is_emitted(tmp_path: Path, make: Any) -> None:
    """After fetches good, bad and hanging: logs, pages, answers, argvs and the state directory."""
    upstream = Upstream(tmp_path / "host" / "mesh.git")
    upstream.commit({"mesh/web.yaml": route("web", "web-v1")})
    (tmp_path / "secrets").mkdir()
    emitted: list[tuple[str, bytes]] = []
    with ExitStack() as stack:
        scene: Scene = make(Place(tmp_path / "secrets", upstream, stack))
        # A secret that stands where a URL belongs is in the config file, and there alone.
        settings = f"{QUIET}credentials: {json.dumps([scene.row])}\n"
        running = Gitsource(tmp_path / "gitsource", scene.url, settings, **scene.environ)
        stack.enter_context(running)
        argvs = stack.enter_context(watched(running))
        first = eventually(lambda: running.status()["revision"], "a first snapshot")
        scene.lock()
        refused = running.sync()
        emitted += everything(running, "after a refusal")
        emitted.append(("the answer to sync", str(refused).encode()))
        doctor = cli("doctor", "--config", running.config)
        emitted.append(("the doctor", f"{doctor.stdout}{doctor.stderr}".encode()))
        # From here on in the other format of the log.
        running.config.write_text(running.config.read_text().replace("json", "text"))
        assert running.process is not None
        running.process.send_signal(signal.SIGHUP)
        eventually(lambda: "settings reloaded" in running.log.read_text(), "the reload")
        again = running.sync()
        emitted += everything(running, "after another refusal")
        scene.hang()
        argvs.clear()
        hanging = threading.Thread(target=_asked, args=(running,))
        hanging.start()
        eventually(lambda: any(b"git-remote-http" in one or b"ssh" in one for one in argvs), "git")
        time.sleep(0.2)
        emitted += everything(running, "while one hangs")
        emitted += [("an argv", one) for one in argvs]
        running.kill()
        hanging.join()
    if scene.api is not None:
        scene.planted += [*scene.api.tokens, *scene.api.assertions]
        assert scene.api.tokens
    emitted += [(str(p), p.read_bytes()) for p in running.state.rglob("*") if p.is_file()]
    emitted.append(("the log", running.log.read_bytes()))
    places = {name for name, _ in emitted}

    assert (bool(first), bool(scene.planted), "an argv" in places) == (True, True, True)
    assert str(running.state / "audit" / "audit.jsonl") in places
    assert (doctor.returncode, "credentials" in doctor.stdout) == (1, True), doctor
    assert {"operator"} == {refused["fault"], again["fault"]}, (refused, again)
    assert [
        (place, secret)
        for place, content in emitted
        for secret in scene.planted
        if any(form in content for form in forms(secret))
    ] == []


def _asked(running: Gitsource) -> None:
    with suppress(OSError, http.client.HTTPException):
        running.sync()


def forms(secret: str) -> Iterator[bytes]:
    """Yield *secret* as it is, escaped, and as HTTP has it."""
    yield secret.encode()
    yield quote(secret, safe="").encode()
    yield quote(secret).encode()
    yield json.dumps(secret)[1:-1].encode()
    yield base64.b64encode(f"ada:{secret}".encode())
    yield base64.b64encode(f"x-access-token:{secret}".encode())
    yield base64.b64encode(secret.encode()).rstrip(b"=")


def everything(running: Gitsource, when: str) -> list[tuple[str, bytes]]:
    """Return what every page of the operators' door and the command line say."""
    found = [(f"{path} {when}", str(running.ask("GET", path)).encode()) for path in PAGES]
    told = running.cli("status")
    found.append((f"status {when}", f"{told.stdout}{told.stderr}".encode()))
    return found


@contextmanager
def watched(running: Gitsource) -> Iterator[set[bytes]]:
    """Collect the argv of the server and of everything that it starts."""
    seen: set[bytes] = set()
    over = threading.Event()

    def look() -> None:
        while not over.wait(0.005):
            todo = [running.process.pid] if running.process is not None else []
            while todo:
                pid = todo.pop()
                try:
                    seen.add(Path(f"/proc/{pid}/cmdline").read_bytes())
                    for children in Path(f"/proc/{pid}/task").glob("*/children"):
                        todo += map(int, children.read_text().split())
                except OSError:
                    continue

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()
