"""Whoever answers instead of a gitsource, or on the way to one, costs an error and no more."""

from __future__ import annotations

import http.server
import json
import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from certificates import Authority
from gitsource.cli.admin_client import Papers
from gitsource.cli.admin_door import Door, door, read
from gitsource.errors import ConfigurationError, GitsourceError

GOOD = b'{"version": "v"}'


@contextmanager
def answering(raw: bytes, *, drip: float = 0.0) -> Iterator[tuple[Door, list[bytes]]]:
    """Serve *raw* to whoever asks, *drip* seconds between bytes; yields what was asked too."""
    asked: list[bytes] = []
    over = threading.Event()

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            lines = []
            while (line := self.rfile.readline()).strip():
                lines.append(line)
            asked.append(b"".join(lines))
            try:
                for at in range(0, len(raw), 1 if drip else len(raw)):
                    self.wfile.write(raw[at : at + 1] if drip else raw)
                    if drip and over.wait(drip):
                        return
            except OSError:
                return

    with socketserver.ThreadingTCPServer(("", 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        try:
            yield Door("127.0.0.1", server.server_address[1], patience=20.0), asked
        finally:
            over.set()
            server.shutdown()


def http_answer(body: bytes, status: str = "200 OK", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


# ---------------------------------------------------------------------- answers


def test_an_answer_is_read_with_one_get_and_nothing_else():
    with answering(http_answer(GOOD)) as (where, asked):
        told = read(where, "/snapshot", {"collection": "a b"})

    assert told == {"version": "v"}
    assert asked[0].startswith(b"GET /snapshot?collection=a+b HTTP/1.1\r\n")
    assert b"Authorization" not in asked[0]


def test_a_prefix_and_a_token_go_along():
    with answering(http_answer(GOOD)) as (where, asked):
        read(replace(where, prefix="/mesh", token="s3cret"), "/snapshot")

    assert asked[0].startswith(b"GET /mesh/snapshot HTTP/1.1\r\n")
    assert b"Authorization: Bearer s3cret\r\n" in asked[0]


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"\x00\x00\x12\x04\x00\x00\x00\x00\x00",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 5000 + b"\r\n{}",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000 + b"\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n{}",
        http_answer(b"<html>"),
        http_answer(b"[" * 100_000),
        http_answer(b"[1]"),
        http_answer(b"\xff\xfe"),
        http_answer(b'{"a": ' * 50_000),
    ],
    ids=lambda raw: repr(raw[:24]),
)
def test_a_stranger_is_told_from_a_gitsource(raw: bytes):
    with answering(raw) as (where, _), pytest.raises(ConfigurationError, match="admin HTTP"):
        read(where, "/snapshot")


def test_a_redirect_is_not_followed():
    moved = http_answer(b"{}", "302 Found", "Location: http://127.0.0.1:1/elsewhere")
    with answering(moved) as (where, asked), pytest.raises(GitsourceError, match="HTTP 302"):
        read(where, "/snapshot")

    assert len(asked) == 1


def test_an_answer_without_an_end_is_cut_off():
    endless = b"HTTP/1.1 200 OK\r\n\r\n" + b" " * 200_000
    with (
        answering(endless) as (where, _),
        pytest.raises(ConfigurationError, match="more than 1000"),
    ):
        read(replace(where, most=1000), "/snapshot")


@pytest.mark.parametrize(
    "start", [b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 200 OK\r\n\r\n"], ids=["head", "body"]
)
def test_an_answer_byte_by_byte_is_given_up(start: bytes):
    """Each byte comes in time; the answer would take hours."""
    too_late = pytest.raises(ConfigurationError, match="within 1")
    with answering(start + b" " * 60_000, drip=0.2) as (where, _), too_late:
        read(replace(where, patience=1.0), "/snapshot")


# ---------------------------------------------------------------------- whose fault


def test_nobody_there_is_told():
    with answering(b"") as (where, _):
        gone = where

    with pytest.raises(ConfigurationError, match=f"cannot reach gitsource at {gone}"):
        read(gone, "/snapshot")


@pytest.mark.parametrize("status", ["401 Unauthorized", "403 Forbidden"])
def test_a_door_that_wants_a_token_says_which_flag_has_it(status: str):
    outside = pytest.raises(ConfigurationError, match="does not let us in")
    with answering(http_answer(b"go away", status)) as (where, _), outside as raised:
        read(where, "/snapshot")

    assert "--admin-token-file" in raised.value.hint


def test_an_older_gitsource_is_told_from_a_stranger():
    answer = http_answer(b'{"error": "not found"}', "404 Not Found")
    with answering(answer) as (where, _), pytest.raises(ConfigurationError) as raised:
        read(where, "/snapshot")

    assert "older gitsource" in raised.value.hint


def test_what_gitsource_says_went_wrong_comes_with_whose_fault_it_is():
    told = json.dumps({"error": "disk gone", "hint": "mend it", "fault": "operator"}).encode()
    answer = http_answer(told, "500 Internal Server Error")
    with (
        answering(answer) as (where, _),
        pytest.raises(GitsourceError, match="disk gone") as raised,
    ):
        read(where, "/snapshot")

    assert "fault: operator" in str(raised.value)
    assert raised.value.hint == "mend it"


# ---------------------------------------------------------------------- addresses


@pytest.mark.parametrize(
    ("address", "meant"),
    [
        ("127.0.0.1:9902", "http://127.0.0.1:9902"),
        ("0.0.0.0:9902", "http://127.0.0.1:9902"),
        ("http://mesh.example:80/", "http://mesh.example:80"),
        ("https://mesh.example", "https://mesh.example:443"),
        ("https://mesh.example/eu/gitsource/", "https://mesh.example:443/eu/gitsource"),
        ("http://[::1]:9902", "http://[::1]:9902"),
        ("unix:/run/gitsource.sock", "unix:/run/gitsource.sock"),
    ],
)
def test_addresses_are_read(address: str, meant: str):
    assert str(door(address, option="--against")) == meant


@pytest.mark.parametrize(
    "address",
    [
        "nothing",
        "http://mesh.example",
        "ftp://mesh.example:21",
        "host:port",
        "host:0",
        "host:99999",
        "http://[::1",
        "https://ada:secret@mesh.example",
        "https://mesh.example?token=1",
    ],
)
def test_what_is_no_address_is_refused(address: str):
    with pytest.raises(ConfigurationError, match="--against"):
        door(address, option="--against")


def test_a_token_does_not_go_out_in_the_clear(tmp_path: Path):
    token = tmp_path / "token"
    token.write_text("s3cret\n")

    with pytest.raises(ConfigurationError, match="in the clear"):
        door("mesh.example:9902", Papers(token), option="--against")
    assert door("127.0.0.1:9902", Papers(token), option="--against").token == "s3cret"
    assert "s3cret" not in repr(door("https://mesh.example", Papers(token), option="--against"))


@pytest.mark.parametrize("content", [b"", b"two lines\nof it", b"\xff", b"x" * 20_000])
def test_a_file_without_a_token_is_refused(tmp_path: Path, content: bytes):
    token = tmp_path / "token"
    token.write_bytes(content)

    with pytest.raises(ConfigurationError, match="--admin-token-file"):
        door("127.0.0.1:9902", Papers(token), option="--against")


# ---------------------------------------------------------------------- TLS


@pytest.fixture
def over_tls(tmp_path: Path) -> Iterator[Door]:
    """Serve an object over TLS on localhost; yields the door, with the authority it comes from."""
    authority = Authority()
    pair = authority.issue()
    (tmp_path / "ca.pem").write_bytes(authority.certificate)
    (tmp_path / "pair.pem").write_bytes(pair.certificate + pair.key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "pair.pem")

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.wfile.write(http_answer(GOOD))

        def log_message(self, *_: object) -> None:
            return

    class Server(http.server.ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            return

    with Server(("", 0), Handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield Door("localhost", server.server_port, tls=True, papers=Papers(ca=tmp_path / "ca.pem"))
        server.shutdown()


def test_a_certificate_of_the_named_authority_counts(over_tls: Door):
    assert read(over_tls, "/snapshot") == {"version": "v"}


def test_a_certificate_of_nobody_we_trust_does_not(over_tls: Door):
    with pytest.raises(ConfigurationError, match="does not count") as raised:
        read(replace(over_tls, papers=Papers()), "/snapshot")

    assert "--admin-ca" in raised.value.hint


def test_a_certificate_for_another_name_does_not(over_tls: Door):
    with pytest.raises(ConfigurationError, match="does not count"):
        read(replace(over_tls, host="127.0.0.2"), "/snapshot")


def test_a_file_without_certificates_is_refused(over_tls: Door, tmp_path: Path):
    (tmp_path / "none.pem").write_text("nothing")

    with pytest.raises(ConfigurationError, match="--admin-ca"):
        read(replace(over_tls, papers=Papers(ca=tmp_path / "none.pem")), "/snapshot")


def test_certificates_are_for_tls(tmp_path: Path):
    with pytest.raises(ConfigurationError, match="https"):
        door("127.0.0.1:9902", Papers(ca=tmp_path / "ca.pem"), option="--against")


def test_a_unix_socket_is_asked_like_any_other(tmp_path: Path):
    path = tmp_path / "door.sock"

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            while self.rfile.readline().strip():
                pass
            self.wfile.write(http_answer(GOOD))

    with socketserver.UnixStreamServer(str(path), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        told = read(door(f"unix:{path}", option="--against"), "/snapshot")
        server.shutdown()

    assert told == {"version": "v"}
