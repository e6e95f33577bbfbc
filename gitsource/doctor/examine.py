"""
Every check in turn: from the name of the Git host to the ports, each with its next step.

Rule: what a check needs is looked at before it, and a check whose ground is missing is skipped
rather than failed, so the first failure is the one to mend. Nothing is changed anywhere.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path

from gitsource.configuration.catalogs import catalog_for
from gitsource.credential_rows import chosen
from gitsource.doctor import check, probes
from gitsource.doctor.check import Check
from gitsource.doctor.remote import Answers, ask
from gitsource.doors.papers import ends_of
from gitsource.errors import ConfigurationError, GitsourceError, MirrorError
from gitsource.git import changes, verbs
from gitsource.git.address import Address, address
from gitsource.git.command import Git
from gitsource.git.local import LocalRepository
from gitsource.git.mirror_files import folder_of
from gitsource.git.objects import Objects
from gitsource.git.signatures import Verifier, keys_of
from gitsource.git.signed import MalformedError, of_commit
from gitsource.model import shown
from gitsource.rollout import trust as policy
from gitsource.rollout.trust import Mark
from gitsource.security.from_settings import material_of, tokens_of
from gitsource.security.workload_api import WorkloadApi
from gitsource.settings.following import CredentialRow
from gitsource.settings.whole import Settings
from gitsource.settings_checks.plaintext import crossings
from gitsource.settings_checks.sinks_door import exposed, over_tls
from gitsource.triggers.secrets_file import read as read_secrets

PROXIES = {
    "https": ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"),
    "http": ("http_proxy", "all_proxy", "ALL_PROXY"),
}


def examine(settings: Settings, clock: Callable[[], float] = time.time) -> Iterator[Check]:
    """Yield what each check of `CHECKS` that applies comes to, as it is made."""
    yield from _timed(lambda: [_git()])
    seen: list[_Seen] = []
    for name, own in settings.each:
        for one in _repository(name, own, clock, seen):
            yield replace(one, layer=name)
    yield from _timed(lambda: [_schemas(settings, seen[0].head)])
    yield from _timed(lambda: [check.folder(probes.state_folder(Path(settings.state_dir)))])
    hosts = [one for one in seen if one.reached and one.where.scheme in {"http", "https"}]
    yield from _timed(lambda: [_clock((hosts or seen)[0], settings, clock)])
    yield from _timed(
        lambda: [check.plaintext(one.what, one.instead) for one in crossings(settings)]
    )
    yield from _timed(lambda: _door(settings, clock))
    yield from _timed(lambda: _admin(settings, clock))
    yield from _timed(lambda: _webhook(settings, clock))
    yield from _timed(lambda: [_ports(settings)])


@dataclass(frozen=True, slots=True)
class _Seen:
    """What was found out about one repository."""

    layer: str
    where: Address
    reached: bool
    head: str


def _repository(
    layer: str, settings: Settings, clock: Callable[[], float], seen: list[_Seen]
) -> Iterator[Check]:
    """Yield the checks of one repository, and put to *seen* what others build on."""
    where = address(settings.repository.url)
    row = chosen(settings.credentials, where.url) or CredentialRow()
    reached = True
    if where.local is None:
        for one in _way(where, row, clock):
            reached = reached and one.state != "failed"
            yield one
    answers = Answers(())
    if reached:
        began = time.perf_counter()
        answers = ask(settings)
        seconds = time.perf_counter() - began
        yield from (one.took(seconds) for one in answers.checks)
    else:
        yield Check("credentials", "skipped", "the host is not reached")
    told = {one.name for one in answers.checks}
    for name in ("ref", "read only"):
        if name not in told:
            yield Check(name, "skipped", "the repository is not read")
    yield from _timed(lambda: [_path(settings, where, answers.head, layer)])
    yield from _timed(lambda: [_signatures(settings, answers.head, layer)])
    seen.append(_Seen(layer, where, reached, answers.head))


def _timed(make: Callable[[], list[Check]]) -> Iterator[Check]:
    began = time.perf_counter()
    for one in make():
        yield one.took(time.perf_counter() - began)


def _git() -> Check:
    git = Git(timeout=probes.PATIENCE)
    try:
        git.check_version()
        told = git.run(verbs.version()).decode("utf-8", "replace").strip()
    except GitsourceError as error:
        return Check("git", "failed", str(error), error.hint or "install git 2.36 or later")
    return Check("git", "ok", f"{told} ({git.program})")


# --------------------------------------------------------------------------- the way there


def _way(where: Address, row: CredentialRow, clock: Callable[[], float]) -> Iterator[Check]:
    """Look at name, connection and certificate of the host, or of the proxy in between."""
    target = _target(where, row)
    if target is None:
        yield Check("dns", "skipped", "ssh goes through another host (ProxyJump or ProxyCommand)")
        return
    host, port, through = target
    who = f"{host}:{port}{' (proxy)' if through else ''}"
    began = time.perf_counter()
    try:
        found = probes.resolve(host, port)
    except OSError as error:
        hint = "check the name in repository.url, /etc/resolv.conf and the network"
        text = f"{host}: {error.strerror or error}"
        yield Check("dns", "failed", text, hint).took(time.perf_counter() - began)
        return
    yield Check("dns", "ok", f"{host}: {', '.join(found[:3])}").took(time.perf_counter() - began)
    began = time.perf_counter()
    try:
        taken = probes.connect(host, port)
    except OSError as error:
        hint = "check host and port, the network, a firewall in between"
        text = f"{who}: {error.strerror or error}"
        yield Check("tcp", "failed", text, hint).took(time.perf_counter() - began)
        return
    yield Check("tcp", "ok", f"{who} took a connection at {taken}").took(
        time.perf_counter() - began
    )
    if where.scheme == "https":
        began = time.perf_counter()
        yield _tls(where, row, clock, through=through).took(time.perf_counter() - began)


def _target(where: Address, row: CredentialRow) -> tuple[str, int, bool] | None:
    """Return which host and port is connected to, and whether that is a proxy."""
    if where.scheme == "ssh":
        if row.prefix or not (Path(os.environ.get("HOME") or "~").expanduser() / ".ssh").is_dir():
            return where.host, where.port, False
        found = probes.ssh_target(where.host, where.port)
        return (*found, False) if found is not None else None
    proxy = row.proxy or _proxy_of_environment(where)
    if not proxy:
        return where.host, where.port, False
    host, _, port = proxy.rpartition("://")[2].rpartition("@")[2].strip("/").rpartition(":")
    if not host or not port.isdigit():
        return where.host, where.port, False
    return host.strip("[]"), int(port), True


def _proxy_of_environment(where: Address) -> str:
    excepted = (os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or "").split(",")
    ends = [each.strip().lstrip(".") for each in excepted if each.strip()]
    if "*" in ends or any(where.host == end or where.host.endswith(f".{end}") for end in ends):
        return ""
    names = PROXIES[where.scheme]
    return next((os.environ[name] for name in names if os.environ.get(name)), "")


def _tls(where: Address, row: CredentialRow, clock: Callable[[], float], *, through: bool) -> Check:
    if through:
        return Check("tls", "skipped", "behind the proxy; git says below if it does not count")
    try:
        shown = probes.shown(where.host, where.port, row.ca)
    except OSError as error:
        hint = "nothing there speaks TLS: check scheme and port of repository.url"
        return Check("tls", "failed", f"{where.host}: {error.strerror or error}", hint)
    return check.certificate(where.host, shown, clock(), row.ca or "")


# --------------------------------------------------------------------------- the repository


def _path(settings: Settings, where: Address, head: str, layer: str) -> Check:
    """Look for `repository.path` in the head: on this machine, or as far as it was fetched."""
    path = settings.repository.path
    if not changes.inside(path):
        return Check("path", "ok", "the whole repository is followed")
    if not head:
        return Check("path", "skipped", "what is followed is not known")
    try:
        with ExitStack() as opened:
            if where.local is not None:
                found = LocalRepository(where.local, Git(timeout=probes.PATIENCE))
                objects: Objects | None = opened.enter_context(found).objects
            else:
                objects = _mirror(settings, layer)
                opened.callback(objects.close if objects is not None else bool)
            if objects is None or not objects.has(head):
                return Check("path", "skipped", "the head is not fetched yet")
            revision = objects.revision(head)
            there = objects.has_folder(revision.tree, path)
    except GitsourceError as error:
        return Check("path", "skipped", f"nobody can tell: {error}")
    if there:
        return Check("path", "ok", f"{shown(path)} is in {revision.short}")
    text = f"there is no folder {shown(path)} in {revision.short}: such a revision is held"
    return Check("path", "failed", text, "mend repository.path, or commit a file there")


def _signatures(settings: Settings, head: str, layer: str) -> Check:
    trust = settings.trust
    if trust.mode == "none":
        return Check("signatures", "ok", "none are asked for (trust.mode)")
    objects = _mirror(settings, layer)
    try:
        with closing(Verifier(keys_of(trust))) as verifier:
            if not head or objects is None or not objects.has(head):
                text = "the keys can be read; the head is not fetched yet"
                return Check("signatures", "ok", text)
            mark = _mark(objects, head, verifier)
    except MalformedError as error:
        return Check("signatures", "failed", f"the head's signature: {error}", "sign it anew")
    except GitsourceError as error:
        return Check("signatures", "failed", str(error), error.hint or "install the program")
    finally:
        if objects is not None:
            objects.close()
    wrong = policy.unsigned(mark, trust)
    if wrong is not None:
        hint = f"`gitsource explain rule {wrong.code}` says what to do"
        return Check("signatures", "failed", wrong.message, hint)
    return Check("signatures", "ok", f"{mark.name} has a signature that counts")


def _mark(objects: Objects, head: str, verifier: Verifier) -> Mark:
    revision = objects.revision(head)
    oid, _, raw = objects.raw(revision.commit)
    signed = of_commit(raw, "sha256" if len(oid) == 64 else "sha1")
    merge = len(changes.commit(oid, raw).parents) > 1
    name = f"commit {revision.short}"
    return Mark(name, revision.subject, merge=merge, signature=verifier.check(signed))


def _schemas(settings: Settings, head: str) -> Check:
    """
    Load the collections; what the repository has of them is read from the mirror, if it can.

    Layers have no say in them.
    """
    if settings.layers:
        return _own_schemas(settings)
    objects = _mirror(settings)
    missing: list[str] = []
    limit = settings.limits.file_bytes

    def read(name: str) -> bytes | None:
        try:
            there = objects is not None and bool(head) and objects.has(head)
            if objects is not None and there:
                return objects.file(objects.revision(head).tree, name, limit)
        except MirrorError:
            pass
        missing.append(name)
        return None

    try:
        catalog_for(settings, None)
        if objects is not None:
            catalog_for(settings, read)
    except ConfigurationError as error:
        if missing:
            names = ", ".join(sorted(set(missing))[:3])
            return Check("schemas", "skipped", f"{names}: in the repository, and not fetched yet")
        return Check("schemas", "failed", str(error), error.hint or "mend collections")
    finally:
        if objects is not None:
            objects.close()
    return _loaded(settings)


def _own_schemas(settings: Settings) -> Check:
    try:
        catalog_for(settings, lambda _name: None)
    except ConfigurationError as error:
        return Check("schemas", "failed", str(error), error.hint or "mend collections")
    return _loaded(settings)


def _loaded(settings: Settings) -> Check:
    rows = len(settings.collections)
    return Check("schemas", "ok", f"{rows} collections of the settings load" if rows else
                 "the built-in collections alone")  # fmt: skip


def _mirror(settings: Settings, layer: str = "") -> Objects | None:
    folder = folder_of(Path(settings.state_dir), layer)
    if not os.access(folder / "HEAD", os.R_OK):
        return None
    return Objects(Git(timeout=probes.PATIENCE), folder)


# --------------------------------------------------------------------------- this machine


def _clock(seen: _Seen, settings: Settings, clock: Callable[[], float]) -> Check:
    where = seen.where
    if where.scheme in {"http", "https"} and seen.reached:
        theirs = probes.date(where.scheme, where.host, where.port)
        if theirs is not None:
            return check.skew(theirs, clock(), where.host)
    objects = _mirror(settings, seen.layer)
    if objects is not None:
        try:
            head = objects.at(verbs.HEAD_REF)
            if head is not None:
                return check.newest_commit(objects.revision(head).committed_at, clock())
        except MirrorError:
            pass
        finally:
            objects.close()
    return Check("clock", "skipped", "no host tells the time, and no commit is fetched yet")


def _door(settings: Settings, clock: Callable[[], float]) -> list[Check]:
    """Check the sinks' door, if it has more to it than a port of this machine."""
    tls, open_ = over_tls(settings), exposed(settings)
    if not tls and not open_ and not settings.tokens.jwks_file:
        return []
    problem, ends = "", None
    try:
        if tls:
            agent = WorkloadApi(settings.tls.workload_api) if settings.tls.workload_api else None
            try:
                material = material_of(settings, agent)
                material.load()
                ends = material.in_force.ends
                problem = "; ".join(material.alarms)
            finally:
                if agent is not None:
                    agent.close()
        if settings.tokens.jwks_file:
            tokens_of(settings).load()
    except ConfigurationError as error:
        problem = str(error)
    return [check.door(problem, ends, clock(), exposed=open_)]


