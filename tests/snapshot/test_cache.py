"""The meeting point: snapshots in, watches woken, reports back."""

import pytest

from gitsource.model import Collection, Origin, Resource, Revision, Snapshot, empty_collection
from gitsource.snapshot.cache import Acceptance, SnapshotCache
from gitsource.snapshot.reports import REFUSALS, SinkReport, Verdicts

T0 = "acme/v1/flags"


def collection(version="1", names="a"):
    resources = [Resource(name, version, b"", Origin("a.yaml", 1)) for name in names]
    built = Collection.of(T0, resources)
    return Collection(T0, built.names, built.resources, built.lines, version)


def snapshot(version="1", names="a"):
    return Snapshot(Revision("c" * 40, "t", 0), version, {T0: collection(version, names)})


@pytest.fixture
def cache():
    return SnapshotCache(clock=lambda: 1_700_000_000.25)


@pytest.fixture
def tell(cache):
    """Report something about a sink's subscription to T0."""

    def told(event, stream=1, sink="pilot", **more):
        about = {} if event in {"connected", "disconnected"} else {"collection": T0}
        about |= {"requested": T0} if about else {}
        cache.report(SinkReport(event, stream, sink, "ipv4:10.0.0.1:5", **about, **more))

    return told


def row(cache):
    told = cache.sinks()[0]["collections"][T0]
    return {key: told[key] for key in ("sent", "acked", "nacked", "error")}


# --------------------------------------------------------------------------- snapshots


def test_before_the_first_snapshot_there_is_none(cache):
    assert cache.get("default") is None


def test_what_was_set_last_is_served(cache):
    cache.set("default", snapshot("1"))
    second = snapshot("2")
    cache.set("default", second)

    assert second is cache.get("default")


def test_each_change_wakes_each_watch_of_the_group(cache):
    woken = []
    cache.watch(lambda: woken.append("one"))
    cache.watch(lambda: woken.append("two"))
    cache.watch(lambda: woken.append("canary"), "canary")
    cache.set("default", snapshot())

    assert ["one", "two"] == woken


def test_a_cancelled_watch_sleeps_even_if_it_is_cancelled_twice(cache):
    woken = []
    cancel = cache.watch(lambda: woken.append("one"))
    cancel()
    cancel()
    cache.set("default", snapshot())

    assert [] == woken


def test_a_watch_may_cancel_itself_while_others_are_woken(cache):
    woken = []
    cancel = cache.watch(lambda: (woken.append("one"), cancel()))
    cache.watch(lambda: woken.append("two"))
    cache.set("default", snapshot("1"))
    cache.set("default", snapshot("2"))

    assert ["one", "two", "two"] == woken


def test_clearing_a_group_wakes_its_watches_to_nothing(cache):
    cache.set("default", snapshot())
    seen = []
    cache.watch(lambda: seen.append(cache.get("default")))
    cache.clear("default")

    assert [None] == seen


def test_earlier_versions_are_found_as_diff_bases(cache):
    cache.set("default", snapshot("1", "ab"))
    cache.set("default", snapshot("2", "bc"))
    found = cache.find(T0, "1")
    delta = cache.delta(T0, "1", collection("2", "bc"))

    assert (("a", "b"), ("a",)) == (found.names, delta.removed)


# --------------------------------------------------------------------------- reports


def test_status_has_a_row_for_each_open_stream(cache, tell):
    tell("connected", sink=1)
    tell("subscribed")
    expected = {
        "id": "pilot",
        "stream": 1,
        "peer": "ipv4:10.0.0.1:5",
        "protocol": "mcp",
        "connected_at": "2023-11-14T22:13:20.250Z",
        "views": None,
        "rights": None,
        "returned": None,
        "collections": {
            T0: dict.fromkeys(("sent", "acked", "nacked", "error", "since", "note", "behind")),
        },
    }

    assert [expected] == cache.sinks()


def test_an_anonymous_sink_has_an_empty_id(cache, tell):
    tell("connected", sink=1)

    assert "" == cache.sinks()[0]["id"]


