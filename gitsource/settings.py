"""
Every setting of gitsource: grouped, frozen, plain declarations.

Rule: a setting is declared here once, with unit, default and consequence under it; the config file,
the flag ``--group-name``, the environment variable ``GITSOURCE_GROUP_NAME``, ``--help`` and
docs/settings.md all follow from the declaration. Flag wins over environment, environment over file.
Unknown keys are errors. How values are read and merged is in `gitsource.configuration`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal, NewType, TypeAlias

Seconds = NewType("Seconds", float)
"""Written ``500ms``, ``30s``, ``5m``, ``1h`` or a plain number of seconds."""
Bytes = NewType("Bytes", int)
"""Written ``512KiB``, ``4MiB``, ``1GiB`` or a plain number of bytes."""
Address = NewType("Address", str)
"""``host:port``; an IPv6 host in brackets; port 0 takes any free one."""
Door = NewType("Door", str)
"""The same, or ``unix:`` and the absolute path of a Unix socket."""
FilePath = NewType("FilePath", str)
"""A path on this machine; a relative one in the config file counts from that file's folder."""
FilePaths = NewType("FilePaths", tuple[str, ...])
"""A list of such paths; as one text they are separated by commas."""
Share = NewType("Share", float)
"""A part of a whole: ``0.5`` or ``50%``."""
Words = NewType("Words", tuple[str, ...])
"""A list of texts; in a flag or a variable separated by commas."""
Globs = NewType("Globs", tuple[tuple[str, str], ...])
"""A mapping of keys to globs: `*` any text, `?` any character, `[ab]` one of them."""
Severity: TypeAlias = Literal["warning", "error", "off"]
"""What a finding counts as; `off`: it is not made."""
Severities = NewType("Severities", tuple[tuple[str, Severity], ...])
"""A mapping of codes to severities; in a flag or a variable ``GS403=error,GS412=off``."""


@dataclass(frozen=True, slots=True)
class Repository:
    """Which configuration is followed."""

    url: str = ""
    """The repository: `file://`, `https://`, `http://`, `ssh://` or `user@host:path`. Required by
    `serve`, unless there are `layers`. Whoever may push to it decides what the mesh does."""
    ref: str = "main"
    """The ref that is followed: a branch or a full ref name. What follows says it more exactly; of
    several that are given `commit` counts, then `name`, `semver`, `tag`, `branch`, and `ref`
    last."""
    branch: str | None = None
    """A branch, in place of `ref`."""
    tag: str | None = None
    """A tag, annotated or not. It is looked at again and again: one that was moved is followed, and
    told."""
    semver: str | None = None
    """The highest of the tags in this range of versions (`>=1.2 <2`, `~1.4`, `^1.0`, `1.x`), with
    or without a `v`. Pre-releases only where the range names one of the same version
    (`>=2.0.0-rc.1`)."""
    name: str | None = None
    """Any ref by its full name: `refs/pull/7/head`, `refs/heads/main`."""
    commit: str | None = None
    """One commit, by its whole id, for good. It is asked for by that id, or looked for on `branch`
    (or `ref`) where the Git host gives none by id."""
    path: str = ""
    """Folder inside the repository to which gitsource keeps; empty: all of it."""
    include: Words = Words(())
    """Patterns of the files that count, in the syntax of `.gitignore`, from the repository's root
    (`/mesh/`, `*.mesh.yaml`); none: all."""
    ignore: Words = Words(())
    """Patterns of files that do not count, in the same syntax (`examples/`, `!*.keep.yaml`); they
    are neither read nor judged. At most 200 of 300 bytes. A change has everything judged anew."""
    depth: int = 0
    """How many commits a new mirror fetches at first; 0: all. Older commits and trees follow as far
    as they are needed to tell when files came to be, which a file as old as the repository makes
    all of them. Makes the mirror partial, as `filter` does."""
    filter: Literal["none", "blob:none"] = "none"
    """`blob:none`: a partial mirror. Contents are fetched when they are to be judged, in one go a
    revision; needs a Git host that gives objects by id. For repositories with much besides
    configuration. A change has the mirror fetched anew."""
    timeout: Seconds = Seconds(120.0)
    """How long one git step may take before its process group is killed and the sync has failed."""
    non_fast_forward: Literal["allow", "hold", "deny"] = "allow"
    """What a ref is that was moved to a commit which does not follow from what went out last (a
    forced push). `allow`: it is followed, and the old head is kept. `hold`: it is judged and held
    until `gitsource allow`, or a line `Gitsource-Allow: rewind` in the new head's message, lets it
    through. `deny`: it is an error; nothing lets it through but this setting."""


