"""
One gRPC call over one TCP connection, as little HTTP/2 as that takes, for the load client.

Rule: it costs no more than it must, since what it costs is taken from the server that is measured
on the same cores: large messages are received straight into the buffer they are decoded from, and
buffers are used again (fresh pages cost more than the copying; a grpcio client spends three times
the CPU of this one on a full set). No socket is read behind the caller's back: `readable` is called
when there is something to read, and returns the messages that became complete.

RFC 9113: frames in section 4, settings in 6.5, flow control in 6.9; the gRPC framing is five bytes
(compressed or not, length) before each message, which may lie across frames in any way.
"""

from __future__ import annotations

import socket
import ssl
import struct
from collections import defaultdict

DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
END_STREAM, ACK, END_HEADERS, PADDED = 0x1, 0x1, 0x4, 0x8
STREAM = 1
INITIAL_WINDOW = 4
WINDOW = 2**31 - 1
"""As much as HTTP/2 allows: the sinks of the benchmark always want more."""
REPLENISH = 256 * 1024 * 1024
FRAME = 1024 * 1024
"""Largest frame the server may send. grpc's own clients announce as much on a fast connection."""
STAGE = 64 * 1024
LATER = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
"""What a socket raises where nothing can be read or written yet."""
GRANTED = 65535
"""Bytes that may be sent on a stream, and on a connection, before more are granted."""
SENT_FRAME = 16384


class StreamEndedError(Exception):
    """The server ended the call or the connection, or sent what this client does not read."""


class Buffers:
    """Message buffers of one process, by exact length, used again and again."""

    def __init__(self) -> None:
        self._free: defaultdict[int, list[bytearray]] = defaultdict(list)

    def take(self, size: int) -> bytearray:
        """Return a buffer of *size* bytes with anything in it."""
        free = self._free[size]
        return free.pop() if free else bytearray(size)

    def give_back(self, buffer: bytearray) -> None:
        """Let *buffer* be used again."""
        if len(self._free) > 64:  # sizes that were seen once
            self._free.clear()
        self._free[len(buffer)].append(buffer)


