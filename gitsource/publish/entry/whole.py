"""
The sinks' door, put together from the settings: papers, identities, tokens, and what watches them.

Rule: what is wrong with the settings or files stops the start; what goes wrong later leaves the
last good in force, and is told in log, status, metrics and audit log.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gitsource.observe.happenings import Record, unrecorded
from gitsource.observe.telemetry import DoorGauges
from gitsource.publish.entry.front import Terms
from gitsource.publish.server import Entry, McpServer
from gitsource.security.from_settings import material_of, tokens_of
from gitsource.security.identity import Rules, Unproved, peer_of
from gitsource.security.material import Material
from gitsource.security.peer import Peer
from gitsource.security.tokens import Tokens
from gitsource.security.workload_api import WorkloadApi
from gitsource.settings.whole import Settings
from gitsource.settings_checks.sinks_door import exposed, over_tls

log = logging.getLogger("gitsource.publish")

EXPOSED = "sinks are served in plaintext on a network (insecure)"


class SinksDoor:
    """How sinks come in; `open` makes one."""

    def __init__(
        self,
        settings: Settings,
        material: Material | None,
        tokens: Tokens | None,
        agent: WorkloadApi | None,
    ) -> None:
        self._settings = settings
        self._material = material
        self._tokens = tokens
        self._agent = agent
        self._server: McpServer | None = None

    def __repr__(self) -> str:
        return f"<SinksDoor {self._material!r} {self._tokens!r}>"

    @classmethod
    async def open(cls, settings: Settings, record: Record = unrecorded) -> SinksDoor:
        """Read everything; raises ConfigurationError for what is no good."""
        agent = WorkloadApi(settings.tls.workload_api) if settings.tls.workload_api else None
        material = material_of(settings, agent, record) if over_tls(settings) else None
        tokens = tokens_of(settings, record) if settings.tokens.jwks_file else None
        for part in (material, tokens):
            if part is not None:
                await asyncio.to_thread(part.load)
        if exposed(settings):
            log.warning("%s at %s: whoever is on the way reads it", EXPOSED, settings.listen.mcp)
        return cls(settings, material, tokens, agent)

    def entry(self, folder: Path) -> Entry:
        """Return it for a server; *folder* is this user's alone."""
        settings, terms = self._settings, None
        if self._material is not None:
            material = self._material
            terms = Terms(lambda: material.in_force, self._judge, settings.limits.handshake)
        return Entry(
            terms,
            self._tokens.peer if self._tokens is not None else None,
            self._tokens.fallen if self._tokens is not None else lambda _peer: "",
            # Who shows no certificate where one is wanted does not get as far as that.
            anonymous=self._tokens is None,
            end_expired=settings.identity.expired == "end",
            folder=folder,
        )

    @property
    def guarded(self) -> bool:
        """Whether every sink has to prove who it is."""
        required = self._material is not None and self._settings.tls.clients == "require"
        return required or self._tokens is not None

    def behind(self, server: McpServer) -> None:
        """Have *server*'s connections follow what is in force."""
        self._server = server
        front = server.door.front
        if self._material is not None and front is not None:
            self._material.changed.append(front.revise)
        if self._tokens is not None:
            self._tokens.changed.append(server.door.revise)

    @property
    def watches(self) -> Mapping[str, Callable[[], Coroutine[Any, Any, None]]]:
        """What is to run as long as the door is open, by name."""
        parts = {"papers": self._material, "tokens": self._tokens}
        return {name: part.watch for name, part in parts.items() if part is not None}

    def close(self) -> None:
        """Let go of the agent, if there is one."""
        if self._agent is not None:
            self._agent.close()

    # ------------------------------------------------------------------ judging

    def _judge(self, chain: Sequence[bytes], address: str, now: float) -> Peer:
        assert self._material is not None  # noqa: S101 - only asked over TLS
        if why := self._material.in_force.revocations.fault(chain, now):
            raise Unproved(why)
        rules = _rules(self._settings, self._material, self._agent)
        return peer_of(chain, rules, address, now)

    # ------------------------------------------------------------------ telling

    def status(self) -> dict[str, Any]:
        """Return the part of the status that is about it."""
        settings = self._settings
        front = self._server.door.front if self._server is not None else None
        papers = self._material.in_force if self._material is not None else None
        return {
            "tls": None
            if papers is None
            else {
                "clients": settings.tls.clients,
                "min_version": settings.tls.min_version,
                "serial": papers.serial,
                "ends": datetime.fromtimestamp(papers.ends, UTC).isoformat(),
            },
            "tokens": self._tokens is not None,
            "insecure": EXPOSED if exposed(settings) else None,
            "connections": self._server.admission.connections if self._server else 0,
            "refused": front.refused if front is not None else 0,
            "alarms": list(self.alarms),
        }

    @property
    def alarms(self) -> tuple[str, ...]:
        """What is wrong with files that should be in force, or has run out while it is."""
        papers = self._material.alarms if self._material is not None else ()
        keys = self._tokens.alarm if self._tokens is not None else ""
        return (*papers, *filter(None, (keys,)))

    def gauges(self) -> DoorGauges:
        """Return the same in numbers, for a scrape."""
        server = self._server
        front = server.door.front if server is not None else None
        parts = [part for part in (self._material, self._tokens) if part is not None]
        return DoorGauges(
            connections=server.admission.connections if server is not None else 0,
            refused=front.refused if front is not None else 0,
            limits=dict(server.shared.met) if server is not None else {},
            named=server.shared.budget.total if server is not None else 0,
            ends=self._material.in_force.ends if self._material is not None else 0.0,
            crl_ends=self._material.in_force.crl_ends if self._material is not None else 0.0,
            reloads=sum(part.reloads for part in parts),
            alarms=len(self.alarms),
            insecure=exposed(self._settings),
        )


def _rules(settings: Settings, material: Material, agent: WorkloadApi | None) -> Rules:
    """Return what counts of a certificate, by the bundles that are in force."""
    bundles = material.in_force.authorities
    domains = [row.name for row in settings.identity.trust_domains]
    if agent is not None:
        domains = domains or [agent.trust_domain]
        known = {name: bundles.get(name, frozenset()) for name in domains}
        return Rules(settings.identity.names, known, bundles.get(agent.trust_domain, frozenset()))
    shared = bundles.get("", frozenset())
    own = {name: found for name, found in bundles.items() if name}
    known = {name: own.get(name, shared) for name in domains}
    return Rules(settings.identity.names, known, shared)
