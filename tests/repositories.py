"""
Real Git history for tests: scripted upstreams, and fixture folders turned into commits.

Everything here runs the real git and shares no code with `gitsource.git`. Dates are fixed, so the
same script gives the same commit ids on every machine. The fixture format is told in
fixtures/repos/README.md.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

EPOCH = 1704067200
"""2024-01-01T00:00:00Z: the date of an upstream's first commit."""
HOUR = 3600
"""Commits are an hour apart unless told otherwise."""
AUTHOR = "Ada Example <ada@example.org>"

FIXTURES = Path(__file__).parent.parent / "fixtures" / "repos"

Content = bytes | str | None
"""What a path becomes: bytes, text (UTF-8), or gone (None)."""


def clean_environment() -> dict[str, str]:
    """Return an environment in which no configuration of this machine's user has a say."""
    kept = {name: os.environ[name] for name in ("PATH", "TMPDIR") if name in os.environ}
    return kept | {
        "HOME": "/nonexistent",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_TERMINAL_PROMPT": "0",
        "LC_ALL": "C",
    }


def run_git(folder: Path, *args: str, stdin: bytes = b"") -> bytes:
    """Run git in *folder* and return its output; an error of git fails the test with its text."""
    done = subprocess.run(
        ["git", *args],
        cwd=folder,
        input=stdin,
        env=clean_environment(),
        capture_output=True,
        check=False,
    )
    if done.returncode:
        raise AssertionError(f"git {' '.join(args)}: {done.stderr.decode(errors='replace')}")
    return done.stdout


