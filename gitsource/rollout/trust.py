"""
Whose commits go out: what the signatures of new commits come to, by the policy of the settings.

Rule: pure. `reconcile.trusting` says which commits are new, whose signatures they carry and which
paths they change; here it is decided whether that will do, and told in findings that name commit,
key, reason and the next step. A change is its commit's own: what a merge takes over from one side
as it is there was brought by that side's commits, everything else the merge itself has to answer
for (`own_changes`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from gitsource.catalog.whole import path_glob
from gitsource.model import Finding, Signature, shown
from gitsource.observe.neutral import neutral
from gitsource.settings.following import PathSigners, Trust

MOST = 20
"""Commits that are told of; a push of thousands that nobody signed is as clear from these."""
_SHOWN_SIGNERS = 4


@dataclass(frozen=True, slots=True)
class Mark:
    """A commit (or tag) as far as trust goes."""

    name: str
    """``commit 1234567890ab`` or ``tag v1``."""
    subject: str
    merge: bool
    signature: Signature
    paths: frozenset[str] = frozenset()
    """What it changes by itself."""


def signers_of(names: tuple[str, ...]) -> frozenset[str]:
    """Return names of signers as `Signature.signers` has them: OpenPGP's digits in capitals."""
    return frozenset(
        name.upper() if len(name) in {40, 64} and _is_hex(name) else name for name in names
    )


def _is_hex(name: str) -> bool:
    return not set(name) - set("0123456789abcdefABCDEF")


def unsigned(mark: Mark, trust: Trust) -> Finding | None:
    """Return what is wrong with the signature of *mark*, which has to be good."""
    what, signature = f"{mark.name} ({shown(mark.subject)})", mark.signature
    if signature.state == "none":
        text = (
            f"{what} is not signed: have it signed (`git commit --amend -S`, `git tag -s`) by a "
            "key of trust.gpg_keys or trust.allowed_signers"
        )
        return _finding("GS211", text)
    if signature.state == "bad":
        key = f"key {_key(signature)}: " if signature.key else ""
        text = (
            f"{what} has a signature that does not count: {key}{signature.reason}. Have it signed "
            "anew by a key that counts, or add the key if it is to be trusted"
        )
        return _finding("GS212", text)
    if not mark.merge and signature.signers & signers_of(trust.merge_commits):
        text = (
            f"{what} is signed by {_key(signature)}, which may sign merge commits alone "
            "(trust.merge_commits), and is no merge: have its author sign it"
        )
        return _finding("GS213", text)
    return None


def unfit(mark: Mark, rows: tuple[PathSigners, ...]) -> Iterator[Finding]:
    """Yield which changes of *mark* its signer may not make."""
    signature = mark.signature
    for row in rows:
        names = signers_of(row.signers)
        if signature.state == "good" and signature.signers & names:
            continue
        matches = path_glob(row.path).fullmatch
        paths = sorted(path for path in mark.paths if matches(path))
        if not paths:
            continue
        more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
        by = f"signed by {_key(signature)}" if signature.state == "good" else (
            signature.reason or "not signed"
        )  # fmt: skip
        some = ", ".join(neutral(name) for name in row.signers[:_SHOWN_SIGNERS])
        some += ", …" * (len(row.signers) > _SHOWN_SIGNERS)
        file = paths[0].encode("utf-8", "backslashreplace").decode()
        text = (
            f"{mark.name} ({shown(mark.subject)}) changes {shown(paths[0])}{more}, which "
            f"trust.paths ({row.path}) leaves to {some}, and it is "
            f"not signed by one of them ({by}): have one of them sign the change"
        )
        yield Finding(file, 1, 1, "error", "GS213", text)


def covers(paths: frozenset[str], rows: tuple[PathSigners, ...]) -> bool:
    """Tell whether any row has a say in a change of *paths*."""
    globs = [path_glob(row.path).fullmatch for row in rows]
    return any(matches(path) for path in paths for matches in globs)


def not_reached(since: str) -> Finding:
    """Return what is to be said of a head that `trust.since` is no ancestor of."""
    text = (
        f"the commit of trust.since, {since[:12]}, is not in the history of the head, so nobody "
        "can tell which commits are new: mend the setting, or move the ref back"
    )
    return _finding("GS214", text)


def own_changes(
    first: frozenset[str],
    second: frozenset[str],
    sides: tuple[frozenset[str], frozenset[str]] | None,
) -> frozenset[str]:
    """
    Return the paths that a merge of two changes by itself.

    *first* and *second* are the paths in which it differs from each parent, *sides* those in which
    each parent differs from where they parted; None if that is not one commit: then everything it
    differs in is its own. A path is not its own if it is as in one parent and the other one never
    touched it: that is what merging is. So dropping what one side did is a change, too.
    """
    if sides is None:
        return first | second
    taken_from_second = (first - second) - sides[0]
    taken_from_first = (second - first) - sides[1]
    return (first | second) - taken_from_first - taken_from_second


def _key(signature: Signature) -> str:
    people = sorted(name for name in signature.signers if name != signature.key)
    named = f" ({neutral(people[0])})" if people else ""
    return f"{neutral(signature.key)}{named}"


def _finding(code: str, message: str) -> Finding:
    return Finding("", 0, 0, "error", code, message)
