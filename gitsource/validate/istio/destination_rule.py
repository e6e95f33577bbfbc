"""
Istio's rules for DestinationRule: its host, its subsets, and who sees it.

Rule: what a traffic policy may hold is judged in `traffic_policy`, for the rule and its subsets
alike.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gitsource.model import FieldPath, Problem, shown
from gitsource.validate.istio.names import is_dns_label, is_wildcard_domain
from gitsource.validate.istio.policies import beta_selector, export_to
from gitsource.validate.istio.subject import SPEC, Subject, error
from gitsource.validate.istio.traffic_policy import traffic_policy
from gitsource.validate.istio.values import labels, unfit

NULLS = {
    "subsets.*": "DR-02",
    "trafficPolicy.portLevelSettings.*": "DR-26",
    "subsets.*.trafficPolicy.portLevelSettings.*": "DR-26",
}


def check(subject: Subject) -> Iterator[Problem]:
    """Yield what Istio's rules find wrong with the DestinationRule *subject*."""
    rule = subject.spec
    if not is_wildcard_domain(rule.host):
        at = subject.place((*SPEC, "host"))
        yield error("DR-01", at, f"{unfit(rule.host, 'host')}: write a service or a domain")
    if rule.HasField("traffic_policy"):
        yield from traffic_policy(subject, (*SPEC, "trafficPolicy"), rule.traffic_policy)
    yield from _subsets(subject)
    yield from export_to("DR-07", subject, (*SPEC, "exportTo"))
    if rule.HasField("workload_selector"):
        yield from beta_selector("DR-08", (*SPEC, "workloadSelector"), rule, "workload_selector")
        yield from _own_namespace_only(subject)


def _subsets(subject: Subject) -> Iterator[Problem]:
    seen: set[str] = set()
    for index, subset in enumerate(subject.spec.subsets):
        path = (*SPEC, "subsets", index)
        if subset.name in seen:
            message = f"there is a subset {shown(subset.name)} already: choose another name"
            yield error("DR-03", subject.place((*path, "name")), message)
        seen.add(subset.name)
        yield from _subset(subject, path, subset)


def _subset(subject: Subject, path: FieldPath, subset: Any) -> Iterator[Problem]:
    if not is_dns_label(subset.name):
        yield error(
            "DR-04",
            subject.place((*path, "name")),
            f"{unfit(subset.name, 'subset name')}: use 1 to 63 letters, digits and hyphens",
        )
    yield from labels("DR-05", (*path, "labels"), subset.labels)
    if subset.HasField("traffic_policy"):
        yield from traffic_policy(subject, (*path, "trafficPolicy"), subset.traffic_policy)


def _own_namespace_only(subject: Subject) -> Iterator[Problem]:
    """Judge that a rule for some workloads is seen in their namespace only."""
    path = (*SPEC, "exportTo")
    seen = {
        subject.namespace if entry == "." else entry
        for entry in subject.spec.export_to
        if entry in (".", "*") or is_dns_label(entry)
    }
    if not seen:
        return
    if subject.namespace not in seen:
        message = "with workloadSelector a rule is for its own namespace: write '.'"
        yield error("DR-09", path, message)
    elif len(seen) > 1:
        message = "with workloadSelector a rule is for its own namespace: keep only '.'"
        yield error("DR-10", path, message)
