"""
Whatever is secret in a document is in no report, and whatever is not is in all that have fields.

`cases/` has what must not be shown, `innocent/` what must be, a file each; to add one, add a file.
In both, CHANGES differs from one revision to the next. `# path:` says where the file lies,
`# shows:` what the JSON report has to have all the same.
"""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest

from gitsource.git.local import LocalRepository
from gitsource.plan.values import Plan
from gitsource.rehearsal.memory import Forgetful
from gitsource.rehearsal.question import Question
from gitsource.rehearsal.run import rehearse
from gitsource.report.formats.write import FORMATS, OF_FINDINGS, Output, write_findings
from gitsource.secrecy.texts import REDACTED
from report_expected import report
from repositories import Upstream

HERE = Path(__file__).parent
SECRETS = sorted((HERE / "cases").glob("*.yaml"))
INNOCENT = sorted((HERE / "innocent").glob("*.yaml"))
SENTINELS = ("SENTLEAK", "7730411")
"""In every secret of `cases/`, and nowhere else."""
CONFIG = """\
collections:
- {name: acme/v1/flags, path: "flags/*.yaml", schema: flags.schema.json}
"""


@pytest.fixture
def planned(tmp_path: Path):
    (tmp_path / "config.yaml").write_text(CONFIG)
    (tmp_path / "flags.schema.json").write_bytes((HERE / "flags.schema.json").read_bytes())

    def plan(case: Path) -> Plan:
        text = case.read_text()
        path = (told(text, "path") or ["mesh/x.yaml"])[0]
        upstream = Upstream(tmp_path / "upstream")
        for turn in ("1", "2"):
            changed = text.replace("CHANGES", turn).replace("SENTLEAK", f"SENTLEAK{turn}")
            upstream.commit({path: changed, "README": turn})
        with LocalRepository(upstream.folder) as repository:
            question = Question(config=tmp_path / "config.yaml")
            return rehearse(repository, question, {}, Forgetful()).plan

    return plan


def told(text: str, what: str) -> list[str]:
    """Return what a case says of itself."""
    return re.findall(rf"^# {what}: (.*)$", text, re.MULTILINE)


def reports(made: Plan) -> dict[str, str]:
    """Return the plan in every format, and its findings in each that has them alone."""
    found = (*made.new, *made.old, *made.fixed)
    alone = {}
    for name in OF_FINDINGS:
        out = io.StringIO()
        write_findings(found, 1, [Output(name, None)], out, colour=False)
        alone[f"{name} of findings"] = out.getvalue()
    return {name: report(name, made, show_old=True) for name in FORMATS} | alone


@pytest.mark.parametrize("case", SECRETS, ids=lambda path: path.stem)
def test_no_report_has_a_secret(case: Path, planned) -> None:
    made = planned(case)
    texts = reports(made)

    leaks = [name for name, text in texts.items() if any(each in text for each in SENTINELS)]
    assert [] == leaks
    assert made.collections or made.findings, "nothing differs, so nothing was tried"
    assert [] == [each for each in told(case.read_text(), "shows") if each not in texts["json"]]


@pytest.mark.parametrize("case", INNOCENT, ids=lambda path: path.stem)
def test_what_is_no_secret_is_shown(case: Path, planned) -> None:
    made = planned(case)
    fields = [field for c in made.collections for change in c.changes for field in change.fields]

    assert "clean" == made.ends, made.findings
    assert [] == [field for field in fields if field.redacted]
    assert REDACTED not in report("json", made)
    assert [] != fields
