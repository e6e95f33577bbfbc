"""The audit of dependencies: silent about this repository, and loud about what is wrong."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from importlib.metadata import PathDistribution, version
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "supply"))

import audit  # noqa: E402 - a script beside the package
from closure import Package  # noqa: E402
from licences import allowed  # noqa: E402


def package(folder: Path, name: str, version: str, *metadata: str, files: str = "") -> Package:
    """Return an installed package that is made up."""
    info = folder / f"{name}-{version}.dist-info"
    info.mkdir()
    head = (f"Metadata-Version: 2.4\nName: {name}\nVersion: {version}", *metadata)
    (info / "METADATA").write_text("\n".join(head) + "\n")
    (info / "RECORD").write_text(files)
    found = PathDistribution(info)
    return Package(name, version, (), found)


@pytest.fixture
def told(tmp_path) -> audit.Subject:
    """One package, pinned and harmless."""
    one = package(tmp_path, "harmless", "2.0", "License-Expression: MIT")
    policy = {
        "licences": {"runtime": ["MIT"], "tools": ["MPL-2.0"], "known": {}},
        "floors": {"harmless": ["1.0", "an old flaw"]},
    }
    project = {"project": {"dependencies": ["harmless>=1"], "optional-dependencies": {}}}
    packages = {"harmless": one}
    return audit.Subject("# pins\nharmless==2.0\n", project, policy, packages, packages)


def problems(subject: audit.Subject) -> list[str]:
    return list(audit.problems(subject))


def test_what_is_sound_is_not_told(told):
    assert problems(told) == []


@pytest.mark.parametrize(
    ("constraints", "text"),
    [
        ("", "harmless 2.0 is installed and not pinned"),
        ("harmless==2.1\n", "2.0 is installed, and constraints.txt has 2.1"),
        ("harmless==2.0\nother>=1\n", "constraints.txt:2: 'other>=1' is no plain pin"),
        ("harmless==2.0\n-i x\n", "constraints.txt:2: '-i x' is no plain pin"),
    ],
)
def test_pins_are_plain_complete_and_what_is_installed(told, constraints, text):
    assert any(text in one for one in problems(replace(told, constraints=constraints)))


@pytest.mark.parametrize("pin", ["Harmless==2.0", "harmless==2.0"])
def test_names_are_compared_as_an_index_compares_them(told, pin):
    assert problems(replace(told, constraints=f"{pin}\n")) == []


def test_a_version_before_a_release_may_be_pinned(told, tmp_path):
    """Once somebody did, it is what is meant."""
    folder = tmp_path / "early"
    folder.mkdir()
    early = package(folder, "harmless", "2.0rc1", "License-Expression: MIT")
    needy = package(folder, "needy", "1.0", "License-Expression: MIT", "Requires-Dist: harmless>=1")
    packages = {"harmless": early, "needy": needy}
    pins = "harmless==2.0rc1\nneedy==1.0\n"

    assert problems(replace(told, constraints=pins, runtime=packages, everything=packages)) == []


def test_what_a_group_declares_is_pinned_too(told):
    project = {**told.project, "dependency-groups": {"apart": ["unknown"]}}

    assert problems(replace(told, project=project)) == [
        "pyproject.toml: apart: unknown is not pinned in constraints.txt"
    ]


def test_a_declared_range_that_the_pin_does_not_satisfy_is_told(told):
    project = {"project": {"dependencies": ["harmless>=3"], "optional-dependencies": {}}}

    assert any("harmless>=3, and" in one for one in problems(replace(told, project=project)))


def test_a_declared_package_without_a_pin_is_told(told):
    project = {
        "project": {"dependencies": [], "optional-dependencies": {"test": ["unknown"]}},
    }

    assert any(
        "test: unknown is not pinned" in one for one in problems(replace(told, project=project))
    )


@pytest.mark.parametrize(
    ("metadata", "text"),
    [
        ("License-Expression: AGPL-3.0-only", "AGPL-3.0-only is not a licence"),
        ("License-Expression: MIT AND AGPL-3.0-only", "is not a licence"),
        ("License-Expression: MPL-2.0", "is not a licence of what may be shipped"),
        ("License: see the file", "not told as SPDX"),
    ],
)
def test_licences_that_ask_for_more_are_told(told, tmp_path, metadata, text):
    folder = tmp_path / "other"
    folder.mkdir()
    packages = {"harmless": package(folder, "harmless", "2.0", metadata)}
    subject = replace(told, runtime=packages, everything=packages)

    assert any(text in one for one in problems(subject))


def test_tools_may_have_further_licences(told, tmp_path):
    tool = package(tmp_path, "tool", "1.0", "License-Expression: MPL-2.0")
    subject = replace(
        told,
        constraints=told.constraints + "tool==1.0\n",
        everything={**told.everything, "tool": tool},
    )

    assert problems(subject) == []


def test_a_version_below_a_floor_is_told_with_the_reason(told):
    policy = {**told.policy, "floors": {"Harmless": ["2.0.1", "CVE-1"]}}

    assert problems(replace(told, policy=policy)) == ["Harmless 2.0 is below 2.0.1: CVE-1"]


def test_packages_that_do_not_get_what_they_need_are_told(told, tmp_path):
    needy = package(
        tmp_path, "needy", "1.0", "License-Expression: MIT", "Requires-Dist: harmless>=3"
    )
    subject = replace(
        told,
        constraints=told.constraints + "needy==1.0\n",
        everything={**told.everything, "needy": needy},
    )

    assert problems(subject) == ["needy needs harmless>=3, and 2.0 is installed"]


@pytest.mark.parametrize("marker", ["python_version < '3'", "extra == 'more'"])
def test_what_is_needed_elsewhere_need_not_be_had_here(told, tmp_path, marker):
    needs = f"Requires-Dist: harmless>=3; {marker}"
    needy = package(tmp_path, "needy", "1.0", "License-Expression: MIT", needs)
    subject = replace(
        told,
        constraints=told.constraints + "needy==1.0\n",
        everything={**told.everything, "needy": needy},
    )

    assert problems(subject) == []


def test_a_file_that_was_changed_since_it_was_installed_is_told(tmp_path):
    """Its record has the SHA-256 of nothing."""
    record = "code.py,sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU,0\n"
    one = package(tmp_path, "harmless", "2.0", files=record)
    (tmp_path / "code.py").write_bytes(b"")
    sound = list(audit.changed_files({"harmless": one}))
    (tmp_path / "code.py").write_bytes(b"import evil")
    changed = list(audit.changed_files({"harmless": one}))
    (tmp_path / "code.py").unlink()

    assert sound == []
    assert changed == ["harmless: code.py is not as it was installed"]
    assert list(audit.changed_files({"harmless": one})) == ["harmless: code.py is gone"]


def test_two_packages_with_one_file_are_told_unless_that_is_known(tmp_path):
    record = "code.py,sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU,0\n"
    (tmp_path / "code.py").write_bytes(b"")
    both = {name: package(tmp_path, name, "1.0", files=record) for name in ("one", "two")}

    assert len(list(audit.changed_files(both))) == 1
    assert list(audit.changed_files(both, ["one", "two"])) == []


def test_a_file_of_two_is_as_either_has_it_and_of_no_third(tmp_path):
    empty = "code.py,sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU,0\n"
    other = f"code.py,sha256={'A' * 43},1\n"
    (tmp_path / "code.py").write_bytes(b"")
    found = {
        name: package(tmp_path, name, "1.0", files=record)
        for name, record in (("one", empty), ("two", other), ("three", empty))
    }
    two = {name: found[name] for name in ("one", "two")}

    assert list(audit.changed_files(two, ["one", "two"])) == []
    assert list(audit.changed_files(found, ["one", "two"])) == [
        "code.py belongs to one, two, three: whoever was installed last has it"
    ]


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ("MIT", True),
        ("MIT OR GPL-3.0-only", True),
        ("MIT AND GPL-3.0-only", False),
        ("GPL-3.0-only AND MIT OR MIT", True),
        ("", False),
    ],
)
def test_one_choice_of_licences_that_is_allowed_is_enough(told, expected):
    assert allowed(told, {"MIT"}) is expected


def audited(folder: Path, needs: str, extras: str, **pins: str) -> subprocess.CompletedProcess:
    """Run the audit of a small repository."""
    shutil.copytree(ROOT / "supply", folder / "supply")
    (folder / "constraints.txt").write_text("".join(f"{n}=={v}\n" for n, v in pins.items()))
    (folder / "pyproject.toml").write_text(
        f'[project]\ndependencies = ["{needs}"]\noptional-dependencies = {{{extras}}}\n'
    )
    return subprocess.run(
        [sys.executable, folder / "supply" / "audit.py"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONSAFEPATH": ""},
    )


@pytest.mark.parametrize(
    ("needs", "pin", "told", "expected"),
    [
        ("packaging", version("packaging"), "no problems", 0),
        ("packaging", "0.1", "and constraints.txt has 0.1", 1),
        ("nobodys", "0.1", "declared and not installed: nobodys", 1),
    ],
)
def test_what_is_wrong_is_printed_and_fails_the_check(tmp_path, needs, pin, told, expected):
    done = audited(tmp_path, needs, "test = []", **{needs: pin})

    assert (done.returncode, done.stderr) == (expected, "")
    assert told in done.stdout


def test_what_users_may_add_is_shipped_and_what_only_tests_is_not(tmp_path):
    pins = {name: version(name) for name in ("packaging", "attrs", "iniconfig")}
    done = audited(tmp_path, "packaging", 'more = ["attrs"], test = ["iniconfig"]', **pins)

    assert "2 packages shipped, 3 with tools: no problems" in done.stdout


def test_this_repository_has_no_problem() -> None:
    # What this process has for workers of ours would keep a script from the modules beside it.
    done = subprocess.run(
        [sys.executable, ROOT / "supply" / "audit.py"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONSAFEPATH": ""},
    )

    assert (done.returncode, done.stdout.count("\n")) == (0, 1), done.stdout
    assert "no advisory database was asked" in done.stdout
