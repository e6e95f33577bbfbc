"""Files that are believed because of their seal, and where they may lie."""

from __future__ import annotations

from pathlib import Path

import pytest

from gitsource.errors import ConfigurationError
from gitsource.rehearsal.memory import Folder, Forgetful, memory_in
from gitsource.rehearsal.sealed import Sealed, key_of, private

KEY = "a key of more than sixteen characters"


def test_what_was_written_is_read_again_by_whoever_has_the_key(tmp_path: Path) -> None:
    Sealed(tmp_path, b"key").write("x", [b"one", b"two"])

    assert b"onetwo" == bytes(Sealed(tmp_path, b"key").read("x") or b"")
    assert Sealed(tmp_path, b"other").read("x") is None


def test_a_file_under_another_name_is_not_believed(tmp_path: Path) -> None:
    """Else what was right for one question could be put in the place of another answer."""
    sealed = Sealed(tmp_path, b"key")
    sealed.write("x", [b"one"])
    (tmp_path / "x").rename(tmp_path / "y")

    assert sealed.read("y") is None


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    sealed = Sealed(tmp_path, b"key")
    sealed.write("x", [b"one"])
    (tmp_path / "real").mkdir()
    (tmp_path / "x").rename(tmp_path / "real/x")
    (tmp_path / "x").symlink_to("real/x")

    assert sealed.read("x") is None


def test_values_are_sealed_by_all_their_parts(tmp_path: Path) -> None:
    sealed = Sealed(tmp_path, b"key")

    assert sealed.of(b"ab", b"c") != sealed.of(b"a", b"bc")


def test_a_full_or_missing_folder_is_no_error(tmp_path: Path) -> None:
    sealed = Sealed(tmp_path / "nowhere", b"key")
    sealed.write("x", [b"one"])

    assert sealed.read("x") is None


def test_in_ci_there_is_a_key_or_nothing_is_remembered() -> None:
    assert b"" == key_of({})
    assert b"" == key_of({"CI": "false"})
    assert key_of({"CI": "true"}) is None
    assert key_of({"CI": "1"}) is None
    assert key_of({"CI": "true", "GITSOURCE_CACHE_KEY": KEY}) == key_of(
        {"GITSOURCE_CACHE_KEY": KEY}
    )


def test_a_key_that_could_be_guessed_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="shorter"):
        key_of({"GITSOURCE_CACHE_KEY": "short"})


def kind_of(cache: str | None, environ: dict[str, str], said: list[str]) -> type:
    with memory_in(cache, environ, said.append) as memory:
        return type(memory)


def test_nothing_is_remembered_where_that_is_asked_for(tmp_path: Path) -> None:
    said: list[str] = []

    assert Forgetful is kind_of("none", {"XDG_CACHE_HOME": str(tmp_path)}, said)
    assert ([], []) == (said, list(tmp_path.iterdir()))


def test_a_folder_that_is_named_in_ci_is_left_out_aloud(tmp_path: Path) -> None:
    said: list[str] = []

    assert Forgetful is kind_of(str(tmp_path / "c"), {"CI": "true"}, said)
    assert "GITSOURCE_CACHE_KEY" in said[0]
    assert Folder is kind_of(str(tmp_path / "c"), {"CI": "1", "GITSOURCE_CACHE_KEY": KEY}, said)


def test_the_users_own_folder_is_the_default(tmp_path: Path) -> None:
    assert Folder is kind_of(None, {"XDG_CACHE_HOME": str(tmp_path)}, [])
    assert 0o700 == (tmp_path / "gitsource/dry-run").stat().st_mode & 0o777
    assert Forgetful is kind_of(None, {}, [])


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o777])
def test_a_folder_that_others_may_write_to_is_not_used(tmp_path: Path, mode: int) -> None:
    """Not by default, and with an error where it is named."""
    own = tmp_path / "gitsource"
    own.mkdir()
    own.chmod(mode)

    assert not private(own)
    assert Forgetful is kind_of(None, {"XDG_CACHE_HOME": str(tmp_path)}, [])
    with pytest.raises(ConfigurationError, match="you alone"):
        kind_of(str(own), {}, [])
