"""
The processes of a measurement: the source that is measured, the load clients, the echo server.

Rule: each runs for itself, started from nothing and ended by its own handle; what they say comes
over pipes, and times are readings of the monotonic clock that all processes of a machine share.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

HERE = Path(__file__).parent
CLEAN = {
    key: value
    for key, value in os.environ.items()
    if not key.startswith(("GIT_", "GITSOURCE_", "MALLOC_", "PYTHON"))
}
CLIENT = CLEAN | {
    # The client is not what is measured: let it keep the memory it has, since asking the kernel for
    # fresh pages for each push costs more than decoding it.
    "MALLOC_MMAP_THRESHOLD_": str(1 << 30),
    "MALLOC_TRIM_THRESHOLD_": str(1 << 33),
    "MALLOC_TOP_PAD_": str(1 << 26),
}
CONFIG = """\
repository: {{url: "{url}", ref: main}}
state_dir: {state}
poll: {{interval: 1h}}
watch: {{enabled: {watch}}}
listen: {{mcp: "{mcp}", admin: "{admin}"}}
drain: 1s
"""


class MeasureError(Exception):
    """A measurement that did not come about, or would not have measured what it says."""


def free_address() -> str:
    """Return a loopback address that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


def cpu_of(pid: int) -> float:
    """CPU seconds of the process *pid* so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Source:
    """A `gitsource serve`, from exec to exit; its state directory outlives it."""

    def __init__(self, url: str, state: Path, *, watch: bool = False, more: str = "") -> None:
        """*more* is added to the config file, as it is."""
        self.address = free_address()
        self._admin = free_address()
        self._config = state.with_suffix(".yaml")
        self._log = state.with_suffix(".log")
        self._settings = {
            "url": url,
            "state": state,
            "mcp": self.address,
            "admin": self._admin,
            "watch": str(watch).lower(),
        }
        self.configure(more)
        self.started = 0.0
        self.memory = Memory()

    def configure(self, more: str, *, url: str = "") -> None:
        """Write the config file; *more* is added to it. *url*: another repository."""
        told = self._settings | ({"url": url} if url else {})
        self._config.write_text(CONFIG.format(**told) + more)

    def __enter__(self) -> Self:
        command = [str(Path(sys.executable).parent / "gitsource"), "serve"]
        with self._log.open("ab") as log:
            self.started = time.monotonic()
            self._process = subprocess.Popen(
                [*command, "--config", str(self._config)], stdout=log, stderr=log, env=CLEAN
            )
        self.memory.watch(self._process.pid)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.memory.stop()
        self._process.terminate()
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise MeasureError("gitsource serve did not end within 30 s of SIGTERM") from error
        if kind is not None:
            with contextlib.suppress(OSError):
                tail = self._log.read_text(errors="replace").splitlines()[-15:]
                print("\n".join(["", "the end of its log:", *tail]), file=sys.stderr)

    @property
    def pid(self) -> int:
        """The serving process."""
        return self._process.pid

    def cpu(self) -> float:
        """CPU seconds of the serving process so far."""
        return cpu_of(self.pid)

    def log(self) -> str:
        """Return what it logged so far."""
        return self._log.read_text()

    def resident(self) -> int:
        """Resident memory of the serving process, in bytes."""
        return _status(self.pid)["VmRSS"]

    def status(self) -> dict[str, Any]:
        """Return what it says of itself."""
        return self._ask("GET", "/status")

    def settled(self) -> None:
        """Return when it has looked at the repository and is idle."""
        give_up = time.monotonic() + 300
        while time.monotonic() < give_up:
            with contextlib.suppress(OSError):
                answer = self._ask("GET", "/status")
                if answer.get("revision") and answer.get("last_sync"):
                    break
            if self._process.poll() is not None:
                raise MeasureError(f"gitsource serve ended with {self._process.returncode}")
            time.sleep(0.05)
        else:
            raise MeasureError("gitsource serve did not get ready")
        before = self.cpu()
        while True:
            time.sleep(0.5)
            if (now := self.cpu()) - before < 0.02:
                return
            before = now

    def sync(self) -> None:
        """Tell it to look now; returns when the look is over."""
        answer = self._ask("POST", "/sync", {})
        if answer.get("error"):
            raise MeasureError(f"POST /sync: {answer}")

    def pin(self, commit: str) -> None:
        """Tell it to serve *commit*; returns when it does."""
        answer = self._ask("POST", "/pin", {"revision": commit, "reason": "measuring"})
        if answer.get("error"):
            raise MeasureError(f"POST /pin: {answer}")

    def _ask(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        connection = http.client.HTTPConnection(self._admin, timeout=300)
        try:
            connection.request(
                method,
                path,
                None if body is None else json.dumps(body),
                {"content-type": "application/json"},
            )
            answer: dict[str, Any] = json.loads(connection.getresponse().read())
        finally:
            connection.close()
        return answer


class Memory:
    """What a process and its children hold at most, sampled; bytes."""

    def __init__(self) -> None:
        self.tree = 0
        """Largest sum of resident memory over the tree; shared pages count in each process."""
        self.serving = 0
        """The kernel's own high-water mark of the first process."""
        self._stop = threading.Event()

    def watch(self, pid: int) -> None:
        """Start sampling."""
        self._thread = threading.Thread(target=self._sample, args=(pid,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End sampling."""
        self._stop.set()
        self._thread.join()

    def reset(self, pid: int) -> None:
        """Forget the peak so far, also the kernel's."""
        Path(f"/proc/{pid}/clear_refs").write_text("5")
        self.tree = self.serving = 0

    def _sample(self, pid: int) -> None:
        known: set[int] = set()
        while not self._stop.wait(0.05):
            with contextlib.suppress(OSError):
                marks = _status(pid)
                self.serving = max(self.serving, marks["VmHWM"])
                command, children = _command(pid), list(_children(pid))
                # One that has its parent's command line is a fork, or between vfork and exec: then
                # it has no memory but its parent's, and is another one when we look again.
                own = [each for each in children if each in known or _command(each) != command]
                self.tree = max(self.tree, marks["VmRSS"] + sum(map(_resident, own)))
                known = set(children)


def _command(pid: int) -> bytes:
    """Return the command line of a process."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


def _children(pid: int) -> Iterator[int]:
    """Yield all descendants."""
    for thread in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(OSError):
            for child in (thread / "children").read_text().split():
                yield int(child)
                with contextlib.suppress(OSError):
                    yield from _children(int(child))


def _status(pid: int) -> dict[str, int]:
    marks = {}
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        name, _, value = line.partition(":")
        if name in {"VmHWM", "VmRSS"}:
            marks[name] = int(value.split()[0]) * 1024
    return {"VmHWM": 0, "VmRSS": 0} | marks


def _resident(pid: int) -> int:
    with contextlib.suppress(OSError):
        return _status(pid)["VmRSS"]
    return 0


class Talker:
    """A helper process that is told things by lines and answers by lines."""

    def __init__(self, script: str, *arguments: str, env: dict[str, str] = CLEAN) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(HERE / script), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=env,
        )
        self.heard()

    def tell(self, line: str) -> None:
        """Send *line*."""
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def heard(self) -> str:
        """Return the next line it says."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise MeasureError(f"{self.process.args} ended")
        return line

    def close(self) -> None:
        """End it by the end of its input."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Sinks:
    """Load clients that together are *count* sinks."""

    def __init__(
        self,
        address: str,
        collections: Sequence[str],
        count: int,
        *,
        incremental: bool = False,
        limit: int = 0,
        tls: Path | None = None,
    ) -> None:
        """*limit*: bytes of the largest message each takes; 0: any. *tls*: folder of papers."""
        # Decoding full sets is work for every core; for small pushes one process is quicker.
        parts = 1 if incremental or count < 50 else min(2, os.cpu_count() or 1)
        flags = ["--incremental"] if incremental else []
        flags += ["--limit", str(limit)] if limit else []
        flags += ["--tls", str(tls)] if tls else []
        shares = [count // parts + (part < count % parts) for part in range(parts)]
        self._clients = [
            Talker("client.py", address, *collections, "--sinks", str(share), *flags, env=CLIENT)
            for share in shares
        ]
        self.count = count

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for client in self._clients:
            client.close()

    def dial(self, expect: dict[str, int] | list[dict[str, int]]) -> None:
        """Have all dial and subscribe, turn by turn for a list; `report` says when all had it."""
        self._tell({"do": "connect", "expect": expect})

    def arm(self, pushes: int = 1) -> None:
        """Have all wait for *pushes* more; `report` says when they came."""
        self._tell({"do": "arm", "pushes": pushes})
        for client in self._clients:
            self._answer(client)

    def report(self) -> dict[str, Any]:
        """Return what all have to say together; times are monotonic seconds."""
        told = [self._answer(client) for client in self._clients]
        if "started" not in told[0] and not all(one["alike"] for one in told):
            raise MeasureError(f"the sinks were not sent the same: {told}")
        return told[0] | {
            "last": max(one["last"] for one in told),
            "first": min(one["first"] for one in told),
            "started": min(one.get("started", 0.0) for one in told),
            "decoding": sum(one["decoding"] for one in told),
            "cpu": sum(one["cpu"] for one in told),
        }

    def check(self, folder: Path | None = None) -> dict[str, Any]:
        """Look into what one sink was sent; with *folder*, write the payloads there."""
        self._clients[0].tell(json.dumps({"do": "check", "folder": str(folder or "")}))
        return self._answer(self._clients[0])

    def _tell(self, order: dict[str, Any]) -> None:
        for client in self._clients:
            client.tell(json.dumps(order))

    def _answer(self, client: Talker) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(client.heard())
        if answer.get("error"):
            raise MeasureError(answer["error"])
        return answer


@contextlib.contextmanager
def echo(payloads: Sequence[Path], first: int) -> Iterator[tuple[str, Talker]]:
    """Run an echo server; yields its address and itself."""
    address = free_address()
    server = Talker("echo.py", address, str(first), *map(str, payloads))
    try:
        yield address, server
    finally:
        server.close()


def forget_all_but_mirror(state: Path) -> None:
    """Make *state* what it is before anything was ever built."""
    for entry in state.iterdir():
        if entry.name == "mirror.git":
            continue
        if entry.is_dir():
            shutil.rmtree(entry)
        else:
            entry.unlink()
