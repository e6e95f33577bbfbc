"""
What tests of several folders share.

Being here also puts tests/ on the import path, so that every test can use the shared test support.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

import browser

ROOT = Path(__file__).parents[1]

# An example that takes long on a busy machine is not wrong: time is measured in benchmarks/ alone.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--need-browser", action="store_true", help="fail, not skip, where there is no browser"
    )


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what looks at pages where no browser is installed, unless one is asked for."""
    looks = item.get_closest_marker("browser") and not item.config.getoption("--need-browser")
    if looks and not browser.found():
        pytest.skip("there is no browser on PATH: make test-full gets one, or says how")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say which servers the tests over ssh had, where any ran: not every machine has an sshd."""
    told = [
        report.nodeid
        for outcome in ("passed", "failed")
        for report in terminalreporter.stats.get(outcome, ())
        if "SshGit" in report.nodeid
    ]
    if told:
        real = sum("OpenSshGit" in nodeid for nodeid in told)
        sshd = f"in {real}" if real else "in none: there is none here that can be started"
        terminalreporter.write_line(
            f"ssh: asyncssh {version('asyncssh')} served in {len(told) - real} tests, "
            f"OpenSSH's sshd {sshd}"
        )


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep what `gitsource validate` remembers out of the cache of whoever runs the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """
    Return a folder with the sdist of this checkout and the wheel that was built from it.

    Built once however many workers run the tests, without an isolated environment: the build back
    end is installed with the tests, so no network is asked.
    """
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    folder /= "distributions"
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not list(folder.glob("*.whl")):
            command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, ROOT]
            told = subprocess.run(command, check=False, capture_output=True, text=True)
            if told.returncode:
                pytest.fail(f"the build failed:\n{told.stdout[-4000:]}{told.stderr}")
    return folder


@pytest.fixture(scope="session")
def wheel(distributions: Path) -> Path:
    """Return the wheel, built from the sdist of this checkout."""
    (found,) = distributions.glob("*.whl")
    return found
