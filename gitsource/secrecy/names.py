"""
Which names say that what stands under them, or beside them, is a secret.

Rule: a name is read as words (``clientSecret``, ``x-api-key``, ``request.headers[x-token]``), and
the last of them decide. What refers to a secret (its name, its file) is no secret, and no more is a
number of tokens.
"""

from __future__ import annotations

import re
from functools import lru_cache

_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_NAMES = frozenset(
    (
        *("password", "passwords", "passwd", "passphrase", "passcode", "pwd", "pass"),
        *("secret", "secrets", "token", "tokens", "credential", "credentials"),
        *("apikey", "privatekey", "secretkey", "accesskey", "signingkey", "sharedkey"),
        *("clientsecret", "authtoken", "bearer", "authorization", "hmac", "psk", "jwt"),
        *("signature", "sessionid", "basicauth", "totp"),
    )
)
"""Last words of names under which secrets stand."""
_KEYS = frozenset(
    (
        *("private", "api", "secret", "access", "signing", "shared", "encryption", "session"),
        *("hmac", "master", "auth", "account", "ssh", "gpg", "decryption", "ticket"),
        *("subscription", "function", "functions", "client", "webhook", "storage", "license"),
        *("app", "application", "consumer", "root", "admin", "tls", "ssl"),
    )
)
"""Words before ``key`` that make it one."""
STEMS = (
    *("pass", "pwd", "secret", "token", "credential", "key", "bearer", "auth", "hmac", "psk"),
    *("jwt", "signature", "session", "totp", "cookie"),
)
"""One of these is in every name of a secret, in lower case."""
_FORMS = frozenset(
    (
        *("value", "values", "hash", "hashed", "data", "text", "string", "plain", "plaintext"),
        *("raw", "base", "encoded", "inline", "literal", "current", "old", "new", "previous"),
        *("primary", "secondary"),
    )
)
"""Last words that only say in which form a secret stands, or which of two it is."""
_COUNTED = frozenset(("max", "min", "num", "number", "count", "total", "limit", "per"))
"""Words before ``tokens`` and the like, of which there are so many then."""
_REFERENCES = frozenset(
    ("name", "namespace", "filename", "file", "path", "ref", "reference", "variable", "type")
)
"""Last words of names that say where a secret is, or what it is called."""
_COOKIES = frozenset(("cookie", "setcookie"))


@lru_cache(4096)
def called_secret(name: str) -> bool:
    """Tell whether a secret stands under *name*: ``clientSecret``, ``api-key``, ``tokenHash``."""
    if name.startswith("envoy."):
        return False  # an extension, which may be about passwords and is none
    words = _words(name)
    while len(words) > 1 and (words[-1] in _FORMS or words[-1].isdigit()):
        words.pop()
    if not words:
        return False
    if words[-1] in _NAMES or "".join(words[-2:]) in _NAMES:
        return len(words) == 1 or words[-2] not in _COUNTED
    return len(words) > 1 and words[-1] in {"key", "keys"} and words[-2] in _KEYS


@lru_cache(4096)
def called_cookie(name: str) -> bool:
    """Tell whether *name* is that of a header with cookies: they may be anybody's session."""
    return "".join(_words(name)[-2:]) in _COOKIES or "".join(_words(name)[-1:]) == "cookie"


@lru_cache(4096)
def refers(name: str) -> bool:
    """Tell whether what stands under *name* says only where a secret is, or what it is called."""
    words = _words(name)
    return bool(words) and words[-1] in _REFERENCES


def _words(name: str) -> list[str]:
    return [word.lower() for word in _WORDS.findall(name[-200:].rpartition("/")[2])]
