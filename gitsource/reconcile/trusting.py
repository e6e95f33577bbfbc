"""
Which commits are new on the way to the head, who signed them, and whether that will do.

Rule: asked before anything of a revision is read. A commit is judged once, when it is new, by the
keys and rows of that time: what was found good stays good (`Followed.verified`), so taking a key
out says nothing about the past; another `trust.since` has everything after it judged anew. The
decision itself is pure (`rollout.trust`); here is what it needs, and where it is kept.

For the worker thread alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from threading import Event

from gitsource.errors import GitFailed
from gitsource.git import changes
from gitsource.git.changes import Commit
from gitsource.git.mirror import Mirror
from gitsource.git.objects import Objects
from gitsource.git.signatures import Keys, Verifier, keys_of
from gitsource.git.signed import MalformedError, Signed, of_commit, of_tag
from gitsource.git.verbs import HEAD_REF
from gitsource.model import Finding, Revision, Signature
from gitsource.reconcile.archive import Archive
from gitsource.rollout import trust as policy
from gitsource.rollout.guard import confirmed, rewound
from gitsource.rollout.trust import Mark
from gitsource.settings.following import Trust
from gitsource.settings.whole import Settings
from gitsource.snapshot.history import Followed

MOST_KNOWN = 20_000
"""Signatures remembered, so that a held head is not checked again from where it left off."""
EMPTY_TREE = {
    "sha1": "4b825dc642cb6eb9a060e54bf8d69288fbee4904",
    "sha256": "6ef19b41225c5369f1c104d45d8d85efa9b057b53b14b4b9b939dd74decc5321",
}
"""What a first commit is compared with; git knows these without having them."""


@dataclass(frozen=True, slots=True)
class _Question:
    """What is asked of one revision."""

    objects: Objects
    revision: Revision
    trust: Trust
    known: Followed
    tag: tuple[str, bytes] | None
    """Name and object of the annotated tag that is followed."""


class Commits:
    """Judges commits by who signed them; remembers what it found."""

    def __init__(self, stopping: Event, prefix: str = "") -> None:
        """*prefix* stands before each path, as policies and findings have it."""
        self._stopping = stopping
        self._prefix = prefix
        self._verifier: Verifier | None = None
        self._known: dict[str, Signature] = {}

    def close(self) -> None:
        """Let go of the keys."""
        if self._verifier is not None:
            self._verifier.close()
        self._verifier = None
        self._known.clear()

    def untrusted(
        self,
        objects: Objects,
        revision: Revision,
        trust: Trust,
        known: Followed,
        tag: tuple[str, bytes] | None = None,
    ) -> tuple[Finding, ...]:
        """
        Return why *revision* is not trusted, if all is that is *known*; nothing if it is.

        *tag*, name and object of an annotated tag, may vouch for it. Raises ConfigurationError if
        keys cannot be read or a program is missing, GitFailed if a program does not end.
        """
        if trust.mode == "none":
            return ()
        self._use(keys_of(trust))
        question = _Question(objects, revision, trust, known, tag)
        return tuple(islice(self._findings(question), policy.MOST))

    def _use(self, keys: Keys) -> None:
        if self._verifier is None or self._verifier.keys.digest != keys.digest:
            self.close()
            self._verifier = Verifier(keys)

    def _findings(self, asked: _Question) -> Iterator[Finding]:
        trust, commit = asked.trust, asked.revision.commit
        if trust.mode == "head":
            wrong = policy.unsigned(self._head_mark(asked), trust)
            if wrong is not None:
                yield wrong
            if trust.paths:
                yield from self._walked(asked, asked.known.verified, None)
            return
        start = str(trust.since)
        if not asked.objects.contains(commit, start):
            yield policy.not_reached(start)
            return
        done = asked.known.verified if asked.known.since == start else ""
        yield from self._walked(asked, done, start)

    def _head_mark(self, asked: _Question) -> Mark:
        """Return the head, or the tag that is followed if that one's signature is better."""
        commit = self._mark(asked.objects, asked.revision.commit, frozenset())
        if asked.tag is None or commit.signature.state == "good":
            return commit
        name, raw = asked.tag
        signature = self._checked(lambda: _named(raw, name), "")
        tag = Mark(f"tag {name[:100]}", commit.subject, merge=True, signature=signature)
        return commit if signature.state == "none" else tag

    def _walked(self, asked: _Question, verified: str, since: str | None) -> Iterator[Finding]:
        """Yield what is wrong with the commits that are new, newest first."""
        objects, trust, head = asked.objects, asked.trust, asked.revision.commit
        verified = verified if verified and objects.has(verified) else ""
        new: Iterable[tuple[str, ...]] = [(head,)]  # nothing known: the head answers for itself
        if verified or since is not None:
            without = [one for one in (verified, since) if one]
            new = objects.new_commits(head, without)
        aside = frozenset[str]()
        if verified and trust.paths and not objects.contains(head, verified):
            # Whoever moves the ref aside answers for all that changes by that; it may have no new
            # commit, if it was moved back.
            aside = self._touched(objects, objects.tree_of(verified), asked.revision.tree)
            yield from policy.unfit(self._mark(objects, head, aside), trust.paths)
        for commit, *_ in new:
            if self._stopping.is_set():
                raise GitFailed("gitsource is stopping")
            paths = self._changed(objects, commit) if trust.paths else frozenset[str]()
            if commit == head:
                paths -= aside  # told of already
            if since is None and not policy.covers(paths, trust.paths):
                continue
            mark = self._mark(objects, commit, paths)
            wrong = policy.unsigned(mark, trust) if since is not None else None
            if wrong is not None:
                yield wrong
            else:
                yield from policy.unfit(mark, trust.paths)

    def counting(
        self, objects: Objects, trust: Trust, head: str = ""
    ) -> Callable[[str], bool] | None:
        """
        Return what tells whether a commit's word counts: if it is well signed. None: all do.

        *head* was found good already, be it by a tag. Raises ConfigurationError if keys cannot be
        read or a program is missing.
        """
        if trust.mode == "none":
            return None
        self._use(keys_of(trust))

        def counts(commit: str) -> bool:
            if commit == head:
                return True
            return policy.unsigned(self._mark(objects, commit, frozenset()), trust) is None

        return counts

    def signer(self, commit: str) -> str:
        """Return by whom *commit* was found to be well signed; empty if nobody asked, or not."""
        found = self._known.get(commit)
        if found is None or found.state != "good":
            return ""
        people = sorted(found.signers - {found.key})
        return f"{found.key} ({people[0]})" if people else found.key

    # ------------------------------------------------------------------ one commit

    def _mark(self, objects: Objects, commit: str, paths: frozenset[str]) -> Mark:
        oid, _, raw = objects.raw(commit)
        found = changes.commit(oid, raw)
        signature = self._checked(lambda: of_commit(raw, _format(oid)), oid)
        name = f"commit {found.revision.short}"
        return Mark(name, found.revision.subject, len(found.parents) > 1, signature, paths)

    def _checked(self, take: Callable[[], Signed | None], oid: str) -> Signature:
        """Return what is to be thought of a signature; that of commit *oid* is remembered."""
        known = self._known.get(oid)
        if known is not None:
            return known
        verifier = self._verifier
        if verifier is None:  # pragma: no cover  # `_use` comes first
            raise AssertionError
        try:
            found = verifier.check(take())
        except MalformedError as error:
            found = Signature("bad", reason=str(error))
        if oid:
            if len(self._known) >= MOST_KNOWN:
                self._known.clear()
            self._known[oid] = found
        return found

    def _changed(self, objects: Objects, commit: str) -> frozenset[str]:
        """Return the paths that a commit changes by itself."""
        made = _read(objects, commit)
        parents = [_read(objects, parent).revision for parent in made.parents]
        tree = made.revision.tree
        if not parents:
            return self._touched(objects, EMPTY_TREE[_format(commit)], tree)
        differing = [self._touched(objects, parent.tree, tree) for parent in parents]
        if len(parents) == 1:
            return differing[0]
        if len(parents) > 2:
            return frozenset[str]().union(*differing)
        bases = objects.merge_bases(parents[0].commit, parents[1].commit)
        sides = None
        if len(bases) == 1:
            base = objects.tree_of(bases[0])
            sides = (
                self._touched(objects, base, parents[0].tree),
                self._touched(objects, base, parents[1].tree),
            )
        return policy.own_changes(differing[0], differing[1], sides)

    def _touched(self, objects: Objects, old_tree: str, new_tree: str) -> frozenset[str]:
        paths = objects.touched(old_tree, new_tree)
        return frozenset(self._prefix + path for path in paths) if self._prefix else paths


