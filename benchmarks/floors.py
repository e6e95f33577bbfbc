"""
Yardsticks: what the machine takes for the part of a row that nobody can avoid.

Rule: a floor is measured in the same run as its row, next to each of its values, since the machine
is never twice the same. Each takes a fresh process and nothing of gitsource, but for the reader,
which is asked for by name.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from processes import CLEAN, HERE, MeasureError
from repository import Made, git

IMPORTS = "import time, grpc.aio; print(time.monotonic())"


def interpreter_and_grpc() -> float:
    """Return the seconds from exec until a Python process has imported grpc."""
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", IMPORTS], env=CLEAN, check=True, capture_output=True, text=True
    )
    return float(done.stdout) - started


def read_everything(made: Made, reader: str) -> float:
    """
    Return the seconds two processes take to read every file with git and *reader*.

    *reader* is ``ours`` (`gitsource.parse`) or ``stock`` (ruamel.yaml, safe, with its C scanner).
    """
    parts = min(2, os.cpu_count() or 1)
    started = time.monotonic()
    readers = [
        subprocess.Popen(
            [sys.executable, __file__, str(made.folder), reader, str(part), str(parts)],
            cwd=HERE,
            env=CLEAN,
            stdout=subprocess.PIPE,
            text=True,
        )
        for part in range(parts)
    ]
    told = [process.communicate()[0] for process in readers]
    took = time.monotonic() - started
    if any(process.returncode for process in readers) or sum(map(int, told)) != made.size:
        raise MeasureError(f"the {reader} reader read {told}, not {made.size} documents")
    return took


class SecondMirror:
    """A mirror that nobody serves from, to see what git alone takes for a fetch."""

    def __init__(self, made: Made, folder: Path) -> None:
        self._folder = folder
        subprocess.run(
            ["git", "clone", "--quiet", "--mirror", made.url, str(folder)], check=True, env=CLEAN
        )
        git(folder, "config", "gc.auto", "0")

    def fetch(self) -> float:
        """Return the seconds of a `git fetch` of what is new."""
        before = git(self._folder, "rev-parse", "main")
        started = time.monotonic()
        git(self._folder, "fetch", "--quiet", "--no-tags", "origin")
        took = time.monotonic() - started
        if git(self._folder, "rev-parse", "main") == before:
            raise MeasureError("there was nothing to fetch")
        return took


def _contents(folder: str, blobs: list[str]) -> Iterator[bytes]:
    """Yield the contents of *blobs* from one `git cat-file --batch`."""
    process = subprocess.Popen(
        ["git", f"--git-dir={folder}", "cat-file", "--batch", "--buffer"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    stdin, stdout = process.stdin, process.stdout

    def feed() -> None:
        stdin.write("".join(f"{blob}\n" for blob in blobs).encode())
        stdin.close()

    threading.Thread(target=feed, daemon=True).start()
    for _ in blobs:
        size = int(stdout.readline().split()[2])
        yield stdout.read(size + 1)[:size]
    process.wait()


def _read(folder: str, reader: str, part: int, parts: int) -> int:
    """Read this process's share; return how many documents it held."""
    listed = git(Path(folder), "ls-tree", "-r", "main").splitlines()
    blobs = sorted(line.split()[2] for line in listed)[part::parts]
    documents = 0
    if reader == "stock":
        from ruamel.yaml import YAML

        yaml = YAML(typ="safe")
        for content in _contents(folder, blobs):
            documents += isinstance(yaml.load(content), dict)
    else:
        from gitsource.parse import parse

        for content in _contents(folder, blobs):
            documents += len(parse(content).documents)
    return documents


if __name__ == "__main__":
    print(_read(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
