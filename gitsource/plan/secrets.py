"""
Which parts of a body must not be shown, and the body without them.

Rule: whatever may be key material is hidden before anything is compared or written: where Envoy's
messages say so (`messages.sensitive`), under keys that are called like secrets, and texts that are
private keys or addresses with a password. A hidden value still differs from another one, and
nothing more can be told of it. What refers to a secret (its name, its file) is no secret.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from gitsource.model import FieldPath

_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_NAMES = frozenset(
    (
        *("password", "passwords", "passwd", "passphrase", "pwd", "pass"),
        *("secret", "secrets", "token", "tokens", "credential", "credentials"),
        *("apikey", "privatekey", "secretkey", "accesskey", "signingkey", "sharedkey"),
        *("clientsecret", "authtoken", "bearer", "authorization", "hmac", "psk", "jwt"),
    )
)
"""Last words of keys under which secrets stand."""
_KEYS = frozenset(
    (
        *("private", "api", "secret", "access", "signing", "shared", "encryption", "session"),
        *("hmac", "master", "auth", "account", "ssh", "gpg", "decryption", "ticket"),
    )
)
"""Words before ``key`` that make it one."""
_PLAIN = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY|^[a-z][a-z0-9+.-]*://[^/@\s:]*:[^/@\s]+@"
    r"|^(?:Bearer|Basic) \S{8}"
)
"""Texts that are secrets wherever they stand."""
LOOKED_AT = 64 * 1024
"""Characters of a text that are looked through."""


@dataclass(frozen=True, slots=True)
class Hidden:
    """A value that is not shown; equal to what hides the same value."""

    digest: str

    @classmethod
    def of(cls, value: Any) -> Hidden:
        """Return what hides *value*, which may have hidden parts."""
        return cls(hashlib.sha256(canonical(value).encode("utf-8", "surrogatepass")).hexdigest())


def canonical(value: Any) -> str:
    """Return a text that is the same for equal JSON values (and `Hidden` ones), and no others."""
    return _CANONICAL.encode(value)


def _told(value: Any) -> Any:
    if isinstance(value, Hidden):
        # NB: no JSON of a document has such a thing: a list in place of a key would be one.
        return {"\x00hidden": value.digest}
    raise TypeError(type(value).__name__)


_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), default=_told)


def hidden(value: Any) -> Any:
    """Return the JSON *value* with all that must not be shown hidden."""
    return _without(value)


def marked(value: Any, places: Iterable[FieldPath]) -> Any:
    """Return *value* with what stands at *places* hidden; it is changed itself."""
    for place in places:
        _hide(value, place)
    return value


def _hide(value: Any, place: FieldPath) -> None:
    *outer, last = place
    for step in outer:
        value = value[str(step) if isinstance(value, dict) else step]
    value[last] = Hidden.of(value[last])


def _without(value: Any) -> Any:
    if isinstance(value, str):
        # Most texts have nothing of what makes one a secret, and telling so has to be cheap.
        if (":" in value or " " in value) and _PLAIN.search(value[:LOOKED_AT]):
            return Hidden.of(value)
        return value
    if isinstance(value, dict):
        return {
            key: _covered(inner)
            if called_secret(key)
            else inner
            if type(inner) is str and ":" not in inner and " " not in inner
            else _without(inner)
            for key, inner in value.items()
        }
    if isinstance(value, list):
        return [_without(inner) for inner in value]
    return value


def _covered(value: Any) -> Any:
    """Return *value*, which stands under a name for secrets, with every text and number hidden."""
    if isinstance(value, dict):
        return {key: _covered(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_covered(inner) for inner in value]
    if value is None or isinstance(value, bool | Hidden) or value == "":
        return value
    return Hidden.of(value)


@lru_cache(4096)
def called_secret(key: str) -> bool:
    """Tell whether a secret stands under *key*, by its name: ``clientSecret``, ``api-key``."""
    words = [word.lower() for word in _WORDS.findall(key[-200:].rpartition("/")[2])]
    if not words:
        return False
    if words[-1] in _NAMES or "".join(words[-2:]) in _NAMES:
        return True
    return len(words) > 1 and words[-1] in {"key", "keys"} and words[-2] in _KEYS
