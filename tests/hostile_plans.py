"""Plans in which every text is one that somebody else chose."""

from __future__ import annotations

import json
from collections.abc import Callable
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

HOSTILE = Path(__file__).parent / "report" / "hostile"

SIGN = "zq9"
"""In every text of these plans, and in no word of ours."""


def cases() -> dict[str, str]:
    """Return the hostile texts by what they try."""
    return {path.stem: json.loads(path.read_text()) for path in sorted(HOSTILE.glob("*.json"))}


def plan_of(text: Callable[[], str]) -> Plan:
    """Return a plan in which each text is what *text* returns next, each with the `SIGN` in it."""

    def name() -> str:
        return text() + SIGN

    def led() -> str:
        return text()[:40] + SIGN + text()

    def found(severity: str, code: str, *, file: bool = True, suppressed: bool = False) -> Finding:
        place = (led(), 3, 7) if file else ("", 0, 0)
        return Finding(*place, severity, code, led(), led(), suppressed=suppressed)

    def far() -> Finding:
        return Finding(f"other:{led()}", 3, 7, "warning", "GS215", led(), led())

    def change(what: str, number: int) -> ResourceChange:
        fields = (
            FieldChange(led(), "added", after=led()),
            FieldChange(led(), "removed", before={led(): [led(), {led(): led()}] * 9}),
            FieldChange(led(), "changed", before=f"{led()}\na\nb", after=f"a\n{led()}\nb"),
            FieldChange(led(), "changed", before=None, after=[led(), 1.5, True]),
            FieldChange(led(), "moved", came_from=led()),
            FieldChange(led(), "changed", redacted=True),
        )
        return ResourceChange(
            f"{led()}{number}",
            what,
            before=led() if what == "renamed" else "",
            version_before="djE=",
            version_after="djI=",
            file_before=led(),
            file=led(),
            line=1,
            bytes_before=1,
            bytes_after=2,
            fields=fields if what in ("changed", "renamed") else (),
            omitted=1,
            layer_before=led() if what == "changed" else "",
            layer=led() if what == "changed" else "",
        )

    changes = (change("added", 1), change("changed", 2), change("removed", 3), change("renamed", 4))
    return Plan(
        base=Revision("1" * 40, "", 1, led(), led()),
        head=Revision("2" * 40, "", 2, led(), led()),
        version_before="djE=",
        version_after="djI=",
        collections=(
            CollectionPlan(name(), "YQ==", "Yg==", 3, 4, changes, 4_000_000, 500),
            CollectionPlan(f"{led()}2", "", "Yg==", 0, 1, changes[:1]),
        ),
        new=(found("error", "GS301"), found("warning", "VS-131"), far()),
        fixed=(found("error", "GS304"),),
        old=(found("warning", "GS402"), found("warning", "GS202", suppressed=True)),
        guards=(found("error", "GS206", file=False),),
        settings=(SettingChange(led(), "changed", (led(), led()), (led(), led())),),
        rights=(RightsChange(led(), (led(),), (led(),)),),
        against=Against(
            source=led(),
            revision="0" * 40,
            version="djA=",
            suspended=True,
            drift=(Drift(led(), "YQ==", "Yg==", (led(),), 1),),
            sinks=(SinkReach(led(), led(), led(), (led(),), ((led(), "", "Yg=="),), (led(),)),),
            unreached=1,
            kept=(SinkKept(led(), led(), led(), led(), (led(),), ((led(), "Yg=="),)),),
            notes=(led(),),
        ),
        notes=(led(), led()),
        layers=(
            LayerPlan(led(), "reviewed", "1" * 40, "", led()),
            LayerPlan("other", "served", led()[:12], led()[:12], led()),
            LayerPlan(led(), "missing"),
        ),
        no_effect=(
            NoEffect(led(), led(), "changed", led(), led(), 1, led(), led(), 2),
            NoEffect(led(), led(), "removed", led(), led(), 1, led(), led(), 2),
        ),
    )
