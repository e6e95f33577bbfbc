"""
The only place that runs git: through GitPython's process layer, fenced.

Rule: a git process gets an argv from `verbs`, an environment built from scratch, no terminal, a
session (and so a process group) of its own and a deadline; when the deadline passes or the caller
loses interest the whole group is killed. What git writes to standard error is kept bounded, made
harmless and free of credentials before it becomes part of an error.

GitPython merges our variables into the inherited environment and cannot take any away, so git is
started by ``env -u NAME...``: only names stand in that argv, never values. Docs: docs/adr/0004.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from gitsource.errors import AccessRefused, ConfigurationError, MirrorError
from gitsource.git import hostkeys, verbs
from gitsource.git.access import Access
from gitsource.git.address import Address
from gitsource.git.credentials import Credentials
from gitsource.git.orphans import held
from gitsource.git.process import Ending, Limits, Process
from gitsource.git.reasons import failure, passed_over
from gitsource.git.verbs import Command

OLDEST = (2, 36)
"""The first git with ``cat-file --batch-command``."""

_PASSED = re.compile(
    r"(?i:https?_proxy|all_proxy|no_proxy)|SSL_CERT_(?:FILE|DIR)|CURL_CA_BUNDLE"
    r"|GIT_SSL_(?:CAINFO|CAPATH|CERT|KEY)|SSH_AUTH_SOCK|TMPDIR|TZ"
)
"""Variables of ours that git may see: how to reach the network, and whom to trust there."""

_ENVIRONMENT: Mapping[str, str] = {
    # /dev/null cannot have files in it, so no .netrc, .gitconfig or attributes are found there.
    "HOME": "/dev/null",
    "XDG_CONFIG_HOME": "/dev/null",
    "LC_ALL": "C",
    "LANGUAGE": "C",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ASKPASS": "",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_LITERAL_PATHSPECS": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_PROTOCOL_FROM_USER": "0",
    "GIT_SSH_VARIANT": "ssh",
}

_CONFIG: Mapping[str, str] = {
    # Nothing in a repository may run anything.
    "core.hooksPath": "/dev/null",
    "core.fsmonitor": "false",
    "core.askPass": "",
    "core.attributesFile": "/dev/null",
    "credential.helper": "",
    "diff.external": "",
    "log.showSignature": "false",
    "core.protectHFS": "true",
    "core.protectNTFS": "true",
    # What arrives is checked; nothing else is fetched along with it.
    "transfer.fsckObjects": "true",
    "transfer.bundleURI": "false",
    "submodule.recurse": "false",
    "fetch.recurseSubmodules": "false",
    "http.followRedirects": "initial",
    # Harmless in a repository that is never checked out, and common in old histories; the names
    # are judged by `changes.safe_path`, with a finding that says which file.
    **{
        f"fetch.fsck.{what}": "ignore"
        for what in (
            *("hasDot", "hasDotdot", "hasDotgit", "fullPathname", "zeroPaddedFilemode"),
            *("badTimezone", "missingSpaceBeforeDate", "missingSpaceBeforeEmail", "badFilemode"),
        )
    },
    # Upkeep happens when `Mirror.maintenance` is called, and then not in the background.
    "gc.auto": "0",
    "gc.autoDetach": "false",
    "maintenance.auto": "false",
    "core.logAllRefUpdates": "false",
    # Contents are read in the order of the tree, so few bases of deltas are in use at a time.
    "core.deltaBaseCacheLimit": "16m",
}


_NO_ACCESS = Access()


def find_git(path: str) -> str:
    """Return the absolute path of git along *path* (as in PATH), passing over relative entries."""
    found = shutil.which("git", path=absolute_only(path) or os.devnull)
    if found is None:
        raise ConfigurationError("git is not installed, or not in PATH", hint="install git ≥ 2.36")
    return found


def absolute_only(path: str) -> str:
    """Return *path* (as in PATH) without entries that depend on the current folder."""
    return os.pathsep.join(part for part in path.split(os.pathsep) if part.startswith("/"))


@cache
def _starter(git: str) -> Callable[..., Any]:
    """Return GitPython's way to start a process; imported late, since it takes 80 ms."""
    # NB: GitPython runs `git version` when it is imported, found through PATH or this variable.
    before = os.environ.get("GIT_PYTHON_GIT_EXECUTABLE")
    os.environ["GIT_PYTHON_GIT_EXECUTABLE"] = git
    try:
        from git.cmd import Git as GitPython
    finally:
        if before is None:
            del os.environ["GIT_PYTHON_GIT_EXECUTABLE"]
        else:
            os.environ["GIT_PYTHON_GIT_EXECUTABLE"] = before

    def start(
        argv: Sequence[str],
        env: Mapping[str, str],
        cwd: str,
        stdin: int | None,
        inherited: Sequence[int],
    ) -> Any:
        return GitPython(cwd).execute(
            list(argv),
            istream=stdin,
            as_process=True,
            shell=False,
            env=env,
            start_new_session=True,
            pass_fds=inherited,
        )

    return start


