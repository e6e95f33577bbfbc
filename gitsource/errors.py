"""
Everything gitsource raises on purpose, and whose fault each branch is.

    GitsourceError
    ├── ConfigurationError     the operator: a setting, a flag or a file that was given is wrong
    ├── StateError             the operator's machine: the state directory cannot be read or written
    ├── MirrorError            the repository could not be read; the last good snapshot stays up
    │   ├── RemoteUnreachable  the network or the Git host: nothing was learned about the repository
    │   │   └── AccessRefused  the operator: a key, token, certificate or host key that does not fit
    │   ├── RefMissing         the repository answers, but the ref that is followed is not in it
    │   └── GitFailed          git itself refused or died
    │       └── OutOfBounds    the operator: the disk is full, or a limit of the settings was met
    ├── RevisionRejected       the repository: a revision was read and is not fit to publish
    ├── ExchangeError          a sink broke the protocol: its stream ends, nobody else is affected
    │   └── OverLimit          a sink asked for more than the settings allow
    └── NotASource             the operator: what a sink of ours dialled does not speak MCP

Rule: foreign errors are translated once, at the edge where they appear, ``from`` the original. The
message says what happened and to what; `hint` says what to do next.
"""

from __future__ import annotations

from typing import Generic, TypeVar

FindingT = TypeVar("FindingT")


class GitsourceError(Exception):
    """Base of all errors raised on purpose; *hint* is the next step for the one who reads it."""

    fault = "gitsource"

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class ConfigurationError(GitsourceError):
    """A setting, flag or file that the operator gave is wrong."""

    fault = "operator"


class StateError(GitsourceError):
    """The state directory cannot be read or written."""

    fault = "operator"


class MirrorError(GitsourceError):
    """The repository could not be read; what was published before stays published."""

    fault = "repository"


class RemoteUnreachable(MirrorError):
    """
    The Git host did not answer in time, or not at all.

    *kind* tells the causes apart for programs: ``dns``, ``refused``, ``proxy``, ``redirect``,
    ``repository``, ``authentication``, ``permission``, ``tls``, ``host-key``, ``credentials``;
    empty: another.
    """

    fault = "network"

    def __init__(self, message: str, *, hint: str = "", kind: str = "") -> None:
        super().__init__(message, hint=hint)
        self.kind = kind


class AccessRefused(RemoteUnreachable):
    """One side does not trust the other: credentials, certificates or host keys do not fit."""

    fault = "operator"


class RefMissing(MirrorError):
    """The repository was reached and does not have the ref (or any commit on it)."""


class GitFailed(MirrorError):
    """git ended with an error that says nothing more specific."""


class OutOfBounds(GitFailed):
    """What git would write or hold is more than the disk has or the settings allow."""

    fault = "operator"


class RevisionRejected(GitsourceError, Generic[FindingT]):
    """A revision was read and judged; *findings* say what is wrong with it, each with its place."""

    fault = "repository"

    def __init__(self, message: str, findings: tuple[FindingT, ...], *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.findings = findings


class ExchangeError(GitsourceError):
    """A sink sent what the protocol does not allow; its stream is closed, others go on."""

    fault = "sink"


class OverLimit(ExchangeError):
    """A sink asked for more than the settings allow."""


class NotASource(GitsourceError):
    """A sink reached a server that is no MCP source, so trying again would not help."""

    fault = "operator"
