"""
Istio's rules for AuthorizationPolicy: what it applies to, its action, and each of its rules.

Rule: the parts of a rule are judged in modules of their own, `authorization_source`,
`authorization_operation` and `authorization_condition`; what depends on the action is judged here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gitsource.model import FieldPath, Problem, shown
from gitsource.validate.istio import (
    authorization_condition,
    authorization_operation,
    authorization_source,
    policies,
)
from gitsource.validate.istio.subject import SPEC, Subject, error, warning

NULLS = {
    "rules.*": "AP-20",
    "rules.*.from.*": "AP-21",
    "rules.*.to.*": "AP-30",
    "rules.*.when.*": "AP-40",
}
ALLOW, DENY, AUDIT, CUSTOM = range(4)
_ACTIONS = ("ALLOW", "DENY", "AUDIT", "CUSTOM")
_DRY_RUN = "istio.io/dry-run"
_BOOLEANS = frozenset(
    ("1", "t", "T", "TRUE", "true", "True", "0", "f", "F", "FALSE", "false", "False")
)
_RULES = (*SPEC, "rules")
_IDENTITY = {
    "namespaces": "namespaces",
    "not_namespaces": "notNamespaces",
    "service_accounts": "serviceAccounts",
    "not_service_accounts": "notServiceAccounts",
    "trust_domains": "trustDomains",
    "not_trust_domains": "notTrustDomains",
    "principals": "principals",
    "not_principals": "notPrincipals",
    "request_principals": "requestPrincipals",
    "not_request_principals": "notRequestPrincipals",
}
"""Lists of a source that say who calls, which no authorizer is asked by."""
_IDENTITY_KEYS = frozenset(
    ("source.namespace", "source.serviceAccount", "source.trustDomain", "source.principal")
)
_OF_TCP = frozenset(
    (
        *("principals", "not_principals", "namespaces", "not_namespaces"),
        *("ip_blocks", "not_ip_blocks", "remote_ip_blocks", "not_remote_ip_blocks"),
        *("service_accounts", "not_service_accounts"),
    )
)
"""Lists of a source that a connection without HTTP has too."""


def check(subject: Subject) -> Iterator[Problem]:
    """Yield what is wrong with an AuthorizationPolicy."""
    spec = subject.spec
    yield from _dry_run(subject)
    yield from policies.applies_to(("AP-01", "AP-02", "AP-03"), subject)
    yield from _action(subject)
    for index, rule in enumerate(spec.rules):
        yield from _rule(subject, (*_RULES, index), rule)


def _dry_run(subject: Subject) -> Iterator[Problem]:
    value = subject.annotations.get(_DRY_RUN)
    if value is None:
        return
    at = ("metadata", "annotations", _DRY_RUN)
    if subject.spec.action not in (ALLOW, DENY):
        action = _called(subject.spec.action)
        yield error("AP-04", at, f"{action} has no dry run: remove {_DRY_RUN}, or ALLOW or DENY")
    elif value not in _BOOLEANS:
        yield error("AP-05", at, f"{shown(value)} is neither true nor false: write 'true'")


def _called(action: int) -> str:
    return _ACTIONS[action] if 0 <= action < len(_ACTIONS) else f"action {action}"


def _action(subject: Subject) -> Iterator[Problem]:
    spec = subject.spec
    provider = (*SPEC, "provider")
    if spec.action == CUSTOM:
        if not spec.rules:
            message = "CUSTOM without rules asks nobody anything: add a rule, {} for every request"
            yield error("AP-10", subject.place(_RULES), message)
        elif not spec.provider.name:
            at = subject.place((*provider, "name")) if spec.HasField("provider") else SPEC
            yield error("AP-11", at, "CUSTOM needs provider.name: name the authorizer")
    elif spec.HasField("provider"):
        action = _called(spec.action)
        yield error("AP-12", provider, f"{action} asks no provider: remove it, or use CUSTOM")
    if spec.action == DENY and not spec.rules:
        message = "DENY without rules denies nothing: add a rule, {} for every request"
        yield error("AP-13", subject.place(_RULES), message)


def _rule(subject: Subject, path: FieldPath, rule: Any) -> Iterator[Problem]:
    action = subject.spec.action
    # NB: `from` is a word of Python's own, so the field has to be asked for by its name.
    callers = getattr(rule, "from")
    for index, caller in enumerate(callers):
        at = (*path, "from", index)
        if not caller.HasField("source"):
            yield error("AP-21", at, "the entry has no source: write one, or remove the entry")
            continue
        yield from authorization_source.check((*at, "source"), caller.source)
        if action == CUSTOM:
            yield from _no_identity((*at, "source"), caller.source)
    for index, call in enumerate(rule.to):
        at = (*path, "to", index)
        if not call.HasField("operation"):
            yield error("AP-30", at, "the entry has no operation: write one, or remove the entry")
            continue
        yield from authorization_operation.check((*at, "operation"), call.operation)
    for index, condition in enumerate(rule.when):
        at = (*path, "when", index)
        yield from authorization_condition.check(subject, at, condition)
        if action == CUSTOM and _is_identity(condition.key):
            message = f"an authorizer is not asked by {shown(condition.key)}: use ALLOW or DENY"
            yield error("AP-15", (*at, "key"), message)
    if action == DENY:
        yield from _denies_tcp(path, callers, rule.to)


def _no_identity(path: FieldPath, source: Any) -> Iterator[Problem]:
    for field, _ in source.ListFields():
        name = _IDENTITY.get(field.name)
        if name is not None:
            message = f"an authorizer is not asked by {name}: remove them, or use ALLOW or DENY"
            yield error("AP-14", (*path, name), message)


def _is_identity(key: str) -> bool:
    return key in _IDENTITY_KEYS or key.startswith("request.auth.")


def _denies_tcp(path: FieldPath, callers: Any, calls: Any) -> Iterator[Problem]:
    """Warn of a rule to deny that names what only HTTP has: on other ports it denies everything."""
    sources = [caller.source for caller in callers if caller.HasField("source")]
    operations = [call.operation for call in calls if call.HasField("operation")]
    if operations:
        blind = not any(operation.ports or operation.not_ports for operation in operations)
    else:
        blind = bool(sources) and not any(
            field.name in _OF_TCP for source in sources for field, _ in source.ListFields()
        )
    if blind:
        message = "the rule names only what HTTP has, so it denies all TCP: name ports under to"
        yield warning("AP-50", path, message)
