"""A server of a Git repository, a relay and an Envoy that takes from it what two backends need."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from envoy_proxy import Backend, Envoy, free_port
from envoy_resources import Doc, cluster, endpoints, listener, routes, written
from relay import Relay
from repositories import Upstream
from running import Gitsource, eventually

QUIET = "poll: {interval: 1h}\nwatch: {enabled: false}\n"


@dataclass
class Scene:
    """An Envoy that takes what is in a repository, and two backends, a and b."""

    upstream: Upstream
    server: Gitsource
    relay: Relay
    envoy: Envoy
    web: int
    """The port of the listener `web`."""
    ports: dict[str, int]
    """The port of each backend."""

    def commit(self, files: dict[str, str | None]) -> str:
        """Commit, and have the server look: it has to publish. Returns the commit."""
        made = self.upstream.commit(files)
        outcome = self.server.sync()
        assert "published" == outcome["outcome"], outcome
        return made

    def service(self, name: str, **more: Any) -> dict[str, str]:
        """Return the file of a cluster with its endpoints, a backend of that name."""
        made = written(cluster(name, **more), endpoints(name, self.ports[name]))
        return {f"clusters/{name}.yaml": made}

    def route_to(self, name: str) -> dict[str, str]:
        """Return the file with the route table."""
        return {"routes.yaml": written(routes("all", name))}

    def sink(self) -> dict[str, Any]:
        """Return what the status says of this Envoy."""
        found = [each for each in self.server.status()["sinks"] if each["id"] == "envoy-1"]
        return found[-1] if found else {"collections": {}}

    def accepted(self) -> bool:
        """Whether all that Envoy was sent is accepted."""
        told = self.sink()["collections"].values()
        return bool(told) and all(each["sent"] in {None, each["acked"]} for each in told)

    def settled(self) -> None:
        """Wait until all is accepted and nothing is under way."""
        eventually(self.accepted, "all is accepted")


def stalls(envoy: Envoy) -> dict[str, int]:
    """Return what Envoy gave up to wait for: it does so after 15 s."""
    told = envoy.stats("init_fetch_timeout$|assignment_use_cached$")
    return {name: count for name, count in told.items() if count}


@contextmanager
def playing(
    folder: Path,
    manager: str | Doc = "all",
    *others: Doc,
    delta: bool,
    settings: str = "",
    rtds: str = "",
    secret: str = "",
    first: str = "a",
) -> Iterator[Scene]:
    """
    Set the scene: the listener `web` leads to the backend *first*.

    *manager* is the listener's connection manager, or the name of its route table, and *others*
    are resources that are there too from the first commit on.
    """
    with ExitStack() as stack:
        ports = {name: stack.enter_context(Backend(name)).port for name in "ab"}
        upstream = Upstream(folder / "upstream.git")
        web = free_port()
        upstream.commit(
            {
                "clusters/a.yaml": written(cluster("a"), endpoints("a", ports["a"])),
                "listener.yaml": written(listener("web", web, manager, secret=secret)),
                "routes.yaml": written(routes("all", first)),
                "others.yaml": written(*others),
            }
        )
        port = free_port()
        server = Gitsource(folder / "server", upstream.url, QUIET + settings).listen_on(port)
        stack.enter_context(server)
        relay = stack.enter_context(Relay(port))
        eventually(lambda: server.status()["revision"], "a first snapshot")
        envoy = Envoy(folder / "envoy", relay.port, delta=delta, rtds=rtds)
        stack.enter_context(envoy)
        envoy.until_live()
        yield Scene(upstream, server, relay, envoy, web, ports)
