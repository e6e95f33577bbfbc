"""
Whether a payload is about the configured repository, however either of them is written.

Rule: pure, and lenient: what is told is only compared, never fetched. Scheme, user, port, letter
case, ``.git`` and the second names of well-known hosts make no difference. Where there is nothing
to compare (a repository on this machine, a payload without an address) nothing is foreign.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import unquote

_URL = re.compile(
    r"[a-z][a-z0-9+.-]*://(?:[^/@]*@)?(?P<host>\[[^\]/]*\]|[^/:]*)(?::\d*)?(?P<path>/.*)"
)
_SCP = re.compile(r"(?:[^/@:]+@)?(?P<host>\[[^\]/]*\]|[^/:@]+):(?P<path>.+)")

ALIASES = {
    "www.github.com": "github.com",
    "ssh.github.com": "github.com",
    "altssh.gitlab.com": "gitlab.com",
    "www.bitbucket.org": "bitbucket.org",
    "altssh.bitbucket.org": "bitbucket.org",
    "ssh.dev.azure.com": "dev.azure.com",
    "vs-ssh.visualstudio.com": "dev.azure.com",
}
"""Other names under which a host's repositories are reached."""
_AZURE_FOLDERS = frozenset({"v3", "_git", "_ssh", "_full", "_optimized", "defaultcollection"})


def key(text: str) -> tuple[str, str] | None:
    """Return host and path of the address *text*, alike for all its forms; None if it has none."""
    lowered = text.strip().lower()
    if lowered.startswith("file:"):
        return None
    found = _URL.fullmatch(lowered) or (None if "://" in lowered else _SCP.fullmatch(lowered))
    if found is None or not found["host"]:
        return None
    host = found["host"].rstrip(".")
    path = _plain(unquote(found["path"]))
    if host.endswith(".visualstudio.com") and host not in ALIASES:
        host, path = "dev.azure.com", f"{host.partition('.')[0]}/{path}"
    host = ALIASES.get(host, host)
    if host == "dev.azure.com":
        parts = [part for part in path.split("/") if part not in _AZURE_FOLDERS]
        # A repository that is called like its project may be told without it.
        path = "/".join([*parts, parts[-1]] if len(parts) == 2 else parts)
    # Bitbucket Data Center has /scm/ in its http addresses and not in those of ssh.
    return host, path.removeprefix("scm/")


def _plain(path: str) -> str:
    return "/".join(filter(None, path.split("/"))).removesuffix(".git")


def foreign(told: Iterable[str], configured: Iterable[str]) -> bool:
    """Whether what a payload *told* (addresses, or ``owner/name``) is none of *configured*."""
    ours = set(filter(None, map(key, configured)))
    names, theirs = [], set()
    for each in told:
        one = key(each)
        if one is not None:
            theirs.add(one)
        elif "://" not in each:
            names.append(_plain(each.strip().lower()))
    if not ours or not (theirs or names):
        return False
    if theirs:
        return not ours & theirs
    return not any(f"/{path}".endswith(f"/{name}") for _, path in ours for name in names if name)
