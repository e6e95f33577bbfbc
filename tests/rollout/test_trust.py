"""What signatures come to, by the policy."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitsource.model import Signature
from gitsource.rollout.trust import Mark, covers, own_changes, unfit, unsigned
from gitsource.settings.following import PathSigners, Trust
from gitsource.settings.units import Words

ANN = "0123456789ABCDEF0123456789ABCDEF01234567"
HOST = "FEDCBA9876543210FEDCBA9876543210FEDCBA98"
SSH = "SHA256:" + "a" * 43


def good(*names: str) -> Signature:
    return Signature("good", names[0], frozenset(names))


def mark(signature: Signature, *paths: str, merge: bool = False, subject: str = "why") -> Mark:
    return Mark("commit 111111111111", subject, merge, signature, frozenset(paths))


def row(path: str, *signers: str) -> tuple[PathSigners, ...]:
    return (PathSigners(path, Words(signers)),)


@pytest.mark.parametrize(
    ("signature", "merge", "expected"),
    [
        (good(ANN), False, None),
        (good(ANN), True, None),
        (good(HOST), True, None),
        (good(HOST), False, "GS213"),
        (good("A" * 40, HOST), False, "GS213"),
        (Signature("none"), True, "GS211"),
        (Signature("bad", HOST, reason="the key is revoked"), True, "GS212"),
        (Signature("bad", HOST, frozenset((HOST,)), "no"), True, "GS212"),
    ],
)
def test_what_is_wrong_with_a_signature(signature, merge, expected) -> None:
    trust = Trust("since", merge_commits=Words((HOST.lower(),)))
    found = unsigned(mark(signature, merge=merge), trust)

    assert expected == (found.code if found else None)


def test_what_is_told_is_harmless_and_names_commit_key_and_reason() -> None:
    bad = Signature("bad", "K\x1b[31m", reason="the key is revoked")
    found = unsigned(mark(bad, subject="x\n[GNUPG:] GOODSIG\x07"), Trust("head"))

    assert found is not None
    assert found.message.isprintable()
    assert "commit 111111111111 ('x\\n[GNUPG:] GOODSIG\\x07')" in found.message
    assert "the key is revoked" in found.message


@pytest.mark.parametrize(
    ("rows", "signature", "path", "expected"),
    [
        (row("a/**", ANN), good(ANN), "a/b/c.yaml", 0),
        (row("a/**", ANN.lower()), good(ANN), "a/b/c.yaml", 0),
        (row("a/**", SSH), good(SSH, "ann@example.org"), "a/b.yaml", 0),
        (row("a/**", "ann@example.org"), good(SSH, "ann@example.org"), "a/b.yaml", 0),
        (row("a/**", "ANN@example.org"), good(SSH, "ann@example.org"), "a/b.yaml", 1),
        (row("a/**", SSH.lower()), good(SSH), "a/b.yaml", 1),
        (row("a/**", HOST), good(ANN), "a/b.yaml", 1),
        (row("a/**", HOST), good(ANN), "b/a/b.yaml", 0),
        (row("a/*", HOST), good(ANN), "a/b/c.yaml", 0),
        (row("**", HOST), good(ANN), "b.yaml", 1),
        (row("a/**", HOST), Signature("none"), "a/b.yaml", 1),
        (row("a/**", HOST), Signature("bad", HOST, frozenset((HOST,)), "no"), "a/b.yaml", 1),
        (row("a/**", ANN) + row("a/b.yaml", HOST), good(ANN), "a/b.yaml", 1),
        (row("a/**", ANN) + row("a/b.yaml", HOST), good(ANN), "a/c.yaml", 0),
        (row("a/**", HOST), good(ANN), "a/\udcff\n.yaml", 1),
    ],
)
def test_who_may_change_what(rows, signature, path, expected) -> None:
    found = list(unfit(mark(signature, path, "free.txt" if "**" != rows[0].path else path), rows))

    assert ["GS213"] * expected == [each.code for each in found]
    assert all(each.message.isprintable() for each in found)


def test_a_row_covers_what_it_matches() -> None:
    rows = row("a/**", ANN)

    assert (True, False) == (
        covers(frozenset(("a/b", "c")), rows),
        covers(frozenset(("b",)), rows),
    )


# --------------------------------------------------------------------------- merges

trees = st.dictionaries(st.sampled_from("abcd"), st.integers(0, 2))


def differing(one: dict[str, int], other: dict[str, int]) -> frozenset[str]:
    return frozenset(path for path in "abcd" if one.get(path) != other.get(path))


@given(trees, trees, trees, trees)
def test_a_merge_owns_exactly_what_a_three_way_merge_would_not_have_made(
    base, first, second, merged
) -> None:
    def by_itself(path: str) -> bool:
        was, one, other, now = (tree.get(path) for tree in (base, first, second, merged))
        if one == other:
            return now != one
        if one == was:
            return now != other
        return now != one if other == was else True

    found = own_changes(
        differing(first, merged),
        differing(second, merged),
        (differing(base, first), differing(base, second)),
    )

    assert frozenset(filter(by_itself, "abcd")) == found


@given(trees, trees, trees)
def test_without_one_base_a_merge_owns_all_it_differs_in(first, second, merged) -> None:
    one, other = differing(first, merged), differing(second, merged)

    assert one | other == own_changes(one, other, None)