class Call:
    """A bidirectional gRPC call on a connection of its own."""

    def __init__(
        self,
        address: str,
        path: str,
        buffers: Buffers,
        limit: int = 2**31,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """*limit*: bytes of the largest message it takes."""
        host, _, port = address.rpartition(":")
        self.socket = socket.create_connection((host, int(port)))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)  # noqa: FBT003 - the socket API
        self._shaken = tls is None
        if tls is not None:
            # Others' handshakes and bytes go on meanwhile, as among sinks that are apart.
            self.socket = tls.wrap_socket(
                self.socket, server_hostname=host, do_handshake_on_connect=False
            )
        self._buffers = buffers
        self._limit = limit
        self._stage = memoryview(bytearray(STAGE))
        self._staged = 0  # bytes in the stage
        self._out = bytearray()
        self._pending = bytearray()  # of messages, until more may be sent
        self._initial = GRANTED
        self._granted = {0: GRANTED, STREAM: GRANTED}
        self._frame_left = 0  # bytes of the current DATA frame still to come
        self._prefix = b""
        self._message: bytearray | None = None
        self._view = memoryview(b"")
        self._filled = 0
        self._consumed = 0
        settings = struct.pack(">HIHI", 4, WINDOW, 5, FRAME)
        headers = b"".join(
            b"\x00" + bytes([len(name)]) + name + bytes([len(value)]) + value
            for name, value in (
                (b":method", b"POST"),
                (b":scheme", b"http"),
                (b":path", path.encode()),
                (b":authority", address.encode()),
                (b"te", b"trailers"),
                (b"content-type", b"application/grpc"),
            )
        )
        self._write(
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
            + _frame(SETTINGS, 0, 0, settings)
            + _frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", WINDOW - 65535))
            + _frame(HEADERS, END_HEADERS, STREAM, headers)
        )

    def send(self, message: bytes) -> None:
        """Send one message."""
        self._pending += struct.pack(">BI", 0, len(message)) + message
        self._push()

    def _push(self) -> None:
        """Send as much of what is pending as was granted."""
        while self._pending:
            size = min(len(self._pending), SENT_FRAME, *self._granted.values())
            if size <= 0:
                return
            self._write(_frame(DATA, 0, STREAM, bytes(self._pending[:size])))
            del self._pending[:size]
            for on in self._granted:
                self._granted[on] -= size

    def close(self) -> None:
        """Drop the connection."""
        self.socket.close()

    def readable(self) -> list[bytearray]:
        """
        Read what is there; return complete messages, which the caller gives back to the buffers.

        Raises StreamEndedError.
        """
        done: list[bytearray] = []
        if self._out:
            self._write(b"")
        # What TLS has read and not yet given is not seen by who waits for the socket.
        while not done or (isinstance(self.socket, ssl.SSLSocket) and self.socket.pending()):
            try:
                if self._message is not None and not self._staged and self._frame_left:
                    # The bulk of a message: no staging, straight to where it is decoded from.
                    room = min(self._frame_left, len(self._message) - self._filled)
                    count = self.socket.recv_into(self._view[self._filled :], room)
                    self._ended_unless(count)
                    self._filled += count
                    self._frame_left -= count
                    self._consumed += count
                    self._finish(done)
                    continue
                count = self.socket.recv_into(self._stage[self._staged :])
                self._ended_unless(count)
                self._staged += count
            except LATER:
                break
            self._parse(done)
        return done

    # ------------------------------------------------------------------ frames

    def _parse(self, done: list[bytearray]) -> None:
        at, end, stage = 0, self._staged, self._stage
        while at < end:
            if self._frame_left:
                at += self._take(stage[at : min(end, at + self._frame_left)], done)
                continue
            if end - at < 9:
                break
            length = int.from_bytes(stage[at : at + 3], "big")
            kind, flags = stage[at + 3], stage[at + 4]
            if kind == DATA:
                if flags & PADDED:
                    raise StreamEndedError("padded frames are not read here")
                at += 9
                self._frame_left = length
                if flags & END_STREAM:
                    raise StreamEndedError("the server ended the call")
                continue
            if end - at < 9 + length:
                break
            stream = int.from_bytes(stage[at + 5 : at + 9], "big")
            self._control(kind, flags, stream, bytes(stage[at + 9 : at + 9 + length]))
            at += 9 + length
        if 0 < at < end:
            stage[: end - at] = bytes(stage[at:end])
        self._staged = end - at
        if self._staged == STAGE:
            raise StreamEndedError("a control frame is larger than this client reads")

    def _control(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if kind == SETTINGS and not flags & ACK:
            for name, value in struct.iter_unpack(">HI", payload):
                if name == INITIAL_WINDOW:
                    self._granted[STREAM] += value - self._initial
                    self._initial = value
            self._write(_frame(SETTINGS, ACK, 0, b""))
            self._push()
        elif kind == WINDOW_UPDATE:
            self._granted[stream] += int.from_bytes(payload, "big") & 0x7FFFFFFF
            self._push()
        elif kind == PING and not flags & ACK:
            self._write(_frame(PING, ACK, 0, payload))
        elif kind == HEADERS and flags & END_STREAM:
            raise StreamEndedError(f"the server ended the call: {payload!r}")
        elif kind in {RST_STREAM, GOAWAY}:
            raise StreamEndedError(f"the server reset the call: {payload!r}")

    def _take(self, part: memoryview, done: list[bytearray]) -> int:
        """Take bytes of a DATA frame; return how many were taken."""
        taken = 0
        if self._message is None:
            taken = min(5 - len(self._prefix), len(part))
            self._prefix += bytes(part[:taken])
            if len(self._prefix) == 5:
                compressed, size = struct.unpack(">BI", self._prefix)
                if compressed:
                    raise StreamEndedError("compressed messages are not read here")
                self._prefix = b""
                if size > self._limit:
                    raise StreamEndedError(f"a message of {size} bytes is too large")
                self._message = self._buffers.take(size)
                self._view = memoryview(self._message)
                self._filled = 0
        if self._message is not None:
            count = min(len(part) - taken, len(self._message) - self._filled)
            self._view[self._filled : self._filled + count] = part[taken : taken + count]
            self._filled += count
            taken += count
            self._finish(done)
        self._frame_left -= taken
        self._consumed += taken
        return taken

    def _finish(self, done: list[bytearray]) -> None:
        if self._message is not None and self._filled == len(self._message):
            self._view.release()
            done.append(self._message)
            self._message = None
        if self._consumed > REPLENISH:
            more = struct.pack(">I", self._consumed)
            self._write(_frame(WINDOW_UPDATE, 0, 0, more) + _frame(WINDOW_UPDATE, 0, STREAM, more))
            self._consumed = 0

    def _ended_unless(self, count: int) -> None:
        if not count:
            raise StreamEndedError("the server closed the connection")

    def _write(self, data: bytes) -> None:
        """Send now; what the kernel does not take (it does, for ACKs) waits for the next write."""
        self._out += data
        try:
            if not self._shaken:
                self.socket.do_handshake()
                self._shaken = True
            sent = self.socket.send(self._out)
        except LATER:
            sent = 0
        del self._out[:sent]


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    head = struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream)
    return head + payload
