"""A server that was unpacked counts if it works, and finds what came with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from debian import Failed
from servers.get_sshd import tried
from servers.sshds import Sshd, unpacked


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Unpack packages with nothing in their files."""
    for name in ("usr/sbin/sshd", "usr/lib/x-linux-gnu/libnss_wrapper.so", "lib/x-linux-gnu/l.so"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).touch()
    (tmp_path / "usr/lib/openssh").mkdir()
    (tmp_path / "usr/lib/openssh/sshd-session").touch()
    return tmp_path


def test_a_server_that_was_unpacked_finds_what_came_with_it(root: Path, tmp_path: Path):
    found = Sshd(root / "usr/sbin/sshd", root)
    environ = found.environ(tmp_path)

    assert "git" == found.user
    assert [f"SshdSessionPath {root}/usr/lib/openssh/sshd-session"] == found.settings()
    assert f"{root}/lib/x-linux-gnu:{root}/usr/lib/x-linux-gnu" == environ["LD_LIBRARY_PATH"]
    assert f"{root}/usr/lib/x-linux-gnu/libnss_wrapper.so" == environ["LD_PRELOAD"]
    assert "sshd:" in Path(environ["NSS_WRAPPER_PASSWD"]).read_text()


def test_packages_without_a_server_are_told(tmp_path: Path):
    with pytest.raises(Failed, match="none in the packages"):
        tried(unpacked(tmp_path))


@pytest.mark.parametrize("program", ["", "#!/bin/sh\necho no luck >&2\nexit 1\n"])
def test_a_server_that_does_not_start_is_told_in_one_line(root: Path, program: str):
    (root / "usr/sbin/sshd").write_text(program)
    (root / "usr/sbin/sshd").chmod(0o755)
    with pytest.raises(Failed) as caught:
        tried(Sshd(root / "usr/sbin/sshd", root))

    assert 1 == len(str(caught.value).splitlines())
    assert ("no luck" in str(caught.value)) == bool(program)