def test_status_tells_what_was_sent_accepted_and_refused(cache, tell):
    tell("connected")
    tell("sent", version="1", nonce="1")
    tell("acked", version="1", nonce="1")
    tell("sent", version="2", nonce="2")
    tell("nacked", version="2", nonce="2", code=3, error="no good")
    expected = {"sent": "2", "acked": "1", "nacked": "2", "error": "no good"}

    assert expected == row(cache)


def test_a_later_ack_settles_a_nack(cache, tell):
    tell("connected")
    tell("nacked", version="2", error="no good")
    tell("acked", version="3")
    expected = {"sent": None, "acked": "3", "nacked": None, "error": None}

    assert expected == row(cache)


def test_a_sink_is_behind_since_there_is_something_newer():
    now = [100.0]
    cache = SnapshotCache(clock=lambda: now[0])
    cache.set("default", snapshot("1"))
    about = {"collection": T0, "requested": T0}
    for event in ("connected", "sent", "acked"):
        cache.report(SinkReport(event, 1, "pilot", "", version="1", **about))
    told = [cache.sinks()[0]["collections"][T0]["behind"]]
    now[0] = 200.0
    cache.set("default", snapshot("2"))
    now[0] = 203.5
    told.append(cache.sinks()[0]["collections"][T0]["behind"])

    assert [None, 3.5] == told


def test_where_a_sink_went_back_to_is_told_until_it_follows_again(cache, tell):
    tell("connected")
    tell("returned", version="c" * 40)
    told = [cache.sinks()[0]["returned"]]
    tell("returned")

    assert ["c" * 40, None] == [*told, cache.sinks()[0]["returned"]]


def test_a_sink_that_is_gone_has_no_row(cache, tell):
    tell("connected")
    tell("disconnected")

    assert ([], 0) == (cache.sinks(), cache.streams)


def test_listeners_hear_every_report_after_status_knows_it(cache, tell):
    heard = []
    cancel = cache.listen(lambda report: heard.append((report.event, cache.streams)))
    tell("connected")
    tell("disconnected")
    cancel()
    tell("connected")

    assert [("connected", 1), ("disconnected", 0)] == heard


def test_the_cache_shows_what_it_serves_and_to_how_many(cache, tell):
    cache.set("default", snapshot("1"))
    tell("connected")

    assert "<SnapshotCache serves={'default': '1'} streams=1>" == repr(cache)


# --------------------------------------------------------------------------- who has accepted what


def test_a_snapshot_is_accepted_when_every_subscription_of_every_sink_acked_it(cache, tell):
    served = snapshot("1")
    for stream in (1, 2):
        tell("connected", stream, stream)
        tell("subscribed", stream, stream)
    tell("acked", 1, 1, version="1")

    assert Acceptance(2, 1, ("ipv4:10.0.0.1:5",)) == cache.accepted(served)

    tell("acked", 2, 2, version="1")

    assert cache.accepted(served).complete


def test_an_ack_of_another_version_does_not_count(cache, tell):
    tell("connected")
    tell("acked", version="0")

    assert ("pilot",) == cache.accepted(snapshot("1")).waiting


def test_who_refused_a_part_of_it_is_told_apart_from_who_has_not_answered(cache, tell):
    for stream in (1, 2, 3):
        tell("connected", stream, f"pilot-{stream}")
        tell("subscribed", stream, f"pilot-{stream}")
    tell("nacked", 1, "pilot-1", version="1", error="no good")
    tell("nacked", 2, "pilot-2", version="0", error="no good either")

    found = cache.accepted(snapshot("1"))

    assert ("pilot-1", "pilot-2", "pilot-3") == found.waiting
    assert ("pilot-1",) == found.refused


def test_a_collection_the_snapshot_lacks_is_accepted_as_empty(cache, tell):
    tell("connected")
    tell("acked", version=empty_collection(T0).version)
    bare = Snapshot(Revision("c" * 40, "t", 0), "v", {})

    assert Acceptance(1, 1, ()) == cache.accepted(bare)


def test_a_stream_that_asked_for_nothing_is_no_sink_to_wait_for(cache, tell):
    tell("connected")

    assert Acceptance(0, 0, ()) == cache.accepted(snapshot())


