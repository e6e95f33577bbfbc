"""`gitsource webhook` against a server that speaks the documented routes."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

import pytest

from gitsource.cli.main import main

ROW = {
    "number": 7,
    "at": "2026-11-21T08:30:00.250Z",
    "verdict": "accepted",
    "status": 202,
    "proven": True,
    "host": "github",
    "event": "push",
    "delivery": "7a0a-9a3e",
    "peer": "203.0.113.9",
    "reason": "",
    "size": 6123,
    "seconds": 0.0021,
    "ref": "refs/heads/main",
    "commit": "9a8b7c6d5e4f30211203f4e5d6c7b8a991827364",
    "deleted": False,
    "repository": "https://git.example.com/mesh/config.git",
}
REFUSED = ROW | {
    "number": 8,
    "verdict": "unsigned",
    "status": 401,
    "proven": False,
    "event": "push\x1b[2J",
    "delivery": "",
    "reason": "no secret fits",
    "ref": "",
    "commit": "",
    "repository": "",
}
DELETED = ROW | {"number": 9, "commit": "", "deleted": True}


@pytest.fixture
def run(capsys):
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            url = urlsplit(self.path)
            asked.append((url.path, dict(parse_qsl(url.query))))
            rows = {"deliveries": [DELETED, REFUSED, ROW]}
            text = json.dumps(REFUSED if url.path == "/webhook" else rows).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()

    def ran(*args: str) -> tuple[int, str]:
        try:
            code = main(["webhook", *args, "--admin", f"127.0.0.1:{server.server_port}"])
        except SystemExit as ended:
            code = ended.code
        return code, capsys.readouterr().out

    ran.asked = asked
    yield ran
    server.shutdown()
    server.server_close()
    thread.join()


def test_without_a_command_the_deliveries_are_listed_newest_first(run):
    code, out = run()

    assert code == 0
    assert out.splitlines() == [
        "NUMBER  TIME (UTC)           ANSWER VERDICT          EVENT",
        "        DELIVERY, REF AND COMMIT",
        "     9  2026-11-21 08:30:00  202    accepted         github push",
        "        7a0a-9a3e  main deleted",
        "     8  2026-11-21 08:30:00  401    unsigned         github push\\x1b[2J",
        "     7  2026-11-21 08:30:00  202    accepted         github push",
        "        7a0a-9a3e  main 9a8b7c6d5e4f",
    ]


def test_no_branch_makes_the_list_wider_than_a_terminal(run, monkeypatch):
    guid, long = "0b989ba4-242f-11e5-81e1-c7b6966d2516", "refs/heads/" + "feature/" * 30
    monkeypatch.setitem(DELETED, "ref", long)
    monkeypatch.setitem(DELETED, "delivery", guid)

    _, out = run()

    assert max(map(len, out.splitlines())) <= 80
    assert f"        {guid}  feature/feature/" in out


def test_a_list_has_no_more_rows_than_are_asked_for(run):
    told = {limit: run("list", "--limit", limit)[1].count("08:30:00") for limit in ("1", "0")}

    assert {"1": 1, "0": 3} == told


def test_a_list_may_be_of_one_verdict_only(run):
    _, out = run("list", "--verdict", "unsigned")

    assert [line.split()[0] for line in out.splitlines()[2:]] == ["8"]


def test_one_delivery_is_shown_with_the_cause_that_its_sender_is_not_told(run):
    code, out = run("show", "8")

    assert code == 0
    assert run.asked == [("/webhook", {"id": "8"})]
    assert out.splitlines() == [
        "delivery 8, 2026-11-21T08:30:00.250Z",
        "  verdict     unsigned, answered 401: no secret fits",
        "  host        github",
        "  event       push\\x1b[2J",
        "  from        203.0.113.9",
        "  body        6123 bytes, judged after 2.1 ms",
    ]


def test_json_is_the_servers_own(run):
    _, out = run("list", "--output", "json")

    assert json.loads(out)["deliveries"][2] == ROW
