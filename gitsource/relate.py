"""
What the documents of a set of files say of each other: from facts to findings with their places.

Rule: `references` says which claims do not hold; here they get line and column. A finding that
stood before keeps its place, as long as its file is the same; only for the others is a file read
again. Nothing is judged again: facts come with the result of each file.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, islice
from typing import TypeAlias

from gitsource.build.builder import Builder, Read
from gitsource.build.judge import bounds
from gitsource.catalog.whole import Catalog
from gitsource.model import Document, Finding, TreeEntry
from gitsource.parse import parse
from gitsource.reading.outline import outline
from gitsource.references.facts import path_of
from gitsource.references.index import CODES, Draft, Index, Remark
from gitsource.settings.judging import References
from gitsource.snapshot.build import Standing
from gitsource.validate.istio.subject import spelled

Told: TypeAlias = tuple[str, str, str]
"""Code, message and resource: what a finding says, without its place."""

LOADED = 4000
"""Results that are held in memory at a time while an index is loaded."""


@dataclass(frozen=True, slots=True)
class Related:
    """What a change means for the documents that stand."""

    draft: Draft
    affected: frozenset[str]
    """Files whose findings about others are replaced by *findings*."""
    findings: tuple[Finding, ...]


def related(
    index: Index,
    changed: Mapping[str, bytes | None],
    rules: References,
    standing: Iterable[Finding],
    blobs: Callable[[str], str],
    read: Read,
    catalog: Catalog,
    *,
    full: bool = False,
) -> Related:
    """
    Return what the facts of *changed* files come to, on top of *index*.

    *standing* are findings of before; *blobs* tells where the content of a file is, for *read*.
    With *full*, the files are all there are.
    """
    draft = index.draft(changed, full=full)
    affected = draft.affected()
    remarks = sorted(draft.remarks(rules, affected))
    places = _kept(standing, affected - changed.keys())
    found: list[Finding] = []
    anew: dict[str, list[Remark]] = {}
    for path, group in groupby(remarks, key=lambda remark: remark.file):
        about = list(group)
        known = [_placed(remark, places[path]) for remark in about] if path in places else []
        if known and None not in known:
            found += [finding for finding in known if finding is not None]
        else:
            anew[path] = about
    found += _located(anew, blobs, read, catalog)
    return Related(draft, frozenset(affected), tuple(found))


def _kept(
    standing: Iterable[Finding], paths: set[str]
) -> dict[str, dict[Told, list[tuple[int, int]]]]:
    """Return the places of findings about others in the files *paths*, by what they say."""
    places: dict[str, dict[Told, list[tuple[int, int]]]] = {}
    for finding in standing:
        if finding.code in CODES and finding.file in paths:
            told = (finding.code, finding.message, finding.resource)
            of_file = places.setdefault(finding.file, defaultdict(list))
            of_file[told].append((finding.line, finding.column))
    return places


def _placed(remark: Remark, places: dict[Told, list[tuple[int, int]]]) -> Finding | None:
    """Return *remark* at the place where the same was said before, if there was just one."""
    told = places.get((remark.code, remark.message, remark.resource), [])
    return _finding(remark, told[0]) if len(told) == 1 else None


def _finding(remark: Remark, place: tuple[int, int]) -> Finding:
    return Finding(
        remark.file, *place, remark.severity, remark.code, remark.message, remark.resource,
        remark.suppressed,
    )  # fmt: skip


def _located(
    remarks: Mapping[str, Sequence[Remark]],
    blobs: Callable[[str], str],
    read: Read,
    catalog: Catalog,
) -> Iterator[Finding]:
    """Yield *remarks*, by file, with their places: each file is read once."""
    limits = bounds(catalog)
    contents = read([blobs(path) for path in remarks])
    for (path, about), (_, data) in zip(remarks.items(), contents, strict=True):
        json = path.lower().endswith(".json")
        documents: dict[int, Document] = {}
        tree = None
        if data is not None:
            parsed = parse(data, limits, json=json, lists=True)
            documents = {document.index: document for document in parsed.documents}
            tree = outline(data, json=json)
        for remark in about:
            document = documents.get(remark.document)
            if document is None or tree is None:
                yield _finding(remark, (1, 1))
                continue
            written = (*path_of(remark.root), *path_of(remark.path))
            at = spelled(document.value, written)
            yield _finding(remark, tree.find(remark.document, at, at_key=False))


def load(standing: Standing, builder: Builder, read: Read, bulk_read: Read) -> Index:
    """Return the index of *standing*, whose files are known but not their facts."""
    entries = (TreeEntry(path, "100644", state.blob) for path, state in standing.files.items())
    facts: dict[str, bytes | None] = {}
    while some := list(islice(entries, LOADED)):
        for entry, result in builder.results(some, read, bulk_read):
            facts[entry.path] = result.facts
    return Index().draft(facts).accepted()
