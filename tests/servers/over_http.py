"""
A Git host over HTTP(S) on loopback: the real ``git http-backend`` behind a small server.

It can ask for a password, a token or a client's certificate, and it can misbehave, as a broken or
hostile host would; see `Manner`.
"""

from __future__ import annotations

import base64
import hashlib
import os
import socket
import ssl
import subprocess
import threading
import time
from contextlib import suppress
from enum import Enum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, Self

from certificates import Pair
from repositories import clean_environment


class Manner(Enum):
    """How the host behaves."""

    GOOD = "serves what it has"
    SILENT = "takes the request and never answers"
    SLOW = "sends its answer a byte at a time"
    ENDLESS_REFS = "lists refs without end"
    ENDLESS_PROGRESS = "sends progress messages instead of a pack, without end"
    ENDLESS_PACK = "sends a pack without end"
    LIES = "lists a commit that it does not have, and sends another pack for it"
    ECHOES = "repeats what the client told about itself"


class HttpGit:
    """Serves every bare repository under *root* at ``<url>/<name>`` while the context lasts."""

    def __init__(
        self,
        root: Path,
        *,
        manner: Manner = Manner.GOOD,
        credentials: tuple[str, str] | None = None,
        token: str | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.root, self.manner = root, manner
        self.expected = None
        """The `Authorization` header that lets one in; None: everybody may."""
        if credentials is not None:
            self.expected = basic(*credentials)
        if token is not None:
            self.expected = f"Bearer {token}"
        self.status = 401
        """What is answered to who may not come in."""
        self.authorizations: list[str | None] = []
        """The `Authorization` header of every request."""
        self.redirect: str | None = None
        """If set: where every request is sent instead."""
        self.moved = ("", "")
        """If set: a part of paths that has another name now, to which everybody is sent."""
        self.stopping = threading.Event()
        self.held = threading.Event()
        """Set once a request is held that never gets an answer."""
        self.old = False
        """Whether it speaks the protocol of old, which gives no commits but the tips of refs."""
        self.requests: list[str] = []
        """Every request line that came in."""
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._tls = tls
        if tls is not None:
            # The handshake is left to the thread of the connection.
            self._server.socket = tls.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
            self._server.handle_error = _drained
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    @property
    def netloc(self) -> str:
        """``host:port``."""
        return f"127.0.0.1:{self._server.server_address[1]}"

    @property
    def url(self) -> str:
        """The base URL."""
        return f"http{'s' if self._tls else ''}://{self.netloc}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def basic(user: str, password: str) -> str:
    """Return the header that says who one is."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def tls_server(pair: Pair, clients: bytes | None = None) -> ssl.SSLContext:
    """Return the server's side of TLS; *clients* (PEM) vouch for those who may come in."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with NamedTemporaryFile() as file:
        file.write(pair.certificate + pair.key)
        file.flush()
        context.load_cert_chain(file.name)
    if clients is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(cadata=clients.decode())
    return context


def _drained(request: Any, _address: Any) -> None:
    """After a handshake that failed: let the other side read why, whatever it sends meanwhile."""
    with suppress(OSError):
        request.settimeout(2)
        while socket.socket.recv(request, 65536):
            pass


def _packet(data: bytes) -> bytes:
    return b"%04x%s" % (len(data) + 4, data)


def _handler(host: HttpGit) -> type[BaseHTTPRequestHandler]:  # noqa: C901  # one class, spelt out
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: Any) -> None:
            """Say nothing: tests read the terminal."""

        def do_GET(self) -> None:
            self._answer()

        def do_POST(self) -> None:
            self._answer()

        def _answer(self) -> None:
            host.requests.append(self.requestline)
            host.authorizations.append(self.headers["Authorization"])
            body = self._body()
            if host.moved[0] and host.moved[0] in self.path:
                self._sent_to(self.path.replace(*host.moved))
                return
            if host.expected is not None and self.headers["Authorization"] != host.expected:
                told = f"no: {self.headers['Authorization']}\n".encode()
                told = told if host.manner is Manner.ECHOES else b""
                self.send_response(host.status)
                self.send_header("WWW-Authenticate", 'Basic realm="test"')
                self.send_header("Content-Type", "text/plain")
                self.send_header("Content-Length", str(len(told)))
                self.end_headers()
                self.wfile.write(told)
                return
            try:
                self._behave(body)
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True

        def _behave(self, body: bytes) -> None:
            listing = self.command == "GET"
            if host.redirect is not None:
                self._sent_to(host.redirect)
            elif host.manner is Manner.SILENT:
                host.held.set()
                host.stopping.wait(60)
            elif host.manner is Manner.ENDLESS_REFS and listing:
                self._pour(
                    "application/x-git-upload-pack-advertisement",
                    _packet(b"# service=git-upload-pack\n") + b"0000" + _packet(
                        b"1" * 40 + b" refs/heads/main\0side-band-64k ofs-delta\n"
                    ),
                    b"".join(_packet(b"2" * 40 + b" refs/heads/%06d\n" % n) for n in range(2000)),
                )  # fmt: skip
            elif host.manner is Manner.LIES and listing:
                self._tell(
                    "application/x-git-upload-pack-advertisement",
                    _packet(b"# service=git-upload-pack\n") + b"0000" + _packet(
                        b"1" * 40 + b" refs/heads/main\0side-band-64k ofs-delta\n"
                    ) + b"0000",
                )  # fmt: skip
            elif host.manner is Manner.LIES:
                pack = b"PACK" + (2).to_bytes(4, "big") + (0).to_bytes(4, "big")
                pack += hashlib.sha1(pack, usedforsecurity=False).digest()
                self._tell(
                    "application/x-git-upload-pack-result",
                    _packet(b"NAK\n") + _packet(b"\x01" + pack) + b"0000",
                )
            elif host.manner is Manner.ENDLESS_PACK and b"command=fetch" in body:
                ready = _packet(b"acknowledgments\n") + _packet(b"ready\n") + b"0001"
                # One object, a blob of 256 GiB: a stored block of zeros after the other.
                size, left = [0xB0 | ((1 << 38) & 15)], (1 << 38) >> 4
                while left:
                    size[-1] |= 0x80
                    size.append(left & 127)
                    left >>= 7
                head = b"PACK" + (2).to_bytes(4, "big") + (1).to_bytes(4, "big") + bytes(size)
                block = b"\0" + (60_000).to_bytes(2, "little")
                block += (0xFFFF ^ 60_000).to_bytes(2, "little")
                self._pour(
                    "application/x-git-upload-pack-result",
                    (b"" if b"done" in body else ready) + _packet(b"packfile\n")
                    + _packet(b"\x01" + head + b"\x78\x01"),
                    _packet(b"\x01" + block + os.urandom(60_000)),
                )  # fmt: skip
            elif host.manner is Manner.ENDLESS_PROGRESS and b"command=fetch" in body:
                # With `done` the pack follows at once, else after the end of the negotiation.
                ready = _packet(b"acknowledgments\n") + _packet(b"ready\n") + b"0001"
                self._pour(
                    "application/x-git-upload-pack-result",
                    (b"" if b"done" in body else ready) + _packet(b"packfile\n"),
                    _packet(b"\x02\x1b[31mnot yet\n") * 1000,
                )
            else:
                self._backend(body)

        def _sent_to(self, where: str) -> None:
            self.send_response(302)
            self.send_header("Location", where)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def _tell(self, kind: str, content: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def _pour(self, kind: str, first: bytes, again: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(first)
            while not host.stopping.is_set():
                self.wfile.write(again)

        def _body(self) -> bytes:
            if self.headers.get("Transfer-Encoding") != "chunked":
                return self.rfile.read(int(self.headers.get("Content-Length") or 0))
            parts = []
            while size := int(self.rfile.readline(), 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)

        def _backend(self, body: bytes) -> None:
            path, _, query = self.path.partition("?")
            env = clean_environment() | {
                "GIT_PROJECT_ROOT": str(host.root),
                "GIT_HTTP_EXPORT_ALL": "1",
                "PATH_INFO": path,
                "QUERY_STRING": query,
                "REQUEST_METHOD": self.command,
                "CONTENT_TYPE": self.headers.get("Content-Type", ""),
                "CONTENT_LENGTH": str(len(body)),
                "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
                "GIT_PROTOCOL": "" if host.old else self.headers.get("Git-Protocol", ""),
                "REMOTE_ADDR": "127.0.0.1",
            }
            done = subprocess.run(
                ["git", "http-backend"],
                input=body,
                env=env,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                check=False,
            )
            head, _, content = done.stdout.partition(b"\r\n\r\n")
            headers = [line.partition(b": ") for line in head.split(b"\r\n")]
            status = next((v for k, _, v in headers if k == b"Status"), b"200 OK")
            self.send_response(int(status.split()[0]))
            for key, _, value in headers:
                if key != b"Status":
                    self.send_header(key.decode(), value.decode())
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if host.manner is Manner.SLOW:
                for at in range(len(content)):
                    if host.stopping.is_set():
                        return
                    self.wfile.write(content[at : at + 1])
                    time.sleep(0.2)
            self.wfile.write(content)

    return Handler
