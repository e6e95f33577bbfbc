"""
The rules in CEL that stand in a schema beside its keywords (``x-kubernetes-validations``).

A schema is compiled once into a tree of those places below which there is a rule, a list with keys
or a deprecated field; a document is walked along that tree, so what has no rule costs nothing. A
rule is asked once for what it can see of a value (`_seen`): ten thousand timeouts of 5s are one
question, and it sees nothing else, so that no other value decides it. What plainly holds is not
asked at all (`shortcuts`).

Rule: a rule that cannot be evaluated is broken, as it is in a cluster; but one that would take more
steps than CEL's own budget allows says nothing, and the same is looked for by Istio's own rules.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, TypeAlias

from gitsource.encode.scalars import nanoseconds
from gitsource.model import Problem, Severity, shown
from gitsource.validate.istio import urls
from gitsource.validate.shortcuts import sure

CODE = "GS312"
DEPRECATED = "GS315"
ANSWERS = 2048
"""Answers that are remembered of each set of rules."""
PIECES = 64
"""Values inside a value beyond which its answer is not remembered."""
MOST = 20
"""Broken rules told of one document."""


@dataclass(frozen=True, slots=True)
class Broken(Problem):
    """A rule of the schema that does not hold."""

    same: frozenset[str] = frozenset()
    """Rules of Istio's that say the same of this node or of what it holds."""


Found: TypeAlias = tuple[list[str | int], Broken]
"""Steps from the value at fault up to here, and what is wrong, without its path."""
Check: TypeAlias = Callable[[Any], list[Found] | None]


def problems(value: Any, check: Check | None) -> Iterator[Problem]:
    """Yield which rules of *check* the document *value* breaks, and what it has that is old."""
    for steps, broken in ((check(value) if check else None) or ())[:MOST]:
        yield replace(broken, path=tuple(reversed(steps)))


def compiled(schema: Any) -> Check | None:
    """Return what checks a document by the rules in *schema*; None if it has none."""
    if not isinstance(schema, dict):
        return None
    return _Compiler(schema.get("$defs", {})).check(schema)


class _Compiler:
    def __init__(self, definitions: Mapping[str, Any]) -> None:
        self._definitions = definitions
        self._known: dict[str, Check | None] = {}

    def check(self, schema: Any) -> Check | None:
        if not isinstance(schema, dict):
            return None
        checks = [self._referred(schema.get("$ref", "")), *self._own(schema)]
        kept = [check for check in checks if check is not None]
        return _all(kept) if len(kept) > 1 else kept[0] if kept else None

    def _referred(self, reference: str) -> Check | None:
        name = reference.removeprefix("#/$defs/")
        if not reference:
            return None
        if name not in self._known:
            self._known[name] = None
            self._known[name] = self.check(self._definitions[name])
        return self._known[name]

    def _own(self, schema: Mapping[str, Any]) -> Iterator[Check | None]:
        rules = schema.get("x-kubernetes-validations", ())
        if rules:
            yield _rules(tuple(_rule(each) for each in rules))
        if "x-kubernetes-list-map-keys" in schema:
            yield _distinct(schema["x-kubernetes-list-map-keys"], schema)
        if "properties" in schema:
            yield self._members(schema["properties"])
        inner = self.check(schema.get("items"))
        yield inner and _items(inner)
        inner = self.check(schema.get("additionalProperties"))
        yield inner and _values(inner)

    def _members(self, properties: Mapping[str, Any]) -> Check | None:
        inner = {name: self.check(each) for name, each in properties.items()}
        old = frozenset(
            name
            for name, each in properties.items()
            if isinstance(each, dict) and each.get("deprecated")
        )
        table = {name: check for name, check in inner.items() if check or name in old}
        return _fields(table, old) if table else None


# --------------------------------------------------------------------------- walking


def _all(checks: list[Check]) -> Check:
    def run(value: Any) -> list[Found] | None:
        out: list[Found] = []
        for check in checks:
            found = check(value)
            if found:
                out += found
        return out or None

    return run


