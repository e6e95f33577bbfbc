"""
`gitsource authz`: who may receive what, and why, without a server.

Rule: translation only; the policy is the server's own, and nothing is asked of anybody. What is
printed is for operators: a sink is never told any of it.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gitsource.cli.options import config_option, pairs
from gitsource.cli.output import json_line
from gitsource.errors import ConfigurationError
from gitsource.observe.neutral import neutral

if TYPE_CHECKING:
    from gitsource.model import Snapshot
    from gitsource.publish.showing.access import Era
    from gitsource.security.peer import Peer
    from gitsource.settings.whole import Settings

MEANS = {"spiffe://": "mtls", "dns:": "mtls", "ip:": "mtls", "cn:": "mtls", "jwt:": "jwt"}
"""By what somebody proved an identity that begins so."""


@click.group("authz")
def authz() -> None:
    """
    Explain who may receive what.

    Exit codes: 0 done, 1 nothing may be received, 2 usage or environment.
    """


@authz.command("test")
@click.option(
    "--as",
    "identity",
    required=True,
    metavar="ID",
    help="spiffe://..., dns:NAME, ip:ADDRESS, cn:NAME, jwt:SUBJECT@ISSUER, dial:NAME, or `nobody`.",
)
@click.option("--claim", multiple=True, metavar="K=V", callback=pairs, help="Claim of its token.")
@click.option("--dns", multiple=True, metavar="NAME", help="DNS name of its certificate.")
@click.option("--ip", multiple=True, metavar="ADDRESS", help="IP address of its certificate.")
@click.option("--node", metavar="ID", help="Node ID that it tells.")
@click.option("--cluster", default="", metavar="NAME", help="Cluster that it tells.")
@click.option("--meta", multiple=True, metavar="K=V", callback=pairs, help="Node metadata.")
@click.option(
    "--protocol",
    type=click.Choice(["mcp", "mcp-legacy", "mcp-dial", "xds", "xds-delta"]),
    default="xds",
    show_default=True,
    help="What it speaks.",
)
@click.option("--collection", metavar="NAME", help="Tell of this collection alone, with names.")
@config_option
@click.option(
    "--policy",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Rules in place of those of the settings: a file as authorization.policy_file names.",
)
@click.option("--repo", type=click.Path(path_type=Path), help="Repository whose rules count.")
@click.option("--revision", metavar="REV", help="Its revision, or one that is kept.  [HEAD]")
@click.option("--state-dir", type=click.Path(path_type=Path), help="State directory to read.")
@click.option("--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
def authz_test(
    *,
    identity: str,
    claim: dict[str, str],
    dns: tuple[str, ...],
    ip: tuple[str, ...],
    node: str | None,
    cluster: str,
    meta: dict[str, str],
    protocol: str,
    collection: str | None,
    config: Path | None,
    policy: Path | None,
    repo: Path | None,
    revision: str | None,
    state_dir: Path | None,
    output: str,
) -> None:
    """
    Say what a sink that is ID may receive, and which rules say so.

    Every rule is told with why it is or is not about the sink. How many resources that comes to is
    counted in a revision of --repo, or in what --state-dir (or that of the settings) has.

    Exit codes: 0 it may receive something (of --collection, if given); 1 nothing; 2 usage or
    environment.
    """
    from gitsource.publish.words import Node

    settings = _settings(config, policy)
    snapshot = _snapshot(settings, config, repo, revision, state_dir)
    era = _era(settings, snapshot)
    peer = _peer(identity, claim, dns, ip)
    told = None if node is None and not meta and not cluster else Node(node or "", cluster, meta)
    found = _explained(era, snapshot, peer, told, protocol, collection, settings)
    if output == "json":
        json_line(found)
    else:
        sys.stdout.writelines(f"{neutral(line)}\n" for line in _lines(found))
    raise SystemExit(0 if found["receives"] else 1)


def _settings(config: Path | None, policy: Path | None) -> Settings:
    from gitsource.cli.offline import settings_for

    flags: dict[str, str | None] = {}
    if policy is not None:
        flags["authorization.policy_file"] = str(policy)
    return settings_for(config, flags)


def _snapshot(
    settings: Settings,
    config: Path | None,
    repo: Path | None,
    revision: str | None,
    state_dir: Path | None,
) -> Snapshot | None:
    """Return the snapshot that is meant, if one is, or there is one where the settings say."""
    from gitsource.cli.snapshot import find

    if repo is None and revision is None and state_dir is None:
        try:
            return find(None, None, None, config)
        except ConfigurationError:
            if settings.authorization.repository_file:
                raise
            return None
    return find(revision, state_dir, repo, config)


def _era(settings: Settings, snapshot: Snapshot | None) -> Era:
    from gitsource.publish.showing.access import Access
    from gitsource.settings_checks.sinks_door import over_tls
    from gitsource.snapshot.cache import SnapshotCache

    required = over_tls(settings) and settings.tls.clients == "require"
    access = Access(
        SnapshotCache(),
        settings.views,
        settings.authorization,
        guarded=required or settings.tokens.jwks_file is not None,
    )
    era = access.at(snapshot) if snapshot is not None else access.start()
    if era is None:
        raise ConfigurationError(
            "the rules are in the repository", hint="name it with --repo, or --state-dir"
        )
    return era


def _peer(
    identity: str, claims: dict[str, str], dns: tuple[str, ...], ips: tuple[str, ...]
) -> Peer:
    """Return the peer that is meant: what its identity says, and what else it proves."""
    from gitsource.security.peer import NOBODY, Peer

    if identity == "nobody":
        if claims or dns or ips:
            raise click.UsageError("nobody proves nothing: leave --claim, --dns and --ip out")
        return NOBODY
    begins = next((each for each in MEANS if identity.startswith(each)), "")
    if not begins and not identity.startswith("dial:"):
        raise click.UsageError(
            f"--as {identity!r}: expected spiffe://..., dns:, ip:, cn:, jwt:, dial: or nobody"
        )
    if claims and begins != "jwt:":
        raise click.UsageError(
            "--claim goes with --as jwt:...: a certificate counts before a token"
        )
    if (dns or ips) and begins == "jwt:":
        raise click.UsageError(
            "--dns and --ip are of a certificate, and --as jwt:... shows a token"
        )
    name = identity.removeprefix(begins)
    return Peer(
        means="jwt" if begins == "jwt:" else "mtls",
        spiffe_id=identity if begins == "spiffe://" else "",
        dns=((name,) if begins == "dns:" else ()) + dns,
        ips=((name,) if begins == "ip:" else ()) + ips,
        common_name=name if begins == "cn:" else "",
        claims=claims,
        identity=identity,
    )


def _explained(
    era: Era,
    snapshot: Snapshot | None,
    peer: Peer,
    node: Any,
    protocol: str,
    only: str | None,
    settings: Settings,
) -> dict[str, Any]:
    from gitsource.security.authorize.documents import COLLECTION
    from gitsource.security.authorize.explain import explain
    from gitsource.security.identity import Unproved
    from gitsource.security.supposed import supposed

    try:
        peer = supposed(peer, settings)
    except Unproved as error:
        return {
            "identity": peer.identity or None,
            "protocol": protocol,
            "refused": str(error),
            "open": era.open,
            "rights": "nothing",
            "group": None,
            "rules": [],
            "revision": snapshot.revision.commit if snapshot is not None else None,
            "collections": None,
            "receives": False,
        }
    rights = era.rights(peer, node, protocol)
    told = explain(era.book, peer, node, protocol)
    found: dict[str, Any] = {
        "identity": peer.identity or None,
        "protocol": protocol,
        "refused": None,
        "open": era.open,
        "rights": str(rights),
        "group": rights.group,
        "rules": [rule.as_json() for rule in told.rules],
        "revision": snapshot.revision.commit if snapshot is not None else None,
        "collections": None,
        "receives": not (rights.nothing if only is None else era.views.denies(only, rights)),
    }
    if snapshot is None:
        return found
    seen = era.seen(snapshot, node, rights)
    kept = [name for name in snapshot.collections if name != COLLECTION and only in {None, name}]
    found["collections"] = {
        name: {"receives": len(seen.collection(name)), "of": len(snapshot.collection(name))}
        | ({"names": list(seen.collection(name).names)} if only else {})
        for name in kept
    }
    found["receives"] = any(row["receives"] for row in found["collections"].values())
    return found


def _lines(found: dict[str, Any]) -> list[str]:
    """Return the explanation for people."""
    who = found["identity"] or "nobody in particular"
    if found["refused"]:
        return [f"{who}, over {found['protocol']}: not let in: {found['refused']}"]
    lines = [f"{who}, over {found['protocol']}: {found['rights']}"]
    if found["open"]:
        lines.append("  there are no rules: every sink may receive everything")
    for rule in found["rules"]:
        about = "matches" if rule["matches"] else f"does not match: {rule['why_not']}"
        lines.append(
            f"  {rule['where']} {rule['rule']} ({rule['effect']} {rule['resources']}): {about}"
        )
    if found["collections"] is None:
        return [*lines, "  no revision to count in: name one with --repo or --state-dir"]
    lines.append(f"of revision {found['revision'][:12]}:")
    for name, row in found["collections"].items():
        lines.append(f"  {name}: {row['receives']} of {row['of']}")
        lines += [f"    {each}" for each in row.get("names", ())]
    return lines
