"""
What rights cost: sinks in 20 groups of different rights over mutual TLS, beside plaintext for all.

Rule: both are measured in the same run, right beside each other, and the row is the ratio's two
sides. In one form each group may have nearly everything, less a namespace of its own, so that the
groups share next to no messages and nearly as many bytes go out as in plaintext; in the other, each
has its own part. Sinks of one group come as they do among those of all others.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import documents
from measures import Floor, Row
from processes import MeasureError, Sinks, Source
from rows import Site, when_quiet
from tls_rows import papers

GROUPS = 20
PLAIN = "the same without either, in plaintext"
ALIKE = "the same over TLS, all with equal rights"
TLS = """\
tls: {{cert: {folder}/server.pem, key: {folder}/server.key, ca: {folder}/ca.pem}}
identity: {{names: [dns]}}
authorization:
  policy:
"""
NEARLY_ALL = """\
  - to: {{any: known}}
    resources: {{collections: ["*"]}}
"""
BUT = """\
  - {{to: {{dns: [group-{number}.bench]}}, resources: {{namespaces: [{one}]}}, effect: deny}}
"""
PART = """\
  - {{to: {{dns: [group-{number}.bench]}}, resources: {{namespaces: [{several}]}}}}
"""


def rights_rows(site: Site) -> Iterator[Row]:
    """A full set to many new sinks, and the memory, in both forms."""
    size, count = site.made.size, site.plan.crowd
    spaces = sorted({documents.name_of(at).partition("/")[0] for at in range(size)})
    folder = papers(site.folder / "papers", [f"group-{at}.bench" for at in range(GROUPS)])
    tls = TLS.format(folder=folder)
    but = "".join(BUT.format(number=at, one=spaces[at]) for at in range(GROUPS))
    parts = "".join(
        PART.format(number=at, several=", ".join(spaces[at::GROUPS])) for at in range(GROUPS)
    )
    site.prepare()
    without = [counts(site, {one}, within=False) for one in spaces[:GROUPS]]
    own = [counts(site, set(spaces[at::GROUPS]), within=True) for at in range(GROUPS)]
    for tag, form, more, expect in (
        ("", "nearly all", tls + NEARLY_ALL.format() + but, without),
        ("-parts", "its own part", tls + parts, own),
    ):
        full = Row(
            f"rights-full{tag}",
            f"TLS, {GROUPS} groups, each may have {form}: full set → last of {count} new sinks",
            size,
            "s",
        )
        cpu = Row(f"rights-cpu{tag}", "… CPU of it, of source and sinks together", size, "s")
        memory = Row(f"rights-memory{tag}", "… peak memory of it", size, "MB")
        at_10k = size == 10_000
        for row, most in ((full, 1.5), (cpu, None), (memory, 1.2)):
            row.floors = [Floor(PLAIN, most if at_10k else None), Floor(ALIKE)]
        for run in range(site.plan.repeat):
            for at, papers_of, told, counted in (
                (0, None, "", [site.counts]),
                (1, folder, tls + NEARLY_ALL.format(), [site.counts]),
                (2, folder, more, expect),
            ):
                values = _once(site, full, papers_of, told, counted, at)
                for row, value in zip((full, cpu, memory), values, strict=True):
                    (row.floors[at].values if at < 2 else row.values).append(value)
            took = [full.values[-1], *(floor.values[-1] for floor in full.floors)]
            site.plan.say(
                f"rights{tag} {size} {run + 1}: {took[0]:.2f} s, "
                f"plain {took[1]:.2f} s, equal rights {took[2]:.2f} s"
            )
        yield full
        yield cpu
        yield memory


def counts(site: Site, spaces: set[str], *, within: bool) -> dict[str, int]:
    """Return how many resources of each collection are in one of *spaces*, or in none."""
    found = dict.fromkeys(site.counts, 0)
    for number in range(site.made.size):
        space = documents.name_of(number).partition("/")[0]
        if (space in spaces) is within:
            found[documents.COLLECTIONS[documents.kind_of(number, site.made.mix)]] += 1
    return found


def _once(
    site: Site, full: Row, folder: Path | None, more: str, expect: list[dict[str, int]], form: int
) -> tuple[float, float, float]:
    """
    Have all sinks dial once: over what *folder* and *more* settings say, or in plaintext.

    Returns the seconds to the last, those of CPU, and the peak memory.
    """
    with Source(site.made.url, site.state, more=more) as source:
        source.settled()
        full.notes.setdefault("others_busy", []).append(when_quiet(site.plan.patience))
        before, count = source.cpu(), site.plan.crowd
        with Sinks(source.address, site.collections, count, tls=folder) as sinks:
            sinks.dial(expect)
            report = sinks.report()
            cpu = source.cpu() - before
            full.notes.setdefault(("cpu_plain", "cpu_equal", "cpu")[form], []).append(cpu)
            rows = source.status()["sinks"]
            groups = {row["rights"]["group"] for row in rows if row["rights"]}
            if form == 2 and len(groups) != min(GROUPS, count):
                raise MeasureError(f"{len(groups)} groups of rights rather than {GROUPS}")
        took = float(report["last"] - report["started"])
        return took, cpu + report["cpu"], source.memory.tree
