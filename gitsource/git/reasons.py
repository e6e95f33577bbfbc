"""
Why a git process failed, in our words: its standard error translated once, here. Pure.

Rule: the text comes from a stranger (the remote writes to it too). It is bounded, neutralised and
rid of credentials before it is quoted, and decides nothing but the kind of the error.
"""

from __future__ import annotations

import re
import signal
from collections.abc import Callable

from gitsource.errors import (
    AccessRefused,
    GitFailed,
    MirrorError,
    OutOfBounds,
    RefMissing,
    RemoteUnreachable,
)
from gitsource.git.verbs import Command
from gitsource.observe.neutral import neutral, without_credentials

_LONGEST = 600
_TELLING = ("fatal:", "error:", "ssh:", "!", "warning: rejected")
_HOST_KEY = re.compile(
    r"(?i)host key verification failed|remote host identification has changed|"
    r"revoked host key detected|no matching host key type"
)
_SIGN_IN = re.compile(
    r"(?i)authentication failed|could not read (?:username|password)|terminal prompts disabled|"
    r"returned error: 401|permission denied \([a-z,-]+\)|too many authentication failures|"
    r"no supported authentication methods"
)
_PERMISSION = re.compile(r"(?i)returned error: 403|access denied|permission denied|not authorized")
_PROXY = re.compile(
    r"(?i)\bproxy\b|connect tunnel failed|socks|http code [0-9]+ from proxy|returned error: 407"
)
_PROXY_SIGN_IN = re.compile(r"(?i)\b407\b|authenticat|rejected by the socks|login")
_TLS = re.compile(
    r"(?i)certificate|gnutls|ssl_connect|ssl_read|ssl_error|\bssl:|\btls\b|openssl/|"
    r"unable to set private key file|wrong version number"
)
_REDIRECT = re.compile(r"(?i)returned error: 30[1278]|unable to update url base from redirect")
_NAME = re.compile(
    r"(?i)could(?:n't| not) resolve|name or service not known|unable to look up|"
    r"temporary failure in name resolution|no address associated"
)
_REFUSED = re.compile(
    r"(?i)connection refused|failed to connect|could(?:n't| not) connect|unable to connect"
)
_NOT_THERE = re.compile(
    r"(?i)repository .*not found|does not appear to be a git repository|returned error: 404"
)
_NO_REF = re.compile(r"(?i)could(?:n't| not) find remote ref")
_SHALLOW = re.compile(r"(?im)^warning: rejected .* because shallow|shallow update not allowed")
_FSCK = re.compile(r"(?i)fsck error|invalid [a-z]+ object|error in packed object")
_AWAY = re.compile(
    r"(?i)unable to access|connection (?:timed out|reset|closed)|could not read from remote|"
    r"hung up|early eof|unexpected disconnect|rpc failed|no route to host|expected flush|"
    r"network is unreachable|operation timed out"
)
_FULL = re.compile(
    r"(?i)no space left on device|disk quota exceeded|read-only file system|"
    r"insufficient permission for adding|unable to create (?:temporary file|')"
)
_TOO_LARGE = re.compile(
    r"(?i)died of signal 25|file too large|file size limit exceeded|"
    r"\A\s*(?:fatal|error): fetch-pack: invalid index-pack output\s*\Z"
)
_NO_MEMORY = re.compile(
    r"(?i)(?:cannot|unable to) create (?:async )?thread|out of memory|cannot allocate memory|"
    r"unable to fork|mmap failed"
)
_DIVERGED = re.compile(r"\[rejected\].*\(non-fast-forward\)")
_MISSING = re.compile(
    r"(?i)promisor remote|missing (?:blob|tree|commit)|could not read|bad object|unable to read"
)


_LOCKED = re.compile(r"(?i)\.lock'?: File exists")
# What git says in a repository that has lost something.
_OURS = re.compile(
    r"(?i)bad config|"
    r"not a git repository|bad object|object file .* is (?:empty|corrupt)|unresolved deltas|"
    r"loose object .* is corrupt|packfile .* (?:cannot be|does not match)|bad signature|"
    r"did not (?:receive expected object|send all necessary objects)|missing (?:blob|tree|commit)|"
    r"unable to (?:resolve reference|read tree|read sha1 file)|index file .* is too small"
)


def is_ours(said: str) -> bool:
    """Tell whether a fetch that failed with *said* may go well in a mirror made anew."""
    if _LOCKED.search(said):
        return True
    return _OURS.search(said) is not None and not _FSCK.search(said) and not _FULL.search(said)


class DivergedError(GitFailed):
    """The followed ref was moved to a commit that does not follow from the last one fetched."""


HALF = "objects are missing: fetch the whole history (not --depth or --filter)"


# A commit that was asked for by its id: it is not there, or the host gives none by id.
_NOT_GIVEN = re.compile(
    r"(?i)upload-pack: not our ref|does not allow request for unadvertised object"
)


def hint_for(stderr: bytes) -> str:
    """Return what to do about a reading git that failed, if that can be told."""
    return HALF if _MISSING.search(stderr.decode("utf-8", "replace")) else ""


