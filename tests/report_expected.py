"""
A plan with everything in it, and what every format makes of it.

Run as a program it writes `tests/report/expected/` for the formats named on the command line (all
of them by default), to be read before they are committed: they are the claim, not the proof.
`tests/report/formats/test_expected.py` compares.

    python tests/report_expected.py [sarif ...]
"""

from __future__ import annotations

import io
import re
import sys
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

from gitsource.model import Finding, Revision
from gitsource.plan.values import (
    Against,
    CollectionPlan,
    Drift,
    FieldChange,
    LayerPlan,
    NoEffect,
    Plan,
    ResourceChange,
    RightsChange,
    SettingChange,
    SinkKept,
    SinkReach,
)
from gitsource.report.formats.write import OF_FINDINGS, Output, write, write_findings

EXPECTED = Path(__file__).parent / "report" / "expected"

VS = "networking.istio.io/v1/VirtualService"
SE = "networking.istio.io/v1/ServiceEntry"

BASE = Revision("1" * 40, "a" * 40, 1_790_000_000, "Ann <ann@example.com>", "Routes of the shop")
HEAD = Revision("2" * 40, "b" * 40, 1_790_000_600, "Bob <bob@example.com>", "Move wiki, retry less")

NEW_ERROR = Finding(
    "mesh/bad.yaml", 9, 15, "error", "GS301", "'10x' is no duration", "VirtualService/shop/bad"
)
NEW_WARNING = Finding(
    "mesh/web.yaml",
    14,
    7,
    "warning",
    "VS-131",
    "no weight adds up to 100",
    "VirtualService/shop/web",
)
SUPPRESSED = Finding(
    "mesh/web.yaml", 3, 1, "warning", "GS202", "the file is large", "", suppressed=True
)
FIXED = Finding("mesh/old.yaml", 2, 3, "error", "GS304", "defined twice: also at a.yaml:7")
OLD_WARNING = Finding("mesh/wiki.yaml", 5, 9, "warning", "GS402", "no such gateway: 'web'")
GUARD = Finding("", 0, 0, "error", "GS206", "removes 40 of 60 resources: more than 50 %")

FIELDS = (
    FieldChange("spec.hosts[1]", "added", after="wiki.example.com"),
    FieldChange("spec.http[0].timeout", "changed", before="5s", after="10s"),
    FieldChange("spec.http[0].retries", "removed", before={"attempts": 3, "retryOn": "5xx"}),
    FieldChange("spec.http[2]", "moved", came_from="spec.http[1]"),
    FieldChange("spec.http[0].headers.request.set.authorization", "changed", redacted=True),
    FieldChange(
        "spec.http[0].fault",
        "added",
        after={
            "abort": {"httpStatus": 503, "percentage": {"value": 0.5}},
            "delay": {"fixedDelay": "2s", "percentage": {"value": 1}},
        },
    ),
    FieldChange(
        "spec.script",
        "changed",
        before="function on_request(h)\n  h:logInfo('a')\n  return 1\nend\n",
        after="function on_request(h)\n  h:logInfo('b')\n  return 1\nend\n",
    ),
)