class Upstream:
    """
    A bare repository that a test writes, commit by commit, as a Git host would hold it.

    >>> upstream = Upstream(tmp_path / "upstream.git")
    >>> first = upstream.commit({"a.yaml": "kind: A"})
    >>> second = upstream.commit({"a.yaml": None, "b.yaml": b"kind: B"}, message="rename a")
    """

    def __init__(self, folder: Path, *, object_format: str = "sha1", branch: str = "main") -> None:
        self.folder = folder
        self.branch_name = branch
        self._next = EPOCH
        folder.mkdir(parents=True, exist_ok=True)
        run_git(
            folder,
            *("init", "-q", "--bare", "--template=", "-b", branch),
            f"--object-format={object_format}",
        )

    @property
    def url(self) -> str:
        """The ``file://`` URL."""
        return self.folder.absolute().as_uri()

    def git(self, *args: str, stdin: bytes = b"") -> str:
        """Run any git command in the repository; returns its output, stripped."""
        return run_git(self.folder, *args, stdin=stdin).decode(errors="surrogateescape").strip()

    # ------------------------------------------------------------------ commits

    def commit(
        self,
        files: Mapping[str, Content] | None = None,
        *,
        message: str = "change",
        when: int | None = None,
        branch: str | None = None,
        author: str = AUTHOR,
        parents: Sequence[str] | None = None,
        merge: Sequence[str] = (),
        symlinks: Mapping[str, str] | None = None,
        submodules: Mapping[str, str] | None = None,
        modes: Mapping[str, str] | None = None,
        whole: bool = False,
    ) -> str:
        """
        Commit changes on top of *branch* and return the commit id.

        *when* is the committer (and author) time in seconds since the epoch; by default an hour
        after the commit before. *parents* (none: a new root) overrides the branch's tip as first
        parent and may rewind the branch; *merge* adds parents. With *whole* the tree holds what is
        given and nothing else. Paths may be any text without NUL; `hostile` takes worse.
        """
        branch = branch or self.branch_name
        when = self._next if when is None else when
        self._next = max(self._next, when) + HOUR
        modes = modes or {}
        ref = f"refs/heads/{branch}"
        first = [f"{ref}^0"] if self.has(ref) else []
        first = list(parents) if parents is not None else first
        lines: list[bytes] = [
            b"feature done\n",
            f"commit {ref}\nmark :1\n".encode(),
            f"author {author} {when} +0000\n".encode("utf-8", "surrogateescape"),
            f"committer {author} {when} +0000\n".encode("utf-8", "surrogateescape"),
            _data(message.encode("utf-8", "surrogateescape")),
            *(
                f"{'from' if at == 0 else 'merge'} {parent}\n".encode()
                for at, parent in enumerate([*first, *merge])
            ),
        ]
        if whole:
            lines.append(b"deleteall\n")
        lines += [
            b"D " + _quoted(p) + b"\n" for p, content in (files or {}).items() if content is None
        ]
        for path, content in (files or {}).items():
            if content is not None:
                raw = content.encode() if isinstance(content, str) else content
                mode = modes.get(path, "100644")
                lines += [f"M {mode} inline ".encode(), _quoted(path), b"\n", _data(raw)]
        for path, target in (symlinks or {}).items():
            lines += [b"M 120000 inline ", _quoted(path), b"\n", _data(os.fsencode(target))]
        for path, commit in (submodules or {}).items():
            lines += [f"M 160000 {commit} ".encode(), _quoted(path), b"\n"]
        lines += [b"get-mark :1\n", b"done\n"]
        if not first:
            # A root commit: whatever the branch held before is not its parent.
            lines.insert(1, f"reset {ref}\n\n".encode())
        out = run_git(
            self.folder, "fast-import", "--quiet", "--force", "--date-format=raw",
            stdin=b"".join(lines),
        )  # fmt: skip
        return out.decode().strip()

    def symlink(self, path: str, target: str, **how: Any) -> str:
        """Commit a symlink."""
        return self.commit(symlinks={path: target}, **how)

    def submodule(self, path: str, commit: str = "1" * 40, **how: Any) -> str:
        """Commit a submodule (a gitlink and its .gitmodules)."""
        told = f'[submodule "{path}"]\n\tpath = {path}\n\turl = https://example.org/x.git\n'
        return self.commit({".gitmodules": told}, submodules={path: commit}, **how)

    def hostile(
        self,
        entries: Iterable[tuple[str, bytes, bytes]],
        *,
        branch: str | None = None,
        message: str = "hostile",
    ) -> str:
        """Commit a root tree of (mode, name, content) that git itself would refuse to write."""
        size = 32 if self.git("rev-parse", "--show-object-format") == "sha256" else 20
        tree = b""
        for mode, name, content in entries:
            blob = self.git("hash-object", "-w", "--stdin", stdin=content)
            tree += mode.encode() + b" " + name + b"\0" + bytes.fromhex(blob)[:size]
        top = self.git("hash-object", "-t", "tree", "--literally", "-w", "--stdin", stdin=tree)
        when = self._next
        self._next += HOUR
        raw = f"tree {top}\n"
        ref = f"refs/heads/{branch or self.branch_name}"
        if self.has(ref):
            raw += f"parent {self.git('rev-parse', ref)}\n"
        raw += f"author {AUTHOR} {when} +0000\ncommitter {AUTHOR} {when} +0000\n\n{message}\n"
        commit = self.git("hash-object", "-t", "commit", "-w", "--stdin", stdin=raw.encode())
        self.git("update-ref", ref, commit)
        return commit

    def raw(self, oid: str) -> bytes:
        """Return a commit object as it is."""
        return run_git(self.folder, "cat-file", "commit", oid)

    def put_commit(self, raw: bytes, branch: str | None = None) -> str:
        """Make *raw* the tip of a branch, whatever it says; returns the commit id."""
        oid = self.git("hash-object", "-t", "commit", "-w", "--literally", "--stdin", stdin=raw)
        self.git("update-ref", f"refs/heads/{branch or self.branch_name}", oid)
        return oid

    # ------------------------------------------------------------------ refs

    def has(self, ref: str) -> bool:
        """Tell whether *ref* exists."""
        return bool(self.git("for-each-ref", "--count=1", ref))

    def tip(self, branch: str | None = None) -> str:
        """Return the commit at the tip of *branch*."""
        return self.git("rev-parse", "--verify", f"refs/heads/{branch or self.branch_name}^0")

    def branch(self, name: str, at: str | None = None) -> None:
        """Make or move branch *name* to *at* (the main branch's tip by default)."""
        self.git("update-ref", f"refs/heads/{name}", at or self.tip())

    def delete_branch(self, name: str | None = None) -> None:
        """Delete a branch, as a push of nothing to it would."""
        self.git("update-ref", "-d", f"refs/heads/{name or self.branch_name}")

    def force(self, commit: str, branch: str | None = None) -> None:
        """Move a branch to any commit, as a forced push would."""
        self.git("update-ref", f"refs/heads/{branch or self.branch_name}", commit)

    def tag(self, name: str, at: str | None = None, *, annotated: bool = False) -> None:
        """Make a tag, plain or annotated."""
        extra = ("-a", "-m", name) if annotated else ()
        self.git(
            *("-c", "user.name=Ada", "-c", "user.email=ada@example.org"),
            *("tag", *extra, name, at or self.tip()),
        )


