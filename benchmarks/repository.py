"""
Repositories for the benchmarks: bare, of any size, the same on every machine.

Rule: one document a file, a hundred files a folder, twenty commits with fixed dates, repacked as a
Git host would have it. They are made by one `git fast-import` and kept in `.work`; a run works on a
copy, so that what it commits is gone afterwards.

    python benchmarks/repository.py 10000      make (or find) one and print its folder
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import documents
import envoy_documents

WORK = Path(__file__).parent / ".work"
COMMITS = 20
_MIXES = {documents.MIX: "mixed", envoy_documents.MESH: "mesh"}
DATE = 1_760_000_000
"""Committer time of the first commit, seconds since the epoch; the next ones follow hourly."""
WHO = "Bench Mark <bench@example.com>"

_CLEAN = {
    **{key: value for key, value in os.environ.items() if not key.startswith("GIT_")},
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_SYSTEM": os.devnull,
    "GIT_AUTHOR_NAME": "Bench Mark",
    "GIT_AUTHOR_EMAIL": "bench@example.com",
    "GIT_COMMITTER_NAME": "Bench Mark",
    "GIT_COMMITTER_EMAIL": "bench@example.com",
}
"""The environment git runs in, so that nobody's own settings are measured."""


@dataclass(frozen=True, slots=True)
class Made:
    """A repository that is ready."""

    folder: Path
    size: int
    """Resources in it, one a file."""
    mix: tuple[str, ...]
    """Kind of each document, by its number modulo the length."""

    @property
    def url(self) -> str:
        """What a source follows."""
        return self.folder.as_uri()

    @property
    def counts(self) -> dict[str, int]:
        """How many resources each collection has."""
        return dict(
            Counter(documents.COLLECTIONS[documents.kind_of(n, self.mix)] for n in range(self.size))
        )


def git(folder: Path, *arguments: str, **more: str) -> str:
    """Run git in the bare repository *folder*; *more* is added to its environment."""
    done = subprocess.run(
        ["git", f"--git-dir={folder}", *arguments],
        env=_CLEAN | more,
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.strip()


def fast_import(folder: Path, parts: Iterable[bytes]) -> None:
    """Give git a fast-import stream for the repository *folder*."""
    importing = subprocess.Popen(
        ["git", f"--git-dir={folder}", "fast-import", "--quiet", "--force"],
        stdin=subprocess.PIPE,
        env=_CLEAN,
    )
    assert importing.stdin is not None
    with importing.stdin as pipe:
        for part in parts:
            pipe.write(part)
    if importing.wait():
        raise SystemExit("git fast-import failed")


def make(size: int, mix: Sequence[str] = documents.MIX, work: Path = WORK) -> Made:
    """Return the repository of *size* resources, made now or by an earlier run."""
    kinds = _MIXES.get(tuple(mix)) or "-".join(mix).lower()
    folder = work / "repositories" / f"{size}-{kinds}-v{documents.GENERATOR}.git"
    made = Made(folder, size, tuple(mix))
    if folder.exists():
        return made
    folder.parent.mkdir(parents=True, exist_ok=True)
    half_made = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".making-"))
    try:
        git(half_made, "init", "--quiet", "--bare", "--initial-branch=main")
        fast_import(half_made, _history(size, mix))
        git(half_made, "repack", "-a", "-d", "-q", "--depth=50", "--window=10")
        git(half_made, "pack-refs", "--all")
        half_made.rename(folder)
    finally:
        shutil.rmtree(half_made, ignore_errors=True)
    return made


def copy(made: Made, folder: Path) -> Made:
    """Return a copy of *made* at *folder* whose commits do not reach the original."""
    subprocess.run(["cp", "-a", str(made.folder), str(folder)], check=True)
    return Made(folder, made.size, made.mix)


@dataclass(frozen=True, slots=True)
class OneFile:
    """A commit of one changed file that exists and is on no branch yet."""

    commit: str
    number: int
    collection: str
    name: str


class Committer:
    """Makes one-file commits in a copy, so that moving the branch is all that is left to do."""

    def __init__(self, made: Made) -> None:
        self._made = made
        self._generation = 100
        self._index = made.folder / "bench-index"
        self._git("read-tree", "main")

    def prepare(self, number: int | None = None) -> OneFile:
        """Return a commit on top of main that changes the spec of one document."""
        self._generation += 1
        if number is None:
            number = (self._generation * 7) % self._made.size
        text = documents.document(number, self._generation, self._made.mix)
        blob = subprocess.run(
            ["git", f"--git-dir={self._made.folder}", "hash-object", "-w", "--stdin"],
            input=text,
            env=_CLEAN,
            check=True,
            capture_output=True,
            text=True,
        ).stdout.strip()
        self._git("update-index", "--cacheinfo", f"100644,{blob},{documents.path_of(number)}")
        tree = self._git("write-tree")
        message = f"mesh: change {documents.name_of(number)}"
        commit = self._git("commit-tree", tree, "-p", "main", "-m", message)
        collection = documents.COLLECTIONS[documents.kind_of(number, self._made.mix)]
        return OneFile(commit, number, collection, documents.name_of(number))

    def publish(self, change: OneFile) -> None:
        """Move main to *change*; this is the moment of the push."""
        self._git("update-ref", "refs/heads/main", change.commit)

    def _git(self, *arguments: str) -> str:
        return git(self._made.folder, *arguments, GIT_INDEX_FILE=str(self._index))


def _history(size: int, mix: Sequence[str]) -> Iterator[bytes]:
    """Yield a fast-import stream: nine tenths at first, then the rest and some edits by and by."""
    first = max(1, size * 9 // 10)
    late = COMMITS - 1
    for step in range(COMMITS):
        when = DATE + step * 3600
        message = f"mesh: step {step}"
        yield (
            f"commit refs/heads/main\nmark :{step + 1}\n"
            f"author {WHO} {when} +0000\ncommitter {WHO} {when} +0000\n"
            f"data {len(message)}\n{message}\n"
        ).encode()
        if step == 0:
            changed = [(number, 0) for number in range(first)]
        else:
            added = range(
                first + (size - first) * (step - 1) // late, first + (size - first) * step // late
            )
            edited = range(step * 37 % first, first, max(1, first // 50))
            changed = [(number, 0) for number in added] + [(number, step) for number in edited]
        for number, generation in changed:
            text = documents.document(number, generation, mix).encode()
            yield f"M 100644 inline {documents.path_of(number)}\ndata {len(text)}\n".encode()
            yield text
            yield b"\n"
        yield b"\n"
    yield b"done\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument("size", type=int)
    made = make(parser.parse_args().size)
    print(json.dumps({"folder": str(made.folder), "counts": made.counts}))


if __name__ == "__main__":
    main()
