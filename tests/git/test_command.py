"""How git processes are started, bounded and ended, with fakes in git's place and with git."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gitsource.errors import ConfigurationError, GitFailed, RemoteUnreachable
from gitsource.git import verbs
from gitsource.git.address import address
from gitsource.git.command import Git, environment, find_git, served
from gitsource.git.credentials import Credentials
from gitsource.git.process import Limits, _limit
from gitsource.git.verbs import Command
from repositories import Upstream

ASK = Command("ask", ("ask",))
FETCH = Command("fetch", ("fetch",), remote=address("https://example.org/x"))


def fake_git(folder: Path, script: str) -> str:
    """Put a shell script in git's place; it still says its version when GitPython is imported."""
    path = folder / "git"
    path.write_text(
        f'#!/bin/sh\ncase "$*" in *version*) echo git version 2.39.5; exit;; esac\n{script}\n'
    )
    path.chmod(0o755)
    return str(path)


def alive(pid: int) -> bool:
    """Tell whether a process runs (a zombie does not)."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state not in {"Z", "X"}


# --------------------------------------------------------------------------- which git


def test_git_is_found_along_absolute_entries_only(tmp_path, monkeypatch):
    """A hostile `git` in the current folder, or in a relative entry of PATH, is not run."""
    (tmp_path / "bin").mkdir()
    for folder in (tmp_path, tmp_path / "bin"):
        fake_git(folder, "touch pwned")
    monkeypatch.chdir(tmp_path)
    real = find_git(os.environ["PATH"])

    assert find_git(f":.:bin:{os.environ['PATH']}") == real


@pytest.mark.parametrize("path", ["", ".", "bin:."])
def test_without_git_the_operator_is_told(path):
    """And nothing is looked up anywhere else."""
    with pytest.raises(ConfigurationError, match="git is not installed"):
        find_git(path)


def test_a_git_named_by_a_relative_path_is_refused():
    """It would depend on the current folder."""
    with pytest.raises(ConfigurationError, match="absolute"):
        Git("git").run(verbs.version())


@pytest.mark.parametrize("told", ["git version 2.35.9", "git version 1.9", "hello", ""])
def test_a_git_that_is_too_old_is_refused(tmp_path, told):
    """2.36 is the first with batch commands."""
    script = tmp_path / "git"
    script.write_text(f"#!/bin/sh\necho '{told}'\n")
    script.chmod(0o755)
    Git().check_version()  # imports GitPython, which could not bear this answer

    with pytest.raises(ConfigurationError, match=r"git ≥ 2\.36"):
        Git(str(script)).check_version()


# --------------------------------------------------------------------------- environment


def test_nothing_of_our_environment_reaches_git_but_what_is_listed(tmp_path, monkeypatch):
    """The environment is built from scratch, although GitPython would hand on everything."""
    for name in ("GIT_DIR", "GIT_CONFIG_PARAMETERS", "GIT_EXEC_PATH", "GIT_PROXY_COMMAND",
                 "GIT_SSH", "LD_PRELOAD_X", "SECRET", "GIT_TRACE_SETUP", "EDITOR"):  # fmt: skip
        monkeypatch.setenv(name, "hostile")
    monkeypatch.setenv("https_proxy", "http://proxy.example:1")
    monkeypatch.setenv("PATH", f"{os.environ['PATH']}:.:relative")
    git = Git(fake_git(tmp_path, "env -0"))
    told = git.run(ASK).rstrip(b"\0").decode().split("\0")
    found = dict(line.partition("=")[::2] for line in told)
    found = {k: v for k, v in found.items() if k not in {"_", "PWD", "SHLVL", "OLDPWD"}}

    assert found == environment(ASK, os.environ)
    assert (found["https_proxy"], "SECRET" in found, "relative" in found["PATH"]) == (
        "http://proxy.example:1",
        False,
        False,
    )


def test_a_command_without_a_remote_is_denied_every_transport():
    """Reading must not reach out, whatever a repository's configuration asks for."""
    allowed = environment(ASK, {})["GIT_ALLOW_PROTOCOL"]

    assert allowed == "none"


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("/srv/x", "file"),
        ("https://example.org/x", "https"),
        ("http://example.org/x", "http:https"),
        ("git@example.org:x", "ssh"),
    ],
)
def test_a_remote_is_reached_by_its_own_transport_only(url, allowed):
    """No redirect from the network leads to the disk, and none from TLS to plain text."""
    command = verbs.fetch(Path("/m"), address(url), "HEAD", force=False)

    assert environment(command, {})["GIT_ALLOW_PROTOCOL"] == allowed


