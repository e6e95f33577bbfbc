"""
What happens on a stream, told to the cache and the log.

Rule: nothing here decides anything. Text of a sink is neutralised and bounded before it is told; a
line is written where a person may want to know, and not for each push.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from gitsource.model import Resource
from gitsource.observe.neutral import neutral
from gitsource.publish.wire import Machine, Sent
from gitsource.publish.words import Acked, Heard, Nacked, Stale, Subscribed
from gitsource.snapshot.blame import blamed
from gitsource.snapshot.cache import SnapshotCache
from gitsource.snapshot.reports import Event, SinkReport

log = logging.getLogger("gitsource.publish")

SHOWN = 500
"""Characters of a sink's text that are shown."""


class Telling:
    """Tells of one stream; *news* says whether something about a sink was never said before."""

    def __init__(
        self,
        cache: SnapshotCache,
        news: Callable[[str, str], bool],
        machine: Machine,
        stream: int,
        peer: str,
        protocol: str,
    ) -> None:
        self._cache = cache
        self._news = news
        self._machine = machine
        self._stream = stream
        self._peer = peer
        self._protocol = protocol

    def heard(self, heard: Heard) -> None:
        """Tell what the sink said."""
        name = shown(heard.requested)
        if isinstance(heard, Stale):
            fields = {"stream": self._stream, "collection": name, "nonce": shown(heard.nonce)}
            log.debug("stale answer ignored", extra=fields)
        elif isinstance(heard, Subscribed):
            mode = "incremental" if heard.incremental else "full state"
            holds = f", holding {heard.stated} resources" if heard.stated else ""
            holds = ", holding what is served" if heard.version else holds
            report = self.report("subscribed", heard, incremental=heard.incremental)
            self.tell(report, f"sink subscribed to {name}, {mode}{holds}")
        elif isinstance(heard, Acked):
            part = ", a part of it" if heard.part else ""
            report = self.report("acked", heard, seconds=heard.seconds, part=heard.part)
            self.tell(report, f"ACK of {name}{part}")
        else:
            text = shown(heard.error.message)
            report = self.report(
                "nacked",
                heard,
                seconds=heard.seconds,
                code=heard.error.code,
                error=text,
                blamed=self._blamed(heard),
                target=heard.target,
            )
            self.tell(report, f"NACK of {name}: {text or 'no reason given'}", logging.WARNING)

    def _blamed(self, heard: Nacked) -> tuple[Resource, ...]:
        for one in self._machine.holdings():
            if one.requested == heard.requested and one.sent is not None:
                return blamed(heard.error.message, one.sent, one.accepted)
        return ()

    def sent(self, push: Sent, size: int) -> None:
        """Tell of *push*, a message of *size* bytes that the transport took."""
        mode = "delta" if push.incremental else "full state"
        note = push.note
        how = {"incremental": push.incremental, "size": size, "counts": push.counts, "note": note}
        report = self.report("sent", push, **how)
        # Its ACK says the same a moment later, and a line costs about half as much as a push.
        self.tell(report, f"push of {shown(push.requested)}, {mode}", logging.DEBUG)
        # A sink that cannot take it comes back for it again and again: it is said once.
        if note and self._news(self.label, push.collection):
            text = f"push of {shown(push.requested)}: {note}"
            log.warning("%s", text, extra=_fields(report))

    @property
    def label(self) -> str:
        """Who this is when it comes back: its node ID, or else its host."""
        identity = self._machine.identity
        return identity if isinstance(identity, str) else self._peer.rpartition(":")[0]

    def report(
        self,
        event: Event,
        about: Sent | Subscribed | Acked | Nacked | None = None,
        **more: Any,
    ) -> SinkReport:
        """Return what is to be told of *event*, with what it is *about*."""
        who = (event, self._stream, self._machine.identity, self._peer)
        if about is None:
            return SinkReport(*who, **more)
        more["version"] = about.version
        if not isinstance(about, Subscribed):
            more["nonce"] = about.nonce
        return SinkReport(
            *who, collection=about.collection, requested=shown(about.requested), **more
        )

    def tell(self, report: SinkReport, text: str, level: int = logging.INFO) -> None:
        """Tell *report* to the cache, and in words to the log."""
        self._cache.report(report, protocol=self._protocol)
        if log.isEnabledFor(level):
            log.log(level, "%s", text, extra=_fields(report))


def shown(text: str) -> str:
    """Return text of a sink fit for a log and a page: one line, harmless, not endless."""
    if len(text) > SHOWN:
        text = text[:SHOWN] + "…"
    return text if text.isprintable() else neutral(text)


def _fields(report: SinkReport) -> dict[str, object]:
    """Return what the report says, less what it leaves empty."""
    told: dict[str, object] = {"event": report.event, "stream": report.stream}
    if isinstance(report.sink, str):
        told["sink"] = report.sink
    told["peer"] = report.peer
    if report.collection:
        told["collection"] = report.requested
    if report.version:
        told |= {"version": report.version, "nonce": report.nonce}
    if report.event in {"subscribed", "sent"}:
        told["incremental"] = report.incremental
    if report.event == "sent":
        told["bytes"] = report.size
    if report.event in {"acked", "nacked"}:
        told["seconds"] = report.seconds
    if report.event == "nacked":
        told["code"] = report.code
        if report.blamed:
            told["resources"] = [one.name for one in report.blamed]
            told["files"] = [f"{one.origin.path}:{one.origin.line}" for one in report.blamed]
    if report.error:
        told["error"] = report.error
    return told
