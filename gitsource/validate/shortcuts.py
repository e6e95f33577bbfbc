"""
Rules in CEL that plainly hold, seen without CEL.

Asking CEL costs some ten microseconds a rule, most of it for carrying the value over; seeing in
Python that a rule holds, less than one. So the rules of the schemas that are asked of nearly every
document stand here a second time, each under its very text.

Rule: a shortcut says yes only where CEL would, and otherwise nothing: whatever is unusual (a type,
a form, a rule that is not known here) is CEL's to decide. Nothing is refused here. Numbers beyond
64 bits, which CEL cannot take, are refused by the schemas wherever one may stand.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

Sure: TypeAlias = Callable[[Any], bool]
"""Says that a rule holds for a value; False says nothing."""

_MILLISECOND = re.compile("[1-9][0-9]{0,5}(?:ms|s|m|h)")
"""Durations of a millisecond or more, as they are mostly written."""
_LABEL_KEY = re.compile("[a-zA-Z0-9](?:[-a-zA-Z0-9]*[a-zA-Z0-9])?")
_COUNT = re.compile(r"\(has\(self\.(\w+)\) \? 1 : 0\)")
_AT_MOST_ONE = re.compile(rf"{_COUNT.pattern}(?: \+ {_COUNT.pattern})+ <= 1")
_UNIX = "unix://"
_LARGEST_NUMBER = 65535


def sure(rules: Sequence[str]) -> Sure | None:
    """Return what says that all of *rules* hold; None if one of them has no shortcut."""
    found = [each for each in map(_shortcut, rules) if each is not None]
    if not found or len(found) < len(rules):
        return None
    if len(found) == 1:
        return found[0]

    def all_of_them(value: Any) -> bool:
        for holds in found:  # noqa: SIM110 - a generator would cost more than most of them
            if not holds(value):
                return False
        return True

    return all_of_them


def _shortcut(rule: str) -> Sure | None:
    if _AT_MOST_ONE.fullmatch(rule):
        return _at_most_one(_COUNT.findall(rule))
    return SHORTCUTS.get(rule)


def _at_most_one(names: Sequence[str]) -> Sure:
    def holds(value: Any) -> bool:
        if type(value) is not dict:
            return False
        there = 0
        for name in names:
            if name in value:
                there += 1
        return there <= 1

    return holds


# --------------------------------------------------------------------------- of one value


def _port(value: Any) -> bool:
    return type(value) is int and 0 < value <= _LARGEST_NUMBER


def _not_star(value: Any) -> bool:
    return type(value) is str and value != "*"


def _starless(value: Any) -> bool:
    return type(value) is str and "*" not in value


def _at_least_a_millisecond(value: Any) -> bool:
    return type(value) is str and _MILLISECOND.fullmatch(value) is not None


def _no_socket(value: Any) -> bool:
    return type(value) is str and not value.startswith(_UNIX)


def _empty(value: Any) -> bool:
    return (type(value) is dict or type(value) is list) and not value


# --------------------------------------------------------------------------- of keys


def _keys_not_empty(value: Any) -> bool:
    return type(value) is dict and "" not in value


def _starless_keys(value: Any) -> bool:
    if type(value) is not dict:
        return False
    for key in value:  # noqa: SIM110 - as above
        if type(key) is not str or "*" in key:
            return False
    return True


def _label_keys(value: Any) -> bool:
    if type(value) is not dict:
        return False
    for key in value:
        if type(key) is not str or len(key) > 62 or not _LABEL_KEY.fullmatch(key):
            return False
    return True


# --------------------------------------------------------------------------- of fields together


def _address_or_network(value: Any) -> bool:
    return type(value) is dict and ("address" in value or "network" in value)


def _no_ports_of_a_socket(value: Any) -> bool:
    return type(value) is dict and ("address" not in value or _no_socket(value["address"]))


def _endpoints_with_resolution(value: Any) -> bool:
    if type(value) is not dict:
        return False
    if "endpoints" not in value:
        return "resolution" not in value or type(value["resolution"]) is str
    resolution = value.get("resolution")
    return type(resolution) is str and resolution != "NONE"


def _no_round_robin(value: Any) -> bool:
    if type(value) is not dict:
        return False
    if "resolution" not in value:
        return True
    resolution = value["resolution"]
    return type(resolution) is str and resolution != "DNS_ROUND_ROBIN"


def _networks_are_static(value: Any) -> bool:
    if type(value) is not dict:
        return False
    if "resolution" in value:
        resolution = value["resolution"]
        return type(resolution) is str and (resolution == "STATIC" or resolution == "NONE")  # noqa: PLR1714 - faster
    return True


def _numbers_differ(value: Any) -> bool:
    if type(value) is not list:
        return False
    numbers = set()
    for item in value:
        number = item.get("number") if type(item) is dict else None
        if type(number) is not int or number in numbers or not 0 <= number <= _LARGEST_NUMBER:
            return False
        numbers.add(number)
    return True


def _no_service_accounts(value: Any) -> bool:
    return (
        type(value) is dict and "serviceAccounts" not in value and "notServiceAccounts" not in value
    )


SHORTCUTS: dict[str, Sure] = {
    "0 < self && self <= 65535": _port,
    'self != "*"': _not_star,
    '!self.contains("*")': _starless,
    "duration(self) >= duration('1ms')": _at_least_a_millisecond,
    'self.startsWith("unix://") ? !self.endsWith("/") : true': _no_socket,
    'self.startsWith("unix://") ? (self.substring(7, 8) == "/" || self.substring(7, 8) == "@")'
    " : true": _no_socket,
    "self.size() == 0": _empty,
    "self.all(key, key.size() != 0)": _keys_not_empty,
    'self.all(key, !key.contains("*"))': _starless_keys,
    "self.all(key, size(key) < 63 && key.matches("
    '"^[a-zA-Z0-9](?:[-a-zA-Z0-9]*[a-zA-Z0-9])?$"))': _label_keys,
    "has(self.address) || has(self.network)": _address_or_network,
    '(has(self.address) ? self.address : "").startsWith("unix://") ? !has(self.ports) : true': (
        _no_ports_of_a_socket
    ),
    '((has(self.resolution) ? self.resolution : "NONE") == "NONE") ? !has(self.endpoints) : true': (
        _endpoints_with_resolution
    ),
    '((has(self.resolution) ? self.resolution : "") == "DNS_ROUND_ROBIN") ? '
    "((has(self.endpoints) ? self.endpoints : []).size() <= 1) : true": _no_round_robin,
    '!((has(self.addresses) ? self.addresses : []).exists(k, k.contains("/")) && '
    '!((has(self.resolution) ? self.resolution : "NONE") in ["STATIC", "NONE"]))': (
        _networks_are_static
    ),
    "self.all(l1, self.exists_one(l2, l1.number == l2.number))": _numbers_differ,
    "(has(self.serviceAccounts) || has(self.notServiceAccounts)) ? (!has(self.principals) && "
    "!has(self.notPrincipals) && !has(self.namespaces) && !has(self.notNamespaces)) : true": (
        _no_service_accounts
    ),
}
"""Rules by their text, with what says that they hold."""
