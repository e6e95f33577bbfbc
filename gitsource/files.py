"""
Judging files on disk as if they were a revision.

Rule: the files go through the very pipeline of a revision (`build`, `relate`, `snapshot.build`);
only where contents come from differs. A symbolic link is named, never followed, below a folder; a
path the caller typed is read as typed.

What was judged before is not judged again (`seen`): not at all if nothing changed, and else only
contents that are new. A content is remembered by the digest of the very bytes that were judged.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from gitsource.catalog.whole import Catalog
from gitsource.configuration.catalogs import catalog_for
from gitsource.errors import ConfigurationError
from gitsource.model import Finding
from gitsource.seen import Known, Seen, Stat, now
from gitsource.settings.whole import Settings

if TYPE_CHECKING:
    from gitsource._proto.gitsource.state.v1.state_pb2 import FileResult
    from gitsource.snapshot.blobs import BlobCache, Key

SUFFIXES = (".yaml", ".yml", ".json")

Task: TypeAlias = tuple[str, str, bool]
"""Path, collection by path (or empty), whether the file is JSON."""


@dataclass(frozen=True, slots=True)
class _File:
    """A file that is judged."""

    path: str
    """Where it is read."""
    shown: str
    """What findings call it."""
    below: str
    """Its path below the root that the caller named."""
    stat: Stat


def judge_files(
    paths: Sequence[Path],
    settings: Settings,
    *,
    isolated: bool = False,
    cache: Path | None = None,
) -> tuple[tuple[Finding, ...], int]:
    """
    Return the findings about *paths* (files and folders), sorted by place, and how many files.

    *isolated* leaves out what one file says about another, such as a name defined twice. *cache* is
    a folder for what is remembered from one call to the next. Raises ConfigurationError for a path
    that does not exist or cannot be read.
    """
    findings: list[Finding] = []
    files: dict[str, _File] = {}
    for root in paths:
        takes = _selecting(root, settings)
        for file in _walk(root, findings, takes):
            files.setdefault(file.shown, file)
    catalog = catalog_for(settings, _schema_below(paths))
    seen = Seen(cache, paths)
    contents = {file.shown: seen.content(file.path, file.stat) for file in files.values()}
    recipe = _recipe(catalog) if cache is not None else ""
    question = _question(recipe, settings, isolated, contents, findings)
    known = seen.answer(question) if cache is not None and None not in contents.values() else None
    if known is not None:
        return known, len(files)
    told, results = _judged(files, contents, catalog, settings, seen, recipe)
    everything = _together(files, results, catalog, settings, findings, isolated=isolated)
    if cache is not None:
        # In the order in which the question is asked the next time.
        contents = {name: told[name].content if name in told else None for name in files}
        question = _question(recipe, settings, isolated, contents, findings)
        seen.remember({files[name].path: each for name, each in told.items()}, question, everything)
    return everything, len(files)


# --------------------------------------------------------------------------- what is remembered


def _recipe(catalog: Catalog) -> str:
    """Return what results depend on beside contents: the catalog, and this very code."""
    code = []
    package = os.path.dirname(__file__)  # noqa: PTH120 - hundreds of Path objects cost
    for folder, folders, names in os.walk(package):
        folders[:] = [name for name in folders if name != "__pycache__"]
        for name in names:
            told = os.stat(os.path.join(folder, name))  # noqa: PTH116, PTH118 - see above
            code.append(f"{folder}/{name} {told.st_size} {told.st_mtime_ns}")
    told_all = "\n".join((catalog.digest, *sorted(code)))
    return hashlib.sha256(told_all.encode("utf-8", "surrogateescape")).hexdigest()[:32]


def _question(
    recipe: str,
    settings: Settings,
    isolated: bool,  # noqa: FBT001 - a part of the question like the others
    contents: Mapping[str, str | None],
    findings: Iterable[Finding],
) -> bytes:
    """Return a digest of everything that the findings follow from."""
    rows = (f"{name}\0{content}" for name, content in contents.items())
    told = "\n".join((recipe, repr(settings.references), repr(isolated), repr(findings), *rows))
    return hashlib.sha256(told.encode()).digest()


# --------------------------------------------------------------------------- judging


def _judged(
    files: Mapping[str, _File],
    contents: Mapping[str, str | None],
    catalog: Catalog,
    settings: Settings,
    seen: Seen,
    recipe: str,
) -> tuple[dict[str, Known], dict[str, FileResult]]:
    """Return what each file is known as from now on, and what became of it."""
    from gitsource._proto.gitsource.state.v1.state_pb2 import FileResult
    from gitsource.snapshot.blobs import BlobCache

    tasks = {name: _task(file, catalog) for name, file in files.items()}
    told: dict[str, Known] = {}
    results: dict[str, FileResult] = {}
    path = seen.results
    blobs = BlobCache(path) if path is not None else None
    if blobs is not None and path is not None and path.exists():
        told = _told(files, contents, settings.limits.file_bytes)
        keys = {name: (each.content, *tasks[name][1:]) for name, each in told.items()}
        found = blobs.get(recipe, set(keys.values()))
        results = {name: found[key] for name, key in keys.items() if key in found}
    fresh: dict[Key, bytes] = {}
    for name, content, taken, raw in _anew(
        {tasks[name]: name for name in files if name not in results}, catalog, settings
    ):
        results[name] = FileResult.FromString(raw)
        told.pop(name, None)
        if content:
            told[name] = Known(files[name].stat, content, taken)
            fresh[(content, *tasks[name][1:])] = raw
    if blobs is not None:
        _keep(blobs, recipe, fresh)
    return told, results


def _keep(blobs: BlobCache, recipe: str, fresh: Mapping[Key, bytes]) -> None:
    if fresh:
        blobs.put(recipe, fresh)
    blobs.close()


def _told(
    files: Mapping[str, _File], contents: Mapping[str, str | None], limit: int
) -> dict[str, Known]:
    """Return the content of each file: as it was, or read now."""
    told = {}
    for name, file in files.items():
        taken, content = now(), contents[name]
        if content is None:
            ((_, data),) = read_files((file.path,), limit)
            if data is None:
                continue
            content = hashlib.sha256(data).hexdigest()
        told[name] = Known(file.stat, content, taken)
    return told


def _anew(
    tasks: Mapping[Task, str], catalog: Catalog, settings: Settings
) -> Iterator[tuple[str, str, int, bytes]]:
    """Yield, for each of *tasks*, its name, the content that was judged, when, and the result."""
    from gitsource import workers
    from gitsource.build.builder import CHUNK

    build = settings.build
    wanted = list(tasks)
    work = partial(judge_tasks, catalog, settings.limits.file_bytes)
    chunks = [wanted[at : at + CHUNK] for at in range(0, len(wanted), CHUNK)]
    if len(wanted) < build.bulk or build.workers < 2:
        for chunk in chunks:
            for task, result in zip(chunk, work(chunk), strict=True):
                yield tasks[task], *result
        return
    with workers.Workers(min(build.workers, len(chunks)), work) as pool:
        for chunk, judged in pool.run(chunks):
            for task, result in zip(chunk, judged, strict=True):
                yield tasks[task], *result


def judge_tasks(
    catalog: Catalog, limit: int, tasks: Sequence[Task]
) -> list[tuple[str, int, bytes]]:
    """Return, for each task, the digest of what was judged (empty: nothing), when, and what of."""
    from gitsource.build.judge import bounds, judge

    limits = bounds(catalog)
    done = []
    for path, collection, json in tasks:
        taken = now()
        ((_, data),) = read_files((path,), limit)
        route = catalog.by_collection[collection] if collection else None
        result = judge(data, route, catalog, limits, json=json).SerializeToString()
        content = hashlib.sha256(data).hexdigest() if data is not None else ""
        done.append((content, taken, result))
    return done


def _task(file: _File, catalog: Catalog) -> Task:
    kind = catalog.route(file.shown) or catalog.route(file.below)
    return file.path, kind.collection if kind else "", file.path.lower().endswith(".json")


def _together(
    files: Mapping[str, _File],
    results: Mapping[str, FileResult],
    catalog: Catalog,
    settings: Settings,
    findings: Sequence[Finding],
    *,
    isolated: bool,
) -> tuple[Finding, ...]:
    """Return all *findings*: also those that the *results* of files have, alone and together."""
    from gitsource.build.joining import join
    from gitsource.model import Revision, TreeEntry
    from gitsource.references.index import Index
    from gitsource.relate import related
    from gitsource.snapshot.build import FileState, nothing, propose

    def proposed(
        changed: Mapping[str, FileState | None], found: Iterable[Finding]
    ) -> tuple[Finding, ...]:
        revision = Revision("", "", 0)
        return propose(nothing(), revision, changed, found, kinds=catalog.called).findings

    everything = list(findings)
    changed: dict[str, FileState | None] = {}
    shown_as: dict[str, str] = {}
    for name, result in results.items():
        known_by = _known_by(files[name], catalog)
        shown_as[known_by] = name
        changed[known_by], found = join(TreeEntry(known_by, "100644", name), 0, result)
        everything += found
    if isolated:
        for path, state in changed.items():
            everything += proposed({path: state}, ())
    else:
        read = partial(read_files, limit=settings.limits.file_bytes)
        facts = {_known_by(files[name], catalog): result.facts for name, result in results.items()}
        news = related(
            Index(),
            facts,
            settings.references,
            (),
            lambda path: files[shown_as[path]].path,
            read,
            catalog,
            full=True,
        )
        everything = list(proposed(changed, (*everything, *news.findings)))
    return tuple(sorted(_shown(finding, shown_as) for finding in everything))


def _known_by(file: _File, catalog: Catalog) -> str:
    """Return the path that a repository would know *file* by, if that decides where it belongs."""
    if catalog.route(file.shown) is None and catalog.route(file.below) is not None:
        return file.below
    return file.shown


def _shown(finding: Finding, shown_as: dict[str, str]) -> Finding:
    file = shown_as.get(finding.file, finding.file)
    if file == finding.file:
        return finding
    return Finding(
        file, finding.line, finding.column, finding.severity, finding.code, finding.message,
        finding.resource, finding.suppressed,
    )  # fmt: skip


# --------------------------------------------------------------------------- reading


def read_files(paths: Sequence[str], limit: int) -> Iterator[tuple[str, bytes | None]]:
    """Yield each file's content, None for one above *limit* bytes: its size is asked first."""
    for path in paths:
        try:
            with open(path, "rb") as file:  # noqa: PTH123 - ten thousand Path objects cost
                size = os.fstat(file.fileno()).st_size
                yield path, (None if size > limit else file.read(limit + 1)[:limit])
        except OSError as error:
            raise ConfigurationError(f"{path} cannot be read: {error.strerror}") from error


