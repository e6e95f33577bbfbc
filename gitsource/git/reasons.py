"""
Why a git process failed, in our words: its standard error translated once, here. Pure.

Rule: the text comes from a stranger (the remote writes to it too). It is bounded, neutralised and
rid of credentials before it is quoted, and decides nothing but the kind of the error.
"""

from __future__ import annotations

import re
import signal

from gitsource.errors import GitFailed, MirrorError, RefMissing, RemoteUnreachable
from gitsource.git.verbs import Command
from gitsource.observe.neutral import neutral, without_credentials

_LONGEST = 600
_TELLING = ("fatal:", "error:", "ssh:", "!", "warning: rejected")
_HOST_KEY = re.compile(r"(?i)host key verification failed|remote host identification has changed")
_SIGN_IN = re.compile(
    r"(?i)authentication failed|could not read (?:username|password)|permission denied|"
    r"terminal prompts disabled|returned error: 40[13]|access denied"
)
_NO_REF = re.compile(r"(?i)could(?:n't| not) find remote ref")
_SHALLOW = re.compile(r"(?im)^warning: rejected .* because shallow|shallow update not allowed")
_FSCK = re.compile(r"(?i)fsck error|invalid [a-z]+ object|error in packed object")
_AWAY = re.compile(
    r"(?i)could(?:n't| not) resolve|unable to access|connection (?:refused|timed out|reset)|"
    r"could not read from remote|does not appear to be a git repository|hung up|early eof|"
    r"unexpected disconnect|rpc failed|repository .*not found|no route to host|expected flush|"
    r"network is unreachable|unable to connect|operation timed out|unable to look up"
)
_FULL = re.compile(r"(?i)no space left on device|disk quota exceeded|read-only file system")
_DIVERGED = re.compile(r"\[rejected\].*\(non-fast-forward\)")
_MISSING = re.compile(
    r"(?i)promisor remote|missing (?:blob|tree|commit)|could not read|bad object|unable to read"
)


class DivergedError(GitFailed):
    """The followed ref was moved to a commit that does not follow from the last one fetched."""


HALF = "objects are missing: fetch the whole history (not --depth or --filter)"


def hint_for(stderr: bytes) -> str:
    """Return what to do about a reading git that failed, if that can be told."""
    return HALF if _MISSING.search(stderr.decode("utf-8", "replace")) else ""


def quoted(stderr: bytes) -> str:
    """Return the lines of *stderr* that say why, fit to be shown."""
    told = stderr.decode("utf-8", "replace").replace("\r", "\n")
    lines = [line.strip() for line in told.split("\n") if line.strip()]
    telling = [line for line in lines if line.startswith(_TELLING)]
    text = "; ".join(dict.fromkeys(telling or lines[-3:]))
    text = neutral(without_credentials(text))
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def passed_over(command: Command, stderr: bytes) -> bool:
    """
    Tell whether a step that ended well did not do what it was for.

    git (2.39) leaves the ref alone and only warns when the remote's history is cut off.
    """
    found = _SHALLOW.search(stderr.decode("utf-8", "replace"))
    return command.remote is not None and found is not None


def failure(command: Command, code: int, stderr: bytes) -> MirrorError:
    """Return the error for a *command* that ended with exit *code* (negative: by a signal)."""
    text = stderr.decode("utf-8", "replace")
    why = quoted(stderr) or _signal(code)
    if command.remote is None:
        return GitFailed(f"git {command.step} failed: {why}", hint=hint_for(stderr))
    where = command.remote.url
    if code == -signal.SIGXFSZ:
        return GitFailed(f"git {command.step}: {where} sent more than one file may hold")
    if _NO_REF.search(text):
        return RefMissing(f"the followed ref is not in {where}")
    for pattern, kind, hint in _KINDS:
        if pattern.search(text):
            return kind(f"git {command.step} of {where} failed: {why}", hint=hint)
    return GitFailed(f"git {command.step} of {where} failed: {why}")


_KINDS: tuple[tuple[re.Pattern[str], type[MirrorError], str], ...] = (
    (
        _HOST_KEY,
        RemoteUnreachable,
        "the host's key is not the one in known_hosts: check it out of band, then add it there",
    ),
    (
        _SIGN_IN,
        RemoteUnreachable,
        "the Git host refuses: check the user, token or key, and that it may read this repository",
    ),
    (_FULL, GitFailed, "the mirror cannot be written: check the space left in state_dir"),
    (_DIVERGED, DivergedError, ""),
    (_SHALLOW, GitFailed, "the upstream's history is cut off (shallow): give it all of it"),
    (
        _FSCK,
        GitFailed,
        "git refuses an object of the repository: `git fsck` there says which commit has it",
    ),
    (_AWAY, RemoteUnreachable, "check the address, the network and the Git host"),
)


def _signal(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"ended by signal {-code}"
