"""
The files that Secrets refer to: read, watched and read again when they are rotated.

Rule: all files below the folder are read before anything is served, so that a Secret of a new
commit finds its own at once. File events only make it faster: the folder is looked at by the clock
too. A look that files change under is made again, so that a certificate and its key are of the same
moment; a link may lead anywhere below the folder and nowhere else. Contents and their digests are
in no log.

The mechanism: Kubernetes mounts a volume as links to ``..data/NAME``, where ``..data`` is a link to
a folder with a date in its name, and rotates all files at once by renaming a new ``..data`` over
the old one. Names that begin with a dot are thus looked through, never listed.
"""

from __future__ import annotations

import asyncio
import logging
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from gitsource.observe.neutral import neutral
from gitsource.publish.secrets.overlay import LARGEST, Alarm, Reading, is_name

if TYPE_CHECKING:
    from watchdog.observers.api import BaseObserver

log = logging.getLogger("gitsource.publish")

FILES = 4096
"""Files below the folder; with more it is the wrong folder."""
BYTES = 64 * 1024 * 1024
"""Bytes in all of them."""
STEPS = 4 * FILES
"""Names that are looked at: links may go in circles."""
TRIES = 3
"""Readings that files may change under before the next look has to do."""
LOOK = 10.0
"""Seconds between looks where events come too."""
SLOW_LOOK = 2.0
"""Seconds between looks where none come."""
SETTLE = 0.1
"""Seconds from an event to a look: a rotation is often several events."""


@dataclass(frozen=True, slots=True)
class _Seen:
    """A file in the folder: where it is, and what changes when it does."""

    path: str
    state: tuple[int, int, int, int, int]
    fault: str = ""


_CROWDED = f"has more than {FILES} files in it: is it the right folder?"

_Folder: TypeAlias = dict[str, _Seen]


class _Unusable(Exception):
    """Nothing in the folder can be used; the text says why."""


def told(alarm: Alarm) -> None:
    """Log *alarm*, what `Overlay` is given to tell it."""
    fields = {"resource": neutral(alarm.resource), "file": neutral(alarm.file)}
    log.warning("%s", neutral(alarm.text), extra=fields)


class SecretFiles:
    """
    The files of one folder.

    *update* (as `Overlay.update`) takes what they are, and says whether that matters; *changed* (as
    `SnapshotCache.wake`) is called if it does.
    """

    def __init__(
        self, folder: Path, update: Callable[[Reading], bool], changed: Callable[[], None]
    ) -> None:
        self._folder = folder
        self._update = update
        self._changed = changed
        self._before: _Folder | str | None = None

    def __repr__(self) -> str:
        return f"<SecretFiles {self._folder}>"

    async def load(self) -> None:
        """Look once; *changed* is called if a Secret is served otherwise from now on."""
        before, reading = await asyncio.to_thread(_read, self._folder, self._before)
        if reading is None:
            return
        self._before = before
        if self._update(reading):
            self._changed()
        if reading.folder:
            log.warning("secrets.folder %s", reading.folder, extra={"folder": str(self._folder)})

    async def watch(self, *, look: float = LOOK, slow_look: float = SLOW_LOOK) -> None:
        """Look whenever something may have changed, for ever; seconds between looks at least."""
        loop = asyncio.get_running_loop()
        event = asyncio.Event()
        observer: BaseObserver | None = None
        watched: tuple[int, int] | None = None
        try:
            while True:
                now = await asyncio.to_thread(_identity, self._folder)
                if observer is None or not observer.is_alive() or now != watched:
                    if observer is not None:
                        observer.stop()
                    waker = _Waker(loop, event)
                    observer = await asyncio.to_thread(_observe, self._folder, waker)
                    watched = now
                await self.load()
                pause = look if observer is not None else slow_look
                with suppress(TimeoutError):
                    await asyncio.wait_for(event.wait(), pause)
                    await asyncio.sleep(SETTLE)
                event.clear()
        finally:
            if observer is not None:
                observer.stop()


class _Waker:
    """Carries what watchdog's thread sees over to the event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop, event: asyncio.Event) -> None:
        self._loop = loop
        self._event = event

    def __call__(self) -> None:
        """Wake the loop; called on watchdog's thread."""
        with suppress(RuntimeError):  # the loop may have ended
            self._loop.call_soon_threadsafe(self._event.set)