def _fields(table: Mapping[str, Check | None], old: frozenset[str]) -> Check:
    def run(value: Any) -> list[Found] | None:
        if type(value) is not dict:
            return None
        out: list[Found] = []
        for key, item in value.items():
            if key not in table:
                continue
            if key in old:
                out.append(([key], _old(key)))
            check = table[key]
            found = check and check(item)
            if found:
                _under(key, found, out)
        return out or None

    return run


def _old(key: str) -> Broken:
    return Broken(DEPRECATED, f"{key} is deprecated", severity="warning", at_key=True)


def _under(step: str | int, found: list[Found], out: list[Found]) -> None:
    for each in found[: MOST + 1 - len(out)]:
        each[0].append(step)
        out.append(each)


def _items(check: Check) -> Check:
    def run(value: Any) -> list[Found] | None:
        out: list[Found] = []
        for index, item in enumerate(value if type(value) is list else ()):
            found = check(item)
            if found:
                _under(index, found, out)
        return out or None

    return run


def _values(check: Check) -> Check:
    def run(value: Any) -> list[Found] | None:
        out: list[Found] = []
        for key, item in value.items() if type(value) is dict else ():
            found = check(item)
            if found:
                _under(key, found, out)
        return out or None

    return run


def _distinct(keys: list[str], schema: Mapping[str, Any]) -> Check:
    """Return what finds the items of a list that have the same *keys* as an earlier one."""
    same = frozenset(schema.get("x-gitsource-same", ()))

    def run(value: Any) -> list[Found] | None:
        out: list[Found] = []
        met = set()
        for index, item in enumerate(value if type(value) is list else ()):
            told = [item.get(key) for key in keys] if type(item) is dict else [None]
            if not all(type(each) in (str, int, float) for each in told):
                continue
            if tuple(told) in met:
                message = f"{keys[0]} {shown(told[0])} is given twice: once is allowed here"
                out.append(([index], Broken(CODE, message, same=same)))
            met.add(tuple(told))
        return out or None

    return run


# --------------------------------------------------------------------------- one value


@dataclass(frozen=True, slots=True)
class _Rule:
    text: str
    message: str
    same: frozenset[str]


def _rule(row: Mapping[str, Any]) -> _Rule:
    return _Rule(row["rule"], row["message"], frozenset(row.get("x-gitsource-same", ())))


@cache
def _rules(rules: tuple[_Rule, ...]) -> Check:
    texts = [rule.text for rule in rules]
    seen = _seen(texts)
    plainly_hold = sure(texts)
    answers: dict[Any, tuple[_Rule, ...]] = {}

    def run(value: Any) -> list[Found] | None:
        if plainly_hold is not None and plainly_hold(value):
            return None
        asked = seen.part(value)
        key = seen.key(asked)
        broken = answers.get(key) if key is not None else None
        if broken is None:
            broken = tuple(rule for rule in rules if not _holds(rule.text, asked))
            if key is not None:
                if len(answers) >= ANSWERS:
                    answers.clear()
                answers[key] = broken
        if not broken:
            return None
        quoted = f", not {shown(value)}" if type(value) in (str, int, float) else ""
        plain = _without_empty_lists(value)
        plain = plain and seen.part(plain)
        return [
            (
                [],
                Broken(
                    CODE, rule.message + quoted, severity=_severity(rule, plain), same=rule.same
                ),
            )
            for rule in broken
        ]

    return run


def _without_empty_lists(value: Any) -> Any:
    """Return the mapping *value* as Istio sees it, None if that is how it is."""
    if type(value) is dict and [] in value.values():
        return {key: item for key, item in value.items() if item != []}
    return None


def _severity(rule: _Rule, plain: Any) -> Severity:
    """An empty list is an absent one to Istio; a cluster does not think so."""
    return "warning" if plain is not None and _holds(rule.text, plain) else "error"


_MEMBER = re.compile(r"\bself\.(\w+)\b(?!\()")
_ASKED = re.compile(r"\bhas\(self\.(\w+)\)")
_OF_KEYS = re.compile(r"self\.all\(\w+, (?:(?!\bself\b).)*\)", re.DOTALL)
"""A rule about each key of a mapping: `all` runs over keys, and nothing else of it is named."""


