"""
Bytes to documents: YAML (or JSON) as plain values, and where each value stands.

Rule: any bytes have an answer, and soon: never an exception, no recursion, memory in proportion to
the file. What is wrong becomes a `Flaw` with its place. What is read is read alike by everyone: a
key given twice, a tag, a number that JSON cannot carry are flaws, not somebody's choice.

    plainly ──▶ documents                                     a file with nothing to tell of
    readers ──events──▶ constructor ──▶ documents, flaws      any other, no positions
                  └───▶ outline ──▶ places                    only what turns out to be at fault

docs/adr/0003-yaml-reader.md tells the choices made here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from gitsource.model import Document, FieldPath
from gitsource.reading.constructor import Constructor, Flaw, Limits, Stop
from gitsource.reading.outline import outline
from gitsource.reading.plainly import plainly
from gitsource.reading.readers import Unreadable, json_reader, yaml_reader

__all__ = ["Flaw", "Limits", "Parsed", "carefully", "locate", "parse"]

_DEFAULT_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class Parsed:
    """What a file holds: the documents without a flaw, and the flaws."""

    documents: tuple[Document, ...]
    flaws: tuple[Flaw, ...]


def parse(
    data: bytes, limits: Limits = _DEFAULT_LIMITS, *, json: bool = False, lists: bool = False
) -> Parsed:
    """
    Return the documents of *data* and everything that is wrong with it; never raises.

    Empty documents are left out. Reading ends at the first syntax error or broken limit; documents
    before it are kept. With *json* the data is one JSON text, read strictly. With *lists* a
    document may also be a list; without, that is a flaw.
    """
    if not json:
        documents = plainly(data, limits, lists=lists)
        if documents is not None:
            return Parsed(tuple(documents), ())
    return carefully(data, limits, json=json, lists=lists)


def carefully(
    data: bytes, limits: Limits = _DEFAULT_LIMITS, *, json: bool = False, lists: bool = False
) -> Parsed:
    """Return the same as `parse`, the long way: event by event, knowing where each stands."""
    constructor = Constructor(limits, lists=lists)
    _run(constructor, data, json=json)
    if not json and any(flaw.code == "GS102" for flaw in constructor.flaws):
        constructor = Constructor(limits, lists=lists)
        _run(constructor, data, stand_ins=True)
    flaws = sorted(constructor.flaws, key=lambda flaw: (flaw.line, flaw.column))
    if any(flaw.code == "GS103" for flaw in flaws):
        first_keys = outline(data, json=json).first_keys()
        flaws = [_naming_the_first(flaw, first_keys) for flaw in flaws]
    return Parsed(tuple(constructor.documents), tuple(flaws))


def _run(
    constructor: Constructor, data: bytes, *, json: bool = False, stand_ins: bool = False
) -> None:
    try:
        constructor.run(json_reader(data) if json else yaml_reader(data, stand_ins=stand_ins))
    except Unreadable as error:
        constructor.flaws.append(Flaw(error.code, error.message, error.line, error.column))
    except Stop:
        pass


def locate(data: bytes, index: int, path: FieldPath, *, at_key: bool = False) -> tuple[int, int]:
    """
    Return line and column of the value at *path* in document *index*, or of its key; never raises.

    If there is no such value, it is the place of its nearest existing parent: of that one's key, or
    of the value itself where it has none (in a list, at the root). A path that leads through an
    alias ends where the alias is used; one that leads into a merged mapping, in that mapping.
    ``(1, 1)`` if there is no such document.
    """
    return outline(data).find(index, path, at_key=at_key)


def _naming_the_first(flaw: Flaw, first_keys: Mapping[tuple[int, int], int]) -> Flaw:
    line = first_keys.get((flaw.line, flaw.column))
    if flaw.code != "GS103" or line is None:
        return flaw
    return replace(flaw, message=f"{flaw.message}; the first is on line {line}")
