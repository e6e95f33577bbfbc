"""What is no longer served is remembered as it was last, within bounds."""

from gitsource.model import Collection, Origin, Resource, Revision, Snapshot
from gitsource.snapshot.cache import SnapshotCache
from gitsource.snapshot.gone import Gone

T = "T0"


def resource(name, version="v1", size=10):
    return Resource(name, version, b"x" * size, Origin(f"{name}.yaml", 1))


def collection(*resources):
    return Collection.of(T, resources)


def serve(cache, *resources, group="default"):
    cache.set(group, Snapshot.of(Revision("c" * 40, "t", 0), {T: collection(*resources)}))


def test_a_resource_that_is_gone_is_known_as_it_was_served_last():
    cache = SnapshotCache()
    serve(cache, resource("a", "v1"), resource("b"))
    serve(cache, resource("a", "v2"), resource("b"))

    assert cache.gone(T, "a") is None

    serve(cache, resource("b"))

    assert "v2" == cache.gone(T, "a").version
    assert [None, None] == [cache.gone(T, "b"), cache.gone(T, "a", "canary")]


def test_it_is_so_when_its_whole_collection_is_gone():
    cache = SnapshotCache()
    serve(cache, resource("a"))
    cache.set("default", Snapshot.of(Revision("c" * 40, "t", 0), {}))

    assert "v1" == cache.gone(T, "a").version


def test_what_comes_back_is_not_gone():
    cache = SnapshotCache()
    serve(cache, resource("a"))
    serve(cache)
    serve(cache, resource("a", "v2"))

    assert cache.gone(T, "a") is None


def test_the_longest_gone_is_forgotten_first():
    gone = Gone(resources=2)
    for name in ("a", "b", "a", "c"):
        gone.note(collection(resource(name)), [name])

    assert [True, False, True] == [gone.find(T, name) is not None for name in "abc"]


def test_what_is_too_large_to_be_remembered_is_forgotten():
    gone = Gone(size=100)
    gone.note(collection(resource("a", size=60), resource("b", size=60)), ["a", "b"])
    gone.note(collection(resource("c", size=101)), ["c"])

    assert [None] * 3 == [gone.find(T, name) for name in "abc"]
    assert "<Gone resources=0 bytes=0>" == repr(gone)
