"""
What an operator sees of revisions: those that were looked at, and why one commit went out or not.

Rule: reading only. What happened is the chronicle's, what a commit is and holds is asked of the
mirror, in the worker thread that owns it; the verdict is `reconcile.fate`'s.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from gitsource.errors import ConfigurationError, GitsourceError, MirrorError
from gitsource.git import changes, refs
from gitsource.git.changes import Commit
from gitsource.git.mirror import Mirror
from gitsource.git.objects import Objects
from gitsource.git.selection import why_ignored
from gitsource.model import LayerRevision, Revision
from gitsource.reconcile.chronicle import MOST, Chronicle, Row, held_by
from gitsource.reconcile.fate import NEXT_OF, Facts, Fate, fate
from gitsource.reconcile.ground import Place
from gitsource.reconcile.outcomes import rfc3339
from gitsource.reconcile.reconciler import Reconciler
from gitsource.reconcile.trusting import EMPTY_TREE
from gitsource.report import machine
from gitsource.settings.following import Repository

SHORTEST = 4
"""Digits by which a commit can be named."""
MOST_PATHS = 20
"""Paths of a commit that are told."""


class Revisions:
    """History and fate of revisions; lives on the event loop."""

    def __init__(self, reconciler: Reconciler, chronicle: Chronicle) -> None:
        self._reconciler = reconciler
        self._chronicle = chronicle

    def rows(self) -> dict[str, Any]:
        """Return what looks came to, the newest first."""
        rows = self._chronicle.rows
        return {"revisions": [told(row, later(row, rows)) for row in reversed(rows)]}

    async def explain(self, spec: str) -> dict[str, Any]:
        """
        Return why the commit *spec* (an ID, whole or shortened, or the ref) did or did not go out.

        With layers it is written ``NAME:REV`` where it could be of several, and the ID of a
        composition says what became of that.

        Raises ConfigurationError for what cannot name a commit, or names several.
        """
        parts: tuple[LayerRevision, ...] = ()
        try:
            layer, facts, revision, paths = await self._reconciler.asked(spec, self._of)
        except ConfigurationError:
            composed = self._composition(spec)
            if composed is None:
                raise
            layer, revision, paths = "", None, {"configuration": [], "ignored": [], "others": 0}
            facts, parts = composed
        found = fate(facts)
        return {
            "layer": layer or None,
            "layers": [asdict(each) for each in parts],
            "commit": facts.commit,
            "subject": revision.subject if revision is not None else None,
            "author": revision.author if revision is not None else None,
            "committed_at": rfc3339(revision.committed_at) if revision is not None else None,
            "verdict": found.verdict,
            "went_out": found.went_out,
            "reason": found.reason,
            "hint": found.hint or None,
            "by": _by(found),
            "paths": paths,
            "looks": [told(row, None) for row in facts.rows],
        }

    def _composition(self, spec: str) -> tuple[Facts, tuple[LayerRevision, ...]] | None:
        """Return what is known of the composition *spec*, and what it is of; None if of none."""
        now, rows = self._reconciler.condition, self._chronicle.rows
        if not self._reconciler.settings.layers or len(spec) < SHORTEST:
            return None
        near = (now.head, now.serving.revision if now.serving is not None else None)
        known = {row.commit: row.layers for row in rows if row.layers}
        known |= {each.commit: each.layers for each in near if each is not None and each.layers}
        named = [commit for commit in known if commit.startswith(spec.lower())]
        if len(named) > 1:
            raise ConfigurationError(
                f"several compositions begin with {spec}", hint="write more of its digits"
            )
        if not named:
            return None
        commit, control = named[0], now.control
        whole = tuple(row for row in rows if not row.layer and row.outcome != "failed")
        own = tuple(row for row in whole if row.commit == commit)
        held = now.held_as(commit)
        if held is not None and not own:
            by = held_by(held.findings)
            own = (Row(held.since, "held", commit, held_by=by, reason=held.reason),)
        after = whole[whole.index(own[-1]) + 1 :] if own and own[-1] in whole else ()
        facts = Facts(
            commit,
            seen=True,
            on_ref=True,
            rows=own,
            carrier=next((row for row in after if row.outcome == "published"), None),
            configuration=None,
            held_now=held is not None,
            ref="the layers",
            suspended=control.suspension.reason if control.suspension is not None else "",
            pinned=control.pin.revision if control.pin is not None else "",
        )
        return facts, known[commit]

    # ------------------------------------------------------------------ in the worker thread

    def _of(self, place: Place) -> tuple[str, Facts, Revision | None, Mapping[str, Any]]:
        rows, now = of_layer(self._chronicle.rows, place.layer), self._reconciler.condition
        control, mirror, spec, head = now.control, place.mirror, place.spec, place.head
        failure = now.last.error if now.last is not None and now.last.result == "failed" else ""
        pinned = control.pin.revision if control.pin is not None else ""
        if place.layer:
            states = {each.name: each for each in now.layers}
            failure = states[place.layer].error if place.layer in states else failure
            serving = now.serving.revision if pinned and now.serving is not None else None
            pinned = serving.commit_of(place.layer) if serving is not None else ""
        revision = _named(mirror, spec, head)
        commit = revision.commit if revision is not None else _remembered(rows, spec) or spec
        own = tuple(row for row in rows if row.commit == commit and row.outcome != "failed")
        facts = Facts(
            commit,
            seen=revision is not None or bool(own),
            rows=own,
            held_now=now.held_as(commit) is not None,
            ref=str(refs.wanted(place.repository)),
            failure=failure,
            suspended=control.suspension.reason if control.suspension is not None else "",
            pinned=pinned,
        )
        paths = {"configuration": [], "ignored": [], "others": 0}
        if mirror is None or revision is None:
            return place.layer, facts, revision, paths
        try:
            facts = _in_history(facts, mirror.objects, rows, head)
            facts = _touching(facts, mirror.objects, commit, place.repository)
        except MirrorError:
            return place.layer, replace(facts, configuration=None), revision, paths
        return place.layer, facts, revision, {
            "configuration": list((facts.configuration or ())[:MOST_PATHS]),
            "ignored": list(facts.ignored[:MOST_PATHS]),
            "others": facts.others,
        }  # fmt: skip


def _named(mirror: Mirror | None, spec: str, head: Revision | None) -> Revision | None:
    """Return the commit that *spec* names, whether or not anything still leads to it."""
    if mirror is None:
        return None
    try:
        return mirror.resolve(spec)
    except ConfigurationError:
        raise
    except GitsourceError:
        pass
    if len(spec) < SHORTEST or set(spec.lower()) - set("0123456789abcdef"):
        return None
    try:
        return mirror.objects.revision(spec.lower())
    except MirrorError as error:
        if "more than one" in str(error):
            raise ConfigurationError(
                f"several commits begin with {spec}", hint="write more of its digits"
            ) from error
    return head if head is not None and head.commit.startswith(spec) else None


def _remembered(rows: tuple[Row, ...], spec: str) -> str | None:
    if len(spec) < SHORTEST:
        return None
    found = {row.commit for row in rows if row.commit.startswith(spec.lower())}
    return found.pop() if len(found) == 1 else None


def _in_history(
    facts: Facts, objects: Objects, rows: tuple[Row, ...], head: Revision | None
) -> Facts:
    """Add where the commit stands: on the ref or not, and which later head had it first."""
    if head is None or not objects.contains(head.commit, facts.commit):
        return facts
    after = set(objects.descendants(head.commit, facts.commit))
    looked = [row for row in rows if row.outcome != "failed" and row.commit in after]
    if facts.rows:
        # It was held: what came after that look counts.
        since = rows.index(facts.rows[-1])
        looked = [row for row in looked if rows.index(row) > since]
    out = [row for row in looked if row.outcome == "published"]
    carrier = out[0] if out else (looked[-1] if looked else None)
    known = [row for row in rows if row.outcome == "published"]
    older = not looked and bool(known) and objects.contains(known[0].commit, facts.commit)
    if carrier is not None and known[:1] == [carrier] and len(rows) >= MOST:
        carrier, older = None, True  # nobody knows what went out before the oldest row
    return replace(facts, on_ref=True, carrier=carrier, before_memory=older)


def _touching(facts: Facts, objects: Objects, commit: str, repository: Repository) -> Facts:
    """Add what the commit changes against its first parent, and what of it counts."""
    made = _read(objects, commit)
    empty = EMPTY_TREE["sha256" if len(commit) == 64 else "sha1"]
    before = objects.tree_of(made.parents[0]) if made.parents else empty
    touched = objects.touched(before, made.revision.tree)
    likely = sorted(path for path in touched if changes.is_candidate(path))
    reasons = {path: why_ignored(path, repository) for path in likely}
    ignored = tuple(path for path in likely if reasons[path])
    return replace(
        facts,
        configuration=tuple(path for path in likely if not reasons[path]),
        ignored=ignored,
        because=reasons[ignored[0]] if ignored else "",
        others=len(touched) - len(likely),
    )


def _read(objects: Objects, commit: str) -> Commit:
    oid, _, raw = objects.raw(commit)
    return changes.commit(oid, raw)


# --------------------------------------------------------------------------- as JSON


def of_layer(rows: tuple[Row, ...], layer: str) -> tuple[Row, ...]:
    """
    Return *rows* as those of one layer: what became of its own commits.

    A composition counts for the layer if it was the first with that commit of it.
    """
    if not layer:
        return rows
    found: list[Row] = []
    last = ""
    for row in rows:
        commit = next((each.commit for each in row.layers if each.name == layer), "")
        if row.layer == layer:
            found.append(row)
        elif row.outcome == "published" and commit and commit != last:
            found.append(replace(row, commit=commit))
            last = commit
    return tuple(found)


def later(row: Row, rows: tuple[Row, ...]) -> str:
    """
    Return the next head that was looked at after *row*, if that one was held: it counts now.

    Nothing if it went out itself, let through or because what held it was mended elsewhere.
    """
    if row.outcome != "held":
        return ""
    rest = of_layer(rows, row.layer)
    for each in rest[rest.index(row) + 1 :]:
        if each.outcome == "failed" or (each.layer and each.layer != row.layer):
            continue
        if each.commit != row.commit:
            return each.commit
        if each.outcome == "published":
            return ""
    return ""


def told(row: Row, superseded_by: str | None) -> dict[str, Any]:
    """Return *row* as `GET /history` has it; docs/operations.md explains each field."""
    found: dict[str, Any] = {
        "at": rfc3339(row.at),
        "outcome": row.outcome,
        "revision": row.commit or None,
        "layer": row.layer or None,
        "layers": [asdict(each) for each in row.layers],
        "subject": row.subject,
        "author": row.author,
        "committed_at": rfc3339(row.committed_at),
        "seconds": row.seconds or None,
        "triggers": list(row.triggers),
        "version": row.version or None,
        "changed": list(row.changed),
        "held_by": row.held_by or None,
        "allowed": {"who": row.allowed_by, "reason": row.allowed_because}
        if row.allowed_by
        else None,
        "reason": row.reason or None,
        "hint": row.hint or NEXT_OF.get(row.held_by) or None,
        "fault": row.fault or None,
        "findings": [machine.finding(each) for each in row.findings],
        "findings_count": row.findings_count,
        "looks": row.looks,
        "until": rfc3339(row.until),
    }
    if superseded_by is not None:
        found["superseded_by"] = superseded_by or None
    return found


def _by(found: Fate) -> dict[str, Any] | None:
    return None if found.by is None else told(found.by, None)