@dataclass(frozen=True, slots=True)
class LayerRow:
    """One of several repositories, or folders, that are composed into one snapshot."""

    name: str
    """What it is called: files are told of as `NAME:path`, its mirror is `mirrors/NAME.git`."""
    repository: Repository = field(default_factory=Repository)
    """Which configuration it is, as `repository` says it of a single one. `url` is required."""
    overrides: Literal["warning", "error", "off"] = "warning"
    """What it is if this layer has a resource that a lower one has too. `warning`: it has the
    other's place, and that is told (GS215). `error`: it must not, and is held. `off`: it has the
    other's place, as it is meant to."""
    since: str | None = None
    """`trust.since` of this layer."""


@dataclass(frozen=True, slots=True)
class GitHubApp:
    """A GitHub App that may read the repository: its key gets it tokens of an hour."""

    app_id: int = 0
    """Number of the App."""
    installation_id: int = 0
    """Number of its installation at the organisation or user that has the repository."""
    private_key_file: FilePath | None = None
    """File with the App's private key (PEM, RSA)."""
    api_url: str = "https://api.github.com"
    """GitHub's API; `https://HOST/api/v3` for a GitHub Enterprise Server."""


@dataclass(frozen=True, slots=True)
class CredentialRow:
    """How gitsource signs in where addresses start with a prefix, and how it gets there."""

    prefix: str = ""
    """Start of addresses, up to a slash: `https://git.example.com/acme` or `ssh://git.example.com`.
    The longest one that fits an address is used, alone. Required."""
    username: str | None = None
    """User for `password_file` or `password_env`; many Git hosts take any with a token."""
    password_file: FilePath | None = None
    """File with a password or token, sent as HTTP basic. All files of a row are read again at each
    fetch."""
    password_env: str | None = None
    """Instead: the environment variable that has it."""
    token_file: FilePath | None = None
    """File with a bearer token."""
    token_env: str | None = None
    """Instead: the environment variable that has it."""
    github_app: GitHubApp = field(default_factory=GitHubApp)
    """Instead: a GitHub App."""
    ssh_key: FilePath | None = None
    """File with the private key for ssh. Absent: the agent's keys."""
    ssh_passphrase_file: FilePath | None = None
    """File with the passphrase of `ssh_key`."""
    known_hosts: FilePath | None = None
    """File with the keys of hosts, as ssh has it. Required for ssh; no other file counts, and no
    key is ever added."""
    client_cert: FilePath | None = None
    """File with the certificate (PEM) that is shown to the Git host over TLS."""
    client_key: FilePath | None = None
    """File with its private key; absent: it is in `client_cert`."""
    ca: FilePath | None = None
    """File with the certificates that may vouch for the Git host; absent: those of this machine."""
    proxy: str | None = None
    """Way to an HTTP(S) Git host: `http://`, `https://`, `socks5://` or `socks5h://host:port` (with
    `h` the proxy looks names up). Then no proxy of the environment counts."""
    proxy_credentials_file: FilePath | None = None
    """File with `user:password` for the proxy."""


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
    """File with the shared secret, one a line (several while rotating). Required with `listen`,
    unless `insecure_webhook` is set. GitLab's signing token starts with `whsec_`."""
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
    proxy that ends TLS."""
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


@dataclass(frozen=True, slots=True)
class Listen:
    """Where sinks and operators reach gitsource."""

    mcp: Address = Address("127.0.0.1:9901")
    """The gRPC server for sinks. On a network it needs `tls.cert` (or `tls.workload_api`), or
    `insecure`."""
    admin: Door = Door("127.0.0.1:9902")
    """HTTP for operators: health, metrics, status and commands. Also `unix:/run/gitsource.sock`,
    for this user and root alone. On a network it needs `admin.cert`, and `admin.tokens` or
    `admin.identities`; or `insecure`."""


@dataclass(frozen=True, slots=True)
class AdminToken:
    """Whoever has one of these tokens is let in at `listen.admin`."""

    name: str
    """Who that is, in status and audit log."""
    file: FilePath | None = None
    """File with the token, 16 characters at least; several, one a line, while rotating. Looked at
    again at each request. Required."""
    role: Literal["viewer", "operator"] = "viewer"
    """`viewer` reads, `operator` also gives orders."""


@dataclass(frozen=True, slots=True)
class AdminIdentity:
    """Whoever shows a certificate of such a name is let in at `listen.admin`."""

    identity: str = ""
    """Pattern of the identity (`spiffe://prod/ns/ops/sa/*`, `dns:ada.example.com`): `*` is any text
    without a slash, `**` any. The trust domain is written out. Required."""
    role: Literal["viewer", "operator"] = "viewer"
    """`viewer` reads, `operator` also gives orders."""


@dataclass(frozen=True, slots=True)
class Admin:
    """Who may do what at `listen.admin`. Without tokens and identities: whoever reaches it."""

    cert: FilePath | None = None
    """File with the certificate chain (PEM) that is shown there. Absent: plaintext. Files of TLS
    are looked at again and again, as those of `tls`."""
    key: FilePath | None = None
    """File with its private key. Required with `cert`."""
    ca: FilePath | None = None
    """File with the certificates that may vouch for operators. Required for `identities`."""
    crl: FilePath | None = None
    """File with certificates of operators that were revoked."""
    tokens: tuple[AdminToken, ...] = ()
    """Bearer tokens, each with a role."""
    identities: tuple[AdminIdentity, ...] = ()
    """Certificates, each with a role. The first that fits counts."""
    open: Words = Words(("/healthz", "/readyz"))
    """Paths that need neither: any of `/healthz`, `/readyz` and `/metrics`. What stands in the way
    of readiness is told to nobody but who may read."""


@dataclass(frozen=True, slots=True)
class CollectionRow:
    """A user-defined collection: its resources are Structs, or messages that it names."""

    name: str
    """The name sinks subscribe to, e.g. `acme/v1/flags`."""
    api_version: str | None = None
    """Documents with this apiVersion and `kind` belong to it."""
    kind: str | None = None
    """See `api_version`."""
    path: str | None = None
    """Instead: every document of the files that match this glob (`flags/**/*.yaml`)."""
    schema: str | None = None
    """JSON Schema for the whole document: a file beside the config file, or else in the repository
    at the revision that is judged."""
    message: str | None = None
    """Full name of the protobuf message that the body is, checked field by field. Without
    `api_version`, `kind` and `path`, documents belong to the collection by their `@type`."""
    descriptor_set: str | None = None
    """Compiled descriptor set that has `message`: a file beside the config file, or else in the
    repository. Not needed for the messages of Envoy's v3 API."""
    protos: str | None = None
    """Instead: a folder of `.proto` files beside the config file (needs `gitsource[protos]`)."""


