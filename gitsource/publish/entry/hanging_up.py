"""
Shuts a connection of gRPC's down underneath it, where gRPC itself cannot.

Rule: only a connection that is found by the address of its peer, and only by a duplicate of its
descriptor, so that nothing of gRPC's is ever closed by us.
"""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from pathlib import Path


def hang_up(peer: str) -> bool:
    """
    Shut down the connection to *peer* (``ipv4:host:port``); returns whether it was found.

    grpc.aio cannot reset a stream whose sink does not read: even an abort waits behind the unread
    bytes, and they stay in memory. The file descriptor is gRPC's; shutting the socket down through
    a duplicate of it is safe at any time, and gRPC then lets go of all that belongs to it.
    """
    host, _, port = peer.partition(":")[2].rpartition(":")
    if not port.isdigit():
        return False
    wanted = (host.strip("[]").partition("%")[0], int(port))
    for descriptor in _DESCRIPTORS.iterdir():
        with suppress(OSError), socket.socket(fileno=os.dup(int(descriptor.name))) as one:
            if one.family not in {socket.AF_INET, socket.AF_INET6}:
                continue
            address, number = one.getpeername()[:2]
            # gRPC's sockets serve both families: IPv4 addresses come mapped into IPv6.
            if (address.removeprefix("::ffff:").partition("%")[0], number) == wanted:
                one.shutdown(socket.SHUT_RDWR)
                return True
    return False


_DESCRIPTORS = Path("/dev/fd")
"""The open file descriptors of this process, on Linux and macOS alike."""
