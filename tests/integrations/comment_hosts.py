"""Git hosts' APIs on loopback, as far as the comments on one merge request go."""

from __future__ import annotations

import http.server
import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True)
class Asked:
    """One request."""

    method: str
    path: str
    authorization: str
    token: str


@dataclass
class Host:
    """What any host has; what its API says is `answer` of the host's own class."""

    comments: list[dict] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    status: int = 0
    """Answers everything with this, if it is not 0."""
    elsewhere: str = ""
    """Where to, if it redirects."""
    url: str = ""

    def answer(self, asked: Asked, body: dict) -> tuple[int, object]:
        """Return status and JSON."""
        raise NotImplementedError

    def page(self, asked: Asked) -> list[dict]:
        """Return the comments on the page that was asked for."""
        told = parse_qs(urlsplit(asked.path).query)
        number, size = int(told["page"][0]), int(told["per_page"][0])
        return self.comments[(number - 1) * size : number * size]


@contextmanager
def serving(host: Host, base: str, secure: ssl.SSLContext | None = None) -> Iterator[Host]:
    """Serve it on loopback, over TLS if *secure*; its API begins at the path *base*."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def _answer(self) -> None:
            size = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(size)) if size else {}
            told = [self.headers.get(name) or "" for name in ("Authorization", "PRIVATE-TOKEN")]
            asked = Asked(self.command, self.path, *told)
            host.asked.append(asked)
            status, said = (host.status, {}) if host.status else host.answer(asked, body)
            text = json.dumps(said).encode()
            self.send_response(status)
            if host.elsewhere:
                self.send_header("Location", host.elsewhere)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = do_PATCH = do_PUT = _answer  # noqa: N815 - the library's names

        def log_message(self, *_: object) -> None:
            return

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        if secure is not None:
            server.socket = secure.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        host.url = f"{'https' if secure else 'http'}://127.0.0.1:{server.server_port}{base}"
        yield host
        server.shutdown()
