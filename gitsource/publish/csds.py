"""
`envoy.service.status.v3.ClientStatusDiscoveryService`: what xDS clients have, in xDS's own words.

Rule: the facts of `gitsource sinks show`, told from the source's side: sent, accepted, refused.
A client's own view of itself is asked of the client. Key material is never told. Where there are
rights, whoever asks is told of its own streams alone, and of what they may still have. An answer is
bounded, each peer has one at a time, and nobody waits for it to be worked out. The messages are
Envoy's, loaded when somebody first asks.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from itertools import chain
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

import grpc

from gitsource.errors import OverLimit
from gitsource.model import Collection
from gitsource.observe.neutral import neutral
from gitsource.publish.entry.admission import key_of
from gitsource.publish.secrets.overlay import is_secret
from gitsource.publish.services import ASKING, LazyService
from gitsource.publish.words import Holding
from gitsource.publish.xds.body import body_of

if TYPE_CHECKING:
    from gitsource.publish.session import Session

CSDS = "envoy.service.status.v3.ClientStatusDiscoveryService"
LARGEST = 32 * 1024 * 1024
"""Bytes of an answer; who has more streams than that asks for some of them."""
AT_ONCE = 100
"""Resources that are told of before others have their turn."""


def csds(sessions: Callable[[], Iterable[Session]]) -> LazyService:
    """Return the service; *sessions* are the open streams."""
    answering: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def load() -> grpc.GenericRpcHandler:
        from envoy.service.status.v3 import csds_pb2

        async def stream(
            requests: AsyncIterator[Any], context: grpc.aio.ServicerContext[Any, Any]
        ) -> AsyncIterator[Any]:
            alone = answering.setdefault(key_of(ASKING.get()), asyncio.Lock())
            async for request in requests:
                for matcher in request.node_matchers:
                    if matcher.node_metadatas or not matcher.HasField("node_id"):
                        await context.abort(
                            grpc.StatusCode.INVALID_ARGUMENT,
                            "clients can be chosen by node_id alone",
                        )
                # Until it is taken, so that who does not read has one answer waiting at most.
                async with alone:
                    try:
                        answer = await _answer(request, sessions())
                    except OverLimit as error:
                        await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, str(error))
                    yield answer

        # One message each way is a stream as well.
        serve = grpc.stream_stream_rpc_method_handler(
            stream,
            csds_pb2.ClientStatusRequest.FromString,
            csds_pb2.ClientStatusResponse.SerializeToString,
        )
        return grpc.method_handlers_generic_handler(
            CSDS, {"FetchClientStatus": serve, "StreamClientStatus": serve}
        )

    return LazyService(CSDS, load)


async def _answer(request: Any, sessions: Iterable[Session]) -> Any:
    """Return what is told, worked out in small pieces; raises OverLimit if it is too much."""
    from envoy.service.status.v3 import csds_pb2

    answer = csds_pb2.ClientStatusResponse()
    size = count = 0
    for session in tuple(sessions):
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
        judged, bodies = session.judged, not request.exclude_resource_contents
        for row in chain.from_iterable(_told(one, bodies=bodies) for one in session.may_have()):
            config.generic_xds_configs.append(row)
            size, count = size + row.ByteSize(), count + 1
            if size > LARGEST:
                text = (
                    f"more than {LARGEST} bytes: choose clients by node_id, or leave out contents"
                )
                raise OverLimit(text)
            if not count % AT_ONCE:
                await asyncio.sleep(0)
                if session.judged != judged:
                    raise OverLimit("rights have changed meanwhile: ask again")
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
