"""
One content judged: parse → validate → encode.

Rule: `judge` is a pure function of the content, the way the file is routed and the catalog. Its
result knows neither path nor revision, so that it can be kept under the blob's ID and those two.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import lru_cache, partial
from itertools import islice
from typing import Any

from gitsource._proto.gitsource.state.v1.state_pb2 import (
    DocumentResult,
    Facts,
    FileFacts,
    FileResult,
)
from gitsource._proto.gitsource.state.v1.state_pb2 import Finding as FindingMessage
from gitsource.catalog.kinds import Kind, wrapped
from gitsource.catalog.whole import Catalog
from gitsource.codes.table import CODES
from gitsource.encode.resource import Encoded, EncodeProblem, encode
from gitsource.model import Document, Problem
from gitsource.parse import Limits, locate, parse
from gitsource.references.foreign import foreign
from gitsource.references.kinds import facts_of
from gitsource.secrecy.quotes import Quoting, told_of_line
from gitsource.security.authorize import documents as sink_policies
from gitsource.validate import lists, strangers, suppression
from gitsource.validate.envoy import judge as envoy
from gitsource.validate.envoy.secrets import SECRET, unquoted, unquoting
from gitsource.validate.envoy.several import several, taken_apart
from gitsource.validate.envoy.wrapper import ANNOTATIONS, INNER, Wrapper, is_wrapper, unwrapped
from gitsource.validate.istio import judge as istio
from gitsource.validate.istio.subject import Subject, spelled
from gitsource.validate.metadata import Identity, identify
from gitsource.validate.schema import problems

LARGE = 64 * 1024
"""Bytes from which on a file is judged without the collector of cyclic garbage."""

SUPPRESSED = (*ANNOTATIONS, suppression.ANNOTATION)
"""Where a wrapper asks to be let alone with warnings."""

LFS_POINTER = b"version https://git-lfs.github.com/spec/"


def bounds(catalog: Catalog) -> Limits:
    """Return what the catalog allows one file to hold."""
    known = Limits.__dataclass_fields__
    return Limits(**{name: value for name, value in catalog.limits.items() if name in known})


def judge(
    data: bytes | None, route: Kind | None, catalog: Catalog, limits: Limits, *, json: bool
) -> FileResult:
    """
    Return what becomes of one file's content.

    *data* is None for a file above the size limit; *route* is the collection that takes the file by
    its path, if one does; *limits* are the catalog's `bounds`. Never raises on account of the
    content.
    """
    if data is None or len(data) < LARGE or not gc.isenabled():
        return _judge(data, route, catalog, limits, json=json)
    # A large file becomes some hundred thousand objects that all stay until it is judged. Walking
    # them again and again, to find nothing, would take longer than all the rest.
    gc.disable()
    try:
        return _judge(data, route, catalog, limits, json=json)
    finally:
        gc.enable()


def _judge(
    data: bytes | None, route: Kind | None, catalog: Catalog, limits: Limits, *, json: bool
) -> FileResult:
    result = FileResult()
    if data is None:
        limit = catalog.limits.get("file_bytes", 0)
        text = f"the file is larger than {limit} bytes: split it, or raise limits.file_bytes"
        result.findings.append(FindingMessage(line=1, column=1, code="GS107", message=text))
        return result
    if data.startswith(LFS_POINTER):
        text = "the file is a Git LFS pointer and LFS content is never fetched: commit the YAML"
        result.findings.append(FindingMessage(line=1, column=1, code="GS203", message=text))
        return result
    parsed = parse(data, limits, json=json, lists=True)
    for flaw in parsed.flaws:
        if flaw.code == "GS108" and route is None and catalog.unknown_kinds == "ignore":
            result.ignored += 1  # a scalar is of no kind that any collection takes
            continue
        message = _of_line(flaw.message, data, flaw.line)
        result.findings.append(
            FindingMessage(line=flaw.line, column=flaw.column, code=flaw.code, message=message)
        )
    facts = FileFacts()
    for document in parsed.documents:
        _judge_any(result, facts, data, document, route, catalog)
    result.facts = facts.SerializeToString()
    _lines.cache_clear()
    return result


def _judge_any(
    result: FileResult,
    facts: FileFacts,
    data: bytes,
    document: Document,
    route: Kind | None,
    catalog: Catalog,
) -> None:
    """Judge a document, or each of those that it holds as if it stood alone."""
    value = document.value
    if several(value, route, catalog):
        items, flaws = taken_apart(document)
    elif type(value) is list:
        if route is None and catalog.unknown_kinds == "ignore":
            result.ignored += 1  # a list is of no kind that any collection takes
        else:
            flaw = Problem("GS108", "the document is a list, not a mapping")
            _place(result.findings, data, document, (flaw,), "")
        return
    elif route is None and lists.is_list(value, catalog):
        items, flaws = lists.unpacked(document)
    elif is_wrapper(value) and value["@type"].rpartition("/")[2] not in catalog.by_type:
        _judge_wrapped(result, facts, data, document, route, catalog)
        return
    else:
        _judge_document(result, facts, data, document, route, catalog)
        return
    label = str(value.get("kind") or "") if type(value) is dict else ""
    _place(result.findings, data, document, flaws, label)
    starts = [locate(data, document.index, item.root) for item in items]
    if document.doubts:
        items = lists.doubted(items, starts, document.doubts)
    for item, (line, _) in zip(items, starts, strict=True):
        _judge_any(result, facts, data, replace(item, line=line), route, catalog)


def _judge_wrapped(
    result: FileResult,
    facts: FileFacts,
    data: bytes,
    document: Document,
    route: Kind | None,
    catalog: Catalog,
) -> None:
    """Judge the resource that a wrapper has inside."""
    wrapper = unwrapped(document.value)
    if wrapper.inner is None:
        _place(result.findings, data, document, wrapper.problems, "Resource")
        return
    inner = replace(document, value=wrapper.inner, root=(*document.root, *INNER))
    _judge_document(result, facts, data, inner, route, catalog, (wrapper, document))


def _judge_document(
    result: FileResult,
    facts: FileFacts,
    data: bytes,
    document: Document,
    route: Kind | None,
    catalog: Catalog,
    within: tuple[Wrapper, Document] | None = None,
) -> None:
    """Judge *document*, which may stand *within* a wrapper that is the other document."""
    value = document.value
    kind = route or catalog.kind_of(value)
    if kind is None:
        result.ignored += 1
        _remember(facts, document, foreign(value, catalog.default_namespace))
        unknown = strangers.told(value, catalog)
        if unknown is not None:
            _place(result.findings, data, document, (unknown,), str(value.get("kind") or ""))
            result.findings[-1].suppressed = suppression.lets_alone(value, unknown)
        return
    wrapper, outer = within or (None, document)
    xds = kind.xds if not wrapped(value) else None
    if xds is not None:
        identity, found = envoy.identified(value, kind, xds, catalog.default_namespace, wrapper)
    else:
        identity, found = identify(value, kind, catalog.default_namespace)
    by_schema = problems(value, kind)
    judged = result.documents.add(
        collection=kind.collection,
        name=(identity.name or "") if identity else "",
        kind=kind.label,
        named_by_path=identity is not None and identity.name is None,
        line=document.line,
    )
    if identity is not None:
        at = document
        if kind.envoy and wrapped(value):
            at = replace(document, root=(*document.root, "spec"))
        remember = partial(_remember, facts, at)
        encoded, by_rules = _encoded(value, identity, kind, catalog, remember)
        by_schema = istio.named(kind, value, by_schema)
        if encoded is None and _faulty((*found, *by_schema)):
            by_rules = ()  # the schema said why already, and better
        found = (*found, *istio.merged(by_schema, by_rules))
    else:
        encoded, found = None, (*found, *by_schema)
    annotations = identity.annotations if identity is not None else {}
    suppressing: Iterable[Problem] = suppression.problems(annotations)
    if wrapper is not None:
        found = tuple(map(envoy.inside, found))
        found = (*envoy.around(wrapper, kind, identity), *found)
        suppressing = tuple(replace(each, path=SUPPRESSED) for each in suppressing)
    found = (*found, *suppressing)
    if encoded is not None and not _faulty(found):
        judged.version, judged.metadata, judged.body = (
            encoded.version,
            encoded.metadata,
            encoded.body,
        )
    if kind.body == SECRET and outer.doubts:
        outer = replace(outer, doubts=tuple(map(unquoting, outer.doubts)))
    _tell(judged, data, outer, found, annotations)


def _tell(
    judged: DocumentResult,
    data: bytes,
    document: Document,
    found: Iterable[Problem],
    annotations: Mapping[str, str],
) -> None:
    """Put to *judged* what was found in its *document*, and what other readers would read there."""
    label = f"{judged.kind}/{judged.name}" if judged.name else judged.kind
    for doubt in document.doubts:
        judged.findings.append(
            FindingMessage(
                line=doubt.line,
                column=doubt.column,
                warning=True,
                code="GS113",
                message=_of_line(doubt.message, data, doubt.line),
                resource=label,
            )
        )
    _place(judged.findings, data, document, found, label)
    if judged.findings and suppression.ANNOTATION in annotations:
        let_alone = suppression.suppressed(annotations)
        for finding in judged.findings:
            finding.suppressed = finding.warning and finding.code in let_alone


def _encoded(
    value: Any,
    identity: Identity,
    kind: Kind,
    catalog: Catalog,
    remember: Callable[[Facts | None], None],
) -> tuple[Encoded | None, tuple[Problem, ...]]:
    """
    Return the document encoded and what the rules of its kind say, or why it cannot be.

    *remember* is given what it has to do with others.
    """
    try:
        encoded = encode(value, identity, kind)
    except EncodeProblem as error:
        return None, (unquoted(error.problem) if kind.envoy else error.problem,)
    if not (kind.builtin or kind.envoy):
        return encoded, sink_policies.problems(value, kind)
    subject = Subject(
        encoded.message,
        value.get("spec") or {},
        (identity.name or "").rpartition("/")[2] if kind.namespaced else identity.name or "",
        identity.namespace,
        identity.labels,
        identity.annotations,
    )
    if kind.envoy:
        inline = catalog.inline_secrets == "allow"
        by_rules = envoy.problems(kind, value, encoded.message, identity.name, inline=inline)
        remember(facts_of(kind, subject, suppression.suppressed(identity.annotations)))
        return encoded, tuple(islice(by_rules, istio.MOST))
    remember(facts_of(kind, subject, suppression.suppressed(identity.annotations)))
    return encoded, istio.problems(kind, subject)


def _remember(facts: FileFacts, document: Document, found: Facts | None) -> None:
    """Put what *document* has to do with others to the *facts* of its file."""
    if found is not None:
        found.document = document.index
        found.root = "/".join(map(str, document.root))
        facts.documents.append(found)


def _faulty(found: Iterable[Problem]) -> bool:
    return any(problem.severity == "error" for problem in found)


def _place(
    into: object, data: bytes, document: Document, found: Iterable[Problem], resource: str
) -> None:
    """Add *found* with their positions, and without secrets, to the repeated field *into*."""
    quoting = Quoting(document.value)
    for problem in found:
        at_key = problem.at_key or problem.code == "GS310"
        path = (*document.root, *spelled(document.value, problem.path))
        line, column = locate(data, document.index, path, at_key=at_key)
        into.append(  # type: ignore[attr-defined]
            FindingMessage(
                line=line,
                column=column,
                warning=problem.severity == "warning",
                code=problem.code,
                message=quoting.told(problem.message, path, _rule(problem)),
                resource=resource,
            )
        )


def _rule(problem: Problem) -> str:
    row = CODES.get(problem.code)
    return row.title if row is not None else problem.code


def _of_line(message: str, data: bytes, line: int) -> str:
    """Return *message*, about a value in *line* of *data*, without it if that may be a secret."""
    if "'" not in message:
        return message
    lines = _lines(data)[max(0, line - 2) : line + 1]
    before = [b""] if line < 2 else []
    told = [each[:1000].decode("utf-8", "replace") for each in (*before, *lines, b"", b"")]
    return told_of_line(message, told[1], told[0], told[2])


@lru_cache(maxsize=1)
def _lines(data: bytes) -> list[bytes]:
    """Return the lines of the file that is judged: asked for again for each of its flaws."""
    return data.split(b"\n")
