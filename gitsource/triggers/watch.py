"""
Noticing at once that a repository on this machine moved.

Rule: events only make it faster. Whatever goes wrong with them (no kernel support, no more watches,
a folder replaced under us) is logged, and looking by the clock goes on; nothing is ever missed for
good, because the poll trigger runs too.

The mechanism: Git updates a ref by writing ``main.lock`` and renaming it to ``main``, which arrives
as a *moved* event whose destination is the ref; packing refs does the same with ``packed-refs``.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from watchdog.observers.api import BaseObserver

log = logging.getLogger("gitsource.triggers")

RECHECK = 15.0
"""Seconds between checks that the watched folders are still the ones at their paths."""
SLOW_LOOK = 1.0
"""Seconds between looks at the folders where the kernel gives no events."""


def local_folder(url: str) -> Path | None:
    """Return the folder of a ``file://`` URL, None for any other URL."""
    parts = urlsplit(url)
    if parts.scheme.lower() != "file" or parts.netloc not in ("", "localhost"):
        return None
    return Path(unquote(parts.path))


def git_folder(repository: Path) -> Path | None:
    """
    Return the folder that holds the refs of *repository*, None if there is no repository.

    It may be bare, have a ``.git`` folder, or be a linked work tree, whose ``.git`` is a file.
    """
    dot_git = repository / ".git"
    if dot_git.is_file():
        folder = _pointed(dot_git, "gitdir:", repository)
    else:
        folder = dot_git if dot_git.is_dir() else repository
    if folder is not None and (folder / "commondir").is_file():
        folder = _pointed(folder / "commondir", "", folder)
    return folder if folder is not None and (folder / "HEAD").is_file() else None


def _pointed(file: Path, prefix: str, base: Path) -> Path | None:
    """Return the folder that *file* names, relative to *base*."""
    try:
        text = file.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return None
    if not text.startswith(prefix):
        return None
    return (base / text.removeprefix(prefix).strip()).resolve()


def full_ref(ref: str) -> str:
    """Return the full name of *ref*, a branch or already a full name."""
    return ref if ref.startswith("refs/") or ref == "HEAD" else f"refs/heads/{ref}"


def concerns(ref: str, path: str) -> bool:
    """
    Whether a change at *path*, relative to the Git folder, may have moved the full name *ref*.

    Folders above the ref count: with a new one, the ref inside may have come before its watch.
    """
    return (
        path in (ref, "packed-refs", "HEAD")
        or ref.startswith(f"{path}/")
        or path.startswith("reftable/")
        or (ref == "HEAD" and path.startswith("refs/heads/") and not path.endswith(".lock"))
    )


async def watch(
    repository: Path,
    ref: str,
    poke: Callable[[str], None],
    *,
    recheck: float = RECHECK,
    observers: Callable[[], Iterable[Callable[[], BaseObserver]]] | None = None,
) -> None:
    """
    Call ``poke("watch")`` on this loop whenever *ref* of *repository* may have moved, for ever.

    *poke* must be quick and must coalesce: one push may be several events. *observers* are
    watchdog's observers to try, best first.
    """
    loop = asyncio.get_running_loop()
    ref = full_ref(ref)
    said = False
    again = False
    while True:
        folder = await asyncio.to_thread(git_folder, repository)
        if folder is None:
            if not said:
                log.warning("nothing to watch yet, polling", extra={"folder": str(repository)})
            said, again = True, True
            await asyncio.sleep(recheck)
            continue
        said = False
        changes = _Changes(loop, folder, ref, poke)
        identity = _identity(folder)
        observer = await asyncio.to_thread(_observe, folder, changes.seen, observers)
        try:
            if again:
                poke("watch")  # what happened between two watches was seen by neither
            await _until_replaced(folder, identity, observer, recheck)
        finally:
            if observer is not None:
                observer.stop()
        again = True


async def _until_replaced(
    folder: Path,
    identity: tuple[tuple[int, int], ...],
    observer: BaseObserver | None,
    recheck: float,
) -> None:
    """Return when the watched folders are no longer those at their paths, or nobody watches."""
    while True:
        # Where nothing gives events, trying again is for the rare case that a limit was raised.
        await asyncio.sleep(recheck if observer is not None else recheck * 20)
        if observer is None or not observer.is_alive():
            return
        if await asyncio.to_thread(_identity, folder) != identity:
            log.info("the watched repository was replaced", extra={"folder": str(folder)})
            return


class _Changes:
    """Carries what watchdog's thread sees over to the event loop."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        folder: Path,
        ref: str,
        poke: Callable[[str], None],
    ) -> None:
        self._loop = loop
        self._prefix = f"{folder}/"
        self._ref = ref
        self._poke = poke

    def seen(self, *paths: str) -> None:
        """Take one event; called on watchdog's thread."""
        if any(concerns(self._ref, path.removeprefix(self._prefix)) for path in paths if path):
            try:
                self._loop.call_soon_threadsafe(self._poke, "watch")
            except RuntimeError:
                log.debug("an event came after the loop had ended")


def _identity(folder: Path) -> tuple[tuple[int, int], ...]:
    """Return which folders are at the watched paths now; what is replaced differs."""
    found = []
    for path in _watched(folder):
        try:
            status = path.stat()
        except OSError:
            found.append((0, 0))
        else:
            found.append((status.st_dev, status.st_ino))
    return tuple(found)


def _watched(folder: Path) -> tuple[Path, ...]:
    return (folder, folder / "refs", folder / "reftable")


def _observers() -> Iterable[Callable[[], BaseObserver]]:
    from watchdog.observers import Observer  # lazily: 43 ms that a start need not pay
    from watchdog.observers.polling import PollingObserver

    return Observer, lambda: PollingObserver(timeout=SLOW_LOOK)


def _observe(
    folder: Path,
    seen: Callable[..., None],
    observers: Callable[[], Iterable[Callable[[], BaseObserver]]] | None,
) -> BaseObserver | None:
    """Start watching *folder*: by the kernel's events, else by looking, else (None) not at all."""
    from watchdog.events import FileSystemEvent, FileSystemEventHandler  # lazily: as above

    class Handler(FileSystemEventHandler):
        """Passes on what changes a ref; that a folder's list changed says nothing new."""

        def dispatch(self, event: FileSystemEvent) -> None:
            listed = event.is_directory and event.event_type == "modified"
            if event.event_type in ("created", "deleted", "modified", "moved") and not listed:
                seen(_text(event.src_path), _text(event.dest_path))

    for make in (observers or _observers)():
        observer = None
        try:
            observer = make()
            for path in _watched(folder):
                if path.is_dir():
                    observer.schedule(Handler(), str(path), recursive=path != folder)
            observer.start()
        except OSError as error:
            # Out of inotify watches or instances, or a file system without them.
            log.warning(
                "no file events from one observer, trying the next",
                extra={"folder": str(folder), "error": str(error)},
            )
            if observer is not None:
                observer.unschedule_all()
            continue
        log.info("watching", extra={"folder": str(folder)})
        return observer
    log.warning("no file events at all, polling", extra={"folder": str(folder)})
    return None


def _text(path: str | bytes) -> str:
    return path.decode("utf-8", "surrogateescape") if isinstance(path, bytes) else path