@dataclass(frozen=True, slots=True)
class ViewLocality:
    """Where a node has to run; every part that is given."""

    region: Words = Words(())
    """Globs of the region its locality names."""
    zone: Words = Words(())
    """Globs of the zone."""
    sub_zone: Words = Words(())
    """Globs of the sub-zone."""


@dataclass(frozen=True, slots=True)
class ViewNodes:
    """Whom a view takes: nodes that match every part that is given."""

    ids: Words = Words(())
    """Globs of the node ID (`sidecar~*~*.shop~*`). `*` is any text, `?` any character."""
    clusters: Words = Words(())
    """Globs of the node's cluster."""
    metadata: Globs = Globs(())
    """Keys of the node's metadata (a classic sink's annotations), each with a glob of its text."""
    locality: ViewLocality = field(default_factory=ViewLocality)
    """Globs of region, zone and sub-zone: `{zone: ["eu-1?"]}`."""


@dataclass(frozen=True, slots=True)
class ViewResources:
    """What a view shows: resources that match every part that is given."""

    namespaces: Words = Words(())
    """Globs of the namespace: what stands before the only slash of the name, else empty."""
    labels: Globs = Globs(())
    """Labels that the resource has to have, each with a glob of its value."""
    annotations: Globs = Globs(())
    """Annotations that it has to have, each with a glob of its value."""
    collections: Words = Words(())
    """Globs of the collection's name."""