# --------------------------------------------------------------------------- verdicts


def test_what_is_forgiven_may_be_sent_again(cache, tell):
    tell("connected")
    tell("nacked", version="1")
    before = cache.refused("pilot", T0, "1")
    cache.forgive("pilot")

    assert (True, False) == (before, cache.refused("pilot", T0, "1"))


def test_a_named_sinks_verdicts_outlive_its_stream(cache, tell):
    tell("connected")
    tell("acked", version="1")
    tell("nacked", version="2", error="no good")
    tell("disconnected")

    assert (True, False, "1") == (
        cache.refused("pilot", T0, "2"),
        cache.refused("pilot", T0, "1"),
        cache.last_accepted("pilot", T0),
    )


def test_an_anonymous_sinks_verdicts_end_with_its_stream(cache, tell):
    tell("connected", 7, 7)
    tell("nacked", 7, 7, version="2")
    tell("disconnected", 7, 7)

    assert not cache.refused(7, T0, "2")


def test_accepting_a_version_takes_back_refusing_it_and_the_other_way_round():
    verdicts = Verdicts()
    verdicts.refuse("pilot", T0, "1", "no")
    verdicts.accept("pilot", T0, "1")

    assert ({}, "1") == (verdicts.of("pilot", T0).refused, verdicts.of("pilot", T0).accepted)

    verdicts.refuse("pilot", T0, "1", "no")

    assert ({"1": "no"}, None) == (
        verdicts.of("pilot", T0).refused,
        verdicts.of("pilot", T0).accepted,
    )


def test_of_many_refused_versions_the_oldest_is_forgotten():
    verdicts = Verdicts()
    for number in range(REFUSALS + 1):
        verdicts.refuse("pilot", T0, str(number), "no")

    assert ("1", REFUSALS) == (
        next(iter(verdicts.of("pilot", T0).refused)),
        len(verdicts.of("pilot", T0).refused),
    )


def test_of_many_identities_the_longest_unheard_of_is_forgotten():
    verdicts = Verdicts(identities=2)
    verdicts.accept("old", T0, "1")
    verdicts.accept("new", T0, "1")
    verdicts.accept("old", T0, "2")
    verdicts.accept("newest", T0, "1")

    assert (None, True) == (verdicts.of("new", T0), verdicts.of("old", T0) is not None)


# --------------------------------------------------------------------------- parts of a snapshot


def test_a_sink_that_is_shown_a_part_is_measured_by_that_part(cache, tell):
    cache.set("default", snapshot("whole"))
    tell("connected")
    tell("subscribed")
    tell("acked", version="part of whole")
    (before,) = cache.sinks()
    cache.assign(
        1,
        views=("shop",),
        wanted=lambda one, _name, about: f"part of {one.collection(about).version}",
    )
    (now,) = cache.sinks()

    assert (None, 0.0) == (before["views"], before["collections"][T0]["behind"])
    assert (["shop"], None) == (now["views"], now["collections"][T0]["behind"])
    assert cache.accepted(snapshot("whole")).complete
    assert not cache.accepted(snapshot("next")).complete


def test_a_part_refused_earlier_is_told_as_such(cache, tell):
    cache.set("default", snapshot("whole"))
    tell("connected")
    tell("nacked", version="part", error="no good")
    tell("disconnected")
    tell("connected", stream=2)
    tell("subscribed", stream=2)
    cache.assign(2, views=(), wanted=lambda _one, _name, _about: "part")

    assert "part" == row(cache)["nacked"]


def test_a_stream_that_is_gone_is_assigned_nothing(cache):
    cache.assign(7, views=None, wanted=lambda *_told: "")

    assert [] == cache.sinks()


def test_what_is_made_of_a_snapshot_is_a_diff_base_too(cache):
    before, now = collection("part 1", "ab"), collection("part 2", "b")
    cache.derived(None, before)
    cache.derived(before, now)

    assert ("a",) == cache.delta(T0, "part 1", now).removed


def test_watches_are_woken_without_a_new_snapshot(cache):
    woken = []
    cache.watch(lambda: woken.append("one"))
    cache.wake()

    assert ["one"] == woken
