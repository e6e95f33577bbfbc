"""
What Envoy refuses in a message by the rules that its messages declare, each with its place.

Rule: an error is sure: Envoy judges that part of the message by those rules whenever it takes it. A
message in an Any is judged by who reads it; for extensions that were not seen to do so it is a
warning. What Envoy does not read is passed over. No message quotes text of the document.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, TypeAlias

from gitsource.messages.opened import ANY, content
from gitsource.model import FieldPath, Problem, Severity
from gitsource.validate.envoy.rules.compiled import (
    GONE,
    Field,
    Form,
    Rules,
    Shape,
    compiled,
)
from gitsource.validate.envoy.rules.quick import clean
from gitsource.validate.envoy.rules.semantics import beyond
from gitsource.validate.envoy.rules.unread import unread

Given: TypeAlias = Sequence[tuple[Field, Any]]
"""Fields of a message of which something is asked, with their values."""

REFUSED = "GS345"
DEPRECATED = "GS315"

_SURE = re.compile(
    r"envoy\.(config\.(route|trace)|extensions\.(access_loggers|clusters|health_checkers|http"
    r"|filters\.(http|listener|network|udp)|path|rate_limit_descriptors|router|tracers"
    r"|transport_sockets|upstreams\.http))\..+"
)
"""Messages that were seen to be judged where an Any holds them."""
_ADVICE = ": an Envoy refuses the resource otherwise"


class _Place(NamedTuple):
    """A message inside another one."""

    path: FieldPath
    message: Any
    severity: Severity
    """How sure it is that Envoy judges it."""


def problems(message: Any) -> Iterator[Problem]:
    """Yield what is wrong with *message*, outer messages first; fields in lowerCamelCase."""
    if not clean(message):
        yield from told(message)


def told(message: Any) -> Iterator[Problem]:
    """Yield the same, whether or not there is anything."""
    waiting = [_Place((), message, "error")]
    while waiting:
        place = _opened(waiting.pop())
        if place is None:
            continue
        rules = compiled(place.message.DESCRIPTOR)
        given = [
            (rules.fields[descriptor.number], value)
            for descriptor, value in place.message.ListFields()
            if descriptor.number in rules.fields
        ]
        if rules.missing or rules.choices:
            yield from _absent(place, rules)
        if given:
            yield from _present(place, given)
        if given or rules.dated:
            yield from _outdated(place, rules, given)
        for each in beyond(place.message):
            yield replace(each, path=(*place.path, *each.path), severity=place.severity)
        if given:
            waiting.extend(reversed(list(_below(place, given))))


def _opened(place: _Place) -> _Place | None:
    """Return *place* with the message that an Any holds; None if that is not known."""
    if place.message.DESCRIPTOR.full_name != ANY:
        return place
    held = content(place.message)
    if held is None:
        return None
    sure = _SURE.fullmatch(held.DESCRIPTOR.full_name)
    return _Place(place.path, held, "error" if sure else "warning")


def _absent(place: _Place, rules: Rules) -> Iterator[Problem]:
    path, message, severity = place
    for field, told in rules.missing:
        given = message.HasField(field.name) if field.presence else getattr(message, field.name)
        if not given:
            text = f"{field.name} of {rules.label} {told}{_ADVICE}"
            yield Problem(REFUSED, text, (*path, field.step), severity)
    for oneof, told in rules.choices:
        if message.WhichOneof(oneof) is None:
            yield Problem(REFUSED, f"{rules.label} {told}{_ADVICE}", path, severity)


def _present(place: _Place, given: Given) -> Iterator[Problem]:
    path, _, severity = place
    for field, value in given:
        if not field.tested:
            continue
        for at, told, key in _wrong(field, value):
            text = f"{field.name} {told}{_ADVICE}"
            yield Problem(REFUSED, text, (*path, *at), severity, at_key=key)


def _outdated(place: _Place, rules: Rules, given: Given) -> Iterator[Problem]:
    path, message, severity = place
    for field, _ in given:
        if field.deprecated:
            yield _old(field.name, field.deprecated, (*path, field.step), severity, at_key=True)
    for field in rules.dated:  # also those that are not given: their default may be deprecated
        name, degree = field.old.get(getattr(message, field.name), ("", ""))
        if degree:
            yield _old(f"{name} of {field.name}", degree, (*path, field.step), severity)


def _old(
    what: str, degree: str, path: FieldPath, severity: Severity, *, at_key: bool = False
) -> Problem:
    if degree == GONE:
        text = f"{what} is deprecated, and an Envoy refuses it by default: use what took its place"
        return Problem(REFUSED, text, path, severity, at_key)
    text = f"{what} is deprecated: use what took its place"
    return Problem(DEPRECATED, text, path, "warning", at_key)


def _below(place: _Place, given: Given) -> Iterator[_Place]:
    for field, value in given:
        if field.form is Form.MESSAGE and not unread(field, place.message):
            for at, each in _each(field, value):
                yield _Place((*place.path, *at), each, place.severity)


def _wrong(field: Field, value: Any) -> Iterator[tuple[FieldPath, str, bool]]:
    """Yield what is wrong with the *value* of *field*: its place, and whether its key is meant."""
    for test in field.whole:
        told = test(value)
        if told:
            yield (field.step,), told, False
    for test in field.keys:
        for key in sorted(value):
            told = test(key)
            if told:
                yield (field.step, key), f"has a key that {told}", True
    if not field.each:
        return
    for at, each in _each(field, value):
        one = each.value if field.form is Form.WRAPPED else each
        for test in field.each:
            told = test(one)
            if told:
                yield at, told, False
                break


def _each(field: Field, value: Any) -> Iterator[tuple[FieldPath, Any]]:
    """Yield the values that *field* has, each with its place."""
    if field.shape is Shape.ONE:
        yield (field.step,), value
    elif field.shape is Shape.LIST:
        for index, each in enumerate(value):
            yield (field.step, index), each
    else:
        for key in sorted(value):
            yield (field.step, key), value[key]
