"""
Many alike: what anybody can cause, and often, is written down once and counted after that.

Rule: pure; time is an argument. Only what a stranger can cause is gathered (refusals, and webhook
deliveries), and only above `AT_ONCE` a second from one host, or `IN_ALL` from all. What is gathered
stands in one line a second for each host and cause, with how many there were; so nobody can push
older lines out of the log by being refused. A delivery that proves something may be sent again by
whoever captured it: those of all hosts together have a share, which others cannot use up.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field, replace
from ipaddress import IPv6Address, IPv6Network

from gitsource.observe.happenings import Happening

AT_ONCE = 20
"""Lines that the refusals of one host get in a second."""
IN_ALL = 400
"""Lines that the refusals of all hosts together get in a second."""
MOST_HOSTS = 256
"""Hosts that are told apart in a second; further ones are counted together."""
PROVEN = "proven"
"""As which host all deliveries count whose senders knew a secret."""
WINDOW = 1.0
"""Seconds."""


@dataclass(slots=True)
class _Alike:
    last: Happening
    times: int = 1


@dataclass(slots=True)
class Crowd:
    """What was refused in this second."""

    _began: float = float("-inf")
    _all: int = 0
    _written: dict[str, int] = field(default_factory=dict)
    _gathered: dict[tuple[str, ...], _Alike] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self._gathered)

    def admit(self, told: Happening, now: float) -> bool:
        """Whether *told* gets a line of its own; if not, it is counted until `due`."""
        if not _of_a_stranger(told):
            return True
        if not self._gathered and not 0 <= now - self._began < WINDOW:
            self._began, self._all = now, 0
            self._written.clear()
        proven = told.event == "webhook" and bool(told.facts.get("proven"))
        host = PROVEN if proven else host_of(told.peer)
        if not proven and host not in self._written and len(self._written) >= MOST_HOSTS:
            host = "others"
        self._written[host] = self._written.get(host, 0) + 1
        if self._written[host] <= AT_ONCE and (proven or self._all < IN_ALL):
            self._all += not proven
            return True
        cause = f"{told.facts.get('verdict', '')} {told.why}"
        if len(self._gathered) >= MOST_HOSTS:
            cause = ""
        key = (told.event, told.outcome, cause, host)
        alike = self._gathered.get(key)
        times = told.facts.get("times")
        count = times if type(times) is int else 1
        if alike is None:
            self._gathered[key] = _Alike(told, count)
        else:
            alike.last, alike.times = told, alike.times + count
        return False

    def due(self, now: float, *, now_or_never: bool = False) -> list[Happening]:
        """Return what was gathered, once the second is over: the last one of each, with a count."""
        if not self._gathered or (0 <= now - self._began < WINDOW and not now_or_never):
            return []
        found = [
            replace(one.last, facts={**one.last.facts, "times": one.times})
            for one in self._gathered.values()
        ]
        self._gathered.clear()
        self._written.clear()
        self._began, self._all = now, 0
        return found


def _of_a_stranger(told: Happening) -> bool:
    return told.event in {"refuse", "webhook"}


def host_of(peer: str) -> str:
    """
    Return an address without its port: ``ipv4:10.0.0.1:5000`` and ``10.0.0.1`` alike.

    Of IPv6 it is the network: one host has all 2⁶⁴ addresses of it.
    """
    host = _without_port(peer)
    if ":" not in host or host == "unix:":
        return host
    with suppress(ValueError):
        address = IPv6Address(host.strip("[]").partition("%")[0])
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        if not address.is_loopback:
            return str(IPv6Network((int(address) >> 64 << 64, 64)))
    return host


def _without_port(peer: str) -> str:
    kind, colon, rest = peer.partition(":")
    if kind == "ipv4" and colon:
        return rest.partition(":")[0]
    if kind == "ipv6" and colon:  # without brackets it is a network, which has no port
        return f"{rest.partition(']')[0]}]" if rest.startswith("[") else rest
    host, _, port = peer.rpartition(":")
    return host if host and port.isdigit() and (":" not in host or "]" in host) else peer
