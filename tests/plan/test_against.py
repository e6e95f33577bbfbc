"""What a push means to those who are served, from values alone."""

from __future__ import annotations

from gitsource.model import Collection, Origin, Resource, Revision, Snapshot
from gitsource.plan.against import MOST_NAMES, RULES, against, drifted
from gitsource.plan.served import Served, SinkTold, Subscribed
from gitsource.plan.values import SinkKept

C, D = "acme/v1/flags", "acme/v1/notes"


def snapshot(commit: str = "a", **resources: str) -> Snapshot:
    """Return a snapshot of flags by name and version."""
    flags = Collection.of(C, [Resource(n, v, b"", Origin("f", 1)) for n, v in resources.items()])
    return Snapshot.of(Revision(commit * 40, "", 0), {C: flags})


def served(base: Snapshot, *sinks: SinkTold, **more: object) -> Served:
    versions = {name: each.version for name, each in base.collections.items()}
    told = {"collections": versions, "sinks": sinks} | more
    return Served("here", base.revision.commit, base.version, **told)


def sink(name: str, *subscriptions: Subscribed, **more: object) -> SinkTold:
    return SinkTold(name, 1, "10.0.0.1:1", "mcp", subscriptions=subscriptions, **more)


def whole(told: Snapshot, _sink: SinkTold, asked: Subscribed) -> str:
    """Expect all of a collection: nobody has views."""
    return told.collection(asked.collection).version


def test_who_asks_for_what_does_not_change_is_only_counted():
    base, head = snapshot(a="1"), snapshot("b", a="2")
    version = base.collection(C).version
    asks = sink("one", Subscribed(C, C, accepted=version))
    does_not = sink("two", Subscribed(D, D))

    told = against(served(base, asks, does_not), base, head, whole, {})

    assert [each.sink for each in told.sinks] == ["one"]
    assert told.sinks[0].collections == ((C, version, head.collection(C).version),)
    assert told.unreached == 1
    assert told.notes == ()
    assert told.kept == (
        SinkKept("two", "nothing that it asks for changes", "10.0.0.1:1", "mcp", (), ((D, ""),)),
    )


def test_who_is_not_reached_is_named_with_the_reason():
    base, head = snapshot(a="1"), snapshot("b", a="2")
    version = base.collection(C).version
    asks = Subscribed(C, C, accepted=version)
    named = Subscribed(C, C, names=frozenset({"z"}), accepted=version)

    def nothing_new(_told: Snapshot, _sink: SinkTold, asked: Subscribed) -> str:
        return asked.accepted

    sinks = (
        sink("1", asks),
        sink("2", asks, views=("shop",)),
        sink("3", named, views=("shop",), rights=(("{}", True),)),
        sink("4"),
    )
    told = against(served(base, *sinks), base, head, nothing_new, {})

    limits = "its views show and it has the right to and it asks for by name"
    assert [(each.sink, each.why) for each in told.kept] == [
        ("1", "nothing changes of what it gets"),
        ("2", "nothing changes of what its views show"),
        ("3", f"nothing changes of what {limits}"),
        ("4", "it asks for nothing yet"),
    ]
    assert [each.collections for each in told.kept] == [((C, version),)] * 3 + [()]
    assert told.unreached == 4


def test_who_has_what_is_pushed_already_is_told_so():
    base, head = snapshot(a="1"), snapshot("b", a="2")
    now = served(head, sink("one", Subscribed(C, C, accepted=head.collection(C).version)))

    (kept,) = against(now, base, head, whole, {}).kept

    assert kept.why == "it has what it would get already"


def test_a_file_knows_no_sinks_and_an_instance_without_any_does():
    base = snapshot(a="1")
    file = Served("file", base.revision.commit, base.version, sinks=None)

    told = [against(each, base, base, whole, {}).knows_sinks for each in (file, served(base))]

    assert told == [False, True]


def test_a_sink_that_lags_is_not_reached_by_a_push_that_changes_nothing_for_it():
    base = snapshot(a="1")
    behind = sink("one", Subscribed(C, C, accepted="older"))

    told = against(served(base, behind), base, snapshot("b", a="1"), whole, {})

    assert (told.sinks, told.unreached) == ((), 1)


def test_where_what_is_served_drifted_what_was_accepted_counts():
    base, head = snapshot(a="1"), snapshot("b", a="2")
    now = served(head, sink("one", Subscribed(C, C, accepted=head.collection(C).version)))

    told = against(now, base, head, whole, {})

    assert [each.collection for each in told.drift] == [C]
    assert told.sinks == ()


