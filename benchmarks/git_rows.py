"""
What following a repository costs: looks without news, large commits, webhooks, a long time.

Rule: what is counted is counted by the kernel (CPU, memory, descriptors, children of the serving
process), and a row that leaks a process or a descriptor has no figure but a failure.
"""

from __future__ import annotations

import contextlib
import hmac
import http.client
import json
import os
import signal
import statistics
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import documents
import floors
import repository
from measures import Floor, Row, when_quiet
from processes import MeasureError, Source, free_address
from rows import Site

LOOKS = 50
"""Looks without news in one value."""
MANY = 1000
"""Files of the large commit."""
SECRET = "benchmarks-of-webhooks"  # noqa: S105 - nobody else's
SPARE = 10
"""Descriptors and children that may be there at the end of a soak and were not before: a
connection that closes, a git process that is only just needed. What leaks does so thousandfold."""
QUIETLY = 300
"""Deliveries while nothing is built."""
PAUSE = 0.02
"""Seconds between two deliveries."""


def git_rows(site: Site, names: set[str], commits: int) -> Iterator[Row]:
    """Yield the rows of *names* that are ours; *commits* are those of the soak."""
    if "poll" in names:
        yield _poll(site)
    if "large-commit" in names and site.made.size >= MANY:
        yield _large_commit(site)
    if "webhook" in names:
        yield _webhook(site)
    if "soak" in names:
        yield from _soak(site, commits)


def _poll(site: Site) -> Row:
    """CPU of a look that finds nothing new: the serving process and all that it starts."""
    row = Row("poll", "look with nothing new: CPU, git included", site.made.size, "ms", 0.015)
    with site.source() as source:
        source.settled()
        for _ in range(site.plan.repeat):
            row.notes.setdefault("others_busy", []).append(when_quiet(site.plan.patience))
            before = _cpu(source.pid)
            for _ in range(LOOKS):
                source.sync()
            row.values.append((_cpu(source.pid) - before) / LOOKS)
    site.plan.say(f"poll {row.size}: {row.median * 1000:.1f} ms")
    return row


