"""What happens, as the audit log is told of it."""

from __future__ import annotations

import asyncio

import pytest

from gitsource.git.refs import Chosen
from gitsource.model import Collection, Finding, Origin, Resource, Revision, Snapshot
from gitsource.observe.happenings import Happening
from gitsource.reconcile.outcomes import Held, LayerState, Outcome
from gitsource.recording import Recording
from gitsource.snapshot.reports import SinkReport
from gitsource.triggers.ledger import Row

HEAD = Revision("a" * 40, "b" * 40, 1_700_000_000, "Ada <ada@example.com>", "more routes")


class Told:
    """A recording, and everything that it told."""

    def __init__(
        self, committer=lambda _commit: asyncio.sleep(0, "Bob <bob@example.com>"), **how
    ) -> None:
        self.happenings: list[Happening] = []
        self.recording = Recording(self.happenings.append, committer, **how)

    def only(self) -> Happening:
        (one,) = self.happenings
        return one


def stream(event, **more) -> SinkReport:
    return SinkReport(event, 7, "edge-1", "ipv4:10.0.0.1:5000", **more)


ABOUT = {"collection": "mesh/routes", "requested": "routes", "version": "v1", "nonce": "n1"}


def test_a_push_is_told_by_counts_and_never_by_content():
    told = Told()
    told.recording.heard(stream("sent", **ABOUT, size=900, counts=(3, 1), incremental=True))

    assert told.only() == Happening(
        "push",
        "",
        "ipv4:10.0.0.1:5000",
        "ok",
        "",
        {
            "stream": 7,
            "sink": "edge-1",
            "collection": "mesh/routes",
            "requested": "routes",
            "version": "v1",
            "nonce": "n1",
            "bytes": 900,
            "delta": True,
            "resources": 3,
            "removed": 1,
        },
    )


def test_what_a_stream_does_is_told_with_who_it_proved_to_be_when_it_connected():
    told = Told()
    told.recording.heard(
        stream("connected", who="spiffe://prod/ns/istio/sa/istiod", protocol="mcp")
    )
    told.recording.heard(stream("subscribed", **ABOUT))
    told.recording.heard(stream("sent", **ABOUT))
    told.recording.heard(stream("acked", **ABOUT, seconds=0.25))
    told.recording.heard(stream("disconnected", error="closed by the sink"))
    told.recording.heard(SinkReport("connected", 8, protocol="xds"))

    assert [(one.event, one.who) for one in told.happenings] == [
        ("connect", "spiffe://prod/ns/istio/sa/istiod"),
        ("subscribe", "spiffe://prod/ns/istio/sa/istiod"),
        ("push", "spiffe://prod/ns/istio/sa/istiod"),
        ("ack", "spiffe://prod/ns/istio/sa/istiod"),
        ("disconnect", "spiffe://prod/ns/istio/sa/istiod"),
        ("connect", ""),
    ]


def test_a_sink_that_merely_claims_a_name_is_nobody():
    told = Told()
    told.recording.heard(stream("connected", protocol="mcp"))

    assert (told.only().who, told.only().facts["sink"]) == ("", "edge-1")


def test_a_nack_says_why_and_what_it_means():
    told = Told()
    blamed = (Resource("shop/web", "v", b"", Origin("web.yaml", 1)),)
    told.recording.heard(stream("nacked", **ABOUT, error="no", code=3, blamed=blamed))
    one = told.only()

    assert (one.event, one.outcome, one.why) == ("nack", "refused", "no")
    assert (one.facts["code"], one.facts["blamed"]) == (3, ("shop/web",))


def test_a_stream_that_gitsource_ended_was_refused():
    told = Told()
    told.recording.heard(stream("disconnected", error="over a limit", ours=True))

    assert (told.only().outcome, told.only().why) == ("refused", "over a limit")


def test_going_back_is_told_and_following_again_is_seen_from_its_pushes():
    told = Told()
    told.recording.heard(stream("returned", version="c" * 40, error="no"))
    told.recording.heard(stream("returned"))

    assert told.only().facts["returned_to"] == "c" * 40


# ------------------------------------------------------------------ revisions


def snapshot(revision: Revision, content: str) -> Snapshot:
    resource = Resource("shop/web", content, content.encode(), Origin("web.yaml", 1))
    return Snapshot.of(revision, {"mesh/routes": Collection.of("mesh/routes", [resource])})


