"""
When gitsource looks: poll, watch, webhook.

Rule: declarations alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from gitsource.settings.units import Address, Bytes, FilePath, Seconds, Words


@dataclass(frozen=True, slots=True)
class Poll:
    """The safety net under all other triggers."""

    interval: Seconds = Seconds(30.0)
    """How often to look for a new revision. Spread by a tenth so that replicas do not march."""
    max_backoff: Seconds = Seconds(300.0)
    """After failures the interval doubles up to this."""


@dataclass(frozen=True, slots=True)
class Watch:
    """Noticing at once that a repository on this machine moved."""

    enabled: bool = True
    """Watch the refs of a `file://` repository with the kernel's file events; others are polled."""


@dataclass(frozen=True, slots=True)
class Webhook:
    """Looking at once when a Git host says so; the payload is only a hint."""

    listen: Address | None = None
    """Where deliveries are taken (`POST /webhook`). Absent: off."""
    secret_file: FilePath | None = None
    """File with the shared secret, one a line (several while rotating), each of 12 bytes or more;
    lines that begin with `#` are comments. Required with `listen`, unless `insecure_webhook` is
    set. GitLab's signing token starts with `whsec_`."""
    max_body: Bytes = Bytes(3 * 1024 * 1024)
    """Larger deliveries are refused with 413 before they are read; at most 25 MiB."""
    host: Literal[
        "auto",
        "github",
        "gitlab",
        "gitea",
        "forgejo",
        "gogs",
        "bitbucket-cloud",
        "bitbucket-data-center",
        "azure-devops",
        "gitee",
        "generic",
    ] = "auto"
    """Whose deliveries are taken. `auto`: each is taken for what its headers say. Better named:
    then nothing else is understood."""
    cert: FilePath | None = None
    """File with the certificate chain (PEM) that is shown to Git hosts. Absent: plaintext, for a
    proxy that ends TLS; on a network only of a `host` that signs, or with `insecure_webhook`."""
    key: FilePath | None = None
    """File with its private key. Required with `cert`."""
    header: str = "X-Webhook-Secret"
    """Header in which Azure DevOps, which signs nothing, may carry the secret; it may use basic
    authentication as well."""
    allow_sha1: bool = False
    """Accept deliveries that are signed with SHA-1 alone, as very old Git hosts do."""
    repositories: Words = Words(())
    """Further addresses of the repository, as the Git host tells them. A delivery about any other
    is ignored. They are compared and never fetched."""
    rate: int = 120
    """Accepted deliveries a minute that are looked at at once; more are looked at together, a bit
    later."""
