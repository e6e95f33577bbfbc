"""
Which commit is meant: a commit, a ref, or the highest tag in a range of versions. Pure.

Rule: the most exact word wins, in Flux's order: commit, name, semver, tag, branch, and at last the
`ref` that everyone has. What the remote says (its tags) decides nothing but which of them is the
highest, and the same tags give the same choice on every replica.

Ranges are npm's: `>=1.2 <2` (a comma may stand between), `~1.4`, `^1.0`, `1.x`, `1.2 - 1.4`,
`^1 || ^3`. A pre-release is taken only by a range that names one of the same version.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property, cmp_to_key
from typing import TYPE_CHECKING, TypeAlias

from gitsource.errors import ConfigurationError
from gitsource.git.address import full_ref, is_ref_name
from gitsource.observe.neutral import neutral
from gitsource.settings.following import Repository

if TYPE_CHECKING:
    from nodesemver import Range, SemVer

TAGS = "refs/tags/"
RANGE_LENGTH = 200
"""Characters of a range; more is a mistake."""
TAG_LENGTH = 200
"""Characters of a tag's name that can be a version."""

_OID = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_VERSION = re.compile(
    r"v?(0|[1-9][0-9]{0,17})(?:\.(0|[1-9][0-9]{0,17}))?(?:\.(0|[1-9][0-9]{0,17}))?([-+].+)?"
)


@dataclass(frozen=True, slots=True)
class Named:
    """One ref is followed."""

    ref: str
    """Its full name, or ``HEAD``."""
    why: str
    """The setting that says so."""

    def __str__(self) -> str:
        return self.ref


@dataclass(frozen=True, slots=True)
class Fixed:
    """One commit is meant, for good."""

    commit: str
    via: str
    """Full name of the ref whose history is searched where the host gives no commits by id."""
    why: str = "repository.commit"

    def __str__(self) -> str:
        return self.commit


@dataclass(frozen=True)
class Highest:
    """The highest tag in a range of versions is followed."""

    range: str
    why: str = "repository.semver"

    def __str__(self) -> str:
        return f"{TAGS}* in {self.range}"

    @cached_property
    def _parsed(self) -> Range:
        return _parsed(self.range)

    def of(self, refs: Iterable[str]) -> str | None:
        """Return the full name of the tag among *refs* that is meant; None if none is."""
        inside = (one for one in _versions(refs) if self._parsed.test(one[1]))
        best = max(inside, key=_rank, default=None)
        return None if best is None else TAGS + best[0]


Wanted: TypeAlias = Named | Fixed | Highest


@dataclass(frozen=True, slots=True)
class Chosen:
    """What is followed now, as it was found at the remote."""

    ref: str
    """Full name of the ref; empty for a fixed commit."""
    why: str
    """The setting, and what of the remote decided."""
    moved_from: str = ""
    """The object to which the same tag led before it was moved: tags are not meant to be."""

    def __str__(self) -> str:
        return f"{self.ref} ({self.why})" if self.ref else self.why


def wanted(repository: Repository) -> Wanted:
    """Return what *repository* says is followed; raises ConfigurationError for what cannot be."""
    branch = repository.branch
    if branch is not None and (branch.startswith("refs/") or branch == "HEAD"):
        raise _wrong("branch", branch, "a branch", "write a full name as repository.name")
    via = _ref("branch", branch) if branch is not None else full_ref(repository.ref)
    if repository.commit is not None:
        return Fixed(commit_id(repository.commit), via)
    if repository.name is not None:
        name = _ref("name", repository.name)
        if not repository.name.startswith("refs/") and name != "HEAD":
            raise _wrong("name", name, "the full name of a ref", "write refs/pull/7/head, say")
        return Named(name, "repository.name")
    if repository.semver is not None:
        range_of(repository.semver)
        return Highest(repository.semver)
    if repository.tag is not None:
        if repository.tag.startswith("refs/"):
            hint = "write the tag without refs/tags/, or the full name as repository.name"
            raise _wrong("tag", repository.tag, "the name of a tag", hint)
        return Named(
            TAGS + _ref("tag", repository.tag).removeprefix("refs/heads/"), "repository.tag"
        )
    return Named(via, "repository.ref" if branch is None else "repository.branch")


def shown(repository: Repository) -> str:
    """Return what *repository* says is followed, in a few words."""
    meant = wanted(repository)
    if isinstance(meant, Highest):
        return f"tags in {meant.range}"
    if meant.why == "repository.ref":
        return repository.ref
    return str(meant)


def _ref(setting: str, text: str) -> str:
    if not is_ref_name(text):
        raise _wrong(setting, text, "a ref name", "see `git help check-ref-format`")
    return full_ref(text)


def _wrong(setting: str, text: str, what: str, hint: str) -> ConfigurationError:
    return ConfigurationError(
        f"repository.{setting}: {neutral(text)[:200]!r} is not {what}", hint=hint
    )


def is_oid(text: str) -> bool:
    """Tell whether *text* is the whole id of an object."""
    return _OID.fullmatch(text) is not None


def commit_id(text: str) -> str:
    """Return *text* if it is the whole id of a commit; raises ConfigurationError if not."""
    if not is_oid(text.lower()):
        hint = "write all of its 40 (SHA-256: 64) hex digits: a shortened one may come to mean two"
        raise _wrong("commit", text, "the whole id of a commit", hint)
    return text.lower()


def range_of(text: str) -> None:
    """Raise ConfigurationError if *text* is no range of versions."""
    try:
        _parsed(text)
    except ValueError as error:
        hint = "write a range such as `>=1.2 <2`, `~1.4` or `^1.0`"
        raise _wrong("semver", text, "a range of versions", hint) from error


def _parsed(text: str) -> Range:
    from nodesemver import make_range  # here, since few need it

    # NB: its patterns backtrack on long blanks and digits; an operator's range is short.
    if len(text) > RANGE_LENGTH or not text.isascii() or not text.strip():
        raise ValueError("no range")
    return make_range(" ".join(text.replace(",", " ").split()), loose=False)


def _versions(refs: Iterable[str]) -> Iterator[tuple[str, SemVer]]:
    for ref in refs:
        name = ref.removeprefix(TAGS)
        version = version_of(name)
        if version is not None:
            yield name, version


def version_of(tag: str) -> SemVer | None:
    """Return the version that *tag* names (``v1.2`` is 1.2.0), None if it names none."""
    from nodesemver import make_semver

    found = _VERSION.fullmatch(tag) if len(tag) <= TAG_LENGTH and tag.isascii() else None
    if found is None:
        return None
    major, minor, patch, rest = found.groups()
    try:
        return make_semver(f"{major}.{minor or 0}.{patch or 0}{rest or ''}", loose=False)
    except ValueError:
        return None


def _order(one: tuple[str, SemVer], other: tuple[str, SemVer]) -> int:
    # What stands behind a plus does not count; the names of the tags settle such a tie.
    return one[1].compare(other[1]) or (one[0] > other[0]) - (one[0] < other[0])


_rank = cmp_to_key(_order)


def some(refs: Iterable[str], most: int = 5) -> str:
    """Return a few names for a hint: versions first, highest first."""
    names = [ref.removeprefix(TAGS).removeprefix("refs/heads/") for ref in refs]
    ranked = sorted(_versions(names), key=_rank, reverse=True)
    versions = [name for name, _ in ranked[:most]]
    if len(versions) < most:
        versions += [name for name in names if name not in versions][: most - len(versions)]
    shown = ", ".join(name[:60] for name in versions if name.isprintable())
    return shown + (", …" if len(names) > most else "")
