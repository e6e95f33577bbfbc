"""The operators' commands against a server that speaks the documented routes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gitsource.cli.admin_client import admin_address
from gitsource.cli.main import main

COMMIT = "1f2e3d4c5b6a79880f1e2d3c4b5a69788f0e1d2c"
HEAD = "9a8b7c6d5e4f30211203f4e5d6c7b8a991827364"
FINDING = {
    "file": "mesh/flags\x1b.yaml",
    "line": 4,
    "column": 9,
    "severity": "error",
    "code": "GS301",
    "message": "limit: expected a number",
    "resource": "Flag/a/b",
}
STATUS = {
    "revision": COMMIT,
    "version": "k3Jx0000000000000000000000000000000000000000",
    "ready": True,
    "published": {"at": "2026-11-21T08:30:00Z", "triggers": ["poll", "webhook"]},
    "stale_since": "2026-11-21T09:00:00Z",
    "head": HEAD,
    "held": {
        "revision": HEAD,
        "reason": "does not validate: mesh/flags.yaml:4:9: GS301: limit: expected a number",
        "since": "2026-11-21T09:00:00Z",
        "findings_count": 1,
    },
    "pin": None,
    "suspended": None,
    "last_sync": {"at": "2026-11-21T09:59:50Z", "outcome": "held", "error": "does not validate"},
    "ignored": {"documents": 3},
    "repository": {"url": "https://git.example.com/mesh.git", "ref": "main", "path": "mesh"},
    "findings": [FINDING],
    "collections": {
        "acme/v1/flags": {"version": "AAAA", "count": 12},
        "istio/networking/v1alpha3/gateways": {"version": "BBBB", "count": 3},
    },
    "sinks": [
        {
            "id": "pilot-1",
            "peer": "10.0.0.1:4242",
            "protocol": "mcp",
            "connected_at": "2026-11-21T08:00:00Z",
            "collections": {
                "acme/v1/flags": {"sent": "AAAA", "acked": "AAAA", "nacked": None, "error": None},
                "empty/one": {"sent": "EEEE", "acked": "EEEE", "nacked": None, "error": None},
            },
        },
        {
            "id": "pilot-2" + "x" * 60,
            "peer": "10.0.0.2:4242",
            "protocol": "mcp",
            "connected_at": "2026-11-21T08:00:00Z",
            "collections": {
                "acme/v1/flags": {
                    "sent": "AAAA",
                    "acked": "0000",
                    "nacked": "AAAA",
                    "error": "bad flag",
                },
                "istio/networking/v1alpha3/gateways": {
                    "sent": "BBBB",
                    "acked": "0000",
                    "nacked": None,
                    "error": None,
                },
            },
        },
    ],
}


def test_status_as_json_is_the_servers_own_unchanged(door, run):
    text = json.dumps(STATUS, indent=3) + "\n"
    door.answer("/status", text)

    assert run("status", "--output", "json") == (0, text, "")
    assert door.asked == [("GET", "/status", {})]


def test_status_as_text_fits_80_columns_and_says_what_why_and_since_when(door, run):
    door.answer("/status", STATUS)
    code, out, err = run("status")

    assert (code, err) == (0, "")
    findings = [line for line in out.splitlines() if "GS301 Flag" in line]
    assert findings == [r"mesh/flags\x1b.yaml:4:9: error GS301 Flag/a/b: limit: expected a number"]
    assert max(map(len, out.splitlines())) <= 80
    assert out.count("does not validate") == 1
    for line in (
        "repository  https://git.example.com/mesh.git  main  in mesh",
        f"serving     {COMMIT}",
        "because     it is the last good revision; the head of main is held",
        f"held        {HEAD}",
        "ignored     3 documents of kinds that no collection takes",
    ):
        assert line in out.splitlines()
    assert "            since 2026-11-21T08:30:00Z (" in out
    assert " ago), noticed by poll, webhook\n" in out
    assert "stale       since 2026-11-21T09:00:00Z (" in out


def test_status_counts_for_each_sink_what_it_accepted_is_behind_in_or_refused(door, run):
    door.answer("/status", STATUS)
    _, out, _ = run("status")
    rows = out[out.index("SINK") :].splitlines()

    assert rows[1].split()[1:] == ["10.0.0.2:4242", "0", "1", "1"]
    assert rows[2].strip() == "acme/v1/flags: bad flag"
    assert rows[3].split() == ["pilot-1", "10.0.0.1:4242", "2", "0", "0"]


def test_a_sink_that_has_not_got_what_is_served_now_is_behind(door, run):
    state = {"sent": "0000", "acked": "0000", "nacked": None, "error": None}
    sink = {"id": "slow", "peer": "p", "collections": {"acme/v1/flags": state}}
    door.answer("/status", STATUS | {"sinks": [sink]})
    _, out, _ = run("status")

    assert out.splitlines()[-1].split() == ["slow", "p", "0", "1", "0"]


def test_status_never_lets_a_reason_drive_the_terminal(door, run):
    pin = {"revision": COMMIT, "reason": "\x1b[2Jgone", "who": "\x07", "at": None}
    door.answer("/status", STATUS | {"pin": pin})
    _, out, _ = run("status")

    assert r"\x1b[2Jgone" in out
    assert not {"\x1b", "\x07"} & set(out)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"held": None, "head": COMMIT}, "it is the head of main"),
        (
            {"pin": {"revision": COMMIT, "reason": "storm", "who": "ann@host", "at": None}},
            "it is pinned; `gitsource unpin` releases it",
        ),
        (
            {"held": None, "suspended": {"reason": "freeze", "who": "ann@host", "at": None}},
            "nothing newer is looked for; `gitsource resume` goes on",
        ),
        (
            {"held": None, "last_sync": {"at": None, "outcome": "failed", "error": "no route"}},
            "the last look at the repository failed; the last good revision stays up",
        ),
        ({"held": None, "revision": None}, "it is starting"),
    ],
)
def test_status_says_why_this_revision_is_served(door, run, changes, why):
    door.answer("/status", STATUS | changes)
    _, out, _ = run("status")

    assert " ".join(["because", *why.split()]) in " ".join(out.split())


@pytest.mark.parametrize(("head", "shown"), [(COMMIT, True), ("f" * 40, False)])
def test_status_shows_what_was_allowed_while_it_is_the_head(door, run, head, shown):
    allowed = {"revision": COMMIT, "reason": "meant", "who": "ann@host", "at": None}
    door.answer("/status", STATUS | {"head": head, "allowed": allowed})
    _, out, _ = run("status")

    assert shown == ("allowed" in out and "by ann@host" in out and "meant" in out)


@pytest.mark.parametrize(
    ("code", "outcome", "said"),
    [
        (0, "published", "published in"),
        (0, "unchanged", "nothing new"),
        (1, "held", "held: GS208"),
    ],
)
def test_allow_names_the_revision_and_tells_what_the_look_came_to(door, run, code, outcome, said):
    told = {"allowed": COMMIT, "outcome": outcome, "revision": COMMIT, "seconds": 0.1}
    door.answer("/allow", told | {"error": "GS208", "findings": []})
    found, out, err = run("allow", COMMIT, "--reason", "meant")

    assert (code, True) == (found, f"allowed {COMMIT}" in out)
    assert said in out + err


@pytest.mark.parametrize(
    ("repository", "line"),
    [
        (
            {"ref": "tags in ^1", "chosen": "refs/tags/v1.4 (why)"},
            "follows     refs/tags/v1.4 (why)",
        ),
        (
            {"ref": "refs/tags/v1", "chosen": "refs/tags/v1 (why)", "moved_from": "abc"},
            "            its tag was moved from abc",
        ),
    ],
)
def test_status_says_which_tag_is_followed_and_that_it_was_moved(door, run, repository, line):
    door.answer("/status", STATUS | {"repository": repository})
    _, out, _ = run("status")

    assert line in out.splitlines()


@pytest.mark.parametrize("stopped", [True, False])
def test_status_shows_that_the_audit_log_cannot_be_written_and_what_that_stops(door, run, stopped):
    audit = {"failure": "No space left on device", "since": "2026-01-02T03:04:05Z"}
    door.answer("/status", STATUS | {"audit": audit | {"stopped": stopped}})
    _, out, _ = run("status")

    words = " ".join(out.split())

    assert "No space left on device" in words
    assert ("no new stream and no new revision" in words) == stopped


def test_status_shows_who_pinned_and_why(door, run):
    pin = {"revision": COMMIT, "reason": "storm", "who": "ann@host", "at": "2026-11-21T09:00:00Z"}
    door.answer("/status", STATUS | {"pin": pin})
    _, out, _ = run("status")

    assert f"pinned      {COMMIT}\n" in out
    assert "by ann@host, 2026-11-21T09:00:00Z (" in out
    assert "ago): storm" in " ".join(out.split())


@pytest.mark.parametrize(
    ("outcome", "code", "out", "err"),
    [
        ({"outcome": "published", "seconds": 0.031}, 0, f"{COMMIT}: published in 0.03 s\n", ""),
        ({"outcome": "unchanged"}, 0, f"{COMMIT}: nothing new\n", ""),
        (
            {"outcome": "unchanged", "accepted": 2, "connected": 2},
            0,
            f"{COMMIT}: nothing new\naccepted by 2 of 2 sinks\n",
            "",
        ),
        (
            {"outcome": "published", "seconds": 1, "accepted": 1, "connected": 2},
            1,
            f"{COMMIT}: published in 1.00 s\naccepted by 1 of 2 sinks\n",
            "next: `gitsource sinks` shows which are behind, and why\n",
        ),
        (
            {"outcome": "unchanged", "accepted": 1, "refused": 1, "connected": 2},
            1,
            f"{COMMIT}: nothing new\naccepted by 1 of 2 sinks, refused by 1\n",
            "next: `gitsource sinks` shows which are behind, and why\n",
        ),
        (
            {"outcome": "held", "findings": [FINDING]},
            1,
            "mesh/flags\\x1b.yaml:4:9: error GS301 Flag/a/b: limit: expected a number\n",
            f"{COMMIT}: held: 1 findings\n",
        ),
        (
            {"outcome": "failed", "error": "no route to host", "hint": "check the network"},
            1,
            "",
            "gitsource: error: no route to host\nnext: check the network\n",
        ),
        (
            {"outcome": "suspended"},
            1,
            "",
            "gitsource: error: gitsource is suspended\nnext: `gitsource resume` goes on\n",
        ),
    ],
    ids=lambda value: value["outcome"] if isinstance(value, dict) else "",
)
def test_sync_tells_what_the_look_came_to(door, run, outcome, code, out, err):
    door.answer("/sync", {"revision": COMMIT, **outcome})

    assert run("sync", "--timeout", "1500ms") == (code, out, err)
    assert door.asked == [("POST", "/sync", {"timeout": "1.5"})]


def test_wait_is_done_when_the_sinks_have_accepted(door, run):
    told = {"outcome": "accepted", "revision": COMMIT, "accepted": 2, "connected": 2}
    door.answer("/wait", told)

    assert run("wait", "--revision", "1f2e3d4c", "--timeout", "90s", "--sinks", "2") == (
        0,
        f"{COMMIT}: accepted by 2 of 2 sinks\n",
        "",
    )
    assert door.asked == [
        ("GET", "/wait", {"revision": "1f2e3d4c", "sinks": "2", "timeout": "90.0"})
    ]


def test_wait_is_exit_1_when_the_time_is_up(door, run):
    told = {"outcome": "timeout", "revision": COMMIT, "accepted": 1, "connected": 2}
    door.answer("/wait", told)
    code, out, err = run("wait", "--revision", COMMIT)

    assert (code, out) == (1, "")
    assert err.startswith(f"{COMMIT}: the time is up; accepted by 1 of 2 sinks\nnext: ")


def test_wait_is_exit_1_and_prints_the_findings_when_the_revision_is_held(door, run):
    told = {"outcome": "held", "revision": COMMIT, "reason": "broken", "findings": [FINDING]}
    door.answer("/wait", told)
    code, out, err = run("wait", "--revision", COMMIT)

    assert code == 1
    assert "error GS301 Flag/a/b: limit: expected a number" in out
    assert err == f"{COMMIT}: held: broken\n"


def test_wait_as_json_keeps_its_exit_code(door, run):
    door.answer("/wait", {"outcome": "timeout"})

    assert run("wait", "--revision", COMMIT, "--output", "json") == (
        1,
        '{"outcome": "timeout"}',
        "",
    )


@pytest.mark.parametrize(
    ("args", "path", "told"),
    [
        (("rollback",), "/rollback", {"revision": ""}),
        (("rollback", "v1.4"), "/rollback", {"revision": "v1.4"}),
        (("pin", COMMIT), "/pin", {"revision": COMMIT}),
        (("suspend",), "/suspend", {}),
        (("unpin",), "/unpin", {}),
        (("resume",), "/resume", {}),
    ],
)
def test_an_order_carries_its_reason_and_who_gave_it(door, run, args, path, told):
    door.answer(path, {"pinned": COMMIT, "outcome": "unchanged", "revision": COMMIT})
    code, _, _ = run(*args, "--reason", "storm", "--who", "ann@host")

    assert code == 0
    assert door.asked == [("POST", path, {**told, "reason": "storm", "who": "ann@host"})]


def test_who_is_user_at_host_by_default(door, run, monkeypatch):
    monkeypatch.setenv("LOGNAME", "ann")
    door.answer("/pin", {"pinned": COMMIT})
    run("pin", COMMIT, "--reason", "storm")

    assert door.asked[0][2]["who"].startswith("ann@")


@pytest.mark.parametrize("args", [("rollback", COMMIT), ("pin", COMMIT), ("suspend",)])
def test_an_order_without_a_reason_is_wrong_usage(door, run, args):
    code, _, err = run(*args)

    assert code == 2
    assert "Missing option '--reason'" in err
    assert door.asked == []


def test_unpin_comes_about_even_if_the_head_is_held(door, run):
    door.answer("/unpin", {"outcome": "held", "revision": COMMIT, "findings": [FINDING]})
    code, out, err = run("unpin")

    assert code == 0
    assert out.startswith("unpinned\n")
    assert err == f"{COMMIT}: held: 1 findings\n"


@pytest.mark.parametrize(
    ("status", "fault", "code"), [(400, "operator", 2), (404, "repository", 1), (500, "", 1)]
)
def test_a_refusal_is_told_with_its_hint(door, run, status, fault, code):
    told = {"error": "no such revision: v9\x1b[2J", "hint": "see the log", "fault": fault}
    door.answer("/pin", told, status)

    assert run("pin", "v9", "--reason", "storm") == (
        code,
        "",
        "gitsource: error: no such revision: v9\\x1b[2J\nnext: see the log\n",
    )


@pytest.mark.parametrize("text", ["<html>", "[]", '"x"', ""])
def test_something_else_at_the_address_is_an_environment_error(door, run, text):
    door.answer("/status", text)
    code, out, err = run("status")

    assert (code, out) == (2, "")
    assert "is not the admin HTTP of gitsource" in err


def test_nobody_there_is_an_environment_error_with_a_next_step(capsys):
    code = main(["status", "--admin", "127.0.0.1:1"])
    told = capsys.readouterr()

    assert (code, told.out) == (2, "")
    assert told.err.startswith("gitsource: error: cannot reach gitsource at 127.0.0.1:1: ")
    assert "\nnext: start `gitsource serve`" in told.err


@pytest.mark.parametrize(
    ("given", "asked"),
    [
        ("0.0.0.0:9902", "127.0.0.1:9902"),
        ("[::]:9902", "[::1]:9902"),
        ("10.0.0.7:1", "10.0.0.7:1"),
        (None, "127.0.0.1:9902"),
    ],
)
def test_a_server_that_listens_everywhere_is_asked_over_loopback(given, asked):
    assert admin_address(given, None, {}) == asked


def test_the_address_comes_from_the_config_file(door, capsys, tmp_path: Path):
    file = tmp_path / "gitsource.yaml"
    port = door.address.rpartition(":")[2]
    file.write_text(f"listen:\n  admin: 0.0.0.0:{port}\ninsecure: true\n")
    door.answer("/status", STATUS)
    code = main(["status", "--config", str(file), "--output", "json"])

    assert code == 0
    assert json.loads(capsys.readouterr().out) == STATUS


def test_a_port_that_is_chosen_at_each_start_must_be_named(capsys, monkeypatch):
    monkeypatch.setenv("GITSOURCE_LISTEN_ADMIN", "127.0.0.1:0")
    code = main(["status"])

    assert code == 2
    assert "next: name the address with --admin" in capsys.readouterr().err


@pytest.mark.parametrize("address", ["nowhere", "host:port", "127.0.0.1:70000"])
def test_an_address_that_is_none_is_wrong_usage(capsys, address):
    code = main(["status", "--admin", address])

    assert code == 2
    assert "--admin: expected host:port" in capsys.readouterr().err


def test_a_time_that_is_none_is_wrong_usage(door, run):
    code, _, err = run("wait", "--revision", COMMIT, "--timeout", "soon")

    assert code == 2
    assert "expected a duration" in err
