"""
What a document calls itself: name, namespace, labels and annotations.

Rule: names follow Kubernetes, as leniently as Istio takes them: a name is labels joined by dots (at
most 253 characters), a namespace is one label (at most 63), a label is letters of either case,
digits and hyphens, not beginning or ending with a hyphen. Neither can hold a slash, so
``namespace/name`` can always be taken apart again. User-defined collections may also use
underscores, and their documents need no name: they are then named after their file. A document
that is a message by itself, without metadata, has its name in its field ``name``. Labels and
annotations of Istio's kinds follow Kubernetes too, since no cluster takes others; in collections of
one's own they are free.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from gitsource.catalog.kinds import STRUCT, Kind, wrapped
from gitsource.model import FieldPath, Problem, shown

NAME_LENGTH = 253
NAMESPACE_LENGTH = 63
ENVOY_NAME_LENGTH = 1024
LABEL_LENGTH = 63
PREFIX_LENGTH = 253

_LABEL = "[A-Za-z0-9](?:[-A-Za-z0-9]*[A-Za-z0-9])?"
_NAMESPACE = re.compile(_LABEL)
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
ENVOY_NAME = re.compile("[!-~]+")
_TEXTS = frozenset((str,))
_NAME_FIELDS = ("name", "cluster_name", "clusterName")
_OWN_NAME = re.compile("[A-Za-z0-9](?:[-._A-Za-z0-9]*[A-Za-z0-9])?")
_PREFIX = re.compile(r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*")


@dataclass(frozen=True, slots=True)
class Identity:
    """What one document is called."""

    name: str | None
    """The resource's name, ``namespace/name`` for namespaced kinds; None: named after its file."""
    namespace: str
    labels: dict[str, str] = field(default_factory=dict)
    annotations: dict[str, str] = field(default_factory=dict)


def identify(
    value: Any, kind: Kind, default_namespace: str
) -> tuple[Identity | None, tuple[Problem, ...]]:
    """
    Return what the document *value* is called, and what is wrong with that.

    None if it has no name that could be used. A missing namespace is *default_namespace*.
    """
    if not kind.builtin and kind.body != STRUCT and not wrapped(value):
        return _bare(value, kind, default_namespace)
    metadata = value.get("metadata") if isinstance(value, dict) else None
    if not isinstance(metadata, dict):
        if not kind.builtin:
            return Identity(None, default_namespace), ()
        there: FieldPath = ("metadata",) if value and "metadata" in value else ()
        return None, (_nameless(kind, there),)
    problems: list[Problem] = []
    namespace = metadata.get("namespace")
    if namespace is None or namespace == "":
        namespace = default_namespace
    elif not _fits(namespace, _NAMESPACE, NAMESPACE_LENGTH):
        problems.append(_refused("namespace", namespace, NAMESPACE_LENGTH))
    name = metadata.get("name")
    if name is None or name == "":
        if kind.builtin:
            problems.append(
                _nameless(kind, ("metadata", *(["name"] if "name" in metadata else [])))
            )
    elif not _fits(name, _NAME if kind.builtin else _OWN_NAME, NAME_LENGTH):
        problems.append(_refused("name", name, NAME_LENGTH))
    usable = not problems
    labels = _texts(metadata, "labels", problems)
    annotations = _texts(metadata, "annotations", problems)
    problems.extend(_unfit(labels, annotations) if kind.builtin else ())
    if not usable:
        return None, tuple(problems)
    full = (f"{namespace}/{name}" if kind.namespaced else name) if name else None
    return Identity(full, namespace, labels, annotations), tuple(problems)


def _bare(
    value: Any, kind: Kind, default_namespace: str
) -> tuple[Identity | None, tuple[Problem, ...]]:
    """
    Return what a document that is a message by itself is called: its field ``name``.

    ``cluster_name`` is that of Envoy's ClusterLoadAssignment. Envoy's names may be any text without
    spaces, and have no namespace.
    """
    fields = value if isinstance(value, dict) else {}
    field = next((key for key in _NAME_FIELDS if fields.get(key)), None)
    if field is None:
        return Identity(None, default_namespace), ()
    name = fields[field]
    pattern = _OWN_NAME if kind.namespaced else ENVOY_NAME
    longest = NAME_LENGTH if kind.namespaced else ENVOY_NAME_LENGTH
    if not _fits(name, pattern, longest):
        what = "letters, digits, '-', '_' and '.'" if kind.namespaced else "text without spaces"
        message = (
            f"{shown(name)} cannot be the name of a resource: use {what}, at most {longest} "
            "characters"
        )
        return None, (Problem("GS303", message, (field,)),)
    full = f"{default_namespace}/{name}" if kind.namespaced else name
    return Identity(full, default_namespace), ()