@dataclass(frozen=True)
class Git:
    """A git executable and how its processes are started and bounded. Picklable, shares nothing."""

    executable: str = ""
    """Absolute path; empty: the first git in PATH."""
    timeout: float = 120.0
    """Seconds one step, or one answer of a long-lived process, may take."""
    limits: Limits = field(default_factory=Limits)
    mark: Path | None = None
    """A file that exists while a process that changes a repository runs, and that it holds open."""
    credentials: Credentials = field(default_factory=Credentials)
    """How steps that talk to a remote sign in there."""
    ending: Ending = field(default_factory=Ending, compare=False, repr=False)
    """Ends what it has started."""

    @property
    def program(self) -> str:
        """The absolute path of git; raises ConfigurationError if there is none."""
        if not self.executable:
            return find_git(os.environ.get("PATH", os.defpath))
        if not self.executable.startswith("/"):
            raise ConfigurationError(f"git must be named by an absolute path: {self.executable!r}")
        return self.executable

    def check_version(self) -> None:
        """Raise ConfigurationError if git is too old to be asked about objects in bulk."""
        told = self.run(verbs.version()).decode("utf-8", "replace").strip()
        found = re.search(r"(\d+)\.(\d+)", told)
        if found is None or (int(found[1]), int(found[2])) < OLDEST:
            raise ConfigurationError(f"{told or self.program}: gitsource needs git ≥ 2.36")

    # ------------------------------------------------------------------ three ways to run

    def run(self, command: Command, *, stdin: bytes = b"", most: int = 64 << 20) -> bytes:
        """
        Run *command* to its end and return what it printed, at most *most* bytes.

        Raises RemoteUnreachable, RefMissing or GitFailed, saying which step failed and why.
        """
        with self._accessed(command) as access:
            with self._process(command, talks=bool(stdin), access=access) as process:
                process.send(stdin)
                process.end_input()
                out = process.read_all(most)
                self._check(command, process, access)
            return out

    def succeeds(self, command: Command) -> bool:
        """Run a *command* that answers by its exit code: 0 is yes, 1 is no."""
        with self._process(command, talks=False) as process:
            process.read_all(1 << 16)
            if process.finish() == 1:
                return False
            self._check(command, process)
        return True

    def first_line(self, command: Command) -> str | None:
        """Run a *command* that prints one name, or ends with 1 if there is none."""
        with self._process(command, talks=False) as process:
            out = process.read_all(1 << 16)
            if process.finish() == 1:
                return None
            self._check(command, process)
        return os.fsdecode(out).partition("\n")[0] or None

    def lines(self, command: Command) -> list[str]:
        """Run a *command* that prints names, a line each, or ends with 1 if there are none."""
        with self._process(command, talks=False) as process:
            out = process.read_all(1 << 20)
            if process.finish() == 1:
                return []
            self._check(command, process)
        return os.fsdecode(out).split("\n")[:-1]

    def stream(self, command: Command) -> Iterator[bytes]:
        """Run *command* and yield what it prints as it comes; closing the iterator kills it."""
        with self._process(command, talks=False) as process:
            yield from process.chunks()
            self._check(command, process)

    def converse(self, command: Command) -> Process:
        """Start a *command* that answers questions until `Process.close`."""
        return self._start(command, talks=True)

    @contextmanager
    def _accessed(self, command: Command) -> Iterator[Access]:
        """Give what *command* needs to reach its remote; what it was refused is explained."""
        if command.remote is None:
            yield Access()
            return
        with self.credentials.access(command.remote, self.timeout) as access:
            try:
                yield access
            except AccessRefused as error:
                if error.kind in {"authentication", "permission"}:
                    self.credentials.forget(command.remote)
                raise

    @contextmanager
    def _process(
        self, command: Command, *, talks: bool, access: Access = _NO_ACCESS
    ) -> Iterator[Process]:
        marked = nullcontext() if self.mark is None or not command.writes else held(self.mark)
        with marked as mark:
            inherited = () if mark is None else (mark,)
            process = self._start(command, talks=talks, inherited=inherited, access=access)
            try:
                yield process
            finally:
                process.close()

    def _start(
        self,
        command: Command,
        *,
        talks: bool,
        inherited: Sequence[int] = (),
        access: Access = _NO_ACCESS,
        words: Sequence[str] = (),
    ) -> Process:
        """Start *command*, or the program and arguments *words* in its place."""
        program = self.program
        env = environment(command, os.environ, access)
        unwanted = [name for name in os.environ if name not in env and _plain(name)]
        drop = [word for name in unwanted for word in ("-u", name)]
        argv = [
            *(["/usr/bin/env", *drop] if drop else []),
            *(words or [program, *command.argv]),
        ]
        if any("\0" in word for word in argv):
            raise ConfigurationError(f"{command.step}: an argument has a NUL in it")
        return Process(
            lambda stdin: _starter(program)(argv, env, command.cwd, stdin, inherited),
            command,
            self.timeout,
            self.limits,
            talks=talks,
            ending=self.ending,
        )

    def _check(self, command: Command, process: Process, access: Access = _NO_ACCESS) -> None:
        code = process.finish()
        stderr = access.without_secrets(process.stderr)
        if code or passed_over(command, stderr):
            error = failure(command, code, stderr, proxy=access.proxy, unknown=access.unknown)
            if isinstance(error, AccessRefused) and error.kind == "host-key":
                raise self._host_key(command, access, stderr) or error
            raise error

    def _host_key(self, command: Command, access: Access, stderr: bytes) -> AccessRefused | None:
        """Return why ssh did not trust the host; None if that cannot be told."""
        file, remote = access.known_hosts, command.remote
        if file is None or remote is None:
            return None
        host = hostkeys.host_name(remote.host, remote.port)
        try:
            with file.open(encoding="utf-8", errors="replace") as stream:
                known = list(hostkeys.read(stream.read(hostkeys.LARGEST)))
        except OSError:
            known = []
        told = stderr.decode("utf-8", "replace")
        offered = [] if hostkeys.tells_key(told) else self._offered(remote)
        return hostkeys.explained(host, file, known, told, offered)

    def _offered(self, remote: Address) -> list[hostkeys.Known]:
        """Ask a host for its keys, in order to say which ones it has; they are not trusted."""
        program = shutil.which("ssh-keyscan", path=absolute_only(os.environ.get("PATH", "")))
        if program is None:
            return []
        words = [program, "-T", "5", "-p", str(remote.port), "--", remote.host]
        asking = Command("host keys", (), remote=remote, program="ssh-keyscan")
        process = self._start(asking, talks=False, words=words)
        try:
            out = process.read_all(1 << 20).decode("utf-8", "replace")
        except MirrorError:
            return []
        finally:
            process.close()
        keys = {one.kind: one for one in hostkeys.read(out)}
        preferred = ("ssh-ed25519", "ecdsa-sha2-nistp256", "ssh-rsa")
        return [keys[kind] for kind in preferred if kind in keys]


