"""
What several kinds share: to whom something is exported, what it selects, where it sends.

Rule: as in `values`: each check yields its problems under the codes it is given.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

from gitsource.model import FieldPath, Problem, shown
from gitsource.validate.istio.names import is_dns_label, is_wildcard_domain
from gitsource.validate.istio.subject import SPEC, Subject, error, warning
from gitsource.validate.istio.values import port


def export_to(
    code: str, subject: Subject, path: FieldPath, *, nowhere: bool = False
) -> Iterator[Problem]:
    """Judge exportTo; with *nowhere*, ``~`` is taken too (alone)."""
    entries: Sequence[str] = subject.spec.export_to
    seen: set[str] = set()
    for index, entry in enumerate(entries):
        at = (*path, index)
        meant = subject.namespace if entry == "." else entry
        if entry == "~" and not nowhere:
            yield error(code, at, "'~' is for ServiceEntry only: name namespaces, '.' or '*'")
        elif entry not in (".", "*", "~") and not is_dns_label(entry):
            yield error(code, at, f"{shown(entry)} is no namespace: use a name, '.' or '*'")
        elif meant in seen:
            own = " ('.' is this resource's own)" if entry == "." or "." in entries else ""
            yield error(code, at, f"{shown(entry)} is given twice{own}: keep one")
        elif entry in ("*", "~") and len(entries) > 1:
            yield error(code, at, f"{shown(entry)} stands alone or not at all: remove the others")
        seen.add(meant)


def alpha_selector(code: str, path: FieldPath, owner: Any) -> Iterator[Problem]:
    """Judge *owner*.workload_selector, which is at *path*; the first flaw ends it."""
    if owner.HasField("workload_selector"):
        yield from _selector(code, (*path, "labels"), owner.workload_selector.labels, first=True)


def beta_selector(
    code: str, path: FieldPath, owner: Any, name: str = "selector"
) -> Iterator[Problem]:
    """Judge *owner*.*name*, which is at *path*."""
    if owner.HasField(name):
        chosen = getattr(owner, name).match_labels
        yield from _selector(code, (*path, "matchLabels"), chosen, first=False)


def _selector(code: str, path: FieldPath, pairs: Any, *, first: bool) -> Iterator[Problem]:
    if not pairs:
        message = "the selector names no labels: name them, or leave the selector out"
        yield warning(code, path[:-1], message)
    for key in sorted(pairs):
        if not key:
            message = "a label without a name selects nothing: name it"
            yield error(code, (*path, key), message, at_key=True)
        elif "*" in key or "*" in pairs[key]:
            label = shown(f"{key}: {pairs[key]}")
            message = f"{label} has a wildcard, and a selector takes none: write it out"
            yield error(code, (*path, key), message, at_key="*" in key)
        else:
            continue
        if first:
            return


_TARGETS = {
    "Service": ("", "core"),
    "ServiceEntry": ("networking.istio.io",),
    "Gateway": ("gateway.networking.k8s.io",),
    "GatewayClass": ("gateway.networking.k8s.io",),
}
"""Kind of what a policy can be attached to → its group, as it can be written."""


def applies_to(codes: tuple[str, str, str], subject: Subject) -> Iterator[Problem]:
    """
    Judge what a policy applies to, under *codes* for the choice, the selector and the targets.

    Its spec has selector, targetRefs and perhaps targetRef.
    """
    one, selector, target = codes
    spec = subject.spec
    yield from one_selector(one, SPEC, spec)
    yield from beta_selector(selector, (*SPEC, "selector"), spec)
    if _has(spec, "targetRef"):
        yield from _target(target, subject, (*SPEC, "targetRef"), spec.targetRef)
    for index, reference in enumerate(spec.targetRefs):
        yield from _target(target, subject, (*SPEC, "targetRefs", index), reference)


def _target(code: str, subject: Subject, path: FieldPath, target: Any) -> Iterator[Problem]:
    if not target.name:
        message = "the target has no name: name the object that is meant"
        yield error(code, subject.place((*path, "name")), message)
    if target.namespace:
        message = "a target is always in the namespace of the policy: remove namespace"
        yield error(code, (*path, "namespace"), message)
    groups = _TARGETS.get(target.kind)
    if groups is None:
        message = f"{shown(target.kind)} is no kind of target: use {', '.join(_TARGETS)}"
        yield error(code, subject.place((*path, "kind")), message)
    elif target.group not in groups:
        message = f"{target.kind} is not of group {shown(target.group)}: write {shown(groups[0])}"
        yield error(code, subject.place((*path, "group")), message)


def one_selector(code: str, path: FieldPath, owner: Any) -> Iterator[Problem]:
    """Judge that at most one of selector, targetRef and targetRefs is given."""
    given = [name for name in ("selector", "targetRef") if _has(owner, name)]
    given += ["targetRefs"] if owner.targetRefs else []
    for name in given[1:]:
        yield error(code, (*path, name), f"{name} cannot stand beside {given[0]}: keep one of them")


def _has(owner: Any, name: str) -> bool:
    return name in _fields(owner.DESCRIPTOR) and owner.HasField(name)


@cache
def _fields(descriptor: Any) -> frozenset[str]:
    return frozenset(field.name for field in descriptor.fields)


def destination(code: str, path: FieldPath, target: Any) -> Iterator[Problem]:
    """Judge a Destination: its host, subset and port."""
    if target.host == "*":
        yield error(code, (*path, "host"), "'*' is no destination: name one host")
    elif not target.host:
        yield error(
            code, (*path, "host"), "the destination has no host: name a service or a domain"
        )
    elif not is_wildcard_domain(target.host):
        message = f"{shown(target.host)} is no host name: write a service or a domain"
        yield error(code, (*path, "host"), message)
    if target.subset and not is_dns_label(target.subset):
        message = f"{shown(target.subset)} is no name of a subset: use letters, digits and hyphens"
        yield error(code, (*path, "subset"), message)
    if target.HasField("port"):
        yield from port(code, (*path, "port", "number"), target.port.number)