def _admin(settings: Settings, clock: Callable[[], float]) -> list[Check]:
    """Check the papers of the operators' door, if it has any."""
    admin, folder = settings.admin, Path(settings.folder)
    if not (admin.cert and admin.key):
        return []
    cert, key = folder / admin.cert, folder / admin.key
    ca, crl = (folder / each if each else None for each in (admin.ca, admin.crl))
    oldest = settings.tls.min_version
    try:
        ends = ends_of("admin", cert, key, ca=ca, crl=crl, oldest=oldest)
    except ConfigurationError as error:
        return [check.http_door("admin", str(error), error.hint, None, clock())]
    return [check.http_door("admin", "", "", ends, clock())]


def _webhook(settings: Settings, clock: Callable[[], float]) -> list[Check]:
    """Check secrets and papers of the webhook's door, if one is wanted."""
    webhook, folder, ends = settings.webhook, Path(settings.folder), None
    if not webhook.listen:
        return []
    try:
        if webhook.secret_file is not None:
            read_secrets(Path(webhook.secret_file))
        if webhook.cert and webhook.key:
            cert, key = folder / webhook.cert, folder / webhook.key
            ends = ends_of("webhook", cert, key, oldest=settings.tls.min_version)
    except ConfigurationError as error:
        return [check.http_door("webhook", str(error), error.hint, None, clock())]
    return [check.http_door("webhook", "", "", ends, clock())]


def _ports(settings: Settings) -> Check:
    listen = settings.listen
    ours = probes.gitsource_answers(listen.admin, tls=bool(settings.admin.cert))
    wanted = {"listen.mcp": listen.mcp, "listen.admin": listen.admin}
    if settings.webhook.listen:
        wanted["webhook.listen"] = settings.webhook.listen
    return check.ports([probes.port(key, value, ours=ours) for key, value in wanted.items()])
