"""docs/operations.md leaves nothing out and invents nothing."""

from __future__ import annotations

import ast
import asyncio
import logging
import re
from dataclasses import replace
from pathlib import Path

from doors import secured
from gitsource.admin.routes import application
from gitsource.catalog.whole import Catalog
from gitsource.doctor.check import CHECKS
from gitsource.git.refs import Chosen
from gitsource.model import Collection, Finding, Origin, Resource, Revision, Snapshot
from gitsource.observe.telemetry import METRICS
from gitsource.operating.deliveries import Deliveries
from gitsource.operating.operations import Operations
from gitsource.operating.refusals import Refusals
from gitsource.operating.revisions import Revisions, told
from gitsource.operating.sinks import Sinks
from gitsource.publish.entry.whole import SinksDoor
from gitsource.publish.secrets.overlay import Alarm
from gitsource.reconcile.chronicle import Chronicle, Row
from gitsource.reconcile.fate import VERDICTS
from gitsource.reconcile.outcomes import Condition, Held, LayerState, Outcome
from gitsource.settings.following import LayerRow, Repository
from gitsource.settings.whole import Settings
from gitsource.snapshot.cache import SnapshotCache
from gitsource.snapshot.history import Allowance, Control, Pin, Suspension
from gitsource.snapshot.reports import SinkReport
from gitsource.triggers.announced import Announcements
from gitsource.triggers.delivery import Verdict
from gitsource.triggers.ledger import Ledger
from svids import Mesh

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")


def rows(heading: str) -> list[list[str]]:
    """Return the cells of the first table under *heading*, without its head."""
    section = PAGE.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]


def first_cells(heading: str) -> list[str]:
    """Return the code words of a table's first column."""
    return [row[0].strip("` ") for row in rows(heading)]


def test_every_metric_is_documented_as_it_is():
    told = [[cell.strip() for cell in row] for row in rows("Metrics")]

    assert told == [
        [
            f"`{row.name}`",
            row.type,
            ", ".join(f"`{label}`" for label in row.labels) or "-",
            row.meaning,
        ]
        for row in METRICS
    ]


def test_alerts_use_metrics_that_exist():
    used = {name for row in rows("Alerts") for name in re.findall(r"gitsource_[a-z_]+", row[0])}
    exported = {row.name for row in METRICS} | {
        f"{row.name}_{part}" for row in METRICS if row.type == "histogram" for part in ("bucket",)
    }

    assert len(used) > 5
    assert used <= exported


def test_every_verdict_is_documented_as_it_is():
    told = [[cell.strip() for cell in row] for row in rows("Webhooks")]

    assert told == [[f"`{each.label}`", str(each.status), each.text] for each in Verdict]


def tables(heading: str) -> list[list[list[str]]]:
    """Return all tables under *heading*, each without its head."""
    section = PAGE.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    found = re.findall(r"(?:^\|.*\n)+", section, re.MULTILINE)
    return [
        [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines.splitlines()[2:]]
        for lines in found
    ]


def test_every_field_of_the_history_is_documented():
    fields, _ = tables("History")
    documented = {name for row in fields for name in re.findall(r"`(\w+)`", row[0])}

    assert documented == set(told(Row(1.0, "held"), ""))


def test_every_verdict_on_a_commit_is_documented_as_it_is():
    _, verdicts = tables("History")

    assert verdicts == [[f"`{name}`", text] for name, text in VERDICTS.items()]


def test_every_check_of_the_doctor_is_documented_as_it_is():
    assert rows("Doctor") == [[f"`{name}`", text] for name, text in CHECKS.items()]


def test_every_path_is_documented():
    routes = application(None, None, "127.0.0.1").router.routes()
    served = {f"{r.method} {r.resource.canonical}" for r in routes if r.method != "HEAD"}

    assert set(first_cells("Health")) == served


class Standing:
    """A reconciler about which everything is to be said."""

    def __init__(self) -> None:
        revision = Revision("a" * 40, "b" * 40, 1)
        resource = Resource("shop/a", "v", b"", Origin("a.yaml", 1))
        finding = Finding("a.yaml", 1, 2, "error", "GS301", "m", "Kind/shop/a")
        snapshot = Snapshot.of(revision, {"c": Collection.of("c", [resource])})
        row = LayerRow("low", Repository(url="file:///srv/low.git"))
        self.settings = Settings(layers=(row,))
        self.condition = replace(
            Condition(),
            serving=snapshot,
            head=revision,
            held=Held(revision, "r", 1.0, (finding,)),
            layers=(
                LayerState(
                    "low", "a" * 40, revision, Chosen("", ""), Held(revision, "r", 1.0, (finding,))
                ),
            ),
            control=Control(
                Pin("a" * 40, "r", "w", 1.0),
                Suspension("r", "w", 1.0),
                Allowance("a" * 40, "r", "w", 1.0),
            ),
            last=Outcome("failed", revision, "e"),
            findings=(finding,),
        )


