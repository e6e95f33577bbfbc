"""
The main job, shown on an embedded repository: `make demo` runs this.

Rule: it prints only what a real sink and the status endpoint really said, with the time each
took, and it judges the run by the same. Everything is real: a bare upstream repository on disk,
`gitsource serve`, `gitsource sink`, a signed webhook over HTTP. It needs what gitsource needs and
nothing else, and leaves nothing behind outside its folder.

Each step folder of the history is one commit. What is expected of the whole run is counted from the
plan below, not from what happened; the last line says what happened, the exit code whether that is
what was expected.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import hmac
import http.client
import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deliveries import families

HERE = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
SECRET = "demo-webhook-secret"  # noqa: S105 - it guards a repository that lives a minute
PATIENCE = 30.0
"""Seconds any single thing may take before the demo says that it did not happen."""
SIGNING_KEY = "whsec_" + base64.b64encode(b"a key for GitLab, a minute long.").decode()
QUIET = "1h"
"""A poll interval that does not come round while the demo runs."""

COLLECTIONS = (
    "istio/networking/v1alpha3/serviceentries",
    "istio/networking/v1alpha3/destinationrules",
    "istio/networking/v1alpha3/gateways",
    "istio/networking/v1alpha3/virtualservices",
    "demo/v1/flags",
)


class DemoError(Exception):
    """Something that was expected did not happen."""


@dataclass
class Expected:
    """What the whole run has to come to."""

    published: int = 0
    held: int = 0
    pushes: int = 0


@dataclass
class Demo:
    """One run: where things are, and what has been seen so far."""

    steps: Path
    work: Path
    expected: Expected = field(default_factory=Expected)
    ports: dict[str, int] = field(default_factory=dict)
    pushes: queue.Queue[tuple[float, dict[str, Any]]] = field(default_factory=queue.Queue)
    taken: int = 0

    # ------------------------------------------------------------------ the repository

    def git(self, *args: str, folder: str = "clone") -> str:
        """Run git, away from any configuration of this user."""
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.work),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_AUTHOR_NAME": "Demo",
            "GIT_AUTHOR_EMAIL": "demo@example.org",
            "GIT_COMMITTER_NAME": "Demo",
            "GIT_COMMITTER_EMAIL": "demo@example.org",
        }
        done = subprocess.run(
            ["git", *args],
            cwd=self.work / folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise DemoError(f"git {' '.join(args)}: {done.stderr.strip()}")
        return done.stdout.strip()

    def commit(self, step: str, message: str, *, push: bool = True) -> str:
        """Make the clone look like the step folder, commit and (unless told not to) push."""
        clone = self.work / "clone"
        for path in clone.iterdir():
            if path.name != ".git":
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        (found,) = self.steps.glob(f"*-{step}/")
        # Not copy2: with the fixture's times kept, git may take a changed file for the old one.
        shutil.copytree(
            found, clone, dirs_exist_ok=True, ignore=_not_content, copy_function=shutil.copy
        )
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", message)
        if push:
            self.push()
        return self.git("rev-parse", "HEAD")

    def push(self) -> None:
        """Push: this is the moment from which arrivals are timed."""
        self.git("push", "--quiet", "origin", "main")

    # ------------------------------------------------------------------ what we hear

    def status(self) -> dict[str, Any]:
        """Ask the status endpoint."""
        answer: dict[str, Any] = json.loads(self.get("/status"))
        return answer

    def get(self, path: str) -> bytes:
        """Read from the admin side."""
        connection = http.client.HTTPConnection("127.0.0.1", self.ports["admin"], timeout=PATIENCE)
        try:
            connection.request("GET", path)
            return connection.getresponse().read()
        finally:
            connection.close()

    def arrivals(self, since: float, collections: set[str], what: str) -> None:
        """Wait until the sink has printed a push for each of *collections*; say when each came."""
        waiting = set(collections)
        while waiting:
            try:
                at, push = self.pushes.get(timeout=PATIENCE)
            except queue.Empty:
                raise DemoError(f"{what}: no push for {', '.join(sorted(waiting))}") from None
            name = push["collection"]
            if name not in waiting:
                raise DemoError(f"{what}: an unexpected push for {name}")
            waiting.discard(name)
            names = [each["name"] for each in push["resources"]]
            gone = [f"-{each}" for each in push["removed"]]
            shown = ", ".join([*names, *gone]) or "(empty)"
            manner = "changes" if push["incremental"] else "full"
            say(f"  sink: {name.rsplit('/', 1)[-1]:<16} {manner:<8}"
                f"{(at - since) * 1000:6.0f} ms  {shown[:38]}")  # fmt: skip
        self.expected.pushes += len(collections)

    def until(self, holds: Callable[[dict[str, Any]], bool], what: str) -> dict[str, Any]:
        """Wait until the status says so."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            now = self.status()
            if holds(now):
                return now
            time.sleep(0.02)
        raise DemoError(f"{what}: the status never said so")

    def served(self, commit: str, trigger: str | None = None) -> None:
        """Wait until *commit* is served; check what made gitsource look."""
        now = self.until(lambda status: status["revision"] == commit, f"serving {commit[:12]}")
        triggers = now["published"]["triggers"]
        say(f"  status: serving {commit[:12]}, noticed by {', '.join(triggers)}")
        if trigger is not None and triggers != [trigger]:
            raise DemoError(f"{commit[:12]} was noticed by {triggers}, expected {trigger}")

    # ------------------------------------------------------------------ programs

    def gitsource(self, *args: str, codes: tuple[int, ...] = (0,)) -> str:
        """Run a gitsource command to its end."""
        done = subprocess.run(
            [BIN / "gitsource", *args],
            cwd=self.work / "clone",
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE * 2,
        )
        if done.returncode not in codes:
            raise DemoError(f"gitsource {args[0]} exited {done.returncode}: {done.stderr.strip()}")
        return done.stdout

    def admin(self, *args: str) -> str:
        """Run an operator's command."""
        return self.gitsource(*args, "--admin", f"127.0.0.1:{self.ports['admin']}")

    def configure(self, *, interval: str = QUIET, watch: bool = False) -> None:
        """Write the config file: ports 0 take any free one."""
        upstream = (self.work / "upstream.git").as_uri()
        (self.work / "secret").write_text(f"{SECRET}\n{SIGNING_KEY}\n")
        (self.work / "gitsource.yaml").write_text(
            f"repository: {{url: '{upstream}', ref: main}}\n"
            f"state_dir: state\n"
            f"poll: {{interval: {interval}}}\n"
            f"watch: {{enabled: {str(watch).lower()}}}\n"
            "webhook: {listen: '127.0.0.1:0', secret_file: secret}\n"
            "listen: {mcp: '127.0.0.1:0', admin: '127.0.0.1:0'}\n"
            "log: {format: json}\n"
            "collections:\n"
            "- {name: demo/v1/flags, api_version: demo.example/v1, kind: Flag,\n"
            "   schema: schemas/flags.json}\n"
        )

    @contextmanager
    def server(self) -> Iterator[subprocess.Popen[str]]:
        """Run `gitsource serve` and learn its ports from its log."""
        process = subprocess.Popen(
            [BIN / "gitsource", "serve", "--config", self.work / "gitsource.yaml"],
            stderr=subprocess.PIPE,
            text=True,
        )
        doors = threading.Event()

        def read() -> None:
            assert process.stderr is not None  # noqa: S101 - it is a pipe
            with (self.work / "serve.log").open("w") as log:
                for line in process.stderr:
                    log.write(line)
                    log.flush()
                    try:
                        told = json.loads(line)
                    except ValueError:
                        continue
                    if "door" in told:
                        self.ports[told["door"]] = int(told["port"])
                        if len(self.ports) == 3:
                            doors.set()

        threading.Thread(target=read, daemon=True).start()
        try:
            if not doors.wait(PATIENCE):
                log = (self.work / "serve.log").read_text()
                raise DemoError(f"the server did not open its ports:\n{log[-2000:]}")
            yield process
        finally:
            process.terminate()
            process.wait(PATIENCE)

    @contextmanager
    def sink(self) -> Iterator[None]:
        """Attach `gitsource sink` and queue what it prints."""
        process = subprocess.Popen(
            [BIN / "gitsource", "sink", f"127.0.0.1:{self.ports['mcp']}", *COLLECTIONS,
             "--incremental", "--output", "json", "--id", "demo-sink"],
            stdout=subprocess.PIPE,
            text=True,
        )  # fmt: skip

        def read() -> None:
            assert process.stdout is not None  # noqa: S101 - it is a pipe
            for line in process.stdout:
                self.pushes.put((time.perf_counter(), json.loads(line)))
                self.taken += 1

        threading.Thread(target=read, daemon=True).start()
        try:
            yield
        finally:
            process.terminate()
            process.wait(PATIENCE)

    def deliver_webhook(self, commit: str) -> None:
        """Send what a Git host sends on a push, signed."""
        body = json.dumps({"ref": "refs/heads/main", "after": commit}).encode()
        signature = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
        headers = {
            "Content-Type": "application/json",
            "X-GitHub-Event": "push",
            "X-GitHub-Delivery": commit,
            "X-Hub-Signature-256": f"sha256={signature}",
        }
        status, verdict = self.post_webhook(headers, body)
        say(f"  webhook: answered {status} {verdict}")
        if status != 202:
            raise DemoError(f"the webhook was answered {status}")

    def post_webhook(self, headers: dict[str, str], body: bytes) -> tuple[int, str]:
        """Post to the webhook's door; returns status and verdict."""
        connection = http.client.HTTPConnection(
            "127.0.0.1", self.ports["webhook"], timeout=PATIENCE
        )
        try:
            connection.request("POST", "/webhook", body, headers)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())["verdict"]
        finally:
            connection.close()

    def deliver_as_every_host(self, commit: str) -> None:
        """Send the same news as each family of Git hosts does, and once with a wrong secret."""
        for sent in families(commit, SECRET, SIGNING_KEY):
            status, verdict = self.post_webhook(sent.headers, sent.body)
            say(f"  webhook: {sent.host:<22} answered {status} {verdict}")
            if status != 202:
                raise DemoError(f"the webhook of {sent.host} was answered {status} {verdict}")
        stranger = next(families(commit, "guessed", SIGNING_KEY))
        status, verdict = self.post_webhook(stranger.headers, stranger.body)
        say(f"  webhook: {'somebody else':<22} answered {status} {verdict}")
        if status != 401:
            raise DemoError(f"a delivery with a wrong secret was answered {status}")
        listed = json.loads(self.admin("webhook", "list", "--output", "json"))["deliveries"]
        say(f"  gitsource webhook list: {len(listed)} deliveries, the last {listed[0]['verdict']}: "
            f"{listed[0]['reason']}")  # fmt: skip


