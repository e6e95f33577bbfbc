"""
Rules of Istio's validator that judge no file in Git, and why each is left out.

Rule: together with `table.CODES` and what its rows stand for, these are all the rules there are; a
test counts them.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

APART: Mapping[str, str] = MappingProxyType(
    {
        "CMN-05": "says where a document without a namespace is taken to be: default_namespace, "
        "here as there",
        "CMN-10": "says which rules are relaxed for objects made of Gateway API ones; they are",
        "CMN-11": "says that every served version gets the same checks; it does. What is not "
        "served is an error here (GS306): Istio lets it pass without any check",
        "CMN-12": "says that warnings hold nothing up and that all errors are told; so it is",
        "CMN-14": "says what an empty list or map counts as; the rules follow it",
        "OTH-01": "is about Kubernetes Services, which gitsource does not publish",
        "OTH-02": "is about Kubernetes Services, which gitsource does not publish",
        "OTH-03": "is about Deployments, which gitsource does not publish",
        "OTH-04": "says that Istio's items in a List go unchecked there; here they are checked",
        "OTH-05": "says that documents of other kinds pass; unknown_kinds decides that here",
    }
)
