"""
`envoy.service.status.v3.ClientStatusDiscoveryService`: what xDS clients have, in xDS's own words.

Rule: the facts of `gitsource sinks show`, told from the source's side: sent, accepted, refused.
A client's own view of itself is asked of the client. Key material is never told. Where there are
rights, whoever asks is told of its own streams alone, and of what they may still have. The messages
are Envoy's, loaded when somebody first asks.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

import grpc

from gitsource.model import Collection
from gitsource.observe.neutral import neutral
from gitsource.publish.secrets import is_secret
from gitsource.publish.services import ASKING, LazyService
from gitsource.publish.words import Holding
from gitsource.publish.xds.body import body_of

if TYPE_CHECKING:
    from gitsource.publish.session import Session

CSDS = "envoy.service.status.v3.ClientStatusDiscoveryService"


def csds(sessions: Callable[[], Iterable[Session]]) -> LazyService:
    """Return the service; *sessions* are the open streams."""

    def load() -> grpc.GenericRpcHandler:
        from envoy.service.status.v3 import csds_pb2

        async def fetch(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
            for matcher in request.node_matchers:
                if matcher.node_metadatas or not matcher.HasField("node_id"):
                    await context.abort(
                        grpc.StatusCode.INVALID_ARGUMENT, "clients can be chosen by node_id alone"
                    )
            return _answer(request, sessions())

        async def stream(
            requests: AsyncIterator[Any], context: grpc.aio.ServicerContext[Any, Any]
        ) -> AsyncIterator[Any]:
            async for request in requests:
                yield await fetch(request, context)

        codec = {
            "request_deserializer": csds_pb2.ClientStatusRequest.FromString,
            "response_serializer": csds_pb2.ClientStatusResponse.SerializeToString,
        }
        return grpc.method_handlers_generic_handler(
            CSDS,
            {
                "FetchClientStatus": grpc.unary_unary_rpc_method_handler(fetch, **codec),
                "StreamClientStatus": grpc.stream_stream_rpc_method_handler(stream, **codec),
            },
        )

    return LazyService(CSDS, load)


def _answer(request: Any, sessions: Iterable[Session]) -> Any:
    from envoy.service.status.v3 import csds_pb2

    answer = csds_pb2.ClientStatusResponse()
    for session in sessions:
        node = session.node
        if not session.protocol.startswith("xds") or node is None:
            continue
        if not session.is_told_to(ASKING.get()):
            continue
        matchers = [each.node_id for each in request.node_matchers]
        if matchers and not any(_matches(each, node.id) for each in matchers):
            continue
        config = answer.config.add()
        config.node.id, config.node.cluster = node.id, node.cluster
        for holding in session.may_have():
            bodies = not request.exclude_resource_contents
            config.generic_xds_configs.extend(_told(holding, bodies=bodies))
    return answer


def _matches(matcher: Any, text: str) -> bool:
    """Say whether *text* is what the StringMatcher takes; regular expressions take nothing."""
    kind = matcher.WhichOneof("match_pattern")
    wanted = getattr(matcher, kind) if kind else ""
    if not isinstance(wanted, str):
        return False
    if matcher.ignore_case:
        text, wanted = text.lower(), wanted.lower()
    tests: dict[str, Callable[[str], bool]] = {
        "exact": text.__eq__,
        "prefix": text.startswith,
        "suffix": text.endswith,
        "contains": text.__contains__,
    }
    return bool(kind in tests and tests[kind](wanted))


def _told(holding: Holding, *, bodies: bool) -> Iterator[Any]:
    """Yield what is told of each resource that was asked for, sent or accepted."""
    from envoy.admin.v3 import config_dump_shared_pb2 as shared
    from envoy.service.status.v3 import csds_pb2

    from gitsource.messages.sensitive import exposed

    statuses, client = csds_pb2.ConfigStatus, shared.ClientResourceStatus
    kinds: tuple[Collection | None, ...] = (holding.sent, holding.accepted)
    names = {name for each in kinds if each is not None for name in each.names}
    for name in sorted(names | set(holding.names or ())):
        sent, accepted = (each.get(name) if each is not None else None for each in kinds)
        one = csds_pb2.ClientConfig.GenericXdsConfig(type_url=holding.requested, name=name)
        shown = sent or accepted
        if shown is None or not shown.version:
            one.config_status, one.client_status = statuses.NOT_SENT, client.REQUESTED
            yield one
            continue
        one.version_info = shown.version
        if accepted is not None and accepted.version == shown.version:
            one.config_status, one.client_status = statuses.SYNCED, client.ACKED
        elif holding.refused is not None:
            one.config_status, one.client_status = statuses.ERROR, client.NACKED
            one.error_state.version_info = shown.version
            one.error_state.details = neutral(holding.why)
        else:
            one.config_status, one.client_status = statuses.STALE, client.REQUESTED
        if bodies and not is_secret(shown):
            one.xds_config.MergeFromString(body_of(shown.wire))
            if any(exposed(one.xds_config)):  # A cluster may hold a key as well.
                one.ClearField("xds_config")
        yield one