def clone(upstream: Upstream, into: Path, *options: str) -> Path:
    """Clone *upstream* with a working tree, as a user would have it."""
    run_git(into.parent, "clone", "-q", *options, upstream.url, str(into))
    return into


def _data(raw: bytes) -> bytes:
    return b"data %d\n%s\n" % (len(raw), raw)


def _quoted(path: str) -> bytes:
    """Return *path* as fast-import reads it, whatever characters it has."""
    raw = path.encode("utf-8", "surrogateescape")
    return b'"' + b"".join(b"\\%03o" % byte for byte in raw) + b'"'


# --------------------------------------------------------------------------- fixtures


def steps(fixture: Path) -> list[Path]:
    """Return the step folders of a fixture, in order."""
    return sorted(p for p in fixture.iterdir() if p.is_dir() and p.name[:2].isdigit())


def told(step: Path) -> dict[str, Any]:
    """Return what the step's `.commit.yaml` says, with defaults where it says nothing."""
    file = step / ".commit.yaml"
    own = YAML(typ="safe").load(file.read_bytes()) if file.exists() else None
    number, _, words = step.name.partition("-")
    at = EPOCH + HOUR * (int(number) - 1)
    unknown = set(own or {}) - {
        *("author", "date", "message", "symlinks", "modes", "submodules", "partial", "deleted")
    }
    if unknown:
        raise AssertionError(f"{file}: unknown keys: {sorted(unknown)}")
    given = {"author": AUTHOR, "date": at, "message": words.replace("-", " ")} | (own or {})
    if not isinstance(given["date"], int):
        given["date"] = int(datetime.fromisoformat(str(given["date"])).timestamp())
    return given


def commit_step(upstream: Upstream, step: Path) -> str:
    """Commit one step folder on top of what *upstream* has; returns the commit id."""
    how = told(step)
    files: dict[str, Content] = {}
    modes: dict[str, str] = {}
    symlinks: dict[str, str] = {}
    for path in sorted(p for p in step.rglob("*") if p.is_symlink() or p.is_file()):
        name = path.relative_to(step).as_posix()
        if name == ".commit.yaml":
            continue
        if path.is_symlink():
            symlinks[name] = str(path.readlink())
            continue
        files[name] = path.read_bytes()
        if path.stat().st_mode & 0o100:
            modes[name] = "100755"
    files |= dict.fromkeys(how.get("deleted") or ())
    return upstream.commit(
        files,
        message=how["message"],
        when=how["date"],
        author=how["author"],
        symlinks=symlinks | (how.get("symlinks") or {}),
        submodules=how.get("submodules"),
        modes=modes | {path: str(mode) for path, mode in (how.get("modes") or {}).items()},
        whole=not how.get("partial", False),
    )


def build_history(fixture: Path, into: Path) -> list[str]:
    """Turn the step folders of *fixture* into commits of a bare repository at *into*."""
    upstream = Upstream(into)
    return [commit_step(upstream, step) for step in steps(fixture)]
