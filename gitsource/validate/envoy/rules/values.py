"""
The rules that Envoy's messages declare for values, each as a test of one value.

Rule: a test says what a value has to be, and never quotes text or bytes: a value may be a secret
whatever its field is called. A rule of a name that is not in the tables is not judged; a test of
ours sees to it that there is none in the messages that are installed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from google.protobuf.descriptor import EnumDescriptor

Test: TypeAlias = Callable[[Any], str]
"""Returns what the value has to do, to be read after the field's name; empty: it does."""

NANOS = 1_000_000_000
LONGEST = 9_223_372_036 * NANOS
"""Nanoseconds from which on Envoy takes no duration."""

_HEADER_NAME = r"^:?[0-9a-zA-Z!#$%&'*+-.^_|~`]+$"
_HEADER_VALUE = r"^[^\x00-\x08\x0A-\x1F\x7F]*$"
_HEADER_LOOSE = r"^[^\x00\n\r]*$"
"""What a header's name and value are to protoc-gen-validate; the last one if not strict."""
_HEADERS = {
    1: (_HEADER_NAME, "has to be the name of a header: letters, digits and !#$%&'*+-.^_|~ alone"),
    2: (_HEADER_VALUE, "must not have line breaks or other control characters"),
}


def nanoseconds(duration: Any) -> int:
    """Return the length of a Duration."""
    return int(duration.seconds) * NANOS + int(duration.nanos)


def spelled(nanos: int) -> str:
    """Return *nanos* nanoseconds as documents write durations."""
    whole, rest = divmod(abs(nanos), NANOS)
    text = f"{whole}.{rest:09}".rstrip("0").rstrip(".")
    return f"{'-' * (nanos < 0)}{text}s"


# --------------------------------------------------------------------------- numbers and times


def numbers(rules: Any) -> Iterator[Test]:
    """Yield the tests of the rules for a number."""
    yield from _ordered(rules, lambda value: value, str)


def durations(rules: Any) -> Iterator[Test]:
    """Yield the tests of the rules for a Duration."""
    yield from _ordered(rules, nanoseconds, spelled)


def a_duration(value: Any) -> str:
    """Test what Envoy asks of every duration."""
    nanos = nanoseconds(value)
    if nanos < 0:
        return f"must not be negative ({spelled(nanos)})"
    return "" if nanos < LONGEST else f"has to be below {spelled(LONGEST)}"


def _ordered(rules: Any, read: Callable[[Any], Any], show: Callable[[Any], str]) -> Iterator[Test]:
    limits = {
        name: read(getattr(rules, name))
        for name in ("const", "gt", "gte", "lt", "lte")
        if rules.HasField(name)
    }
    for name, limit in limits.items():
        fits, words = _ORDERS[name]
        yield _compared(fits, read, limit, f"{words} {show(limit)}", show)
    if getattr(rules, "in"):
        yield _among({read(each) for each in getattr(rules, "in")}, read, show)
    if rules.not_in:
        yield _not_among({read(each) for each in rules.not_in}, read, show)


_ORDERS: dict[str, tuple[Callable[[Any, Any], bool], str]] = {
    "const": (lambda value, limit: value == limit, "has to be"),
    "gt": (lambda value, limit: value > limit, "has to be above"),
    "gte": (lambda value, limit: value >= limit, "has to be at least"),
    "lt": (lambda value, limit: value < limit, "has to be below"),
    "lte": (lambda value, limit: value <= limit, "must not be above"),
}


def _compared(
    fits: Callable[[Any, Any], bool],
    read: Callable[[Any], Any],
    limit: Any,
    words: str,
    show: Callable[[Any], str],
) -> Test:
    def test(value: Any) -> str:
        own = read(value)
        return "" if fits(own, limit) else f"{words}, not {show(own)}"

    return test


def _among(allowed: set[Any], read: Callable[[Any], Any], show: Callable[[Any], str]) -> Test:
    words = f"has to be one of {', '.join(map(show, sorted(allowed)))}"
    return lambda value: "" if read(value) in allowed else words


def _not_among(refused: set[Any], read: Callable[[Any], Any], show: Callable[[Any], str]) -> Test:
    words = f"must not be {' or '.join(map(show, sorted(refused)))}"
    return lambda value: words if read(value) in refused else ""


# --------------------------------------------------------------------------- text and bytes


def texts(rules: Any) -> Iterator[Test]:
    """Yield the tests of the rules for a string."""
    tests = tuple(_texts(rules))
    if not rules.ignore_empty:
        yield from tests
        return
    for each in tests:
        yield unless_empty(each)


def unless_empty(test: Test) -> Test:
    """Return *test* for values that are not empty."""
    return lambda value: test(value) if value else ""