class Trusting(Commits):
    """Judges heads by who signed what is new in them, and by what they follow from."""

    def __init__(self, history: Archive, stopping: Event, layer: str = "") -> None:
        super().__init__(stopping, f"{layer}:" if layer else "")
        self._history = history
        self._layer = layer
        self._answer: tuple[tuple[object, ...], tuple[Finding, ...]] | None = None

    def close(self) -> None:
        """Let go of the keys."""
        super().close()
        self._answer = None

    # ------------------------------------------------------------------ signatures

    def head(self, mirror: Mirror, revision: Revision, settings: Settings) -> tuple[Finding, ...]:
        """
        Return why *revision*, the head of *mirror*, is not trusted; nothing if it is.

        Raises ConfigurationError if keys cannot be read or a program is missing, GitFailed if a
        program does not end.
        """
        trust = settings.trust
        if trust.mode == "none":
            return ()
        keys = keys_of(trust)
        asked = (mirror.follows, mirror.objects.at(HEAD_REF), revision, keys.digest, trust)
        if self._answer is None or self._answer[0] != asked:
            known = self._history.followed(mirror.follows, self._layer)
            found = self.untrusted(mirror.objects, revision, trust, known, mirror.annotated())
            if not found:
                since = trust.since or "" if trust.mode == "since" else ""
                now = replace(known, verified=revision.commit, since=since)
                if now != known:
                    self._history.set_followed(now, self._layer)
            self._answer = (asked, found)
        return self._answer[1]

    def earlier(
        self, mirror: Mirror, revision: Revision, settings: Settings
    ) -> tuple[Finding, ...]:
        """Return why *revision*, which an operator asks for, is not trusted; nothing if it is."""
        trust = settings.trust
        if trust.mode == "none":
            return ()
        known = self._history.followed(mirror.follows, self._layer)
        return self.untrusted(mirror.objects, revision, trust, known)

    # ------------------------------------------------------------------ what it follows from

    def rewound(
        self, mirror: Mirror, revision: Revision, settings: Settings
    ) -> tuple[Finding, ...]:
        """Return what is to be said if *revision* does not follow from what went out last."""
        how = settings.repository.non_fast_forward
        if how == "allow":
            return ()
        objects, known = mirror.objects, self._history.followed(mirror.follows, self._layer)
        last = known.head
        # Releases of two lines need not follow from each other: then no ref was moved.
        same = known.ref == mirror.chosen.ref
        if not (last and same) or objects.contains(revision.commit, last):
            return ()
        allowed = confirmed(objects.confirmations(None, revision.commit))
        return tuple(rewound(last, revision, allowed, deny=how == "deny"))

    def published(self, mirror: Mirror, revision: Revision, settings: Settings) -> None:
        """Remember that *revision* went out: what comes next has to follow from it."""
        if settings.repository.non_fast_forward == "allow":
            return
        known = self._history.followed(mirror.follows, self._layer)
        now = replace(known, ref=mirror.chosen.ref, head=revision.commit)
        if now != known:
            self._history.set_followed(now, self._layer)


def _read(objects: Objects, commit: str) -> Commit:
    oid, _, raw = objects.raw(commit)
    return changes.commit(oid, raw)


def _format(oid: str) -> str:
    return "sha256" if len(oid) == 64 else "sha1"


def _named(raw: bytes, name: str) -> Signed | None:
    """Return what of a tag was signed, if it is the tag *name*: another one may be older."""
    tag = of_tag(raw)
    if tag.signed is not None and tag.name != name:
        raise MalformedError("it is another tag under this name")
    return tag.signed
