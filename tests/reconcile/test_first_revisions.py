"""A first revision without configuration: whether it goes out when nothing is known of before."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from gitsource.configuration.catalogs import catalog_for
from gitsource.reconcile.mirrors import mirrors
from gitsource.reconcile.outcomes import Outcome
from gitsource.reconcile.reconciler import Reconciler
from gitsource.settings.following import LayerRow, Repository
from gitsource.settings.judging import Guard
from gitsource.settings.units import FilePath, Words
from gitsource.settings.whole import Settings
from gitsource.snapshot.blobs import BlobCache
from gitsource.snapshot.cache import SnapshotCache
from gitsource.snapshot.history import History
from repositories import Upstream

ENTRY = (
    "apiVersion: networking.istio.io/v1\nkind: ServiceEntry\n"
    "metadata: {name: %s, namespace: shop}\n"
    "spec: {hosts: [%s.example.com], ports: [{number: 80, name: http, protocol: HTTP}]}\n"
)
ALLOWED = "mean it\n\nGitsource-Allow: empty all\n"


def entries(folder: str, count: int) -> dict[str, str | bytes | None]:
    return {f"{folder}/e{n}.yaml": ENTRY % (f"{folder}{n}", f"{folder}{n}") for n in range(count)}


class Started:
    """A gitsource with a new state directory."""

    def __init__(self, folder: Path, **settings: object) -> None:
        state = folder / "state"
        state.mkdir(exist_ok=True)
        told = Settings(**settings, state_dir=FilePath(str(state)), folder=FilePath(str(folder)))  # type: ignore[arg-type]
        catalog = catalog_for(told, None)
        self.reconciler = Reconciler(
            told,
            mirrors(told),
            History(state / "history"),
            BlobCache(state / "blobs.sqlite"),
            SnapshotCache(),
            lambda *_: catalog,
        )

    async def looks(self, *moves) -> list[Outcome]:
        """Return what a look comes to, and after each of *moves*."""
        self.reconciler.restore()
        try:
            found = [await self.reconciler.sync()]
            for move in moves:
                told = move()
                if told is not None:
                    await told
                found.append(await self.reconciler.sync())
            return found
        finally:
            await self.reconciler.close()


def told(outcome: Outcome) -> tuple[str, list[str]]:
    return outcome.result, [each.code for each in outcome.findings]


@pytest.fixture
def upstream(tmp_path: Path) -> Upstream:
    return Upstream(tmp_path / "upstream.git")


async def test_a_mistyped_path_is_held_and_nothing_is_served(tmp_path, upstream) -> None:
    upstream.commit(entries("mesh", 2))
    made = Started(tmp_path, repository=Repository(upstream.url, path="mehs"))
    (first,) = await made.looks()

    assert ("held", ["GS216"]) == told(first)
    assert "'mehs' (repository.path)" in first.error
    assert made.reconciler.condition.serving is None


async def test_a_folder_that_was_renamed_before_a_new_start_is_held(tmp_path, upstream) -> None:
    upstream.commit(entries("mesh", 2))
    upstream.commit(entries("config", 2), whole=True)
    repository = Repository(upstream.url, path="mesh")

    assert ("held", ["GS216"]) == told((await Started(tmp_path, repository=repository).looks())[0])


@pytest.mark.parametrize("path", ["", "mesh"])
async def test_a_tree_that_was_emptied_before_a_new_start_is_held(tmp_path, upstream, path) -> None:
    upstream.commit({"mesh/README.md": "x", **entries("mesh", 2)})
    emptied = upstream.commit({"mesh/README.md": "x"}, whole=True)
    upstream.commit({"mesh/README.md": "y"})
    made = Started(tmp_path, repository=Repository(upstream.url, path=path))
    held, allowed = await made.looks(lambda: upstream.commit({}, message=ALLOWED) and None)

    assert ("held", ["GS209"]) == told(held)
    assert f"before {emptied[:12]}" in held.error
    assert "published" == allowed.result


async def test_an_operator_lets_an_empty_first_revision_through(tmp_path, upstream) -> None:
    upstream.commit(entries("mesh", 1))
    head = upstream.commit({"README.md": "x"}, whole=True)
    made = Started(tmp_path, repository=Repository(upstream.url))
    _, second = await made.looks(lambda: made.reconciler.allow(head, "moved away", "ann"))

    assert "published" == second.result


async def test_a_repository_that_never_had_any_is_published_and_says_so(tmp_path, upstream) -> None:
    upstream.commit({"README.md": "soon\n"})
    made = Started(tmp_path, repository=Repository(upstream.url))
    first, second = await made.looks(lambda: upstream.commit(entries("mesh", 1)) and None)

    assert ("published", ["GS217"]) == told(first)
    assert ("published", []) == told(second)


async def test_what_is_left_out_by_the_settings_was_never_there(tmp_path, upstream) -> None:
    upstream.commit({"ci/job.yaml": "a: b\n"})
    upstream.commit({"README.md": "x"}, whole=True)
    repository = Repository(upstream.url, ignore=Words(("ci/",)))

    assert ("published", ["GS217"]) == told(
        (await Started(tmp_path, repository=repository).looks())[0]
    )


async def test_the_setting_lets_any_first_revision_out(tmp_path, upstream) -> None:
    upstream.commit(entries("mesh", 1))
    repository = Repository(upstream.url, path="mehs")
    made = Started(tmp_path, repository=repository, guard=Guard(empty="allow"))

    assert ("published", []) == told((await made.looks())[0])


async def test_a_shallow_mirror_looks_as_far_back_as_it_takes(tmp_path, upstream) -> None:
    upstream.commit(entries("mesh", 1))
    upstream.commit({"README.md": "x"}, whole=True)
    for number in range(3):
        upstream.commit({"README.md": f"{number}"})
    repository = Repository(upstream.url, depth=1)

    assert ("held", ["GS209"]) == told((await Started(tmp_path, repository=repository).looks())[0])


# --------------------------------------------------------------------------- layers


@pytest.fixture
def layered(tmp_path: Path, upstream: Upstream) -> dict[str, object]:
    """Return settings of two folders of one repository as layers, each with five resources."""
    upstream.commit({**entries("base", 5), **entries("team", 5)})
    rows = tuple(LayerRow(name, Repository(upstream.url, path=name)) for name in ("base", "team"))
    return {"layers": rows}


async def test_a_layer_whose_path_is_mistyped_is_held_and_so_is_the_whole(
    tmp_path, layered
) -> None:
    base, team = layered["layers"]  # type: ignore[misc]
    wrong = replace(team, repository=replace(team.repository, path="tema"))
    made = Started(tmp_path, layers=(base, wrong))
    (first,) = await made.looks()

    assert "held" == first.result
    assert [("team", "GS216")] == [(name, held.findings[0].code) for name, held in first.held]
    assert made.reconciler.condition.serving is None


async def test_a_layer_that_is_suddenly_empty_is_held_alone(tmp_path, upstream, layered) -> None:
    made = Started(tmp_path, **layered)
    gone = dict.fromkeys(entries("team", 5))

    def both() -> None:
        upstream.commit({**gone, **entries("base", 6)})

    first, second, third = await made.looks(
        both, lambda: upstream.commit({}, message=ALLOWED) and None
    )
    serving = made.reconciler.condition.serving

    assert ("published", "published") == (first.result, second.result)
    assert [("team", "GS209")] == [(name, held.findings[0].code) for name, held in second.held]
    assert "nothing at all is left of layer team, of which 5" in second.held[0][1].reason
    assert ("published", ()) == (third.result, third.held)
    assert serving is not None
    assert 6 == sum(len(each) for each in serving.collections.values())


async def test_an_operator_lets_an_emptied_layer_through(tmp_path, upstream, layered) -> None:
    made = Started(tmp_path, **layered)

    def allow():
        return made.reconciler.allow(f"team:{upstream.tip()}", "retired", "ann")

    _, held, after = await made.looks(
        lambda: upstream.commit(dict.fromkeys(entries("team", 5))) and None, allow
    )

    assert [("team", "GS209")] == [(name, why.findings[0].code) for name, why in held.held]
    assert ("published", ()) == (after.result, after.held)
