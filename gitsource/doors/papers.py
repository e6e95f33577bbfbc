"""
The papers of the HTTP doors: read, kept up to date, and what is told of those who are refused.

Rule: `security.material` decides what is good; here it is only put behind a door.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from gitsource.doors.tls import Tls
from gitsource.observe.happenings import Happening, Record, unrecorded
from gitsource.security.material import Material, files
from gitsource.security.papers import InForce, Needs


async def papers_of(
    door: str,
    chain: Path,
    key: Path,
    *,
    record: Record,
    ca: Path | None = None,
    crl: Path | None = None,
    oldest: str = "1.3",
    every: float = 5.0,
) -> tuple[Tls, Callable[[], None]]:
    """
    Return how connections at *door* (its group of settings) are made, and how to end the watch.

    *oldest* is the lowest version of TLS; the files are looked at again *every* so many seconds.
    Raises ConfigurationError if a file is no good.
    """
    material = _material(door, chain, key, ca, crl, oldest, every, record)
    await asyncio.to_thread(material.load)
    watching = asyncio.create_task(material.watch(), name=f"papers of {door}")

    def refused(peer: str, why: str) -> None:
        facts = {"door": door, "what": "connection"}
        record(Happening("refuse", peer=peer, outcome="refused", why=why, facts=facts))

    def fallen(shown: Sequence[bytes]) -> str:
        return _fallen(shown, material.in_force)

    tls = Tls(lambda: material.context, refused, fallen, alarms=lambda: material.alarms)
    return tls, lambda: _ended(watching)


def ends_of(
    door: str,
    chain: Path,
    key: Path,
    *,
    ca: Path | None = None,
    crl: Path | None = None,
    oldest: str = "1.3",
) -> float:
    """
    Return until when the papers of *door* count, in seconds since the epoch; nothing is opened.

    Raises ConfigurationError as `papers_of` would.
    """
    material = _material(door, chain, key, ca, crl, oldest)
    material.load()
    return material.in_force.ends


def _material(
    door: str,
    chain: Path,
    key: Path,
    ca: Path | None,
    crl: Path | None,
    oldest: str,
    every: float = 5.0,
    record: Record = unrecorded,
) -> Material:
    read = files(chain, key, ca={"": ca} if ca else {}, crl=crl, group=door)
    needs = Needs("optional" if ca else "none", oldest, ("http/1.1",))
    return Material(read, needs, door=door, every=every, record=record)


def _fallen(shown: Sequence[bytes], now: InForce) -> str:
    """Return why the chain *shown* would not be taken *now*; connections may be older than that."""
    if why := now.revocations.fault(shown, time.time()):
        return why
    if not any(each.intersection(shown) for each in now.authorities.values()):
        return "who vouches for the certificate may not do so any more"
    return ""


def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
