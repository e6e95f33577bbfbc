"""
Reading the settings: flag over environment over file, typed, checked, all mistakes told at once.

Rule: a `Settings` that `load` returns is sound as a whole. Everything that is wrong is collected
first and raised as one ConfigurationError: a line for each mistake with its place, what was
expected and, for a key that does not exist, the nearest one that does.

    gitsource.yaml:3:12: poll.interval: expected a duration such as 30s, found "soon"
    gitsource.yaml:5:1: unknown key "listn": did you mean "listen"?
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields, is_dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, cast, get_args, get_origin

from gitsource import own_files
from gitsource.catalog.rows import own_kind
from gitsource.catalog.whole import Catalog
from gitsource.declarations import (
    LISTS,
    READERS,
    Row,
    declared,
    groups,
    is_setting,
    read,
    row_fields,
)
from gitsource.errors import ConfigurationError
from gitsource.model import FieldPath
from gitsource.observe.neutral import without_credentials
from gitsource.own_files import Read
from gitsource.security.authorize import documents
from gitsource.security.authorize import rules as authorize
from gitsource.settings.doors import AdminToken, TrustDomain
from gitsource.settings.following import LayerRow
from gitsource.settings.judging import CollectionRow
from gitsource.settings.serving import DialRow
from gitsource.settings.units import FilePath, FilePaths, Words
from gitsource.settings.views import ViewRow
from gitsource.settings.whole import Settings
from gitsource.settings_checks.whole import Fault, Found, Place, check

LARGEST_FILE = 1024 * 1024
"""Bytes; nobody's settings are longer, and the wrong file may be."""

OTHER_VARIABLES = frozenset(
    (
        "GITSOURCE_ADMIN",
        "GITSOURCE_ADMIN_TOKEN_FILE",
        "GITSOURCE_CACHE_KEY",
        "GITSOURCE_CONFIG",
    )
)
"""Variables of ours that are no settings: they stand for flags of some commands."""

NAMES = {
    LayerRow: "defaults",
    AdminToken: "prometheus",
    CollectionRow: "acme/v1/flags",
    ViewRow: "shop",
    DialRow: "edge",
    TrustDomain: "prod.example.org",
}
"""What the entries of lists are called, by example."""

SERVICE_LINK = re.compile(r"GITSOURCE_(.*_)?(SERVICE_HOST|SERVICE_PORT(_.*)?|PORT(_[0-9]+_.*)?)")
"""What Kubernetes puts into every pod beside a Service called gitsource(-something): not ours."""


_NAME_ONE = "name an existing file with --config, or leave the flag out"


def load(
    file: Path | None,
    environ: Mapping[str, str],
    flags: Mapping[str, str | None],
    data: bytes | None = None,
) -> Settings:
    """
    Return the settings from all three sources; raises one error for all mistakes.

    *data* is the content of *file* as it is taken, in place of what lies there: another revision's.
    """
    faults: list[Fault] = []
    found: dict[str, Found] = {}
    if file is not None:
        found |= _from_file(file, _content(file) if data is None else data, faults)
    found |= _from_environment(environ, faults)
    given = {key: text for key, text in flags.items() if text is not None}
    found |= _from_texts(given, {key: row.flag for key, row in declared().items()}, faults)
    settings: Settings = _assemble(Settings, "", {key: one.value for key, one in found.items()})
    if file is not None:
        settings = replace(settings, folder=FilePath(str(file.parent)))
    if settings.authorization.policy_file:
        settings = _with_policy(settings, found, faults)
    if not faults:  # a value that could not be read would only raise more, misleading ones
        faults.extend(check(settings, found))
        faults.extend(_unsound(settings, found))
    if faults:
        raise ConfigurationError(
            "\n".join(fault.line() for fault in sorted(faults, key=lambda fault: fault.place)),
            hint="every setting is described in docs/settings.md and by `gitsource serve --help`",
        )
    return settings


