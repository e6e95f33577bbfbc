"""
Istio's rules for WorkloadGroup: what its workloads are called, and how their health is asked for.

Rule: a probe that cannot be asked is refused; what the template says is only warned of, since Istio
looks at it no sooner than a workload joins.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from gitsource.model import FieldPath, Problem, shown
from gitsource.validate.istio.ports import port_number
from gitsource.validate.istio.subject import SPEC, Subject, camel, error, warning
from gitsource.validate.istio.values import labels
from gitsource.validate.istio.workload_entry import workload

NULLS = {"probe.httpGet.httpHeaders.*": "WG-14"}

_PROBE: FieldPath = ("spec", "probe")
_COUNTS = (
    *("period_seconds", "initial_delay_seconds", "timeout_seconds"),
    *("success_threshold", "failure_threshold"),
)
_HEADER = re.compile("[-A-Za-z0-9]+")


def check(subject: Subject) -> Iterator[Problem]:
    """Yield what Istio would refuse, or warn of, in a WorkloadGroup."""
    group = subject.spec
    if not group.HasField("template"):
        message = "there is no template: say under template what the workloads have in common"
        yield error("WG-01", SPEC, message)
        return
    yield from labels("WG-02", ("spec", "metadata", "labels"), group.metadata.labels)
    for problem in workload(subject, ("spec", "template"), group.template, nameless=True):
        message = f"entries made of this template are refused: {problem.message}"
        yield warning("WG-03", problem.path, message, at_key=problem.at_key)
    if group.HasField("probe"):
        yield from _probe(subject, group.probe)


def _probe(subject: Subject, probe: Any) -> Iterator[Problem]:
    for field in _COUNTS:
        number = getattr(probe, field)
        if number < 0:
            message = f"{number} is below 0: use 0 (the default of the proxy) or more"
            yield error("WG-10", (*_PROBE, camel(field)), message)
    method = probe.WhichOneof("health_check_method")
    if method == "http_get":
        yield from _http(subject, (*_PROBE, "httpGet"), probe.http_get)
    elif method == "tcp_socket":
        at = (*_PROBE, "tcpSocket", "port")
        yield from port_number("WG-15", subject, at, probe.tcp_socket.port)
    elif method == "exec":
        if not probe.exec.command:
            message = "there is nothing to run: name the command and its arguments"
            yield error("WG-16", subject.place((*_PROBE, "exec", "command")), message)
    else:
        ways = "use httpGet, tcpSocket or exec"
        told = "Istio refuses grpc here" if method else "the probe does not say how to ask"
        yield error("WG-11", subject.place((*_PROBE, "grpc")), f"{told}: {ways}")


def _http(subject: Subject, path: FieldPath, get: Any) -> Iterator[Problem]:
    yield from port_number("WG-12", subject, (*path, "port"), get.port)
    if get.scheme not in ("", "HTTP", "HTTPS"):
        message = f"{shown(get.scheme)} is no scheme of a probe: use HTTP or HTTPS"
        yield error("WG-13", (*path, "scheme"), message)
    for index, header in enumerate(get.http_headers):
        if not _HEADER.fullmatch(header.name):
            at = subject.place((*path, "httpHeaders", index, "name"))
            message = f"{shown(header.name)} is no name of a header: use letters, digits and '-'"
            yield error("WG-14", at, message)
