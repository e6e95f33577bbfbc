"""
What an operator can ask of a running gitsource: how things stand, and the commands.

Rule: this is the one answer to each; HTTP, the CLI and signals only carry it. Every command names
who gave it and why, and is kept across restarts before it takes effect.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from gitsource.catalog.whole import Catalog
from gitsource.errors import ConfigurationError
from gitsource.git import refs
from gitsource.model import Collection
from gitsource.observe.audit.log import State
from gitsource.observe.telemetry import DoorGauges, Gauges
from gitsource.operating import served
from gitsource.operating.deliveries import Deliveries
from gitsource.operating.revisions import Revisions
from gitsource.operating.sinks import Sinks
from gitsource.publish.entry.whole import SinksDoor
from gitsource.reconcile.layers import status as layers
from gitsource.reconcile.outcomes import Condition, Outcome, rfc3339
from gitsource.reconcile.reconciler import Reconciler
from gitsource.report import machine
from gitsource.settings_checks.plaintext import crossings
from gitsource.snapshot.cache import Acceptance, SnapshotCache

MOST_WAITING = 100
"""Sinks named that have not accepted yet; the rest is only counted."""
MOST_REFUSALS = 50
"""Refusals told in one status."""
MOST_FINDINGS = 1000
"""Findings told in one status; the rest is only counted."""
OF_SINKS = (
    *("streams", "subscriptions", "names", "request_bytes", "message_bytes"),
    *("push_bytes_in_flight", "stalled", "streams_each", "new_streams", "connections"),
    *("connections_each", "handshake", "keepalive", "requests", "metadata_bytes", "push_bytes"),
    *("named_bytes_each", "named_bytes", "failed_tokens", "unanswered"),
)
"""Limits that sinks meet."""


def _open() -> Mapping[str, Any]:
    """Return what the status says where nobody goes by rules."""
    return {"open": True, "policy": None, "rules": 0, "fault": None}


class Operations:
    """Status and commands of one gitsource; lives on the event loop."""

    def __init__(
        self,
        reconciler: Reconciler,
        cache: SnapshotCache,
        look: Callable[[str], Awaitable[Outcome]],
        catalog: Callable[[], Catalog],
        sinks: Sinks,
        deliveries: Deliveries,
        revisions: Revisions,
        audit: Callable[[], State] = State,
        rights: Callable[[], Mapping[str, Any]] = _open,
        door: Callable[[], SinksDoor | None] = lambda: None,
        waiting: Callable[[], Sequence[str]] = tuple,
        papers: Callable[[], Sequence[tuple[str, str]]] = tuple,
    ) -> None:
        """
        *waiting*: which settings were changed and need a restart.

        *papers*: what is wrong with papers of others than the sinks' door: whose, and what.
        """
        self._reconciler = reconciler
        self._sinks = sinks
        self._deliveries = deliveries
        self._revisions = revisions
        self._cache = cache
        self._look = look
        self._catalog = catalog
        self._audit = audit
        self._rights = rights
        self._door = door
        self._waiting = waiting
        self._papers = papers

    # ------------------------------------------------------------------ reading

    async def status(self) -> dict[str, Any]:
        """Return how things stand; docs/operations.md explains each field."""
        now, settings = self._reconciler.condition, self._reconciler.settings
        serving, held, control = now.serving, now.held, now.control
        return {
            "revision": serving.revision.commit if serving else None,
            "version": serving.version if serving else None,
            "ready": serving is not None,
            "stale_since": rfc3339(now.stale_since),
            "published": {
                "at": rfc3339(now.published_at),
                "triggers": list(now.published_by),
            },
            "head": now.head.commit if now.head else None,
            "layers": layers.rows(now, settings),
            "held": None
            if held is None
            else {
                "revision": held.revision.commit,
                "reason": held.reason,
                "since": rfc3339(held.since),
                "findings_count": len(held.findings),
            },
            "pin": None
            if control.pin is None
            else {
                "revision": control.pin.revision,
                "reason": control.pin.reason,
                "who": control.pin.who,
                "at": rfc3339(control.pin.at),
            },
            "suspended": None
            if control.suspension is None
            else {
                "reason": control.suspension.reason,
                "who": control.suspension.who,
                "at": rfc3339(control.suspension.at),
            },
            "allowed": None
            if control.allowance is None
            else {
                "revision": control.allowance.revision,
                "reason": control.allowance.reason,
                "who": control.allowance.who,
                "at": rfc3339(control.allowance.at),
            },
            "last_sync": None
            if now.last is None
            else {
                "at": rfc3339(now.last_at),
                "outcome": now.last.result,
                "error": now.last.error or None,
                "hint": now.last.hint or None,
                "fault": now.last.fault or None,
            },
            "announced": self._deliveries.announced(),
            "unsaved": now.unsaved or None,
            "unkept": now.unkept or None,
            "reload_error": now.refused or None,
            "ignored": {"documents": now.ignored},
            "repository": {
                "url": _without_secret(settings.repository.url),
                "ref": refs.shown(settings.repository),
                "chosen": str(now.chosen) or None,
                "moved_from": now.chosen.moved_from or None,
                "path": settings.repository.path,
            },
            **machine.findings(now.findings[:MOST_FINDINGS]),
            "collections": {
                content.name: {"version": content.version, "count": len(content)}
                for content in self._collections()
            },
            "sinks": self._cache.sinks(),
            "refusals": self._sinks.refusals.rows(MOST_REFUSALS),
            "needs_restart": list(self._waiting()),
            "limits": {name: getattr(settings.limits, name) for name in OF_SINKS},
            "ended": self._cache.endings.rows(),
            "audit": _audit(self._audit()),
            "authorization": dict(self._rights()),
            "door": door.status() if (door := self._door()) is not None else None,
            "plaintext": [one.what for one in crossings(settings)],
            "papers": [{"door": door, "why": why} for door, why in self._papers()],
            "secrets": [alarm.as_json() for alarm in self._sinks.alarms()],
        }

    def behind(self) -> bool:
        """Whether the last look failed, at a layer at least: a commit may be unseen then."""
        return self._reconciler.condition.stale_since is not None

    def _collections(self) -> list[Collection]:
        """Return every collection as it is served, also the empty ones."""
        serving = self._reconciler.condition.serving
        if serving is None:
            return []
        names = {kind.collection for kind in self._catalog().kinds} | serving.collections.keys()
        return [serving.collection(name) for name in sorted(names)]

    def gauges(self) -> Gauges:
        """Return the same in numbers, for a scrape."""
        now: Condition = self._reconciler.condition
        serving = now.serving
        streams = self._cache.streams
        audit, door = self._audit(), self._door()
        known = door.gauges() if door is not None else DoorGauges()
        findings = {"error": 0, "warning": 0, "suppressed": 0}
        for finding in now.findings:
            findings["suppressed" if finding.suppressed else finding.severity] += 1
        return Gauges(
            sinks=streams,
            streams=streams,
            revision=serving.revision.commit if serving else "",
            version=serving.version if serving else "",
            committed_at=serving.revision.committed_at if serving else 0,
            published=now.published,
            held_revisions=now.held_count,
            held=now.held is not None,
            layers_held={each.name: each.held is not None for each in now.layers},
            layers_failing={each.name: bool(each.error) for each in now.layers},
            pinned=now.control.pin is not None,
            suspended=now.control.suspension is not None,
            unsaved=bool(now.unsaved or now.unkept),
            refusals=self._sinks.refusals.open,
            secrets=len(tuple(self._sinks.alarms())),
            resources={content.name: len(content) for content in self._collections()},
            findings=findings,
            ignored=now.ignored,
            announced_missing=self._deliveries.missing,
            plaintext=sum(1 for _ in crossings(self._reconciler.settings)),
            audit_failing=bool(audit.failure),
            audit_lines=audit.written,
            audit_lost=audit.lost,
            audit_waiting=audit.waiting,
            door=replace(known, alarms=known.alarms + len(self._papers())),
        )

    # ------------------------------------------------------------------ waiting

    async def wait(
        self,
        revision: str,
        sinks: int,
        timeout: float,  # noqa: ASYNC109 - the caller's own bound is what is carried out
        *,
        retries: bool = True,
    ) -> dict[str, Any]:
        """
        Return when the connected sinks (at least *sinks* of them) have accepted *revision*.

        The answer's ``outcome`` is ``accepted``, ``held`` or ``timeout``; a revision that a later
        one contains counts as accepted with that one. Without *retries* it is also ``refused``:
        once every sink that has not accepted has refused. Raises ConfigurationError for what is no
        revision.
        """
        deadline = time.monotonic() + timeout
        changed = asyncio.Event()
        unwatch = self._cache.watch(changed.set)
        unlisten = self._cache.listen(lambda _report: changed.set())
        try:
            while True:
                changed.clear()
                answer = await self._waited(revision, sinks)
                left = deadline - time.monotonic()
                if answer["outcome"] != "waiting":
                    return answer
                behind = answer["connected"] - answer["accepted"]
                if not retries and behind and answer["refused"] == behind:
                    return answer | {"outcome": "refused"}
                if left <= 0:
                    return answer | {"outcome": "timeout"}
                # A look that ends without news (a hold, say) fires neither.
                try:
                    await asyncio.wait_for(changed.wait(), min(left, 0.5))
                except TimeoutError:
                    continue
        finally:
            unwatch()
            unlisten()

    async def _waited(self, revision: str, sinks: int) -> dict[str, Any]:
        now = self._reconciler.condition
        commit = await self._reconciler.known(revision)
        held, serving = now.held_as(commit or ""), now.serving
        if held is not None:
            return {
                "outcome": "held",
                "revision": commit,
                "reason": held.reason,
                **machine.findings(held.findings),
            }
        reached = (
            commit is not None
            and serving is not None
            and await self._reconciler.contains(serving.revision.commit, commit)
        )
        told = self._cache.accepted(serving) if serving else Acceptance(0, 0, ())
        done = reached and told.complete and told.sinks >= sinks
        return {
            "outcome": "accepted" if done else "waiting",
            "revision": commit or revision,
            "serving": serving.revision.commit if serving else None,
            "accepted": told.accepted if reached else 0,
            "connected": told.sinks,
            "refused": len(told.refused) if reached else 0,
            "waiting": list(told.waiting[:MOST_WAITING]) if reached else [],
        }

    async def snapshot(self, collection: str, after: str) -> dict[str, Any]:
        """Return the versions of what is served and to whom, or of a *collection*'s resources."""
        now, views = self._reconciler.condition, self._reconciler.settings.views
        if collection:
            return served.resources(now.serving, collection, after)
        orders = {
            "pinned": now.control.pin is not None,
            "suspended": now.control.suspension is not None,
        }
        return served.whole(now.serving, views, **orders) | self._sinks.served(views)

    # ------------------------------------------------------------------ sinks

    async def sinks(self) -> dict[str, Any]:
        """Return a row for each open stream, and what was refused lately."""
        rows, refusals = self._cache.sinks(), self._sinks.refusals.rows(MOST_REFUSALS)
        return {"sinks": rows, "refusals": refusals}

    async def sink(self, name: str, *, bodies: bool) -> dict[str, Any]:
        """Return what the sink called *name* (node ID, stream number or address) was sent."""
        return self._sinks.show(name, bodies=bodies)

    async def retry(self, sink: str, reason: str, who: str) -> dict[str, Any]:
        """Send *sink* again what it refused."""
        streams = self._sinks.retry(sink)
        return {"sink": sink, "streams": streams, "reason": reason, "who": who}

    # ------------------------------------------------------------------ webhooks

    async def webhooks(self) -> dict[str, Any]:
        """Return the webhook deliveries of late."""
        return self._deliveries.rows()

    async def webhook(self, name: str) -> dict[str, Any]:
        """Return the delivery with the number or the sender's ID *name*."""
        return self._deliveries.show(name)

    # ------------------------------------------------------------------ revisions

    async def history(self) -> dict[str, Any]:
        """Return what looks at revisions came to."""
        return self._revisions.rows()

    async def explain(self, commit: str) -> dict[str, Any]:
        """Return why *commit* did or did not go out."""
        return await self._revisions.explain(commit)

    # ------------------------------------------------------------------ commands

    async def sync(self, reason: str, timeout: float = 0.0) -> dict[str, Any]:  # noqa: ASYNC109 - the caller's own bound is what is carried out
        """
        Look now; return what that came to once the head is accepted or held.

        ``accepted`` of the ``connected`` sinks have accepted what is served, and ``refused`` have
        refused a part of it, after at most *timeout* seconds; sooner if nobody is left to wait for.
        """
        outcome = await self._look(reason)
        told = _told(outcome)
        if outcome.result not in ("published", "unchanged") or outcome.revision is None:
            return told
        waited = await self.wait(outcome.revision.commit, 0, timeout, retries=False)
        return told | {key: waited.get(key, 0) for key in ("accepted", "refused", "connected")}

    async def pin(self, revision: str, reason: str, who: str) -> dict[str, Any]:
        """Serve *revision* (empty: the one before) until `unpin`."""
        _reasoned(reason)
        spec = revision or await self._reconciler.previous()
        snapshot = await self._reconciler.pin(spec, reason, who)
        return {
            "pinned": snapshot.revision.commit,
            "version": snapshot.version,
            "reason": reason,
            "who": who,
            **self._unkept(),
        }

    async def rollback(self, revision: str, reason: str, who: str) -> dict[str, Any]:
        """Do as `pin`: the word for going back."""
        return await self.pin(revision, reason, who)

    async def unpin(self, reason: str, who: str) -> dict[str, Any]:
        """Release the pin and look at the head."""
        await self._reconciler.unpin(reason, who)
        return _told(await self._look("unpin")) | self._unkept()

    async def allow(self, revision: str, reason: str, who: str) -> dict[str, Any]:
        """Let the held *revision* out, whatever was to be confirmed of it, and look at the head."""
        _reasoned(reason)
        if not revision:
            raise ConfigurationError("which revision? `held` of the status names the one")
        commit = await self._reconciler.allow(revision, reason, who)
        return {"allowed": commit, **_told(await self._look("allow"))} | self._unkept()

    async def suspend(self, reason: str, who: str) -> dict[str, Any]:
        """Look for no new revisions until `resume`."""
        _reasoned(reason)
        await self._reconciler.suspend(reason, who)
        return {"suspended": True, "reason": reason, "who": who} | self._unkept()

    async def resume(self, reason: str, who: str) -> dict[str, Any]:
        """Look for new revisions again, at once."""
        await self._reconciler.resume(reason, who)
        return _told(await self._look("resume")) | self._unkept()

    def _unkept(self) -> dict[str, Any]:
        """Return what to say beside an order: why a restart would forget it, if so."""
        return {"unkept": self._reconciler.condition.unkept or None}


def _reasoned(reason: str) -> None:
    if not reason.strip():
        raise ConfigurationError("a reason is required", hint="say why: --reason '...'")


def _told(outcome: Outcome) -> dict[str, Any]:
    return {
        "outcome": outcome.result,
        "revision": outcome.revision.commit if outcome.revision else None,
        "error": outcome.error or None,
        "hint": outcome.hint or None,
        "fault": outcome.fault or None,
        "seconds": round(outcome.seconds, 6),
        "layers": layers.told(outcome.layers),
        **machine.findings(outcome.findings[:MOST_FINDINGS]),
    }


def _audit(state: State) -> dict[str, Any]:
    return {
        "file": state.file or None,
        "head": state.head or None,
        "failure": state.failure or None,
        "since": rfc3339(state.since),
        "stopped": state.stopped,
        "waiting": state.waiting,
        "lost": state.lost,
    }


def _without_secret(url: str) -> str:
    scheme, found, rest = url.partition("://")
    if not found or "@" not in rest.partition("/")[0]:
        return url
    host = rest.partition("/")[0].rpartition("@")[2]
    return f"{scheme}://***@{host}{rest[len(rest.partition('/')[0]) :]}"
