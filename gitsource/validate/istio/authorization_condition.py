"""
Istio's rules for the conditions of a rule of an AuthorizationPolicy: keys, and values by key.

Rule: a key is known by its name or by how it begins, as in Istio; the values of an unknown key are
not looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from gitsource.model import FieldPath, Problem, shown
from gitsource.validate.istio.authorization_operation import ports
from gitsource.validate.istio.authorization_source import accounts, addresses, domains, empty
from gitsource.validate.istio.subject import Subject, error

_Judge = Callable[[str, FieldPath, Sequence[str]], Iterator[Problem]]
_VALUES: dict[str, tuple[str, _Judge]] = {
    "source.ip": ("AP-45", addresses),
    "remote.ip": ("AP-45", addresses),
    "destination.ip": ("AP-45", addresses),
    "destination.port": ("AP-46", ports),
    "source.serviceAccount": ("AP-47", accounts),
    "source.trustDomain": ("AP-48", partial(domains, slashes=True)),
}
"""Key → how its values are judged under which code."""
_FREE = frozenset(
    (
        "source.namespace",
        "source.principal",
        "request.auth.principal",
        "request.auth.audiences",
        "request.auth.presenter",
        "connection.sni",
    )
)
_BRACKETS = (
    "request.headers",
    "request.experimental.inline.headers",
    "request.auth.claims",
    "experimental.envoy.filters.",
)
"""How keys begin that end in a name in brackets."""
_GONE = {
    "destination.namespace": "a policy is about its own namespace",
    "destination.name": "a policy says in its selector what it is about",
    "destination.user": "a policy says in its selector what it is about",
}


def check(subject: Subject, path: FieldPath, condition: Any) -> Iterator[Problem]:
    """Yield what is wrong with a condition."""
    key = condition.key
    lists = (("values", condition.values), ("notValues", condition.not_values))
    if not key:
        at = subject.place((*path, "key"))
        yield error("AP-40", at, "the condition has no key: name what is looked at")
        return
    if not (condition.values or condition.not_values):
        yield error("AP-41", path, f"{shown(key)} has no values: write values or notValues")
        return
    yield from _key((*path, "key"), key)
    code, judge = _VALUES.get(key, ("", None))
    for name, values in lists:
        yield from empty("AP-42", (*path, name), values)
        if judge is not None:
            yield from judge(code, (*path, name), values)


def _key(path: FieldPath, key: str) -> Iterator[Problem]:
    if key in _FREE or key in _VALUES:
        return
    if key.startswith(_BRACKETS):
        opened = key.find("[")
        if not (key.endswith("]") and 0 < opened < len(key) - 2):
            yield error("AP-44", path, f"{shown(key)} lacks a name: write it last, in [brackets]")
    elif key in _GONE:
        yield error("AP-49", path, f"{shown(key)} is gone: {_GONE[key]}")
    elif key.startswith("destination.labels"):
        message = f"{shown(key)} is gone: a policy says in its selector what it is about"
        yield error("AP-49", path, message)
    else:
        yield error("AP-43", path, f"{shown(key)} is no attribute that Istio knows")
