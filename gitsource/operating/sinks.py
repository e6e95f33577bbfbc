"""
What one sink has: exactly what it was sent and what it accepted, and another try after a NACK.

Rule: answers come from the machines of the open streams; nothing is asked of the sink. Bodies are
shown as they were sent, but key material never is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from gitsource.errors import ConfigurationError
from gitsource.model import Collection, Resource
from gitsource.operating import served
from gitsource.operating.refusals import Refusals
from gitsource.publish.secrets.overlay import Alarm, is_secret
from gitsource.publish.session import Session
from gitsource.publish.words import Holding
from gitsource.settings.views import ViewRow
from gitsource.snapshot.cache import SnapshotCache


class Sinks:
    """The open streams, for operators."""

    def __init__(
        self,
        cache: SnapshotCache,
        sessions: Callable[[], Iterable[Session]],
        refusals: Refusals,
        alarms: Callable[[], Iterable[Alarm]] = tuple,
    ) -> None:
        self.refusals = refusals
        self.alarms = alarms
        """What is wrong with the files of Secrets that are served."""
        self._cache = cache
        self._sessions = sessions

    def __repr__(self) -> str:
        return f"<Sinks {self._cache!r}>"

    def show(self, name: str, *, bodies: bool) -> dict[str, Any]:
        """
        Return what the streams of the sink *name* were sent and have accepted.

        Raises ConfigurationError if no stream is that of *name*.
        """
        rows = {row["stream"]: row for row in self._cache.sinks()}
        streams = [
            rows[session.stream]
            | {"subscriptions": [_held(one, bodies=bodies) for one in session.holdings()]}
            for session in self._called(name)
            if session.stream in rows
        ]
        return {"sink": name, "streams": streams}

    def served(self, views: Iterable[ViewRow]) -> dict[str, Any]:
        """Return who is served, as far as a push is told by it (`gitsource.operating.served`)."""
        return served.sinks(self._sessions(), self._cache.sinks(), views)

    def retry(self, name: str) -> list[int]:
        """Send the sink *name* again what it refused; returns the numbers of its streams."""
        found = self._called(name)
        for session in found:
            self._cache.forgive(session.identity)
            session.retry()
        return [session.stream for session in found]

    def _called(self, name: str) -> list[Session]:
        found = [session for session in self._sessions() if name in _names(session)]
        if not found:
            raise ConfigurationError(
                f"no sink {name[:100]!r} is connected",
                hint="`gitsource sinks` lists them: name one by its node ID, stream or address",
            )
        return found


def _names(session: Session) -> set[str]:
    told = session.node.id if session.node is not None else ""
    return {str(session.identity), str(session.stream), session.peer, told} - {""}


def _held(holding: Holding, *, bodies: bool) -> dict[str, Any]:
    return {
        "collection": holding.requested,
        "names": None if holding.names is None else list(holding.names),
        "sent": holding.sent.version if holding.sent else None,
        "accepted": holding.accepted.version if holding.accepted else None,
        "refused": holding.refused,
        "resources": list(_resources(holding.sent, holding.accepted, bodies=bodies)),
    }


def _resources(
    sent: Collection | None, accepted: Collection | None, *, bodies: bool
) -> Iterator[dict[str, Any]]:
    """Yield a row for each resource that was sent or accepted."""
    names = {*(sent.names if sent else ()), *(accepted.names if accepted else ())}
    for name in sorted(names):
        now, before = (_known(each, name) for each in (sent, accepted))
        shown = now or before
        if shown is None:
            yield {"name": name, "sent": None, "accepted": None, "file": "", "line": 0}
            continue
        row: dict[str, Any] = {
            "name": name,
            "sent": now.version if now else None,
            "accepted": before.version if before else None,
            "file": shown.origin.path,
            "line": shown.origin.line,
        }
        if bodies:
            row["body"] = _body(shown)
            if now and before and now.version != before.version:
                row["accepted_body"] = _body(before)
        yield row


def _known(collection: Collection | None, name: str) -> Resource | None:
    """Return what is known of *name*: nothing if a client may have a part of what it refused."""
    found = collection.get(name) if collection is not None else None
    return found if found is not None and found.version else None


def _body(resource: Resource) -> Any:
    from gitsource._proto.istio.mcp.v1alpha1.resource_pb2 import Resource as Message
    from gitsource.sink.bodies import as_json

    if not resource.wire:
        return None  # The sink said that it has it: nobody here knows what that is.
    body = Message.FromString(resource.wire).body
    if is_secret(resource):
        return {"@type": body.type_url, "name": resource.name, "redacted": True}
    return as_json(body.type_url, body.value)
