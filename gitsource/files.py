"""
Judging files on disk as if they were a revision.

Rule: the files go through the very pipeline of a revision (`build`, `snapshot.build.propose`); only
where contents come from differs. A symbolic link is named, never followed, below a folder; a path
the caller typed is read as typed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

from gitsource.build import Builder, join
from gitsource.catalog import Catalog
from gitsource.configuration import catalog_for
from gitsource.errors import ConfigurationError
from gitsource.model import Finding, Revision, TreeEntry
from gitsource.references.index import Index
from gitsource.relate import related
from gitsource.settings import Settings
from gitsource.snapshot.build import FileState, Proposal, nothing, propose

SUFFIXES = (".yaml", ".yml", ".json")


def judge_files(
    paths: Sequence[Path], settings: Settings, *, isolated: bool = False
) -> tuple[tuple[Finding, ...], int]:
    """
    Return the findings about *paths* (files and folders), sorted by place, and how many files.

    *isolated* leaves out what one file says about another, such as a name defined twice. Raises
    ConfigurationError for a path that does not exist or cannot be read.
    """
    findings: list[Finding] = []
    entries: dict[str, TreeEntry] = {}
    below: dict[str, str] = {}
    for root in paths:
        for path in _walk(root, findings):
            shown = os.fsencode(path).decode("utf-8", "backslashreplace")
            entries.setdefault(shown, TreeEntry(shown, "100644", os.fspath(path)))
            below[shown] = os.path.relpath(path, root) if root.is_dir() else os.fspath(path)
    catalog = catalog_for(settings, _schema_below(paths))
    files = [_routed(entry, below[entry.path], catalog) for entry in entries.values()]
    read = partial(read_files, limit=settings.limits.file_bytes)
    changed: dict[str, FileState | None] = {}
    facts: dict[str, bytes | None] = {}
    builder = Builder(catalog, settings.build)
    for entry, result in builder.results([routed for _, routed in files], read, read):
        changed[entry.path], found = join(entry, 0, result)
        facts[entry.path] = result.facts
        findings.extend(found)
    shown_as = {routed.path: entry.path for entry, routed in files}
    if isolated:
        judged: Iterable[Finding] = (
            finding
            for path, state in changed.items()
            for finding in _proposed({path: state}, (), catalog).findings
        )
        everything = (*findings, *judged)
    else:
        blobs = {routed.path: routed.blob for _, routed in files}
        news = related(
            Index(), facts, settings.references, (), blobs.__getitem__, read, catalog, full=True
        )
        everything = _proposed(changed, (*findings, *news.findings), catalog).findings
    return tuple(sorted(_shown(finding, shown_as) for finding in everything)), len(files)


def _proposed(
    changed: Mapping[str, FileState | None], findings: Iterable[Finding], catalog: Catalog
) -> Proposal:
    return propose(nothing(), Revision("", "", 0), changed, findings, kinds=catalog.called)


def read_files(paths: Sequence[str], limit: int) -> Iterator[tuple[str, bytes | None]]:
    """Yield each file's content, None for one above *limit* bytes: its size is asked first."""
    for path in paths:
        try:
            with open(path, "rb") as file:  # noqa: PTH123 - ten thousand Path objects cost
                size = os.fstat(file.fileno()).st_size
                yield path, (None if size > limit else file.read(limit + 1)[:limit])
        except OSError as error:
            raise ConfigurationError(f"{path} cannot be read: {error.strerror}") from error


def _walk(root: Path, findings: list[Finding]) -> Iterator[Path]:
    if not root.exists():
        raise ConfigurationError(f"{root} does not exist", hint="name a file or a folder")
    if not root.is_dir():
        yield root
        return
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if name != ".git")
        for name in sorted(names):
            if not name.lower().endswith(SUFFIXES):
                continue
            path = Path(folder, name)
            if path.is_symlink():
                text = "a symbolic link is never followed: commit the file itself in its place"
                shown = os.fsencode(path).decode("utf-8", "backslashreplace")
                findings.append(Finding(shown, 1, 1, "error", "GS201", text))
            elif path.is_file():
                yield path


def _routed(entry: TreeEntry, below: str, catalog: Catalog) -> tuple[TreeEntry, TreeEntry]:
    """Pair *entry* with one under the path that a repository would know it by."""
    if catalog.route(entry.path) is None and catalog.route(below) is not None:
        return entry, TreeEntry(below, entry.mode, entry.blob)
    return entry, entry


def _shown(finding: Finding, shown_as: dict[str, str]) -> Finding:
    file = shown_as.get(finding.file, finding.file)
    return Finding(
        file, finding.line, finding.column, finding.severity, finding.code, finding.message,
        finding.resource, finding.suppressed,
    )  # fmt: skip


def _schema_below(paths: Sequence[Path]) -> Callable[[str], bytes | None]:
    def read(name: str) -> bytes | None:
        for root in (*(path for path in paths if path.is_dir()), Path()):
            found = root / name
            if found.is_file():
                return found.read_bytes()
        return None

    return read
