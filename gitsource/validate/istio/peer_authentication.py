"""
Istio's rules for PeerAuthentication: its selector, and the ports that differ.

Rule: an empty portLevelMtls and none are not the same, so the document as written is asked.
"""

from __future__ import annotations

from collections.abc import Iterator

from gitsource.model import Problem
from gitsource.validate.istio import policies
from gitsource.validate.istio.subject import SPEC, Subject, error

NULLS: dict[str, str] = {}
_PORTS = (*SPEC, "portLevelMtls")


def check(subject: Subject) -> Iterator[Problem]:
    """Yield what is wrong with a PeerAuthentication."""
    spec = subject.spec
    yield from policies.beta_selector("PA-01", (*SPEC, "selector"), spec)
    if spec.port_level_mtls:
        if not spec.selector.match_labels:
            message = "portLevelMtls needs a workload: name its labels in selector.matchLabels"
            yield error("PA-02", _PORTS, message)
        for number in sorted(spec.port_level_mtls):
            if not 1 <= number <= 65535:
                message = f"{number} is no port: use a number from 1 to 65535"
                yield error("PA-04", (*_PORTS, str(number)), message, at_key=True)
    elif subject.given("portLevelMtls"):
        yield error("PA-03", _PORTS, "portLevelMtls names no port: name one, or remove it")
