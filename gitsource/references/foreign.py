"""
The facts of Kubernetes documents that no collection takes: Services, Pods and what makes Pods.

Rule: they are read where they happen to lie in the repository and never judged. Anything may stand
in them, so everything that is not as expected is left out in silence.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gitsource._proto.gitsource.state.v1.state_pb2 import Facts
from gitsource.model import FieldPath
from gitsource.references.facts import Fact, gathered
from gitsource.references.workloads import joined, like_one, workload

POD_LABELS: dict[tuple[str, str], FieldPath] = {
    ("v1", "Pod"): ("metadata",),
    ("v1", "ReplicationController"): ("spec", "template", "metadata"),
    ("apps/v1", "DaemonSet"): ("spec", "template", "metadata"),
    ("apps/v1", "Deployment"): ("spec", "template", "metadata"),
    ("apps/v1", "ReplicaSet"): ("spec", "template", "metadata"),
    ("apps/v1", "StatefulSet"): ("spec", "template", "metadata"),
    ("batch/v1", "CronJob"): ("spec", "jobTemplate", "spec", "template", "metadata"),
    ("batch/v1", "Job"): ("spec", "template", "metadata"),
    ("argoproj.io/v1alpha1", "Rollout"): ("spec", "template", "metadata"),
}
"""Where the labels of the Pods stand, by apiVersion and kind."""


def foreign(value: Any, default_namespace: str) -> Facts | None:
    """Return the facts of the foreign document *value*, if it is of a kind that has any."""
    if not isinstance(value, dict):
        return None
    version, kind = value.get("apiVersion"), value.get("kind")
    if not isinstance(version, str) or not isinstance(kind, str):
        return None
    metadata = _mapping(value, ("metadata",))
    name, namespace = metadata.get("name"), metadata.get("namespace") or default_namespace
    if not isinstance(name, str) or not isinstance(namespace, str):
        return None
    try:
        return _taken(value, version, kind, name, namespace)
    except UnicodeEncodeError:
        return None  # half a surrogate pair somewhere: nobody else could say such a name


def _taken(value: Any, version: str, kind: str, name: str, namespace: str) -> Facts | None:
    label = f"{kind}/{namespace}/{name}"
    path = POD_LABELS.get((version, kind))
    if path is not None:
        labels = _texts(_mapping(value, (*path, "labels")))
        return gathered(workload(namespace, labels), iter((joined(labels),)), label, namespace)
    if (version, kind) == ("v1", "Service"):
        labels = _texts(_mapping(value, ("spec", "selector")))
        found = _service(name, namespace, labels)
        return gathered(found, iter((joined(labels),)), label, namespace)
    return None


def _service(name: str, namespace: str, selector: dict[str, str]) -> Iterator[Fact]:
    yield f"h:{name}.{namespace}.svc|*"
    yield from like_one(namespace, selector)


def _mapping(value: Any, path: FieldPath) -> dict[str, Any]:
    for step in path:
        value = value.get(step) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def _texts(labels: dict[str, Any]) -> dict[str, str]:
    return {key: text for key, text in labels.items() if isinstance(text, str)}