def _fits(value: Any, pattern: re.Pattern[str], longest: int) -> bool:
    return isinstance(value, str) and len(value) <= longest and bool(pattern.fullmatch(value))


def _nameless(kind: Kind, path: FieldPath) -> Problem:
    return Problem("GS302", f"a {kind.kind} needs a name: set metadata.name", path)


def _refused(what: str, value: Any, longest: int) -> Problem:
    path = ("metadata", what)
    if not isinstance(value, str):
        return Problem("GS303", f"metadata.{what} has to be a string, not {shown(value)}", path)
    if len(value) > longest:
        message = f"metadata.{what} has {len(value)} characters; at most {longest} are allowed"
        return Problem("GS303", message, path)
    dots = ", hyphens and dots" if what == "name" else " and hyphens"
    return Problem(
        "GS303",
        f"metadata.{what} {shown(value)} is not allowed: use letters, digits{dots}, with a letter "
        "or a digit first and last",
        path,
    )


def _texts(metadata: dict[str, Any], what: str, problems: list[Problem]) -> dict[str, str]:
    """Return the labels or annotations, noting what is not a string under a string; null is ""."""
    found = metadata.get(what)
    if found is None:
        return {}
    path: FieldPath = ("metadata", what)
    if not isinstance(found, dict):
        message = f"metadata.{what} has to be a mapping of strings, not {shown(found)}"
        problems.append(Problem("GS308", message, path))
        return {}
    if _TEXTS.issuperset(map(type, (*found, *found.values()))):
        return found
    for key, text in found.items():
        if text is None and isinstance(key, str):
            message = (
                f"metadata.{what}: {shown(key)} has no value, which is read as no text: write ''"
            )
            problems.append(Problem("GS308", message, (*path, key), "warning"))
        elif not isinstance(text, str) or not isinstance(key, str):
            message = (
                f"metadata.{what}: the value of {shown(key)} has to be a string, not "
                f"{shown(text)}: quote it"
            )
            problems.append(Problem("GS308", message, (*path, key)))
    texts = {key: "" if text is None else text for key, text in found.items()}
    return {k: v for k, v in texts.items() if isinstance(k, str) and isinstance(v, str)}


def _unfit(labels: dict[str, str], annotations: dict[str, str]) -> Iterator[Problem]:
    """Yield what no cluster takes of these: keys of another form, values that no label can have."""
    for key, text in labels.items():
        path: FieldPath = ("metadata", "labels", key)
        if not _key_fits(key):
            yield _bad_key(key, path)
        elif text and not _fits(text, _OWN_NAME, LABEL_LENGTH):
            message = (
                f"{shown(text)} cannot be a label's value: use at most {LABEL_LENGTH} letters, "
                "digits, '-', '_' and '.', with a letter or a digit first and last; or make it an "
                "annotation"
            )
            yield Problem("GS308", message, path)
    for key in annotations:
        if not _key_fits(key.lower()):
            yield _bad_key(key, ("metadata", "annotations", key))


def _key_fits(key: str) -> bool:
    return len(key) <= PREFIX_LENGTH + 1 + LABEL_LENGTH and _short_key_fits(key)


@lru_cache(maxsize=1024)
def _short_key_fits(key: str) -> bool:
    prefix, slash, name = key.rpartition("/")
    if slash and not _fits(prefix, _PREFIX, PREFIX_LENGTH):
        return False
    return _fits(name, _OWN_NAME, LABEL_LENGTH)


def _bad_key(key: str, path: FieldPath) -> Problem:
    message = (
        f"{shown(key)} cannot be such a key: use at most {LABEL_LENGTH} letters, digits, '-', '_' "
        "and '.', with a letter or a digit first and last; a DNS name and a slash may stand before"
    )
    return Problem("GS308", message, path, at_key=True)
