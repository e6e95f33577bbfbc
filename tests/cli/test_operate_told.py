"""What the operators' commands print of answers that are long, odd or hostile, and of probes."""

from __future__ import annotations

import pytest

COMMIT = "1f2e3d4c5b6a79880f1e2d3c4b5a69788f0e1d2c"
HEAD = "9a8b7c6d5e4f30211203f4e5d6c7b8a991827364"
HELD = {"reason": "does not validate\x1b[2J", "findings": 1}


def layer(name: str, head: str = HEAD, *, held: dict | None = None, error: str = "") -> dict:
    return {"name": name, "head": head, "revision": COMMIT, "held": held, "error": error or None}


@pytest.mark.parametrize(
    ("outcome", "layers", "told"),
    [
        ("published", [layer("low"), layer("top")], []),
        (
            "published",
            [layer("low", held=HELD), layer("top")],
            ["layer low: held: does not validate\\x1b[2J"],
        ),
        (
            "unchanged",
            [layer("low"), layer("top", error="no route\x07")],
            ["layer top: not looked at: no route\\x07"],
        ),
        (
            "held",
            [layer("low", COMMIT, held=HELD), layer("top", held={"reason": "unsigned"})],
            [f"{COMMIT}: held: not good\\x1b[2J", "layer top: held: unsigned"],
        ),
        (
            "failed",
            [layer("low"), layer("top", error="no route")],
            ["gitsource: error: not good\\x1b[2J"],
        ),
    ],
    ids=["sound", "held", "out of reach", "told already", "failed"],
)
def test_each_layer_that_stays_behind_is_told_once(door, run, outcome, layers, told):
    answer = {"outcome": outcome, "revision": COMMIT, "error": "not good\x1b[2J", "layers": layers}
    door.answer("/sync", answer)
    _, _, err = run("sync")

    assert told == err.splitlines()


def test_no_answer_drives_the_terminal(door, run):
    door.answer("/pin", {"pinned": "\x1b[2Jv9"})
    _, pinned, _ = run("pin", "v9", "--reason", "storm", "--who", "ann\x07@host")
    door.answer("/suspend", {})
    _, suspended, _ = run("suspend", "--reason", "storm", "--who", "ann\x07@host")

    assert "pinned \\x1b[2Jv9 for ann\\x07@host\n" == pinned
    assert "suspended for ann\\x07@host\n" == suspended


@pytest.mark.parametrize(
    ("args", "path", "answer", "said"),
    [
        ((), "/readyz", {"ready": True}, "ready\n"),
        (("--alive",), "/healthz", {"alive": True}, "alive\n"),
    ],
)
def test_a_probe_asks_whether_it_is_ready_or_whether_it_lives(door, run, args, path, answer, said):
    door.answer(path, answer)

    assert (0, said, "") == run("probe", *args)
    assert [("GET", path, {})] == door.asked


def test_a_probe_of_what_is_not_ready_says_why_and_ends_with_1(door, run):
    door.answer("/readyz", {"ready": False, "error": "no snapshot is served yet"}, 503)

    assert (1, "", "gitsource: error: no snapshot is served yet\n") == run("probe")


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        (("sync",), {"outcome": "unchanged", "revision": COMMIT}),
        (("wait", "--revision", COMMIT), {"outcome": "accepted", "revision": COMMIT}),
    ],
)
def test_a_server_that_waits_as_long_as_it_was_asked_to_is_heard_out(door, run, command, answer):
    """The time is for the sinks: looking at the repository comes before, and the answer after."""
    door.delay = 0.3
    door.answer(f"/{command[0]}", answer)
    code, _, err = run(*command, "--timeout", "1ms")

    assert (0, "") == (code, err)
