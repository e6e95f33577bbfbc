"""
What one check of a set-up came to, and what probes found out: values, and the judges of them.

Rule: pure. Probes (`gitsource.doctor.probes`) say what is there; here it becomes a verdict with the
next step for whoever reads it. Time is an argument.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

State: TypeAlias = Literal["ok", "warning", "failed", "skipped"]

CHECKS: dict[str, str] = {
    "git": "which git there is",
    "dns": "the Git host's name (or the proxy's) has addresses",
    "tcp": "one of them takes connections",
    "tls": "the host shows a certificate that counts, and that lasts",
    "host key": "the host's key is the one in known_hosts",
    "credentials": "the host lets gitsource read the repository",
    "ref": "the repository has what is followed",
    "read only": "what gitsource signs in with cannot push",
    "path": "the folder that is followed is there",
    "signatures": "keys and programs of the signature policy are there, and the head satisfies it",
    "schemas": "the collections of the settings load",
    "state": "the state directory is gitsource's own, writable and has space",
    "clock": "this machine and the Git host agree on the time",
    "door": "certificates and keys by which sinks come in are good, and last",
    "admin": "certificate and key of the operators' door are good, and last",
    "webhook": "the webhook has a secret, and its certificate is good and lasts",
    "ports": "the addresses to listen on are free, or a gitsource has them",
}
"""Every check with what it looks at, in the order in which they are made."""

CERTIFICATE_DAYS = 21
"""Days before its end from which on a certificate is warned of."""
SKEW_WARNING, SKEW_FAILED = 30.0, 300.0
"""Seconds that clocks may differ: tokens of GitHub Apps tolerate a minute, much else five."""
LITTLE_SPACE, NO_SPACE = 512 << 20, 32 << 20
"""Bytes left under which the state directory is warned of, and failed."""


@dataclass(frozen=True, slots=True)
class Check:
    """What one check came to."""

    name: str
    """One of `CHECKS`."""
    state: State
    text: str
    """What was found."""
    hint: str = ""
    """The next step, if it is not ``ok``."""
    seconds: float = 0.0
    layer: str = ""
    """Which layer it is about, if it is about one."""

    def took(self, seconds: float) -> Check:
        """Return it with how long it took."""
        return replace(self, seconds=round(seconds, 3))


@dataclass(frozen=True, slots=True)
class Certificate:
    """What a TLS server showed, or why it was not taken."""

    subject: str = ""
    issuer: str = ""
    ends_at: float = 0.0
    """When it ends, in seconds since the epoch."""
    problem: str = ""
    """Why it does not count, if it does not."""


@dataclass(frozen=True, slots=True)
class Folder:
    """The state directory as it is found."""

    path: str
    exists: bool
    owner: int = -1
    """User ID."""
    ours: int = -1
    """The user ID that looks."""
    mode: int = 0
    writable: bool = False
    """Whether files can be made in it (or it can be made)."""
    free: int = 0
    """Bytes left for us on its file system."""
    mirror: int = 0
    """Bytes of the mirror."""
    locked: bool | None = False
    """Whether a gitsource uses it; None if nobody can tell."""


@dataclass(frozen=True, slots=True)
class Port:
    """An address to listen on, as it is found."""

    setting: str
    address: str
    problem: str = ""
    """Why it cannot be listened on now."""
    taken: bool = False
    """Whether that is because somebody does."""
    ours: bool = False
    """Whether that is a gitsource."""


def certificate(host: str, shown: Certificate, now: float, ca: str) -> Check:
    """Judge what *host* showed; *ca* tells who may vouch for it."""
    if shown.problem:
        where = f" (vouched for by {ca})" if ca else ""
        expired = "expired" in shown.problem
        hint = (
            "have the Git host renew its certificate, or correct this machine's clock"
            if expired
            else "name the authority that vouches for the host in credentials.ca; if none should "
            "be needed, ask who sits between"
        )
        return Check("tls", "failed", f"{host}{where}: {shown.problem}", hint)
    days = (shown.ends_at - now) / 86_400
    text = (
        f"{host}: {shown.subject or 'no name'}, by {shown.issuer or 'nobody'}, {days:.0f} days left"
    )
    if days < CERTIFICATE_DAYS:
        return Check("tls", "warning", text, "have the Git host renew its certificate")
    return Check("tls", "ok", text)


def door(problem: str, ends: float | None, now: float, *, exposed: bool) -> Check:
    """Judge the sinks' door: *problem* is what its files have, *ends* when its certificate does."""
    if problem:
        return Check("door", "failed", problem, "see docs/identity.md for what the files hold")
    if exposed:
        hint = "set tls.cert, tls.key and tls.ca; see docs/identity.md"
        return Check("door", "warning", "plaintext on a network, nobody proves anything", hint)
    if ends is None:
        return Check("door", "ok", "tokens count")
    days = (ends - now) / 86_400
    text = f"the certificate for sinks has {days:.1f} days left"
    if days <= 0:
        return Check("door", "failed", "the certificate for sinks has expired", "renew it")
    return Check("door", "ok", text)


