"""
What happened, in the words of the audit log: streams, revisions, deliveries and orders as facts.

Rule: translation only, on the event loop, and none of it may cost or fail: what is written, and
whether it can be, is `observe.audit`'s business. Nothing is told twice: a revision that stays held
for the same reason is told once. Text is passed on as it came; the log neutralises it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import replace

from gitsource.model import Revision, Snapshot, empty_collection
from gitsource.observe.happenings import Event, Fact, Happening, Record
from gitsource.reconcile.outcomes import Outcome, rfc3339
from gitsource.snapshot.reports import SinkReport
from gitsource.triggers.ledger import Row

PATIENCE = 10.0
"""Seconds that Git gets to say who committed what went out; after that it is told without."""
MOST_FINDINGS = 5
"""Findings of a held revision that are told; its commit and the status have them all."""

Committer = Callable[[str], Awaitable[str]]
"""From a commit to its committer, empty if nobody can tell."""


class Recording:
    """Tells *record* what happens; lives on the event loop."""

    def __init__(self, record: Record, committer: Committer, patience: float = PATIENCE) -> None:
        self.record = record
        self._committer = committer
        self._patience = patience
        self._who: dict[int, str] = {}
        self._serving: Snapshot | None = None
        self._held: tuple[str, str] | None = None
        self._layers: frozenset[tuple[str, str, str]] = frozenset()
        """Which heads of layers are held, and why."""
        self._telling: set[asyncio.Task[None]] = set()

    # ------------------------------------------------------------------ streams

    def heard(self, report: SinkReport) -> None:
        """Tell what happened on a stream."""
        event, facts = report.event, _about(report)
        if event == "sent":
            facts["bytes"], facts["delta"] = report.size, report.incremental
            facts["resources"], facts["removed"] = report.counts
            self._told("push", report, facts)
        elif event == "acked":
            facts["seconds"] = round(report.seconds, 4)
            self._told("ack", report, facts)
        elif event == "nacked":
            facts["seconds"], facts["code"] = round(report.seconds, 4), report.code
            facts["blamed"] = tuple(one.name for one in report.blamed)
            self._told("nack", report, facts, "refused")
        elif event == "subscribed":
            facts["delta"] = report.incremental
            self._told("subscribe", report, facts)
        elif event == "connected":
            if report.who:
                self._who[report.stream] = report.who
            facts["protocol"] = report.protocol
            self._told("connect", report, facts)
        elif event == "disconnected":
            self._told("disconnect", report, facts, "refused" if report.ours else "ok")
            self._who.pop(report.stream, None)
        elif report.version:
            facts["returned_to"] = facts.pop("version")
            self._told("nack", report, facts, "refused")

    def _told(
        self, event: Event, report: SinkReport, facts: Mapping[str, Fact], outcome: str = "ok"
    ) -> None:
        who = self._who.get(report.stream, "")
        self.record(Happening(event, who, report.peer, outcome, report.error, facts))

    # ------------------------------------------------------------------ revisions

    def serving(self, snapshot: Snapshot | None) -> None:
        """Take in what is served from before."""
        self._serving = snapshot

    def looked(self, outcome: Outcome, snapshot: Snapshot | None) -> None:
        """Tell what a look came to, if that is news; *snapshot* is what is served after it."""
        revision = outcome.revision
        layers = {(name, one.revision.commit, one.reason): one for name, one in outcome.held}
        for key, one in layers.items():
            if key not in self._layers:
                told = replace(outcome, error=one.reason, findings=one.findings)
                self.record(_hold(told, one.revision, key[0]))
        self._layers = frozenset(layers)
        if outcome.result == "held" and outcome.of_layer:
            self._held = None  # told layer by layer
        elif outcome.result == "held" and revision is not None:
            held = (revision.commit, outcome.error)
            if held != self._held:
                self._held = held
                self.record(_hold(outcome, revision))
        elif outcome.result == "published" and revision is not None and snapshot is not None:
            self._held = None
            self._goes_out(outcome, snapshot)
        elif outcome.result == "unchanged":
            self._held = None

    def ordered(self, order: str, snapshot: Snapshot) -> None:
        """Tell that *snapshot* is served from now on because of an operator's *order*."""
        before = self._serving
        if before is not None and (before.version, before.revision.commit) == (
            snapshot.version,
            snapshot.revision.commit,
        ):
            return
        self._goes_out(Outcome("published", snapshot.revision, triggers=(order,)), snapshot)

    def _goes_out(self, outcome: Outcome, snapshot: Snapshot) -> None:
        before, self._serving = self._serving, snapshot
        revision = outcome.revision or snapshot.revision
        facts = _published(outcome, revision, snapshot, before)
        task = asyncio.create_task(self._tell_publish(revision, facts), name="audit publish")
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)

    async def _tell_publish(self, revision: Revision, facts: dict[str, Fact]) -> None:
        facts["committer"] = ""
        try:
            with suppress(TimeoutError):
                told = self._committer(revision.commit)
                facts["committer"] = await asyncio.wait_for(told, self._patience)
        finally:
            self.record(Happening("publish", revision.author, "", "ok", "", facts))

    async def close(self) -> None:
        """Tell what is still to be told."""
        if self._telling:
            await asyncio.wait(tuple(self._telling), timeout=PATIENCE)

    # ------------------------------------------------------------------ the rest

    def delivered(self, row: Row) -> None:
        """Tell what became of a webhook delivery."""
        facts: Mapping[str, Fact] = {
            "verdict": row.verdict,
            "status": row.status,
            "proven": row.proven,
            "host": row.host,
            "host_event": row.event,
            "delivery": row.delivery,
            "bytes": row.size,
            "ref": row.ref,
            "commit": row.commit,
            "deleted": row.deleted,
        }
        outcome = "ok" if row.status < 400 else "refused"
        self.record(Happening("webhook", "", row.peer, outcome, row.reason, facts))

    def reloaded(
        self, changed: tuple[str, ...], error: str = "", waiting: tuple[str, ...] = ()
    ) -> None:
        """Tell that settings were read again, by a signal."""
        facts: dict[str, Fact] = {"command": "reload", "changed": changed}
        if waiting:
            facts["needs_restart"] = waiting
        self.record(Happening("command", "signal", "", "failed" if error else "ok", error, facts))


