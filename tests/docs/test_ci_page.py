"""docs/ci.md against the integrations and the program."""

from __future__ import annotations

import re
from pathlib import Path

from ruamel.yaml import YAML

from gitsource.cli.main import COMMANDS, cli

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8")
read = YAML(typ="safe").load


def blocks(kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


def test_every_integration_is_on_the_page() -> None:
    folders = {path.name for path in (ROOT / "integrations").iterdir() if path.is_dir()}

    assert folders == set(re.findall(r"\]\(\.\./integrations/([a-z]+)/", PAGE))


def test_every_hook_is_on_the_page() -> None:
    hooks = {each["id"] for each in read((ROOT / ".pre-commit-hooks.yaml").read_text("utf-8"))}

    assert hooks == set(re.findall(r"- id: (gitsource[a-z-]*)", PAGE))


def test_inputs_and_variables_on_the_page_are_there() -> None:
    (action,) = (read(block) for block in blocks("yaml") if block.startswith("on:"))
    (_, step) = action["jobs"]["mesh"]["steps"]
    (template,) = (read(block) for block in blocks("yaml") if block.startswith("include:"))
    inputs = read((ROOT / "integrations/github/action.yml").read_text("utf-8"))["inputs"]
    jobs = read((ROOT / "integrations/gitlab/gitsource.gitlab-ci.yml").read_text("utf-8"))

    assert step["with"].keys() <= inputs.keys()
    assert template["variables"].keys() <= jobs["variables"].keys()


def test_commands_and_options_on_the_page_are_there() -> None:
    used = re.findall(r"^gitsource ([a-z-]+)(.*)$", "\n".join(blocks("sh")), re.MULTILINE)

    assert {"verify", "export", "import"} <= {name for name, _ in used} <= COMMANDS.keys()
    for name, rest in used:
        command = cli.get_command(None, name)  # type: ignore[arg-type]
        known = {flag for each in command.params for flag in each.opts}
        given = {word for word in rest.partition("#")[0].split() if word.startswith("-")}
        assert given <= known, name
