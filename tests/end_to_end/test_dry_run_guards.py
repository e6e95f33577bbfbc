"""What the guards of a server would say of a commit, and what a dry-run then ends with."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from gitsource.cli.main import main
from repositories import Upstream
from running import VS, broken, route
from signing import Ring, Sign, signed

WARNING = route("web", "v1").replace("spec:", "spec:\n  gateways: [nowhere]")
"""A VirtualService on a Gateway that does not exist."""


@pytest.fixture
def upstream(tmp_path: Path) -> Upstream:
    made = Upstream(tmp_path / "up")
    made.commit({f"mesh/r{n}.yaml": route(f"r{n}", "v1") for n in range(30)})
    return made


class Run:
    """Runs dry-runs of one repository."""

    def __init__(self, folder: Path, config: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self.config, self.capsys = folder, config, capsys

    def __call__(self, *args: str, config: str = "") -> tuple[int, dict]:
        self.config.write_text(config)
        self.capsys.readouterr()
        where = ("--repo", str(self.folder), "--config", str(self.config), "--cache", "none")
        with pytest.raises(SystemExit) as ended:
            raise SystemExit(main(["dry-run", *where, "--output", "json", *args]))
        return int(ended.value.code or 0), json.loads(self.capsys.readouterr().out)


@pytest.fixture
def run(upstream: Upstream, tmp_path: Path, capsys) -> Run:
    return Run(upstream.folder, tmp_path / "config.yaml", capsys)


def codes(plan: dict) -> list[str]:
    return [each["code"] for each in plan["findings"] if each["state"] == "guard"]


def test_a_mass_removal_would_be_held(upstream: Upstream, run: Run) -> None:
    upstream.commit({f"mesh/r{n}.yaml": None for n in range(20)})

    code, plan = run()

    assert (3, ["GS207"]) == (code, codes(plan))
    assert plan["held"]


def test_a_trailer_in_the_message_lets_it_through(upstream: Upstream, run: Run) -> None:
    upstream.commit(
        {f"mesh/r{n}.yaml": None for n in range(20)},
        message=f"clean up\n\nGitsource-Allow: removals {VS}",
    )

    code, plan = run()

    assert (0, []) == (code, codes(plan))


def test_nothing_left_at_all_would_be_held(upstream: Upstream, run: Run) -> None:
    upstream.commit({"README.md": "empty"}, whole=True)

    code, plan = run()

    assert (3, ["GS209"]) == (code, codes(plan))


def test_a_head_that_does_not_follow_from_its_base_would_be_held_where_that_is_set(
    upstream: Upstream, run: Run
) -> None:
    first = upstream.tip()
    upstream.commit({"mesh/new.yaml": route("new", "v1")})
    upstream.commit({"mesh/other.yaml": route("other", "v1")}, branch="side", parents=[first])
    asked = ("--base", "main", "--head", "side")

    told = [
        run(*asked, config=f"repository: {{non_fast_forward: {how}}}")
        for how in ("allow", "hold", "deny")
    ]

    assert [(0, []), (3, ["GS208"]), (3, ["GS210"])] == [(code, codes(plan)) for code, plan in told]
    assert "does not follow" in " ".join(told[0][1]["notes"])


def test_a_rewind_that_its_head_confirms_goes_out(upstream: Upstream, run: Run) -> None:
    first = upstream.tip()
    upstream.commit({"mesh/new.yaml": route("new", "v1")})
    upstream.commit({}, branch="side", parents=[first], message="x\n\nGitsource-Allow: rewind")

    code, plan = run(
        *("--base", "main", "--head", "side"), config="repository: {non_fast_forward: hold}"
    )

    assert (0, []) == (code, codes(plan))


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Sign, Sign, Path]]:
    """Return somebody who is trusted, a stranger, and the file with the keys that are."""
    ring = Ring()
    keys = [ring.make(name) for name in ("ann", "stranger")]
    file = tmp_path_factory.mktemp("keys") / "keys.asc"
    file.write_bytes(ring.public(keys[0]))
    yield ring.signer(keys[0]), ring.signer(keys[1]), file
    ring.close()


def test_unsigned_commits_would_be_held_and_signed_ones_not(
    upstream: Upstream, run: Run, people: tuple[Sign, Sign, Path]
) -> None:
    ann, stranger, keys = people
    config = f"trust: {{mode: head, gpg_keys: [{keys}]}}"
    upstream.commit({"mesh/new.yaml": route("new", "v1")})
    unsigned = run(config=config)
    signed(upstream, stranger, {"mesh/new.yaml": route("new", "v2")})
    strange = run(config=config)
    signed(upstream, ann, {"mesh/new.yaml": route("new", "v3")})
    good = run(config=config)

    assert [(3, ["GS211"]), (3, ["GS212"]), (0, [])] == [
        (code, codes(plan)) for code, plan in (unsigned, strange, good)
    ]


def test_every_new_commit_needs_its_signature_where_that_is_set(
    upstream: Upstream, run: Run, people: tuple[Sign, Sign, Path]
) -> None:
    ann, _, keys = people
    first = upstream.tip()
    upstream.commit({"mesh/new.yaml": route("new", "v1")})
    signed(upstream, ann, {"mesh/new.yaml": route("new", "v2")})
    config = f"trust: {{mode: since, since: {first}, gpg_keys: [{keys}]}}"

    all_new, last = run("--base", first, config=config), run(config=config)

    assert (3, ["GS211"]) == (all_new[0], codes(all_new[1]))
    assert (0, []) == (last[0], codes(last[1]))


CASES = {
    "error": ({"mesh/x.yaml": broken("x")}, {}, (1, 1, 1)),
    "old error": ({"mesh/z.yaml": route("other", "v1")}, {"mesh/x.yaml": broken("x")}, (1, 1, 1)),
    "guard": ({f"mesh/r{n}.yaml": None for n in range(20)}, {}, (3, 0, 3)),
    "warning": ({"mesh/web.yaml": WARNING}, {}, (0, 0, 1)),
    "old warning": ({"mesh/z.yaml": route("other", "v1")}, {"mesh/web.yaml": WARNING}, (0, 0, 0)),
    "guard and warning": (
        {f"mesh/r{n}.yaml": None for n in range(20)} | {"mesh/web.yaml": WARNING}, {}, (3, 0, 1),
    ),
    "error and guard": (
        {f"mesh/r{n}.yaml": None for n in range(20)} | {"mesh/x.yaml": broken("x")}, {}, (1, 1, 1),
    ),
    "nothing": ({"mesh/z.yaml": route("other", "v1")}, {}, (0, 0, 0)),
}  # fmt: skip
"""A change, what the base has besides, and exit codes of the default, of error and of warning."""


@pytest.mark.parametrize("case", CASES)
def test_exit_codes_are_those_that_are_promised(case: str, upstream: Upstream, run: Run) -> None:
    change, besides, expected = CASES[case]
    if besides:
        upstream.commit(besides)
    upstream.commit(change)

    found = [
        run(*args)[0]
        for args in (
            *([], ["--fail-on", "guard"], ["--fail-on", "error"], ["--fail-on", "warning"]),
            *(["--strict"], ["--exit-zero"], ["--exit-zero", "--strict"]),
        )
    ]

    guard, error, warning = expected
    assert [guard, guard, error, warning, warning, 0, 0] == found


def test_a_setting_that_is_wrong_is_2_whatever_is_asked(upstream: Upstream, run: Run) -> None:
    run.config.write_text("nonsense: 1")

    assert 2 == main(
        ["dry-run", "--repo", str(run.folder), "--config", str(run.config), "--exit-zero"]
    )
