"""
flagd: a small daemon that serves feature flags and takes them from gitsource.

    python flagd.py --source 127.0.0.1:9901 --listen 127.0.0.1:8080 --state flags.json

Rule: what it serves is always one complete, usable set of flags. A push is read as a whole before
it is answered: if it can be used it is accepted and takes effect at once; if not it is refused with
the reason, which gitsource shows beside the commit, and the set from before stays. The last set
that was accepted is kept in a file, so that a restart without a source serves it too.

    GET /flags                          all flags
    GET /flags/assistant?user=ada       one flag for one user
    GET /ready                          200 once there are flags to serve
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import logging
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from aiohttp import web

from gitsource.sink.bodies import as_json
from gitsource.sink.client import Sink
from gitsource.sink.state import Item, applied

COLLECTION = "acme/v1/flags"
log = logging.getLogger("flagd")


# --------------------------------------------------------------------------- flags


@dataclass(frozen=True)
class Flag:
    """One feature flag."""

    name: str
    enabled: bool
    percentage: int = 100
    """Of users for whom it is on, if it is enabled."""
    owner: str = ""

    def on_for(self, user: str) -> bool:
        """Say whether it is on for *user*: the same answer each time, without remembering any."""
        digest = hashlib.sha256(f"{self.name}/{user}".encode()).digest()
        return self.enabled and int.from_bytes(digest[:4], "big") % 100 < self.percentage


def flag_of(item: Item) -> Flag:
    """Return the flag that a resource is; ValueError says why it is none."""
    name = item.name.rpartition("/")[2]
    body = as_json(item.type_url, item.body)
    unknown = sorted(set(body) - {"enabled", "percentage", "owner"})
    if unknown:
        raise ValueError(f"{item.name}: this flagd knows nothing of {', '.join(unknown)}")
    enabled, percentage = body.get("enabled"), body.get("percentage", 100)
    if not isinstance(enabled, bool):
        raise ValueError(f"{item.name}: enabled has to be true or false")  # noqa: TRY004 - a refusal
    if type(percentage) is not int or not 0 <= percentage <= 100:
        raise ValueError(f"{item.name}: percentage has to be a whole number from 0 to 100")
    return Flag(name, enabled, percentage, str(body.get("owner", "")))


def flags_of(items: Mapping[str, Item]) -> dict[str, Flag]:
    """Return all flags of a collection; ValueError says why they cannot be served together."""
    flags: dict[str, Flag] = {}
    for item in items.values():
        flag = flag_of(item)
        if flag.name in flags:
            raise ValueError(f"{item.name}: another namespace has a flag of this name")
        flags[flag.name] = flag
    return flags


# --------------------------------------------------------------------------- the daemon


class Flagd:
    """What is served, and where it is kept."""

    def __init__(self, state: Path | None) -> None:
        self._state = state
        self.flags: dict[str, Flag] | None = None
        self.version = ""

    def restore(self) -> None:
        """Serve what was accepted last, if it was kept."""
        if self._state is None or not self._state.exists():
            return
        kept = json.loads(self._state.read_text(encoding="utf-8"))
        self.flags = {name: Flag(**fields) for name, fields in kept["flags"].items()}
        self.version = kept["version"]
        log.info("serving %d flags from %s", len(self.flags), self._state)

    def take(self, flags: dict[str, Flag], version: str) -> None:
        """Serve *flags* from now on, and keep them."""
        self.flags, self.version = flags, version
        if self._state is not None:
            told = {"version": version, "flags": {name: asdict(f) for name, f in flags.items()}}
            fresh = self._state.with_suffix(".new")
            fresh.write_text(json.dumps(told), encoding="utf-8")
            fresh.replace(self._state)

    async def follow(self, sink: Sink) -> None:
        """Take every push of *sink* that can be used, and refuse the others."""
        async for update in sink.updates():
            try:
                flags = flags_of(applied(sink.held(COLLECTION), update))
            except ValueError as error:
                log.warning("refused version %s: %s", update.version, error)
                await sink.nack(update, str(error))
                continue
            if await sink.ack(update):
                self.take(flags, update.version)
                log.info("reloaded: %d flags, version %s", len(flags), update.version)

    def application(self) -> web.Application:
        """Return the HTTP side."""
        app = web.Application()
        app.add_routes(
            [
                web.get("/ready", self._ready),
                web.get("/flags", self._all),
                web.get("/flags/{name}", self._one),
            ]
        )
        return app

    async def _ready(self, _request: web.Request) -> web.Response:
        return web.json_response({"version": self.version}, status=200 if self._served() else 503)

    async def _all(self, _request: web.Request) -> web.Response:
        flags: dict[str, Any] = {name: asdict(flag) for name, flag in self._served().items()}
        return web.json_response({"version": self.version, "flags": flags})

    async def _one(self, request: web.Request) -> web.Response:
        flag = self._served().get(request.match_info["name"])
        if flag is None:
            raise web.HTTPNotFound(text="no such flag\n")
        return web.json_response({"on": flag.on_for(request.query.get("user", ""))})

    def _served(self) -> dict[str, Flag]:
        return self.flags or {}


async def run(source: str, host: str, port: int, state: Path | None) -> None:
    """Serve flags until cancelled."""
    daemon = Flagd(state)
    daemon.restore()
    runner = web.AppRunner(daemon.application())
    await runner.setup()
    site = web.TCPSite(runner, host, port)
    await site.start()
    log.info("listening on port %d", runner.addresses[0][1])
    node = f"flagd-{os.getpid()}"
    try:
        async with Sink(source, [COLLECTION], node_id=node, explicit=True) as sink:
            await daemon.follow(sink)
    finally:
        await runner.cleanup()


def main() -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("--source", default="127.0.0.1:9901", help="gitsource's listen.mcp")
    parser.add_argument("--listen", default="127.0.0.1:8080", help="where flags are served")
    parser.add_argument("--state", type=Path, help="file in which accepted flags are kept")
    given = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    host, _, port = given.listen.rpartition(":")
    try:
        asyncio.run(run(given.source, host, int(port), given.state))
    except KeyboardInterrupt:
        log.info("stopped")


if __name__ == "__main__":
    main()
