"""Several reports at once, each whole and in its place."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from gitsource.errors import ConfigurationError
from gitsource.plan.values import Against
from gitsource.report.formats.write import (
    FORMATS,
    OF_FINDINGS,
    Output,
    parse_output,
    parse_outputs,
    write,
    write_findings,
)
from report_expected import CLEAN, NEW_ERROR, RICH, report

ROOT = Path(__file__).parents[3]


def deliver(*told: str, colour: bool = False) -> str:
    out = io.StringIO()
    write(RICH, parse_outputs(told), out, colour=colour, show_old=False)
    return out.getvalue()


def test_a_format_alone_goes_to_standard_output() -> None:
    assert Output("sarif", None) == parse_output("sarif")
    assert Output("sarif", None) == parse_output("sarif=-")
    assert Output("sarif", Path("a=b.sarif")) == parse_output("sarif=a=b.sarif")


def test_nothing_asked_for_is_text() -> None:
    assert [Output("text", None)] == parse_outputs([])


@pytest.mark.parametrize("told", ["yaml", "", "=x", "sarif=", "Text", "text = x"])
def test_what_is_no_output_is_refused_with_the_formats_there_are(told: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        parse_output(told)

    assert all(name in f"{error.value} {error.value.hint}" for name in FORMATS) or "=" in told


def test_two_reports_to_one_place_are_refused(tmp_path: Path) -> None:
    for told in (["text", "json"], [f"text={tmp_path}/a", f"json={tmp_path}/./a"]):
        with pytest.raises(ConfigurationError, match="would both go to"):
            parse_outputs(told)


def test_a_file_in_a_missing_folder_is_refused_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="there is no folder"):
        parse_outputs([f"json={tmp_path}/missing/a.json"])
    with pytest.raises(ConfigurationError, match="is a folder"):
        parse_outputs([f"json={tmp_path}"])


def test_all_formats_at_once_are_each_what_they_are_alone(tmp_path: Path) -> None:
    files = [f"{name}={tmp_path / name}" for name in FORMATS if name != "text"]

    assert report("text", RICH) == deliver("text", *files)
    for name in FORMATS:
        if name != "text":
            assert report(name, RICH) == (tmp_path / name).read_text(encoding="utf-8")
    assert {*FORMATS} - {"text"} == {path.name for path in tmp_path.iterdir()}


def test_a_file_is_never_coloured(tmp_path: Path) -> None:
    deliver(f"text={tmp_path}/a", colour=True)

    assert "\x1b" in deliver("text", colour=True)
    assert "\x1b" not in (tmp_path / "a").read_text()


def test_what_cannot_be_written_leaves_what_was_there(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        target = Path("/proc/self/fd-of-nobody")  # where not even root makes files
    else:
        (tmp_path / "closed").mkdir(mode=0o500)
        target = tmp_path / "closed" / "a"

    with pytest.raises(ConfigurationError, match="cannot be written"):
        write(RICH, [Output("json", target)], io.StringIO(), colour=False, show_old=False)


def test_a_file_is_replaced_whole_and_readable_as_any_other(tmp_path: Path) -> None:
    place = tmp_path / "a.json"
    place.write_text("before")
    reader = place.open()
    deliver(f"json={place}")

    assert "before" == reader.read()  # who had it open still has the old one, not a mixture
    assert report("json", RICH) == place.read_text()
    assert place.stat().st_mode & 0o777 == 0o666 & ~_umask()
    assert [place] == [*tmp_path.iterdir()]


def _umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def test_a_link_that_a_repository_brought_along_is_replaced_and_not_followed(
    tmp_path: Path,
) -> None:
    """Else a merge request chooses which file of the machine a report overwrites."""
    (tmp_path / "real").write_text("before")
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "device").symlink_to("/dev/null")
    deliver(f"text={tmp_path}/link", f"json={tmp_path}/device")

    assert "before" == (tmp_path / "real").read_text()
    assert report("text", RICH) == (tmp_path / "link").read_text()
    assert report("json", RICH) == (tmp_path / "device").read_text()


def test_a_folder_that_is_a_link_is_refused_unless_its_whole_path_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere" / "deep").mkdir(parents=True)
    (tmp_path / "out").symlink_to("elsewhere")
    monkeypatch.chdir(tmp_path)

    for path in ("out/a.json", "out/deep/a.json"):
        with pytest.raises(ConfigurationError, match="out is a link"):
            parse_outputs([f"json={path}"])
    deliver(f"json={tmp_path}/out/a.json")

    assert (tmp_path / "elsewhere" / "a.json").exists()


def test_the_standard_streams_can_be_named_as_files() -> None:
    code = """
