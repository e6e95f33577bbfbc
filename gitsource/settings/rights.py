"""
Who may receive what.

Rule: declarations alone; a SinkPolicy in the repository has the same form.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from gitsource.settings.units import FilePath, Globs, Words
from gitsource.settings.views import ViewNodes


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
