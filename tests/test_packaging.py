"""The sdist builds, and its wheel works outside the checkout with nothing but its dependencies."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
GOOD = """\
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: wiki, namespace: web}
spec:
  hosts: [wiki.example.com]
  ports: [{number: 443, name: https, protocol: TLS}]
  resolution: DNS
"""


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the bin folder of a fresh environment into which the wheel was installed."""
    home = tmp_path_factory.mktemp("installed")
    venv.create(home, with_pip=False)
    python = home / "bin" / "python"
    subprocess.run(
        [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-index",
         "--no-deps", "--disable-pip-version-check", wheel],
        check=True,
    )  # fmt: skip
    # The dependencies are those of this environment. A folder named in a .pth file is looked into,
    # but its own .pth files, such as the one of the editable gitsource, are not.
    paths = sysconfig.get_paths(vars={"base": home, "platbase": home})
    others = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    Path(paths["purelib"], "dependencies.pth").write_text("\n".join(sorted(others)) + "\n")
    return python.parent


def run(program: Path, *args: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run an installed program, far from the checkout and without the caller's settings."""
    environ = {
        name: text
        for name, text in os.environ.items()
        if not name.startswith(("GITSOURCE_", "PYTHON", "VIRTUAL_ENV"))
    }
    return subprocess.run(
        [program, *args], cwd=cwd, env=environ, capture_output=True, text=True, check=False
    )


def _below(folder: str, suffix: str) -> set[str]:
    return {str(path.relative_to(ROOT)) for path in (ROOT / folder).rglob(f"*{suffix}")}


def test_the_wheel_carries_every_schema_and_contract(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    data = _below("schemas", ".json") | _below("proto", ".proto")

    assert data
    assert {f"gitsource/{name}" for name in data} - names == set()


def test_the_wheel_carries_the_program_and_its_licence_and_nothing_else(wheel: Path) -> None:
    """No tests, fixtures or leftovers: what is installed is what runs."""
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    tops = {name.split("/")[0] for name in names}
    (info,) = tops - {"gitsource"}

    assert info.endswith(".dist-info")
    assert f"{info}/licenses/LICENSE" in names
    assert [name for name in names if "__pycache__" in name or "/." in name] == []


def test_the_sdist_carries_what_is_needed_to_build_and_check_again(distributions: Path) -> None:
    (sdist,) = distributions.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}

    assert {
        "pyproject.toml",
        "constraints.txt",
        "Makefile",
        "README.md",
        "LICENSE",
        "examples/flagd/flagd.py",
        "gitsource/cli/main.py",
        "tests/conftest.py",
    } <= names
    assert [name for name in names if name.startswith((".venv", ".git/", ".demo"))] == []


def test_the_installed_program_tells_its_version(installed: Path, tmp_path: Path) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

    told = run(installed / "gitsource", "--version", cwd=tmp_path)

    assert (told.returncode, told.stdout) == (0, f"gitsource {project['version']}\n")


def test_the_installed_package_is_not_the_checkout(installed: Path, tmp_path: Path) -> None:
    code = "import gitsource.catalog.kinds as c; print(c.__file__); print(c.data_folder('schemas'))"
    told = run(installed / "python", "-c", code, cwd=tmp_path)
    package, schemas = map(Path, told.stdout.split())

    assert package.is_relative_to(installed.parent)
    assert schemas == package.parents[1] / "schemas"


def test_every_module_of_the_installed_package_can_be_imported(
    installed: Path, tmp_path: Path
) -> None:
    code = (
        "import gitsource, importlib, pkgutil\n"
        "for found in pkgutil.walk_packages(gitsource.__path__, 'gitsource.'):\n"
        "    importlib.import_module(found.name)\n"
    )
    told = run(installed / "python", "-W", "error", "-c", code, cwd=tmp_path)

    assert (told.returncode, told.stderr) == (0, "")


def test_the_installed_program_judges_a_good_file(installed: Path, tmp_path: Path) -> None:
    """It needs the shipped schema for that."""
    (tmp_path / "entry.yaml").write_text(GOOD)

    told = run(installed / "gitsource", "validate", "--output", "json", ".", cwd=tmp_path)

    assert (told.returncode, told.stderr) == (0, "")
    assert json.loads(told.stdout) == {"findings": []}


def test_the_installed_program_judges_a_bad_file(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "entry.yaml").write_text(GOOD.replace("number: 443", "number: https"))

    told = run(installed / "gitsource", "validate", "--output", "json", ".", cwd=tmp_path)
    (finding,) = json.loads(told.stdout)["findings"]

    assert told.returncode == 1
    assert (finding["file"], finding["line"], finding["code"]) == ("entry.yaml", 6, "GS301")
    assert finding["resource"] == "ServiceEntry/web/wiki"
