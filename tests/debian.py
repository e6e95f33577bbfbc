"""
Programs that no package index has, from Debian's packages, where there is an apt-get.

Rule: every failure is a `Failed` of one line, and all of it together takes no longer than was said.
"""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path


class Failed(Exception):
    """Why there is no such program."""


class Apt:
    """apt-get for so many seconds; what it is to keep of its own is in *folder*."""

    def __init__(self, folder: Path, seconds: float) -> None:
        self._until = time.monotonic() + seconds
        self._folder = folder
        self._archives = folder / "archives"

    def install(self, *packages: str) -> None:
        """Install them on this system; root may."""
        self._get("update")
        self._get("install", "--no-install-recommends", *packages)

    def unpack(self, target: Path, *packages: str) -> None:
        """Unpack them, and what they need and is not installed, to *target*; anybody may."""
        for name in ("lists", "archives"):
            (self._folder / name / "partial").mkdir(parents=True)
        own = {
            "Dir::State::lists": self._folder / "lists",
            "Dir::Cache": self._folder,
            "Dir::Cache::archives": self._archives,
            "Debug::NoLocking": "true",
            "APT::Sandbox::User": "",
        }
        settings = [f"-o{name}={value}" for name, value in own.items()]
        self._get("update", *settings)
        self._get("install", *settings, "--download-only", "--no-install-recommends", *packages)
        for package in sorted(self._archives.glob("*.deb")):
            self._run("dpkg-deb", "--extract", package, target)

    def _get(self, *words: str) -> None:
        bounds = ("Retries=0", "http::Timeout=10", "https::Timeout=10", "Languages=none")
        self._run("apt-get", "-qy", *(f"-oAcquire::{bound}" for bound in bounds), *words)

    def _run(self, *command: str | Path) -> None:
        try:
            done = subprocess.run(
                command,
                env=os.environ | {"DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=max(0.1, self._until - time.monotonic()),
                check=False,
            )
        except FileNotFoundError:
            raise Failed(f"there is no {command[0]} here") from None
        except subprocess.TimeoutExpired:
            raise Failed(f"{command[0]} took too long") from None
        if done.returncode:
            told = [line for line in done.stderr.splitlines() if line.startswith("E:")]
            why = (told or done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[0]
            raise Failed(f"{command[0]}: {why}")
