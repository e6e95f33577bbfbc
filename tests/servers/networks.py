"""A network between a client and a server on loopback that can lose everything in it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Network:
    """Carries bytes to and fro, until it does not."""

    port: int
    """Where clients connect."""
    lost: asyncio.Event = field(default_factory=asyncio.Event)

    def swallow(self) -> None:
        """Say nothing to anybody from now on, as when a machine loses power."""
        self.lost.set()


@asynccontextmanager
async def network(to: int) -> AsyncIterator[Network]:
    """Carry what comes in to the port *to*; at the end all connections are torn."""
    carried: list[asyncio.StreamWriter] = []
    carrying: set[asyncio.Task[object]] = set()

    async def pump(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        while (data := await source.read(65536)) and not made.lost.is_set():
            target.write(data)
        await asyncio.Event().wait()

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", to)
        carried.extend([writer, back])
        task = asyncio.current_task()
        assert task is not None
        carrying.add(task)
        await asyncio.gather(pump(reader, back), pump(there, writer))

    server = await asyncio.start_server(carry, "127.0.0.1", 0)
    made = Network(server.sockets[0].getsockname()[1])
    try:
        yield made
    finally:
        server.close()
        for task in carrying:
            task.cancel()
        for writer in carried:
            writer.transport.abort()
        if carrying:
            await asyncio.wait(carrying)
