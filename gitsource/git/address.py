"""
What an operator may write as a repository, a ref or a revision: checked before any process starts.

Rule: allow-lists, never deny-lists. Whatever these functions let through cannot be read by git as
an option, a remote helper (``ext::``) or a host that ssh takes for an option; the verbs put it
behind ``--end-of-options`` all the same. Pure: nothing here touches the disk or the network.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

from gitsource.errors import ConfigurationError
from gitsource.observe.neutral import neutral, without_credentials

ACCEPTED = "file:///path, https://host/path, http://host/path, ssh://user@host/path, user@host:path"

_CONTROL = re.compile("[\x00-\x1f\x7f]")
_URL = re.compile(
    r"(?P<scheme>https?|ssh)://(?:(?P<user>[^/@:\\\s]+)(?::(?P<password>[^/@\\\s]*))?@)?"
    r"(?P<host>[A-Za-z0-9_](?:[A-Za-z0-9._-]*)|\[[0-9A-Fa-f:.]+\])"
    r"(?::(?P<port>[0-9]{1,5}))?(?P<path>/[^?#]*)?"
)
_SCP = re.compile(
    r"(?P<user>[A-Za-z0-9_][A-Za-z0-9._+-]*)@"
    r"(?P<host>[A-Za-z0-9_][A-Za-z0-9._-]*|\[[0-9A-Fa-f:.]+\]):(?P<path>[^:-].*)"
)
_SSH_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+-]*")


@dataclass(frozen=True, slots=True)
class Address:
    """A repository that may be fetched from."""

    url: str
    """What git is given: no user name or password of an http(s) URL is in it."""
    scheme: str
    """``file``, ``http``, ``https`` or ``ssh``."""
    local: Path | None = None
    """The folder of a ``file`` address."""
    username: str = field(default="", repr=False)
    """The user of an http(s) address with credentials; often a token, so a secret too."""
    password: str = field(default="", repr=False)
    """The password of such an address; a secret."""

    @property
    def host(self) -> str:
        """Host of a network address, without brackets; empty for a ``file`` address."""
        return self._host_and_port()[0]

    @property
    def port(self) -> int:
        """Port of a network address, given or usual; 0 for a ``file`` address."""
        return self._host_and_port()[1]

    @property
    def origin(self) -> str:
        """Scheme, host and port of an http(s) address, the port only if it is given."""
        return "/".join(self.url.split("/", 3)[:3])

    def _host_and_port(self) -> tuple[str, int]:
        if self.local is not None:
            return "", 0
        found = _URL.fullmatch(self.url) or _SCP.fullmatch(self.url)
        if found is None:
            return "", 0
        port = found.groupdict().get("port") or {"http": 80, "https": 443}.get(self.scheme, 22)
        return found["host"].strip("[]"), int(port)


def address(text: str) -> Address:
    """Return the repository address in *text*; raises ConfigurationError for any other kind."""
    if text.startswith("/"):
        return _local(text)
    if text.startswith("file:///"):
        return _local(unquote(text.removeprefix("file://")))
    if _CONTROL.search(unquote(text)):
        raise _refused(text)
    found = _URL.fullmatch(text)
    if found is not None:
        return _remote(found)
    if _SCP.fullmatch(text):
        return Address(text, "ssh")
    raise _refused(text)


def _refused(text: str) -> ConfigurationError:
    shown = neutral(without_credentials(_harmless(text)))[:200]
    return ConfigurationError(
        f"repository.url: {shown!r} is not an address that gitsource fetches from",
        hint=f"write one of {ACCEPTED}",
    )


def _harmless(text: str) -> str:
    """Return *text* without what may be a secret in an address of whatever form."""
    bare = re.split(r"[?#]", text, maxsplit=1)
    cut = bare[0] + ("?***" if len(bare) > 1 else "")
    scheme, colon, rest = cut.partition("://")
    start, rest = (scheme + colon, rest) if colon else ("", cut)
    return f"{start}***@{rest.rpartition('@')[2]}" if "@" in rest else cut


def _local(path: str) -> Address:
    if _CONTROL.search(path) or path.strip("/") == "":
        raise _refused(path)
    return Address("file://" + path.replace("%", "%25"), "file", Path(path))


def _remote(found: re.Match[str]) -> Address:
    scheme, user, password = found["scheme"], found["user"], found["password"]
    if found["port"] is not None and not 0 < int(found["port"]) < 65536:
        raise _refused(found[0])
    if scheme == "ssh":
        # ssh asks for passwords itself and never here (BatchMode); keys are the way.
        if password is not None or (user is not None and not _SSH_USER.fullmatch(user)):
            raise ConfigurationError(
                "repository.url: an ssh address takes a plain user name and no password",
                hint="use a key: ssh://user@host/path with the key in ~/.ssh or in an agent",
            )
        if found["path"] in {None, "/"}:
            raise _refused(found[0])
        return Address(found[0], scheme)
    host = found["host"] + (f":{found['port']}" if found["port"] else "")
    url = f"{scheme}://{host}{found['path'] or '/'}"
    return Address(url, scheme, None, unquote(user or ""), unquote(password or ""))


# --------------------------------------------------------------------------- refs and revisions

_BAD_IN_REF = re.compile(
    r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|/\.|\.lock(?:/|\Z)|\.\Z|\A[./-]|/\Z|\A@\Z"
)
_HEX = re.compile(r"[0-9a-f]{4,64}", re.IGNORECASE)
_STEPS = re.compile(r"(?:[~^][0-9]{0,5})*\Z")


def is_ref_name(text: str) -> bool:
    """Tell whether *text* is a ref name by git's rules, and cannot be taken for an option."""
    if not text or len(text) > 1000 or _BAD_IN_REF.search(text):
        return False
    return not any("\ud800" <= character <= "\udfff" for character in text)


def full_ref(text: str) -> str:
    """
    Return the full name of the ref that the setting `repository.ref` names.

    A name that starts with ``refs/`` and ``HEAD`` (the remote's default branch) stand for
    themselves, anything else is a branch. Raises ConfigurationError for what is no ref name.
    """
    if not is_ref_name(text):
        raise ConfigurationError(
            f"repository.ref: {neutral(text)[:200]!r} is not a ref name",
            hint="write a branch such as `main`, or a full name such as `refs/tags/v1`",
        )
    return text if text == "HEAD" or text.startswith("refs/") else f"refs/heads/{text}"


@dataclass(frozen=True, slots=True)
class Spec:
    """A revision as an operator types it: a commit id or a ref, and steps back from there."""

    base: str
    """A full or shortened commit id, a ref name, or ``HEAD``."""
    steps: str = ""
    """``~2``, ``^`` and the like."""

    @property
    def is_hex(self) -> bool:
        """Whether the base can be a commit id."""
        return _HEX.fullmatch(self.base) is not None

    def __str__(self) -> str:
        return self.base + self.steps


def spec(text: str) -> Spec:
    """Return the revision that *text* names; raises ConfigurationError if it cannot be one."""
    found = _STEPS.search(text[:1200])
    steps = found[0] if found else ""
    base = text[: len(text) - len(steps)]
    base = "HEAD" if base == "@" else base
    if len(text) > 1100 or len(steps) > 100 or not is_ref_name(base):
        raise ConfigurationError(
            f"{neutral(text)[:200]!r} does not name a revision",
            hint="write a commit id, a branch or a tag; ~N goes N commits back",
        )
    return Spec(base, steps)
