"""
Papers and keys of the sinks' door, as the settings name them.

Rule: nothing is read here; whoever asks loads what it gets, and hears what is wrong with it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from gitsource.observe.happenings import Record, unrecorded
from gitsource.security.material import Material, files
from gitsource.security.papers import Needs, Papers
from gitsource.security.tokens import Tokens
from gitsource.security.workload_api import WorkloadApi
from gitsource.settings.whole import Settings


def material_of(
    settings: Settings, agent: WorkloadApi | None, record: Record = unrecorded
) -> Material:
    """Return the papers of the sinks' door, not read yet; *agent* is in place of files."""
    tls = settings.tls
    folder = Path(settings.folder)
    read: Callable[[], Papers]
    if agent is not None:
        read = agent.read
    else:
        ca = {row.name: folder / row.ca for row in settings.identity.trust_domains if row.ca}
        if tls.ca:
            ca[""] = Path(tls.ca)
        read = files(
            Path(tls.cert or ""), Path(tls.key or ""), ca=ca, crl=Path(tls.crl) if tls.crl else None
        )
    needs = Needs(tls.clients, tls.min_version, ("h2",), tls.crl_chain == "all")
    return Material(read, needs, door="sinks", every=tls.reload, record=record)


def tokens_of(settings: Settings, record: Record = unrecorded) -> Tokens:
    """Return what checks tokens, its keys not read yet."""
    told = settings.tokens
    return Tokens(
        Path(told.jwks_file or ""),
        issuer=told.issuer,
        audience=told.audience,
        algorithms=told.algorithms,
        skew=told.skew,
        every=settings.tls.reload,
        record=record,
    )
