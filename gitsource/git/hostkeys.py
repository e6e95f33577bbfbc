"""
Why ssh does not trust a host, with fingerprints: known_hosts files read, and ssh's complaint. Pure.

Rule: ssh alone decides whom it trusts. Here its refusal is only explained, from the file that it
was given: which key the host offers, which one was known, and which line would have to be there.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from gitsource.errors import AccessRefused
from gitsource.observe.neutral import neutral

LARGEST = 4 << 20
"""Bytes of a known_hosts file that are looked at."""
_OFFERED = re.compile(
    r"fingerprint for the (\S+) key sent by the remote host is\s+(SHA256:[A-Za-z0-9+/]{43})"
)
_OFFENDING = re.compile(r"Offending (\S+) key in (.+):([0-9]+)\s")
_REVOKED = re.compile(r"(?i)host key .*revoked|is marked as revoked")
_KIND = re.compile(r"[a-z0-9][a-z0-9@.-]{2,63}")


@dataclass(frozen=True, slots=True)
class Known:
    """One line of a known_hosts file."""

    number: int
    """1-based."""
    marker: str
    """``@cert-authority``, ``@revoked`` or empty."""
    hosts: str
    """Patterns, or one hashed name."""
    kind: str
    """Type of the key: ``ssh-ed25519``."""
    blob: str
    """The key, base64."""

    @property
    def fingerprint(self) -> str:
        """As ssh shows it; empty if the line has no key that can be read."""
        return fingerprint(self.blob)

    def fits(self, name: str) -> bool:
        """Tell whether the line is about the host *name* (of `host_name`)."""
        if self.hosts.startswith("|1|"):
            return _hashed(self.hosts, name)
        patterns = self.hosts.lower().split(",")
        if any(one.startswith("!") and _matches(name, one[1:]) for one in patterns):
            return False
        return any(_matches(name, one) for one in patterns if not one.startswith("!"))


def host_name(host: str, port: int) -> str:
    """Return how known_hosts names a host."""
    return host.lower() if port == 22 else f"[{host.lower()}]:{port}"


def fingerprint(blob: str) -> str:
    """Return the SHA-256 fingerprint of a public key in base64; empty for what is none."""
    try:
        raw = base64.b64decode(blob, validate=True)
    except (binascii.Error, ValueError):
        return ""
    return "SHA256:" + base64.b64encode(hashlib.sha256(raw).digest()).decode().rstrip("=")


def read(text: str) -> Iterator[Known]:
    """Yield the lines of a known_hosts file (or of what ssh-keyscan prints) that have a key."""
    for number, line in enumerate(text[:LARGEST].splitlines(), 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        marker = words.pop(0) if words[0].startswith("@") else ""
        if len(words) >= 3 and _KIND.fullmatch(words[1]) and fingerprint(words[2]):
            yield Known(number, marker, words[0], words[1], words[2])


def tells_key(stderr: str) -> bool:
    """Tell whether ssh itself said which key the host offers, or that it is revoked."""
    return bool(_OFFERED.search(stderr) or _REVOKED.search(stderr))


def explained(
    host: str, file: Path, known: Sequence[Known], stderr: str, offered: Sequence[Known]
) -> AccessRefused:
    """
    Return why ssh did not trust *host* (as known_hosts names it), from what it said.

    *known* are the lines of *file*, *offered* the keys that the host shows when it is asked.
    """
    here = [one for one in known if one.fits(host)]
    sent = _OFFERED.search(stderr)
    if _REVOKED.search(stderr):
        revoked = [one for one in here if one.marker == "@revoked"]
        which = _keys(revoked) or "the key it offers"
        return _refused(
            f"the host key of {host} is revoked by {file}: {which}",
            "do not trust that key again: ask those who run the host for its new one",
        )
    if sent is not None:
        offending = _OFFENDING.search(stderr)
        line = int(offending[3]) if offending is not None and offending[2] == str(file) else 0
        was = [one for one in here if one.number == line] or [one for one in here if not one.marker]
        place = f"line {line} of {file}" if line else str(file)
        return _refused(
            f"the host key of {host} has changed: it offers {sent[1]} {sent[2]}, {place} has "
            f"{_keys(was) or 'another'}",
            "somebody may be in between: ask those who run the host whether its key was replaced; "
            f"if so, put the new line in place of the old one in {file}",
        )
    others = [one for one in here if not one.marker]
    text = f"the host key of {host} is not in {file}"
    if others:
        text += f" (which has {_keys(others)} for it)"
    if not offered:
        hint = f"add the host's line to {file}, from those who run the host"
        return _refused(text, hint)
    best = offered[0]
    return _refused(
        f"{text}: it offers {_keys(offered)}",
        f"compare the fingerprint with what those who run the host say, and only then add to {file}"
        f" the line: {host} {best.kind} {best.blob}",
    )


def _keys(keys: Sequence[Known]) -> str:
    return ", ".join(f"{one.kind} {one.fingerprint}" for one in keys[:4])


def _refused(text: str, hint: str) -> AccessRefused:
    return AccessRefused(neutral(text), hint=neutral(hint), kind="host-key")


def _matches(name: str, pattern: str) -> bool:
    # Brackets are part of names with a port here, and no set of characters.
    return fnmatchcase(name, pattern.replace("[", "[[]"))


def _hashed(hosts: str, name: str) -> bool:
    parts = hosts.split("|")
    try:
        salt, told = (base64.b64decode(part, validate=True) for part in parts[2:4])
    except (binascii.Error, ValueError):
        return False
    return hmac.compare_digest(hmac.digest(salt, name.encode(), "sha1"), told)
