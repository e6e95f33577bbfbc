"""Small made-up revisions for tests of the snapshot room."""

from __future__ import annotations

import hashlib

from gitsource.model import Finding, Origin, Resource, Revision
from gitsource.snapshot.build import FileState, Proposal, Standing, accept, propose

COLLECTION = "acme/v1/things"


def revision(number: int) -> Revision:
    """Return the *number*th made-up commit."""
    digits = hashlib.sha1(str(number).encode(), usedforsecurity=False).hexdigest()
    return Revision(digits, digits[::-1], 1_700_000_000 + number, "Ann <a@x>", f"commit {number}")


def resource(name: str, content: str = "1", path: str = "") -> Resource:
    """Return a resource whose version and bytes follow from *content*."""
    wire = f"{name}={content}".encode()
    return Resource(name, f"v{content}", wire, Origin(path or f"{name}.yaml", 1))


def file(*resources: Resource, collection: str = COLLECTION, ignored: int = 0) -> FileState:
    """Return a file that holds *resources*."""
    blob = hashlib.sha1(repr(resources).encode(), usedforsecurity=False).hexdigest()
    return FileState(blob, 1_700_000_000, tuple((collection, each) for each in resources), ignored)


def next_revision(
    standing: Standing,
    number: int,
    changed: dict[str, FileState | None],
    findings: tuple[Finding, ...] = (),
) -> Proposal:
    """Propose, accept and return the *number*th revision."""
    proposal = propose(standing, revision(number), changed, findings, full=number == 1)
    accept(standing, proposal)
    return proposal
