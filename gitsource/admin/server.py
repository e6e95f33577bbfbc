"""
Opening the operators' door.

Rule: the door opens after the gRPC server serves: importing what it needs (aiohttp, the metrics
library) takes a fifth of a second, in a thread, and no sink has to wait for that.
"""

from __future__ import annotations

from gitsource.admin.operations import Metrics, Operations
from gitsource.listener import Listener, listen, load, split_address


async def serve_admin(operations: Operations, metrics: Metrics, address: str) -> Listener:
    """
    Open the door at *address*; close the listener that is returned to shut it.

    Raises ConfigurationError if the address is none, or cannot be bound.
    """
    host, _ = split_address(address, "listen.admin")
    await load("gitsource.admin.routes")
    await load("prometheus_client")
    from gitsource.admin.routes import application

    return await listen(application(operations, metrics, host), address, "listen.admin")