def test_rules_that_change_are_told_with_the_sinks_they_are_not_known_for():
    rule = Collection.of(RULES, [Resource("team", "1", b"", Origin("authz.yaml", 1))])
    base, head = snapshot(a="1"), snapshot("b", a="2")
    head = Snapshot.of(head.revision, {**head.collections, RULES: rule})

    notes = [
        against(served(base), base, head, whole, {}, unsure=unsure).notes
        for unsure in (None, frozenset(), frozenset({"one", "two"}))
    ]

    ends = [told[-1].partition("as well: ")[2] or told[-1] for told in notes]
    assert ends[0] == "who is reached is told by those that are in force now"
    assert ends[1] == "who is reached is told by the new ones"
    assert ends[2].startswith("what one, two may receive then is not known here")


def test_drift_names_what_differs_as_far_as_it_is_known():
    base = snapshot(a="1", b="1", c="1")
    other = snapshot("b", a="1", b="2", d="1")

    (known,) = against(served(other), base, base, whole, {C: {"a": "1", "b": "2", "d": "1"}}).drift
    (unknown,) = against(served(other), base, base, whole, {}).drift

    assert (known.resources, known.more) == (("b", "c", "d"), 0)
    assert (unknown.resources, unknown.more) == ((), 0)


def test_drift_of_many_resources_is_counted():
    names = {f"n{number:03}": "1" for number in range(MOST_NAMES + 5)}

    (drift,) = against(served(snapshot()), snapshot(**names), snapshot(), whole, {C: {}}).drift

    assert (len(drift.resources), drift.more) == (MOST_NAMES, 5)
    assert (drift.served, bool(drift.expected)) == ("", True)


def test_what_is_served_and_not_in_the_base_drifted_as_well():
    assert drifted(served(snapshot(a="1")), snapshot()) == (C,)


def test_of_a_collection_that_the_server_fills_no_version_is_foretold():
    """Files are put into Secrets there: what sinks accepted cannot be compared with anything."""
    base, head = snapshot(a="1"), snapshot("b", a="2")
    now = served(base, sink("one", Subscribed(C, C, accepted="filled")))

    told = against(now, base, head, whole, {}, frozenset({C}))
    same = against(now, base, base, whole, {}, frozenset({C}))

    assert told.sinks[0].collections == ((C, "filled", ""),)
    assert "is not known here" in told.notes[0]
    assert same.sinks == ()


def test_orders_and_what_is_not_told_become_notes():
    base = snapshot(a="1")
    now = served(base, pinned=True, suspended=True, sinks_omitted=7)

    notes = "\n".join(against(now, base, base, whole, {}).notes)

    assert "gitsource unpin" in notes
    assert "gitsource resume" in notes
    assert "7 more sinks" in notes


def test_an_instance_that_serves_nothing_yet_says_so():
    told = against(Served("here"), snapshot(a="1"), snapshot(a="1"), whole, {})

    assert told.notes == ("it serves nothing yet",)


def test_names_too_many_to_be_told_count_as_all():
    base, head = snapshot(a="1"), snapshot("b", a="2")
    many = sink("one", Subscribed(C, C, names_omitted=5000), returned="f" * 40)

    told = against(served(base, many), base, head, whole, {})

    assert len(told.sinks) == 1
    assert any("5000 names" in note for note in told.notes)
    assert any("went back to ffffffffffff" in note for note in told.notes)


def test_other_rules_of_who_may_receive_what_are_told():
    """Whom they are about depends on what peers proved, which only the server knows."""
    rule = Resource("team", "1", b"", Origin("authz/team.yaml", 1))
    base = snapshot(a="1")
    head = Snapshot.of(base.revision, {**base.collections, RULES: Collection.of(RULES, [rule])})

    assert any(
        "in force now" in note for note in against(served(base), base, head, whole, {}).notes
    )


def test_rights_too_many_to_be_told_count_as_all():
    base, head = snapshot(a="1"), snapshot("b", a="2")

    told = against(served(base, sink("one", Subscribed(C, C), rights=())), base, head, whole, {})

    assert "rights too many to be told" in told.notes[0]


def test_layers_of_other_repositories_are_told_apart_from_drift():
    base = snapshot(a="1")
    now = served(base, layers={"base": "f" * 40, "team": "e" * 40})

    (note,) = against(now, base, base, whole, {}).notes

    assert "layers (base, team)" in note
