"""Who sees what, at what cost, and that a view is always what filtering from scratch would give."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitsource._proto.istio.mcp.v1alpha1 import resource_pb2
from gitsource.model import Collection, Origin, Resource, Revision, Snapshot
from gitsource.publish.showing.views import ALL, Views
from gitsource.publish.words import Node
from gitsource.settings.views import ViewLocality, ViewNodes, ViewResources, ViewRow
from gitsource.snapshot.cache import DEFAULT, SnapshotCache
from gitsource.snapshot.window import Window

T0, T1 = "acme/v1/flags", "acme/v1/limits"


def resource(name, labels=(), *, version="1", annotations=()):
    message = resource_pb2.Resource()
    message.metadata.name = name
    message.metadata.version = version
    message.metadata.labels.update(labels)
    message.metadata.annotations.update(annotations)
    message.body.type_url = "type.googleapis.com/acme.Flag"
    return Resource(name, version, message.SerializeToString(), Origin(f"{name}.yaml", 1))


def snapshot(*resources, **more):
    collections = {T0: Collection.of(T0, resources)}
    collections |= {name: Collection.of(name, content) for name, content in more.items()}
    return Snapshot.of(Revision("c" * 40, "t", 0), collections)


def views(*rows):
    return Views(rows, SnapshotCache())


def shop(**resources):
    return ViewRow("shop", ViewNodes(ids=("shop-*",)), ViewResources(**resources))


def seen(some_views, of, node):
    return some_views.seen(of, node).collection(T0).names


A, B = resource("eu/a", {"team": "x"}), resource("us/b", {"team": "y"})


# --------------------------------------------------------------------------- who sees what


def test_without_views_the_snapshot_itself_is_seen():
    served = snapshot(A, B)

    assert served is views().seen(served, Node("anyone"))
    assert () == views().names(Node("anyone"))


def test_a_node_that_no_view_takes_sees_nothing():
    some = views(shop())

    assert () == seen(some, snapshot(A, B), Node("other"))
    assert () == some.names(Node("other"))


def test_a_sink_that_has_not_said_who_it_is_is_a_node_without_anything():
    assert () == seen(views(shop()), snapshot(A), None)
    assert ("eu/a",) == seen(views(ViewRow("all")), snapshot(A), None)


def test_a_view_that_asks_nothing_of_resources_shows_the_snapshot_itself():
    served = snapshot(A, B)

    assert served is views(shop()).seen(served, Node("shop-1"))


def test_a_node_sees_the_union_of_the_views_that_take_it():
    some = views(
        shop(namespaces=("eu",)),
        ViewRow("gold", ViewNodes(metadata=(("TIER", "gold"),)), ViewResources(("us",))),
    )
    both = Node("shop-1", metadata={"TIER": "gold"})

    assert ("eu/a", "us/b") == seen(some, snapshot(A, B), both)
    assert ("shop", "gold") == some.names(both)
    assert ("us/b",) == seen(some, snapshot(A, B), Node(metadata={"TIER": "gold"}))


@pytest.mark.parametrize(
    ("nodes", "node"),
    [
        (ViewNodes(ids=("a", "b*")), Node("b/x.y")),
        (ViewNodes(clusters=("edge-?",)), Node(cluster="edge-1")),
        (ViewNodes(metadata=(("K", "*"), ("L", "[xy]"))), Node(metadata={"K": "", "L": "y"})),
        (
            ViewNodes(locality=ViewLocality(("eu",), ("1",), ("r*",))),
            Node("", "", {}, "eu", "1", "r"),
        ),
        (ViewNodes(ids=("*",)), Node()),
        (ViewNodes(), Node()),
    ],
)
def test_a_node_is_taken_that_matches_every_part(nodes, node):
    assert ("v",) == views(ViewRow("v", nodes)).names(node)


@pytest.mark.parametrize(
    ("nodes", "node"),
    [
        (ViewNodes(ids=("a",)), Node("ab")),
        (ViewNodes(ids=("a",)), Node("A")),
        (ViewNodes(ids=("a",)), Node("a\n")),
        (ViewNodes(ids=("a",), clusters=("c",)), Node("a")),
        (ViewNodes(metadata=(("K", "*"),)), Node("a")),
        (ViewNodes(locality=ViewLocality(zone=("1",))), Node("a", region="1")),
    ],
)
def test_a_node_is_not_taken_that_misses_one(nodes, node):
    assert () == views(ViewRow("v", nodes)).names(node)


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        ({"namespaces": ("e*",)}, ("eu/a",)),
        ({"namespaces": ("",)}, ("one/two/three", "plain")),
        ({"labels": (("team", "[xz]"),)}, ("eu/a",)),
        ({"labels": (("team", "*"), ("tier", "*"))}, ()),
        ({"annotations": (("note", "*"),)}, ("plain",)),
        ({"collections": ("acme/*",)}, ("eu/a", "one/two/three", "plain", "us/b")),
        ({"collections": ("*/limits",)}, ()),
        ({"collections": (T0,), "namespaces": ("us",)}, ("us/b",)),
    ],
)
def test_a_resource_is_shown_that_matches_every_part(asked, names):
    served = snapshot(A, B, resource("plain", annotations={"note": ""}), resource("one/two/three"))

    assert names == seen(views(shop(**asked)), served, Node("shop-1"))


def test_each_collection_answers_for_itself():
    served = snapshot(A, **{T1: (resource("eu/limit"),)})
    view = views(shop(collections=(T1,))).seen(served, Node("shop-1"))

    assert {T1} == set(view.collections)
    assert view.collection(T1) is served.collection(T1)
    assert 0 == len(view.collection(T0))
    assert 0 == len(view.collection("unheard/of"))


# --------------------------------------------------------------------------- revisions of istiod


CANARY, STABLE = (
    resource("a/canary", {"istio.io/rev": "canary"}),
    resource("a/stable", {"istio.io/rev": "stable"}),
)


@pytest.mark.parametrize(
    ("revision", "names"),
    [
        ("canary", ("a/canary", "eu/a")),
        ("unheard-of", ("eu/a",)),
        ("x" * 100_000, ("eu/a",)),
        ("", ("a/canary", "a/stable", "eu/a")),
    ],
)
@pytest.mark.parametrize("rows", [(), (shop(namespaces=("a", "eu")),)], ids=["all", "view"])
def test_resources_for_another_revision_are_left_out(rows, revision, names):
    node = Node("shop-1", metadata={"ISTIO_REVISION": revision})

    assert names == seen(views(*rows), snapshot(A, CANARY, STABLE), node)


def test_a_revision_changes_nothing_where_nothing_is_labelled():
    served = snapshot(A, B)
    view = views().seen(served, Node(metadata={"ISTIO_REVISION": "canary"}))

    assert view.collection(T0) is served.collection(T0)


def test_revisions_that_nodes_think_of_share_one_collection():
    served, some = snapshot(A, CANARY), views()
    one, two = (
        some.seen(served, Node(metadata={"ISTIO_REVISION": made_up})).collection(T0)
        for made_up in ("x", "y")
    )

    assert one is two


# --------------------------------------------------------------------------- what is shared


def test_nodes_that_see_the_same_have_the_same_key_and_snapshot():
    some = views(shop(namespaces=("eu",)), ViewRow("twin", resources=ViewResources(("eu",))))
    served = snapshot(A, B)
    one, two = Node("shop-1"), Node("other", metadata={"unasked": "x"})

    assert some.key(one) == some.key(two)
    assert some.seen(served, one) is some.seen(served, two)


def test_a_view_shares_the_resources():
    view = views(shop(namespaces=("eu",))).seen(snapshot(A, B), Node("shop-1"))

    assert view.collection(T0).resources[0] is A


def test_what_shows_the_whole_collection_is_the_whole_collection():
    served = snapshot(A, B)
    view = views(shop(labels=(("team", "*"),))).seen(served, Node("shop-1"))

    assert view.collection(T0) is served.collection(T0)


def test_a_change_that_is_not_shown_leaves_the_collection_as_it_is():
    some, node = views(shop(namespaces=("eu",))), Node("shop-1")
    before = some.seen(snapshot(A, B), node).collection(T0)
    after = some.seen(snapshot(A, resource("us/b", version="2")), node).collection(T0)

    assert before is after


def test_two_views_with_the_same_content_share_the_collection():
    some = views(shop(namespaces=("eu",)), ViewRow("x", ViewNodes(("x",)), ViewResources(("e*",))))
    served = snapshot(A, B)

    assert some.seen(served, Node("x")).collection(T0) is (
        some.seen(served, Node("shop-1")).collection(T0)
    )


def test_the_version_of_a_view_is_the_digest_of_what_is_in_it():
    found = views(shop(namespaces=("eu",))).seen(snapshot(A, B), Node("shop-1")).collection(T0)

    assert Collection.of(T0, [A]).version == found.version


def test_what_a_view_showed_before_is_a_diff_base():
    cache = SnapshotCache()
    some, node = Views((shop(namespaces=("eu",)),), cache), Node("shop-1")
    versions = []
    for number in "12":
        served = snapshot(resource("eu/a", version=number), resource("eu/z"), B)
        cache.set(DEFAULT, served)
        versions.append(some.seen(served, node).collection(T0))
    before, now = versions
    delta = cache.delta(T0, before.version, now)

    assert (("eu/a",), ()) == (tuple(one.name for one in delta.put), delta.removed)


def test_what_nobody_asks_for_any_more_is_let_go():
    window = Window(versions=0)
    cache = SnapshotCache(window=window)
    some = Views((shop(namespaces=("eu",)),), cache)
    held = some.seen(snapshot(A, B), Node("shop-1")).collection(T0)
    found = []
    for number in range(5):
        some.seen(snapshot(A, resource("us/b", version=f"v{number}")), Node("other"))
        found.append(cache.find(T0, held.version) is held)

    assert (True, False) == (found[0], found[-1])


def test_views_that_are_retired_keep_nothing_and_still_answer():
    cache = SnapshotCache(window=Window(versions=0))
    some = Views((shop(namespaces=("eu",)),), cache)
    held = some.seen(snapshot(A, B), Node("shop-1")).collection(T0)
    some.retire()
    again = some.seen(snapshot(A, B, resource("eu/c")), Node("shop-1")).collection(T0)

    assert ("eu/a", "eu/c") == again.names
    assert (None, None) == (cache.find(T0, held.version), cache.find(T0, again.version))


def test_what_is_shown_in_part_is_told_once():
    """Encoders keep the bytes of these."""
    some = views(shop(namespaces=("eu",)), ViewRow("x", ViewNodes(("x",)), ViewResources(("e*",))))
    served = snapshot(A, B, **{T1: (resource("eu/limit"),)})
    one, two = (some.seen(served, Node(name)) for name in ("shop-1", "x"))

    assert one.collection(T0) is two.collection(T0)
    assert one.collection(T1) is served.collection(T1)
    assert (one.collection(T0),) == some.shown()


def test_everything_is_shown_by_one_key():
    assert ALL == views().key(Node("a")) == views(shop()).key(Node("shop-9"))


# --------------------------------------------------------------------------- after any history


LABELS = [
    {},
    {"team": "x"},
    {"team": "y"},
    {"istio.io/rev": "r1"},
    {"team": "x", "istio.io/rev": "r2"},
]
NAMES = [f"{namespace}/{name}" for namespace in ("a", "b") for name in "xyz"]
CONTENT = st.dictionaries(
    st.sampled_from(NAMES), st.tuples(st.sampled_from(LABELS), st.sampled_from("12")), max_size=6
)
ROWS = (
    ViewRow("a", ViewNodes(("1*",)), ViewResources(("a",))),
    ViewRow("x", ViewNodes(("?x*",)), ViewResources(labels=(("team", "x"),))),
    ViewRow("y", ViewNodes(("??y",)), ViewResources(labels=(("team", "y"),), collections=("*",))),
)
NODE = st.builds(
    lambda name, revision: Node(name, metadata={"ISTIO_REVISION": revision} if revision else {}),
    st.sampled_from(["1xy", "1x", "1", "-x", "-xy", "1-y", "-", "--y"]),
    st.sampled_from(["", "r1", "r2", "r3"]),
)


def expected(content, node):
    revision = node.metadata.get("ISTIO_REVISION")
    for name, (labels, version) in sorted(content.items()):
        shown = (
            (node.id[:1] == "1" and name.startswith("a/"))
            or (node.id[1:2] == "x" and labels.get("team") == "x")
            or (node.id[2:3] == "y" and len(node.id) == 3 and labels.get("team") == "y")
        )
        other = revision and labels.get("istio.io/rev", revision) != revision
        if shown and not other:
            yield resource(name, labels, version=version + "".join(labels.values()))


FILLING = {f"a/filling-{number:>02}": ({}, "1") for number in range(40)}


@given(
    st.lists(st.tuples(CONTENT, st.lists(NODE, max_size=4)), max_size=8),
    st.booleans(),
    st.sampled_from([{}, FILLING]),
)
def test_a_view_is_what_filtering_from_scratch_gives_after_any_history(history, back, filling):
    cache = SnapshotCache(window=Window(versions=0))
    some = Views(ROWS, cache)
    for drawn, nodes in history + history[::-1] * back:
        content = drawn | filling
        whole = snapshot(
            *(
                resource(name, labels, version=version + "".join(labels.values()))
                for name, (labels, version) in content.items()
            )
        )
        cache.set(DEFAULT, whole)
        for node in nodes:
            found = some.seen(whole, node).collection(T0)
            wanted = Collection.of(T0, expected(content, node))

            assert (wanted.version, wanted.names) == (found.version, found.names)
            assert wanted.resources == found.resources
            assert wanted.lines == found.lines
            assert wanted.resources == cache.find(T0, found.version).resources
