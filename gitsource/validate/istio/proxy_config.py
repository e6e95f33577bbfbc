"""Istio's rules for ProxyConfig. Rule: what it selects, and a number of threads."""

from __future__ import annotations

from collections.abc import Iterator

from gitsource.model import Problem
from gitsource.validate.istio.policies import beta_selector
from gitsource.validate.istio.subject import Subject, error

NULLS: dict[str, str] = {}


def check(subject: Subject) -> Iterator[Problem]:
    """Yield what Istio would refuse, or warn of, in a ProxyConfig."""
    yield from beta_selector("PC-01", ("spec", "selector"), subject.spec)
    threads = subject.spec.concurrency.value
    if threads < 0:
        message = f"{threads} is no number of threads: use 0 (one a core) or more"
        yield error("PC-02", ("spec", "concurrency"), message)
