"""
The declarations of `gitsource.settings`, read back as rows: key, type, default, words.

Rule: nothing about a setting is written down twice. Flags, environment variables, `--help` and
docs/settings.md all come from these rows, and so do the forms a value may be written in.

    poll.interval   --poll-interval   GITSOURCE_POLL_INTERVAL   duration   30s
"""

from __future__ import annotations

import ast
import re
import sys
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any, cast

from gitsource.codes.references import ROWS
from gitsource.settings import whole as module
from gitsource.settings.doors import AdminIdentity, AdminToken, TrustDomain
from gitsource.settings.following import CredentialRow, LayerRow, PathSigners
from gitsource.settings.judging import CollectionRow
from gitsource.settings.rights import Rule
from gitsource.settings.serving import DialRow
from gitsource.settings.units import (
    Address,
    Bytes,
    Door,
    FilePath,
    FilePaths,
    Globs,
    Seconds,
    Severities,
    Severity,
    Share,
    Words,
)
from gitsource.settings.views import ViewRow
from gitsource.settings.whole import Settings

SECONDS = {"": 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
BYTES = {"": 1, "B": 1, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}
LONGEST_SOCKET = 100
"""Bytes of the path of a Unix socket; the kernel takes 107, some only 103."""
LARGEST = 2**53
"""Larger numbers are not exact in every reader of JSON and YAML; none is a sensible setting."""


@dataclass(frozen=True, slots=True)
class Row:
    """One setting as users meet it."""

    key: str
    """Dotted, as nested in the config file: ``poll.interval``."""
    type: Any
    """The declared type without ``| None``: a NewType of settings, a Literal, bool, int, str."""
    optional: bool
    """Whether the setting may be absent altogether (None)."""
    default: Any
    doc: str
    """The words under the declaration, on one line."""

    @property
    def flag(self) -> str:
        """The command-line flag: ``--poll-interval``."""
        return "--" + re.sub(r"[._]", "-", self.key)

    @property
    def variable(self) -> str:
        """The environment variable: ``GITSOURCE_POLL_INTERVAL``."""
        return "GITSOURCE_" + self.key.upper().replace(".", "_")

    @property
    def type_text(self) -> str:
        """How the type is called in help and documentation."""
        if typing.get_origin(self.type) is typing.Literal:
            return " | ".join(typing.get_args(self.type))
        return TYPE_NAMES.get(self.type) or f"list of {self.key}"

    @property
    def default_text(self) -> str:
        """The default as it would be written in the config file; empty if there is none."""
        return "" if self.default is None else write(self.type, self.default)


TYPE_NAMES: Mapping[Any, str] = {
    Seconds: "duration",
    Bytes: "size",
    Address: "host:port",
    Door: "host:port or unix:/path",
    FilePath: "path",
    FilePaths: "list of paths",
    Share: "share",
    Words: "list of texts",
    Severities: "mapping of codes",
    Globs: "mapping of globs",
    bool: "true | false",
    int: "number",
    str: "text",
}


def describe() -> tuple[Row, ...]:
    """Return every setting, in the order of declaration, with the words under each."""
    return tuple(_rows(Settings, "", _docstrings()))


@cache
def declared() -> Mapping[str, Row]:
    """Return every setting by dotted key, without its words: cheaper, for reading values."""
    return {row.key: row for row in _rows(Settings, "", {})}


LISTS: Mapping[str, type] = {
    "layers": LayerRow,
    "credentials": CredentialRow,
    "admin.tokens": AdminToken,
    "admin.identities": AdminIdentity,
    "collections": CollectionRow,
    "views": ViewRow,
    "sinks.dial": DialRow,
    "trust.paths": PathSigners,
    "identity.trust_domains": TrustDomain,
    "authorization.policy": Rule,
    "authorization.ceiling": Rule,
}
"""The settings that are lists, and what each entry is."""


@cache
def row_fields(kind: type = CollectionRow) -> Mapping[str, tuple[Any, str]]:
    """Return the keys of one entry of a list, each with the type of its value and its words."""
    docs = _docstrings()
    hints = typing.get_type_hints(kind)
    return {f.name: (hints[f.name], docs[kind.__name__, f.name]) for f in fields(kind)}


def groups() -> tuple[str, ...]:
    """Return the names of the groups: keys whose value is a mapping of settings."""
    names: dict[str, None] = {}
    for key in declared():
        parts = key.split(".")
        names |= dict.fromkeys(".".join(parts[:depth]) for depth in range(1, len(parts)))
    return tuple(names)


def is_setting(field: Field[Any]) -> bool:
    """Tell settings from what only travels with them (`Settings.folder`)."""
    return not field.metadata.get("derived")


def _rows(group: type, prefix: str, docs: Mapping[tuple[str, str], str]) -> Iterator[Row]:
    hints = typing.get_type_hints(group)
    for field in filter(is_setting, fields(group)):
        hint = hints[field.name]
        if is_dataclass(hint):
            yield from _rows(cast("type", hint), f"{prefix}{field.name}.", docs)
            continue
        optional = isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union
        if optional:
            (hint,) = (kind for kind in typing.get_args(hint) if kind is not types.NoneType)
        doc = docs.get((group.__name__, field.name), "")
        default = None if field.default is MISSING else field.default
        yield Row(prefix + field.name, hint, optional, default, doc)


PREFACE = """\
# Settings

<!-- Made from gitsource/settings: python -m gitsource.declarations > docs/settings.md -->

Each setting can be given in the config file (`--config`, YAML or JSON), as an environment variable
and as a flag; the flag wins over the variable, the variable over the file. `poll.interval` is

* in the file: `poll: {interval: 30s}`,
* as a variable: `GITSOURCE_POLL_INTERVAL=30s`,
* as a flag: `--poll-interval 30s`.

Variables and flags take `collections` and `views` as YAML or JSON text. A key that does not exist
is an error. Every mistake is told at once, each with its place, what was expected, and the nearest
known key.

Durations are written `500ms`, `30s`, `5m`, `1h` or as a number of seconds; sizes `512KiB`, `4MiB`,
`1GiB` or as a number of bytes; an address is `host:port`, with an IPv6 host in brackets. A relative
path in the config file counts from that file's folder, anywhere else from the working directory.\
"""


def _docstrings() -> Mapping[tuple[str, str], str]:
    """Return the string under each field of `gitsource.settings`, by class and field."""
    folder = Path(module.__file__).parent
    texts = (path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.py")))
    found: dict[tuple[str, str], str] = {}
    for group in (node for text in texts for node in ast.parse(text).body):
        if not isinstance(group, ast.ClassDef):
            continue
        for field, words in zip(group.body, group.body[1:], strict=False):
            if not (isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)):
                continue
            if isinstance(words, ast.Expr) and isinstance(words.value, ast.Constant):
                found[group.name, field.target.id] = " ".join(str(words.value.value).split())
    return found


def page() -> str:
    """Return docs/settings.md, which `python -m gitsource.declarations` prints."""
    sections: dict[str, list[Row]] = {"": []}
    for row in describe():
        name = row.key.partition(".")[0] if "." in row.key else ""
        sections.setdefault(name, []).append(row)
    lines = [PREFACE]
    for name, rows in sections.items():
        title = f"`{name}`" if name else "At the top level"
        lines += [f"\n## {title}\n", "| key | type | default | |", "| --- | --- | --- | --- |"]
        for row in rows:
            form = row.type_text.replace(" | ", ", ")
            default = f"`{row.default_text}`" if row.default_text else "none"
            lines.append(f"| `{row.key}` | {form} | {default} | {row.doc} |")
    for name, kind in LISTS.items():
        lines += [f"\n## One entry of `{name}`\n", "| key | |", "| --- | --- |"]
        lines += [f"| `{key}` | {doc} |" for key, doc in _leaves(kind, "")]
    return "\n".join(lines) + "\n"


def _leaves(kind: type, prefix: str) -> Iterator[tuple[str, str]]:
    for name, (inner, doc) in row_fields(kind).items():
        yield prefix + name, doc
        if is_dataclass(inner):
            yield from _leaves(cast("type", inner), f"{prefix}{name}.")


# --------------------------------------------------------------------------- the forms of a value


def seconds(value: Any) -> Seconds:
    """Read a duration: ``500ms``, ``30s``, ``5m``, ``1h`` or a plain number of seconds."""
    return Seconds(_quantity(value, SECONDS, "a duration such as 500ms, 30s, 5m or 1h"))


def size(value: Any) -> Bytes:
    """Read a size: ``512KiB``, ``4MiB``, ``1GiB`` or a plain number of bytes."""
    number = _quantity(value, BYTES, "a size such as 512KiB, 4MiB or 1GiB")
    if number != int(number):
        raise ValueError("a whole number of bytes")
    return Bytes(int(number))


def _quantity(value: Any, units: Mapping[str, float], expected: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError(expected)  # noqa: TRY004 - one exception says "not this form"
    found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?) ?([A-Za-z]*)", str(value).strip())
    if isinstance(value, int | float):
        number, unit = float(value), ""
    elif found and found[2] in units:
        number, unit = float(found[1]), found[2]
    else:
        raise ValueError(expected)
    if not 0 <= number * units[unit] <= LARGEST:
        raise ValueError(expected)
    return number * units[unit]


def address(value: Any) -> Address:
    """Read ``host:port``: an IPv6 host in brackets, a port from 0 to 65535."""
    expected = "host:port, such as 127.0.0.1:9901 or [::1]:9901"
    if not isinstance(value, str):
        raise ValueError(expected)  # noqa: TRY004 - one exception says "not this form"
    found = re.fullmatch(r"(\[[0-9A-Fa-f:.%]+\]|[A-Za-z0-9._-]+):([0-9]{1,5})", value)
    if not found or int(found[2]) > 65535:
        raise ValueError(f"{expected} (0.0.0.0:9901 listens everywhere)")
    return Address(value)


def door(value: Any) -> Door:
    """Read an address, or ``unix:`` and an absolute path that a socket can have."""
    if not isinstance(value, str) or not value.startswith("unix:"):
        return Door(address(value))
    path = value.removeprefix("unix:")
    if not path.startswith("/") or len(path.encode()) > LONGEST_SOCKET or not path.isprintable():
        raise ValueError(f"unix: and an absolute path of at most {LONGEST_SOCKET} bytes")
    return Door(value)


def share(value: Any) -> Share:
    """Read a part of a whole: ``0.5`` or ``50%``."""
    expected = "a share from 0 to 1, such as 0.5 or 50%"
    found = re.fullmatch(r"([0-9]{1,3}(?:\.[0-9]{1,6})?)(%?)", str(value).strip())
    if isinstance(value, bool) or found is None:
        raise ValueError(expected)
    number = float(found[1]) / (100 if found[2] else 1)
    if number > 1:
        raise ValueError(expected)
    return Share(number)


def boolean(value: Any) -> bool:
    """Read true or false; flags and variables may also say yes, no, on, off, 1, 0."""
    if isinstance(value, bool):
        return value
    words = {"true": True, "yes": True, "on": True, "1": True}
    words |= {"false": False, "no": False, "off": False, "0": False}
    if not isinstance(value, str) or value.lower() not in words:
        raise ValueError("true or false")
    return words[value.lower()]


def integer(value: Any) -> int:
    """Read a whole number that is not negative."""
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,16}", value):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= LARGEST:
        raise ValueError("a whole number")
    return value


