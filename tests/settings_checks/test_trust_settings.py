"""The settings of trust and guard: read, and refused where they would enforce nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from gitsource.configuration.whole import load
from gitsource.errors import ConfigurationError
from gitsource.settings.following import PathSigners
from gitsource.settings.judging import Removals
from gitsource.settings.units import Share, Words

ANN = "0123456789ABCDEF0123456789ABCDEF01234567"


def loaded(folder: Path, text: str):
    file = folder / "gitsource.yaml"
    file.write_text(text)
    return load(file, {}, {})


def test_all_of_it_is_read_and_paths_count_from_the_file(tmp_path):
    found = loaded(
        tmp_path,
        "repository: {non_fast_forward: deny}\n"
        "guard: {removals: {share: 25%, count: 0}}\n"
        "trust:\n"
        "  mode: since\n"
        f"  since: {'a' * 40}\n"
        "  gpg_keys: [keys.asc, /etc/keys.asc]\n"
        "  allowed_signers: allowed\n"
        f"  merge_commits: [{ANN}]\n"
        "  paths:\n"
        "  - {path: 'a/**', signers: [ann@example.org]}\n",
    )

    assert "deny" == found.repository.non_fast_forward
    assert Removals(Share(0.25), 0) == found.guard.removals
    assert (str(tmp_path / "keys.asc"), "/etc/keys.asc") == found.trust.gpg_keys
    assert str(tmp_path / "allowed") == found.trust.allowed_signers
    assert (PathSigners("a/**", Words(("ann@example.org",))),) == found.trust.paths


def test_variables_and_flags_say_the_same():
    environ = {
        "GITSOURCE_TRUST_GPG_KEYS": "/a.asc, /b.asc",
        "GITSOURCE_GUARD_REMOVALS_SHARE": "0.75",
        "GITSOURCE_TRUST_PATHS": f"[{{path: 'a/**', signers: [{ANN}]}}]",
    }
    found = load(None, environ, {"trust.mode": "head", "guard.removals.count": "3"})

    assert ("/a.asc", "/b.asc") == found.trust.gpg_keys
    assert Removals(Share(0.75), 3) == found.guard.removals
    assert (PathSigners("a/**", Words((ANN,))),) == found.trust.paths


HEAD = "trust: {mode: head, gpg_keys: [k.asc], "


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("trust: {mode: head}", "trust.mode: needs trust.gpg_keys or trust.allowed_signers"),
        ("trust: {mode: since, gpg_keys: [k]}", "trust.mode: since needs trust.since"),
        ("trust: {mode: often}", "expected one of none, head, since"),
        ("trust: {gpg_keys: [k]}", "trust.gpg_keys: nothing is checked without trust.mode"),
        ("trust: {paths: [{path: a, signers: [b]}]}", "trust.paths: nothing is checked without"),
        (HEAD + "since: abc123}", "trust.since: expected the whole id of a commit"),
        (HEAD + "paths: [{signers: [a@b]}]}", "trust.paths[0]: expected path, a glob"),
        (HEAD + "paths: [{path: ../x, signers: [a@b]}]}", "trust.paths[0]: expected path, a glob"),
        (HEAD + "paths: [{path: x}]}", "trust.paths[0]: expected signers, at least one"),
        (HEAD + "paths: [{path: x, signers: [DEADBEEF]}]}", "short ids can be forged"),
        (HEAD + "paths: [{path: x, signers: ['SHA256:abc']}]}", "short ids can be forged"),
        (
            HEAD + "merge_commits: ['0xDEADBEEFDEADBEEF']}",
            "trust.merge_commits: expected the whole",
        ),
        (HEAD + "merge_commits: ['0123 4567 89AB CDEF']}", "without spaces"),
        (HEAD + "paths: [{path: x, who: [a@b]}]}", 'unknown key "who"'),
        ("guard: {removals: {share: 1.5}}", "expected a share from 0 to 1"),
        ("guard: {removals: {share: 200%}}", "expected a share from 0 to 1"),
        ("guard: {removals: {share: true}}", "expected a share from 0 to 1"),
        ("guard: {removals: 5}", "guard.removals: expected a mapping"),
        ("guard: {removals: {shares: 1}}", 'unknown key "shares"'),
        ("repository: {non_fast_forward: maybe}", "expected one of allow, hold, deny"),
    ],
)
def test_what_cannot_be_meant_is_told_with_its_place(tmp_path, text, says):
    with pytest.raises(ConfigurationError) as caught:
        loaded(tmp_path, f"# settings\n{text}\n")

    assert says in str(caught.value)
    assert "gitsource.yaml:2:" in str(caught.value)
