"""Who is at fault when a response is refused, and how often it is tried."""

import pytest
from ads_transcript import URLS, collection_name, stored

from gitsource.catalog.whole import Catalog
from gitsource.model import Collection, Revision, Snapshot
from gitsource.publish.words import Error
from gitsource.publish.xds.ads import Ads
from gitsource.publish.xds.blame import (
    CONTENTS,
    RESPONSES,
    Blame,
    Grudges,
    Trouble,
    blamed,
    halves,
    judge,
)
from gitsource.publish.xds.words import DeltaRequest
from gitsource.snapshot.cache import SnapshotCache

EDS = URLS["EDS"]
LONG = "outbound|80||a.b"


def some(*names):
    return frozenset(names)


@pytest.mark.parametrize(
    ("text", "names", "expected"),
    [
        # What Envoy writes of clusters and listeners: the names it refused, each with its reason.
        (
            "Error adding/updating cluster(s) bad1: must have one 'svc-a', bad2: no",
            some("bad1", "bad2", "svc-a"),
            Blame(some("bad1", "bad2"), sure=True),
        ),
        # Of endpoints: the resource as text.
        (
            'Proto constraint validation failed (weight): cluster_name: "svc-1"\nendpoints {\n',
            some("svc-0", "svc-1"),
            Blame(some("svc-1"), sure=True),
        ),
        # Of routes: what the resource misses, not the resource.
        ("route: unknown cluster 'nope'", some("r1", "r2"), Blame(some(), sure=False)),
        ("Failed to load certificate chain", some("cert", "key"), Blame(some(), sure=False)),
        ("outbound|80||a.b: no", some("outbound|80||a.b", "b"), Blame(some(LONG), sure=True)),
        ("refused svc-1.", some("svc-0", "svc-1"), Blame(some("svc-1"), sure=True)),
        ("neither a nor b will do", some("a", "b", "c"), Blame(some("a", "b"), sure=False)),
        ("", some("a"), Blame(some(), sure=False)),
    ],
)  # fmt: skip
def test_a_text_names_who_is_at_fault(text, names, expected):
    assert expected == blamed(text, names)


def test_halves_are_about_the_same_and_lose_nobody():
    first, second = halves(some(*"abcde"))

    assert (some(*"abc"), some(*"de")) == (first, second)


def test_names_that_a_text_may_not_mean_are_tried_alone():
    verdict = judge(Trouble(), some("a", "b", "c", "d"), "neither a nor b will do")

    assert (some("c", "d"), some("a"), some("b")) == verdict.groups
    assert not verdict.bad


def test_a_resource_that_is_refused_alone_is_bad_whatever_the_text_says():
    assert some("a") == judge(Trouble(), some("a"), "b: no").bad


def test_a_text_that_names_everybody_names_nobody():
    verdict = judge(Trouble(), some("a", "b"), "a: no, b: no")

    assert (some("a"), some("b")) == verdict.groups
    assert not verdict.bad


def test_a_refused_removal_is_not_looked_into():
    assert judge(Trouble(), some(), "no").whole


def test_of_too_many_refused_contents_the_latest_are_remembered():
    grudges = Grudges(most=2)
    grudges.bear("n", "T", frozenset((f"x{number}", "1") for number in range(CONTENTS)))
    grudges.bear("n", "T", frozenset({("y", "1")}))
    for other in ("m", "o"):
        grudges.bear(other, "T", frozenset({("z", "1")}))

    assert frozenset() == grudges.of("n", "T")
    assert frozenset({("z", "1")}) == grudges.of("m", "T")


def test_a_client_that_refuses_everything_gets_a_bounded_number_of_responses():
    cache = SnapshotCache()
    ads = Ads(1, cache, Catalog, delta=True, settle=0)
    names = [f"e{number}" for number in range(500)]
    for version in ("1", "2"):
        served = Collection.of(collection_name(EDS), [stored(EDS, f"{n}@{version}") for n in names])
        snapshot = Snapshot.of(Revision("c" * 40, "t", 0), {served.name: served})
        cache.set("default", snapshot)
        if version == "1":
            ads.receive(DeltaRequest(EDS, frozenset(names)), snapshot, 0.0)
        sent = 0
        while (response := ads.offer(snapshot, 0.0)) is not None:
            ads.sent(response, 0.0)
            sent += 1
            error = Error(13, "everything is wrong")
            ads.receive(DeltaRequest(EDS, nonce=response.nonce, error=error), snapshot, 0.0)

        assert RESPONSES + 1 >= sent > 2


def test_one_bad_resource_among_many_is_found_and_all_others_arrive():
    cache = SnapshotCache()
    ads = Ads(1, cache, Catalog, delta=True, settle=0)
    names = [f"e{number:03}" for number in range(500)]
    served = Collection.of(collection_name(EDS), [stored(EDS, f"{name}@1") for name in names])
    snapshot = Snapshot.of(Revision("c" * 40, "t", 0), {served.name: served})
    cache.set("default", snapshot)
    ads.receive(DeltaRequest(EDS, frozenset(names)), snapshot, 0.0)
    has, refusals = set(), 0
    while (response := ads.offer(snapshot, 0.0)) is not None:
        ads.sent(response, 0.0)
        put = {one.name for one in response.put}
        error = Error(13, "it is wrong") if "e123" in put else None
        refusals += error is not None
        has |= put if error is None else set()
        ads.receive(DeltaRequest(EDS, nonce=response.nonce, error=error), snapshot, 0.0)

    assert set(names) - {"e123"} == has
    assert refusals <= 10
