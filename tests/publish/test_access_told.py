"""What operators are told of the policy in force."""

from __future__ import annotations

from datetime import UTC, datetime

from gitsource.cli.status_text import status
from gitsource.model import Collection, Origin, Resource, Revision, Snapshot
from gitsource.publish.access import Access
from gitsource.security.authorize.documents import COLLECTION
from gitsource.settings.rights import Authorization
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


def test_people_read_it_in_the_status() -> None:
    told = {"authorization": {"fault": "there is no view gone"}}

    assert "do not count: there is no view gone" in status(told, datetime.now(UTC))


def test_without_a_fault_there_is_nothing_to_tell() -> None:
    assert access().status(snapshot())["fault"] is None