RICH = Plan(
    base=BASE,
    head=HEAD,
    version_before="c25hcHNob3QgYmVmb3JlIHRoZSBjaGFuZ2U=",
    version_after="c25hcHNob3QgYWZ0ZXIgdGhlIGNoYW5nZQ==",
    collections=(
        CollectionPlan(
            SE,
            "ZW50cmllcyBiZWZvcmU=",
            "ZW50cmllcyBhZnRlcg==",
            2,
            2,
            (
                ResourceChange(
                    "web/wiki",
                    "renamed",
                    before="shop/wiki",
                    version_before="dmVyc2lvbiBvbmU=",
                    version_after="dmVyc2lvbiB0d28=",
                    file_before="mesh/wiki.yaml",
                    file="mesh/web/wiki.yaml",
                    line=1,
                    bytes_before=312,
                    bytes_after=311,
                    fields=(FieldChange("metadata.labels.team", "changed", "shop", "web"),),
                ),
            ),
            full_bytes=3_900_000,
            incremental_bytes=388,
        ),
        CollectionPlan(
            VS,
            "cm91dGVzIGJlZm9yZQ==",
            "cm91dGVzIGFmdGVy",
            3,
            3,
            (
                ResourceChange(
                    "shop/new",
                    "added",
                    version_after="dmVyc2lvbiBvbmU=",
                    file="mesh/new.yaml",
                    line=1,
                    bytes_after=420,
                ),
                ResourceChange(
                    "shop/old",
                    "removed",
                    version_before="dmVyc2lvbiBvbmU=",
                    file_before="mesh/old.yaml",
                    file="mesh/old.yaml",
                    line=1,
                    bytes_before=400,
                ),
                ResourceChange(
                    "shop/web",
                    "changed",
                    version_before="dmVyc2lvbiBvbmU=",
                    version_after="dmVyc2lvbiB0d28=",
                    file_before="mesh/web.yaml",
                    file="mesh/web.yaml",
                    line=4,
                    bytes_before=1_800,
                    bytes_after=2_100,
                    fields=FIELDS,
                    omitted=3,
                ),
            ),
            full_bytes=5_400,
            incremental_bytes=2_700,
        ),
    ),
    new=(NEW_ERROR, NEW_WARNING, SUPPRESSED),
    fixed=(FIXED,),
    old=(OLD_WARNING,),
    guards=(GUARD,),
    settings=(
        SettingChange("schemas/shop.json", "changed", ("shop/v1/Basket",), ("Basket/shop/large",)),
        SettingChange("policy/names.cel", "removed"),
    ),
    rights=(
        RightsChange("namespace web", (f"{SE}: web/wiki",), ()),
        RightsChange("namespace shop", (), (f"{SE}: shop/wiki",)),
    ),
    against=Against(
        source="https://gitsource.mesh.example:8081",
        revision="0" * 40,
        version="c25hcHNob3QgdGhhdCBpcyBzZXJ2ZWQ=",
        pinned=True,
        drift=(
            Drift(VS, "cm91dGVzIHNlcnZlZA==", "cm91dGVzIGJlZm9yZQ==", ("shop/web", "shop/x"), 7),
        ),
        sinks=(
            SinkReach(
                "istiod-1",
                "10.0.0.7:41200",
                "xds",
                ("all",),
                ((VS, "cm91dGVzIHNlcnZlZA==", "cm91dGVzIGFmdGVy"), (SE, "", "ZW50cmllcw==")),
                (VS,),
            ),
        ),
        unreached=2,
        kept=(
            SinkKept("istiod-2", "it asks for nothing yet", "10.0.0.8:41200", "mcp"),
            SinkKept(
                "pay-1",
                "nothing changes of what its views show",
                "10.0.0.9:41200",
                "xds",
                ("pay",),
                ((VS, "cm91dGVzIHNlcnZlZA=="), (SE, "")),
            ),
        ),
        notes=("what views show is not known of 1 sink",),
    ),
    notes=("the base does not validate, so sinks hold an earlier revision",),
)
"""Findings of every kind, a guard, and every kind of change there is."""

GUARDED = replace(RICH, new=(NEW_WARNING,), old=())
"""Valid, but a guard would hold it."""

CLEAN = replace(RICH, new=(), old=(), fixed=(), guards=(), settings=(), rights=(), against=None)
"""One that nothing holds."""

EMPTY = Plan(base=Revision("", "", 0), head=HEAD, version_before="", version_after="")
"""A first revision in which nothing is for any sink."""