async def test_a_publish_names_commit_author_committer_signer_and_what_changed():
    told = Told()
    outcome = Outcome("published", HEAD, triggers=("webhook",), signer="ABCD (ada)")
    told.recording.looked(outcome, snapshot(HEAD, "one"))
    await told.recording.close()
    one = told.only()

    assert (one.event, one.who, one.outcome) == ("publish", "Ada <ada@example.com>", "ok")
    assert one.facts == {
        "commit": "a" * 40,
        "author": "Ada <ada@example.com>",
        "committer": "Bob <bob@example.com>",
        "committed_at": "2023-11-14T22:13:20.000Z",
        "subject": "more routes",
        "signer": "ABCD (ada)",
        "version": snapshot(HEAD, "one").version,
        "layers": (),
        "collections": ("mesh/routes 1",),
        "triggers": ("webhook",),
    }


async def test_collections_that_stay_as_they_were_are_not_told_again():
    told = Told()
    told.recording.serving(snapshot(HEAD, "one"))
    told.recording.looked(Outcome("published", HEAD), snapshot(HEAD, "one"))
    await told.recording.close()

    assert told.only().facts["collections"] == ()


async def test_what_goes_out_by_an_order_is_told_and_what_comes_after_is_compared_with_it():
    told = Told()
    older = Revision("c" * 40, "d" * 40, 1_600_000_000, "Eve <eve@example.com>", "routes")
    told.recording.serving(snapshot(HEAD, "one"))
    told.recording.ordered("pin", snapshot(older, "zero"))
    told.recording.ordered("pin", snapshot(older, "zero"))
    told.recording.ordered("unpin", snapshot(HEAD, "one"))
    await told.recording.close()
    facts = [one.facts for one in told.happenings]

    assert [one.event for one in told.happenings] == ["publish", "publish"]
    assert [one["commit"] for one in facts] == ["c" * 40, "a" * 40]
    assert [one["triggers"] for one in facts] == [("pin",), ("unpin",)]
    assert [one["collections"] for one in facts] == [("mesh/routes 1",)] * 2


async def test_a_publish_is_told_even_if_git_never_answers():
    told = Told(lambda _commit: asyncio.sleep(60, ""), patience=0.01)
    told.recording.looked(Outcome("published", HEAD), snapshot(HEAD, "one"))
    await told.recording.close()

    assert told.only().facts["committer"] == ""


def test_a_hold_is_told_once_with_its_first_findings():
    told = Told()
    findings = tuple(Finding("a.yaml", n, 1, "error", "GS301", "m") for n in range(1, 9))
    for _ in range(3):
        told.recording.looked(Outcome("held", HEAD, "8 errors", findings=findings), None)
    one = told.only()

    assert (one.event, one.outcome, one.why) == ("hold", "refused", "8 errors")
    assert one.facts["findings"][0] == "a.yaml:1: GS301"
    assert (len(one.facts["findings"]), one.facts["findings_count"]) == (5, 8)


def test_a_revision_that_is_held_for_another_reason_is_told_again():
    told = Told()
    for why in ("8 errors", "a pin", "a pin", "8 errors"):
        told.recording.looked(Outcome("held", HEAD, why), None)

    assert [one.why for one in told.happenings] == ["8 errors", "a pin", "8 errors"]


@pytest.mark.parametrize("result", ["unchanged", "failed", "suspended"])
def test_looks_without_news_are_not_told(result):
    told = Told()
    told.recording.looked(Outcome(result, HEAD), None)

    assert told.happenings == []


# ------------------------------------------------------------------ deliveries and reloads


def test_a_delivery_is_told_with_its_verdict():
    told = Told()
    told.recording.delivered(Row(1, 1.0, "unsigned", 401, peer="192.0.2.1", reason="no signature"))
    one = told.only()

    assert (one.event, one.peer, one.outcome) == ("webhook", "192.0.2.1", "refused")
    assert (one.facts["verdict"], one.facts["proven"], one.why) == (
        "unsigned",
        False,
        "no signature",
    )


def test_a_reload_is_an_order_and_may_fail():
    told = Told()
    told.recording.reloaded(("poll",))
    told.recording.reloaded((), "no such key")

    assert [(one.facts["command"], one.outcome) for one in told.happenings] == [
        ("reload", "ok"),
        ("reload", "failed"),
    ]


async def test_a_layer_that_is_held_is_told_once_for_as_long_as_it_is():
    told = Told()
    head = Revision("b" * 40, "c" * 40, 1, "Ann", "subject")
    why = Held(
        head, "does not validate", 1.0, (Finding("team:a.yaml", 3, 1, "error", "GS301", "x"),)
    )
    layers = (LayerState("team", "a" * 40, head, Chosen("", ""), why),)
    outcome = Outcome("held", head, "layer team does not validate", layers=layers)
    for _ in range(3):
        told.recording.looked(outcome, None)
    one = told.only()

    assert ("hold", "does not validate", "team") == (one.event, one.why, one.facts["layer"])
    assert ("b" * 40, ("team:a.yaml:3: GS301",)) == (one.facts["commit"], one.facts["findings"])
