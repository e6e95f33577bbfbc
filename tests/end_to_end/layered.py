"""A real `gitsource serve` that follows several layers."""

from __future__ import annotations

from pathlib import Path

from repositories import Upstream
from running import VS, Gitsource, closing

QUIET = "poll: {interval: 1h}\nwatch: {enabled: false}\n"


class Layered(Gitsource):
    """A running server that follows *layers*, the lowest first, each by name."""

    def __init__(self, folder: Path, layers: dict[str, str], settings: str = QUIET) -> None:
        self.layers = layers
        super().__init__(folder, "", settings)

    def configure(self, url: str, settings: str = "") -> None:  # noqa: ARG002 - none of its own
        """Write the config file."""
        self.folder.mkdir(exist_ok=True)
        rows = [f"- {{name: {name}, {told}}}\n" for name, told in self.layers.items()]
        self.config.write_text(
            f"layers:\n{''.join(rows)}"
            "state_dir: state\n"
            "listen: {mcp: '127.0.0.1:0', admin: '127.0.0.1:0'}\n"
            "log: {format: json}\n" + settings
        )

    def hosts(self) -> dict[str, str]:
        """Return where each VirtualService that is served sends to."""
        with closing(self.sink(VS)) as sink:
            found = {}
            for each in sink.next().resources:
                found[each.metadata.name] = each.body.value
        return {name: _host(body) for name, body in found.items()}

    def layer(self, name: str) -> dict[str, object]:
        """Return how one layer stands."""
        (found,) = [each for each in self.status()["layers"] if each["name"] == name]
        return found


def _host(body: bytes) -> str:
    """Return the destination's host, which the tests name to-something."""
    start = body.index(b"to-")
    end = start
    while end < len(body) and (body[end : end + 1].isalnum() or body[end : end + 1] == b"-"):
        end += 1
    return body[start:end].decode()


def repository(upstream: Upstream, more: str = "") -> str:
    """Return the row of a layer that comes from *upstream*."""
    return f"repository: {{url: '{upstream.url}'{more}}}"
