"""
The scripts of the CI integrations, taken out of their files and run as a CI runs them.

Nothing of this machine's user is in their environment, and the only remote is a folder.
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from repositories import Upstream, clean_environment, run_git

ROOT = Path(__file__).parents[2]
INTEGRATIONS = ROOT / "integrations"
BIN = Path(sys.executable).parent

HOSTILE = (
    "$(touch${IFS}pwned)",
    "`touch${IFS}pwned`",
    "a;touch${IFS}pwned",
    "a|touch${IFS}pwned",
    'a"&&touch${IFS}pwned&&"',
    "a'&&touch${IFS}pwned&&'",
    "--upload-pack=touch${IFS}pwned",
    "-ctouch",
    "${{github.token}}",
    "::error::forged",
    "%0A::set-output",
    "main:refs/heads/forged",
    "+main:refs/heads/forged",
    "refs/../../pwned",
    "a\n::error::forged",
    "*",
    "-",
)
"""Names of branches, and what an input may be besides."""

SERVICE = """\
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: {name}, namespace: web}}
spec:
  hosts: [{name}.example.com]
  ports: [{{number: {port}, name: https, protocol: TLS}}]
  resolution: DNS
"""


def service(name: str, port: object = 443) -> str:
    """Return a document; a port that is no number makes it a bad one."""
    return SERVICE.format(name=name, port=port)


def read(path: str) -> Any:
    """Return an integration's YAML."""
    return YAML(typ="safe").load((INTEGRATIONS / path).read_text(encoding="utf-8"))


@dataclass
class Ran:
    """How a script went."""

    code: int
    out: str
    err: str
    files: dict[str, str] = field(default_factory=dict)
    """Contents of the files that it was told to write to."""


def run(script: str, folder: Path, shell: tuple[str, ...], **environ: str) -> Ran:
    """Run *script* in *folder* as ``shell FILE``."""
    file = folder.parent / f"{folder.name}.script"
    file.write_text(script, encoding="utf-8")
    home = folder.parent / f"{folder.name}.home"
    home.mkdir(exist_ok=True)
    told = clean_environment()
    told |= {"PATH": f"{BIN}:{told['PATH']}", "HOME": str(home), "XDG_CACHE_HOME": str(home)}
    done = subprocess.run(
        [*shell, file],
        cwd=folder,
        env=told | environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    return Ran(done.returncode, done.stdout, done.stderr)


def unharmed(folder: Path) -> bool:
    """Whether nothing that a hostile name stands for has happened."""
    return not list(folder.parent.rglob("*pwned*")) and "forged" not in str(
        run_git(folder, "for-each-ref", "--format=%(refname)")
    )


class Change:
    """An upstream with a few commits on main, and a change that is not merged yet."""

    def __init__(self, folder: Path, *, port: object = 443, behind: int = 3) -> None:
        self.upstream = Upstream(folder / "upstream.git")
        for number in range(behind):
            self.upstream.commit({f"mesh/s{number}.yaml": service(f"s{number}")})
        self.fork = self.upstream.tip()
        self.head = self.upstream.commit(
            {"mesh/new.yaml": service("new", port)}, branch="change", parents=[self.fork]
        )
        self.target = self.upstream.commit({"mesh/later.yaml": service("later")})
        self.merged = self.upstream.commit(
            {"mesh/new.yaml": service("new", port)},
            branch="merged",
            parents=[self.target],
            merge=[self.head],
        )
        self.upstream.git("update-ref", "refs/pull/7/merge", self.merged)
        self._folder = folder
        self._behind = behind

    def checkout(self, commit: str, *, depth: int = 0, name: str = "checkout") -> Path:
        """Clone as CIs do: one commit, detached, of the whole history or *depth* commits of it."""
        folder = self._folder / name
        folder.mkdir()
        run_git(folder, "init", "-q", "-b", "none")
        run_git(folder, "remote", "add", "origin", self.upstream.url)
        deep = (f"--depth={depth}",) if depth else ()
        refs = (commit,) if depth else (commit, "+refs/heads/*:refs/remotes/origin/*")
        run_git(folder, "fetch", "-q", "--no-tags", *deep, "origin", *refs)
        run_git(folder, "checkout", "-q", "--detach", commit)
        return folder

    def removal(self) -> str:
        """Return a commit on a branch that takes all documents away."""
        gone = {f"mesh/s{number}.yaml": None for number in range(self._behind)}
        gone["mesh/later.yaml"] = None
        return self.upstream.commit(gone, branch="removal", parents=[self.target])

    def gone(self) -> None:
        """Take the remote away: whoever fetches now fails."""
        self.upstream.folder.rename(self.upstream.folder.with_name("gone.git"))
