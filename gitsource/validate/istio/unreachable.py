"""
Routes and matches that nothing ever reaches, because earlier ones take all: warnings.

Rule: a match is dead if an equal one stands before it, whatever its name; a route, if all of its
matches are. The cost grows with the document, not with its square: what would take longer is not
looked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from operator import attrgetter
from typing import Any, TypeAlias

from gitsource.model import FieldPath, Problem, shown
from gitsource.validate.istio.subject import warning

MOST_TOLD = 100
"""Warnings told of the routes of one protocol: who reads the hundredth knows what is wrong."""
MOST_PAIRS = 100_000
"""Pairs of prefixes looked at in one document; one takes some 2 µs."""


Seen: TypeAlias = dict[bytes, tuple[int, int]]
"""Each match so far by its content: the route it stands in first, and its place in there."""


def check(path: FieldPath, routes: Sequence[Any]) -> Iterator[Problem]:
    """Warn of what nothing reaches among *routes*, all TLS or all TCP, at *path*."""
    yield from islice(_routes(path, routes, {}), MOST_TOLD)


def http(path: FieldPath, routes: Sequence[Any]) -> Iterator[Problem]:
    """Warn of what nothing reaches among HTTP *routes* at *path*."""
    seen: Seen = {}
    yield from islice(_routes(path, routes, seen), MOST_TOLD)
    if len(seen) > 1:
        yield from islice(_prefixes(path, routes, seen.values()), MOST_TOLD)


def _routes(path: FieldPath, routes: Sequence[Any], seen: Seen) -> Iterator[Problem]:
    if len(routes) == 1 and len(routes[0].match) < 2:
        return
    catching = -1  # the last route so far that matches everything
    for index, route in enumerate(routes):
        if not route.match:
            if catching >= 0:
                message = f"route {catching} takes everything already: only the last may"
                yield warning("VS-140", (*path, index), message)
            catching = index
        elif catching < 0:
            yield from _repeated(path, index, route, seen)
        else:
            for place in range(len(route.match)):
                message = f"nothing comes here: route {catching} takes everything. Move this up"
                yield warning("VS-141", (*path, index, "match", place), message)


def _repeated(path: FieldPath, index: int, route: Any, seen: Seen) -> Iterator[Problem]:
    """Warn of matches of *route* that are *seen*, and add the others there."""
    repeated = 0
    for place, match in enumerate(route.match):
        here = (index, place)
        first = seen.setdefault(_content(match), here)
        if first != here:
            repeated += 1
            message = f"the same match stands in route {first[0]} before: remove this one"
            yield warning("VS-142", (*path, index, "match", place), message)
    if repeated == len(route.match):
        message = "nothing comes here: earlier routes have all of its matches. Remove it"
        yield warning("VS-143", (*path, index), message)


def _content(match: Any) -> bytes:
    if getattr(match, "name", ""):
        plain = type(match)()
        plain.CopyFrom(match)
        plain.ClearField("name")
        match = plain
    content: bytes = match.SerializeToString(deterministic=True)
    return content


# --------------------------------------------------------------------------- prefixes


@dataclass(slots=True, eq=False)
class _Prefix:
    """A match by prefix of the path."""

    text: str
    place: tuple[int, int]
    """Its route, and its place in there."""
    match: Any
    others: tuple[Any, ...] | None = None
    """What else it asks for; told only once it is needed."""

    def conditions(self) -> tuple[Any, ...]:
        if self.others is None:
            match = self.match
            asked = (match.headers, match.query_params, match.without_headers)
            self.others = (
                _tagged(match.method) or "=GET",
                _tagged(match.authority),
                *({name: _tagged(pairs[name]) for name in pairs} for pairs in asked),
            )
        return self.others


def _tagged(match: Any) -> str:
    """Return the text of a StringMatch under a mark of its kind; of a regex, nothing."""
    if match.exact:
        return f"={match.exact}"
    return f"^{match.prefix}" if match.prefix else ""


def _prefixes(
    path: FieldPath, routes: Sequence[Any], places: Iterable[tuple[int, int]]
) -> Iterator[Problem]:
    """
    Warn of prefixes of paths that an earlier, shorter one takes the requests of.

    Sorted by text, all that begins with one prefix follows it: a stack holds those that the current
    one begins with.
    """
    found: list[tuple[_Prefix, _Prefix]] = []
    begun: list[_Prefix] = []
    pairs = 0
    for later in sorted(_by_prefix(routes, places), key=attrgetter("text", "place")):
        while begun and not later.text.startswith(begun[-1].text):
            begun.pop()
        pairs += len(begun)
        if pairs > MOST_PAIRS:
            break
        for earlier in begun:
            if earlier.place < later.place and _takes(earlier, later):
                found.append((later, earlier))
                break
        begun.append(later)
    for later, earlier in sorted(found, key=lambda pair: pair[0].place):
        index, place = later.place
        message = (
            f"the prefix {shown(earlier.text)} of route {earlier.place[0]} takes these requests "
            "before: move the longer prefix up"
        )
        yield warning("VS-144", (*path, index, "match", place, "uri", "prefix"), message)


def _by_prefix(routes: Sequence[Any], places: Iterable[tuple[int, int]]) -> Iterator[_Prefix]:
    for index, place in places:
        match = routes[index].match[place]
        if text := match.uri.prefix:
            yield _Prefix(text, (index, place), match)


def _takes(earlier: _Prefix, later: _Prefix) -> bool:
    """
    Say whether *earlier* takes all requests of *later*, by Istio's reckoning.

    NB: it has the texts the wrong way round (an earlier one may go on where the later ends) and
    takes no method for GET; as warnings go, agreeing with it is worth more than being right.
    """
    if earlier.text == later.text or earlier.match.port != later.match.port:
        return False
    mine, others = earlier.conditions(), later.conditions()
    return (
        mine[0].startswith(others[0])
        and mine[1].startswith(others[1])
        and all(
            asked.keys() == wanted.keys()
            and all(asked[name].startswith(wanted[name]) for name in asked)
            for asked, wanted in zip(mine[2:], others[2:], strict=True)
        )
    )