def test_what_a_step_is_given_travels_in_the_environment(tmp_path):
    """No argv of ours, and so no process list, ever shows it."""
    remote = address("https://ada:hunter2@example.org/x")
    command = verbs.fetch(tmp_path, remote, "HEAD", force=False)
    with Credentials().access(remote) as access:
        env = environment(command, {}, access)
    keys = [env[k.replace("VALUE", "KEY")] for k, v in env.items() if "GITSOURCE_PASSWORD" in v]

    assert (env["GITSOURCE_USERNAME"], env["GITSOURCE_PASSWORD"]) == ("ada", "hunter2")
    assert keys == ["credential.https://example.org.helper"]
    assert [word for word in command.argv if "hunter2" in word] == []
    assert "hunter2" not in repr(access)


def test_serving_is_allowed_for_one_repository():
    """Quoted, so that a folder's name cannot become configuration."""
    told = served(Path('/srv/a"b\\c'))

    assert '\tdirectory = "/srv/a\\"b\\\\c"\n' in told
    assert "*" not in told


# --------------------------------------------------------------------------- deadlines and limits


@pytest.mark.parametrize(
    ("script", "command", "error"),
    [
        ("sleep 60", FETCH, RemoteUnreachable),
        ("sleep 60", ASK, GitFailed),
        # Closing the output, or never ceasing to talk, does not get anyone more time.
        ("exec >&- 2>&-; sleep 60", FETCH, RemoteUnreachable),
        ("while :; do echo remote: patience >&2; done", FETCH, RemoteUnreachable),
    ],
)
def test_a_step_that_takes_too_long_is_killed_with_all_its_children(
    tmp_path, script, command, error
):
    """The error names the step; no process of the group is left, not even one that was deaf."""
    pids = tmp_path / "pids"
    child = f"trap '' TERM INT; (trap '' TERM INT; echo $$ >> {pids}; sleep 60) & echo $! >> {pids}"
    git = Git(fake_git(tmp_path, f"{child}\n{script}"), timeout=1.0)
    with pytest.raises(error, match=f"git {command.step} did not answer within"):
        git.run(command)
    until = time.monotonic() + 5
    told = [int(pid) for pid in pids.read_text().split()]
    while any(map(alive, told)) and time.monotonic() < until:
        time.sleep(0.01)

    assert [pid for pid in told if alive(pid)] == []


def test_children_that_outlive_git_are_ended(tmp_path):
    """Whatever git started ends with it, also when all went well."""
    pids = tmp_path / "pid"
    git = Git(fake_git(tmp_path, f"sleep 60 >/dev/null 2>&1 & echo $! > {pids}; echo done"))
    out = git.run(ASK)
    child = int(pids.read_text())
    until = time.monotonic() + 5
    while alive(child) and time.monotonic() < until:
        time.sleep(0.01)

    assert (out, alive(child)) == (b"done\n", False)


def test_an_answer_that_never_comes_ends_the_conversation(tmp_path):
    """The long-lived processes have a deadline for each answer."""
    git = Git(fake_git(tmp_path, "cat >/dev/null"), timeout=0.3)
    process = git.converse(ASK)
    process.send(b"question\n")
    with pytest.raises(GitFailed, match="did not answer within"):
        process.line()

    assert not alive(process.pid)


def test_neither_side_waits_for_the_other_for_ever(tmp_path):
    """More is asked than a pipe holds, while answers pile up: both go on."""
    process = Git(fake_git(tmp_path, "cat")).converse(ASK)
    asked = b"x" * 99 + b"\n"
    process.send(asked * 20_000)
    got = [process.line() for _ in range(20_000)]
    process.close()

    assert got == [asked[:-1]] * 20_000


def test_endless_output_is_cut_off(tmp_path):
    """Memory does not follow what a process prints."""
    git = Git(fake_git(tmp_path, "yes"))

    with pytest.raises(GitFailed, match="printed more than 100000 bytes"):
        git.run(ASK, most=100_000)


def test_a_pack_larger_than_allowed_fails_cleanly(tmp_path):
    """An endless pack ends at the limit, and leaves none behind."""
    upstream = Upstream(tmp_path / "up")
    upstream.commit({"big.yaml": os.urandom(3_000_000)})
    git = Git(limits=Limits(file_bytes=1_000_000))
    mirror = tmp_path / "m"
    mirror.mkdir()
    git.run(verbs.init(mirror, "sha1"))
    remote = address(upstream.url)
    (mirror / "gitsource-served.config").touch()
    with pytest.raises(GitFailed):
        git.run(verbs.fetch(mirror, remote, "refs/heads/main", force=False))

    assert list(mirror.glob("objects/pack/*.pack")) == []