@dataclass(frozen=True, slots=True)
class ViewRow:
    """One view: which resources are for which nodes."""

    name: str
    """What the status calls it."""
    nodes: ViewNodes = field(default_factory=ViewNodes)
    """Whom it takes; absent: every node."""
    resources: ViewResources = field(default_factory=ViewResources)
    """What it shows; absent: everything."""


@dataclass(frozen=True, slots=True)
class Subject:
    """Which sinks a rule is about: those that match every part that is given."""

    spiffe: Words = Words(())
    """Patterns of the SPIFFE ID (`spiffe://prod/ns/*/sa/istiod`): `*` is any text within a part of
    the path, `**` as the last part any further ones."""
    trust_domains: Words = Words(())
    """Trust domains of the SPIFFE ID; `*` is any text."""
    dns: Words = Words(())
    """DNS names of the certificate; `*` is any text between two dots."""
    ips: Words = Words(())
    """IP addresses of the certificate: addresses or networks (`10.0.0.0/8`)."""
    identities: Words = Words(())
    """Names by which the log and the status call whoever proved it (`cn:mixer`, `dial:edge`): `*`
    is any text without a slash, `**` as the last part any further ones."""
    claims: Globs = Globs(())
    """Claims of the token, each with a glob of its text: `{sub: "system:serviceaccount:*"}`. A dot
    leads into a mapping; of a list, one element has to match."""
    any: Literal["none", "known", "all"] = "none"
    """In place of all these: `known` is whoever proved who they are, `all` is everybody."""
    protocols: Words = Words(())
    """What the sink has to speak: globs of `mcp`, `mcp-legacy`, `mcp-dial`, `xds`, `xds-delta`."""
    nodes: ViewNodes = field(default_factory=ViewNodes)
    """What the node has to say of itself as well. Nobody checks that, so it never is enough."""


@dataclass(frozen=True, slots=True)
class RuleResources:
    """Which resources a rule is about: those that match every part that is given."""

    namespaces: Words = Words(())
    """Globs of the namespace: what stands before the only slash of the name, else empty."""
    labels: Globs = Globs(())
    """Labels that the resource has to have, each with a glob of its value."""
    annotations: Globs = Globs(())
    """Annotations that it has to have, each with a glob of its value."""
    collections: Words = Words(())
    """Globs of the collection's name."""
    views: Words = Words(())
    """Names of `views`: one of them has to show the resource, whomever it takes."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of a policy: which sinks may receive what."""

    title: str = ""
    """What status, log and explanations call it; absent: its place."""
    to: Subject = field(default_factory=Subject)
    """Which sinks it is about. Required."""
    resources: RuleResources = field(default_factory=RuleResources)
    """Which resources it is about. Required; all: `{collections: ["*"]}`."""
    effect: Literal["allow", "only", "deny"] = "allow"
    """`allow`: they may receive these. `only`: they may, and nobody else, whatever other rules
    allow. `deny`: they may not, whatever other rules allow."""