def catalog_for(settings: Settings, read: Read | None) -> Catalog:
    """
    Return the built-in collections together with the user's own, each with schema and message.

    What a row names is the file beside the config file if there is one, else what *read* has under
    that path: the repository at the revision that is judged. Raises ConfigurationError for what is
    in neither place or cannot be used. With None for *read* there is no revision yet: what is not
    beside the config file is left out, for a catalog that nothing is judged by.
    """
    limits = settings.limits
    base = Catalog(
        default_namespace=settings.default_namespace,
        unknown_kinds=settings.unknown_kinds,
        gateway_api=settings.gateway_api,
        inline_secrets=settings.secrets.inline,
        limits={
            "documents": limits.documents,
            "depth": limits.depth,
            "nodes": limits.nodes,
            "file_bytes": limits.file_bytes,
        },
    )
    own = []
    for row in settings.collections:
        schema = own_files.schema(row, Path(settings.folder), read)
        descriptors = own_files.descriptors(row, Path(settings.folder), read)
        own.append(own_kind(asdict(row), schema, descriptors))
    if settings.authorization.repository_file:
        own.append(documents.kind(settings.authorization.repository_file))
    return base.extended(own)


# --------------------------------------------------------------------------- the three sources


@dataclass(frozen=True)
class _Named:
    """A flag or a variable: it has no inside."""

    name: str

    def place(self, _path: FieldPath, *, at_key: bool = False) -> Place:  # noqa: ARG002 - see Source
        return Place(self.name)


@dataclass(frozen=True)
class _Text:
    """A YAML text that knows where its values stand; made by `_read`."""

    name: str
    data: bytes
    """As it was parsed."""
    shift: int
    """Columns (and half as many lines) put before what the user wrote: see `_from_texts`."""
    value: dict[str, Any]

    def place(self, path: FieldPath, *, at_key: bool = False) -> Place:
        from gitsource.parse import locate

        return _shifted(self.name, self.shift, *locate(self.data, 0, path, at_key=at_key))


def _read(
    name: str, data: bytes, faults: list[Fault], *, shift: int = 0, json: bool = False
) -> _Text:
    """Return the mapping that *data* is, an empty one after noting what is wrong with it."""
    from gitsource.parse import parse  # costly, and not every start has a file

    parsed = parse(data, json=json)
    for flaw in parsed.flaws:
        message = f"{flaw.code}: {flaw.message}"
        faults.append(Fault(_shifted(name, shift, flaw.line, flaw.column), "", message))
    if len(parsed.documents) > 1:
        place = _shifted(name, shift, parsed.documents[1].line, 1)
        faults.append(Fault(place, "", "expected one document, found a second one"))
    sound = parsed.documents and not parsed.flaws
    value = parsed.documents[0].value if sound else {}
    return _Text(name, data, shift, value)


