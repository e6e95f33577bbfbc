"""
The Git host, asked as serve would ask it: with the same git, credentials, proxies and deadlines.

Rule: read only. A bare repository in a temporary folder stands in for the mirror; refs are listed
and nothing is fetched. Whether pushing would be possible is seen from what the host answers before
a push; none is begun.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from gitsource.doctor.check import Check
from gitsource.errors import AccessRefused, GitsourceError, MirrorError, RemoteUnreachable
from gitsource.git import refs, verbs
from gitsource.git.address import Address, address
from gitsource.git.command import Git
from gitsource.git.credentials import for_settings
from gitsource.git.refs import Fixed, Highest
from gitsource.git.remote import Remote
from gitsource.settings.whole import Settings

PATIENCE = 30.0
"""Seconds one question to the Git host may take at most."""

_NO_PUSH = re.compile(
    r"(?i)returned error: 40[0-9]|not enabled|not permitted|not allowed|denied|read.?only|archived|"
    r"authentication failed|could not read username|unauthorized|forbidden|"
    r"invalid command|exit code 126|could not read from remote"
)
"""How hosts say that this one may not push here."""


@dataclass(frozen=True, slots=True)
class Answers:
    """What the Git host said."""

    checks: tuple[Check, ...]
    head: str = ""
    """The commit (or tag) that would be followed, if that was said."""


@contextmanager
def asked(settings: Settings) -> Iterator[tuple[Git, Path, Address]]:
    """Give what the host is asked with; the folder is gone afterwards."""
    credentials = for_settings(settings.credentials, settings.folder)
    git = Git(timeout=min(settings.repository.timeout, PATIENCE), credentials=credentials)
    with tempfile.TemporaryDirectory(prefix="gitsource-doctor-") as folder:
        git_dir = Path(folder) / "asking.git"
        git_dir.mkdir(mode=0o700)
        git.run(verbs.init(git_dir, "sha1"))
        where = address(settings.repository.url)
        if where.local is not None:
            from gitsource.git.command import SERVED_CONFIG, served

            (git_dir / SERVED_CONFIG).write_text(served(where.local), encoding="utf-8")
        yield git, git_dir, where


def ask(settings: Settings) -> Answers:
    """Return whether the repository can be read, has what is followed, and could be pushed to."""
    with asked(settings) as (git, git_dir, where):
        try:
            reached, head = _followed(settings, git, git_dir, where)
        except RemoteUnreachable as error:
            return Answers(tuple(_not_reached(where, error)))
        except GitsourceError as error:
            wrong = Check("credentials", "failed", str(error), error.hint)
            return Answers((*_host_key(where, known=False), wrong))
        checks = [*_host_key(where, known=True), *reached]
        checks.append(_push(git, git_dir, where))
        return Answers(tuple(checks), head)


def _host_key(where: Address, *, known: bool) -> Iterator[Check]:
    if where.scheme == "ssh" and known:
        yield Check("host key", "ok", f"{where.host} has the key that known_hosts says")


def _not_reached(where: Address, error: RemoteUnreachable) -> Iterator[Check]:
    """Say which check it was that failed."""
    if error.kind == "host-key":
        yield Check("host key", "failed", str(error), error.hint)
        yield Check("credentials", "skipped", "the host is not trusted")
        return
    yield from _host_key(
        where, known=isinstance(error, AccessRefused) and error.kind != "credentials"
    )
    yield Check("credentials", "failed", str(error), error.hint)


def _followed(
    settings: Settings, git: Git, git_dir: Path, where: Address
) -> tuple[list[Check], str]:
    """Return whether the repository can be read and has what is followed, and where that is."""
    meant, remote = refs.wanted(settings.repository), Remote(git, where)
    heads = remote.refs(git_dir, "heads")
    branches = "1 branch" if len(heads) == 1 else f"{len(heads)} branches"
    read = Check("credentials", "ok", f"{where.url} can be read, {branches}")
    if isinstance(meant, Fixed):
        return [read, Check("ref", "ok", f"commit {meant.commit[:12]}: found out by fetching")], ""
    if isinstance(meant, Highest):
        tags = remote.refs(git_dir, "tags")
        name = meant.of(tags)
        found = tags.get(name, "") if name else ""
    else:
        name = meant.ref
        listed = git.run(verbs.ls_remote_ref(git_dir, where, name), most=4 << 20)
        pairs = (line.split("\t", 1) for line in listed.decode("utf-8", "replace").splitlines())
        known = {pair[1]: pair[0] for pair in pairs if len(pair) == 2}
        found = known.get(f"{name}^{{}}") or known.get(name, "")
    if not found:
        error = remote.missing(git_dir, meant, None)
        return [read, Check("ref", "failed", str(error), error.hint)], ""
    return [read, Check("ref", "ok", f"{name} ({meant.why}) is at {found[:12]}")], found


def _push(git: Git, git_dir: Path, where: Address) -> Check:
    """Return whether what we sign in with could push, as far as the host says so."""
    could = Check(
        "read only",
        "warning",
        "the host would take a push from these credentials; gitsource never pushes",
        "give it a read-only key or token: whoever gets hold of it can then change nothing",
    )
    if where.local is not None:
        writable = os.access(where.local, os.W_OK)
        mine = replace(could, text=f"{where.local} can be written by this user", hint=
                       "let another user own it, or mount it read-only")  # fmt: skip
        return mine if writable else Check("read only", "ok", f"{where.local} cannot be written")
    told = verbs.LIST_FOR_PUSH if where.scheme in {"http", "https"} else b""
    try:
        git.run(verbs.may_push(git_dir, where), stdin=told, most=16 << 20)
    except MirrorError as error:
        if isinstance(error, AccessRefused) or _NO_PUSH.search(str(error)):
            return Check("read only", "ok", "the host would not take a push from these credentials")
        return Check("read only", "skipped", f"nobody can tell: {error}")
    return could
