"""
Every setting of gitsource: grouped, frozen, plain declarations.

Rule: a setting is declared here once, with unit, default and consequence under it; the config file,
the flag ``--group-name``, the environment variable ``GITSOURCE_GROUP_NAME``, ``--help`` and
docs/settings.md all follow from the declaration. Flag wins over environment, environment over file.
Unknown keys are errors. How values are read and merged is in `gitsource.configuration`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

from gitsource.settings.doors import Admin, Identity, Listen, Tls, Tokens
from gitsource.settings.following import CredentialRow, LayerRow, Repository, Trust
from gitsource.settings.judging import Build, CollectionRow, Guard, References
from gitsource.settings.keeping import Audit, Keep, Log
from gitsource.settings.rights import Authorization
from gitsource.settings.serving import Limits, Secrets, Sinks, Xds
from gitsource.settings.triggers import Poll, Watch, Webhook
from gitsource.settings.units import FilePath, Seconds
from gitsource.settings.views import ViewRow


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings of one gitsource."""

    repository: Repository = field(default_factory=Repository)
    layers: tuple[LayerRow, ...] = ()
    """Instead of `repository`: several, the lowest first. Of a resource that more than one of them
    has, the highest one's is served. What collections name has to be beside the config file."""
    credentials: tuple[CredentialRow, ...] = ()
    """How to sign in to Git hosts, by the start of addresses. Secrets are in files or variables
    that the rows name."""
    state_dir: FilePath = FilePath("/var/lib/gitsource")
    """Mirror, last good snapshot, history and pins. One gitsource a directory; made with mode
    0700."""
    poll: Poll = field(default_factory=Poll)
    watch: Watch = field(default_factory=Watch)
    webhook: Webhook = field(default_factory=Webhook)
    insecure_webhook: bool = False
    """Take webhook deliveries without `webhook.secret_file`: whoever reaches the door can cause
    looks at the repository. And let deliveries that carry the secret itself (`webhook.host`) come
    in over a network without `webhook.cert`. For trying things out, and behind a proxy that ends
    TLS in a closed network."""
    listen: Listen = field(default_factory=Listen)
    admin: Admin = field(default_factory=Admin)
    tls: Tls = field(default_factory=Tls)
    identity: Identity = field(default_factory=Identity)
    tokens: Tokens = field(default_factory=Tokens)
    insecure: bool = False
    """Serve sinks in plaintext on an address of a network: whoever is on the way reads everything,
    and nobody proves who they are. And dial sinks with `tls: none`, and fetch from `http://`, over
    a network. For closed networks and for trying things out."""
    default_namespace: str = "default"
    """Namespace of a document that names none."""
    unknown_kinds: Literal["ignore", "warn", "error"] = "ignore"
    """What a document of a kind that no collection takes is. Ignored ones are counted in status."""
    gateway_api: Literal["ignore", "warn", "error"] = "warn"
    """What a Gateway API document is that no collection of yours takes: istiod reads that kind from
    the cluster alone. Whatever `error` finds holds the revision."""
    collections: tuple[CollectionRow, ...] = ()
    """User-defined collections, besides the built-in ones."""
    views: tuple[ViewRow, ...] = ()
    """Which resources are for which nodes. Without any, every node sees everything; with some, a
    node sees what the views that take it show together, and nothing if none does."""
    authorization: Authorization = field(default_factory=Authorization)
    limits: Limits = field(default_factory=Limits)
    sinks: Sinks = field(default_factory=Sinks)
    references: References = field(default_factory=References)
    secrets: Secrets = field(default_factory=Secrets)
    trust: Trust = field(default_factory=Trust)
    guard: Guard = field(default_factory=Guard)
    xds: Xds = field(default_factory=Xds)
    build: Build = field(default_factory=Build)
    keep: Keep = field(default_factory=Keep)
    audit: Audit = field(default_factory=Audit)
    log: Log = field(default_factory=Log)
    drain: Seconds = Seconds(10.0)
    """On SIGTERM: how long sinks get to finish what is being sent to them."""
    folder: FilePath = field(default=FilePath("."), metadata={"derived": True})
    """Not a setting: the config file's folder, from which relative schema paths count."""

    @property
    def repositories(self) -> tuple[Repository, ...]:
        """What is followed: the repository of each layer, or the single one."""
        return tuple(row.repository for row in self.layers) or (self.repository,)

    def of_layer(self, row: LayerRow) -> Settings:
        """Return these settings as they are for one layer, followed alone."""
        trust = replace(self.trust, since=row.since)
        return replace(self, repository=row.repository, trust=trust, layers=())

    @property
    def each(self) -> tuple[tuple[str, Settings], ...]:
        """Name and settings of each layer; of a single repository, these under no name."""
        rows = tuple((row.name, self.of_layer(row)) for row in self.layers)
        return rows or (("", self),)
