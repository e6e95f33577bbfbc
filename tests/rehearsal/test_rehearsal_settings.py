"""A change of settings, schemas or messages in the repository, and what breaks by it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gitsource.git.local import LocalRepository
from gitsource.plan.values import Plan
from gitsource.rehearsal.memory import Forgetful
from gitsource.rehearsal.question import Question
from gitsource.rehearsal.run import rehearse
from repositories import Upstream, clone, run_git

FLAGS = "acme/v1/flags"
SETTINGS = f"""\
collections:
- {{name: {FLAGS}, path: "flags/*.yaml", schema: schemas/flags.json}}
"""


def schema(*required: str) -> str:
    return json.dumps({"type": "object", "required": list(required)})


@pytest.fixture
def upstream(tmp_path: Path) -> Upstream:
    made = Upstream(tmp_path / "up")
    made.commit(
        {
            "gitsource.yaml": SETTINGS,
            "schemas/flags.json": schema("on"),
            "flags/dark.yaml": "on: true\n",
            "flags/fast.yaml": "on: true\nsince: 2\n",
        }
    )
    return made


def planned(upstream: Upstream, tmp_path: Path, config: str = "gitsource.yaml") -> Plan:
    """Return the plan of the tip, with the config file that lies in a clone."""
    work = clone(upstream, tmp_path / f"work-{upstream.tip()}")
    with LocalRepository(work) as repository:
        asked = Question(base="HEAD~1", config=work / config)
        return rehearse(repository, asked, {}, Forgetful()).plan


def test_a_stricter_schema_is_told_with_what_it_breaks(upstream: Upstream, tmp_path: Path) -> None:
    upstream.commit({"schemas/flags.json": schema("on", "since")})

    made = planned(upstream, tmp_path)

    (change,) = made.settings
    assert ("schemas/flags.json", "changed", (FLAGS,)) == (
        change.file,
        change.what,
        change.collections,
    )
    assert (f"{FLAGS}/flags/dark",) == change.broken
    assert ["flags/dark.yaml"] == [each.file for each in made.new]
    assert "findings" == made.ends


def test_a_looser_schema_mends_what_was_wrong(upstream: Upstream, tmp_path: Path) -> None:
    upstream.commit({"flags/bad.yaml": "since: 1\n"})
    upstream.commit({"schemas/flags.json": schema()})

    made = planned(upstream, tmp_path)

    assert ["flags/bad.yaml"] == [each.file for each in made.fixed]
    assert ((), "clean") == (made.settings[0].broken, made.ends)


def test_settings_of_a_commit_are_those_that_it_has(upstream: Upstream, tmp_path: Path) -> None:
    """Not those that lie in the working tree: a head is judged as it is."""
    upstream.commit({"gitsource.yaml": SETTINGS.replace("flags/*", "other/*")})
    work = clone(upstream, tmp_path / "work")
    (work / "gitsource.yaml").write_text("nonsense: 1\n")
    with LocalRepository(work) as repository:
        asked = Question(base="HEAD~1", config=work / "gitsource.yaml")
        made = rehearse(repository, asked, {}, Forgetful()).plan
    (tmp_path / "clean").mkdir()

    assert planned(upstream, tmp_path / "clean") == made
    assert ("gitsource.yaml", "changed") == (made.settings[0].file, made.settings[0].what)
    assert ("flags/dark", "flags/fast") == made.collections[0].removed


def test_a_schema_that_cannot_be_used_holds_the_head(upstream: Upstream, tmp_path: Path) -> None:
    upstream.commit({"schemas/flags.json": "{"})

    made = planned(upstream, tmp_path)

    assert (["GS311"], "findings") == ([each.code for each in made.new], made.ends)
    assert () == made.collections


def test_settings_that_cannot_be_used_hold_the_head(upstream: Upstream, tmp_path: Path) -> None:
    work = clone(upstream, tmp_path / "work")
    (work / "gitsource.yaml").write_text(f"{SETTINGS}nonsense: 1\n")
    run_git(work, "add", ".")
    who = ("-c", "user.name=a", "-c", "user.email=a@example.org")
    run_git(work, *who, "commit", "-q", "-m", "wrong")
    (work / "gitsource.yaml").write_text(SETTINGS)
    with LocalRepository(work) as repository:
        asked = Question(config=work / "gitsource.yaml")
        made = rehearse(repository, asked, {}, Forgetful()).plan

    assert ["GS311"] == [each.code for each in made.new]
    assert "nonsense" in made.new[0].message


def test_a_base_whose_schema_cannot_be_used_is_left_out(upstream: Upstream, tmp_path: Path) -> None:
    upstream.commit({"schemas/flags.json": "{"})
    upstream.commit({"schemas/flags.json": schema("on")})

    made = planned(upstream, tmp_path)

    assert "cannot be used" in made.notes[0]
    assert ("flags/dark", "flags/fast") == made.collections[0].added


def test_a_change_does_not_loosen_the_guard_that_judges_it(
    upstream: Upstream, tmp_path: Path
) -> None:
    upstream.commit({f"flags/f{n}.yaml": "on: true\n" for n in range(30)})
    loose = f"{SETTINGS}guard: {{removals: {{share: 1}}}}\n"
    upstream.commit({"gitsource.yaml": loose} | {f"flags/f{n}.yaml": None for n in range(30)})

    made = planned(upstream, tmp_path)

    assert ["GS207"] == [each.code for each in made.guards]


def test_a_config_file_beside_its_schema_in_a_folder_is_found(tmp_path: Path) -> None:
    upstream = Upstream(tmp_path / "up")
    upstream.commit(
        {
            "deploy/gitsource.yaml": SETTINGS,
            "deploy/schemas/flags.json": schema(),
            "flags/dark.yaml": "a: 1\n",
        }
    )
    upstream.commit({"deploy/schemas/flags.json": schema("on")})

    made = planned(upstream, tmp_path, "deploy/gitsource.yaml")

    assert [("deploy/schemas/flags.json", (f"{FLAGS}/flags/dark",))] == [
        (each.file, each.broken) for each in made.settings
    ]


def test_in_the_working_tree_settings_are_those_that_lie_there(
    upstream: Upstream, tmp_path: Path
) -> None:
    work = clone(upstream, tmp_path / "work")
    (work / "schemas/flags.json").write_text(schema("on", "since"))
    with LocalRepository(work) as repository:
        asked = Question(kind="worktree", config=work / "gitsource.yaml")
        made = rehearse(repository, asked, {}, Forgetful()).plan

    assert [(f"{FLAGS}/flags/dark",)] == [each.broken for each in made.settings]


@pytest.mark.parametrize("name", ["/etc/passwd", "../../secret.json", "a/../../b"])
def test_settings_of_a_commit_name_no_file_outside_of_it(
    upstream: Upstream, tmp_path: Path, name: str
) -> None:
    """Else whoever proposes a commit would see what lies on the machine that judges it."""
    upstream.commit({"gitsource.yaml": SETTINGS.replace("schemas/flags.json", name)})
    work = clone(upstream, tmp_path / "work")
    (work / "gitsource.yaml").write_text(SETTINGS)
    with LocalRepository(work) as repository:
        asked = Question(base="HEAD~1", config=work / "gitsource.yaml")
        made = rehearse(repository, asked, {}, Forgetful()).plan

    assert ["GS311"] == [each.code for each in made.new]
    assert "no path inside the repository" in made.new[0].message


AUTHORIZATION = """\
authorization:
  repository_file: authz/*.yaml
  ceiling:
  - {to: {any: known}, resources: {namespaces: ["*"]}}
"""


def rules(*namespaces: str) -> str:
    told = json.dumps(list(namespaces))
    return (
        "apiVersion: gitsource.dev/v1\nkind: SinkPolicy\nmetadata: {name: shop}\nspec:\n  rules:\n"
        f'  - to: {{spiffe: ["spiffe://prod/a"]}}\n    resources: {{namespaces: {told}}}\n'
    )


def test_a_change_of_rules_is_no_push_and_told_with_what_it_gives(tmp_path: Path) -> None:
    route = (
        "apiVersion: networking.istio.io/v1\nkind: VirtualService\n"
        "metadata: {name: web, namespace: shop}\nspec:\n  hosts: [web.example.com]\n"
        "  http: [{route: [{destination: {host: web}}]}]\n"
    )
    upstream = Upstream(tmp_path / "up")
    upstream.commit(
        {"gitsource.yaml": AUTHORIZATION, "authz/shop.yaml": rules("pay"), "web.yaml": route}
    )
    upstream.commit({"authz/shop.yaml": rules("shop")})

    made = planned(upstream, tmp_path)

    assert () == made.collections, made.collections
    assert [("authz/shop.yaml", "changed")] == [(each.file, each.what) for each in made.settings]
    assert [("istio/networking/v1alpha3/virtualservices",)] == [each.gained for each in made.rights]


def test_a_schema_that_is_no_json_stands_where_it_is_broken(
    upstream: Upstream, tmp_path: Path
) -> None:
    upstream.commit({"schemas/flags.json": '{"type":\n  "object",,\n}'})

    (found,) = planned(upstream, tmp_path).new

    assert ("schemas/flags.json", 2, 12, "GS311") == (
        found.file,
        found.line,
        found.column,
        found.code,
    )


def test_a_setting_that_nobody_knows_stands_where_it_is(upstream: Upstream, tmp_path: Path) -> None:
    upstream.commit({"gitsource.yaml": SETTINGS + "nope: 1\n"})

    (found,) = planned(upstream, tmp_path).new

    assert ("gitsource.yaml", 3, "GS311") == (found.file, found.line, found.code)
    assert found.message.startswith('unknown key "nope"')


def test_a_schema_that_is_gone_is_looked_for_in_the_repository_alone(
    upstream: Upstream, tmp_path: Path
) -> None:
    upstream.commit({"schemas/flags.json": None})

    (found,) = planned(upstream, tmp_path).new

    assert "there is no schema schemas/flags.json in the repository" in found.message
    assert "/dev/null" not in found.message


def test_a_collection_with_two_names_is_told_by_one(upstream: Upstream, tmp_path: Path) -> None:
    row = "- {name: acme/v1/own, path: 'routes/*.yaml', message: envoy.config.route.v3.Route}\n"
    upstream.commit({"gitsource.yaml": SETTINGS + row})

    (change,) = planned(upstream, tmp_path).settings

    assert ("acme/v1/own",) == change.collections
