"""Documents made up by hypothesis: from message descriptors, and by damaging good ones."""

from __future__ import annotations

import base64
import copy
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from hypothesis import strategies as st

from gitsource.catalog.kinds import spellings

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
KEYS = st.text("abcxyz-_./é", min_size=1, max_size=6)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS
    | st.sampled_from(["v1", "5s", "80", "DISABLE", "*", ""]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)
"""Any value that a parsed document can hold."""

INTEGERS = {
    FieldDescriptor.CPPTYPE_INT32: st.integers(-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_UINT32: st.integers(0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_INT64: st.integers(-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_UINT64: st.integers(0, 2**64 - 1),
}

IN_ITS_OWN_WAY: dict[str, list[Any]] = {
    "google.protobuf.Any": [
        {"@type": "type.googleapis.com/google.protobuf.StringValue", "value": "a"},
        {"@type": "type.googleapis.com/google.rpc.Status", "code": 5, "message": "b"},
    ],
    "google.protobuf.Empty": [{}],
    "google.protobuf.Value": [None, 1, "a", [True], {"a": {}}],
    "google.protobuf.ListValue": [[], [1, "a"]],
    "google.protobuf.Timestamp": ["2024-05-01T10:00:00Z"],
    "google.protobuf.FieldMask": ["a,b.c"],
}
"""Messages that JSON writes in their own way, with examples."""


@st.composite
def documents(draw: Any, descriptor: Descriptor, depth: int = 6) -> tuple[Any, Any]:
    """
    Draw a document of the message *descriptor* in two forms: as people write it, and for protobuf.

    The first uses either spelling of a field and durations as Go writes them.
    """
    ours: dict[str, Any] = {}
    theirs: dict[str, Any] = {}
    filled: set[str] = set()
    known = list(descriptor.fields)
    few = st.lists(st.sampled_from(known), max_size=4, unique_by=_number)
    fields = draw(few) if known else []
    for field in fields:
        if field.containing_oneof is not None:
            if field.containing_oneof.name in filled:
                continue
            filled.add(field.containing_oneof.name)
        if depth == 0 and field.message_type is not None:
            continue
        mine, plain = draw(_values(field, depth))
        ours[draw(st.sampled_from(spellings(field)))] = mine
        theirs[field.json_name] = plain
    return ours, theirs


def _number(field: FieldDescriptor) -> int:
    return field.number


def _values(field: FieldDescriptor, depth: int) -> st.SearchStrategy[tuple[Any, Any]]:
    kind = field.message_type
    if kind is not None and kind.GetOptions().map_entry:
        members = kind.fields_by_name
        numbers = INTEGERS.get(members["key"].cpp_type)
        keys = TEXTS if numbers is None else numbers.map(str)
        values = st.dictionaries(keys, _single(members["value"], depth), max_size=3)
        return values.map(
            lambda pairs: (
                {key: pair[0] for key, pair in pairs.items()},
                {key: pair[1] for key, pair in pairs.items()},
            )
        )
    if field.is_repeated:
        lists = st.lists(_single(field, depth), max_size=3)
        return lists.map(lambda pairs: ([p[0] for p in pairs], [p[1] for p in pairs]))
    return _single(field, depth)


def _single(field: FieldDescriptor, depth: int) -> st.SearchStrategy[tuple[Any, Any]]:
    kind = field.message_type
    if kind is None:
        return _scalars(field)
    if kind.full_name == "google.protobuf.Duration":
        return st.integers(0, 10**17).flatmap(_durations)
    if kind.full_name == "google.protobuf.Struct":
        return st.dictionaries(KEYS, JSON.filter(_exact), max_size=3).map(lambda box: (box, box))
    if kind.full_name in IN_ITS_OWN_WAY:
        return st.sampled_from(IN_ITS_OWN_WAY[kind.full_name]).map(lambda value: (value, value))
    if kind.full_name.startswith("google.protobuf."):
        return _scalars(kind.fields_by_name["value"])
    return documents(kind, depth - 1)


def _exact(value: Any) -> bool:
    """Say whether a Struct carries every number of *value* as it is."""
    if isinstance(value, dict | list):
        return all(map(_exact, value.values() if isinstance(value, dict) else value))
    return not isinstance(value, int) or float(value) == value


def _durations(nanoseconds: int) -> st.SearchStrategy[tuple[str, str]]:
    seconds, rest = divmod(nanoseconds, 10**9)
    plain = f"{seconds}.{rest:09d}s"
    hours, minutes = divmod(seconds // 60, 60)
    ways = [
        plain,
        f"{nanoseconds}ns",
        f"{hours}h{minutes}m{seconds % 60}.{rest:09d}s",
        f"{seconds}s{rest}ns",
        f"+{seconds}s{rest // 10**6}ms{rest % 10**6 / 1000:.3f}us",
    ]
    return st.sampled_from(ways).map(lambda way: (way, plain))


def _scalars(field: FieldDescriptor) -> st.SearchStrategy[tuple[Any, Any]]:
    if field.enum_type is not None:
        values = st.sampled_from(list(field.enum_type.values))
        return values.flatmap(
            lambda v: st.sampled_from([v.name, v.number, float(v.number)]).map(
                lambda written: (written, v.name)
            )
        )
    if field.cpp_type in INTEGERS:
        numbers = INTEGERS[field.cpp_type]
        exact = numbers.filter(lambda n: int(float(n)) == n).map(lambda n: (float(n), n))
        return numbers.map(lambda n: (n, n)) | numbers.map(lambda n: (str(n), n)) | exact
    if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        return st.booleans().map(lambda b: (b, b))
    if field.cpp_type in (FieldDescriptor.CPPTYPE_DOUBLE, FieldDescriptor.CPPTYPE_FLOAT):
        floats = st.floats(allow_nan=False, allow_infinity=False)
        return (floats | st.integers(-(2**53), 2**53)).map(lambda n: (n, n))
    if field.type == FieldDescriptor.TYPE_BYTES:
        return st.binary(max_size=9).flatmap(_base64)
    return TEXTS.map(lambda text: (text, text))


def _base64(raw: bytes) -> st.SearchStrategy[tuple[str, str]]:
    plain = base64.b64encode(raw).decode()
    ways = [plain, plain.rstrip("="), base64.urlsafe_b64encode(raw).decode()]
    return st.sampled_from(ways).map(lambda way: (way, plain))


@st.composite
def damaged(draw: Any, good: list[Any]) -> Any:
    """Draw one of *good* with up to three values replaced, removed, added or renamed."""
    value = copy.deepcopy(draw(st.sampled_from(good)))
    for _ in range(draw(st.integers(1, 3))):
        places = list(_places(value))
        holder, key = draw(st.sampled_from(places)) if places else (value, None)
        what = draw(st.sampled_from(["replace", "remove", "add", "rename"]))
        if what == "replace" and key is not None:
            holder[key] = draw(JSON)
        elif what == "remove" and key is not None:
            del holder[key]
        elif isinstance(holder, dict) and what == "rename" and key is not None:
            holder[draw(KEYS)] = holder.pop(key)
        elif isinstance(holder, dict):
            holder[draw(KEYS)] = draw(JSON)
        else:
            holder.append(draw(JSON))
    return value


def _places(value: Any) -> Any:
    """Yield each value below *value* as what holds it and its key there."""
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in inner:
        yield value, key
        if isinstance(item, dict | list):
            yield from _places(item)
