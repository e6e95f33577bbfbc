"""
What Istio takes for a JSON Web Key or a set of them (RFC 7517, RFC 7518, RFC 8037).

Rule: Istio reads the keys and does not use them, so the members of each are looked at (there, text,
base64), and no more: a library that builds keys would also refuse weak ones, which Istio takes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NoReturn

from gitsource.model import shown

_MEMBERS = {
    "RSA": (("n", "e"), ("d",)),
    "EC": (("crv", "x", "y"), ("d",)),
    "OKP": (("crv", "x"), ("d",)),
    "AKP": (("alg", "pub"), ("priv",)),
    "oct": (("k",), ()),
}
"""Members that a key of each type has to have, and those that only a private one has."""
_NAMES = frozenset(("kty", "crv", "alg", "kid", "use"))
"""Members that are plain text; the others are bytes in base64."""
_BYTES = re.compile("(?:[-A-Za-z0-9_]*|[A-Za-z0-9+/]*)={0,2}")


@dataclass(frozen=True, slots=True)
class Keys:
    """What a JWKS holds."""

    flaw: str = ""
    """Why it cannot be read; empty if it can."""
    secret: str = ""
    """What keys in it nobody else may know: ``private`` or ``symmetric``; empty if none."""


def read(text: str) -> Keys:
    """Return what the JWKS *text* holds."""
    try:
        value = json.loads(text, parse_constant=_refused)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        return Keys(flaw=f"it is not JSON ({error.msg} at {where} of the text)")
    except (ValueError, RecursionError):
        return Keys(flaw="it is not JSON that can be read")
    if type(value) is not dict:
        return Keys(flaw=f"it has to be a JSON object, not {shown(value)}")
    keys = value.get("keys", [value])
    if keys is None:
        keys = []
    if type(keys) is not list:
        return Keys(flaw=f"keys has to be a list, not {shown(keys)}")
    for index, key in enumerate(keys):
        which = f"key {index + 1} of {len(keys)}" if "keys" in value else "the key"
        for flaw in _flaws(key):
            return Keys(flaw=f"{which} {flaw}")
    return Keys(secret=next(filter(None, map(_secret, keys)), ""))


def _refused(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _flaws(key: Any) -> Iterator[str]:
    if type(key) is not dict:
        yield f"has to be a JSON object, not {shown(key)}"
        return
    kind = key.get("kty")
    if type(kind) is not str or kind not in _MEMBERS:
        told = f"has kty {shown(kind)}" if "kty" in key else "has no kty"
        yield f"{told}: use {', '.join(_MEMBERS)}"
        return
    needed, private = _MEMBERS[kind]
    for name in needed:
        if key.get(name) is None:
            yield f"has no {name}, which a key of type {kind} has to have"
    for name in sorted({*needed, *private, *_NAMES} & key.keys()):
        yield from _member(name, key[name])


def _member(name: str, value: Any) -> Iterator[str]:
    if value is None:
        return
    if type(value) is not str:
        yield f"has {shown(value)} as {name}, which has to be text"
    elif name not in _NAMES and not _is_base64(value):
        yield f"has {shown(value)} as {name}, which is not base64"


def _is_base64(text: str) -> bool:
    text = text.replace("\r", "").replace("\n", "")
    if not _BYTES.fullmatch(text):
        return False
    return len(text) % 4 == 0 if text.endswith("=") else len(text) % 4 != 1


def _secret(key: dict[str, Any]) -> str:
    kind = key["kty"]
    if kind == "oct":
        return "symmetric"
    return "private" if any(name in key for name in _MEMBERS[kind][1]) else ""
