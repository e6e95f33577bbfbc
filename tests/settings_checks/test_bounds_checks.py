"""What is just taken: the last value within a bound, and what only looks like a clash."""

from __future__ import annotations

from pathlib import Path

import pytest

from gitsource.configuration.whole import load

TAKEN = {
    "the largest delivery": "webhook: {max_body: 25MiB}",
    "doors at any free port": "listen: {mcp: '127.0.0.1:0', admin: '127.0.0.1:0'}",
    "no depth, no drain, no removal": (
        "repository: {depth: 0}\ndrain: 0s\nguard: {removals: {count: 0}}"
    ),
    "a ref and a branch that are one": "repository: {ref: refs/heads/main, branch: main}",
    "a commit in capitals": f"repository: {{commit: {'A' * 40}}}",
    "a depth where the head alone is checked": (
        "repository: {depth: 5}\ntrust: {mode: head, gpg_keys: [k.asc]}"
    ),
    "a sink that shows a certificate": (
        "sinks: {dial: [{name: a, address: 'a:1', tls: mutual, cert: c, key: k}]}"
    ),
    "a principal that looks like nothing else": (
        "trust: {mode: head, gpg_keys: [k.asc], merge_commits: [ann@example.org]}"
    ),
}


@pytest.mark.parametrize("text", TAKEN.values(), ids=TAKEN)
def test_what_is_just_within_a_bound_is_taken(text: str, tmp_path: Path) -> None:
    file = tmp_path / "gitsource.yaml"
    file.write_text(f"{text}\n")

    assert str(tmp_path) == load(file, {}, {}).folder