def leaves(value, path: str = "") -> set[str]:
    """Return the paths of all values in a JSON value; names that vary are written as a star."""
    if isinstance(value, dict):
        varying = path in ("collections", "sinks[].collections")
        found = set()
        for key, item in value.items():
            found |= leaves(item, f"{path}.{'*' if varying else key}".strip("."))
        return found
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return leaves(value[0], f"{path}[]")
    return {path}


async def test_every_status_field_is_documented(tmp_path):
    cache = SnapshotCache()
    cache.report(SinkReport("connected", 1, "sink", "peer"))
    cache.report(SinkReport("sent", 1, "sink", "peer", collection="c", requested="c", version="v"))
    changed = Revision("a" * 40, "b" * 40, 1, "A. Author", "subject")
    refusals = Refusals(cache.get, lambda *_: asyncio.sleep(0, changed), lambda *_: True)
    cache.listen(refusals.heard)
    cache.set("default", Standing().condition.serving)
    resource = Resource("shop/a", "v", b"", Origin("a.yaml", 1))
    about = {"collection": "c", "requested": "c", "version": "v"}
    cache.report(SinkReport("nacked", 1, "sink", "peer", **about, error="e", blamed=(resource,)))
    cache.turned_away("peer", "xds", "too many")
    await asyncio.sleep(0.01)
    sinks = Sinks(cache, tuple, refusals, lambda: [Alarm("web", "a.key", "is empty", served=True)])
    announced = Announcements(lambda _reason: None, lambda *_: asyncio.sleep(0))
    announced.heard("refs/heads/main", "a" * 40)
    deliveries = Deliveries(Ledger(), announced)
    revisions = Revisions(Standing(), Chronicle())
    door = await SinksDoor.open(secured(tmp_path, Mesh()))
    asked = Operations(
        Standing(),
        cache,
        None,
        Catalog,
        sinks,
        deliveries,
        revisions,
        door=lambda: door,
        papers=lambda: [("admin", "is empty")],
    )
    status = await asked.status()
    await announced.close()
    documented = set(first_cells("Status"))
    groups = {"held", "pin", "suspended", "last_sync", "findings", "sinks", "refusals", "secrets"}
    groups |= {
        "refusals[].resources",
        "announced",
        "ended",
        "allowed",
        "audit",
        "authorization",
        "door",
        "door.tls",
        "layers",
        "layers[].held",
        "papers",
    }

    assert leaves(status) == documented - groups
    assert groups <= documented
    assert groups - {"refusals[].resources", "layers[].held", "door.tls"} <= status.keys()


def _keys_of(node: ast.expr, function: ast.AST, module: ast.Module) -> set[str]:
    """Return the literal keys of what is passed as ``extra``, looked up as far as names go."""
    if isinstance(node, ast.Dict):
        return {key.value for key in node.keys if isinstance(key, ast.Constant)}
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        (called,) = (
            each
            for each in ast.walk(module)
            if isinstance(each, ast.FunctionDef) and each.name == node.func.id
        )
        return _assigned(called)
    return _assigned(function)


def _assigned(function: ast.AST) -> set[str]:
    """Return every literal key put into a mapping in *function*."""
    found: set[str] = set()
    for node in ast.walk(function):
        if isinstance(node, ast.Dict):
            found |= {key.value for key in node.keys if isinstance(key, ast.Constant)}
        elif isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store):
            found |= {node.slice.value} if isinstance(node.slice, ast.Constant) else set()
    return found


def logged_fields() -> set[str]:
    """Return every field that a log call of the program passes as ``extra``."""
    found: set[str] = set()
    for file in (ROOT / "gitsource").rglob("*.py"):
        module = ast.parse(file.read_text(encoding="utf-8"))
        for function in ast.walk(module):
            if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            for call in ast.walk(function):
                for keyword in call.keywords if isinstance(call, ast.Call) else ():
                    if keyword.arg == "extra":
                        found |= _keys_of(keyword.value, function, module)
    return found


def test_every_log_field_is_documented():
    # What an operator's command carries is passed on by name.
    assert logged_fields() | {"reason", "revision", "who"} == set(first_cells("Log"))


def test_no_log_field_is_called_like_something_logging_has_itself():
    """Logging raises on such a name, at the moment when the line was needed."""
    own = set(vars(logging.makeLogRecord({}))) | {"message", "asctime"}

    assert logged_fields() & own == set()


def test_the_exit_codes_are_those_of_the_readme():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    section = readme.split("\n## Exit codes\n", 1)[1].split("\n## ", 1)[0]

    assert first_cells("Exit codes") == re.findall(r"^\| (\d+) \|", section, re.MULTILINE)
