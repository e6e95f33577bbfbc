"""Proxies on loopback, HTTP and SOCKS5, written from the rules of these protocols."""

from __future__ import annotations

import base64
import socket
import socketserver
import threading
from abc import ABC, abstractmethod
from contextlib import suppress
from typing import Any, Self


class Proxy(ABC):
    """Takes connections on to where they want to go; `HttpProxy` and `Socks5Proxy` say how."""

    def __init__(self, credentials: tuple[str, str] | None = None) -> None:
        self.credentials = credentials
        self.targets: list[str] = []
        """``host:port`` of every connection that was taken on."""
        self.refused = 0
        """How many had the wrong credentials, or none."""
        proxy = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                with suppress(OSError):
                    proxy.serve(self.request)

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    @property
    def netloc(self) -> str:
        """``host:port``."""
        return f"127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @abstractmethod
    def serve(self, client: socket.socket) -> None:
        """Speak the protocol with *client*, then carry bytes."""

    def connect(self, host: str, port: int) -> socket.socket:
        """Return a connection to the target, which is noted."""
        self.targets.append(f"{host}:{port}")
        return socket.create_connection((host, port), timeout=10)


class HttpProxy(Proxy):
    """An HTTP proxy: CONNECT for TLS, whole addresses for plain requests."""

    def serve(self, client: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            data = client.recv(65536)
            if not data:
                return
            head += data
        lines, _, rest = head.partition(b"\r\n\r\n")
        first, *headers = lines.split(b"\r\n")
        told = {k.strip().lower(): v.strip() for k, _, v in (h.partition(b":") for h in headers)}
        if self.credentials is not None:
            pair = base64.b64encode(":".join(self.credentials).encode())
            if told.get(b"proxy-authorization") != b"Basic " + pair:
                self.refused += 1
                client.sendall(
                    b"HTTP/1.1 407 Who are you?\r\nProxy-Authenticate: Basic realm=p\r\n"
                    b"Content-Length: 0\r\nConnection: close\r\n\r\n"
                )
                return
        method, target, _ = first.split(b" ", 2)
        if method == b"CONNECT":
            host, _, port = target.decode().rpartition(":")
            with self.connect(host, int(port)) as there:
                client.sendall(b"HTTP/1.1 200 go on\r\n\r\n")
                _carry(client, there, rest)
            return
        netloc, _, path = target.decode().removeprefix("http://").partition("/")
        host, _, port = netloc.partition(":")
        kept = [h for h in headers if not h.lower().startswith((b"proxy-", b"connection:"))]
        asked = b"%s /%s HTTP/1.1\r\n" % (method, path.encode())
        asked += b"".join(h + b"\r\n" for h in [*kept, b"Connection: close"]) + b"\r\n"
        with self.connect(host, int(port or 80)) as there:
            _carry(client, there, asked + rest)


class Socks5Proxy(Proxy):
    """A SOCKS5 proxy (RFC 1928), with user and password (RFC 1929) if it has credentials."""

    def serve(self, client: socket.socket) -> None:
        _, count = _exactly(client, 2)
        methods = _exactly(client, count)
        method = 0 if self.credentials is None else 2
        if method not in methods:
            self.refused += 1
            client.sendall(b"\x05\xff")
            return
        client.sendall(bytes([5, method]))
        if self.credentials is not None:
            _exactly(client, 1)
            user, password = (_exactly(client, _exactly(client, 1)[0]).decode() for _ in range(2))
            good = (user, password) == self.credentials
            client.sendall(b"\x01\x00" if good else b"\x01\x01")
            if not good:
                self.refused += 1
                return
        _, _, _, kind = _exactly(client, 4)
        if kind == 1:
            host = socket.inet_ntoa(_exactly(client, 4))
        else:
            host = _exactly(client, _exactly(client, 1)[0]).decode()
        port = int.from_bytes(_exactly(client, 2), "big")
        with self.connect(host, port) as there:
            client.sendall(b"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00")
            _carry(client, there, b"")


def _exactly(sock: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = sock.recv(size - len(data))
        if not more:
            raise ConnectionResetError
        data += more
    return data


def _carry(client: socket.socket, there: socket.socket, first: bytes) -> None:
    """Carry bytes both ways until either side ends."""
    there.sendall(first)
    back = threading.Thread(target=_copy, args=(there, client), daemon=True)
    back.start()
    _copy(client, there)
    back.join(30)


def _copy(source: Any, target: Any) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)
