"""
What earlier runs found out: results of contents, and whole revisions that bases can start from.

Rule: losing any of it costs time, never correctness, and none of it is believed without its seal
(`sealed`). A content is known by its id and all that judges it; a revision by its commit and all
that judged it, this very code included. Runs at the same time do not disturb each other.

    $XDG_CACHE_HOME/gitsource/dry-run/
      <recipe>-<commit>   a `Head`, a `Record` and `Links`: a revision without errors
      results.sqlite      what became of each content, sealed one by one
"""

from __future__ import annotations

import contextlib
import gc
import hashlib
import os
import sqlite3
import struct
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path

from google.protobuf.message import DecodeError

from gitsource._proto.gitsource.state.v1.state_pb2 import FileResult
from gitsource.errors import ConfigurationError, GitsourceError
from gitsource.git.objects import Objects
from gitsource.rehearsal.remembered import parts, standing_in
from gitsource.rehearsal.sealed import KEY, SEAL_BYTES, Sealed, key_of, private
from gitsource.rehearsal.side import Side
from gitsource.seen import cache_folder
from gitsource.snapshot.blobs import BlobCache, Key
from gitsource.snapshot.build import Standing

STANDINGS = 8
"""Revisions that are remembered, of all repositories and settings."""
STANDINGS_BYTES = 1024 * 1024 * 1024
"""What they may take up together, but for the newest."""
HELD_BYTES = 64 * 1024 * 1024
"""Results that are held in memory; then they go to disk, or are forgotten."""
LARGEST = 256 * 1024 * 1024
"""Bytes of results of contents; then they are forgotten as a whole."""
LEFT_ALONE = 3600
"""Seconds after which a file that is only half written has nobody who writes it."""

_TABLES = frozenset((("table", "recipes"), ("table", "results")))


class Results(BlobCache):
    """Results for the length of a run, so that both sides judge each content once."""

    def __init__(self, below: BlobCache | None = None) -> None:
        super().__init__(Path())
        self._below = below
        self._held: dict[str, dict[Key, bytes]] = {}
        self._size = 0

    def get(self, recipe: str, keys: Collection[Key]) -> dict[Key, FileResult]:
        """Return the results that are known for *keys* under *recipe*."""
        held = self._held.get(recipe, {})
        found = {key: FileResult.FromString(held[key]) for key in keys if key in held}
        if self._below is not None and len(found) < len(keys):
            found |= self._below.get(recipe, [key for key in keys if key not in found])
        return found

    def put(self, recipe: str, results: Mapping[Key, bytes]) -> None:
        """Remember *results* until the run ends, or they are `kept`."""
        self._held.setdefault(recipe, {}).update(results)
        self._size += sum(map(len, results.values()))
        if self._size > HELD_BYTES:
            self.kept()

    def kept(self) -> None:
        """Put what came to be known on disk."""
        if self._below is not None:
            for recipe, results in self._held.items():
                self._below.put(recipe, results)
        self.forget()

    def forget(self) -> None:
        """Let go of what came to be known."""
        self._held.clear()
        self._size = 0

    def close(self) -> None:
        """Close the file."""
        if self._below is not None:
            self._below.close()


