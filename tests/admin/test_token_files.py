"""Tokens in files: several while rotating, gone when the file is."""

from __future__ import annotations

import pytest

from gitsource.admin.access import digest_of
from gitsource.admin.token_files import TokenFiles
from gitsource.errors import ConfigurationError
from gitsource.settings.doors import AdminToken

OLD, NEW = b"old-old-old-old-old-old", b"new-new-new-new-new-new"
ROW = AdminToken("ada", "token", "operator")


def digests(files: TokenFiles) -> set[bytes]:
    return {token.digest for token in files.current()}


def test_all_lines_count_while_one_token_takes_the_place_of_another(tmp_path):
    (tmp_path / "token").write_bytes(OLD + b"\n")
    files = TokenFiles([ROW], tmp_path)
    before = digests(files)
    (tmp_path / "token").write_bytes(OLD + b"\n\n  " + NEW + b"\r\n")
    both = digests(files)
    (tmp_path / "token").write_bytes(NEW)

    assert before == {digest_of(OLD)}
    assert both == {digest_of(OLD), digest_of(NEW)}
    assert digests(files) == {digest_of(NEW)}


def test_a_mounted_secret_that_is_swapped_counts_at_once(tmp_path):
    for name, token in (("..1", OLD), ("..2", NEW)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "token").write_bytes(token)
    (tmp_path / "..data").symlink_to("..1")
    (tmp_path / "token").symlink_to("..data/token")
    files = TokenFiles([ROW], tmp_path)
    before = digests(files)
    (tmp_path / "..tmp").symlink_to("..2")
    (tmp_path / "..tmp").rename(tmp_path / "..data")

    assert (before, digests(files)) == ({digest_of(OLD)}, {digest_of(NEW)})


@pytest.mark.parametrize("content", [None, b"", b"\n\n", b"short\n", b"two words are no token"])
def test_a_file_that_is_gone_or_broken_lets_nobody_in(tmp_path, content, caplog):
    told = []
    (tmp_path / "token").write_bytes(OLD)
    files = TokenFiles([ROW], tmp_path, told.append)
    if content is None:
        (tmp_path / "token").unlink()
    else:
        (tmp_path / "token").write_bytes(content)

    assert files.current() == ()
    assert files.current() == ()
    assert [(one.event, one.outcome) for one in told] == [("policy", "failed")]
    assert "ada" in caplog.text


@pytest.mark.parametrize(
    "content", [None, b"", b"short", b"with space with space", b"\xff" * 20, b"x" * 70_000]
)
def test_at_the_start_such_a_file_is_an_error_that_names_it_and_not_its_content(tmp_path, content):
    if content is not None:
        (tmp_path / "token").write_bytes(content)
    with pytest.raises(ConfigurationError) as error:
        TokenFiles([ROW], tmp_path)

    assert str(tmp_path / "token") in str(error.value)
    assert "openssl rand" in error.value.hint
    assert not content or content.decode("latin-1") not in str(error.value)


def test_no_token_is_in_a_repr(tmp_path):
    (tmp_path / "token").write_bytes(OLD)

    assert OLD.decode() not in repr(TokenFiles([ROW], tmp_path))
