"""
One connection of a sink over TLS: the handshake, and then bytes between it and gRPC.

Rule: nothing waits and nothing queues. Both sockets are non-blocking and are watched by the event
loop; what one side does not take stops the reading of the other, so a sink that does not read is
felt by gRPC as ever, and costs one block here. OpenSSL works on the sockets themselves: asyncio's
own TLS copies each byte several times more.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from typing import TypeAlias

BLOCK = 128 * 1024
"""Bytes moved at one go; so much at most waits here for each direction of a connection."""
BLOCKS = 4
"""Blocks a connection may move before the others have their turn."""

_SCRATCH = memoryview(bytearray(BLOCK))
"""Where bytes pass through: there is one event loop, so there is one."""

Wanted: TypeAlias = ssl.SSLWantReadError | ssl.SSLWantWriteError


class Handshake:
    """
    A handshake under way on *sock*, which is closed if it fails.

    *limit* is how many seconds it may take, and what says that it took longer.

    *done* is called once: with the socket, or with why there is none.
    """

    def __init__(
        self,
        sock: socket.socket,
        context: ssl.SSLContext,
        limit: tuple[float, Callable[[], str]],
        done: Callable[[ssl.SSLSocket | None, str], None],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._done = done
        self._timer: asyncio.TimerHandle | None = None
        try:
            self._tls = context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
        except OSError as error:  # the peer is gone already
            sock.close()
            done(None, _told(error))
            return
        self._fd = self._tls.fileno()
        seconds, late = limit
        self._timer = self._loop.call_later(seconds, lambda: self.fail(late()))
        self._loop.add_reader(self._fd, self._go_on)

    def fail(self, why: str) -> None:
        """Give it up."""
        self._over()
        self._tls.close()
        self._done(None, why)

    def _over(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._loop.remove_reader(self._fd)
        self._loop.remove_writer(self._fd)

    def _go_on(self) -> None:
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            self._loop.remove_writer(self._fd)
        except ssl.SSLWantWriteError:
            self._loop.add_writer(self._fd, self._go_on)
        except (OSError, ValueError) as error:
            self.fail(_told(error))
        else:
            self._over()
            self._done(self._tls, "")


def _told(error: Exception) -> str:
    """Return why a handshake failed, in OpenSSL's words where it has some."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message
    if isinstance(error, ssl.SSLError) and error.reason:
        return error.reason.replace("_", " ").lower()
    return "the peer hung up" if isinstance(error, OSError) else str(error)


class Relay:
    """Bytes between *sink* and *source*, until one of them ends; then both are closed."""

    def __init__(
        self, sink: ssl.SSLSocket, source: socket.socket, closed: Callable[[], None]
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._closed = closed
        self._sink, self._source = sink, source
        self._sink_fd, self._source_fd = sink.fileno(), source.fileno()
        self._to_sink = self._to_source = b""

    def start(self) -> None:
        """Begin to relay."""
        self._loop.add_reader(self._sink_fd, self._from_sink)
        self._loop.add_reader(self._source_fd, self._from_source)
        # What came with the end of the handshake lies in OpenSSL, where no event tells of it.
        self._from_sink()

    def close(self) -> None:
        """End both sides now."""
        if self._sink_fd < 0:
            return
        for fd in (self._sink_fd, self._source_fd):
            self._loop.remove_reader(fd)
            self._loop.remove_writer(fd)
        self._sink_fd = self._source_fd = -1
        with suppress(OSError, ValueError):
            self._sink.unwrap()  # says goodbye, and does not wait for the answer
        self._sink.close()
        self._source.close()
        self._closed()

    # ------------------------------------------------------------------ sink → source

    def _from_sink(self) -> None:
        for _ in range(BLOCKS):
            if self._sink_fd < 0 or self._to_source:
                return
            try:
                count = self._sink.recv_into(_SCRATCH)
            except ssl.SSLWantReadError:
                return
            except ssl.SSLWantWriteError:  # an answer of TLS's own does not fit: see _flush_sink
                self._loop.add_writer(self._sink_fd, self._flush_sink)
                return
            except OSError:
                count = 0
            if not count:
                self.close()
                return
            self._put_source(_SCRATCH[:count])
        if self._sink_fd >= 0 and self._sink.pending():
            self._loop.call_soon(self._from_sink)

    def _put_source(self, data: memoryview | bytes) -> None:
        try:
            sent = self._source.send(data)
        except BlockingIOError:
            sent = 0
        except OSError:
            self.close()
            return
        self._to_source = bytes(data[sent:])
        if self._to_source:
            self._loop.remove_reader(self._sink_fd)
            self._loop.add_writer(self._source_fd, self._flush_source)

    def _flush_source(self) -> None:
        self._put_source(self._to_source)
        if self._sink_fd >= 0 and not self._to_source:
            self._loop.remove_writer(self._source_fd)
            self._loop.add_reader(self._sink_fd, self._from_sink)
            self._from_sink()

    # ------------------------------------------------------------------ source → sink

    def _from_source(self) -> None:
        for _ in range(BLOCKS):
            if self._sink_fd < 0 or self._to_sink:
                return
            try:
                count = self._source.recv_into(_SCRATCH)
            except BlockingIOError:
                return
            except OSError:
                count = 0
            if not count:
                self.close()
                return
            self._put_sink(_SCRATCH[:count])

    def _put_sink(self, data: memoryview | bytes) -> None:
        sent = 0
        try:
            while sent < len(data):
                sent += self._sink.send(data[sent:])
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            # NB: OpenSSL may have begun a record of it; it has to be given the same bytes again.
            pass
        except OSError:
            self.close()
            return
        self._to_sink = bytes(data[sent:])
        if self._to_sink:
            self._loop.remove_reader(self._source_fd)
            self._loop.add_writer(self._sink_fd, self._flush_sink)

    def _flush_sink(self) -> None:
        if self._to_sink:
            self._put_sink(self._to_sink)
        if self._sink_fd >= 0 and not self._to_sink:
            self._loop.remove_writer(self._sink_fd)
            self._loop.add_reader(self._source_fd, self._from_source)
            self._from_source()