class _SealedResults(BlobCache):
    """Results on disk, each with its seal; a file that has more in it than those is thrown away."""

    def __init__(self, path: Path, seal: Sealed, code: str) -> None:
        super().__init__(path)
        self._seal, self._code = seal, code

    def get(self, recipe: str, keys: Collection[Key]) -> dict[Key, FileResult]:
        """Return the results that are known for *keys* under *recipe*."""
        try:
            return super().get(self._code + recipe, keys)
        except DecodeError:
            return {}  # without a key, anything can be sealed

    def put(self, recipe: str, results: Mapping[Key, bytes]) -> None:
        """Remember *results*."""
        recipe = self._code + recipe
        super().put(recipe, {key: self._of(recipe, key, raw) + raw for key, raw in results.items()})

    def _of(self, recipe: str, key: Key, raw: bytes) -> bytes:
        return self._seal.of(recipe.encode(), repr(key).encode(), raw)

    def _rows(self, recipe: str, keys: Collection[Key]) -> dict[Key, bytes]:
        found = {}
        for key, raw in super()._rows(recipe, keys).items():
            if isinstance(raw, bytes):
                seal, body = raw[:SEAL_BYTES], raw[SEAL_BYTES:]
                if seal == self._of(recipe, key, body):
                    found[key] = body
        return found

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            self._check()
            super()._open().execute("PRAGMA trusted_schema = OFF")
            os.chmod(self._path, 0o600)  # noqa: PTH101 - one of many calls on a path
        return super()._open()

    def _check(self) -> None:
        """Refuse a file with a view or a trigger in it: those would be run, and are not ours."""
        if self._path.exists():
            with contextlib.closing(sqlite3.connect(self._path)) as connection:
                told = connection.execute(
                    "SELECT type, name FROM sqlite_master WHERE name NOT LIKE 'sqlite_autoindex_%'"
                )
                if not frozenset(told) <= _TABLES:
                    raise sqlite3.DatabaseError("malformed: there is more in it than results")


class Forgetful:
    """A memory that ends with the run."""

    def __init__(self) -> None:
        self._results = Results()

    def results(self) -> BlobCache | None:
        """Return the results of this run."""
        return self._results

    def near(self, of: Side) -> Standing | None:  # noqa: ARG002 - see `Memory`
        """Return None: nothing is remembered."""
        return None

    def keep(self, of: Side, standing: Standing) -> None:
        """Remember nothing."""

    def close(self) -> None:
        """Let go of everything."""


class Folder:
    """What is remembered in a folder."""

    def __init__(self, sealed: Sealed, code: str) -> None:
        """*code* tells one state of this program from another, see `code_version`."""
        self._sealed, self._code = sealed, code
        self._folder = sealed.folder
        self._below: _SealedResults | None = None
        self._results: Results | None = None
        self._standing = False

    def results(self) -> BlobCache | None:
        """Return the results of this run and of earlier ones."""
        if self._results is None:
            path = self._folder / "results.sqlite"
            with contextlib.suppress(OSError):
                if path.stat().st_size > LARGEST:
                    for part in ("", "-wal", "-shm"):
                        Path(f"{path}{part}").unlink(missing_ok=True)
            self._results = Results(_SealedResults(path, self._sealed, self._code))
        return self._results

    def near(self, of: Side) -> Standing | None:
        """Return the revision *of* itself, or one that it follows from; None if none is known."""
        prefix, commit = self._prefix(of), of.revision.commit
        if not commit:
            return None
        exact = self._read(f"{prefix}-{commit}")
        if exact is not None and exact.snapshot.revision == of.revision:
            return exact
        for name in self._names(f"{prefix}-"):
            earlier = name.rpartition("-")[2]
            if _follows(of.objects, commit, earlier):
                found = self._read(name)
                if found is not None:
                    return found
        return None

    def keep(self, of: Side, standing: Standing) -> None:
        """Remember *standing*, which is *of*."""
        if not of.revision.commit or standing.references is None:
            return
        self._sealed.write(f"{self._prefix(of)}-{of.revision.commit}", parts(standing, of.recipe))
        self._forget_oldest()
        if self._results is not None:
            self._results.forget()  # what stands has it all

    def close(self) -> None:
        """Put what came to be known on disk, for the next run."""
        if self._results is not None:
            self._results.kept()
            self._results.close()

    # ------------------------------------------------------------------ standings

    def _prefix(self, of: Side) -> str:
        return hashlib.sha256(f"{self._code}\n{of.recipe}".encode()).hexdigest()[:24]

    def _names(self, prefix: str = "") -> list[str]:
        """Return the names of the revisions that are remembered, the last used first."""
        return [entry.name for entry in self._entries() if entry.name.startswith(prefix)]

    def _entries(self) -> list[os.DirEntry[str]]:
        found: list[tuple[float, str, os.DirEntry[str]]] = []
        with contextlib.suppress(OSError), os.scandir(self._folder) as entries:
            found += [
                (entry.stat(follow_symlinks=False).st_mtime, entry.name, entry)
                for entry in entries
                if _is_standing(entry.name)
            ]
        return [entry for _, _, entry in sorted(found, key=lambda each: each[:2], reverse=True)]

    def _forget_oldest(self) -> None:
        size = 0
        with contextlib.suppress(OSError):
            for number, entry in enumerate(self._entries()):
                size += entry.stat(follow_symlinks=False).st_size
                if number >= STANDINGS or (number and size > STANDINGS_BYTES):
                    Path(entry.path).unlink()
            for left in self._folder.glob("*.tmp"):
                if time.time() - left.lstat().st_mtime > LEFT_ALONE:
                    left.unlink()

    def _read(self, name: str) -> Standing | None:
        raw = self._sealed.read(name)
        if raw is None:
            return None
        # Some ten thousand objects that all stay: walking them to find nothing takes a tenth more.
        collecting = gc.isenabled()
        gc.disable()
        try:
            return standing_in(raw)
        except (ValueError, KeyError, IndexError, struct.error, DecodeError):
            return None  # without a key, anything can be sealed
        finally:
            if collecting:
                gc.enable()