def _observe(folder: Path, wake: Callable[[], None]) -> BaseObserver | None:
    """Start watching *folder* by the kernel's events; None if there are none to be had."""
    from watchdog.events import FileSystemEvent, FileSystemEventHandler  # lazily: slow to import
    from watchdog.observers import Observer

    class Handler(FileSystemEventHandler):
        """Passes on that something changed; that a file was read says nothing new."""

        def dispatch(self, event: FileSystemEvent) -> None:
            if event.event_type in ("created", "deleted", "modified", "moved", "closed"):
                wake()

    observer = Observer()
    try:
        observer.schedule(Handler(), str(folder), recursive=True)
        observer.start()
    except OSError as error:
        log.debug("no file events", extra={"folder": str(folder), "error": str(error)})
        observer.unschedule_all()
        return None
    return observer


def _identity(folder: Path) -> tuple[int, int]:
    try:
        status = folder.stat()
    except OSError:
        return (0, 0)
    return (status.st_dev, status.st_ino)


# --------------------------------------------------------------------------- reading


def _read(folder: Path, before: _Folder | str | None) -> tuple[_Folder | str, Reading | None]:
    """Return what the folder is now, with its contents; None where those are known already."""
    try:
        for _ in range(TRIES):
            seen = _look(folder)
            if seen == before:
                return seen, None
            reading = _contents(seen)
            if _look(folder) == seen:
                return seen, reading
    except _Unusable as error:
        reason = str(error)
        return reason, None if reason == before else Reading(folder=reason)
    # It changes all the time. What was read last may be of two moments: the next look has to do.
    return before if before is not None else "", None


def _look(folder: Path) -> _Folder:
    """Return the files below *folder* by name, without their contents."""
    try:
        root = os.path.realpath(folder, strict=True)
        found = dict(_walk(root, root, "", iter(range(STEPS))))
    except OSError as error:
        raise _Unusable(f"cannot be read ({error.strerror})") from error
    if len(found) > FILES:
        raise _Unusable(_CROWDED)
    if sum(seen.state[-1] for seen in found.values() if not seen.fault) > BYTES:
        raise _Unusable(f"has more than {BYTES // 1024**2} MiB in it")
    return found


def _walk(root: str, folder: str, prefix: str, steps: Iterator[int]) -> Iterator[tuple[str, _Seen]]:
    for entry in sorted(os.listdir(folder)):  # noqa: PTH208 - paths stay text: there may be many
        if next(steps, None) is None:
            raise _Unusable(_CROWDED)
        name = prefix + entry
        if not is_name(name):
            continue
        path = os.path.join(folder, entry)  # noqa: PTH118 - as above
        try:
            real = os.path.realpath(path, strict=True)
            if not real.startswith(f"{root}/"):
                yield name, _Seen(path, _NO_STATE, "is a link that leads out of secrets.folder")
                continue
            status = os.stat(real)  # noqa: PTH116 - as above
            if stat.S_ISDIR(status.st_mode):
                yield from _walk(root, real, f"{name}/", steps)
                continue
        except OSError as error:
            yield name, _Seen(path, _NO_STATE, f"cannot be read ({error.strerror})")
            continue
        yield name, _Seen(real, _state(status), _unfit(status))


_NO_STATE = (0, 0, 0, 0, 0)


def _state(status: os.stat_result) -> tuple[int, int, int, int, int]:
    return (
        status.st_dev,
        status.st_ino,
        status.st_mtime_ns,
        status.st_ctime_ns,
        status.st_size,
    )


def _unfit(status: os.stat_result) -> str:
    """Return why a file cannot be used; empty if it can."""
    if not stat.S_ISREG(status.st_mode):
        return "is no regular file"
    if status.st_size > LARGEST:
        return f"is larger than {LARGEST // 1024**2} MiB"
    return "" if status.st_size else "is empty"


def _contents(seen: _Folder) -> Reading:
    files: dict[str, bytes] = {}
    faults: dict[str, str] = {}
    for name, one in seen.items():
        if one.fault:
            faults[name] = one.fault
            continue
        try:
            files[name] = _bytes(one.path)
        except OSError as error:
            faults[name] = f"cannot be read ({error.strerror})"
    return Reading(files, faults)


def _bytes(path: str) -> bytes:
    # NB: without waiting for a writer, should it have become a pipe, and not through a link that
    # took its place: it was resolved before.
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(handle, "rb") as stream:
        return stream.read(LARGEST)  # one that grew meanwhile is read again
