"""
Judging a revision: what changed, what became of it, and what the whole comes to.

Rule: this is the pipeline up to publishing, and publishing is none of its business: `serve`, a
dry-run and `validate --repo` all run `evaluate`. Contents are read once and nothing is followed,
fetched or run on account of what the repository holds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial

from gitsource.build.builder import Builder
from gitsource.build.joining import join
from gitsource.git.changes import GITLINK, safe_path
from gitsource.git.objects import Objects
from gitsource.git.selection import selection
from gitsource.model import Finding, Revision, Snapshot, TreeEntry
from gitsource.references.index import Index
from gitsource.relate import load, related
from gitsource.rollout.guard import confirmed, guarded
from gitsource.security.authorize import documents
from gitsource.settings.whole import Settings
from gitsource.snapshot.build import FileState, Proposal, Standing, nothing, propose


@dataclass(frozen=True, slots=True)
class Files:
    """What became of the files of a revision, one by one."""

    changed: dict[str, FileState | None] = field(repr=False)
    """Those that differ from the base; None where a file is gone."""
    facts: dict[str, bytes | None] = field(repr=False)
    findings: list[Finding]
    blobs: dict[str, str] = field(repr=False)
    """Where the content of each is that was judged."""
    full: bool
    """Whether all were judged."""
    too_many: bool = False
    """Whether there are so many that none was judged."""


def evaluate(
    objects: Objects,
    base: Standing | None,
    revision: Revision,
    builder: Builder,
    settings: Settings,
    served: Snapshot | None = None,
    counts: Callable[[str], bool] | None = None,
) -> Proposal:
    """
    Return what *revision* comes to, judged against *base* (None: from nothing).

    *served* is what would be replaced where there is no base to compare with. *counts* tells of
    which commits the word counts (`Objects.confirmations`). Raises MirrorError if the repository
    cannot be read.
    """
    judged = judge_files(objects, base, revision, builder, settings)
    standing = base or nothing()
    if judged.too_many:
        return propose(standing, revision, {}, judged.findings, full=judged.full)
    index = standing.references or load_references(standing, objects, builder, settings)
    news = related(
        index,
        judged.facts,
        settings.references,
        standing.snapshot.findings,
        lambda path: judged.blobs.get(path) or standing.files[path].blob,
        partial(objects.read, limit=settings.limits.file_bytes),
        builder.catalog,
        full=base is None,
    )
    proposal = propose(
        standing,
        revision,
        judged.changed,
        (*judged.findings, *news.findings),
        full=base is None,
        kinds=builder.catalog.called,
        references=news.draft,
        told_anew=news.affected,
    )
    proposal = _crowded(proposal, base)
    before = base.snapshot if base is not None else served
    if before is None:
        return proposal
    said = partial(objects.confirmations, before.revision.commit, revision.commit, counts)
    return _guarded(proposal, before, said, builder, settings)


def judge_files(
    objects: Objects,
    base: Standing | None,
    revision: Revision,
    builder: Builder,
    settings: Settings,
    prefix: str = "",
) -> Files:
    """
    Judge each file of *revision* by itself that differs from *base* (None: all of them).

    Everywhere but in the repository, the names of files have *prefix* before them. Raises
    MirrorError if the repository cannot be read.
    """
    path, limits = settings.repository.path, settings.limits
    chosen = selection(settings.repository)
    takes = chosen.takes if chosen is not None else None
    entries: list[TreeEntry] = []
    judged = Files({}, {}, [], {}, full=base is None)
    if base is None:
        entries = objects.entries(revision.tree, path, takes)
    else:
        old = base.snapshot.revision
        births = objects.births_since(old.commit, revision.commit)
        for change in objects.changes(old.tree, revision.tree, path, takes):
            if change.entry is None:
                name = prefix + change.path
                judged.changed[name] = judged.facts[name] = None
            else:
                entries.append(change.entry)
    builder.ensure = objects.ensure
    findings, files = _screen(entries, prefix)
    judged.findings.extend(findings)
    total = len(files)
    if base is None:
        builder.expect(total)
        births = objects.births(revision.commit, [entry.path for entry in files])
    else:
        # A link or a submodule may be where a file was.
        judged.changed.update(dict.fromkeys(finding.file for finding in findings))
        judged.facts.update(dict.fromkeys(finding.file for finding in findings))
        gone = sum(path in base.files for path in judged.changed)
        total += len(base.files) - gone - sum(prefix + e.path in base.files for e in files)
    if total > limits.files:
        judged.findings.append(_too_many(total, limits.files))
        return replace(judged, too_many=True)
    read = partial(objects.read, limit=limits.file_bytes)
    for entry, result in builder.results(files, read, objects.bulk_reader(limits.file_bytes)):
        name = prefix + entry.path
        known = base.files.get(name) if base is not None else None
        birth = births.get(entry.path) or (known.birth if known is not None else 0)
        judged.changed[name], found = join(entry, birth, result, name)
        judged.facts[name] = result.facts
        judged.blobs[name] = entry.blob
        judged.findings.extend(found)
    if base is not None:
        _reborn(base, births, judged.changed, builder, objects, settings, prefix)
    return judged


def _crowded(proposal: Proposal, base: Standing | None) -> Proposal:
    """Return *proposal*, with an error if the rules in it are more than may be in force."""
    after = proposal.snapshot.collections.get(documents.COLLECTION)
    before = base.snapshot.collections.get(documents.COLLECTION) if base is not None else None
    if after is None or (before is not None and before.version == after.version):
        return proposal
    found = [
        Finding(origin.path, origin.line, 1, "error", documents.CODE, text)
        for resource, text in documents.crowd(after)
        if (origin := resource.origin) is not None
    ]
    return replace(proposal, findings=tuple(sorted((*proposal.findings, *found))))


def _guarded(
    proposal: Proposal,
    before: Snapshot,
    said: Callable[[], str],
    builder: Builder,
    settings: Settings,
) -> Proposal:
    """Return *proposal* with what has to be confirmed and is not, if it is sound otherwise."""
    kinds = builder.catalog.kinds
    vital = [kind.collection for kind in kinds if kind.xds is not None and kind.xds.vital]
    bounds, after = settings.guard, proposal.snapshot
    if not (proposal.acceptable and any(guarded(before, after, vital, bounds, frozenset()))):
        return proposal
    found = guarded(before, after, vital, bounds, confirmed(said()))
    return replace(proposal, findings=tuple(sorted((*proposal.findings, *found))))


def load_references(
    standing: Standing, objects: Objects, builder: Builder, settings: Settings
) -> Index:
    """
    Have *standing* know what its documents say of each other, as it does unless it was restored.

    Takes the results of all its files from the cache; what is not there is judged anew.
    """
    limit = settings.limits.file_bytes
    builder.ensure = objects.ensure
    read = partial(objects.read, limit=limit)
    index = load(standing, builder, read, objects.bulk_reader(limit))
    standing.references = index
    return index


def schema_reader(
    objects: Objects | None, revision: Revision | None, settings: Settings
) -> Callable[[str], bytes | None]:
    """Return how what collections name is read from *revision*: None where there is no file."""

    def read(name: str) -> bytes | None:
        if objects is None or revision is None:
            return None
        return objects.file(revision.tree, name, settings.limits.file_bytes)

    return read


def _screen(entries: list[TreeEntry], prefix: str) -> tuple[list[Finding], list[TreeEntry]]:
    """Set apart what is no readable file: never followed, never fetched, always named."""
    findings, files = [], []
    for entry in entries:
        path = entry.path.encode("utf-8", "backslashreplace").decode()
        shown = prefix + path
        reason = safe_path(entry.path)
        if entry.mode == GITLINK:
            text = "a submodule is never fetched: what it holds is not published"
            findings.append(Finding(shown, 1, 1, "warning", "GS202", text))
        elif reason is not None:
            text = f"the path {path!r} is refused: {reason}; rename the file"
            findings.append(Finding(shown, 1, 1, "error", "GS204", text))
        elif entry.mode == "120000":
            text = "a symbolic link is never followed: commit the file itself in its place"
            findings.append(Finding(shown, 1, 1, "error", "GS201", text))
        else:
            files.append(entry)
    return findings, files


def _too_many(total: int, limit: int) -> Finding:
    text = f"{total} configuration files are more than limits.files ({limit}) allows"
    return Finding("", 0, 0, "error", "GS205", text)


def _reborn(
    base: Standing,
    births: dict[str, int],
    changed: dict[str, FileState | None],
    builder: Builder,
    objects: Objects,
    settings: Settings,
    prefix: str,
) -> None:
    """Give files that were deleted and added again with the same content their new create_time."""
    again = [
        TreeEntry(path, "100644", state.blob)
        for path, birth in births.items()
        if prefix + path not in changed
        and (state := base.files.get(prefix + path)) is not None
        and state.birth != birth
    ]
    read = partial(objects.read, limit=settings.limits.file_bytes)
    bulk = objects.bulk_reader(settings.limits.file_bytes)
    for entry, result in builder.results(again, read, bulk):
        # Their findings stand already: content and place are the same.
        name = prefix + entry.path
        changed[name], _ = join(entry, births[entry.path], result, name)