def plaintext(what: str, instead: str) -> Check:
    """Tell of *what* crosses a network for everybody on the way to read."""
    return Check("plaintext", "warning", what, instead)


def http_door(name: str, problem: str, hint: str, ends: float | None, now: float) -> Check:
    """Judge an HTTP door: *problem* is what its files have, *ends* when its certificate does."""
    if problem:
        return Check(name, "failed", problem, hint or "see docs/operations.md for what they hold")
    if ends is None:
        return Check(name, "ok", "its files can be read")
    days = (ends - now) / 86_400
    if days <= 0:
        return Check(name, "failed", "its certificate has expired", "renew it")
    return Check(name, "ok", f"its certificate has {days:.1f} days left")


def folder(found: Folder) -> Check:
    """Judge the state directory."""
    state, text, hint = _folder(found)
    return Check("state", state, f"{found.path}{text}", hint)


def _folder(found: Folder) -> tuple[State, str, str]:  # noqa: PLR0911 - one verdict a line
    if not found.exists and found.writable:
        return "ok", " is not there yet: serve makes it", ""
    if not found.exists:
        hint = "make it, owned by the user that serve runs as, or name another with state_dir"
        return "failed", " is no folder, and none can be made there", hint
    if found.owner != found.ours:
        hint = "run doctor as the user that serve runs as, or give it to that user (chown)"
        text = f" belongs to user {found.owner}, and this is user {found.ours}"
        return "failed", text, hint
    if not found.writable:
        hint = "make it writable (mode 0700, no read-only mount), or name another with state_dir"
        return "failed", " cannot be written", hint
    size = f": {_size(found.free)} free, the mirror has {_size(found.mirror)}"
    if found.free < NO_SPACE:
        return "failed", size, "free space: nothing new can be kept on disk"
    if found.free < max(LITTLE_SPACE, found.mirror):
        return "warning", f"{size}: too little to fetch it anew beside", "free space"
    if found.mode & 0o077:
        return "warning", f" is open to others (mode {found.mode:04o})", f"chmod 0700 {found.path}"
    return "ok", f"{size}{', in use by a gitsource' if found.locked else ''}", ""


def _size(count: int) -> str:
    for unit, worth in (("GiB", 1 << 30), ("MiB", 1 << 20)):
        if count >= worth:
            return f"{count / worth:.1f} {unit}"
    return f"{count / 1024:.0f} KiB"


def skew(theirs: float, ours: float, who: str) -> Check:
    """Judge by how much *ours* differs from the time *who* says it is."""
    off = ours - theirs
    text = f"{abs(off):.0f} s {'ahead of' if off > 0 else 'behind'} {who}"
    if abs(off) < SKEW_WARNING:
        return Check("clock", "ok", f"within {SKEW_WARNING:.0f} s of {who}")
    hint = "set this machine's clock (NTP): signatures, tokens and certificates go by it"
    return Check("clock", "failed" if abs(off) >= SKEW_FAILED else "warning", text, hint)


def newest_commit(committed_at: float, now: float) -> Check:
    """Judge the clock by the newest commit, where no host tells the time: it cannot be younger."""
    off = committed_at - now
    if off > SKEW_FAILED:
        return Check(
            "clock",
            "warning",
            f"the newest commit is {off:.0f} s in the future",
            "set this machine's clock (NTP), or that of the commit's author",
        )
    return Check("clock", "ok", "not before the newest commit (no host was asked)")


def ports(found: Sequence[Port]) -> Check:
    """Judge the addresses to listen on together."""
    bad = [port for port in found if port.problem and not port.ours]
    if bad:
        text = "; ".join(f"{port.setting} {port.address}: {port.problem}" for port in bad)
        taken = any(port.taken for port in bad)
        hint = (
            "end what listens there (`ss -ltnp` names it), or choose other ports"
            if taken
            else "choose an address of this machine and a port that this user may have"
        )
        return Check("ports", "failed", text, hint)
    words = [
        f"{port.setting} {port.address} {'is a gitsource' if port.ours else 'is free'}"
        for port in found
    ]
    return Check("ports", "ok", "; ".join(words))


def worst(found: Sequence[Check]) -> State:
    """Return the worst that any check came to."""
    states = {check.state for check in found}
    for state in ("failed", "warning"):
        if state in states:
            return state
    return "ok"
