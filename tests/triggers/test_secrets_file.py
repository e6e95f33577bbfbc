"""The file with the webhook's secrets."""

from __future__ import annotations

import os

import pytest

from gitsource.errors import ConfigurationError
from gitsource.triggers.secrets_file import LARGEST, SecretsFile, read

ONE, TWO, THREE = (number * 16 for number in (b"1", b"2", b"3"))


def test_each_line_is_a_secret_and_blank_lines_and_comments_are_none(tmp_path):
    file = tmp_path / "secrets"
    file.write_bytes(
        b"# ours\n" + ONE + b"\r\n\n  " + TWO + b"  \n\t\n#none" + THREE + b"\n" + THREE
    )

    assert read(file) == (ONE, TWO, THREE)


@pytest.mark.parametrize(
    "content",
    [b"", b"\n", b" \r\n\t\n", b"# a comment alone, however long\n", b"x" * (LARGEST + 1)],
)
def test_a_file_without_a_usable_secret_is_refused(tmp_path, content):
    file = tmp_path / "secrets"
    file.write_bytes(content)

    with pytest.raises(ConfigurationError, match=r"webhook\.secret_file") as caught:
        SecretsFile(file)
    assert caught.value.hint


def test_a_secret_that_can_be_guessed_is_refused_by_its_line_and_not_shown(tmp_path):
    file = tmp_path / "secrets"
    file.write_bytes(ONE + b"\n\nhunter2\n")

    with pytest.raises(ConfigurationError, match=r"line 3: a secret is 12 bytes") as caught:
        SecretsFile(file)
    assert "hunter2" not in f"{caught.value} {caught.value.hint}"


def test_a_missing_file_is_refused_by_name(tmp_path):
    with pytest.raises(ConfigurationError, match="nowhere: No such file"):
        SecretsFile(tmp_path / "nowhere")


def test_a_mounted_secret_that_is_swapped_is_read_again(tmp_path):
    """Kubernetes swaps a symbolic link; the new file may be as long and as old as the old one."""
    for name, secret in (("v1", ONE), ("v2", TWO)):
        (tmp_path / name).write_bytes(secret)
        os.utime(tmp_path / name, (1, 1))
    link = tmp_path / "secret"
    link.symlink_to("v1")
    secrets = SecretsFile(link)
    before = secrets.current()
    (tmp_path / "new").symlink_to("v2")
    (tmp_path / "new").rename(link)

    assert (before, secrets.current()) == ((ONE,), (TWO,))


@pytest.mark.parametrize("ruin", ["", "short", "gone"])
def test_a_file_that_is_ruined_later_leaves_the_old_secrets_in_force(tmp_path, ruin, caplog):
    file = tmp_path / "secrets"
    file.write_bytes(ONE)
    secrets = SecretsFile(file)
    if ruin == "gone":
        file.unlink()
    else:
        file.write_text(ruin)
    kept = [secrets.current(), secrets.current()]
    file.write_bytes(TWO)

    assert kept == [(ONE,)] * 2
    assert secrets.current() == (TWO,)
    assert sum("stay in force" in record.getMessage() for record in caplog.records) == 1


def test_no_text_about_the_secrets_shows_one(tmp_path):
    file = tmp_path / "secrets"
    file.write_text("hunter2 hunter2 hunter2")

    assert "hunter2" not in repr(SecretsFile(file))
