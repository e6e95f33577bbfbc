"""No text in any slot of any git command line can become an option: shown with a recording git."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from gitsource.errors import ConfigurationError
from gitsource.git import verbs
from gitsource.git.address import Address, address, full_ref
from gitsource.git.changes import inside
from gitsource.git.command import Git
from gitsource.git.verbs import Command

OID = "a" * 40
DIR = Path("/srv/mirror.git")
REMOTE = address("https://example.org/x.git")

SLOTS: dict[str, tuple[Callable[[str], Command], str]] = {
    "init folder": (lambda t: verbs.init(Path(t), "sha1"), "/srv/x"),
    "init format": (lambda t: verbs.init(DIR, t), "sha256"),
    "any git dir": (lambda t: verbs.batch(Path(t)), "/srv/x"),
    "fetch url": (lambda t: verbs.fetch(DIR, address(t), "HEAD", force=True), "/srv/x"),
    "fetch raw url": (
        lambda t: verbs.fetch(DIR, Address(t, "https"), "HEAD", force=False),
        "https://example.org/",
    ),
    "fetch ref": (lambda t: verbs.fetch(DIR, REMOTE, full_ref(t), force=True), "main"),
    "fetch raw ref": (lambda t: verbs.fetch(DIR, REMOTE, t, force=False), "refs/heads/main"),
    "ls-remote url": (
        lambda t: verbs.ls_remote(DIR, Address(t, "https"), "tags"),
        "https://example.org/",
    ),
    "partial fetch url": (
        lambda t: verbs.fetch(DIR, Address(t, "https"), "HEAD", force=True, partial=True),
        "https://example.org/",
    ),
    "partial fetch ref": (
        lambda t: verbs.fetch(DIR, REMOTE, t, force=True, partial=True, depth=3),
        "refs/heads/main",
    ),
    "deepen url": (lambda t: verbs.deepen(DIR, Address(t, "https"), OID, 5), "https://e.org/"),
    "deepen source": (lambda t: verbs.deepen(DIR, REMOTE, t, 5), OID),
    "fetch blobs url": (lambda t: verbs.fetch_blobs(DIR, Address(t, "https")), "https://e.org/"),
    "fetch into": (
        lambda t: verbs.fetch(DIR, REMOTE, "HEAD", force=True, into=t),
        "refs/gitsource/via",
    ),
    "ls-remote ref url": (
        lambda t: verbs.ls_remote_ref(DIR, Address(t, "https"), "HEAD"),
        "https://example.org/",
    ),
    "ls-remote ref": (lambda t: verbs.ls_remote_ref(DIR, REMOTE, t), "refs/heads/main"),
    "may-push url": (lambda t: verbs.may_push(DIR, Address(t, "ssh")), "ssh://example.org/x"),
    "for-each-ref under": (lambda t: verbs.refs(DIR, t), "refs/heads"),
    "for-each-ref contains": (lambda t: verbs.containing(DIR, t, "refs"), OID),
    "symbolic-ref": (lambda t: verbs.symbolic(DIR, t), "HEAD"),
    "remotes of": (lambda t: verbs.remotes(Path(t)), "/srv/x"),
    "diff-tree path": (lambda t: verbs.diffs(DIR, inside(t)), "mesh"),
    "ls-tree tree": (lambda t: verbs.list_tree(DIR, t, ""), OID),
    "ls-tree path": (lambda t: verbs.list_tree(DIR, OID, inside(t)), "mesh"),
    "log head": (lambda t: verbs.log(DIR, t, ""), OID),
    "log since": (lambda t: verbs.log(DIR, OID, "", since=t), OID),
    "log path": (lambda t: verbs.log(DIR, OID, inside(t)), "mesh"),
    "rev-list head": (lambda t: verbs.first_parents(DIR, t, OID), OID),
    "rev-list since": (lambda t: verbs.first_parents(DIR, OID, t), OID),
    "confirmations head": (lambda t: verbs.confirmations(DIR, t, OID), OID),
    "confirmations since": (lambda t: verbs.confirmations(DIR, OID, t), OID),
    "merge-base one": (lambda t: verbs.merge_base(DIR, t, OID), OID),
    "merge-base other": (lambda t: verbs.merge_base(DIR, OID, t), OID),
    "last-change head": (lambda t: verbs.last_change(DIR, t, "a.yaml"), OID),
    "descendants head": (lambda t: verbs.descendants(DIR, t, OID), OID),
    "descendants commit": (lambda t: verbs.descendants(DIR, OID, t), OID),
    "is-ancestor old": (lambda t: verbs.is_ancestor(DIR, t, OID), OID),
    "is-ancestor new": (lambda t: verbs.is_ancestor(DIR, OID, t), OID),
}

DANGEROUS = [
    *("--upload-pack=touch x", "--upload-pack", "-u", "-utouch x", "--upl=touch x", "--config"),
    *("-c", "-ccore.pager=x", "--template=/x", "--separate-git-dir=/x", "--bundle-uri=http://x"),
    *("--exec=x", "--output=/x", "-o", "--add-file=/x", "--add-virtual-file=a:b", "--no-index"),
    *("-O/x", "--contents=/x", "-S/x", "--ignore-revs-file=/x", "--pathspec-from-file=/x", "-F"),
    *("--git-dir=/x", "--help", "--", "--end-of-options", "ext::sh -c x", "", "\n", "a\nb", "="),
]


class RecordingGit:
    """A git that writes down its arguments and does nothing."""

    def __init__(self, folder: Path) -> None:
        self.log = folder / "argv"
        script = folder / "git"
        # GitPython asks for the version when it is imported.
        script.write_text(
            '#!/bin/sh\nif [ "$1" = version ]; then echo git version 2.39.5; exit; fi\n'
            f"printf '%s\\0' \"$@\" > '{self.log}'\n"
        )
        script.chmod(0o755)
        self.git = Git(str(script))

    def record(self, command: Command) -> list[str]:
        """Run *command* for real and return the arguments that git got."""
        self.git.run(command)
        words = self.log.read_bytes().split(b"\0")[:-1]
        self.log.unlink()
        return [word.decode("utf-8", "surrogateescape") for word in words]


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    return RecordingGit(tmp_path_factory.mktemp("fake"))


def boundary(words: list[str]) -> int:
    """Return the place after which git takes everything for an operand."""
    return min(words.index(mark) for mark in ("--end-of-options", "--") if mark in words)


def check(recording: RecordingGit, slot: str, text: str) -> None:
    """Compare what git gets for *text* with what it gets for a harmless value."""
    build, harmless = SLOTS[slot]
    try:
        command = build(text)
        words = recording.record(command)
    except (ConfigurationError, UnicodeEncodeError):
        assert not recording.log.exists(), "refused, and yet something was started"
        return
    reference = recording.record(build(harmless))
    marks = [mark for mark in ("--end-of-options", "--") if mark in reference]
    end = boundary(reference) if marks else len(reference)
    for had, got in zip(reference[:end], words[:end], strict=True):
        option = had.partition("=")[0]

        valued = option.startswith("--") or option == "remote.gitsource.url"
        assert got == had or (valued and got.startswith(f"{option}="))
    assert not marks or words[end] == reference[end]


@pytest.mark.parametrize("slot", SLOTS)
def test_dangerous_options_are_operands_in_every_slot(recording, slot):
    """Every option that ever ran something in a Git library, as a regression list."""
    for text in DANGEROUS:
        check(recording, slot, text)


@pytest.mark.parametrize("slot", SLOTS)
def test_any_text_is_an_operand_in_every_slot(recording, slot):
    """The rule itself, whatever git learns to understand."""

    @settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.text(max_size=40) | st.text(st.sampled_from("-=/ou\n\x00. "), max_size=10))
    @example("\x00")
    def holds(text: str) -> None:
        check(recording, slot, text)

    holds()


def test_the_check_itself_notices_an_option(recording):
    """A builder that put its slot before the boundary would be caught."""
    SLOTS["broken"] = (lambda t: Command("log", ("log", t, "--", "x"), DIR), "HEAD")
    try:
        with pytest.raises(AssertionError):
            check(recording, "broken", "--output=/x")
    finally:
        del SLOTS["broken"]


@pytest.mark.parametrize("name", ["", "refs/heads/x", "refs/gitsource/../x", "refs/gitsource/k/x"])
def test_only_refs_of_the_mirror_are_written(name):
    """What is told to update-ref on its input is checked like an argument."""
    with pytest.raises(ConfigurationError):
        verbs.own_ref(name)


@pytest.mark.parametrize("text", DANGEROUS)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_what_is_no_web_address_is_not_asked_about_pushing(text, scheme):
    with pytest.raises(ConfigurationError):
        verbs.may_push(DIR, Address(text, scheme))