LAYERED = replace(
    CLEAN,
    collections=(
        CollectionPlan(
            VS,
            "cm91dGVzIGJlZm9yZQ==",
            "cm91dGVzIGFmdGVy",
            3,
            3,
            (
                ResourceChange(
                    "shop/cart",
                    "changed",
                    version_before="dmVyc2lvbiBvbmU=",
                    version_after="dmVyc2lvbiB0d28=",
                    file_before="mesh/cart.yaml",
                    file="defaults:routes.yaml",
                    line=4,
                    bytes_before=312,
                    bytes_after=311,
                    omitted=1,
                    layer_before="shop",
                    layer="defaults",
                ),
            ),
            full_bytes=900,
            incremental_bytes=388,
        ),
    ),
    new=(
        NEW_WARNING,
        Finding(
            "edge:wiki.yaml", 2, 1, "warning", "GS215", "has the place of another",
            "VirtualService/shop/wiki",
        ),
    ),
    notes=("not all layers' documents are at hand",),
    layers=(
        LayerPlan("defaults", "repository", "3" * 40, "3" * 40, "../defaults@main"),
        LayerPlan("shop", "reviewed", "1" * 40, "2" * 40, "this repository"),
        LayerPlan("edge", "served", "4" * 40, "4" * 40, "served.snapshot"),
    ),
    composition_before="5" * 64,
    composition_after="6" * 64,
    no_effect=(
        NoEffect(VS, "shop/wiki", "added", "shop", "mesh/w.yaml", 3, "edge", "edge:wiki.yaml", 2),
        NoEffect(VS, "shop/old", "removed", "shop", "mesh/old.yaml", 1, "edge", "edge:old.yaml", 9),
    ),
)  # fmt: skip
"""A change of one of several layers."""

PARTIAL = replace(
    LAYERED,
    version_before="",
    version_after="",
    composition_before="",
    composition_after="",
    collections=tuple(
        replace(each, version_before="", version_after="") for each in LAYERED.collections
    ),
    layers=(*LAYERED.layers[:2], LayerPlan("edge", "missing")),
    new=(NEW_WARNING,),
    no_effect=(),
    notes=("layer edge is left out",),
)
"""The same where nothing is known of a layer."""

SUFFIXES = {
    "text": "txt",
    "json": "json",
    "junit": "xml",
    "sarif": "sarif",
    "github": "log",
    "gitlab": "json",
    "markdown": "markdown",  # not .md: that is for pages of ours
    "html": "html",
}


def report(name: str, planned: Plan, *, colour: bool = False, show_old: bool = False) -> str:
    """Return *planned* in the format *name*, as the command line would print it."""
    out = io.StringIO()
    write(planned, [Output(name, None)], out, colour=colour, show_old=show_old)
    return out.getvalue()


def report_findings(name: str, found: tuple[Finding, ...]) -> str:
    """Return *found* in the format *name*, as the command line would print it."""
    out = io.StringIO()
    write_findings(found, 7, [Output(name, None)], out, colour=False)
    return out.getvalue()


def made(name: str) -> dict[str, str]:
    """Return what the files of *name* are to hold, by their names."""
    suffix = SUFFIXES[name]
    told = {f"{name}.{suffix}": report(name, RICH, show_old=True)}
    if name in ("text", "markdown", "html"):
        told[f"{name}-guarded.{suffix}"] = report(name, GUARDED)
        told[f"{name}-clean.{suffix}"] = report(name, CLEAN)
        told[f"{name}-empty.{suffix}"] = report(name, EMPTY)
    told[f"{name}-layered.{suffix}"] = report(name, LAYERED)
    if name in ("text", "markdown", "html"):
        told[f"{name}-partial.{suffix}"] = report(name, PARTIAL)
    if name == "text":
        told["text-coloured.txt"] = report(name, RICH, colour=True)
    if name in OF_FINDINGS:
        found = (NEW_ERROR, NEW_WARNING, SUPPRESSED)
        told[f"{name}-findings.{suffix}"] = report_findings(name, found)
    # The version of gitsource is in SARIF, and is no part of the claim.
    own = re.escape(version("gitsource"))
    return {
        file: re.sub(f'"version": "{own}"', '"version": "0"', text) for file, text in told.items()
    }


if __name__ == "__main__":
    EXPECTED.mkdir(exist_ok=True)
    for format_ in sys.argv[1:] or SUFFIXES:
        for file_, text_ in made(format_).items():
            (EXPECTED / file_).write_text(text_, encoding="utf-8")