def _cpu(pid: int) -> float:
    """Return the CPU seconds of *pid*, of its living descendants, and of the ended ones."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    own = sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
    for child in _children(pid):
        with contextlib.suppress(OSError):  # one that ended just now counts in its parent
            own += _cpu(child)
    return own


def _children(pid: int) -> list[int]:
    found: list[int] = []
    for each in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):  # a thread that ended just now
            found += map(int, each.read_text().split())
    return found


def _large_commit(site: Site) -> Row:
    """A commit of a thousand changed files, from `POST /sync` until it is served."""
    title = f"commit of {MANY} files published, less what git fetch of it takes"
    row = Row("large-commit", title, site.made.size, "s", 1.0, [Floor("git fetch of it")])
    mirror = floors.SecondMirror(site.made, site.folder / "second-large.git")
    with site.source() as source:
        source.settled()
        for generation in range(site.plan.repeat):
            commit = thousand(site, 10_000 + generation)
            row.notes.setdefault("others_busy", []).append(when_quiet(site.plan.patience))
            repository.git(site.made.folder, "update-ref", "refs/heads/main", commit)
            began = time.monotonic()
            source.sync()
            took = time.monotonic() - began
            if source.status()["revision"] != commit:
                raise MeasureError("the large commit was not published")
            row.floors[0].values.append(mirror.fetch())
            row.values.append(took - row.floors[0].values[-1])
    site.plan.say(f"large-commit {row.size}: {row.median:.2f} s")
    return row


def thousand(site: Site, generation: int) -> str:
    """Return a commit on top of main, on no branch, that changes a thousand documents."""
    when = repository.DATE + 10_000_000 + generation
    made, parts = site.made, []
    parent = repository.git(made.folder, "rev-parse", "main")
    ref = "refs/bench/large"
    parts.append(
        f"commit {ref}\ncommitter {repository.WHO} {when} +0000\ndata 4\nmany\nfrom {parent}\n"
    )
    for number in range(MANY):
        text = documents.document(number, generation, made.mix)
        parts.append(f"M 100644 inline {documents.path_of(number)}\n")
        parts.append(f"data {len(text.encode())}\n{text}\n")
    repository.fast_import(made.folder, [part.encode() for part in parts])
    return repository.git(made.folder, "rev-parse", ref)


def _webhook(site: Site) -> Row:
    """The answer to a delivery while the whole repository is judged anew; 99 of 100 are faster."""
    title = "webhook answered at p99 while everything is judged anew"
    quiet = Floor("the same while all is quiet")
    row = Row("webhook", title, site.made.size, "ms", 0.020, [quiet])
    site.prepare()
    door = free_address()
    secret = site.folder / "webhook-secret"
    secret.write_text(f"{SECRET}\n")
    more = f"webhook: {{listen: '{door}', secret_file: '{secret}', rate: 100000}}\n"
    with Source(site.made.url, site.state, more=more) as source:
        source.settled()
        tip = repository.git(site.made.folder, "rev-parse", "main")
        _deliver(tip, door)
        for number in range(site.plan.slow if site.made.size < 50_000 else 1):
            row.notes.setdefault("others_busy", []).append(when_quiet(site.plan.patience))
            quiet.values.append(_slowest([_paused(tip, door) for _ in range(QUIETLY)]))
            before = source.status()["published"]["at"]
            # Another default namespace is another catalog: no result of before counts.
            source.configure(f"{more}default_namespace: bench-{number}\n")
            os.kill(source.pid, signal.SIGHUP)
            took = list[float]()
            asked = time.monotonic()
            while True:
                took.append(_paused(tip, door))
                if time.monotonic() - asked > 0.5:
                    asked = time.monotonic()
                    if source.status()["published"]["at"] != before:
                        break
            if len(took) < 50:
                raise MeasureError("that was over too soon for a hundredth to mean anything")
            row.values.append(_slowest(took))
            row.notes.setdefault("deliveries", []).append(len(took))
            source.settled()
    site.plan.say(f"webhook {row.size}: {row.median * 1000:.1f} ms of {row.notes['deliveries']}")
    return row


def _slowest(took: list[float]) -> float:
    """Return what 99 of 100 are faster than."""
    return statistics.quantiles(took, n=100)[98]


def _paused(tip: str, door: str) -> float:
    """Wait, then return what one delivery takes."""
    time.sleep(PAUSE)
    return _deliver(tip, door)


def _deliver(tip: str, door: str) -> float:
    """Return the seconds from dialling until a push to *tip* is answered as accepted."""
    body = json.dumps({"ref": "refs/heads/main", "after": tip}).encode()
    headers = {
        "Content-Type": "application/json",
        "X-GitHub-Event": "push",
        "X-GitHub-Delivery": str(time.monotonic_ns()),
        "X-Hub-Signature-256": f"sha256={hmac.new(SECRET.encode(), body, 'sha256').hexdigest()}",
    }
    began = time.monotonic()
    connection = http.client.HTTPConnection(door, timeout=30)
    connection.request("POST", "/webhook", body, headers)
    answer = connection.getresponse()
    answer.read()
    took = time.monotonic() - began
    connection.close()
    if answer.status != 202:
        raise MeasureError(f"a delivery was answered {answer.status}")
    return took


def _soak(site: Site, commits: int) -> Iterator[Row]:
    """Commits in a row: what memory grows by after three tenths of them, and the mirror's size."""
    memory = Row("soak", f"{commits} commits in a row: resident memory", site.made.size, "MB")
    mirror = Row("soak-mirror", "… its mirror", site.made.size, "MB")
    part = max(1, commits // 10)
    with site.source() as source:
        source.settled()
        for number in range(commits):
            site.committer.publish(site.committer.prepare())
            source.sync()
            if (number + 1) % part == 0:
                memory.notes.setdefault("standing", []).append(_standing(source))
                mirror.notes.setdefault("sizes", []).append(_size(site.state.glob("*.git")))
                site.plan.say(f"soak: {number + 1} commits, {memory.notes['standing'][-1]}")
    # By then the window of old versions (`snapshot.window`: 1024 of them) is full, and so is most
    # of what is remembered of values met before.
    before, after = memory.notes["standing"][2], memory.notes["standing"][-1]
    memory.floors.append(Floor("what it was after 3 of 10", 1.05, [float(before[0])]))
    memory.values.append(float(after[0]))
    if any(now > then + SPARE for then, now in zip(before[1:], after[1:], strict=True)):
        raise MeasureError(f"descriptors and children were {before[1:]} and are {after[1:]}")
    clone = site.folder / "clone.git"
    there = str(site.made.folder)
    repository.git(site.made.folder, "clone", "--quiet", "--bare", "--no-local", there, str(clone))
    mirror.values.append(float(mirror.notes["sizes"][-1]))
    mirror.floors.append(Floor("a fresh clone", 2.0, [float(_size([clone]))]))
    yield memory
    yield mirror


def _standing(source: Source) -> tuple[int, int, int]:
    """Return resident bytes, descriptors and children, once it is idle."""
    source.settled()
    descriptors = len(list(Path(f"/proc/{source.pid}/fd").iterdir()))
    return source.resident(), descriptors, len(_children(source.pid))


def _size(folders: Iterable[Path]) -> int:
    """Return how many bytes the files below *folders* have."""
    files = (file for folder in folders for file in folder.rglob("*"))
    return sum(file.stat().st_size for file in files if file.is_file())
