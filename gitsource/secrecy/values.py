"""
Which parts of a JSON value must not be shown, and the value without them.

Rule: this is the one place that decides what is secret in a document: by the name of a key at any
depth, by a name that stands beside (a header, a variable), by the form of a text, inside JSON that
stands in a text, and by what a JSON Web Key is. A hidden value still differs from another one, and
nothing more can be told of it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from gitsource.secrecy.names import called_cookie, called_secret, refers
from gitsource.secrecy.texts import LOOKED_AT, REDACTED, innocent, redacted

DEEPEST = 4
"""So often a text of JSON is looked into that stands in a text of JSON."""

_NAMING = frozenset(("name", "key", "header", "headername", "variable", "var", "param", "field"))
"""Keys whose value says what the values beside them are."""
_VALUES = frozenset(("value", "values", "default", "data", "text", "content", "regex", "contains"))
"""Last words of the keys of those values."""
_MATCHES = frozenset(("exact", "prefix", "suffix"))
"""More of those, where they hold a text and no mapping."""
_STRING_MATCH = frozenset(
    ("exact", "prefix", "suffix", "regex", "contains", "safeRegex", "safe_regex", "ignoreCase")
)
_JWK = frozenset(("k", "d", "p", "q", "dp", "dq", "qi", "oth", "priv"))
"""Members of a JSON Web Key that only its owner may know."""


@dataclass(frozen=True, slots=True)
class Hidden:
    """A value that is not shown, or not all of it; equal to what hides the same value."""

    digest: str
    told: str = REDACTED
    """What may be shown in its place: of a text that has a secret in it, the rest."""

    @classmethod
    def of(cls, value: Any, told: str = REDACTED) -> Hidden:
        """Return what hides *value*, which may have hidden parts."""
        data = canonical(value).encode("utf-8", "surrogatepass")
        return cls(hashlib.sha256(data).hexdigest(), told)


def canonical(value: Any) -> str:
    """Return a text that is the same for equal JSON values (and `Hidden` ones), and no others."""
    return _CANONICAL.encode(value)


def _stood_for(value: Any) -> Any:
    if isinstance(value, Hidden):
        # NB: no JSON of a document has such a thing: a list in place of a key would be one.
        return {"\x00hidden": value.digest}
    raise TypeError(type(value).__name__)


_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), default=_stood_for)


def hidden(value: Any) -> Any:
    """Return the JSON *value* with all that must not be shown `Hidden`."""
    return _without(value, DEEPEST)


def shown(value: Any) -> Any:
    """Return *value*, which may have hidden parts, with what may be shown in their places."""
    if isinstance(value, Hidden):
        return value.told
    if isinstance(value, dict):
        return {key: shown(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [shown(inner) for inner in value]
    return value


def any_hidden(value: Any) -> bool:
    """Tell whether *value* has a hidden part."""
    return next(_hidden_in(value), None) is not None


def _hidden_in(value: Any) -> Iterator[Hidden]:
    waiting = [value]
    while waiting:
        inner = waiting.pop()
        if isinstance(inner, Hidden):
            yield inner
        elif isinstance(inner, dict):
            waiting += inner.values()
        elif isinstance(inner, list):
            waiting += inner


def marked(value: Any, places: Iterable[tuple[str | int, ...]]) -> Any:
    """Return *value* with what stands at *places* hidden; it is changed itself."""
    for place in places:
        *outer, last = place
        inner = value
        for step in outer:
            inner = inner[str(step) if isinstance(inner, dict) else step]
        inner[last] = Hidden.of(inner[last])
    return value


def _without(value: Any, depth: int) -> Any:
    if isinstance(value, str):
        return _text(value, depth)
    if isinstance(value, dict):
        return _mapping(value, depth)
    if isinstance(value, list):
        return [_without(inner, depth) for inner in value]
    return value


def _text(text: str, depth: int) -> Any:
    if text[:1] in _OPENING and depth and len(text) <= LOOKED_AT:
        held = inside(text)
        if held is not None:
            without = _without(held, depth - 1)
            if not any_hidden(without):
                return text
            return Hidden.of(text, json.dumps(shown(without), ensure_ascii=False))
    told = redacted(text)
    return text if told is text else Hidden.of(text, told)


_OPENING = frozenset("{[ \n\t")


def inside(text: str) -> Any:
    """Return the mapping or list that *text* is the JSON of; None if it is not."""
    try:
        held = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return held if isinstance(held, dict | list) else None


def _mapping(value: dict[str, Any], depth: int) -> dict[str, Any]:
    beside = _named_secret(value)
    key_of_keys = "kty" in value
    secret = value.get("kind") == "Secret" and "apiVersion" in value
    told = {}
    for key, inner in value.items():
        if called_secret(key) or (beside and _valued(key, inner)):
            told[key] = _covered(inner, depth, counted=key.endswith("okens"))
        elif (
            (called_cookie(key) and _matched(inner))
            or (key_of_keys and key in _JWK)
            or (secret and key in {"data", "stringData"})
        ):
            told[key] = _covered(inner, depth)
        elif type(inner) is str and inner.isalnum() and len(inner) < 8:
            told[key] = inner  # most texts are like this
        else:
            told[key] = _without(inner, depth)
    return told


def _named_secret(value: dict[str, Any]) -> bool:
    """Tell whether *value* is a pair of a name and what it names, and the name is a secret's."""
    return any(
        type(each) is str and _naming(key) and (called_secret(each) or called_cookie(each))
        for key, each in value.items()
    )


@lru_cache(4096)
def _naming(key: str) -> bool:
    return key.replace("_", "").replace("-", "").lower() in _NAMING


def _valued(key: str, value: Any) -> bool:
    """Tell whether *value*, under *key* beside a name, is what has that name."""
    words = _last_words(key)
    if words[-1:] == ("match",):
        # NB: `match` alone is the match of a route that has a name.
        return len(words) > 1
    if words[-1:] and words[-1] in _VALUES:
        return True
    return key in _MATCHES and isinstance(value, str)


@lru_cache(4096)
def _last_words(key: str) -> tuple[str, ...]:
    spaced = "".join(f" {c.lower()}" if c.isupper() else " " if c in "_-" else c for c in key)
    return tuple(spaced.split())


def _matched(value: Any) -> bool:
    """Tell whether *value* is that of a header, or matches one: no mapping of anything else."""
    if isinstance(value, dict):
        return bool(value) and value.keys() <= _STRING_MATCH
    return isinstance(value, str | list)


def _covered(value: Any, depth: int, *, counted: bool = False) -> Any:
    """
    Return *value*, which stands under a name for secrets, with every text and number hidden.

    *counted*: numbers are shown, since the name may be that of things that are counted.
    """
    if isinstance(value, dict):
        return {
            key: _without(inner, depth) if refers(key) or key == "@type" else _covered(inner, depth)
            for key, inner in value.items()
        }
    if isinstance(value, list):
        return [_covered(inner, depth) for inner in value]
    if value is None or isinstance(value, bool | Hidden):
        return value
    if isinstance(value, str):
        return value if innocent(value) else Hidden.of(value)
    return value if counted else Hidden.of(value)
