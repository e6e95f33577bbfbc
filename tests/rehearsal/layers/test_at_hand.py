"""Which layer a clone is, however its remote is written, and where the others are looked for."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest

from gitsource.cli.layered import place
from gitsource.errors import ConfigurationError
from gitsource.git.local import LocalRepository
from gitsource.rehearsal.layers.at_hand import InRepository, Search, layers_in, reviewed
from gitsource.rehearsal.question import Others
from gitsource.settings.following import LayerRow, Repository
from gitsource.settings.units import FilePath
from gitsource.settings.whole import Settings
from repositories import Upstream, clone

TEAM = "https://git.example.com/shop/mesh.git"


def settings(*urls: str, state: Path | None = None) -> Settings:
    rows = tuple(LayerRow(f"l{at}", Repository(url)) for at, url in enumerate(urls))
    return Settings(layers=rows, state_dir=FilePath(str(state or "nowhere")))


@pytest.fixture
def cloned(tmp_path: Path) -> tuple[Upstream, Path]:
    upstream = Upstream(tmp_path / "up.git")
    upstream.commit({"a.yaml": "a: 1"})
    return upstream, clone(upstream, tmp_path / "clone")


def pointed(folder: Path, *remotes: str) -> None:
    config = folder / ".git" / "config"
    told = [f'[remote "r{at}"]\n\turl = {url}\n' for at, url in enumerate(remotes)]
    config.write_text(config.read_text() + "".join(told))


@pytest.mark.parametrize(
    "remote",
    [
        TEAM,
        "git@git.example.com:shop/mesh.git",
        "ssh://git@git.example.com:22/shop/mesh",
        "https://somebody:secret@GIT.example.com/shop/mesh/",
    ],
)
def test_a_clone_is_the_layer_that_comes_from_where_a_remote_points(
    cloned: tuple[Upstream, Path], remote: str
) -> None:
    pointed(cloned[1], remote)
    with LocalRepository(cloned[1]) as repository:
        rows = reviewed(repository, settings("https://git.example.com/other.git", TEAM), ())

    assert ["l1"] == [row.name for row in rows]


def test_a_repository_on_this_machine_is_known_by_its_folder(
    cloned: tuple[Upstream, Path],
) -> None:
    """That which is followed itself, and a clone of it."""
    upstream, folder = cloned

    assert ("l1",) == layers_in(upstream.folder, settings(TEAM, upstream.url))
    assert ("l1",) == layers_in(folder, settings(TEAM, upstream.url))
    assert () == layers_in(folder.parent, settings(TEAM, upstream.url))


def test_layers_of_one_repository_that_follow_different_refs_are_to_be_named(
    cloned: tuple[Upstream, Path],
) -> None:
    url = cloned[0].url
    rows = (LayerRow("one", Repository(url)), LayerRow("two", Repository(url, ref="live")))
    with LocalRepository(cloned[1]) as repository:
        with pytest.raises(ConfigurationError, match="follow different refs") as caught:
            reviewed(repository, Settings(layers=rows), ())
        named = reviewed(repository, Settings(layers=rows), ("two",))

    assert "--layer: one, two" in (caught.value.hint or "")
    assert rows[1:] == named


@pytest.mark.parametrize("ref", ["refs/remotes/origin/main", "HEAD~0", "main"])
def test_any_revision_of_a_checkout_may_be_named(cloned: tuple[Upstream, Path], ref: str) -> None:
    others = Others({"l0": (cloned[1], ref)})
    told = settings(cloned[0].url)
    with ExitStack() as opened:
        (found,) = Search(told, others, opened).all(told.layers).values()

        assert isinstance(found, InRepository)
        assert cloned[0].tip() == found.revision.commit


def test_nothing_is_fetched_by_looking(cloned: tuple[Upstream, Path]) -> None:
    """What is followed counts as the checkout has it, and not as it is upstream by now."""
    upstream, folder = cloned
    had = upstream.tip()
    upstream.commit({"b.yaml": "b: 1"})
    told = settings(upstream.url)
    with ExitStack() as opened:
        (found,) = Search(told, Others({"l0": (folder, None)}), opened).all(told.layers).values()

        assert isinstance(found, InRepository)
        assert (had, f"{folder}@refs/remotes/origin/main") == (
            found.revision.commit, found.source,
        )  # fmt: skip


def test_what_is_no_mirror_in_a_state_directory_is_not_taken_for_one(tmp_path: Path) -> None:
    """Whatever lies there, unless we made it whole."""
    fake = Upstream(tmp_path / "state" / "mirrors" / "l0.git")
    fake.commit({"a.yaml": "a: 1"})
    told = settings(TEAM, state=tmp_path / "state")
    with ExitStack() as opened, pytest.raises(ConfigurationError, match="layer l0 is not at hand"):
        Search(told, Others(), opened).all(told.layers)


def test_a_folder_may_have_the_sign_of_a_revision_in_its_name(tmp_path: Path) -> None:
    odd = tmp_path / "a@b"
    odd.mkdir()

    assert ("x", (odd, None)) == place(f"x={odd}")
    assert ("x", (odd, "v1")) == place(f"x={odd}@v1")
    assert ("x", (tmp_path / "c", "v1")) == place(f"x={tmp_path}/c@v1")