def _not_content(_folder: str, names: list[str]) -> list[str]:
    return [name for name in names if name == ".commit.yaml"]


def say(text: str) -> None:
    """Print a line at once."""
    print(text, flush=True)


def reload(demo: Demo, server: subprocess.Popen[str], **changes: Any) -> None:
    """Change the settings of the running server and wait until it has taken them over."""
    log = demo.work / "serve.log"
    before = log.read_text().count("settings reloaded")
    demo.configure(**changes)
    server.send_signal(signal.SIGHUP)
    deadline = time.monotonic() + PATIENCE
    while log.read_text().count("settings reloaded") == before:
        if time.monotonic() > deadline:
            raise DemoError("the settings were not reloaded")
        time.sleep(0.02)
    # The look that a reload asks for must not be what notices the next commit.
    demo.admin("sync")


def run(demo: Demo) -> None:  # noqa: PLR0915 - a story reads best from top to bottom
    """Go through the history, one commit after the other."""
    short = {name.rsplit("/", 1)[-1]: name for name in COLLECTIONS}
    (demo.work / "upstream.git").mkdir(parents=True)
    demo.git("init", "--quiet", "--bare", "--initial-branch", "main", folder="upstream.git")
    demo.git("clone", "--quiet", "upstream.git", "clone", folder=".")
    demo.git("checkout", "--quiet", "-B", "main")

    say("1. first revision: the server clones, a sink subscribes to five collections")
    first = demo.commit("initial", "Configuration of the shop")
    demo.configure()
    began = time.perf_counter()
    with ExitStack() as stack:
        server = stack.enter_context(demo.server())
        stack.enter_context(demo.sink())
        demo.arrivals(began, set(COLLECTIONS), "the first revision")
        demo.served(first)
        demo.expected.published += 1

        say("\n2. an edit, noticed by webhook")
        edit = demo.commit("edit", "Send a tenth of reviews to v2")
        pushed = time.perf_counter()
        demo.deliver_webhook(edit)
        demo.arrivals(pushed, {short["virtualservices"]}, "the edit")
        demo.served(edit, "webhook")
        demo.expected.published += 1
        demo.deliver_as_every_host(edit)

        say("\n3. an addition, noticed by poll (every second now); a dry-run says it before")
        reload(demo, server, interval="1s")
        addition = demo.commit("addition", "Reach the payment provider", push=False)
        told = demo.gitsource(
            *("dry-run", "--base", edit, "--config", str(demo.work / "gitsource.yaml")),
            *("--against", f"127.0.0.1:{demo.ports['admin']}"),
        )
        say("".join(f"  dry-run: {line}\n" for line in told.splitlines() if line).rstrip())
        pushed = time.perf_counter()
        demo.push()
        demo.arrivals(pushed, {short["serviceentries"]}, "the addition")
        demo.served(addition, "poll")
        demo.expected.published += 1

        say("\n4. a deletion, noticed by watching the repository's refs")
        reload(demo, server, watch=True)
        time.sleep(0.5)  # the watch is set up by then; if not, the next line says so
        deletion = demo.commit("deletion", "Retire the beta flag")
        pushed = time.perf_counter()
        demo.arrivals(pushed, {short["flags"]}, "the deletion")
        demo.served(deletion, "watch")
        demo.expected.published += 1

        say("\n5. a broken commit is held: sinks keep what they have")
        broken = demo.commit("broken", "Send two thirds of reviews to v3 (with a typo)")
        now = demo.until(
            lambda status: bool(status["held"]) and status["held"]["revision"] == broken,
            "holding the broken commit",
        )
        errors = [each for each in now["findings"] if each["severity"] == "error"]
        for each in errors:
            say(f"  status: held {each['file']}:{each['line']}:{each['column']} {each['code']}")
            say(f"          {each['message'][:70]}")
        if not errors or now["revision"] != deletion:
            raise DemoError("the broken commit was not held with its findings")
        demo.expected.held += 1

        say("\n6. its fix goes out")
        fix = demo.commit("fix", "Fix the typo")
        pushed = time.perf_counter()
        demo.arrivals(pushed, {short["virtualservices"]}, "the fix")
        demo.served(fix)
        demo.expected.published += 1

        say("\n7. 3 a.m.: roll back to before the fix, then release")
        pushed = time.perf_counter()
        demo.admin("rollback", deletion, "--reason", "demo: v3 is slow")
        demo.arrivals(pushed, {short["virtualservices"]}, "the rollback")
        now = demo.until(lambda status: bool(status["pin"]), "the pin")
        say(f"  status: pinned {now['pin']['revision'][:12]} by {now['pin']['who'][:20]}: "
            f"{now['pin']['reason']}")  # fmt: skip
        if now["revision"] != deletion:
            raise DemoError("the rollback is not what is served")
        pushed = time.perf_counter()
        demo.admin("unpin", "--reason", "demo: over")
        demo.arrivals(pushed, {short["virtualservices"]}, "the release")
        demo.admin("wait", "--revision", fix, "--sinks", "1", "--timeout", "30")
        say(f"  wait: the sink has accepted {fix[:12]}")

        say("\n8. a commit that removes everything is held until somebody says that it is meant")
        emptied = demo.commit("emptied", "Move the shop elsewhere")
        now = demo.until(
            lambda status: bool(status["held"]) and status["held"]["revision"] == emptied,
            "holding the commit that removes everything",
        )
        say(f"  status: held: {now['held']['reason'][:66]}")
        if now["revision"] != fix:
            raise DemoError("the commit that removes everything was not held")
        demo.expected.held += 1
        pushed = time.perf_counter()
        demo.admin("allow", emptied, "--reason", "demo: the shop moves")
        demo.arrivals(pushed, set(COLLECTIONS), "the allowed removal")
        demo.served(emptied)
        demo.expected.published += 1

        finish(demo)


