"""Asking a running gitsource: where it is, over what, and what is shown to whom."""

from __future__ import annotations

import http.server
import ssl
import threading
from pathlib import Path

import pytest

from certificates import Authority
from gitsource.cli.admin_client import Answer, Papers, admin_address, ask
from gitsource.errors import ConfigurationError
from servers.over_http import tls_server


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("https://mesh.example.com", "https://mesh.example.com:443"),
        ("https://mesh.example.com:9902/", "https://mesh.example.com:9902"),
        ("https://[::1]", "https://[::1]:443"),
        ("unix:/run/a.sock", "unix:/run/a.sock"),
        ("[::1]:9902", "[::1]:9902"),
    ],
)
def test_an_address_is_host_port_and_how_it_is_asked(given: str, meant: str) -> None:
    assert meant == admin_address(given, None, {})


def test_a_door_with_papers_is_asked_over_tls(tmp_path: Path) -> None:
    config = tmp_path / "gitsource.yaml"
    config.write_text("admin: {cert: a.pem, key: a.key}\n")

    assert "https://127.0.0.1:9902" == admin_address(None, config, {})


@pytest.mark.parametrize("papers", [{"ca": Path("a.pem")}, {"cert": Path("a.pem")}], ids=str)
def test_papers_are_of_no_use_without_tls(door, papers: dict[str, Path]) -> None:
    with pytest.raises(ConfigurationError, match="without TLS") as caught:
        ask(door.address, "GET", "/status", papers=Papers(**papers))

    assert f"--admin https://{door.address}" in str(caught.value.hint)
    assert [] == door.asked


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("10.0.0.7:9902", "in the clear"),
        ("mesh.example.com:9902", "in the clear"),
        ("127.0.0.1:1", "cannot reach"),
        ("[::1]:1", "cannot reach"),
        ("https://127.0.0.1:1", "cannot reach"),
        ("unix:/nonexistent/a.sock", "cannot reach"),
    ],
)
def test_a_token_does_not_go_over_a_network_in_the_clear(
    address: str, expected: str, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text("s3cret")

    with pytest.raises(ConfigurationError, match=expected) as caught:
        ask(address, "GET", "/status", papers=Papers(tmp_path / "token"))
    assert "s3cret" not in f"{caught.value}{caught.value.hint}"


@pytest.mark.parametrize(
    ("content", "shown"), [("s3cret\n", "Bearer s3cret"), ("old\nnew\n", "Bearer new")]
)
def test_the_last_token_of_a_file_is_shown(door, tmp_path: Path, content, shown) -> None:
    """It may be the file that the server reads: a token a line, and two while they change."""
    (tmp_path / "token").write_text(content)
    door.answer("/status", {})
    found = ask(door.address, "GET", "/status", papers=Papers(tmp_path / "token"))

    assert ([shown], Answer("{}", {})) == (door.tokens, found)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "has no token in it"),
        (b" \n", "has no token in it"),
        (b"\xff", "cannot be read"),
        ("tök".encode(), "cannot be read"),
    ],
)
def test_a_file_without_a_token_is_told(door, tmp_path: Path, content: bytes, why: str) -> None:
    (tmp_path / "token").write_bytes(content)

    with pytest.raises(ConfigurationError, match=f"--admin-token-file: .*{why}"):
        ask(door.address, "GET", "/status", papers=Papers(tmp_path / "token"))
    assert [] == door.asked


@pytest.fixture
def mutual(tmp_path: Path):
    """A door over TLS that wants a certificate; yields its address and all papers there are."""
    ours, theirs = Authority(), Authority()
    pair, mine = ours.issue(), theirs.issue("ada")
    (tmp_path / "ca.pem").write_bytes(ours.certificate)
    (tmp_path / "mine.pem").write_bytes(mine.certificate)
    (tmp_path / "mine.key").write_bytes(mine.key)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: object) -> None: ...

    class Server(http.server.ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None: ...

    with Server(("127.0.0.1", 0), Handler) as server:
        context = tls_server(pair, clients=theirs.certificate)
        # With 1.3 a client has sent its request before it hears that it is not let in.
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        whole = Papers(None, tmp_path / "ca.pem", tmp_path / "mine.pem", tmp_path / "mine.key")
        yield f"https://localhost:{server.server_port}", whole
        server.shutdown()


def test_a_certificate_is_shown_to_a_door_that_wants_one(mutual) -> None:
    address, papers = mutual

    assert Answer("{}", {}) == ask(address, "GET", "/status", papers=papers)
    with pytest.raises(ConfigurationError, match=f"TLS with {address}"):
        ask(address, "GET", "/status", papers=Papers(ca=papers.ca))


def test_a_door_that_nobody_we_trust_vouches_for_is_told(mutual) -> None:
    address, papers = mutual
    with pytest.raises(ConfigurationError, match=f"TLS with {address}: self-signed") as caught:
        ask(address, "GET", "/status", papers=Papers(cert=papers.cert, key=papers.key))

    assert "--admin-ca" in str(caught.value.hint)


@pytest.mark.parametrize("wrong", ["ca", "cert", "key"])
def test_papers_that_do_not_fit_are_told(mutual, wrong: str, tmp_path: Path) -> None:
    address, papers = mutual
    getattr(papers, wrong).write_text("nothing")

    with pytest.raises(ConfigurationError, match="--admin-ca, --admin-cert or --admin-key"):
        ask(address, "GET", "/status", papers=papers)