@dataclass(frozen=True, slots=True)
class Authorization:
    """Which sinks may receive what. Whatever no rule allows is denied."""

    policy: tuple[Rule, ...] = ()
    """The rules. Without any, and without `repository_file`, every sink may receive everything,
    unless sinks have to show certificates: then none may receive anything."""
    policy_file: FilePath | None = None
    """Instead: a YAML file with these under the key `policy`; read again on SIGHUP."""
    repository_file: str | None = None
    """Files in the repository with further rules (SinkPolicy): a glob of paths, `authz/*.yaml`.
    They go out with the revision, and are never sent to sinks. Needs `ceiling`."""
    ceiling: tuple[Rule, ...] = ()
    """What the rules in the repository may allow at most: rules as in `policy`. Whoever may push
    decides within these bounds."""


@dataclass(frozen=True, slots=True)
class Tls:
    """What gitsource shows to sinks at `listen.mcp`, and whose certificates it takes there."""

    cert: FilePath | None = None
    """File with the certificate chain (PEM) that is shown. Absent: plaintext, which needs a
    loopback address or `insecure`. All files of TLS are looked at again and again; a change counts
    for new connections, and files that are no good leave the last good ones in force."""
    key: FilePath | None = None
    """File with its private key (PEM, no passphrase). Required with `cert`."""
    ca: FilePath | None = None
    """File with the certificates that may vouch for sinks. Required unless `clients` is `none`."""
    crl: FilePath | None = None
    """File with certificates that were revoked (PEM): a list of each authority that issues to
    sinks. Open connections of what is revoked are ended. A list that has run out lets nobody in."""
    workload_api: str | None = None
    """In place of `cert`, `key` and `ca`: the SPIFFE Workload API (`unix:///run/spire/agent.sock`).
    Needs `gitsource[spiffe]`."""
    clients: Literal["require", "optional", "none"] = "require"
    """`require`: who has no good certificate is not let in. `optional`: who shows none needs a
    token if `tokens.jwks_file` is set, and else is nobody in particular. `none`: none is asked
    for; the same then."""
    min_version: Literal["1.2", "1.3"] = "1.3"
    """The oldest TLS that is spoken. Sinks of classic MCP may need `1.2`."""
    reload: Seconds = Seconds(5.0)
    """How often files (or the Workload API) are looked at."""


