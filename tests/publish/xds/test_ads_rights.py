"""A client that refuses to lose what it may not have any more is not sent that again."""

import pytest

from gitsource.catalog.whole import Catalog
from gitsource.model import Collection
from gitsource.publish.words import Error, Nacked, Node
from gitsource.publish.xds.ads import Ads
from gitsource.publish.xds.words import SotwRequest
from gitsource.snapshot.cache import SnapshotCache
from gitsource.snapshot.reports import SinkReport
from raw_xds import CDS, collection_of, served, stored

NAME = collection_of(CDS)
BOTH = served({CDS: [stored(CDS, "mine"), stored(CDS, "not mine")]})
LEFT = served({CDS: [stored(CDS, "mine")]})
NODE = Node(id="edge")


def without(collection: Collection) -> Collection:
    """Cut what may not be had any more."""
    return Collection.of(collection.name, [one for one in collection if one.name == "mine"])


class Scene:
    """The streams of one client, and the cache that remembers what it said."""

    def __init__(self) -> None:
        self.cache = SnapshotCache()
        self.cache.set("default", BOTH)
        self.now = 0.0
        self.stream = 0

    def opened(self) -> Ads:
        stream = self.cache.open_stream()
        self.cache.report(SinkReport("connected", stream, stream, ""))
        self.stream = stream
        return Ads(stream, self.cache, Catalog, delta=False)

    def hear(self, ads, shown, **said):
        self.now += 1.0
        heard = ads.receive(SotwRequest(CDS, frozenset(), node=NODE, **said), shown, self.now)
        events = {"Acked": "acked", "Nacked": "nacked"}
        if event := events.get(type(heard).__name__):
            told = {"collection": heard.collection, "requested": CDS, "version": heard.version}
            told |= {"target": heard.target} if isinstance(heard, Nacked) else {}
            self.cache.report(SinkReport(event, self.stream, ads.identity, "", **told))
        return heard

    def sent(self, ads, shown):
        """Return the next response, which is sent; None: there is none."""
        self.now += 10.0
        response = ads.offer(shown, self.now)
        if response is not None:
            ads.sent(response, self.now)
        return response

    def accepted_both(self, ads) -> None:
        self.hear(ads, BOTH)
        response = self.sent(ads, BOTH)
        assert ["mine", "not mine"] == names(response)
        self.hear(ads, BOTH, nonce=response.nonce, version=response.version)

    def refused_the_cut(self, ads) -> None:
        """Its rights are fewer; it is told so, and NACKs."""
        ads.within = without
        response = self.sent(ads, LEFT)
        assert ["mine"] == names(response)
        self.hear(ads, LEFT, nonce=response.nonce, error=Error(3, "no"))


def names(response):
    return [] if response is None else [one.name for one in response.put]


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_on_the_same_stream(scene):
    """It asks again and would get what it accepted last, if that were still for it."""
    ads = scene.opened()
    scene.accepted_both(ads)
    scene.refused_the_cut(ads)
    scene.hear(ads, LEFT)

    assert "not mine" not in names(scene.sent(ads, LEFT))


def test_on_the_next_stream(scene):
    ads = scene.opened()
    scene.accepted_both(ads)
    scene.refused_the_cut(ads)
    again = scene.opened()
    again.within = without
    scene.hear(again, LEFT)

    assert "not mine" not in names(scene.sent(again, LEFT))


def test_on_a_stream_beside_the_one_that_refused(scene):
    """What was refused under its name counts here too, and what it has is more than it may."""
    ads, beside = scene.opened(), scene.opened()
    for one in (ads, beside):
        scene.accepted_both(one)
    scene.refused_the_cut(beside)
    ads.within = without
    scene.hear(ads, LEFT)

    assert "not mine" not in names(scene.sent(ads, LEFT))


def test_with_the_same_rights_it_gets_what_it_accepted_last(scene):
    """Else the two above would show nothing."""
    ads = scene.opened()
    scene.accepted_both(ads)
    response = scene.sent(ads, LEFT)
    scene.hear(ads, LEFT, nonce=response.nonce, error=Error(3, "no"))
    again = scene.opened()
    scene.hear(again, LEFT)

    assert ["mine", "not mine"] == names(scene.sent(again, LEFT))