def finish(demo: Demo) -> None:
    """Compare what gitsource counted with what was expected, and say it in one line."""
    time.sleep(0.2)  # an unexpected push would have come by now
    metrics = demo.get("/metrics").decode()
    published = counted(metrics, "gitsource_published_revisions_total")
    held = counted(metrics, "gitsource_held_revisions_total")
    accepted = counted(metrics, "gitsource_acks_total")
    found = Expected(published, held, accepted)
    agreed = demo.taken == accepted and demo.pushes.empty()
    say("")
    if found != demo.expected or not agreed:
        say(f"demo: expected {demo.expected}, the sink printed {demo.taken} pushes")
    say(f"demo: {published} revisions published, {held} held, {accepted} pushes accepted")
    if found != demo.expected or not agreed:
        raise SystemExit(1)


def counted(metrics: str, name: str) -> int:
    """Return the sum of a counter over its labels."""
    return int(
        sum(
            float(line.rpartition(" ")[2])
            for line in metrics.splitlines()
            if line.startswith((f"{name} ", f"{name}{{"))
        )
    )


def main() -> None:
    """Run the demo; exit 0 only if everything came as expected."""
    parser = argparse.ArgumentParser(description="Show gitsource's main job.")
    parser.add_argument("--steps", type=Path, default=HERE / "fixtures" / "repos" / "demo")
    parser.add_argument("--work", type=Path, default=HERE / ".demo")
    told = parser.parse_args()
    shutil.rmtree(told.work, ignore_errors=True)
    told.work.mkdir(parents=True)
    demo = Demo(told.steps.resolve(), told.work.resolve())
    try:
        run(demo)
    except (DemoError, OSError, subprocess.TimeoutExpired) as error:
        say(f"demo: failed: {error}")
        raise SystemExit(1) from error


if __name__ == "__main__":
    main()