def _texts(rules: Any) -> Iterator[Test]:
    yield from _measured(rules, "min_len", "max_len", "characters", len)
    yield from _measured(rules, "min_bytes", "max_bytes", "bytes", lambda text: len(text.encode()))
    if rules.HasField("const"):
        yield _told(rules.const.__eq__, f"has to be {rules.const!r}")
    if rules.HasField("prefix"):
        prefix = rules.prefix
        yield _told(lambda text: text.startswith(prefix), f"has to begin with {prefix!r}")
    if rules.HasField("suffix"):
        suffix = rules.suffix
        yield _told(lambda text: text.endswith(suffix), f"has to end with {suffix!r}")
    if getattr(rules, "in"):
        allowed = frozenset(getattr(rules, "in"))
        words = f"has to be one of {', '.join(getattr(rules, 'in'))}"
        yield _told(allowed.__contains__, words)
    if rules.HasField("pattern"):
        yield _matched(rules.pattern, f"has to match {rules.pattern}")
    known = _HEADERS.get(rules.well_known_regex)
    if known is not None:
        strict = rules.strict or not rules.HasField("strict")
        loose = (_HEADER_LOOSE, "must not have line breaks or zero bytes")
        yield _matched(*(known if strict else loose))


def blobs(rules: Any) -> Iterator[Test]:
    """Yield the tests of the rules for bytes."""
    yield from _measured(rules, "min_len", "max_len", "bytes", len)


def _measured(
    rules: Any, least: str, most: str, unit: str, measure: Callable[[Any], int]
) -> Iterator[Test]:
    low, high = getattr(rules, least), getattr(rules, most)
    if low == 1:
        yield lambda value: "" if value else "must not be empty"
    elif low:
        few = f"has to have at least {low} {unit}"
        yield lambda value: "" if measure(value) >= low else f"{few}, not {measure(value)}"
    if rules.HasField(most):
        many = f"must not have more than {high} {unit}"
        yield lambda value: "" if measure(value) <= high else f"{many}: it has {measure(value)}"


def _told(fits: Callable[[Any], bool], words: str) -> Test:
    return lambda value: "" if fits(value) else words


def _matched(pattern: str, words: str) -> Test:
    import re2

    compiled = re2.compile(pattern)
    return lambda text: "" if compiled.fullmatch(text) else words


# --------------------------------------------------------------------------- what else there is


def truths(rules: Any) -> Iterator[Test]:
    """Yield the tests of the rules for a boolean."""
    if rules.HasField("const"):
        word = str(rules.const).lower()
        yield _told(bool(rules.const).__eq__, f"has to be {word}, or to be left out")


def enums(rules: Any, enum: EnumDescriptor) -> Iterator[Test]:
    """Yield the tests of the rules for a value of *enum*."""
    names = {value.number: value.name for value in enum.values}
    if rules.defined_only:
        yield lambda value: "" if value in names else f"has no value of the number {value}"
    if rules.HasField("const"):
        yield _told(rules.const.__eq__, f"has to be {names.get(rules.const, rules.const)}")
    if getattr(rules, "in"):
        allowed = frozenset(getattr(rules, "in"))
        words = f"has to be one of {_listed(names, allowed)}"
        yield _told(allowed.__contains__, words)
    if rules.not_in:
        refused = frozenset(rules.not_in)
        words = f"must not be {_listed(names, refused)}"
        yield lambda value: words if value in refused else ""


def _listed(names: dict[int, str], numbers: Iterable[int]) -> str:
    return ", ".join(names.get(each, str(each)) for each in sorted(numbers))


def counts(low: int, high: int | None, what: str) -> Iterator[Test]:
    """Yield the tests of how many *what* a list or a map has; *high* None: any number."""
    if low:
        words = f"has to have at least {low} {what}{'s' * (low > 1)}"
        yield lambda value: "" if len(value) >= low else words
    if high is not None:
        many = f"must not have more than {high} {what}s"
        yield lambda value: "" if len(value) <= high else f"{many}: it has {len(value)}"


TESTS: dict[str, Callable[[Any], Iterator[Test]]] = {
    **dict.fromkeys(("float", "double", "int32", "int64", "uint32", "uint64"), numbers),
    **dict.fromkeys(("sint32", "sint64", "fixed32", "fixed64", "sfixed32", "sfixed64"), numbers),
    "bool": truths,
    "string": texts,
    "bytes": blobs,
    "duration": durations,
}
"""What reads the rules for values of a type; those for enums want the enum too."""

READ = frozenset(
    (
        *("const", "gt", "gte", "lt", "lte", "in", "not_in", "defined_only", "required", "skip"),
        *("min_len", "max_len", "min_bytes", "max_bytes", "pattern", "prefix", "suffix"),
        *("well_known_regex", "strict", "ignore_empty", "min_items", "max_items", "unique"),
        *("min_pairs", "max_pairs", "items", "keys", "values"),
    )
)
"""Names of the rules that are judged."""
