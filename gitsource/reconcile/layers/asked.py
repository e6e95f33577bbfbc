"""
What operators ask of several layers: which commit is meant, what has it, what went out with it.

Rule: nothing is fetched and nothing moves. A commit is written ``NAME:REV``, or by its ID alone
where that is of one layer; a composition by its ID. For the worker thread alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from gitsource.errors import ConfigurationError, GitsourceError
from gitsource.git.mirror import Mirror
from gitsource.model import Revision, Snapshot
from gitsource.reconcile.ground import Ground, Place
from gitsource.reconcile.layers.layer import Layer
from gitsource.snapshot.build import Standing
from gitsource.snapshot.compose import layer_of

T = TypeVar("T")


class Asked:
    """Answers questions about layers, and about compositions of them."""

    def __init__(
        self, ground: Ground, layers: Mapping[str, Layer], base: Callable[[], Standing | None]
    ) -> None:
        """*base* gives the composition that stands."""
        self._ground = ground
        self._layers = layers
        self._base = base

    def __repr__(self) -> str:
        return f"<Asked {list(self._layers)}>"

    def earlier(self, spec: str) -> Snapshot:
        """Return the newest composition with the commit ``NAME:REV`` that was published."""
        layer, commit = self._resolved(spec)
        archive = self._ground.archive
        for entry in reversed(archive.all()):
            if layer is not None and entry.revision.commit_of(layer.name) == commit:
                found = archive.found(entry.revision.commit)
                if found is not None:
                    return found
        raise ConfigurationError(
            f"no composition with {spec} was published, or it is not kept any more",
            hint="`gitsource snapshot list` shows what was published; a commit of a layer is "
            "written NAME:REVISION",
        )

    def known(self, spec: str) -> str | None:
        """Return the commit that *spec* (``NAME:REV``, or an ID of any layer) names, if known."""
        return self._resolved(spec)[1] or None

    def _resolved(self, spec: str) -> tuple[Layer | None, str]:
        """Return which commit of which layer *spec* names; empty if nobody knows it."""
        name, colon, rest = spec.partition(":")
        asked = [self._layers[name]] if colon and name in self._layers else []
        if not colon:
            asked, rest = list(self._layers.values()), spec
        found = []
        for layer in asked:
            try:
                if layer.opened:
                    found.append((layer, layer.mirror.resolve(rest).commit))
            except GitsourceError:
                continue
        return found[0] if len({commit for _, commit in found}) == 1 else (None, "")

    def contains(self, head: str, commit: str) -> bool:
        """
        Whether *head* has *commit*; each of them a composition or the commit of a layer.

        A composition has a commit if one of its layers has it, and another composition if each of
        its layers has that one's.
        """
        have, want = self._layered(head), self._layered(commit)
        if want:
            return all(self._reaches(name, have.get(name, ""), one) for name, one in want.items())
        if have:
            # Of two layers of one repository, both have to have it.
            heads = {name: layer.head for name, layer in self._layers.items()}
            due = [n for n, one in heads.items() if one and self._reaches(n, one.commit, commit)]
            if due:
                return all(self._reaches(name, have.get(name, ""), commit) for name in due)
            return any(self._reaches(name, one, commit) for name, one in have.items())
        return any(self._reaches(name, head, commit) for name in self._layers)

    def _reaches(self, name: str, head: str, commit: str) -> bool:
        if not head or not commit or head == commit:
            return head == commit
        try:
            return self._layers[name].mirror.objects.contains(head, commit)
        except (GitsourceError, KeyError):
            return False

    def _layered(self, composition: str) -> dict[str, str]:
        """Return the commit of each layer of *composition*; nothing if it is none that is known."""
        now = self._ground.now()
        near = [now.head, now.serving.revision if now.serving is not None else None]
        base = self._base()
        near += [base.snapshot.revision if base is not None else None]
        for revision in near:
            if revision is not None and revision.commit == composition and revision.layers:
                return {layer.name: layer.commit for layer in revision.layers}
        if len(composition) != 64 or any(
            layer.opened and layer.mirror.objects.has(composition)
            for layer in self._layers.values()
        ):
            return {}
        for entry in self._ground.archive.all():
            if entry.revision.commit == composition:
                return {layer.name: layer.commit for layer in entry.revision.layers}
        return {}

    def last_change(self, head: str, path: str) -> Revision | None:
        """Return the last commit up to the composition *head* that changed ``NAME:path``."""
        name = layer_of(path)
        layer, commit = self._layers.get(name), self._layered(head).get(name, "")
        if layer is None or not commit or not layer.opened:
            return None
        try:
            return layer.mirror.objects.last_change(commit, path.partition(":")[2])
        except GitsourceError:
            return None

    def answer(self, spec: str, question: Callable[[Place], T]) -> T:
        """Return the answer to *question* about the layer that *spec* is of."""
        name, colon, rest = spec.partition(":")
        layer = self._layers.get(name) if colon else self._resolved(spec)[0]
        if layer is None and colon:
            raise ConfigurationError(
                f"there is no layer {name[:64]!r}", hint=f"there are {', '.join(self._layers)}"
            )
        if layer is None:
            layer = next(
                (each for each in self._layers.values() if each.opened and _has(each.mirror, spec)),
                None,
            )
        if layer is None:
            raise ConfigurationError(
                f"which layer is {spec[:64]} of?",
                hint=f"write NAME:REVISION with one of {', '.join(self._layers)}",
            )
        return question(
            Place(
                layer.name,
                layer.mirror if layer.opened else None,
                layer.settings.repository,
                rest if colon else spec,
                layer.head,
            )
        )


def _has(mirror: Mirror, spec: str) -> bool:
    try:
        mirror.objects.revision(spec.lower())
    except GitsourceError:
        return False
    return True