def _shifted(name: str, shift: int, line: int, column: int) -> Place:
    return Place(name, max(1, line - shift // 2), max(1, column - shift))


def _content(file: Path) -> bytes:
    try:
        with file.open("rb") as stream:
            return stream.read(LARGEST_FILE + 1)
    except OSError as error:
        raise ConfigurationError(
            f"the config file {file} cannot be read: {error.strerror}", hint=_NAME_ONE
        ) from error


def _from_file(file: Path, data: bytes, faults: list[Fault]) -> dict[str, Found]:
    if len(data) > LARGEST_FILE:
        raise ConfigurationError(f"the config file {file} is larger than 1 MiB", hint=_NAME_ONE)
    text = _read(str(file), data, faults, json=file.suffix == ".json")
    found: dict[str, Found] = {}
    _walk(text, text.value, (), found, faults)
    for key, one in found.items():
        if declared()[key].type is FilePath and one.value:
            found[key] = replace(one, value=FilePath(str(file.parent / one.value)))
        elif declared()[key].type is FilePaths:
            listed = tuple(str(file.parent / path) for path in one.value)
            found[key] = replace(one, value=FilePaths(listed))
    return found


def _walk(
    text: _Text,
    mapping: Mapping[str, Any],
    path: tuple[str, ...],
    found: dict[str, Found],
    faults: list[Fault],
) -> None:
    """Read the settings of *mapping*, which stands at *path*, into *found*."""
    for name, value in mapping.items():
        here = (*path, name)
        key = ".".join(here)
        if key in declared() and "." not in name:
            _take(declared()[key], Found(value, text, here), found, faults)
        elif key in groups() and "." not in name:
            if isinstance(value, dict):
                _walk(text, value, here, found, faults)
            elif value is not None:
                message = f"expected a mapping, found {_show(value)}"
                faults.append(Fault(text.place(here), key, message))
        else:
            faults.append(Fault(text.place(here, at_key=True), "", _unknown(name, path)))


def _from_environment(environ: Mapping[str, str], faults: list[Fault]) -> dict[str, Found]:
    names = {row.variable: key for key, row in declared().items()}
    texts = {}
    for variable, text in environ.items():
        if variable in names:
            texts[names[variable]] = text
        elif (
            variable.startswith("GITSOURCE_")
            and variable not in OTHER_VARIABLES
            and not SERVICE_LINK.fullmatch(variable)
        ):
            message = f"there is no such setting{_guess(variable, list(names))}"
            faults.append(Fault(Place(variable), "", message))
    return _from_texts(texts, {key: row.variable for key, row in declared().items()}, faults)


def _from_texts(
    texts: Mapping[str, str], names: Mapping[str, str], faults: list[Fault]
) -> dict[str, Found]:
    """Read settings given as text each, as flags and variables are; *names* are their places."""
    found: dict[str, Found] = {}
    for key, given in texts.items():
        one = Found(given or None if declared()[key].optional else given, _Named(names[key]), ())
        if key in LISTS:
            # NB: a document is a mapping, so the list is put under its key; JSON is YAML too.
            body = "".join(f"  {line}\n" for line in given.splitlines())
            text = _read(names[key], f"{key}:\n{body}".encode(), faults, shift=2)
            one = Found(text.value.get(key), text, (key,))
        _take(declared()[key], one, found, faults)
    return found


def _take(row: Row, given: Found, found: dict[str, Found], faults: list[Fault]) -> None:
    """Put *given* into *found* as the type of *row*, or a fault into *faults*."""
    if row.key in LISTS:
        found[row.key] = replace(given, value=_rows(row.key, given, faults))
    elif given.value is None and row.optional:
        found[row.key] = given
    else:
        try:
            found[row.key] = replace(given, value=read(row.type, given.value))
        except ValueError as error:
            # A URL may carry a password: it is never repeated.
            shown = "" if row.key == "repository.url" else f", found {_show(given.value)}"
            faults.append(Fault(given.place(), row.key, f"expected {error}{shown}"))


def _rows(setting: str, given: Found, faults: list[Fault]) -> tuple[Any, ...]:
    """Return the entries of the list *setting*; a wrong one leaves a fault instead."""
    entries = [] if given.value is None else given.value
    if not isinstance(entries, list):
        message = f"expected a list of {setting}, found {_show(entries)}"
        faults.append(Fault(given.place(), setting, message))
        return ()
    kind, rows = LISTS[setting], []
    for index, entry in enumerate(entries):
        rows.append(_entry(kind, f"{setting}[{index}]", (index,), entry, given, faults))
    return tuple(row for row in rows if row is not None)


def _entry(
    kind: type,
    key: str,
    path: tuple[str | int, ...],
    entry: Any,
    given: Found,
    faults: list[Fault],
) -> Any:
    """Return *entry*, which stands at *path* of a list, as *kind*; None after noting a fault."""
    known = row_fields(kind)
    if not isinstance(entry, dict):
        message = f"expected a mapping with {', '.join(known)}, found {_show(entry)}"
        faults.append(Fault(given.place(*path), key, message))
        return None
    values: dict[str, Any] = {}
    before = len(faults)
    for name, told in entry.items():
        if name not in known:
            message = f"unknown key {_show(name)}{_guess(name, list(known))}"
            faults.append(Fault(given.place(*path, name, at_key=True), key, message))
            continue
        inner = known[name][0]
        if is_dataclass(inner):
            type_ = cast("type", inner)
            values[name] = _entry(type_, f"{key}.{name}", (*path, name), told, given, faults)
            continue
        try:
            values[name] = _value(inner, told)
        except ValueError as error:
            # A URL may carry a password: it is never repeated.
            shown = "" if name == "url" else f", found {_show(told)}"
            faults.append(
                Fault(given.place(*path, name), f"{key}.{name}", f"expected {error}{shown}")
            )
    if kind in NAMES and entry.get("name") is None:
        text = f"expected a name such as {NAMES[kind]}"
        faults.append(Fault(given.place(*path), key, text))
    return kind(**values) if len(faults) == before else None


def _value(kind: Any, told: Any) -> Any:
    """Return the value of a key in an entry; ValueError says what was expected instead."""
    if kind is Words:
        listed = read(Words, told)
        if not listed:  # or it would be all the same as leaving the key out
            raise ValueError("at least one glob, or no such key")
        return listed
    if told is not None and type(None) in get_args(kind):
        (kind,) = (inner for inner in get_args(kind) if inner is not type(None))
    if get_origin(kind) is Literal:
        return read(kind, told)
    if kind in READERS and kind is not str:
        return read(kind, told)
    if told is not None and not (isinstance(told, str) and told.isprintable() and told):
        raise ValueError("text")
    return told


# --------------------------------------------------------------------------- authorization

POLICY, CEILING = "authorization.policy", "authorization.ceiling"
POLICY_FILE, REPOSITORY_FILE = "authorization.policy_file", "authorization.repository_file"


def _with_policy(settings: Settings, found: dict[str, Found], faults: list[Fault]) -> Settings:
    """Return *settings* with the rules of the file that they name."""
    file = Path(str(settings.authorization.policy_file))
    if POLICY in found:
        faults.append(Fault(found[POLICY_FILE].place(), POLICY_FILE, f"{POLICY} is given as well"))
        return settings
    try:
        with file.open("rb") as stream:
            data = stream.read(LARGEST_FILE)
    except OSError as error:
        message = f"{file} cannot be read: {error.strerror}"
        faults.append(Fault(found[POLICY_FILE].place(), POLICY_FILE, message))
        return settings
    text = _read(str(file), data, faults, json=file.suffix == ".json")
    for strange in text.value.keys() - {"policy"}:
        message = f"unknown key {_show(strange)}: here belongs policy, a list of rules"
        faults.append(Fault(text.place((strange,), at_key=True), "", message))
    given = Found(text.value.get("policy"), text, ("policy",))
    found[POLICY] = replace(given, value=_rows(POLICY, given, faults))
    named = replace(settings.authorization, policy=found[POLICY].value)
    return replace(settings, authorization=named)


def _unsound(settings: Settings, found: Mapping[str, Found]) -> Iterator[Fault]:
    """Yield what is wrong with the rules of *settings*."""
    told = settings.authorization
    views = [view.name for view in settings.views]
    for key, rules in ((POLICY, told.policy), (CEILING, told.ceiling)):
        for path, message in authorize.faults(rules, views):
            yield Fault(found[key].place(*path), f"{key}{_indexed(path)}", message)
    named = found.get(REPOSITORY_FILE)
    if named is not None and named.value:
        if named.value.startswith("/") or ".." in named.value.split("/"):
            text = "expected a glob of paths inside the repository, such as authz/*.yaml"
            yield Fault(named.place(), REPOSITORY_FILE, text)
        if not told.ceiling:
            text = f"needs {CEILING}: whoever may push would decide who receives everything"
            yield Fault(named.place(), REPOSITORY_FILE, text)
    elif told.ceiling:
        text = f"is for {REPOSITORY_FILE}, which is not given"
        yield Fault(found[CEILING].place(), CEILING, text)


def _indexed(path: FieldPath) -> str:
    """Return *path* as it is written behind a key: ``[0].to.spiffe[1]``."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)


# --------------------------------------------------------------------------- words and assembly


def _unknown(name: str, path: tuple[str, ...]) -> str:
    """Say that *name* is no key at *path*, and which one may have been meant."""
    group, dot, leaf = name.partition(".")
    if dot and name in declared():
        return f'unknown key "{name}": write "{leaf}" under "{group}"'
    here = "".join(f"{part}." for part in path)
    near = {key.removeprefix(here).partition(".")[0] for key in declared() if key.startswith(here)}
    inside = f' in "{path[0]}"' if path else ""
    guess = _guess(name, sorted(near)) or _guess(
        name, [key for key in declared() if key.endswith(f".{name}")] or list(declared())
    )
    return f"unknown key {_show(name)}{inside}{guess or ': here belong ' + ', '.join(sorted(near))}"


def _guess(name: str, known: list[str]) -> str:
    if len(known) == 1:
        return f': did you mean "{known[0]}"?'
    near = get_close_matches(name, known, n=1, cutoff=0.6)
    return f': did you mean "{near[0]}"?' if near else ""


def _show(value: Any) -> str:
    """Return *value* as JSON on one line, cut short: enough to find it again."""
    if value is None:
        return "nothing"
    text = json.dumps(value, ensure_ascii=False, default=str)
    text = "".join(letter if letter.isprintable() else "?" for letter in without_credentials(text))
    return text if len(text) <= 60 else text[:57] + "..."


def _assemble(group: type, prefix: str, values: Mapping[str, Any]) -> Any:
    """Return *group* with the *values* given by dotted key, and its defaults for the rest."""
    given: dict[str, Any] = {}
    default = group()
    for one in filter(is_setting, fields(group)):
        key = prefix + one.name
        inner = getattr(default, one.name)
        if is_dataclass(inner):
            given[one.name] = _assemble(type(inner), f"{key}.", values)
        elif key in values:
            given[one.name] = values[key]
    return group(**given)
