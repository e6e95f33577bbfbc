"""What no package index has is had from Debian, or there is a line that says why not."""

from __future__ import annotations

from pathlib import Path

import pytest

from debian import Apt, Failed
from get_browser import get

FAILURES = {
    "no apt": ("", "there is no apt-get here"),
    "offline": ("echo 'W: hm' >&2; echo 'E: Failed to fetch' >&2; exit 100", "E: Failed to fetch"),
    "other words": ("echo broken >&2; echo so >&2; exit 1", "apt-get: broken"),
    "no words": ("exit 7", "apt-get: exit code 7"),
    "silent": ("exec sleep 60", "apt-get took too long"),
}


@pytest.fixture
def apt(tmp_path: Path, monkeypatch):
    """Put an apt-get on the PATH that does what it is told, and nothing else but its asking."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))

    def make(does: str, seconds: float = 30) -> Apt:
        if does:
            asked = f'PATH=/usr/bin:/bin\necho "$@" >> {tmp_path}/asked\n'
            (folder / "apt-get").write_text(f"#!/bin/sh\n{asked}{does}\n")
            (folder / "apt-get").chmod(0o755)
        return Apt(tmp_path / "apt", seconds)

    return make


@pytest.mark.parametrize(("does", "told"), FAILURES.values(), ids=FAILURES)
def test_why_there_is_none_is_one_line(tmp_path: Path, apt, does, told):
    with pytest.raises(Failed) as caught:
        apt(does, 0.3 if "sleep" in does else 30).unpack(tmp_path / "root", "openssh-server")

    assert told in str(caught.value)
    assert 1 == len(str(caught.value).splitlines())


def test_anybody_may_unpack_for_the_systems_own_files_are_not_touched(tmp_path: Path, apt):
    """So the system's lists need not be there either, as in a container's image."""
    apt("true").unpack(tmp_path / "root", "openssh-server")
    update, install = (tmp_path / "asked").read_text().splitlines()

    assert f"Dir::State::lists={tmp_path}/apt/lists" in update
    assert f"Dir::State::lists={tmp_path}/apt/lists" in install
    assert f"Dir::Cache::archives={tmp_path}/apt/archives" in install
    assert install.endswith("--download-only --no-install-recommends openssh-server")


def test_a_browser_that_is_missing_is_installed_by_root_alone(tmp_path: Path, apt):
    made = f"touch {tmp_path}/bin/chromium; chmod 755 {tmp_path}/bin/chromium"
    installing = apt(f'case "$*" in *chromium) {made};; esac')
    with pytest.raises(Failed, match="only root"):
        get(installing, 1000)

    assert not (tmp_path / "asked").exists()
    assert f"{tmp_path}/bin/chromium" == get(installing, 0)
    assert 2 == len((tmp_path / "asked").read_text().splitlines())
    assert f"{tmp_path}/bin/chromium" == get(installing, 1000)


def test_a_package_without_a_browser_is_told(apt):
    with pytest.raises(Failed, match="none in chromium"):
        get(apt("true"), 0)
