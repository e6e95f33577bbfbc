"""
What mutual TLS costs: the same source and the same sinks, over it and in plaintext, turn by turn.

Rule: both are measured in the same run, right beside each other, and the row is the ratio's two
sides. What the sinks pay for their half of TLS is in the figure, since all share the same cores.
CPU is a row as well, which others on the machine change less than the time; and what TLS alone
costs here is measured too: a server that does nothing else (`bare.py`) sends the same bytes to the
same sinks, over TLS and not.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from measures import Floor, Row
from processes import MeasureError, Sinks, Source, Talker, cpu_of, free_address
from rows import Site, when_quiet

PLAIN = "the same in plaintext"
LEAST = "the same bytes from a bare `ssl` socket"
LEAST_PLAIN = "… from a bare socket"
SETTINGS = """\
tls: {{cert: {folder}/server.pem, key: {folder}/server.key, ca: {folder}/ca.pem}}
identity: {{names: [dns]}}
authorization:
  policy:
  - to: {{any: known}}
    resources: {{collections: ["*"]}}
"""


def tls_rows(site: Site) -> Iterator[Row]:
    """A full set to many new sinks, a one-file commit to as many incremental ones; the memory."""
    plan, size, count = site.plan, site.made.size, site.plan.crowd
    folder = papers(site.folder / "papers")
    full = Row("tls-full", f"mutual TLS: full set → last of {count} new sinks", size, "s")
    cpu = Row("tls-cpu", "… CPU of it, of source and sinks together", size, "s")
    commit = Row("tls-commit", f"mutual TLS: one-file commit → ACK of {count} sinks", size, "s")
    memory = Row("tls-memory", "… peak memory of the full set over it", size, "MB")
    at_10k = size == 10_000
    for row, most in ((full, 1.5), (commit, 1.5), (memory, 1.2)):
        row.floors = [Floor(PLAIN, most if at_10k else None)]
    cpu.floors = [Floor(PLAIN)]
    for row in (full, cpu):
        row.floors += [Floor(LEAST), Floor(LEAST_PLAIN)]
    site.prepare()
    payloads = site.folder / "payloads"
    number = 0
    for run in range(plan.repeat):
        for tls in (None, folder):
            more = SETTINGS.format(folder=folder) if tls else ""
            with Source(site.made.url, site.state, more=more) as source:
                source.settled()
                full.notes.setdefault("others_busy", []).append(when_quiet(plan.patience))
                before = source.cpu()
                with Sinks(source.address, site.collections, count, tls=tls) as sinks:
                    sinks.dial(site.counts)
                    report = sinks.report()
                    _put(full, tls, report["last"] - report["started"])
                    spent = source.cpu() - before
                    _put(cpu, tls, spent + report["cpu"])
                    where = "source_cpu" if tls else "source_cpu_in_plaintext"
                    full.notes.setdefault(where, []).append(spent)
                    if not payloads.exists():
                        payloads.mkdir()
                        sinks.check(payloads)
                _put(memory, tls, source.memory.tree)
            with Source(site.made.url, site.state, more=more) as source:
                source.settled()
                with Sinks(
                    source.address, site.collections, count, incremental=True, tls=tls
                ) as sinks:
                    sinks.dial(site.counts)
                    sinks.report()
                    for _ in range(3):
                        number += 1
                        _put(commit, tls, _one_commit(site, source, sinks, number))
        for at, tls in ((1, folder), (2, None)):
            for row, value in zip((full, cpu), _least(site, payloads, tls), strict=True):
                row.floors[at].values.append(value)
        took, *floors = full.values[-1], *(floor.values[-1] for floor in full.floors)
        told = "in plaintext {:.2f} s, a bare server {:.2f} s, in plaintext {:.2f} s"
        plan.say(f"tls {size} {run + 1}: full {took:.2f} s, {told.format(*floors)}")
    yield full
    yield cpu
    yield commit
    yield memory


def _least(site: Site, payloads: Path, tls: Path | None) -> tuple[float, float]:
    """Return the seconds, and those of CPU, for *payloads* from a bare server to as many sinks."""
    address = free_address()
    files = map(str, sorted(payloads.iterdir()))
    server = Talker("bare.py", address, str(tls or "-"), *files)
    try:
        with Sinks(address, site.collections, site.plan.crowd, tls=tls) as sinks:
            when_quiet(site.plan.patience)
            before = cpu_of(server.process.pid)
            sinks.dial(site.counts)
            report = sinks.report()
            spent = cpu_of(server.process.pid) - before + report["cpu"]
    finally:
        server.close()
    return float(report["last"] - report["started"]), spent


def _put(row: Row, tls: Path | None, value: float) -> None:
    (row.values if tls else row.floors[0].values).append(value)


def _one_commit(site: Site, source: Source, sinks: Sinks, number: int) -> float:
    change = site.committer.prepare(number)
    time.sleep(0.2)
    sinks.arm()
    site.committer.publish(change)
    moved = time.monotonic()
    source.sync()
    report = sinks.report()
    push = report["push"]
    if push["names"] != [change.name] or not push["incremental"]:
        raise MeasureError(f"{change.name} changed, and the sinks were sent {push}")
    return float(report["last"] - moved)


def papers(folder: Path, clients: Sequence[str] = ()) -> Path:
    """
    Write an authority and what it vouches for into *folder*; returns it.

    There is a pair for each name of *clients*, or else one.
    """
    import trustme  # here alone: other rows need no certificates

    folder.mkdir()
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    made_for = dict.fromkeys(("server", "client"), ("127.0.0.1", "localhost"))
    if clients:
        del made_for["client"]
        made_for |= {f"client-{at:03}": (name,) for at, name in enumerate(clients)}
    for name, names in made_for.items():
        made = authority.issue_cert(*names)
        made.private_key_pem.write_to_path(folder / f"{name}.key")
        chain = b"".join(one.bytes() for one in made.cert_chain_pems)
        (folder / f"{name}.pem").write_bytes(chain)
    return folder