def text(value: Any) -> str:
    """Read text that can be shown: no control characters."""
    if not isinstance(value, str):
        raise ValueError("text (put it in quotes)")  # noqa: TRY004 - see seconds
    if re.search(r"[\x00-\x1f\x7f]", value):
        raise ValueError("text without control characters")
    return value


def words(value: Any) -> Words:
    """Read a list of texts; as one text they are separated by commas."""
    parts = [part.strip() for part in value.split(",")] if isinstance(value, str) else value
    if not isinstance(parts, list) or not all(
        isinstance(p, str) and p.isprintable() for p in parts
    ):
        raise ValueError("a list of texts")
    return Words(tuple(filter(None, parts)))


def paths(value: Any) -> FilePaths:
    """Read a list of paths; as one text they are separated by commas."""
    try:
        return FilePaths(tuple(words(value)))
    except ValueError as error:
        raise ValueError("a list of paths") from error


def severities(value: Any) -> Severities:
    """Read a mapping of codes of references to severities; as one text: ``GS403=error``."""
    expected = "a mapping of codes to warning, error or off, such as {GS403: error}"
    if isinstance(value, str):
        pairs = dict(part.strip().partition("=")[::2] for part in value.split(",") if part.strip())
    elif isinstance(value, dict):
        pairs = value
    else:
        raise ValueError(expected)  # noqa: TRY004 - see seconds
    choices = typing.get_args(Severity)
    known = list(ROWS)
    for code, severity in pairs.items():
        if code not in known:
            raise ValueError(f"one of the codes {known[0]} to {known[-1]}")
        if severity not in choices:
            raise ValueError(expected)
    return Severities(tuple(sorted(cast("dict[str, Severity]", pairs).items())))


