"""
Bearer tokens: a JWT that somebody we know has signed, or why it is none.

Rule: what may be said of a signature is decided here and not by the token: the algorithms are those
of the settings, public keys alone, and the key is the one the token names. A token is never in a
text.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gitsource.errors import ConfigurationError
from gitsource.observe.happenings import Fact, Happening, Record, unrecorded
from gitsource.security.identity import Unproved
from gitsource.security.material import read_file
from gitsource.security.papers import Unusable
from gitsource.security.peer import Peer
from gitsource.settings_checks.sinks_door import ALGORITHMS

log = logging.getLogger("gitsource.security")

LONGEST = 16 * 1024
"""Characters of a token."""
BEARER = "bearer "


class Tokens:
    """Checks tokens against the keys in *file*, kept up to date by `watch`."""

    def __init__(
        self,
        file: Path,
        *,
        issuer: str,
        audience: str,
        algorithms: Sequence[str],
        skew: float = 30.0,
        every: float = 5.0,
        record: Record = unrecorded,
    ) -> None:
        self._file = file
        self._issuer = issuer
        self._audience = audience
        self._algorithms = [name for name in algorithms if name in ALGORITHMS]
        self._skew = skew
        self._every = every
        self._record = record
        self._content = b""
        self._keys: Mapping[str, Key] = {}
        self._bad = b""
        self.alarm = ""
        """What is wrong with the file; empty while its keys are in force."""
        self.reloads = 0
        self.failures = 0
        self.changed: list[Callable[[], None]] = []
        """Called, on the event loop, when other keys are in force."""

    def __repr__(self) -> str:
        return f"<Tokens keys={len(self._keys)} alarm={self.alarm!r}>"

    # ------------------------------------------------------------------ keys

    def load(self) -> None:
        """Read the keys for the first time; raises ConfigurationError if they are no good."""
        try:
            self._content = read_file(self._file, "tokens.jwks_file")
            self._keys = keys_of(self._content, self._file)
        except Unusable as error:
            hint = "name a JSON Web Key Set with public keys; see docs/identity.md"
            raise ConfigurationError(str(error), hint=hint) from error

    async def watch(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            await asyncio.sleep(self._every)
            await self.look()

    async def look(self) -> None:
        """Look once, and take over what is new and good."""
        content = b""
        try:
            content = await asyncio.to_thread(read_file, self._file, "tokens.jwks_file")
            changed = content != self._content
            keys = keys_of(content, self._file) if changed else self._keys
        except Unusable as error:
            # A file that is being written may be half there: it is looked at once more.
            if self._bad == (content or str(error).encode()):
                self._alarmed(str(error))
            self._bad = content or str(error).encode()
            return
        self._content, self._keys, self._bad = content, keys, b""
        if self.alarm:
            log.info("tokens.jwks_file is good again")
        self.alarm = ""
        if changed:
            self.reloads += 1
            log.info("tokens.jwks_file: %d new keys are in force", len(keys))
            facts: Mapping[str, Fact] = {"door": "tokens", "keys": len(keys)}
            self._record(Happening("certificate", outcome="ok", facts=facts))
            for call in self.changed:
                call()

    def _alarmed(self, why: str) -> None:
        if self.alarm == why:
            return
        self.alarm = why
        self.failures += 1
        log.error("%s; the last good keys stay in force", why)
        told = Happening("certificate", outcome="failed", why=why, facts={"door": "tokens"})
        self._record(told)

    # ------------------------------------------------------------------ tokens

    def peer(self, authorization: str, address: str) -> Peer:
        """Return who sends the header *authorization*; raises `Unproved`."""
        import jwt

        if not authorization.lower().startswith(BEARER):
            raise Unproved("authorization is no bearer token")
        token = authorization[len(BEARER) :].strip()
        if len(token) > LONGEST:
            raise Unproved("the token is too long")
        try:
            key = self._key(jwt.get_unverified_header(token))
            claims = jwt.decode(
                token,
                key.public,
                algorithms=self._algorithms,
                audience=self._audience,
                issuer=self._issuer,
                leeway=self._skew,
                options={"require": ["exp", "iss", "aud", "sub"]},
            )
            expires = float(claims["exp"]) + self._skew
        except (jwt.PyJWTError, ValueError, TypeError, ArithmeticError, RecursionError) as error:
            raise Unproved(f"the token is no good: {_told(error)}") from error
        subject = claims["sub"]
        if not subject or len(subject) > 255 or not subject.isprintable():
            raise Unproved("the token's subject is no name")
        return Peer(
            address=address,
            means="jwt",
            claims=claims,
            key=key.thumbprint,
            expires=expires,
            identity=f"jwt:{subject}@{self._issuer}",
        )

    def fallen(self, peer: Peer) -> str:
        """Return why the token by which *peer* was let in counts no more; empty: it does."""
        if not peer.key or any(key.thumbprint == peer.key for key in self._keys.values()):
            return ""
        return "the key that signed the token of this stream is no more: come back with a new one"

    def _key(self, header: Mapping[str, Any]) -> Key:
        """Return the key that *header* names."""
        name, algorithm = header.get("kid"), header.get("alg")
        if name is None and len(self._keys) == 1:
            (name,) = self._keys
        if not isinstance(name, str) or name not in self._keys:
            raise _NoKeyError("no key of tokens.jwks_file has its kid")
        key = self._keys[name]
        # A key that says how it signs is not taken for anything else.
        if key.public.algorithm_name != algorithm:
            raise _NoKeyError("it is not signed as its key says")
        return key


_NO_SET = (ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError)
"""What is raised by text that is no key set."""


class _NoKeyError(ValueError):
    """There is no key for a token; the text is ours."""


@dataclass(frozen=True, slots=True)
class Key:
    """A public key of the set."""

    public: Any = field(repr=False)
    """A `jwt.PyJWK`."""
    thumbprint: str
    """The same for the same key, whatever it is called: RFC 7638 in essence."""


def _thumbprint(row: Mapping[str, Any]) -> str:
    told = {name: row.get(name) for name in ("kty", "crv", "x", "y", "n", "e")}
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def keys_of(content: bytes, file: Path) -> Mapping[str, Key]:
    """Return the public keys in *content* by their kid; raises `Unusable`, which names *file*."""
    import jwt

    called = f"tokens.jwks_file ({file})"
    try:
        rows = json.loads(content)["keys"]
        found: dict[str, Key] = {}
        for row in rows:
            if row.get("kty") == "oct" or "d" in row:
                raise Unusable(f"{called} holds a key that is not public")
            if row.get("use", "sig") != "sig":
                continue
            name = row.get("kid", "")
            if not isinstance(name, str) or name in found:
                raise Unusable(f"{called} holds two keys of one kid")
            found[name] = Key(jwt.PyJWK(row), _thumbprint(row))
    except (*_NO_SET, jwt.PyJWTError) as error:
        raise Unusable(f"{called} is no JSON Web Key Set") from error
    if not found:
        raise Unusable(f"{called} holds no key that signs")
    return found


def _told(error: Exception) -> str:
    """Return the reason in words that hold nothing of the token."""
    import jwt

    known = {
        jwt.ExpiredSignatureError: "it has expired",
        jwt.ImmatureSignatureError: "it counts later only",
        jwt.InvalidAudienceError: "it is for somebody else (aud)",
        jwt.InvalidIssuerError: "somebody else issued it (iss)",
        jwt.InvalidSignatureError: "its signature is wrong",
        jwt.InvalidAlgorithmError: "it is signed in a way that is not allowed",
        jwt.MissingRequiredClaimError: "it lacks exp, iss, aud or sub",
    }
    for kind, text in known.items():
        if isinstance(error, kind):
            return text
    if isinstance(error, _NoKeyError):
        return str(error)
    return "it is no JWT of ours"
