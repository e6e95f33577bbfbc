"""Judging files on disk: the same verdicts as for a revision."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from gitsource.errors import ConfigurationError
from gitsource.files import judge_files
from gitsource.settings.following import Repository
from gitsource.settings.judging import CollectionRow
from gitsource.settings.serving import Limits
from gitsource.settings.units import Words
from gitsource.settings.whole import Settings

ROUTE = """\
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web}
spec:
  hosts: [web.example.com]
  http: [{route: [{destination: {host: web}}]}]
"""


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    return folder


def test_folders_are_searched_and_only_configuration_files_are_read(tmp_path: Path) -> None:
    write(tmp_path, {"a/b/c.yaml": ROUTE, "a/d.yml": "kind: X", "e.json": "{}", "f.txt": "%%"})
    write(tmp_path, {".git/x.yaml": "]["})

    findings, files = judge_files([tmp_path], Settings())

    assert ((), 3) == (findings, files)


def test_a_file_is_named_as_the_caller_named_it(tmp_path: Path, monkeypatch) -> None:
    write(tmp_path, {"conf/a.yaml": "kind: [\n"})
    monkeypatch.chdir(tmp_path)

    (finding,), _ = judge_files([Path("conf")], Settings())

    assert "conf/a.yaml" == finding.file


def test_two_files_with_one_name_are_a_finding_unless_each_is_judged_alone(tmp_path: Path) -> None:
    write(tmp_path, {"a.yaml": ROUTE, "b.yaml": ROUTE})

    together, _ = judge_files([tmp_path], Settings())
    alone, _ = judge_files([tmp_path], Settings(), isolated=True)

    assert ["GS304"] == [finding.code for finding in together]
    assert () == alone


def test_one_file_that_defines_a_name_twice_is_a_finding_even_alone(tmp_path: Path) -> None:
    write(tmp_path, {"a.yaml": ROUTE + "---\n" + ROUTE})

    findings, _ = judge_files([tmp_path], Settings(), isolated=True)

    assert ["GS304"] == [finding.code for finding in findings]


def test_a_symbolic_link_below_a_folder_is_named_and_not_followed(tmp_path: Path) -> None:
    write(tmp_path, {"secret/a.txt": "kind: ["})
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "a.yaml").symlink_to("../secret/a.txt")

    findings, files = judge_files([tmp_path / "conf"], Settings())

    assert (["GS201"], 0) == ([finding.code for finding in findings], files)


def test_a_large_file_is_a_finding(tmp_path: Path) -> None:
    write(tmp_path, {"a.yaml": "a: " + "x" * 5000})

    findings, _ = judge_files([tmp_path], Settings(limits=Limits(file_bytes=1000)))

    assert ["GS107"] == [finding.code for finding in findings]


def test_a_path_that_does_not_exist_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="nowhere"):
        judge_files([tmp_path / "nowhere"], Settings())


def test_a_collection_by_path_counts_from_the_folder_that_was_named(tmp_path: Path) -> None:
    schema = '{"properties": {"share": {"maximum": 100}}}'
    write(tmp_path, {"repo/flags/a.yaml": "share: 200\n", "repo/schemas/flags.json": schema})
    row = CollectionRow("acme/v1/flags", path="flags/**", schema="schemas/flags.json")

    findings, _ = judge_files([tmp_path / "repo"], Settings(collections=(row,)))

    (finding,) = findings
    assert str(tmp_path / "repo/flags/a.yaml") == finding.file
    assert ("acme/v1/flags/flags/a", 1, 8) == (finding.resource, finding.line, finding.column)


def test_patterns_of_files_that_count_start_where_the_repository_does(tmp_path: Path) -> None:
    """As for the server, whichever folder or file of it is named."""
    (tmp_path / ".git").mkdir()
    for name in ("mesh/a.yaml", "mesh/examples/b.yaml", "other/c.yaml"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("{")
    chosen = Repository(include=Words(("/mesh/",)), ignore=Words(("examples/",)))
    settings = replace(Settings(), repository=chosen)

    found = [
        sorted(Path(each.file).name for each in judge_files([tmp_path / where], settings)[0])
        for where in ("", "mesh", "mesh/examples", "mesh/a.yaml", "mesh/examples/b.yaml", "other")
    ]

    assert [["a.yaml"], ["a.yaml"], [], ["a.yaml"], [], []] == found


def test_outside_of_a_repository_such_patterns_start_at_the_folder(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("{")
    (tmp_path / "b.yaml").write_text("{")
    settings = replace(Settings(), repository=Repository(ignore=Words(("/b.yaml",))))

    assert ["a.yaml"] == [Path(each.file).name for each in judge_files([tmp_path], settings)[0]]
