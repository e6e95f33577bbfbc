"""
Noticing at once that a repository on this machine moved.

Rule: events only make it faster. Whatever goes wrong with them (no kernel support, no more watches,
a folder replaced under us) is logged, and looking by the clock goes on; nothing is ever missed for
good, because the poll trigger runs too.

The mechanism: Git updates a ref by writing ``main.lock`` and renaming it to ``main``, which arrives
as a *moved* event whose destination is the ref; packing refs does so with ``packed-refs``, and git
with reftables with ``reftable/tables.list``. git-sync renames a symbolic link, so the folders are
watched in which the links on the way to the repository stand.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from gitsource.triggers.followed import full_ref
from gitsource.triggers.places import git_folder, links, own_folder, without_events

if TYPE_CHECKING:
    from watchdog.observers.api import BaseObserver

log = logging.getLogger("gitsource.triggers")

RECHECK = 15.0
"""Seconds between checks that the watched folders are still the ones at their paths."""
SLOW_LOOK = 1.0
"""Seconds between looks at the folders where the kernel gives no events."""


def concerns(ref: str, path: str) -> bool:
    """
    Whether a change at *path*, relative to the Git folder, may have moved the full name *ref*.

    Folders above the ref count: with a new one, the ref inside may have come before its watch.
    """
    return (
        path in (ref, "packed-refs", "HEAD")
        or ref.startswith(f"{path}/")
        or (ref.endswith("/") and path.startswith(ref) and not path.endswith(".lock"))
        or path.startswith("reftable/")
        or (ref == "HEAD" and path.startswith("refs/heads/") and not path.endswith(".lock"))
    )


async def watch(
    repository: Path,
    ref: str,
    poke: Callable[[str], None],
    *,
    recheck: float = RECHECK,
    blind: Callable[[], bool] = lambda: False,
    observers: Callable[[], Iterable[Callable[[], BaseObserver]]] | None = None,
) -> None:
    """
    Call ``poke("watch")`` on this loop whenever *ref* of *repository* may have moved, for ever.

    *poke* must be quick and must coalesce: one push may be several events. *blind* tells (again and
    again) whether events turned out not to arrive here: then the folders are looked at each second.
    *observers* are watchdog's observers to try, best first.
    """
    loop = asyncio.get_running_loop()
    ref = full_ref(ref)
    said = False
    again = False
    while True:
        places = await asyncio.to_thread(_Places.of, repository)
        if places is None:
            if not said:
                log.warning("nothing to watch yet, polling", extra={"folder": str(repository)})
            said, again = True, True
            await asyncio.sleep(recheck)
            continue
        said = False
        changes = _Changes(loop, places, ref, poke)
        looking = blind()
        tried = partial(_observers, "this file system") if looking else observers
        observer = await asyncio.to_thread(_observe, places, changes.seen, tried)
        try:
            if again:
                poke("watch")  # what happened between two watches was seen by neither
            stale = partial(_is_stale, repository, places)
            turned = (lambda: False) if looking else blind
            await _until_replaced(stale, observer, changes.replaced, turned, recheck)
        finally:
            if observer is not None:
                observer.stop()
        again = True


async def _until_replaced(
    stale: Callable[[], bool],
    observer: BaseObserver | None,
    replaced: asyncio.Event,
    blind: Callable[[], bool],
    recheck: float,
) -> None:
    """Return when the watched folders are no longer those at their paths, or nobody watches."""
    while True:
        # Where nothing gives events, trying again is for the rare case that a limit was raised.
        pause = recheck if observer is not None else recheck * 20
        try:
            await asyncio.wait_for(replaced.wait(), pause)
        except TimeoutError:
            if observer is None or not observer.is_alive() or blind():
                return
        if await asyncio.to_thread(stale):
            return
        replaced.clear()


def _is_stale(repository: Path, places: _Places) -> bool:
    if _Places.of(repository) == places:
        return False
    log.info("the watched repository was replaced", extra={"folder": str(places.folder)})
    return True


@dataclass(frozen=True, slots=True)
class _Places:
    """What is watched; another identity of any of it makes another value."""

    folder: Path
    """Where the refs are."""
    own: Path
    """Where the repository's ``HEAD`` is: elsewhere in a linked work tree."""
    links: tuple[Path, ...]
    """On the way to the repository."""
    identity: tuple[tuple[int, int] | str, ...]
    """Which folders are at those paths, and where the links lead."""

    @classmethod
    def of(cls, repository: Path) -> _Places | None:
        """Return what is to be watched now, None if there is no repository."""
        folder, own = git_folder(repository), own_folder(repository)
        if folder is None or own is None:
            return None
        way = links(repository)
        folders = tuple(map(_identity, (*_watched(folder), own)))
        return cls(folder, own, way, (*folders, *map(_target, way)))

    def scheduled(self) -> Iterable[tuple[Path, bool]]:
        """Yield each folder to watch, and whether with all below it."""
        for path in _watched(self.folder):
            if path.is_dir():
                yield path, path != self.folder
        if self.own != self.folder and self.own.is_dir():
            yield self.own, False
        for folder in dict.fromkeys(link.parent for link in self.links):
            yield folder, False


class _Changes:
    """Carries what watchdog's thread sees over to the event loop."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        places: _Places,
        ref: str,
        poke: Callable[[str], None],
    ) -> None:
        self._loop = loop
        self._prefix = f"{places.folder}/"
        self._head = str(places.own / "HEAD") if ref == "HEAD" else ""
        self._links = frozenset(map(str, places.links))
        self._ref = ref
        self._poke = poke
        self.replaced = asyncio.Event()
        """Set when a link on the way to the repository may lead elsewhere now."""

    def seen(self, *paths: str) -> None:
        """Take one event; called on watchdog's thread."""
        told = tuple(filter(None, paths))
        swapped = any(path in self._links for path in told)
        try:
            if swapped:
                self._loop.call_soon_threadsafe(self.replaced.set)
            if swapped or any(map(self._concerned, told)):
                self._loop.call_soon_threadsafe(self._poke, "watch")
        except RuntimeError:
            log.debug("an event came after the loop had ended")

    def _concerned(self, path: str) -> bool:
        if path == self._head:
            return True
        inside = path.startswith(self._prefix)
        return inside and concerns(self._ref, path.removeprefix(self._prefix))


def _identity(path: Path) -> tuple[int, int]:
    """Return which folder is at *path* now; what is replaced differs."""
    try:
        status = path.stat()
    except OSError:
        return (0, 0)
    return (status.st_dev, status.st_ino)


def _target(link: Path) -> str:
    try:
        return str(link.readlink())
    except OSError:
        return ""


def _watched(folder: Path) -> tuple[Path, ...]:
    return (folder, folder / "refs", folder / "reftable")


def _observers(blind: str = "") -> Iterable[Callable[[], BaseObserver]]:
    """Return watchdog's observers, best first, for a file system that may be *blind*."""
    from watchdog.observers import Observer  # lazily: 43 ms that a start need not pay
    from watchdog.observers.polling import PollingObserver

    if blind:
        log.info("%s tells nothing of what others write: looking each second", blind)
        return (lambda: PollingObserver(timeout=SLOW_LOOK),)
    return Observer, lambda: PollingObserver(timeout=SLOW_LOOK)


def _observe(
    places: _Places,
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

    folder = places.folder
    for make in (observers or partial(_observers, without_events(folder)))():
        observer = None
        try:
            observer = make()
            for path, recursive in places.scheduled():
                observer.schedule(Handler(), str(path), recursive=recursive)
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
