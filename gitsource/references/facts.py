"""
What one document says of others, and what others can say of it: its facts.

Rule: facts are taken from the message of one document alone, when that is judged; they are cached
with the result, so nothing is parsed again to compare documents. They do not depend on settings.
Documents that cannot be encoded have none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Protocol, TypeAlias

from gitsource._proto.gitsource.state.v1.state_pb2 import Facts
from gitsource.model import FieldPath

MOST = 2000
"""Keys and claims of one document that are kept: more would only be made to be a burden."""


class Said(Protocol):
    """A document of which facts are taken: what `validate` judges, seen from here."""

    @property
    def spec(self) -> Any:
        """The body message."""

    @property
    def name(self) -> str:
        """``metadata.name``."""

    @property
    def namespace(self) -> str:
        """``metadata.namespace``, or the default one."""

    @property
    def labels(self) -> Mapping[str, str]:
        """Its own labels."""


Made: TypeAlias = tuple[str, str, Sequence[str]]
"""A claim: its code, where it is made (lowerCamelCase steps, joined by slashes), its words."""
Fact: TypeAlias = str | Made
"""A key that is provided, or a claim."""
Taken: TypeAlias = Callable[[Said], Iterator[Fact]]
"""What yields the facts of the documents of a kind."""


def claim(code: str, path: str, *words: str) -> Made:
    """Return a claim that is made at *path*: lowerCamelCase steps, joined by slashes."""
    return code, path, words


def path_of(text: str) -> FieldPath:
    """Return the path that a claim carries, or its root: whole numbers are places in a list."""
    steps = text.split("/") if text else []
    return tuple(int(step) if step.isdecimal() else step for step in steps)


def gathered(found: Iterator[Fact], offers: Iterator[str], resource: str, namespace: str) -> Facts:
    """Return *found* as the facts of *resource*; empty if there is nothing to say."""
    facts = Facts(resource=resource, namespace=namespace, offers=offers)
    provides: dict[str, None] = {}
    for each in islice(found, MOST):
        if isinstance(each, str):
            provides[each] = None
        else:
            code, path, words = each
            facts.claims.add(code=code, path=path, words=words)
    facts.provides.extend(provides)
    return facts