def _about(report: SinkReport) -> dict[str, Fact]:
    """Return what all that happens on a stream has in common."""
    facts: dict[str, Fact] = {"stream": report.stream}
    if isinstance(report.sink, str):
        facts["sink"] = report.sink
    if report.collection:
        facts["collection"] = report.collection
        if report.requested != report.collection:
            facts["requested"] = report.requested
    if report.version:
        facts["version"] = report.version
    if report.nonce:
        facts["nonce"] = report.nonce
    return facts


def _hold(outcome: Outcome, revision: Revision, layer: str = "") -> Happening:
    errors = [each for each in outcome.findings if each.severity == "error"]
    facts: dict[str, Fact] = {
        "commit": revision.commit,
        "author": revision.author,
        "subject": revision.subject,
        "findings": tuple(
            f"{each.file}:{each.line}: {each.code}" for each in errors[:MOST_FINDINGS]
        ),
        "findings_count": len(errors),
        "triggers": outcome.triggers,
    }
    if layer:
        facts["layer"] = layer
    return Happening("hold", revision.author, "", "refused", outcome.error, facts)


def _published(
    outcome: Outcome, revision: Revision, snapshot: Snapshot, before: Snapshot | None
) -> dict[str, Fact]:
    known = before.collections if before is not None else {}
    changed = sorted(
        name
        for name in snapshot.collections.keys() | known.keys()
        if snapshot.collection(name).version
        != (before.collection(name) if before is not None else empty_collection(name)).version
    )
    return {
        "commit": revision.commit,
        "author": revision.author,
        "committed_at": rfc3339(revision.committed_at),
        "subject": revision.subject,
        "signer": outcome.signer,
        "version": snapshot.version,
        "layers": tuple(f"{one.name}={one.commit}" for one in revision.layers),
        "collections": tuple(f"{name} {len(snapshot.collection(name))}" for name in changed),
        "triggers": outcome.triggers,
    }