def _selecting(root: Path, settings: Settings) -> Callable[[str], bool]:
    """
    Return what tells whether a path below *root* counts, by `repository.include` and `ignore`.

    Their patterns start where the repository does, if *root* is in one; else at *root*.
    """
    if not (settings.repository.include or settings.repository.ignore):
        return lambda _below: True
    from gitsource.git.selection import Selection

    chosen = Selection(settings.repository.include, settings.repository.ignore)
    real = Path(os.path.realpath(root))
    folder = real if real.is_dir() else real.parent
    top = next((at for at in (folder, *folder.parents) if (at / ".git").exists()), folder)
    inside = "" if folder == top else f"{folder.relative_to(top).as_posix()}/"
    return lambda below: chosen.takes(f"{inside}{below}")


def _walk(root: Path, findings: list[Finding], takes: Callable[[str], bool]) -> Iterator[_File]:
    """Yield the files that *root* is or holds and *takes* takes; no file: told to *findings*."""
    start = os.fspath(root)
    try:
        stat = os.stat(start)  # noqa: PTH116 - as below
    except OSError as error:
        raise ConfigurationError(
            f"{root} does not exist", hint="name a file or a folder"
        ) from error
    if not root.is_dir():
        if takes(root.name):
            yield _File(start, _harmless(start), start, Stat.of(stat))
        return
    prefix = "" if start == os.curdir else f"{start.rstrip('/')}/"
    waiting = [""]
    while waiting:
        folder = waiting.pop()
        try:
            with os.scandir(f"{prefix}{folder}" or os.curdir) as found:
                entries = sorted(found, key=lambda entry: entry.name)
        except OSError:
            continue  # it is gone again, or is not for this user to look into
        for entry in entries:
            below = f"{folder}{entry.name}"
            if entry.is_dir(follow_symlinks=False):
                waiting += [f"{below}/"] if entry.name != ".git" else []
            elif entry.name.lower().endswith(SUFFIXES) and takes(below):
                yield from _configuration(f"{prefix}{below}", below, entry, findings)


def _configuration(
    path: str, below: str, entry: os.DirEntry[str], findings: list[Finding]
) -> Iterator[_File]:
    """Yield the file at *path*; a symbolic link there is told to *findings* instead."""
    if entry.is_symlink():
        text = "a symbolic link is never followed: commit the file itself in its place"
        findings.append(Finding(_harmless(path), 1, 1, "error", "GS201", text))
    elif entry.is_file(follow_symlinks=False):
        stat = entry.stat(follow_symlinks=False)
        yield _File(path, _harmless(path), below, Stat.of(stat))


def _harmless(path: str) -> str:
    return path if path.isascii() else os.fsencode(path).decode("utf-8", "backslashreplace")


def _schema_below(paths: Sequence[Path]) -> Callable[[str], bytes | None]:
    def read(name: str) -> bytes | None:
        for root in (*(path for path in paths if path.is_dir()), Path()):
            found = root / name
            if found.is_file():
                return found.read_bytes()
        return None

    return read
