"""
The floor for pushes: a gRPC server that sends prepared bytes and knows nothing else.

Rule: one shared bytes object a payload, no messages, no nonces, no versions; requests are read and
never looked into. The first FIRST requests of a stream are answered with the payloads in the order
they were given, later ones are taken for ACKs; if FIRST is 0, the first request is answered with
all of them but the last, which is kept for later. A line on standard input pushes the payload with
that number to every stream. Large payloads are written to four streams at a time, since that is
faster than to all at once: a floor should be low.

    python benchmarks/echo.py 127.0.0.1:9901 FIRST payload-0 payload-1 ...
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import grpc.aio

SERVICES = {
    "istio.mcp.v1alpha1.ResourceSource": ("EstablishResourceStream",),
    "envoy.service.discovery.v3.AggregatedDiscoveryService": (
        "StreamAggregatedResources",
        "DeltaAggregatedResources",
    ),
}
LARGE = 256 * 1024


async def main(address: str, first: int, payloads: list[bytes]) -> None:
    queues: set[asyncio.Queue[bytes]] = set()
    slots = asyncio.Semaphore(4)

    async def establish(requests: AsyncIterator[bytes], context: Any) -> None:
        queue: asyncio.Queue[bytes] = asyncio.Queue()
        queues.add(queue)

        async def read() -> None:
            seen = 0
            async for _ in requests:
                if seen < first:
                    queue.put_nowait(payloads[seen])
                elif not first and not seen:
                    for payload in payloads[:-1]:
                        queue.put_nowait(payload)
                seen += 1

        reading = asyncio.create_task(read())
        try:
            while True:
                payload = await queue.get()
                async with slots if len(payload) > LARGE else contextlib.nullcontext():
                    await context.write(payload)
        finally:
            reading.cancel()
            queues.discard(queue)

    server = grpc.aio.server(options=(("grpc.max_send_message_length", -1),))
    handler = grpc.stream_stream_rpc_method_handler(establish)
    server.add_generic_rpc_handlers(
        tuple(
            grpc.method_handlers_generic_handler(service, dict.fromkeys(methods, handler))
            for service, methods in SERVICES.items()
        )
    )
    server.add_insecure_port(address)
    await server.start()
    gc.collect()
    gc.freeze()
    print("ready", flush=True)
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        for queue in list(queues):
            queue.put_nowait(payloads[int(line)])
    os._exit(0)  # each stream that is still open would print why it ends


if __name__ == "__main__":
    contents = [Path(file).read_bytes() for file in sys.argv[3:]]
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), contents))
