"""
The facts about workloads: who is there with which labels, and which selectors look for them.

Rule: whether a selector matches nothing is only asked where Git tells of the namespace's workloads:
where it holds a WorkloadEntry, a WorkloadGroup, a Pod or what makes Pods. ServiceEntries and
Services tell of some workload with their labels, never that there is no other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from gitsource.references.facts import Fact, Said, claim
from gitsource.references.keys import digest, pairs

SINGLE = frozenset(("Sidecar", "PeerAuthentication", "Telemetry"))
"""Kinds of which Istio takes one for the same selector in a namespace, and leaves out the rest."""


def workload(namespace: str, labels: Mapping[str, str]) -> Iterator[Fact]:
    """Yield the keys of a workload with *labels*, which says that this namespace is in Git."""
    yield f"W:{namespace}|"
    for pair in pairs(labels):
        yield f"w:{namespace}|{pair}|"


def like_one(namespace: str, labels: Mapping[str, str]) -> Iterator[Fact]:
    """Yield the keys of what tells of some workload with *labels*, and maybe more."""
    for key, value in labels.items():
        yield f"c:{namespace}|{key}={value}|"


def joined(labels: Mapping[str, str]) -> str:
    """Return *labels* as those who look at a workload get them."""
    return ",".join(pairs(labels))


# --------------------------------------------------------------------------- Istio's own


def workload_entry(said: Said) -> Iterator[Fact]:
    """Yield the facts of a WorkloadEntry."""
    yield from workload(said.namespace, _of_entry(said))


def workload_entry_offers(said: Said) -> Iterator[str]:
    """Yield the labels of a WorkloadEntry."""
    yield joined(_of_entry(said))


def _of_entry(said: Said) -> dict[str, str]:
    return {**said.labels, **said.spec.labels}


def workload_group(said: Said) -> Iterator[Fact]:
    """Yield the facts of a WorkloadGroup."""
    yield from workload(said.namespace, _of_group(said))


def workload_group_offers(said: Said) -> Iterator[str]:
    """Yield the labels of the workloads of a WorkloadGroup."""
    yield joined(_of_group(said))


def _of_group(said: Said) -> dict[str, str]:
    return {**said.spec.template.labels, **said.spec.metadata.labels}


# --------------------------------------------------------------------------- selectors


def selecting(kind: str, said: Said) -> Iterator[Fact]:
    """Yield what the selector of a document of *kind* takes for granted; none selects all."""
    path, labels = selected(said.spec)
    if labels:
        yield claim("GS410", path, *pairs(labels))
    if kind in SINGLE and not _aimed(said.spec):
        key = f"s:{digest(kind, said.namespace, *pairs(labels))}|"
        yield key
        yield claim("GS413", "metadata/name", key, "the same" if labels else "no")


def _aimed(spec: Any) -> bool:
    """Whether *spec* names what it is for, and so selects no workloads."""
    fields = spec.DESCRIPTOR.fields_by_name
    one = "targetRef" in fields and spec.HasField("targetRef")
    return one or bool("targetRefs" in fields and spec.targetRefs)


def selected(spec: Any) -> tuple[str, Mapping[str, str]]:
    """Return the labels that a message selects workloads by, and where they stand."""
    fields = spec.DESCRIPTOR.fields_by_name
    for name, written in (("selector", "selector"), ("workload_selector", "workloadSelector")):
        if name not in fields or not spec.HasField(name):
            continue
        selector = getattr(spec, name)
        if "match_labels" in selector.DESCRIPTOR.fields_by_name:
            return f"spec/{written}/matchLabels", selector.match_labels
        return f"spec/{written}/labels", selector.labels
    return "spec", {}
