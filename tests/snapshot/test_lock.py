"""A state directory belongs to one process at a time."""

from __future__ import annotations

from pathlib import Path

import pytest

from gitsource.errors import StateError
from gitsource.snapshot.lock import locked


def test_a_folder_that_is_not_there_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    with locked(tmp_path / "a" / "state"):
        mode = (tmp_path / "a" / "state").stat().st_mode & 0o777

    assert mode == 0o700


def test_a_folder_that_is_held_is_refused_until_it_is_let_go_of(tmp_path: Path) -> None:
    with locked(tmp_path), pytest.raises(StateError, match="another gitsource uses"):  # noqa: SIM117 - the second is what fails
        with locked(tmp_path):
            pass
    with locked(tmp_path):
        held = True

    assert held


def test_what_is_no_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(StateError, match="cannot be used"), locked(tmp_path / "file"):
        pass


def test_what_cannot_be_written_is_held_if_it_has_a_last_good_snapshot(tmp_path: Path) -> None:
    """A folder stands where the lock would be: permissions do not stop root."""
    (tmp_path / "lock").mkdir()
    with pytest.raises(StateError, match="cannot be used"), locked(tmp_path):
        pass
    (tmp_path / "history").mkdir()
    (tmp_path / "history" / "00000001.log").touch()
    with locked(tmp_path) as unwritable:  # noqa: SIM117 - the second is what fails
        with pytest.raises(StateError, match="another gitsource uses"), locked(tmp_path):
            pass

    assert "cannot be written" in unwritable


def test_what_can_be_written_is_said_to_be(tmp_path: Path) -> None:
    with locked(tmp_path) as unwritable:
        pass

    assert "" == unwritable
