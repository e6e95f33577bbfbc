"""An index that was stored answers as the one it was made from, also after changes."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from gitsource._proto.gitsource.state.v1.state_pb2 import Links
from gitsource.build.judge import bounds, judge
from gitsource.catalog.whole import Catalog
from gitsource.references.index import Index
from gitsource.references.stored import restored, stored
from gitsource.settings.judging import References

CASES = Path(__file__).parent / "cases"


@pytest.fixture(scope="module")
def facts() -> dict[str, bytes]:
    """The facts of all files of all cases, as if they were one revision."""
    catalog = Catalog()
    return {
        f"{path.parent.name}/{path.name}": judge(
            path.read_bytes(), None, catalog, bounds(catalog), json=False
        ).facts
        for path in sorted(CASES.rglob("*.yaml"))
    }


def through(index: Index) -> Index:
    """Return *index* after it was stored and read again."""
    paths = sorted(index.files)
    return restored(Links.FromString(stored(index, paths).SerializeToString()), paths)


def remarks(index: Index, changed: dict[str, bytes | None]) -> tuple[set[str], list[object]]:
    draft = index.draft(changed)
    affected = draft.affected()
    return affected, sorted(draft.remarks(References(), affected))


@pytest.mark.parametrize("seed", range(4))
def test_any_change_is_judged_alike(facts: dict[str, bytes], seed: int) -> None:
    chance = random.Random(seed)
    known = Index().draft(facts).accepted()
    other = through(Index().draft(facts).accepted())
    paths = sorted(facts)
    for _ in range(12):
        changed: dict[str, bytes | None] = {
            path: chance.choice([None, facts[chance.choice(paths)]])
            for path in chance.sample(paths, chance.randint(1, 6))
        }

        assert remarks(known, changed) == remarks(other, changed)

        known.draft(changed).accepted()
        other.draft(changed).accepted()
        if chance.random() < 0.3:
            other = through(other)
    everything = {path: raw for path, raw in known.files.items() if raw}
    assert everything == {path: raw for path, raw in other.files.items() if raw}


def test_columns_that_do_not_fit_together_are_refused(facts: dict[str, bytes]) -> None:
    index = Index().draft(facts).accepted()
    paths = sorted(index.files)
    links = stored(index, paths)
    links.ends.pop()

    with pytest.raises(ValueError, match="different lengths"):
        restored(links, paths)
    with pytest.raises(ValueError, match="different lengths"):
        restored(stored(index, paths), paths[:-1])
