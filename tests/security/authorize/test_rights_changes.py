"""What a change of rules gives and takes, told by a sink of each kind that a rule names."""

from gitsource._proto.istio.mcp.v1alpha1 import resource_pb2
from gitsource.model import Collection, Origin, Resource, Revision, Snapshot
from gitsource.plan.rights import NAMED, rights_changes
from gitsource.plan.values import RightsChange
from gitsource.security.authorize.documents import COLLECTION
from gitsource.security.authorize.rules import book, listed
from gitsource.security.authorize.samples import described, sample
from gitsource.security.authorize.subjects import mismatch
from gitsource.settings.rights import Authorization, Rule, RuleResources, Subject
from gitsource.settings.views import ViewLocality, ViewNodes


def resource(name):
    envelope = resource_pb2.Resource()
    envelope.metadata.name = name
    envelope.metadata.labels["team"] = name[:1]
    return Resource(name, "1", envelope.SerializeToString(), Origin("a.yaml", 1))


def snapshot(**collections):
    built = {name: Collection.of(name, map(resource, names)) for name, names in collections.items()}
    return Snapshot.of(Revision("c" * 40, "t", 0), built)


A, B = Subject(spiffe=("spiffe://prod/ns/*/sa/a",)), Subject(spiffe=("spiffe://prod/b",))
CEILING = (Rule(to=Subject(trust_domains=("prod",)), resources=RuleResources(("foo", "bar"))),)
NOW = snapshot(flags=["foo/a", "foo/b", "bar/c"], limits=["foo/x"])


def rules(*repository):
    told = Authorization(ceiling=CEILING)
    return book(told, (), (listed(repository, (), "shop"),))


def test_what_is_gained_and_lost_is_told_for_each_kind_of_sink():
    before = rules(Rule(to=A, resources=RuleResources(("foo",))))
    after = rules(Rule(to=A, resources=RuleResources(("bar",))), Rule("", B, RuleResources(("*",))))

    assert (
        RightsChange(
            "spiffe spiffe://prod/ns/*/sa/a",
            ("flags: bar/c",),
            ("flags: foo/a", "flags: foo/b", "limits"),
        ),
        RightsChange("spiffe spiffe://prod/b", ("flags", "limits")),
    ) == rights_changes(before, after, NOW, NOW)


def test_what_is_beyond_the_ceiling_is_no_gain():
    after = rules(Rule(to=A, resources=RuleResources(("elsewhere",))))

    assert () == rights_changes(rules(), after, NOW, snapshot(flags=["elsewhere/a"]))


def test_the_same_rules_change_nothing_whatever_is_served():
    same = rules(Rule(to=A, resources=RuleResources(("foo",))))

    assert () == rights_changes(same, same, snapshot(flags=["foo/a"]), NOW)


def test_a_rule_that_takes_from_all_others_is_told_for_them():
    everybody = Rule(to=Subject(any="known"), resources=RuleResources(labels=(("team", "f*"),)))
    before = book(Authorization((everybody,)), ())
    only = Rule(to=A, resources=RuleResources(labels=(("team", "f"),)), effect="only")
    after = book(Authorization((everybody, only)), ())

    assert (
        RightsChange("whoever is known", (), ("flags: foo/a", "flags: foo/b", "limits")),
    ) == rights_changes(before, after, NOW, NOW)


def test_first_rules_take_from_those_whom_they_do_not_name():
    after = book(Authorization((Rule(to=A, resources=RuleResources(("foo",))),)), ())

    assert (
        RightsChange("spiffe spiffe://prod/ns/*/sa/a", (), ("flags: bar/c",)),
    ) == rights_changes(None, after, NOW, NOW)


def test_many_resources_are_counted_and_the_rules_themselves_are_not_among_them():
    many = snapshot(flags=[f"foo/{at:03}" for at in range(NAMED + 5)] + ["bar/a"])
    hidden = Collection.of(COLLECTION, [resource("shop")])
    now = Snapshot.of(many.revision, {**many.collections, COLLECTION: hidden})
    (change,) = rights_changes(
        rules(), rules(Rule(to=A, resources=RuleResources(("foo",)))), now, now
    )

    assert (NAMED + 1, "flags: 5 more") == (len(change.gained), change.gained[-1])


def test_a_subject_is_about_its_own_sample():
    subjects = [
        Subject(spiffe=("spiffe://prod/ns/*/sa/a?b/**",), protocols=("mcp*",)),
        Subject(trust_domains=("*.example.com",), dns=("*.shop.example.com",)),
        Subject(ips=("10.0.0.0/8",), claims=(("sub", "[ab]*"),)),
        Subject(identities=("dial:*",), nodes=ViewNodes(ids=("i-*",), metadata=(("K", "v*"),))),
        Subject(any="known", nodes=ViewNodes(locality=ViewLocality(region=("eu-?",)))),
        Subject(any="all"),
    ]
    for subject in subjects:
        one = sample(subject)

        assert "" == mismatch(subject, one.peer, one.node, one.protocol)
        assert described(subject)


def labelled(team):
    envelope = resource_pb2.Resource()
    envelope.metadata.labels["team"] = team
    one = Resource("foo/a", f"version {team}", envelope.SerializeToString(), Origin("a.yaml", 1))
    collections = {"flags": Collection.of("flags", [one, resource("foo/b")])}
    return Snapshot.of(Revision("c" * 40, "t", 0), collections)


def test_a_label_that_changes_takes_from_one_and_gives_to_another_under_the_same_rules():
    rows = [Rule(to=to, resources=RuleResources(labels=(("team", to_team),)))
            for to, to_team in ((A, "one"), (B, "two"))]  # fmt: skip
    same = book(Authorization(tuple(rows)), ())

    assert (
        RightsChange("spiffe spiffe://prod/ns/*/sa/a", (), ("flags: foo/a",)),
        RightsChange("spiffe spiffe://prod/b", ("flags: foo/a",), ()),
    ) == rights_changes(same, same, labelled("one"), labelled("two"))


def test_a_content_that_changes_and_comes_or_goes_is_no_matter_of_rights():
    same = rules(Rule(to=A, resources=RuleResources(("foo",))))

    assert () == rights_changes(same, same, labelled("one"), labelled("two"))
    assert () == rights_changes(None, None, labelled("one"), labelled("two"))
