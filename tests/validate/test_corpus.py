"""
The corpus: documents as files, each with what is to be said of it.

A first line is a comment. In ``invalid/`` it names the code, line and column of the value at fault,
and says why; that finding has to come, and no error besides it (of a warning: no error at all). In
``valid/`` it names the code whose good side the file shows; nothing is found wrong, and no warning
of that code is given.

What several documents say of each other stands in ``Several``, in one file each.
`gitsource explain` shows the files that are named after a code alone.
"""

import re
from pathlib import Path

import pytest

from gitsource.build.judge import bounds, judge
from gitsource.catalog.whole import Catalog
from gitsource.codes.table import CODES
from gitsource.files import judge_files
from gitsource.settings.judging import References
from gitsource.settings.whole import Settings

CORPUS = Path(__file__).parents[1] / "corpus"
CATALOG = Catalog()
SETTINGS = Settings(references=References(service_hosts=("*.svc.cluster.local",)))
INVALID = sorted(CORPUS.glob("*/invalid/*.yaml"))
VALID = sorted(CORPUS.glob("*/valid/*.yaml"))


def shown_as(path):
    return path.relative_to(CORPUS).as_posix()


def is_warning(finding):
    """Tell of both forms that a finding has, before its file is known and after."""
    return getattr(finding, "warning", None) or getattr(finding, "severity", "") == "warning"


def findings(path):
    """Return what is found in the file at *path*."""
    if path.parts[-3] == "Several":
        return judge_files([path], SETTINGS)[0]
    judged = judge(path.read_bytes(), None, CATALOG, bounds(CATALOG), json=False)
    return [*judged.findings, *(item for one in judged.documents for item in one.findings)]


@pytest.mark.parametrize("path", INVALID, ids=shown_as)
def test_what_is_wrong_is_told_at_its_place(path):
    """The code of the first line is found where it says, and no other error."""
    told = re.match(r"# (\S+) (\d+):(\d+) \S", path.read_text(encoding="utf-8"))
    assert told, "the first line is '# CODE line:column why'"
    code, line, column = told[1], int(told[2]), int(told[3])

    found = findings(path)

    assert (code, line, column) in [(f.code, f.line, f.column) for f in found], found
    assert {f.code for f in found if not is_warning(f)} <= {code}
    assert CODES[code].severity != "error" or any(not is_warning(f) for f in found)


@pytest.mark.parametrize("path", VALID, ids=shown_as)
def test_what_is_right_is_let_through(path):
    """There is no error, and the code of the first line is not given."""
    told = re.match(r"# (\S+) \S", path.read_text(encoding="utf-8"))
    assert told, "the first line is '# CODE why'"

    found = findings(path)

    assert [] == [f for f in found if not is_warning(f) or f.code == told[1]]
