"""
Whether anything is wrong with a message at all: most often nothing is, and places are not needed.

Rule: it says the same as the walk that tells what is wrong and where; a test compares them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from gitsource.messages.opened import content
from gitsource.validate.envoy.rules.compiled import Field, Form, Rules, Shape, compiled
from gitsource.validate.envoy.rules.semantics import beyond
from gitsource.validate.envoy.rules.unread import unread


def clean(message: Any) -> bool:
    """Say whether nothing is wrong with *message*, and nothing in it deprecated."""
    rules = compiled(message.DESCRIPTOR)
    if rules.packed:
        held = content(message)
        return held is None or clean(held)
    if rules.strict and not _whole(rules, message):
        return False
    fields = rules.fields
    for given, value in message.ListFields():
        asked = fields.get(given.number)
        if asked is None:
            continue
        judge = _one if asked.shape is Shape.ONE else _JUDGED[asked.shape]
        if not judge(asked, value, message):
            return False
    return True


def _whole(rules: Rules, message: Any) -> bool:
    """Judge what is not there, and what does not go together."""
    for oneof, _ in rules.choices:
        if message.WhichOneof(oneof) is None:
            return False
    for field, _ in rules.missing:
        if not (message.HasField(field.name) if field.presence else getattr(message, field.name)):
            return False
    for field in rules.dated:
        if getattr(message, field.name) in field.old:
            return False
    return not (rules.related and any(True for _ in beyond(message)))


def _one(field: Field, value: Any, message: Any) -> bool:
    if field.deprecated:
        return False
    if field.each and not _passes(field, value):
        return False
    return field.form is not Form.MESSAGE or clean(value) or unread(field, message)


def _list(field: Field, value: Any, message: Any) -> bool:
    return _many(field, value, value, message)


def _map(field: Field, value: Any, message: Any) -> bool:
    if field.keys and any(test(key) for test in field.keys for key in value):
        return False
    return _many(field, value, [value[key] for key in value], message)


def _many(field: Field, value: Any, held: Iterable[Any], message: Any) -> bool:
    """Judge the values *held* by the list or map *value*."""
    if field.deprecated or any(test(value) for test in field.whole):
        return False
    if field.each and not all(_passes(field, each) for each in held):
        return False
    return field.form is not Form.MESSAGE or all(map(clean, held)) or unread(field, message)


def _passes(field: Field, value: Any) -> bool:
    one = value.value if field.form is Form.WRAPPED else value
    for test in field.each:  # noqa: SIM110  # a generator costs more than most tests
        if test(one):
            return False
    return True


_JUDGED: dict[Shape, Callable[[Field, Any, Any], bool]] = {
    Shape.LIST: _list,
    Shape.MAP: _map,
}
