"""
Where on this machine a followed repository is, and what has to be watched there.

Rule: reading only, and never an exception: what cannot be found out is None, and polling goes on.
The way to a repository may lead over symbolic links (git-sync swaps one for each revision), the
repository may be a linked work tree, and a file system may give no events of what others write.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import unquote, urlsplit

MOST_LINKS = 40
"""Links that are followed on one way, as the kernel has it."""

WITHOUT_EVENTS = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "glusterfs", "lustre", "virtiofs"}
)
"""File systems on which the kernel tells of what this machine writes and not of what others do;
those of FUSE are like them."""


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
    folder = own_folder(repository)
    if folder is not None and (folder / "commondir").is_file():
        folder = _pointed(folder / "commondir", "", folder)
    return folder if folder is not None and (folder / "HEAD").is_file() else None


def own_folder(repository: Path) -> Path | None:
    """Return the folder that holds the ``HEAD`` of *repository*: of a linked work tree, its own."""
    dot_git = repository / ".git"
    if dot_git.is_file():
        return _pointed(dot_git, "gitdir:", repository)
    return dot_git if dot_git.is_dir() else repository


def _pointed(file: Path, prefix: str, base: Path) -> Path | None:
    """Return the folder that *file* names, relative to *base*."""
    try:
        text = file.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return None
    if not text.startswith(prefix):
        return None
    return (base / text.removeprefix(prefix).strip()).resolve()


def links(path: Path) -> tuple[Path, ...]:
    """Return the symbolic links over which the way to *path* leads, in the order they are met."""
    found: list[Path] = []
    whole = path.absolute()
    while len(found) < MOST_LINKS:
        steps = (*reversed(whole.parents), whole)
        link = next((step for step in steps if step.is_symlink()), None)
        if link is None or link in found:
            break
        found.append(link)
        try:
            target = link.readlink()
        except OSError:
            break
        whole = Path(os.path.normpath(link.parent / target / whole.relative_to(link)))
    return tuple(found)


def without_events(folder: Path, mounts: Iterable[str] | None = None) -> str:
    """
    Return the type of the file system of *folder* if it tells nothing of what others write.

    *mounts* are the lines of ``/proc/self/mountinfo``; empty text means that events arrive, or that
    nobody can tell.
    """
    if mounts is None:
        try:
            told = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""
        mounts = told.splitlines()
    best, kind = "", ""
    for line in mounts:
        fields, _, rest = line.partition(" - ")
        words = fields.split(" ")
        if len(words) < 5 or not rest:
            continue
        point = words[4].replace("\\040", " ")
        # The last of several mounts at one place is the one that is seen.
        if len(point) >= len(best) and folder.is_relative_to(point):
            best, kind = point, rest.split(" ")[0]
    return kind if kind in WITHOUT_EVENTS or kind.startswith("fuse") else ""
