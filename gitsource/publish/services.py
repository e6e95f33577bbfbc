"""
Health and reflection beside the MCP method, imported when somebody first asks for them.

Rule: the state of health is kept here and is true at any time; the library that speaks it costs
time to import, which no start has to pay.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import grpc

from gitsource.security.peer import NOBODY, Peer

ASKING: ContextVar[Peer] = ContextVar("asking", default=NOBODY)
"""Who makes the call that is being answered, as the door found out."""

HEALTH = "grpc.health.v1.Health"
REFLECTION = "grpc.reflection.v1alpha.ServerReflection"


class LazyService(grpc.GenericRpcHandler):  # type: ignore[misc] # grpc publishes no types
    """A gRPC service whose handlers are made at the first call to it."""

    def __init__(self, name: str, load: Callable[[], grpc.GenericRpcHandler]) -> None:
        self._prefix = f"/{name}/"
        self._load = load
        self._handlers: grpc.GenericRpcHandler | None = None

    def service(
        self, handler_call_details: grpc.HandlerCallDetails
    ) -> grpc.RpcMethodHandler | None:
        """Return the handler of a call, if it is one to this service."""
        if not handler_call_details.method.startswith(self._prefix):
            return None
        if self._handlers is None:
            self._handlers = self._load()
        return self._handlers.service(handler_call_details)


class _Catch:
    """Takes what the generated `add_…_to_server` functions would add to a server."""

    handlers: tuple[grpc.GenericRpcHandler, ...] = ()

    def add_generic_rpc_handlers(self, handlers: tuple[grpc.GenericRpcHandler, ...]) -> None:
        self.handlers = handlers

    def add_registered_method_handlers(self, name: str, handlers: Any) -> None:
        """Nothing to do: the generic ones say the same."""


class Health(LazyService):
    """`grpc.health.v1.Health` for the whole server (``""``) and each of *services*."""

    def __init__(self, *services: str) -> None:
        super().__init__(HEALTH, self._loaded)
        self._names = ("", *services)
        self._serving = False
        self._servicer: Any = None
        self._telling: set[asyncio.Task[None]] = set()

    def show(self, *, serving: bool) -> None:
        """Answer SERVING or NOT_SERVING from now on, and tell those who watch."""
        if serving != self._serving:
            self._serving = serving
            self._tell()

    def _tell(self) -> None:
        if self._servicer is None:
            return
        # In a task of its own: the servicer waits for watchers to take the news, and one that does
        # not read must not keep anything else from going on.
        task = asyncio.get_running_loop().create_task(self._told())
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)

    async def _told(self) -> None:
        for name in self._names:
            await self._servicer.set(name, self._state())

    def _state(self) -> int:
        from grpc_health.v1 import health_pb2

        states = health_pb2.HealthCheckResponse
        return int(states.SERVING if self._serving else states.NOT_SERVING)

    def _loaded(self) -> grpc.GenericRpcHandler:
        from grpc_health.v1 import health_pb2_grpc
        from grpc_health.v1.health import aio

        self._servicer = aio.HealthServicer()
        # Done before the call that made us load is read: it is the next thing the loop does.
        self._tell()
        catch = _Catch()
        health_pb2_grpc.add_HealthServicer_to_server(self._servicer, catch)
        return catch.handlers[0]


def reflection(*services: str) -> LazyService:
    """Return the reflection service, which names *services*, health and itself."""

    def load() -> grpc.GenericRpcHandler:
        from grpc_health.v1 import health_pb2  # noqa: F401 - registers its descriptor
        from grpc_reflection.v1alpha import reflection_pb2_grpc
        from grpc_reflection.v1alpha.reflection import aio

        from gitsource._proto.istio.mcp.v1alpha1 import mcp_pb2  # noqa: F401 - same
        from gitsource.messages import known

        for package in sorted({service.rpartition(".")[0] for service in services}):
            known.load(package)  # registers what is Envoy's

        catch = _Catch()
        servicer = aio.ReflectionServicer((*services, HEALTH, REFLECTION))
        reflection_pb2_grpc.add_ServerReflectionServicer_to_server(servicer, catch)
        return catch.handlers[0]

    return LazyService(REFLECTION, load)
