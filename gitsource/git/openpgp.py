"""
What gpg says of a signature, on its status channel, and of its keys. Pure.

Rule: only status lines and colon listings are read, never what is written for people. Exactly one
signature may be spoken of. As git does, gpg's verdict counts, with two exceptions: a good signature
of a key that has expired since counts if it was made before (history does not go bad by itself),
and one over a broken digest (MD5, SHA-1, RIPEMD-160) does not. A revoked key never counts, whenever
the signature was made: whoever stole it can write any date.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from gitsource.model import Signature

_PREFIX = "[GNUPG:] "
_VERDICTS = ("GOODSIG", "BADSIG", "ERRSIG", "EXPSIG", "EXPKEYSIG", "REVKEYSIG")
_ID = re.compile(r"[0-9A-Fa-f]{8,64}")
_BROKEN = {"1": "MD5", "2": "SHA-1", "3": "RIPEMD-160"}
_BINARY = "00"
_NO_KEY = "9"
_REASONS = {
    "BADSIG": "its signature is over something else, or damaged",
    "EXPSIG": "its signature has expired",
    "REVKEYSIG": "the key is revoked",
    "ERRSIG": "its signature cannot be checked",
}


@dataclass(frozen=True, slots=True)
class Key:
    """A key or subkey of the configured keys."""

    fingerprint: str
    primary: str
    """Fingerprint of the key it belongs to; its own for one that is no subkey."""
    expires: int
    """Seconds since the epoch; 0 for never."""
    revoked: bool


def keys(listing: str) -> dict[str, Key]:
    """Read ``gpg --with-colons --list-keys``: keys and subkeys by fingerprint."""
    found: dict[str, Key] = {}
    primary = ""
    pending: list[str] = []
    for line in listing.split("\n"):
        fields = line.split(":")
        if fields[0] in {"pub", "sub"}:
            pending = fields
            primary = "" if fields[0] == "pub" else primary
        elif fields[0] == "fpr" and pending and len(fields) > 9:
            mark = fields[9].upper()
            primary = primary or mark
            expires = int(pending[6]) if pending[6].isdigit() else 0
            found[mark] = Key(mark, primary, expires, pending[1] == "r")
            pending = []
    return found


def verdict(status: Iterable[str], known: Mapping[str, Key]) -> Signature:
    """Return what the *status* lines of one verification come to; *known* are our keys."""
    told = [line.removeprefix(_PREFIX).split(" ") for line in status if line.startswith(_PREFIX)]
    verdicts = [words for words in told if words[0] in _VERDICTS]
    valid = [words for words in told if words[0] == "VALIDSIG"]
    key = next((words[1] for words in verdicts if len(words) > 1 and _ID.fullmatch(words[1])), "")
    if sum(words[0] == "NEWSIG" for words in told) > 1 or len(verdicts) > 1 or len(valid) > 1:
        return Signature("bad", key, reason="it has more than one signature")
    if not verdicts:
        return Signature("bad", reason="its signature cannot be read")
    (words,) = verdicts
    if words[0] == "ERRSIG" and len(words) > 6 and words[6] == _NO_KEY:
        return Signature("bad", key, reason="the key is none of trust.gpg_keys")
    if words[0] not in {"GOODSIG", "EXPKEYSIG"}:
        return Signature("bad", key, reason=_REASONS[words[0]])
    return _valid(valid[0], known, key) if valid else _unreadable(key)


def _valid(words: list[str], known: Mapping[str, Key], key: str) -> Signature:
    if len(words) < 11 or not words[3].isdigit():
        return _unreadable(key)
    mark = words[1].upper()
    used = known.get(mark)
    if used is None or used.primary not in known:
        return Signature("bad", mark, reason="the key is none of trust.gpg_keys")
    reason = _against(words, (used, known[used.primary]))
    if reason:
        return Signature("bad", mark, reason=reason)
    return Signature("good", mark, frozenset((mark, used.primary)))


def _against(words: list[str], used: tuple[Key, Key]) -> str:
    """Return what speaks against a valid signature by a subkey and its key; empty for nothing."""
    made, digest, form = int(words[3]), words[8], words[9]
    if digest in _BROKEN:
        return f"its signature is over a {_BROKEN[digest]} digest"
    if form != _BINARY:
        return "its signature is not over the exact bytes"
    # gpg calls a key that is both expired and revoked expired, so this is looked up.
    if any(one.revoked for one in used):
        return _REASONS["REVKEYSIG"]
    if any(one.expires and made >= one.expires for one in used):
        return "the key had expired when it was made"
    return ""


def _unreadable(key: str) -> Signature:
    return Signature("bad", key, reason="its signature cannot be read")
