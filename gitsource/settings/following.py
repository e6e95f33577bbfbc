"""
Which configuration is followed, how gitsource signs in, and whose commits count.

Rule: declarations alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from gitsource.settings.units import FilePath, FilePaths, Seconds, Words


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