import sys
from gitsource.report.formats.write import parse_outputs, write
sys.path.insert(0, "tests")
from report_expected import RICH
outputs = parse_outputs(["text", "json=/dev/stderr"])
write(RICH, outputs, sys.stdout, colour=False, show_old=False)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )

    assert report("text", RICH) == done.stdout
    assert report("json", RICH) == done.stderr


def test_a_pipe_is_written_into(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()), daemon=True)
    reader.start()
    deliver(f"json={pipe}")
    reader.join(10)

    assert [report("json", RICH)] == read


def test_the_summary_of_a_step_keeps_what_others_wrote(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    summary = tmp_path / "summary.md"
    summary.write_text("earlier\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    deliver("text", f"markdown={summary}")

    assert f"earlier\n{report('markdown', RICH)}" == summary.read_text(encoding="utf-8")


def test_a_stream_that_knows_few_letters_gets_the_rest_as_escapes() -> None:
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding="ascii")
    write(RICH, [Output("markdown", None)], out, colour=False, show_old=False)
    out.flush()

    assert b"\\u26d4 would be held" in raw.getvalue()


@pytest.mark.parametrize("name", OF_FINDINGS)
def test_findings_alone_have_the_formats_that_make_sense(name: str) -> None:
    out = io.StringIO()
    write_findings([NEW_ERROR], 1, [Output(name, None)], out, colour=False)

    assert "GS301" in out.getvalue()
    with pytest.raises(ConfigurationError):
        parse_output("html", OF_FINDINGS)


def test_what_was_not_asked_for_is_not_loaded() -> None:
    """Each format costs its own imports and no other's."""
    code = """
import sys
from gitsource.report.formats.write import parse_outputs
parse_outputs(["text", "html=/dev/null"])
heavy = ("rich", "xml.etree.ElementTree", "difflib", "importlib.metadata")
ours = "gitsource.report.formats."
print(*sorted(name for name in sys.modules if name.startswith(ours) or name in heavy))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert [
        "gitsource.report.formats.look",
        "gitsource.report.formats.write",
    ] == done.stdout.split()


def test_a_file_that_is_compared_with_has_no_sinks_and_no_count_of_them() -> None:
    against = Against(source="good.snapshot", knows_sinks=False)
    out = io.StringIO()
    write(
        replace(RICH, against=against), parse_outputs(["text"]), out, colour=False, show_old=False
    )

    assert "a file: no sinks" in out.getvalue()
    assert "0 sinks" not in out.getvalue()


@pytest.mark.parametrize("name", ["text", "markdown", "html"])
def test_where_only_rights_change_no_verdict_says_that_nothing_does(name: str) -> None:
    rights = replace(CLEAN, collections=(), rights=RICH.rights[:1])
    told = {}
    for planned in (rights, replace(rights, rights=())):
        out = io.StringIO()
        write(planned, parse_outputs([name]), out, colour=False, show_old=False)
        told[bool(planned.rights)] = out.getvalue()

    assert "nothing would be pushed" not in told[True]
    assert "who may receive what does: 1 kind of sink gains or loses" in told[True]
    assert "nothing would be pushed" in told[False]
