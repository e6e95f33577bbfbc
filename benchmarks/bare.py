"""
The floor for pushes over TLS: a server that writes prepared bytes to sockets, and nothing else.

Rule: nothing is here that could be left out: no gRPC, no HTTP/2 but the heads of frames, which are
made once together with all the rest; one thread, `ssl` on the sockets themselves. As many requests
as there are payloads are waited for and then answered with all of them, to four sinks at a time,
since that is faster than to all at once; what comes later is read and dropped. Without papers the
same goes out in plaintext, which tells what TLS alone adds.

    python benchmarks/bare.py 127.0.0.1:9901 FOLDER|- payload-0 payload-1 ...
"""

from __future__ import annotations

import contextlib
import gc
import selectors
import socket
import ssl
import sys
from collections import deque
from pathlib import Path

from wire import DATA, FRAME, LATER

PREFACE = 24
HEAD, PREFIX = 9, 5
"""Bytes before each frame, and before each message within those of a stream."""
TURN = 512 * 1024
"""Bytes that a sink is sent before others have their turn."""
AT_ONCE = 4
"""Sinks that are sent to at a time."""


class Peer:
    """One sink, from its handshake on."""

    def __init__(self, sock: socket.socket, stream: memoryview, requests: int) -> None:
        self.socket = sock
        self.waits = True
        """Whether it has not asked for everything yet."""
        self._stream = stream
        self._requests = requests
        self._shaken = not isinstance(sock, ssl.SSLSocket)
        self._sent = 0
        self._read = bytearray()

    def hear(self) -> None:
        """Read what is there; raises EOFError at its end."""
        with contextlib.suppress(*LATER):
            if isinstance(self.socket, ssl.SSLSocket) and not self._shaken:
                self.socket.do_handshake()
                self._shaken = True
            while True:
                data = self.socket.recv(65536)
                if not data:
                    raise EOFError
                if self.waits:
                    self._read += data
                    self.waits = messages(self._read) < self._requests

    def speak(self) -> bool:
        """Send what the kernel takes in one turn; returns whether that was the last of it."""
        until = min(self._sent + TURN, len(self._stream))
        with contextlib.suppress(*LATER):
            while self._sent < until:
                self._sent += self.socket.send(self._stream[self._sent : until])
        return self._sent == len(self._stream)


class Server:
    """All sinks, and who of them is sent to."""

    def __init__(self, address: str, papers: str, payloads: list[bytes]) -> None:
        host, _, port = address.rpartition(":")
        self._context = None if papers == "-" else trusting(Path(papers))
        self._requests = len(payloads)
        self._stream = memoryview(framed(payloads))
        self._listening = socket.create_server((host, int(port)), backlog=1024)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listening, selectors.EVENT_READ)
        self._selector.register(sys.stdin, selectors.EVENT_READ)
        self._line: deque[Peer] = deque()
        self._under_way: set[Peer] = set()

    def run(self) -> None:
        """Serve until standard input ends."""
        while True:
            for key, events in self._selector.select():
                if key.fileobj is sys.stdin:
                    return
                if key.data is None:
                    self._take()
                    continue
                try:
                    self._serve(key.data, events)
                except (OSError, EOFError):
                    self._selector.unregister(key.fileobj)
                    key.data.socket.close()
                    self._over(key.data)

    def _take(self) -> None:
        sock, _ = self._listening.accept()
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setblocking(False)  # noqa: FBT003 - the socket API
        if self._context is not None:
            sock = self._context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
        peer = Peer(sock, self._stream, self._requests)
        self._selector.register(sock, selectors.EVENT_READ, peer)

    def _serve(self, peer: Peer, events: int) -> None:
        if events & selectors.EVENT_READ:
            waited = peer.waits
            peer.hear()
            if waited and not peer.waits:
                self._line.append(peer)
                self._next()
        if events & selectors.EVENT_WRITE and peer.speak():
            self._selector.modify(peer.socket, selectors.EVENT_READ, peer)
            self._over(peer)

    def _over(self, peer: Peer) -> None:
        self._under_way.discard(peer)
        self._next()

    def _next(self) -> None:
        while self._line and len(self._under_way) < AT_ONCE:
            peer = self._line.popleft()
            self._under_way.add(peer)
            both = selectors.EVENT_READ | selectors.EVENT_WRITE
            self._selector.modify(peer.socket, both, peer)


def messages(read: bytearray) -> int:
    """Return how many messages came in what was *read* of a connection so far."""
    at, said = PREFACE, bytearray()
    while len(read) >= at + HEAD:
        length, kind = int.from_bytes(read[at : at + 3], "big"), read[at + 3]
        if kind == DATA:
            said += read[at + HEAD : at + HEAD + length]
        at += HEAD + length
    number = at = 0
    while len(said) >= at + PREFIX:
        at += PREFIX + int.from_bytes(said[at + 1 : at + PREFIX], "big")
        number += at <= len(said)
    return number


def framed(payloads: list[bytes]) -> bytes:
    """Return messages as the DATA frames of one stream."""
    parts = []
    for payload in payloads:
        message = b"\0" + len(payload).to_bytes(4, "big") + payload
        for at in range(0, len(message), FRAME):
            frame = message[at : at + FRAME]
            parts += [len(frame).to_bytes(3, "big"), bytes((DATA, 0, 0, 0, 0, 1)), frame]
    return b"".join(parts)


def trusting(folder: Path) -> ssl.SSLContext:
    """Return what a door needs that asks for certificates of the authority in *folder*."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_cert_chain(folder / "server.pem", folder / "server.key")
    context.load_verify_locations(folder / "ca.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    context.set_alpn_protocols(["h2"])
    context.num_tickets = 0
    return context


def main() -> None:
    payloads = [Path(file).read_bytes() for file in sys.argv[3:]]
    server = Server(sys.argv[1], sys.argv[2], payloads)
    gc.collect()
    gc.freeze()
    print("ready", flush=True)
    server.run()


if __name__ == "__main__":
    main()
