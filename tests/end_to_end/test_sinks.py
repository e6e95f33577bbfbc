"""Which sink has what: the list, one sink in full, and another try after a refusal."""

from __future__ import annotations

import json

from repositories import Upstream
from running import VS, Gitsource, closing, eventually, route


def refusing(server: Gitsource) -> dict:
    """Return the refusal that stands, once it is traced."""

    def traced() -> dict | None:
        for row in server.status()["refusals"]:
            if not row["settled"] and row["resources"] and "commit" in row["resources"][0]:
                return row
        return None

    return eventually(traced, "a refusal that is traced to its commit")


def test_a_refusal_names_file_commit_and_author(server: Gitsource, upstream: Upstream) -> None:
    """The sink's words are `refused by the test`: the only resource that is new to it is meant."""
    with closing(server.sink(VS, node="picky", accept=lambda push: push.nonce == "1")) as sink:
        sink.next()
        commit = upstream.commit({"mesh/bad.yaml": route("bad", "x")}, message="cart: add bad")
        server.sync()
        sink.next()
        row = refusing(server)
        listed = server.cli("sinks")
        status = server.cli("status")

    (blamed,) = row["resources"]
    assert ("picky", VS, commit) == (row["sink"], row["collection"], row["revision"])
    assert ("shop/bad", "mesh/bad.yaml", commit, "cart: add bad") == tuple(
        blamed[key] for key in ("name", "file", "commit", "subject")
    )
    for told in (listed.stdout, status.stdout):
        assert f"changed last by Ada Example <ada@example.org> in {commit[:12]}" in told
        assert max(map(len, told.splitlines())) <= 80


def test_one_sink_is_shown_with_what_it_was_sent_and_accepted(
    server: Gitsource, upstream: Upstream
) -> None:
    with closing(server.sink(VS, node="picky", accept=lambda push: push.nonce == "1")) as sink:
        sink.next()
        upstream.commit({"mesh/more.yaml": route("more", "x")})
        server.sync()
        sink.next()
        refusing(server)
        shown = server.cli("sinks", "show", "picky", "--bodies", "--output", "json")
        people = server.cli("sinks", "show", "picky")

    (stream,) = json.loads(shown.stdout)["streams"]
    (held,) = stream["subscriptions"]
    rows = {row["name"]: row for row in held["resources"]}
    assert held["sent"] == held["refused"] != held["accepted"]
    assert {"shop/web", "shop/more"} == set(rows)
    assert rows["shop/web"]["sent"] == rows["shop/web"]["accepted"]
    assert (None, ["more.example.com"]) == (
        rows["shop/more"]["accepted"],
        rows["shop/more"]["body"]["hosts"],
    )
    assert "+ shop/more  mesh/more.yaml" in people.stdout


def test_what_was_accepted_is_shown_beside_what_was_sent_where_they_differ(
    server: Gitsource, upstream: Upstream
) -> None:
    with closing(server.sink(VS, node="picky", accept=lambda push: push.nonce == "1")) as sink:
        sink.next()
        upstream.commit({"mesh/web.yaml": route("web", "other")})
        server.sync()
        sink.next()
        refusing(server)
        shown = server.cli("sinks", "show", "picky", "--bodies", "--output", "json")
        people = server.cli("sinks", "show", "picky", "--bodies")

    (stream,) = json.loads(shown.stdout)["streams"]
    (row,) = stream["subscriptions"][0]["resources"]

    assert row["sent"] != row["accepted"]
    assert '"host": "other"' in json.dumps(row["body"])
    assert '"host": "other"' not in json.dumps(row["accepted_body"])
    assert "      accepted:" in people.stdout.splitlines()


def test_a_sink_that_is_mended_can_be_sent_again_what_it_refused(
    server: Gitsource, upstream: Upstream
) -> None:
    mended = []
    with closing(
        server.sink(VS, node="picky", accept=lambda push: push.nonce == "1" or bool(mended))
    ) as sink:
        sink.next()
        upstream.commit({"mesh/more.yaml": route("more", "x")})
        server.sync()
        sink.next()
        refusing(server)
        mended.append(True)
        done = server.cli("sinks", "retry", "picky", "--reason", "upgraded")
        again = sink.next()
        eventually(lambda: server.status()["refusals"][0]["settled"], "the refusal is settled")

    assert (0, 2) == (done.returncode, len(again.resources))


def test_a_sink_that_is_not_there_is_said_so(server: Gitsource) -> None:
    done = server.cli("sinks", "show", "nobody")

    assert 2 == done.returncode
    assert "no sink 'nobody' is connected" in done.stderr
    assert "next: `gitsource sinks` lists them" in done.stderr