def _is_standing(name: str) -> bool:
    prefix, dash, commit = name.partition("-")
    return bool(dash) and len(prefix) == 24 and len(commit) in {40, 64} and commit.isalnum()


def _follows(objects: Objects, commit: str, earlier: str) -> bool:
    try:
        if not objects.contains(commit, earlier):
            return False
        return objects.has(objects.tree_of(earlier))
    except GitsourceError:
        return False


@contextlib.contextmanager
def memory_in(
    cache: str | None, environ: Mapping[str, str], say: Callable[[str], None]
) -> Iterator[Folder | Forgetful]:
    """
    Give what is remembered in the folder *cache*; ``none``: nothing, None: in the user's own.

    *say* is told why a folder that was named is left out. Raises ConfigurationError for one that
    others may write to.
    """
    memory = _memory(cache, environ, say)
    with contextlib.closing(memory):
        yield memory


def _memory(
    cache: str | None, environ: Mapping[str, str], say: Callable[[str], None]
) -> Folder | Forgetful:
    if cache == "none":
        return Forgetful()
    key = key_of(environ)
    if key is None:
        if cache is not None:
            say(
                f"{cache} is left out: in CI nothing is remembered without {KEY}, since whoever "
                "may write there could decide results"
            )
        return Forgetful()
    own = Path(cache) if cache is not None else cache_folder(environ)
    if own is None:
        return Forgetful()
    folder = own / "dry-run"
    if private(own) and private(folder):
        return Folder(Sealed(folder, key), code_version())
    if cache is None:
        return Forgetful()
    raise ConfigurationError(
        f"--cache: {own} cannot be used: it has to be a folder that you alone may write to",
        hint=f"chmod 700 {own}, or name another one, or none",
    )


def code_version() -> str:
    """
    Return what tells one state of this program from another.

    The digests that it was installed with; where it runs from its sources, what the file system
    says of those.
    """
    package = Path(__file__).parent.parent
    told = hashlib.sha256()
    for folder in sorted(package.parent.glob("gitsource-*.dist-info")):
        with contextlib.suppress(OSError):
            told.update((folder / "RECORD").read_bytes())
            return told.hexdigest()[:16]
    names: list[str] = []
    for folder_name, folders, files in os.walk(package):
        folders[:] = sorted(name for name in folders if name != "__pycache__")
        for name in sorted(files):
            stat = os.stat(f"{folder_name}/{name}")  # noqa: PTH116 - hundreds of them
            names.append(f"{folder_name}/{name} {stat.st_size} {stat.st_mtime_ns}")
    told.update("\n".join(names).encode("utf-8", "surrogateescape"))
    return told.hexdigest()[:16]
