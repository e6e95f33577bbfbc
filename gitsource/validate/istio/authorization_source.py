"""
Istio's rules for the callers that a rule of an AuthorizationPolicy is about.

Rule: one problem an entry, the first that Istio would tell; the codes are given by the caller where
a condition asks the same of its values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from gitsource.model import FieldPath, Problem, shown
from gitsource.validate.istio.names import is_cidr, is_ip
from gitsource.validate.istio.subject import error

MOST_ACCOUNTS = 16
"""Service accounts in one list."""
LONGEST_ACCOUNT = 320
"""Bytes of a service account with its namespace."""


def addresses(code: str, path: FieldPath, values: Sequence[str]) -> Iterator[Problem]:
    """Judge addresses and prefixes; empty ones are judged elsewhere."""
    for index, value in enumerate(values):
        if value and not (is_cidr(value) if "/" in value else is_ip(value)):
            message = f"{shown(value)} is neither an address nor a prefix: write 10.1.0.0/16"
            yield error(code, (*path, index), message)


def accounts(code: str, path: FieldPath, values: Sequence[str]) -> Iterator[Problem]:
    """Judge service accounts, with or without a namespace; empty ones are judged elsewhere."""
    if len(values) > MOST_ACCOUNTS:
        message = f"{len(values)} service accounts are too many: name at most {MOST_ACCOUNTS}"
        yield error(code, path, message)
        return
    for index, value in enumerate(values):
        flaw = _account_flaw(value) if value else ""
        if flaw:
            yield error(code, (*path, index), f"{shown(value)} {flaw}")


def _account_flaw(value: str) -> str:
    if "*" in value:
        return "has a wildcard: write service accounts out, or use principals"
    namespace, slash, account = value.partition("/")
    if "/" in account:
        return "has more than one /: write namespace/account"
    if len(value.encode("utf-8", "replace")) > LONGEST_ACCOUNT:
        return f"is too long: use at most {LONGEST_ACCOUNT} bytes"
    if slash and not (namespace and account):
        return "lacks a part: write account, or namespace/account"
    return ""


def domains(
    code: str, path: FieldPath, values: Sequence[str], *, slashes: bool = False
) -> Iterator[Problem]:
    """Judge trust domains, in which *slashes* may stand; empty ones are judged elsewhere."""
    for index, value in enumerate(values):
        flaw = _domain_flaw(value, slashes=slashes)
        if flaw:
            yield error(code, (*path, index), f"{shown(value)} {flaw}")


def _domain_flaw(value: str, *, slashes: bool) -> str:
    stars = value.count("*")
    if stars > 1:
        return "has more than one *: one may stand first or last"
    if stars and not (value.startswith("*") or value.endswith("*")):
        return "has a * in the middle: it may stand first or last"
    if not slashes and "/" in value:
        return "has a /: a trust domain has none, a principal has"
    return ""


def _plain(code: str, path: FieldPath, values: Sequence[str]) -> Iterator[Problem]:
    del code, path, values
    yield from ()


_Judge = Callable[[str, FieldPath, Sequence[str]], Iterator[Problem]]
_LISTS: dict[str, tuple[str, str, _Judge]] = {
    "principals": ("principals", "", _plain),
    "not_principals": ("notPrincipals", "", _plain),
    "request_principals": ("requestPrincipals", "", _plain),
    "not_request_principals": ("notRequestPrincipals", "", _plain),
    "namespaces": ("namespaces", "", _plain),
    "not_namespaces": ("notNamespaces", "", _plain),
    "ip_blocks": ("ipBlocks", "AP-24", addresses),
    "not_ip_blocks": ("notIpBlocks", "AP-24", addresses),
    "remote_ip_blocks": ("remoteIpBlocks", "AP-24", addresses),
    "not_remote_ip_blocks": ("notRemoteIpBlocks", "AP-24", addresses),
    "service_accounts": ("serviceAccounts", "AP-26", accounts),
    "not_service_accounts": ("notServiceAccounts", "AP-26", accounts),
    "trust_domains": ("trustDomains", "AP-27", domains),
    "not_trust_domains": ("notTrustDomains", "AP-27", domains),
}
"""Field → its name in documents, and how its entries are judged under which code."""
_ACCOUNTS = ("service_accounts", "not_service_accounts")
_APART_FROM_ACCOUNTS = frozenset(("principals", "not_principals", "namespaces", "not_namespaces"))


def check(path: FieldPath, source: Any) -> Iterator[Problem]:
    """Yield what is wrong with a source."""
    given = {field.name: values for field, values in source.ListFields()}
    if not given:
        message = "the source says nothing: name callers, or leave from out to mean all of them"
        yield error("AP-22", path, message)
    if not _APART_FROM_ACCOUNTS.isdisjoint(given):
        for name in _ACCOUNTS:
            if name in given:
                at = _LISTS[name][0]
                message = f"{at} cannot stand beside principals and namespaces: keep one way"
                yield error("AP-23", (*path, at), message)
    for name, values in given.items():
        spelling, code, judge = _LISTS[name]
        at_list = (*path, spelling)
        yield from empty("AP-25", at_list, values)
        yield from judge(code, at_list, values)


def empty(code: str, path: FieldPath, values: Sequence[str]) -> Iterator[Problem]:
    """Judge that no entry of a list is empty."""
    if "" in values:
        for index, value in enumerate(values):
            if not value:
                yield error(code, (*path, index), "the entry is empty: write it or remove it")
