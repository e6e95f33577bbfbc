"""What operators are told of the policy in force."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from gitsource.cli.status_text import status
from gitsource.model import Collection, Origin, Resource, Revision, Snapshot
from gitsource.publish.showing.access import Access, Era
from gitsource.publish.showing.views import Views
from gitsource.publish.words import Node
from gitsource.security.authorize.documents import COLLECTION
from gitsource.security.authorize.policy import Policy
from gitsource.security.authorize.rights import NOTHING, Rights
from gitsource.security.authorize.rules import Book, listed
from gitsource.security.peer import Peer
from gitsource.selectors import Claims
from gitsource.settings.rights import Authorization, Rule, RuleResources, Subject
from gitsource.settings.views import ViewNodes
from gitsource.snapshot.cache import SnapshotCache


def snapshot(*policies: Resource) -> Snapshot:
    revision = Revision("c" * 40, "t" * 40, 1)
    return Snapshot.of(revision, {COLLECTION: Collection.of(COLLECTION, policies)})


def access() -> Access:
    return Access(SnapshotCache(), (), Authorization(repository_file="rights.yaml"))


def test_rules_that_cannot_be_read_are_told_and_do_not_open_anything() -> None:
    unreadable = Resource("shop", "1", b"", Origin("rights.yaml", 1))
    told = access().status(snapshot(unreadable))

    assert "shop is no SinkPolicy" == told["fault"]
    assert not told["open"]
    assert 0 == told["rules"]


class Counted:
    """A policy that counts how often it is asked."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.asked = 0

    def allows(
        self, peer: Peer, node: Claims | None, protocol: str, *, hopeful: bool = False
    ) -> Rights:
        self.asked += 1
        return self.policy.allows(peer, node, protocol, hopeful=hopeful)


@pytest.mark.parametrize("hopeful", [False, True])
def test_the_rights_of_a_peer_that_comes_again_are_not_worked_out_again(
    hopeful: bool,  # noqa: FBT001 - a case of the test
) -> None:
    rule = Rule(to=Subject(dns=("a",)), resources=RuleResources(namespaces=("foo",)))
    rules = listed((rule,), (), "policy")
    book = Book(rules)
    counted = book.__dict__["policy"] = Counted(book.policy)
    era = Era(book, Views((), SnapshotCache(), book.selectors()), "digest", names=False)
    peers = [
        Peer(f"ipv4:10.0.0.1:{port}", "mtls", dns=(name,), identity=f"dns:{name}")
        for port in range(5)
        for name in ("a", "b")
    ]
    found = [era.rights(peer, None, "mcp", hopeful=hopeful) for peer in peers]

    assert [rules.rows[0].rights, NOTHING] * 5 == found
    assert 2 == counted.asked


def test_what_a_node_says_counts_each_time() -> None:
    rule = Rule(
        to=Subject(any="known", nodes=ViewNodes(ids=("edge-*",))),
        resources=RuleResources(namespaces=("foo",)),
    )
    book = Book(listed((rule,), (), "policy"))
    era = Era(book, Views((), SnapshotCache(), book.selectors()), "digest", names=False)
    peer = Peer("", "mtls", dns=("a",), identity="dns:a")
    granted = book.settings.rows[0].rights
    asked = (Node("edge-1"), Node("other"), None, Node("edge-2"))

    assert [granted, NOTHING, NOTHING, granted] == [era.rights(peer, one, "mcp") for one in asked]
    assert granted == era.rights(peer, None, "mcp", hopeful=True)


def test_people_read_it_in_the_status() -> None:
    told = {"authorization": {"fault": "there is no view gone"}}

    assert "do not count: there is no view gone" in status(told, datetime.now(UTC))


def test_without_a_fault_there_is_nothing_to_tell() -> None:
    assert access().status(snapshot())["fault"] is None
