"""
A commit or tag object, taken apart into what was signed and the signature. Pure.

Rule: as git has it, and stricter where git is lenient. What was signed is the object without its
signature headers; there is one signature of one kind in the place where git writes it, or the
object counts as badly signed. Nothing is searched for in messages: text that looks like a signature
there is text.

A signature of ssh-keygen is a blob with the public key in it; its fingerprint is taken from there
and not from what a program prints.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass
from typing import Literal

from gitsource.git.changes import seconds

_HEADERS = {"sha1": b"gpgsig", "sha256": b"gpgsig-sha256"}
_BEGIN = re.compile(rb"^-----BEGIN ([A-Z ]+)-----$", re.MULTILINE)
_KINDS: dict[bytes, Literal["openpgp", "ssh"]] = {
    b"PGP SIGNATURE": "openpgp",
    b"SSH SIGNATURE": "ssh",
}
_OTHERS = (b"PGP MESSAGE", b"SIGNED MESSAGE")
_LONGEST = 1 << 16
"""Bytes of a signature; those of the largest keys are a tenth of it."""
_WHEN = re.compile(rb"^(?:committer|tagger) .* (-?[0-9]{1,20}) [+-][0-9]{1,6}$")


class MalformedError(Exception):
    """There is a signature, and it is none that may count; the message says why."""


@dataclass(frozen=True, slots=True)
class Signed:
    """What was signed, and by what."""

    payload: bytes
    signature: bytes
    """Armored, one block."""
    kind: Literal["openpgp", "ssh"]
    when: int
    """Committer's or tagger's time in seconds since the epoch: what the signer claims."""


@dataclass(frozen=True, slots=True)
class Tag:
    """An annotated tag."""

    target: str
    """Object ID of what it names."""
    name: str
    signed: Signed | None


def of_commit(raw: bytes, object_format: str) -> Signed | None:
    """Return what of a commit object was signed; None if it is not. Raises MalformedError."""
    payload, signatures = _without_headers(raw, _HEADERS[object_format])
    if not signatures:
        return None
    if len(signatures) > 1:
        raise MalformedError("it has more than one signature")
    return Signed(payload, signatures[0], _kind(signatures[0]), _when(payload))


def of_tag(raw: bytes) -> Tag:
    """Return an annotated tag. Raises MalformedError for what is none, or is badly signed."""
    head, _, _ = raw.partition(b"\n\n")
    lines = dict(line.partition(b" ")[::2] for line in reversed(head.split(b"\n")))
    target = lines.get(b"object", b"").decode("ascii", "replace")
    name = lines.get(b"tag", b"").decode("utf-8", "replace")
    starts = [
        found.start()
        for found in _BEGIN.finditer(raw, len(head))
        if found[1] in _KINDS or found[1] in _OTHERS
    ]
    if not starts:
        return Tag(target, name, None)
    # As git has it, the last one is the signature; what is before it was signed.
    payload, others = _without_headers(raw[: starts[-1]], _HEADERS["sha1"])
    if others:
        raise MalformedError("it has more than one signature")
    signature = raw[starts[-1] :]
    return Tag(target, name, Signed(payload, signature, _kind(signature), _when(payload)))


def _without_headers(raw: bytes, wanted: bytes) -> tuple[bytes, list[bytes]]:
    """Return *raw* without signature headers, and the values of those called *wanted*."""
    head, gap, message = raw.partition(b"\n\n")
    kept: list[bytes] = []
    found: list[list[bytes]] = []
    into: list[bytes] | None = None
    for line in head.split(b"\n"):
        if line.startswith(b" ") and into is not None:
            into.append(line[1:])
        elif line.startswith(b"gpgsig"):
            # git leaves out all of them, so that a signature can be added for each hash.
            key, _, value = line.partition(b" ")
            into = [value]
            if key == wanted:
                found.append(into)
        else:
            kept.append(line)
            into = None
    return b"\n".join(kept) + gap + message, [b"\n".join(lines) + b"\n" for lines in found]


def _kind(signature: bytes) -> Literal["openpgp", "ssh"]:
    begins = [found[1] for found in _BEGIN.finditer(signature)]
    if len(signature) > _LONGEST or len(begins) != 1 or not signature.startswith(b"-----BEGIN "):
        raise MalformedError("its signature is not one armored block")
    kind = _KINDS.get(begins[0])
    if kind is None:
        raise MalformedError("its signature is neither OpenPGP's nor SSH's")
    return kind


def _when(payload: bytes) -> int:
    for line in payload.partition(b"\n\n")[0].split(b"\n"):
        found = _WHEN.match(line)
        if found is not None:
            return seconds(found[1].decode("ascii"))
    return 0


def ssh_fingerprint(signature: bytes) -> str:
    """
    Return ``SHA256:...`` of the key that an armored SSH signature says it is by.

    Of a certificate, of the certificate as a whole. Raises MalformedError.
    """
    lines = signature.strip().split(b"\n")
    if lines[-1] != b"-----END SSH SIGNATURE-----":
        raise MalformedError("its signature is not one armored block")
    try:
        blob = base64.b64decode(b"".join(lines[1:-1]), validate=True)
    except binascii.Error as error:
        raise MalformedError("its signature is not base64") from error
    size = int.from_bytes(blob[10:14], "big")
    key = blob[14 : 14 + size]
    if blob[:6] != b"SSHSIG" or not size or len(key) != size:
        raise MalformedError("its signature is not one of ssh-keygen's")
    digest = base64.b64encode(hashlib.sha256(key).digest()).rstrip(b"=")
    return f"SHA256:{digest.decode('ascii')}"