@dataclass(frozen=True, slots=True)
class TrustDomain:
    """A SPIFFE trust domain whose IDs count."""

    name: str
    """`prod.example.org`: what stands between `spiffe://` and the next slash."""
    ca: FilePath | None = None
    """File with the certificates that may vouch for IDs of this domain, and for nothing else.
    Absent: `tls.ca`, or the bundle of the Workload API."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What of a certificate says who a sink is."""

    names: Words = Words(("spiffe",))
    """What counts, best first: `spiffe` (an X.509-SVID of `trust_domains`), `dns`, `ip`, `cn`. Who
    has none of them is not let in."""
    trust_domains: tuple[TrustDomain, ...] = ()
    """The SPIFFE trust domains whose IDs count. With the Workload API and without any: its own."""
    expired: Literal["end", "keep"] = "end"
    """What becomes of a stream when the certificate or token by which it was let in runs out.
    `keep`: it goes on; only new ones are not let in."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """Bearer tokens (JWT, in `authorization`) for sinks that cannot show a certificate."""

    jwks_file: FilePath | None = None
    """File with the public keys (a JWKS) of who issues them; looked at again and again. Absent:
    tokens say nothing."""
    issuer: str = ""
    """What `iss` has to be. Required with `jwks_file`."""
    audience: str = ""
    """What `aud` has to name. Required with `jwks_file`: a token for another server is no good."""
    algorithms: Words = Words(("RS256", "ES256", "PS256", "EdDSA"))
    """How they may be signed; only with keys whose public part is enough."""
    skew: Seconds = Seconds(30.0)
    """By how much clocks may differ; at most 5m."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds that keep a hostile or broken peer from hurting others."""

    file_bytes: Bytes = Bytes(1024 * 1024)
    """A larger configuration file holds the revision; its size is asked before it is read."""
    files: int = 200_000
    """A revision with more configuration files than this is held."""
    documents: int = 2000
    """Documents in one file."""
    depth: int = 64
    """Nesting of one document."""
    nodes: int = 200_000
    """Values in one file, each use of an alias counted again: this is what stops alias bombs."""
    fetch_bytes: Bytes = Bytes(16 * 1024 * 1024 * 1024)
    """The largest file that a git step may write: a fetch that brings a larger pack is ended, and
    nothing of it is kept."""
    fetch_memory: Bytes = Bytes(4 * 1024 * 1024 * 1024)
    """Memory that a git process may fill, files it maps aside: one that wants more ends."""
    streams: int = 4096
    """Open sink streams; one more is refused with RESOURCE_EXHAUSTED."""
    streams_each: int = 1024
    """Open streams and calls of one identity, or of one address as long as nobody knows who is
    there (this machine's own addresses tell nobody apart, and have no share of their own)."""
    new_streams: int = 200
    """New streams and calls a second of one of those; after a quiet time `streams_each` at once."""
    connections: int = 4352
    """Open connections of sinks; one more is closed at once."""
    connections_each: int = 1024
    """Open connections over TLS of one identity or address, as above."""
    handshake: Seconds = Seconds(10.0)
    """A TLS handshake that takes longer is given up."""
    keepalive: Seconds = Seconds(30.0)
    """After so much silence a sink is asked whether it is there, and has two thirds of it to
    answer."""
    requests: int = 1000
    """Requests a second of one stream beside its answers to pushes; ten times as many at once. A
    stream that brings more is ended."""
    metadata_bytes: Bytes = Bytes(16 * 1024)
    """Metadata (headers) of one call; a call with more is refused."""
    request_bytes: Bytes = Bytes(32 * 1024 * 1024)
    """The largest request a sink may send; an incremental sink sends a version for each resource it
    holds."""
    subscriptions: int = 1024
    """Collections (xDS: types) one stream may ask for."""
    names: int = 100_000
    """Single resources one xDS stream may ask for by name, or say that it has."""
    push_bytes: Bytes = Bytes(1024 * 1024 * 1024)
    """The largest message that is sent; a stream that would need a larger one is ended."""
    push_bytes_in_flight: Bytes = Bytes(64 * 1024 * 1024)
    """Large pushes being written at one time, over all sinks: peak memory follows this."""
    stalled: Seconds = Seconds(30.0)
    """A stream whose sink has not taken a push after this long is ended."""
    message_bytes: Bytes = Bytes(4092 * 1024)
    """The largest message that sinks of classic MCP are taken to accept: 4 MiB less a margin, what
    gRPC's are built with. An incremental sink gets more than that in several pushes."""


@dataclass(frozen=True, slots=True)
class DialRow:
    """One sink that gitsource dials, since that sink listens (`ResourceSink`)."""

    name: str
    """What it is called in status and log."""
    address: Address | None = None
    """Where it listens. Required."""
    tls: Literal["none", "simple", "mutual"] = "none"
    """`simple`: the sink proves who it is. `mutual`: gitsource does so too, with `cert` and
    `key`."""
    ca: FilePath | None = None
    """File with the certificates that may vouch for the sink; absent: those of this machine."""
    cert: FilePath | None = None
    """File with the certificate chain that gitsource shows."""
    key: FilePath | None = None
    """File with its private key. All these files are read again at each dial."""
    server_name: str | None = None
    """The name the sink's certificate is for, if it is not the host of `address`."""
    token_file: FilePath | None = None
    """File with a bearer token that each stream carries; over TLS only."""


