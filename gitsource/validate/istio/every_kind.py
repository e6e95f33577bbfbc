"""
Istio's rules for documents of every kind: what their annotations may not say.

Rule: what holds for one kind only stands in the module of that kind.
"""

from __future__ import annotations

from collections.abc import Iterator

from gitsource.catalog.kinds import Kind
from gitsource.model import Problem
from gitsource.validate.istio.subject import Subject, error

_REFUSED = {
    "internal.istio.io/webhook-always-reject": "CMN-07",
    "internal.istio.io/parent-namespace": "CMN-08",
    "internal.istio.io/parents": "CMN-09",
}
_DRY_RUN = "istio.io/dry-run"


def check(kind: Kind, subject: Subject) -> Iterator[Problem]:
    """Yield what the annotations of *subject* may not say."""
    for key, code in _REFUSED.items():
        if key in subject.annotations:
            at = ("metadata", "annotations", key)
            yield error(code, at, f"the annotation {key} is Istio's own: remove it")
    if _DRY_RUN in subject.annotations and kind.kind != "AuthorizationPolicy":
        at = ("metadata", "annotations", _DRY_RUN)
        yield error("CMN-06", at, f"{_DRY_RUN} is for AuthorizationPolicy only: remove it")
