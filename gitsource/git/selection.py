"""
Which paths of a repository are configuration: `repository.path`, `include` and `ignore`. Pure.

Rule: patterns are gitignore's, read as git reads them (bytes, the last match wins, nothing below an
ignored folder comes back), and matched in time linear in the path: they become RE2 expressions,
which do not backtrack. What they leave out is neither read nor judged, and costs nothing but this.

RE2 and not `pathspec`, which takes a file back from an ignored folder and whose usual engine can be
kept busy for seconds by one path (docs/adr/0002).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from gitsource.errors import ConfigurationError
from gitsource.git.changes import CANDIDATE, PATH_BYTES, inside, is_candidate
from gitsource.observe.neutral import neutral
from gitsource.settings.following import Repository

MOST = 200
"""Patterns in one list."""
LONGEST = 300
"""Bytes of a pattern."""
KNOWN = 4 << 20
"""Characters of names of folders of which is remembered what the patterns say."""

# By ASCII, as git has them, and without the slash, which no bracket matches.
_CLASSES = {
    "alnum": "0-9A-Za-z",
    "alpha": "A-Za-z",
    "blank": r"\x20\x09",
    "cntrl": r"\x00-\x1f\x7f",
    "digit": "0-9",
    "graph": r"\x21-\x2e\x30-\x7e",
    "lower": "a-z",
    "print": r"\x20-\x2e\x30-\x7e",
    "punct": r"\x21-\x2e\x3a-\x40\x5b-\x60\x7b-\x7e",
    "space": r"\x20\x09-\x0d",
    "upper": "A-Z",
    "xdigit": "0-9A-Fa-f",
}


@dataclass(frozen=True, slots=True)
class _Pattern:
    text: str
    """As it was written."""
    negated: bool
    folders_only: bool
    regex: str


class Patterns:
    """A list of patterns that paths are held against. Raises ConfigurationError for a wrong one."""

    def __init__(self, lines: Sequence[str], setting: str) -> None:
        import re2  # 10 ms, which a start without patterns does not spend

        if len(lines) > MOST:
            raise ConfigurationError(f"{setting}: {len(lines)} patterns are more than {MOST}")
        options = re2.Options()
        options.encoding = re2.Options.Encoding.LATIN1
        options.dot_nl = True
        options.never_capture = True
        options.log_errors = False
        told = [one for line in lines if (one := _read(line, setting)) is not None]
        self._each: list[tuple[_Pattern, Any]] = [
            (one, re2.compile(one.regex.encode("latin-1"), options)) for one in reversed(told)
        ]
        either = "|".join(one.regex for one in told if not one.negated) or r"[^\x00-\xff]"
        # Most paths match nothing, nor does a folder they are in, and one question tells.
        self._any = re2.compile(f"(?:{either})(?:/.*)?".encode("latin-1"), options)
        self._known: dict[str, str | None] = {}
        self._known_size = 0

    def match(self, path: str) -> str | None:
        """
        Return the pattern by which *path*, or a folder it is in, is matched; None if none is.

        A path longer than `changes.PATH_BYTES`, which is refused anyway, is not matched.
        """
        if len(path) > PATH_BYTES or self._any.fullmatch(_raw(path)) is None:
            return None
        folder, slash, _ = path.rpartition("/")
        above = self._of_folder(folder) if slash else None
        return above or self._last(path, folder=False)

    def _of_folder(self, path: str) -> str | None:
        asked, at = [], path
        while at and at not in self._known:
            asked.append(at)
            at = at.rpartition("/")[0]
        above = self._known[at] if at else None
        for folder in reversed(asked):
            above = above or self._last(folder, folder=True)
            self._remember(folder, above)
        return above

    def _remember(self, folder: str, found: str | None) -> None:
        if self._known_size > KNOWN:
            self._known.clear()
            self._known_size = 0
        self._known[folder] = found
        self._known_size += len(folder)

    def _last(self, path: str, *, folder: bool) -> str | None:
        raw = _raw(path)
        for pattern, regex in self._each:
            if (folder or not pattern.folders_only) and regex.fullmatch(raw) is not None:
                return None if pattern.negated else pattern.text
        return None


def _raw(path: str) -> bytes:
    return path.encode("utf-8", "surrogateescape")


class Selection:
    """Which paths count, by the patterns of `include` and `ignore`."""

    def __init__(self, include: Sequence[str], ignore: Sequence[str]) -> None:
        self._include = Patterns(include, "repository.include") if include else None
        self._ignore = Patterns(ignore, "repository.ignore") if ignore else None

    def takes(self, path: str) -> bool:
        """Tell whether the file at *path* counts."""
        return not self.why_not(path)

    def why_not(self, path: str) -> str:
        """Return why the file at *path* does not count; empty if it does."""
        if self._include is not None and self._include.match(path) is None:
            return "no pattern of repository.include takes it"
        found = self._ignore.match(path) if self._ignore is not None else None
        return f"repository.ignore has {neutral(found)}" if found is not None else ""


def selection(repository: Repository) -> Selection | None:
    """Return what the patterns of *repository* select; None if there are none: everything."""
    if not (repository.include or repository.ignore):
        return None
    return _selection(tuple(repository.include), tuple(repository.ignore))


@lru_cache(8)
def _selection(include: tuple[str, ...], ignore: tuple[str, ...]) -> Selection:
    return Selection(include, ignore)


def why_ignored(path: str, repository: Repository) -> str:
    """Return why nothing is read at *path* by the settings; empty if it is."""
    if not path.startswith(inside(repository.path)):
        return f"it is outside of repository.path ({neutral(repository.path)})"
    if not is_candidate(path):
        return f"its name does not end in {', '.join(CANDIDATE)}"
    chosen = selection(repository)
    return chosen.why_not(path) if chosen is not None else ""


# --------------------------------------------------------------------------- reading a pattern


def _read(line: str, setting: str) -> _Pattern | None:
    """Return the pattern on *line*, None for a comment or an empty one."""

    def wrong(why: str) -> ConfigurationError:
        return ConfigurationError(f"{setting}: {neutral(line)[:LONGEST]!r}: {why}")

    glob = line.encode("utf-8", "surrogateescape").decode("latin-1")
    if len(glob) > LONGEST:
        raise wrong(f"a pattern has at most {LONGEST} bytes")
    if "\n" in glob or "\0" in glob:
        raise wrong("a pattern is one line")
    while glob.endswith(" ") and not re.search(r"(?<!\\)(?:\\\\)*\\ \Z", glob):
        glob = glob[:-1]
    if not glob or glob.startswith("#"):
        return None
    negated = glob.startswith("!")
    glob = glob[negated:]
    folders_only = glob.endswith("/")
    glob = glob.removesuffix("/")
    anchored = "/" in glob
    glob = glob.removeprefix("/")
    if not glob:
        raise wrong("it names nothing")
    try:
        regex = "".join(_translated(glob))
    except ValueError as error:
        raise wrong(str(error)) from error
    return _Pattern(line, negated, folders_only, regex if anchored else f"(?:.*/)?{regex}")


def _translated(glob: str) -> Iterator[str]:
    at, end = 0, len(glob)
    while at < end:
        letter = glob[at]
        at += 1
        if letter == "\\":
            if at == end:
                raise ValueError("nothing follows the backslash")
            yield _literal(glob[at])
            at += 1
        elif letter == "?":
            yield "[^/]"
        elif letter == "[":
            at, told = _bracket(glob, at)
            yield told
        elif letter == "*":
            stars = at - 1
            while at < end and glob[at] == "*":
                at += 1
            alone = (stars == 0 or glob[stars - 1] == "/") and at - stars > 1
            if alone and at == end:
                yield ".+" if stars else ".*"
            elif alone and glob[at] == "/":
                yield "(?:.*/)?"
                at += 1
            else:
                yield "[^/]*"
        else:
            yield _literal(letter)


def _literal(letter: str) -> str:
    return letter if letter.isascii() and letter.isalnum() else f"\\x{ord(letter):02x}"


def _bracket(glob: str, at: int) -> tuple[int, str]:
    """Read the expression in brackets from *at* on; return where it ends, and what it matches."""
    negated = glob[at : at + 1] in {"!", "^"}
    start = at = at + negated
    told: list[str] = []
    while at < len(glob) and (glob[at] != "]" or at == start):
        if glob.startswith("[:", at):
            close = glob.find(":]", at + 2)
            name = glob[at + 2 : close] if close > 0 else ""
            if name not in _CLASSES:
                raise ValueError("there is no such class of characters")
            told.append(_CLASSES[name])
            at = close + 2
            continue
        low, at = _member(glob, at)
        high = low
        if glob[at : at + 1] == "-" and glob[at + 1 : at + 2] not in {"", "]"}:
            high, at = _member(glob, at + 1)
        if high < low:
            raise ValueError(f"the range {low}-{high} is the wrong way round")
        told.append(_span(low, high))
    if at >= len(glob):
        raise ValueError("a bracket is not closed")
    inner = "".join(told)
    if negated:
        return at + 1, f"[^/{inner}]"
    return at + 1, f"[{inner}]" if inner else r"[^\x00-\xff]"


def _member(glob: str, at: int) -> tuple[str, int]:
    if glob[at] == "\\":
        at += 1
        if at == len(glob):
            raise ValueError("nothing follows the backslash")
    return glob[at], at + 1


def _span(low: str, high: str) -> str:
    """Return the range from *low* to *high* without the slash, which no bracket matches."""
    spans = ((low, min(high, ".")), (max(low, "0"), high))
    return "".join(
        f"\\x{ord(first):02x}-\\x{ord(last):02x}" for first, last in spans if first <= last
    )