@dataclass(frozen=True, slots=True)
class Sinks:
    """What sinks are told, who is dialled, and what becomes of one that refuses."""

    on_nack: Literal["hold", "return"] = "hold"
    """A sink that refuses (NACKs) a part of a snapshot: `hold` keeps what it accepted of it,
    `return` sends it back to the last snapshot that it accepted as a whole."""
    metadata: Words = Words(())
    """Pairs such as `mesh=prod` that go with each stream as gRPC metadata, beside
    `config.source.version`."""
    dial: tuple[DialRow, ...] = ()
    """Sinks that listen and are dialled. Others dial `listen.mcp`."""


@dataclass(frozen=True, slots=True)
class Xds:
    """How xDS clients are brought from one snapshot to the next."""

    removal_timeout: Seconds = Seconds(5.0)
    """What is gone stays until all that may refer to it was accepted, and what refers to something
    new waits for that; both at most this long, so that no client waits for ever."""


@dataclass(frozen=True, slots=True)
class Build:
    """How revisions are judged and encoded."""

    workers: int = 2
    """Processes for bulk work (a cold start, a changed schema). While something is served they run
    niced, and one core is left to the server."""
    bulk: int = 1000
    """From this many files on a revision is built by the worker processes."""


@dataclass(frozen=True, slots=True)
class References:
    """What one document says of another: gateways, subsets, hosts, delegates, selectors."""

    severity: Severity = "warning"
    """What findings about references count as. An `error` holds the revision."""
    codes: Severities = Severities(())
    """The same for single codes, before `severity`: `{GS403: error, GS412: off}`."""
    service_hosts: Words = Words(())
    """Globs of the hosts that exist beside those of the repository (`*.prod.svc.cluster.local`).
    Without any, nobody can tell which hosts do not exist, so GS405 is never found."""
    root_namespace: str = "istio-system"
    """The mesh's root namespace: what stands there is for all namespaces, known or not."""

    def of(self, code: str) -> Severity:
        """Return what a finding of *code* counts as."""
        return dict(self.codes).get(code, self.severity)


@dataclass(frozen=True, slots=True)
class Secrets:
    """Key material of Envoy resources: it belongs to the server, not into Git."""

    folder: FilePath | None = None
    """Folder with the files that Secrets name as `filename: gitsource://NAME`. They are read and
    watched by the server, so keys change without a commit."""
    inline: Literal["refuse", "allow"] = "refuse"
    """What a private key, password or token in an Envoy resource is. `refuse`: it holds the
    revision. `allow`: it is delivered, and is in Git and in the state directory as well."""


@dataclass(frozen=True, slots=True)
class PathSigners:
    """Who may change some paths."""

    path: str = ""
    """Glob of paths in the repository (`teams/shop/**`): `*` and `?` stay inside a folder, `**`
    crosses folders. Required. A path that several rows match has to satisfy each of them."""
    signers: Words = Words(())
    """Who may sign a change there: fingerprints of keys (OpenPGP: of the key or of one subkey, all
    hex digits; SSH: `SHA256:...`) and principals of `trust.allowed_signers`. Required."""


@dataclass(frozen=True, slots=True)
class Trust:
    """Whose commits go out: by signatures that are checked here, not by the Git host."""

    mode: Literal["none", "head", "since"] = "none"
    """`none`: whoever may push is trusted. `head`: the head, or the annotated tag that is followed,
    needs a good signature. `since`: each commit after `trust.since` needs one, merged ones too.
    What does not satisfy is held."""
    since: str | None = None
    """Commit (its whole id) after which `since` asks for signatures. Required with it. Another one
    has everything after it checked anew."""
    gpg_keys: FilePaths = FilePaths(())
    """Files with the armored OpenPGP public keys that may sign, revocations included. All these
    files are read again at each look."""
    allowed_signers: FilePath | None = None
    """File with the SSH keys that may sign, as `ssh-keygen` and git's `gpg.ssh.allowedSignersFile`
    have it. Times in it without a zone are UTC."""
    revoked_keys: FilePath | None = None
    """File with SSH keys that no longer count: a key revocation list, or public keys."""
    paths: tuple[PathSigners, ...] = ()
    """Who may change what, besides. Needs `mode: head` or `since`."""
    merge_commits: Words = Words(())
    """Signers (as in `trust.paths`) that count for merge commits alone: the key by which the Git
    host signs its merges."""