def globs(value: Any) -> Globs:
    """Read a mapping of keys to globs, at least one."""
    expected = "a mapping of keys to globs, such as {team: shop-*}"
    if not isinstance(value, dict) or not value:
        raise ValueError(expected)
    for key, glob in value.items():
        if not all(isinstance(one, str) and one and one.isprintable() for one in (key, glob)):
            raise ValueError(f"{expected} (put numbers, true and false in quotes)")
    return Globs(tuple(sorted(value.items())))


READERS: Mapping[Any, Callable[[Any], Any]] = {
    Seconds: seconds,
    Bytes: size,
    Address: address,
    Door: door,
    bool: boolean,
    int: integer,
    str: text,
    FilePath: text,
    FilePaths: paths,
    Share: share,
    Words: words,
    Severities: severities,
    Globs: globs,
}


def read(kind: Any, value: Any) -> Any:
    """Return *value* as the declared type *kind*; ValueError says what was expected instead."""
    if typing.get_origin(kind) is typing.Literal:
        choices = typing.get_args(kind)
        if value not in choices:
            raise ValueError("one of " + ", ".join(choices))
        return value
    return READERS[kind](value)


def write(kind: Any, value: Any) -> str:
    """Return *value* in the form it is written in, the shortest that is exact."""
    if kind is Seconds:
        return _in_units(value, {k: v for k, v in SECONDS.items() if k}, "s")
    if kind is Bytes:
        return _in_units(value, {k: v for k, v in BYTES.items() if k != "B"}, "")
    if isinstance(value, bool):
        return str(value).lower()
    if kind is Share:
        return f"{value:g}"
    if value == ():
        return "{}" if kind is Severities else "[]"
    return ",".join(value) if kind is Words else str(value)


def _in_units(value: float, units: Mapping[str, float], least: str) -> str:
    for unit, worth in sorted(units.items(), key=lambda item: -item[1]):
        if value and float(value / worth).is_integer():
            return f"{value / worth:g}{unit}"
    return f"{value:g}{least}"


if __name__ == "__main__":
    sys.stdout.write(page())
