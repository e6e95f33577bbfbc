"""The operators' door as tests of the commands want it: real HTTP, and answers they choose."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

import pytest

from gitsource.cli.main import main


class Door:
    """The admin HTTP as a test wants it; remembers what was asked."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.asked: list[tuple[str, str, object]] = []
        self.tokens: list[str | None] = []
        """What was shown with each."""
        self.delay = 0.0
        """Seconds before each answer."""
        self.answers: dict[str, tuple[int, str]] = {}

    def answer(self, route: str, value: object, status: int = 200) -> None:
        self.answers[route] = status, value if isinstance(value, str) else json.dumps(value)


@pytest.fixture
def door():
    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            url = urlsplit(self.path)
            told: object = dict(parse_qsl(url.query))
            if self.command == "POST":
                assert self.headers["Content-Type"] == "application/json"
                told = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            threading.Event().wait(made.delay)
            made.tokens.append(self.headers["Authorization"])
            made.asked.append((self.command, url.path, told))
            status, text = made.answers[url.path]
            self.send_response(status)
            self.send_header("Content-Length", str(len(text.encode())))
            self.end_headers()
            self.wfile.write(text.encode())

        do_GET = do_POST = _answer  # noqa: N815 - http.server's names

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made = Door(f"127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield made
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def run(door, capsys):
    def ran(*args: str) -> tuple[int, str, str]:
        try:
            code = main([*args, "--admin", door.address])
        except SystemExit as ended:
            code = ended.code
        told = capsys.readouterr()
        return code, told.out, told.err

    return ran
