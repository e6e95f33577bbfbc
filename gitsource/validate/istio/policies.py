"""
What several kinds share: to whom something is exported, what it selects, where it sends.

Rule: as in `values`: each check yields its problems under the codes it is given.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from gitsource.model import FieldPath, Problem, shown
from gitsource.validate.istio.names import is_dns_label, is_wildcard_domain
from gitsource.validate.istio.subject import Subject, error, warning
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
    """Judge *owner*.workload_selector.labels; the first flaw ends it."""
    if owner.HasField("workload_selector"):
        yield from _selector(code, (*path, "labels"), owner.workload_selector.labels, first=True)


def beta_selector(
    code: str, path: FieldPath, owner: Any, name: str = "selector"
) -> Iterator[Problem]:
    """Judge *owner*.*name*.match_labels."""
    if owner.HasField(name):
        chosen = getattr(owner, name).match_labels
        yield from _selector(code, (*path, "matchLabels"), chosen, first=False)


def _selector(code: str, path: FieldPath, pairs: Any, *, first: bool) -> Iterator[Problem]:
    if not pairs:
        yield warning(code, path[:-1], "the selector names no labels, so it selects everything")
    for key in sorted(pairs):
        if not key:
            yield error(code, (*path, key), "a label without a name selects nothing: name it")
        elif "*" in key or "*" in pairs[key]:
            yield error(
                code,
                (*path, key),
                f"{shown(f'{key}: {pairs[key]}')}: a selector takes no wildcards: write it out",
            )
        else:
            continue
        if first:
            return


_TARGETS = frozenset(
    (
        ("", "Service"),
        ("core", "Service"),
        ("networking.istio.io", "ServiceEntry"),
        ("gateway.networking.k8s.io", "Gateway"),
        ("gateway.networking.k8s.io", "GatewayClass"),
    )
)


def target_refs(code: str, path: FieldPath, owner: Any) -> Iterator[Problem]:
    """Judge *owner*'s targetRef (if its message has one) and each of its targetRefs."""
    if "targetRef" in owner.DESCRIPTOR.fields_by_name and owner.HasField("targetRef"):
        yield from _target(code, (*path, "targetRef"), owner.targetRef)
    for index, target in enumerate(owner.targetRefs):
        yield from _target(code, (*path, "targetRefs", index), target)


def _target(code: str, path: FieldPath, target: Any) -> Iterator[Problem]:
    if not target.name:
        yield error(code, path, "the target has no name: name the object that is meant")
    if target.namespace:
        message = "a target is always in the namespace of the policy: remove namespace"
        yield error(code, (*path, "namespace"), message)
    if (target.group, target.kind) not in _TARGETS:
        yield error(
            code,
            (*path, "kind"),
            f"{shown(f'{target.group}/{target.kind}')} cannot be a target: use Service (group ''), "
            "ServiceEntry (networking.istio.io), or Gateway or GatewayClass "
            "(gateway.networking.k8s.io)",
        )


def one_selector(code: str, path: FieldPath, owner: Any) -> Iterator[Problem]:
    """Judge that at most one of selector, targetRef and targetRefs is given."""
    given = [name for name in ("selector", "targetRef") if _has(owner, name)]
    given += ["targetRefs"] if owner.targetRefs else []
    for name in given[1:]:
        yield error(code, (*path, name), f"{name} cannot stand beside {given[0]}: keep one of them")


def _has(owner: Any, name: str) -> bool:
    return name in owner.DESCRIPTOR.fields_by_name and owner.HasField(name)


def destination(code: str, path: FieldPath, target: Any) -> Iterator[Problem]:
    """Judge a Destination: its host, subset and port."""
    if target.host == "*":
        yield error(code, (*path, "host"), "'*' is no destination: name one host")
    elif not is_wildcard_domain(target.host):
        at = (*path, "host") if target.host else path
        yield error(code, at, f"{shown(target.host)} is no host name: write a service or domain")
    if target.subset and not is_dns_label(target.subset):
        yield error(code, (*path, "subset"), f"{shown(target.subset)} is no subset name")
    if target.HasField("port"):
        yield from port(code, (*path, "port", "number"), target.port.number)