@dataclass(frozen=True, slots=True)
class _Seen:
    """What rules can see of a value: nothing else may decide, and so nothing else is shown them."""

    presence: tuple[str, ...]
    """Fields of which they ask only whether they are there."""
    wanted: tuple[str, ...]
    """Fields of which they ask more."""
    keys: bool = False
    """Whether of a mapping they see its keys alone."""

    def part(self, value: Any) -> Any:
        """Return the part of a mapping with fields that they see; any other value as it is."""
        if type(value) is not dict:
            return value
        if self.keys:
            return dict.fromkeys(value, True)
        if not (self.presence or self.wanted):
            return value
        part: dict[str, Any] = {name: True for name in self.presence if name in value}
        part.update((name, value[name]) for name in self.wanted if name in value)
        return part

    def key(self, part: Any) -> Any:
        """Return what tells apart the parts; None if this is more than is worth remembering."""
        return _frozen(part)


def _seen(rules: Sequence[str]) -> _Seen:
    """Return what *rules* see of a value."""
    if all(_OF_KEYS.fullmatch(rule) for rule in rules):
        return _Seen((), (), keys=True)
    text = " ".join(rules)
    members = _MEMBER.findall(text)
    asked = _ASKED.findall(text)
    presence = tuple(
        name for name in dict.fromkeys(members) if members.count(name) == asked.count(name)
    )
    return _Seen(presence, tuple(name for name in dict.fromkeys(members) if name not in presence))


def _frozen(value: Any) -> Any:
    """Return *value* as a key of a dictionary; None if it is large."""
    kind = type(value)
    if kind is str:
        return (kind, value) if len(value) < 256 else None
    if kind is dict or kind is list:
        if len(value) > PIECES:
            return None
        out: list[Any] = [kind]
        for item in value.items() if kind is dict else value:
            for part in item if kind is dict else (item,):
                frozen = part if type(part) is str and len(part) < 256 else _frozen(part)
                if frozen is None:
                    return None
                out.append(frozen)
        return tuple(out)
    return (kind, value)


def _holds(text: str, value: Any) -> bool:
    try:
        return _program(text).eval(data={"self": value}).value() is True
    except RuntimeError:  # beyond the budget, or a string that UTF-8 cannot carry: encoding says so
        return True


# --------------------------------------------------------------------------- the dialect


@cache
def _program(text: str) -> Any:
    # NB: CEL in C++ reads durations that Go, and so Istio, does not: those of 300 years and more.
    # Those that the rule itself names are numbers already: that spares half of the calls.
    told = _DURATION.sub(_as_number, text)
    return _environment().compile(told.replace("duration(", "nanoseconds("))


_DURATION = re.compile(r"""\bduration\((['"])([0-9a-z.]+)\1\)""")


def _as_number(found: re.Match[str]) -> str:
    number = nanoseconds(found[2])
    return found[0] if number is None else str(number)


@cache
def _environment() -> Any:
    """Return CEL with those of Kubernetes' functions that the rules use."""
    from cel_expr_python import cel

    text, number = cel.Type.STRING, cel.Type.INT

    def function(name: str, result: Any, takes: list[Any], run: Any, *, member: bool) -> Any:
        return cel.FunctionDecl(name, [cel.Overload(f"own_{name}", result, takes, member, run)])

    return cel.NewEnv(
        variables={"self": cel.Type.DYN},
        functions=[
            function("isURL", cel.Type.BOOL, [text], _is_url, member=False),
            function("url", text, [text], _url, member=False),
            function("getScheme", text, [text], _scheme, member=True),
            function("nanoseconds", number, [text], _nanoseconds, member=False),
            function("substring", text, [text, number, number], _substring, member=True),
        ],
    )


def _is_url(text: str) -> bool:
    try:
        urls.scheme(text, request=True)
    except urls.NoUrl:
        return False
    return True


def _url(text: str) -> str:
    urls.scheme(text, request=True)
    return text


def _scheme(text: str) -> str:
    return urls.scheme(text)


def _nanoseconds(text: str) -> int:
    found = nanoseconds(text)
    if found is None or abs(found) >= 2**63:
        raise ValueError("no duration")
    return found


def _substring(text: str, start: int, end: int) -> str:
    """Return part of *text*; like Kubernetes, fail where it is shorter."""
    if not 0 <= start <= end <= len(text):
        raise ValueError("out of range")
    return text[start:end]