def test_memory_is_limited(tmp_path):
    """A process that wants more is refused it."""
    want = f"exec {sys.executable} -c 'bytearray(1 << 30)'"
    git = Git(fake_git(tmp_path, want), limits=Limits(memory_bytes=1 << 28))

    with pytest.raises(GitFailed, match="MemoryError"):
        git.run(ASK)


def test_limits_reach_children_that_were_faster_than_we(tmp_path):
    """On a busy machine git may have started its helper by the time it is limited."""
    with subprocess.Popen(
        ["sh", "-c", "sleep 60 & echo; wait"], stdout=subprocess.PIPE, start_new_session=True
    ) as shell:
        shell.stdout.readline()
        (child,) = Path(f"/proc/{shell.pid}/task/{shell.pid}/children").read_text().split()
        _limit(shell.pid, Limits(file_bytes=12345, memory_bytes=1 << 30))
        limits = [
            resource.prlimit(pid, resource.RLIMIT_FSIZE)[0] for pid in (shell.pid, int(child))
        ]
        os.killpg(shell.pid, signal.SIGKILL)

    assert limits == [12345, 12345]


# --------------------------------------------------------------------------- what errors say


def test_errors_are_harmless_short_and_without_secrets(tmp_path):
    """Standard error is partly written by the remote."""
    script = (
        "printf 'remote: \\033[31mnoise\\n' >&2; "
        "printf 'fatal: unable to access '\"'https://ada:hunter2@example.org/'\"': \\033]0;x' >&2; "
        "printf '%01000d\\n' 7 >&2; exit 128"
    )
    with pytest.raises(RemoteUnreachable) as caught:
        Git(fake_git(tmp_path, script)).run(FETCH)
    text = str(caught.value)

    assert ("hunter2" in text, "\x1b" in text, "noise" in text, len(text) < 800) == (
        False,
        False,
        False,
        True,
    )


@pytest.mark.parametrize(
    ("said", "error", "hint"),
    [
        ("fatal: Could not resolve host: x", RemoteUnreachable, "network"),
        ("fatal: unable to connect", RemoteUnreachable, "network"),
        ("fatal: Authentication failed for x", RemoteUnreachable, "token or key"),
        ("fatal: could not read Username for x: terminal prompts disabled", RemoteUnreachable,
         "token or key"),
        ("git@x: Permission denied (publickey).", RemoteUnreachable, "token or key"),
        ("Host key verification failed.", RemoteUnreachable, "known_hosts"),
        ("error: object 1: missingEmail\nfatal: fsck error in packed object", GitFailed, "fsck"),
        ("fatal: write error: No space left on device", GitFailed, "space left"),
        ("fatal: something new", GitFailed, ""),
    ],
)  # fmt: skip
def test_errors_say_whose_turn_it_is(tmp_path, said, error, hint):
    """The kinds that an operator can do something about have a hint."""
    git = Git(fake_git(tmp_path, f"echo '{said}' >&2; exit 128"))
    with pytest.raises(error) as caught:
        git.run(FETCH)

    assert hint in caught.value.hint


def test_an_end_by_a_signal_is_told(tmp_path):
    """The OOM killer leaves no message."""
    with pytest.raises(GitFailed, match="SIGKILL"):
        Git(fake_git(tmp_path, "kill -9 $$")).run(ASK)


def test_a_git_that_cannot_be_started_is_an_error(tmp_path):
    """Not a crash."""
    with pytest.raises(GitFailed):
        Git(str(tmp_path / "nothing")).run(verbs.version())


# --------------------------------------------------------------------------- our own end


def test_long_lived_processes_end_with_ours(tmp_path):
    """A killed gitsource leaves no reading git behind: their input ends."""
    Upstream(tmp_path / "up").commit({"a.yaml": "a"})
    code = (
        "import sys, time; from pathlib import Path; from gitsource.git.command import Git\n"
        "from gitsource.git.objects import Objects\n"
        "o = Objects(Git(), Path(sys.argv[1])); o.revision('main')\n"
        "print(o._batch.pid, flush=True); time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "up")], stdout=subprocess.PIPE
    ) as ours:
        pid = int(ours.stdout.readline())
        ours.send_signal(signal.SIGKILL)
    until = time.monotonic() + 5
    while alive(pid) and time.monotonic() < until:
        time.sleep(0.01)

    assert not alive(pid)