def _plain(name: str) -> bool:
    return re.fullmatch(r"[^=\0-]+[^=\0]*", name) is not None


def environment(
    command: Command, ours: Mapping[str, str], access: Access = _NO_ACCESS
) -> dict[str, str]:
    """Return the whole environment of *command*; *ours* is what gitsource itself was given."""
    env = dict(_ENVIRONMENT)
    env |= {
        name: value
        for name, value in ours.items()
        if _PASSED.fullmatch(name) and name not in access.dropped
    }
    env["PATH"] = absolute_only(ours.get("PATH", os.defpath)) or os.defpath
    if command.index is not None:
        env["GIT_INDEX_FILE"] = str(command.index)
    config = dict(_CONFIG)
    remote = command.remote
    if remote is None:
        # Nothing that only reads may reach out, whatever a repository's configuration says.
        env["GIT_ALLOW_PROTOCOL"] = "none"
        # The operator named this repository, so who owns it is not asked.
        config["safe.directory"] = "*"
    else:
        env["GIT_ALLOW_PROTOCOL"] = remote.scheme
        if remote.scheme == "http":
            env["GIT_ALLOW_PROTOCOL"] = "http:https"  # a redirect to https is welcome
        config |= access.config
        env |= access.environ
        if remote.scheme == "file" and command.git_dir is not None:
            env["GIT_CONFIG_GLOBAL"] = str(command.git_dir / SERVED_CONFIG)
    env["GIT_CONFIG_COUNT"] = str(len(config))
    for at, (key, value) in enumerate(config.items()):
        env[f"GIT_CONFIG_KEY_{at}"], env[f"GIT_CONFIG_VALUE_{at}"] = key, value
    return env


SERVED_CONFIG = "gitsource-served.config"
"""In the mirror: lets git serve a ``file`` remote that belongs to another user (see `served`)."""


def served(folder: Path) -> str:
    """
    Return the configuration under which git's other end serves the repository at *folder*.

    It is a process of its own that takes neither our command line nor our variables, and refuses
    repositories of other users, such as one that a sidecar fills. Just this one is excepted.
    """
    names = {f"{base}{end}" for base in (str(folder), os.path.realpath(folder)) for end in
             ("", "/.git", ".git", ".git/.git")}  # fmt: skip
    quoted = (name.replace("\\", "\\\\").replace('"', '\\"') for name in sorted(names))
    return "[safe]\n" + "".join(f'\tdirectory = "{name}"\n' for name in quoted)