@dataclass(frozen=True, slots=True)
class Removals:
    """How much of a collection one revision may remove: it is held if both bounds are passed."""

    share: Share = Share(0.5)
    """Part of a collection's resources. `0`: the number alone counts; `1`: nothing is held."""
    count: int = 10
    """Number of resources. `0`: the share alone counts."""


@dataclass(frozen=True, slots=True)
class Guard:
    """Revisions that are sound and yet would do great harm."""

    empty: Literal["hold", "allow"] = "hold"
    """A revision that leaves no Cluster or no Listener where there were some (Envoy would drop all
    it has), or nothing at all. `hold`: it is held, unless a commit confirms it (`Gitsource-Allow:
    empty envoy/clusters`, or `empty all`, in its message) or an operator (`gitsource allow`)."""
    removals: Removals = field(default_factory=Removals)
    """How much may be removed at once, unless a commit (`Gitsource-Allow: removals COLLECTION`) or
    an operator confirms it."""


@dataclass(frozen=True, slots=True)
class Audit:
    """Who was let in, what was sent to whom, and who ordered what: lines that stay."""

    enabled: bool = True
    """Whether an audit log is kept."""
    file: FilePath | None = None
    """The file. Absent: `audit/audit.jsonl` in `state_dir`."""
    rotate_bytes: Bytes = Bytes(64 * 1024 * 1024)
    """Size at which a new file is begun; the old one is named after its first line."""
    rotate_after: Seconds = Seconds(86_400.0)
    """Age at which a new file is begun."""
    keep: int = 30
    """Ended files that stay; the oldest are removed."""
    fsync: Literal["always", "interval", "never"] = "interval"
    """When the disk is asked to keep what was written: after each batch of lines, once a second, or
    when it pleases. A killed process loses nothing that was written by any of them."""
    on_failure: Literal["continue", "stop-new"] = "continue"
    """What happens while the log cannot be written (a full disk). `continue`: an alarm, and all
    goes on. `stop-new`: no new stream is taken and no new revision goes out; those who are
    connected keep what they have. Both end by themselves."""
    queue: int = 50_000
    """Lines that wait to be written, at most; about 500 bytes of memory each."""
    on_full: Literal["drop", "fail"] = "drop"
    """What happens when they do not fit. `drop`: they are lost, counted, and a line says how many.
    `fail`: besides, `on_failure` holds until half of the queue is free."""


@dataclass(frozen=True, slots=True)
class Keep:
    """What stays on disk."""

    revisions: int = 50
    """How many published snapshots can be gone back to without building them again."""


@dataclass(frozen=True, slots=True)
class Log:
    """What is written to standard error."""

    format: Literal["text", "json"] = "text"
    """`json` writes one object a line."""
    level: Literal["debug", "info", "warning", "error"] = "info"
    """The least severe message that is written."""


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
    looks at the repository. For trying things out."""
    listen: Listen = field(default_factory=Listen)
    admin: Admin = field(default_factory=Admin)
    tls: Tls = field(default_factory=Tls)
    identity: Identity = field(default_factory=Identity)
    tokens: Tokens = field(default_factory=Tokens)
    insecure: bool = False
    """Serve sinks in plaintext on an address of a network: whoever is on the way reads everything,
    and nobody proves who they are. For closed networks and for trying things out."""
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
