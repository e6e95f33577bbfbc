"""
Certificates, keys and authorities: read, compared, taken over, without a connection being dropped.

Rule: what is in force is always whole and good. Everything is read, tried out together, and only
then takes the place of what was there; what is no good, or has run out where the old has not,
leaves the old in force and raises an alarm that names the file. So does what runs out while it is
in force. Contents are compared, not times: Kubernetes swaps a symlink, others rename or write in
place.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from gitsource.errors import ConfigurationError
from gitsource.observe.happenings import Happening, Record, unrecorded
from gitsource.security.papers import InForce, Needs, Papers, Unusable, instant, tried

log = logging.getLogger("gitsource.security")

LARGEST = 4 * 1024 * 1024
"""Bytes of one file; bundles of all public authorities have a quarter of a megabyte."""


class Material:
    """
    The papers of one door, kept up to date by `watch`.

    *read* is called in a thread and raises `Unusable`; *door* names it in the log.
    """

    def __init__(
        self,
        read: Callable[[], Papers],
        needs: Needs,
        *,
        door: str = "sinks",
        every: float = 5.0,
        record: Record = unrecorded,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._clock = clock
        self._read = read
        self._needs = needs
        self._door = door
        self._every = every
        self._record = record
        self._now: InForce | None = None
        self._bad = b""
        """Digest of papers, or text of why they cannot be read, met at the last look."""
        self.alarm = ""
        """What is wrong with the newest papers; empty while they are in force."""
        self._gone: tuple[str, ...] = ()
        """What was told of that has run out while it is in force."""
        self.reloads = 0
        self.failures = 0
        self.changed: list[Callable[[], None]] = []
        """Called, on the event loop, when other papers are in force."""

    def __repr__(self) -> str:
        return f"<Material {self._door} reloads={self.reloads} alarm={self.alarm!r}>"

    @property
    def in_force(self) -> InForce:
        """What counts now, once `load` has returned."""
        if self._now is None:
            raise AssertionError("papers are loaded before a door is opened")
        return self._now

    @property
    def context(self) -> ssl.SSLContext:
        """What the next connection is made with."""
        return self.in_force.context

    @property
    def alarms(self) -> tuple[str, ...]:
        """What is wrong: with the newest papers, and with what of those in force has run out."""
        return (*filter(None, (self.alarm,)), *self.in_force.faults(self._clock()))

    def load(self) -> None:
        """Read the papers for the first time; raises ConfigurationError if they are no good."""
        try:
            self._now = tried(self._read(), self._needs)
        except Unusable as error:
            raise ConfigurationError(
                f"TLS for {self._door}: {error}",
                hint="name PEM files that fit together; see docs/identity.md",
            ) from error

    async def watch(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            await asyncio.sleep(self._every)
            await self.look()

    async def look(self) -> None:
        """Look once, take over what is new and good, and tell of what has run out."""
        await self._look()
        gone = self.in_force.faults(self._clock())
        for why in gone:
            if why not in self._gone:
                log.error("TLS for %s: %s", self._door, why)
                self._failed(why)
        self._gone = gone

    async def _look(self) -> None:
        seen, found = b"", None
        try:
            papers = await asyncio.to_thread(self._read)
            seen = papers.digest
            if seen != self.in_force.digest:
                found = await asyncio.to_thread(tried, papers, self._needs)
                if why := found.worse(self.in_force, self._clock()):
                    raise Unusable(why)
        except Unusable as error:
            told = str(error)
            seen = seen or told.encode()
            # Files that are written one after the other do not fit together for a moment.
            if self._bad == seen:
                self._alarmed(told)
            self._bad = seen
            return
        if found is None:
            self._mended()
            return
        self._now = found
        self.reloads += 1
        self._mended()
        ends = instant(found.ends)
        log.info("TLS for %s: new papers are in force, until %s", self._door, ends)
        facts = {"door": self._door, "serial": found.serial, "ends": ends}
        self._record(Happening("certificate", outcome="ok", facts=facts))
        for call in self.changed:
            call()

    def _mended(self) -> None:
        self._bad = b""
        if self.alarm:
            log.info("TLS for %s: its files are good again", self._door)
        self.alarm = ""

    def _alarmed(self, why: str) -> None:
        if self.alarm == why:
            return
        self.alarm = why
        self.failures += 1
        log.error("TLS for %s: %s; the last good papers stay in force", self._door, why)
        self._failed(why)

    def _failed(self, why: str) -> None:
        facts = {"door": self._door}
        self._record(Happening("certificate", outcome="failed", why=why, facts=facts))


# --------------------------------------------------------------------------- reading


def read_file(path: Path, setting: str) -> bytes:
    """Return the content of *path*; raises `Unusable`, which names *setting* and file."""
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
    except OSError as error:
        raise Unusable(f"{setting}: {path} cannot be read: {error.strerror}") from error
    if len(content) > LARGEST:
        raise Unusable(f"{setting}: {path} has more than {LARGEST} bytes")
    return content


def files(
    chain: Path, key: Path, *, ca: Mapping[str, Path], crl: Path | None, group: str = "tls"
) -> Callable[[], Papers]:
    """Return what reads papers from files; *ca* is by trust domain, *group* names the settings."""

    def once() -> Papers:
        return Papers(
            read_file(chain, f"{group}.cert"),
            read_file(key, f"{group}.key"),
            {domain: read_file(path, _setting(domain, group)) for domain, path in ca.items()},
            read_file(crl, f"{group}.crl") if crl else b"",
            {
                "chain": f"{group}.cert ({chain})",
                "key": f"{group}.key ({key})",
                "crl": f"{group}.crl ({crl})",
                **{f"bundle {name}": f"{_setting(name, group)} ({ca[name]})" for name in ca},
            },
        )

    def read() -> Papers:
        # A folder may be swapped between two files; what is read twice alike belongs together.
        papers = once()
        for _ in range(3):
            again = once()
            if again.digest == papers.digest:
                break
            papers = again
        return papers

    return read


def _setting(domain: str, group: str) -> str:
    return f"{group}.ca" if not domain else f"identity.trust_domains[{domain}].ca"