def quoted(stderr: bytes) -> str:
    """Return the lines of *stderr* that say why, fit to be shown."""
    told = stderr.decode("utf-8", "replace").replace("\r", "\n")
    lines = [line.strip() for line in told.split("\n") if line.strip()]
    lines = [line for line in lines if line not in {"error:", "fatal:"}]
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


def failure(
    command: Command, code: int, stderr: bytes, *, proxy: str = "", unknown: str = ""
) -> MirrorError:
    """
    Return the error for a *command* that ended with exit *code* (negative: by a signal).

    *proxy* is the ``host:port`` of the proxy that it was to use, if any; *unknown* is what to do
    where the host does not know us, if that is known better here.
    """
    why = quoted(stderr) or _signal(code)
    if command.remote is None:
        return GitFailed(f"git {command.step} failed: {why}", hint=hint_for(stderr))
    where = command.remote.url
    if code == -signal.SIGXFSZ:
        return OutOfBounds(f"git {command.step}: {where} sent too much", hint=_LESS)
    # What the other side says about itself decides nothing.
    text = "\n".join(
        line
        for line in stderr.decode("utf-8", "replace").replace("\r", "\n").split("\n")
        if not line.startswith("remote:")
    )
    # Nor do names that the operator chose: a repository may be called `proxy`.
    text = text.replace(where, "").replace(where.rstrip("/") + "/", "")
    if _NO_REF.search(text) or _NOT_GIVEN.search(text):
        return RefMissing(f"the followed ref is not in {where}")
    told = f"git {command.step} of {where} failed: {why}"
    if proxy and (_REFUSED.search(text) or _NAME.search(text)) and _names(text, proxy):
        return RemoteUnreachable(told, hint=f"the proxy {proxy} is not reached", kind="proxy")
    for pattern, make in _KINDS:
        if pattern.search(text):
            error = make(told, text)
            error.hint = unknown if unknown and pattern is _SIGN_IN else error.hint
            return error
    return GitFailed(told, hint="see what listens there: `git ls-remote` of the address, by hand")


def _names(text: str, proxy: str) -> bool:
    host, _, port = proxy.rpartition(":")
    host = host.strip("[]")
    return f"{host} port {port}" in text or f"resolve host: {host}" in text


def _failed(hint: str) -> Callable[[str, str], MirrorError]:
    return lambda told, _: GitFailed(told, hint=hint)


def _bounds(hint: str) -> Callable[[str, str], MirrorError]:
    return lambda told, _: OutOfBounds(told, hint=hint)


def _away(kind: str, hint: str) -> Callable[[str, str], MirrorError]:
    return lambda told, _: RemoteUnreachable(told, hint=hint, kind=kind)


def _refused(kind: str, hint: str) -> Callable[[str, str], MirrorError]:
    return lambda told, _: AccessRefused(told, hint=hint, kind=kind)


def _by_proxy(told: str, text: str) -> MirrorError:
    if _PROXY_SIGN_IN.search(text):
        hint = "the proxy refuses: check proxy_credentials_file of the row in credentials"
        return AccessRefused(told, hint=hint, kind="proxy")
    hint = "the proxy failed, or may not connect there: check proxy of the row in credentials"
    return RemoteUnreachable(told, hint=hint, kind="proxy")


_LESS = (
    "what it sends is more than limits.fetch_bytes allows: raise that, or follow less "
    "(repository.depth, repository.filter)"
)

_KINDS: tuple[tuple[re.Pattern[str], Callable[[str, str], MirrorError]], ...] = (
    (
        _HOST_KEY,
        _refused(
            "host-key",
            "the host's key is not the one in known_hosts: check it out of band, then add it there",
        ),
    ),
    (_FULL, _bounds("the mirror cannot be written: check state_dir, its owner and the space left")),
    (_TOO_LARGE, _bounds(_LESS)),
    (
        _NO_MEMORY,
        _bounds("git got no memory: raise limits.fetch_memory, or give this machine more"),
    ),
    (_PROXY, _by_proxy),
    (
        _SIGN_IN,
        _refused(
            "authentication",
            "the Git host does not know us: check the user, token or key in credentials",
        ),
    ),
    (
        _PERMISSION,
        _refused(
            "permission",
            "the Git host refuses: the user, token or key may not read this repository",
        ),
    ),
    (
        _TLS,
        _refused(
            "tls",
            "the two sides do not trust each other's certificates: check ca, client_cert and "
            "client_key in credentials, and what the host serves",
        ),
    ),
    (
        _REDIRECT,
        _away(
            "redirect",
            "the host sends elsewhere, and a token or client certificate is not taken along: set "
            "repository.url to where it leads",
        ),
    ),
    (_DIVERGED, lambda told, _: DivergedError(told)),
    (_SHALLOW, _failed("the upstream's history is cut off (shallow): give it all of it")),
    (
        _FSCK,
        _failed("git refuses an object of the repository: `git fsck` there says which commit"),
    ),
    (_NAME, _away("dns", "the host's name is not found: check the address, DNS and the network")),
    (
        _REFUSED,
        _away("refused", "nothing listens there: check host and port, the network, a firewall"),
    ),
    (
        _NOT_THERE,
        _away(
            "repository",
            "check the path; many hosts say so too of what the user, token or key may not read",
        ),
    ),
    (_AWAY, _away("", "check the address, the network and the Git host")),
)


def _signal(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"ended by signal {-code}"
