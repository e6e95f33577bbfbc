"""Whose commits go out: real keys, real repositories, the whole pipeline up to the snapshot."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from gitsource.configuration.catalogs import catalog_for
from gitsource.errors import ConfigurationError
from gitsource.git.mirror import Mirror
from gitsource.reconcile.judging import schema_reader
from gitsource.reconcile.outcomes import Outcome
from gitsource.reconcile.reconciler import Reconciler
from gitsource.settings.following import PathSigners, Repository, Trust
from gitsource.settings.units import FilePath, FilePaths, Words
from gitsource.settings.whole import Settings
from gitsource.snapshot.blobs import BlobCache
from gitsource.snapshot.cache import SnapshotCache
from gitsource.snapshot.history import History
from repositories import Upstream
from running import route
from signing import Ring, Sign, SshKey, resigned, signed, signed_tag, with_signature


@dataclass
class People:
    """Who signs, and what the settings say of them."""

    ring: Ring
    ann: Sign
    bob: Sign
    host: Sign
    stranger: Sign
    settings: dict[str, Any]
    names: dict[str, str]


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Iterator[People]:
    """Ann and the host sign by OpenPGP, Bob by SSH; nobody knows the stranger."""
    folder = tmp_path_factory.mktemp("keys")
    ring = Ring()
    keys = {name: ring.make(name) for name in ("ann", "host", "stranger")}
    bob = SshKey(folder, "bob")
    (folder / "keys.asc").write_bytes(ring.public(keys["ann"], keys["host"]))
    (folder / "allowed").write_text(bob.allowed("bob@example.org", 'namespaces="git"'))
    yield People(
        ring,
        ring.signer(keys["ann"]),
        bob.signer(),
        ring.signer(keys["host"]),
        ring.signer(keys["stranger"]),
        {
            "gpg_keys": FilePaths((str(folder / "keys.asc"),)),
            "allowed_signers": FilePath(str(folder / "allowed")),
            "merge_commits": Words((keys["host"].lower(),)),
        },
        keys | {"bob": "bob@example.org"},
    )
    ring.close()


@pytest.fixture(params=["sha1", "sha256"])
def upstream(request: pytest.FixtureRequest, tmp_path: Path) -> Upstream:
    return Upstream(tmp_path / "upstream.git", object_format=request.param)


@pytest.fixture
def plain(tmp_path: Path) -> Upstream:
    return Upstream(tmp_path / "plain.git")


class Looking:
    """What looks: each `look` is one of a gitsource started for it, so a restart is between."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "state"
        self.running: Reconciler | None = None

    def start(self, upstream: Upstream, trust: Trust, ref: str = "main", **more: Any) -> Reconciler:
        settings = replace(
            Settings(),
            repository=Repository(upstream.url, ref, **more),
            trust=trust,
            state_dir=FilePath(str(self.folder)),
        )
        return Reconciler(
            settings,
            Mirror(self.folder / "mirror.git", settings.repository),
            History(self.folder / "history"),
            BlobCache(self.folder / "blobs.sqlite"),
            SnapshotCache(),
            lambda told, objects, at: catalog_for(told, schema_reader(objects, at, told)),
        )

    async def __call__(
        self, upstream: Upstream, trust: Trust, ref: str = "main", **more: Any
    ) -> Outcome:
        reconciler = self.start(upstream, trust, ref, **more)
        try:
            reconciler.restore()
            return await reconciler.sync()
        finally:
            await reconciler.close()


@pytest.fixture
def look(tmp_path: Path) -> Looking:
    return Looking(tmp_path)


def codes(outcome: Outcome) -> tuple[str, list[str]]:
    """Return what it came to and why."""
    return outcome.result, [each.code for each in outcome.findings if each.severity == "error"]


def head(people: People, **more: Any) -> Trust:
    return Trust("head", **people.settings | more)


def since(people: People, commit: str, **more: Any) -> Trust:
    return Trust("since", commit, **people.settings | more)


PUBLISHED: tuple[str, list[str]] = ("published", [])
A = {"a.yaml": route("a", "a")}
B = {"b.yaml": route("b", "b")}

# --------------------------------------------------------------------------- whose word counts

MANY = {f"m{n}.yaml": route(f"m{n}", "a") for n in range(8)}
FEWER: dict[str, str | bytes | None] = dict.fromkeys([*MANY][:6])
CONFIRMED = "clean up\n\nGitsource-Allow: removals all\n"


@pytest.mark.parametrize("mode", ["none", "head"])
async def test_a_commit_that_nobody_signed_confirms_no_removal(plain, people, look, mode):
    trust = head(people) if mode == "head" else Trust()
    signed(plain, people.ann, MANY)
    await look(plain, trust)
    plain.commit({}, message=CONFIRMED)
    signed(plain, people.ann, FEWER)
    found = codes(await look(plain, trust))

    assert (("held", ["GS207"]) if mode == "head" else PUBLISHED) == found


async def test_a_signed_commit_confirms_whichever_it_is(plain, people, look):
    signed(plain, people.ann, MANY)
    await look(plain, head(people))
    signed(plain, people.bob, {}, message=CONFIRMED)
    plain.commit({"x.md": "unsigned\n"})
    signed(plain, people.ann, FEWER)

    assert PUBLISHED == codes(await look(plain, head(people)))


async def test_a_signed_head_confirms_its_own_removals(plain, people, look):
    signed(plain, people.ann, MANY)
    await look(plain, head(people))
    signed(plain, people.bob, FEWER, message=CONFIRMED)

    assert PUBLISHED == codes(await look(plain, head(people)))


# --------------------------------------------------------------------------- the head


@pytest.mark.parametrize("who", ["ann", "bob"])
async def test_a_signed_head_goes_out(upstream, people, look, who):
    signed(upstream, getattr(people, who), A)

    assert PUBLISHED == codes(await look(upstream, head(people)))


async def test_an_unsigned_head_is_held_and_the_reason_names_the_commit(upstream, people, look):
    signed(upstream, people.ann, A)
    await look(upstream, head(people))
    commit = upstream.commit(B, message="sneak\x1b[31m in")
    found = await look(upstream, head(people))

    assert ("held", ["GS211"]) == codes(found)
    assert found.error.startswith(
        f"is not trusted: GS211: commit {commit[:12]} ('sneak\\x1b[31m in')"
    )


async def test_a_strangers_head_is_held_and_the_reason_names_the_key(upstream, people, look):
    signed(upstream, people.stranger, A)
    found = await look(upstream, head(people))

    assert ("held", ["GS212"]) == codes(found)
    assert f"key {people.names['stranger'][-16:]}: the key is none of" in found.error


async def test_nothing_of_an_untrusted_revision_is_read(plain, people, look):
    """A broken document in it is not even spoken of."""
    plain.commit({"broken.yaml": "a: [\n"})

    assert ("held", ["GS211"]) == codes(await look(plain, head(people)))


async def test_what_is_under_a_signed_head_is_taken_with_it(plain, people, look):
    plain.commit(A)
    signed(plain, people.ann, B)

    assert PUBLISHED == codes(await look(plain, head(people)))


async def test_the_signature_of_another_commit_does_not_carry_over(upstream, people, look):
    before = signed(upstream, people.ann, A)
    name = b"gpgsig-sha256" if len(before) == 64 else b"gpgsig"
    other = upstream.raw(before)
    upstream.commit(B)
    resigned(upstream, lambda raw: with_signature(raw, people.ann(other), name=name))

    assert ("held", ["GS212"]) == codes(await look(upstream, head(people)))


async def test_keys_that_are_added_let_a_held_head_out_without_a_restart(
    plain, people, look, tmp_path
):
    file = tmp_path / "keys.asc"
    file.write_bytes(people.ring.public(people.names["ann"]))
    signed(plain, people.stranger, A)
    reconciler = look.start(plain, Trust("head", gpg_keys=FilePaths((str(file),))))
    try:
        held = await reconciler.sync()
        again = await reconciler.sync()
        file.write_bytes(people.ring.public(people.names["stranger"]))
        after = await reconciler.sync()
    finally:
        await reconciler.close()

    assert ["held", "held", "published"] == [held.result, again.result, after.result]


async def test_keys_that_cannot_be_read_fail_the_look_and_what_is_served_stays(
    plain, people, look, tmp_path
):
    signed(plain, people.ann, A)
    await look(plain, head(people))
    signed(plain, people.ann, B)
    trust = replace(head(people), allowed_signers=FilePath(str(tmp_path / "gone")))
    reconciler = look.start(plain, trust)
    try:
        serving = reconciler.restore()
        found = await reconciler.sync()
    finally:
        await reconciler.close()

    assert ("failed", "operator") == (found.result, found.fault)
    assert serving is not None
    assert reconciler.condition.serving is serving


async def test_an_untrusted_commit_cannot_be_pinned_either(plain, people, look):
    signed(plain, people.ann, A)
    await look(plain, head(people))
    bad = plain.commit(B)
    reconciler = look.start(plain, head(people))
    try:
        reconciler.restore()
        await reconciler.sync()
        with pytest.raises(ConfigurationError, match="GS211"):
            await reconciler.pin(bad, "try", "ann")
        with pytest.raises(ConfigurationError, match="not a matter of confirmation"):
            await reconciler.allow(bad, "try", "ann")
    finally:
        await reconciler.close()


# --------------------------------------------------------------------------- tags


async def test_a_signed_tag_stands_for_its_commit(upstream, people, look):
    upstream.commit(A)
    signed_tag(upstream, "v1", people.bob)

    assert PUBLISHED == codes(await look(upstream, head(people), "refs/tags/v1"))


async def test_a_strangers_tag_does_not_unless_the_commit_is_signed(plain, people, look):
    plain.commit(A)
    signed_tag(plain, "v1", people.stranger)
    held = await look(plain, head(people), "refs/tags/v1")
    signed(plain, people.ann, B)
    signed_tag(plain, "v2", people.stranger)

    assert ("held", ["GS212"]) == codes(held)
    assert "tag v1" in held.error
    assert PUBLISHED == codes(await look(plain, head(people), "refs/tags/v2"))


async def test_a_tag_moved_to_another_name_does_not_count(plain, people, look):
    """Or who may push could go back to a release of old."""
    plain.commit(A)
    signed_tag(plain, "v2", people.ann, called="v1")
    found = await look(plain, head(people), "refs/tags/v2")

    assert ("held", ["GS212"]) == codes(found)
    assert "another tag under this name" in found.error


@pytest.mark.parametrize("annotated", [True, False])
async def test_a_tag_that_is_not_signed_says_nothing(plain, people, look, annotated):
    plain.commit(A)
    plain.tag("v1", annotated=annotated)

    assert ("held", ["GS211"]) == codes(await look(plain, head(people), "refs/tags/v1"))


# --------------------------------------------------------------------------- since a commit


async def test_since_asks_for_nothing_before_its_commit_and_everything_after(
    upstream, people, look
):
    upstream.commit(A)
    start = upstream.commit(A | B)
    first = await look(upstream, since(people, start))
    signed(upstream, people.ann, {"a.yaml": route("a", "c")})
    second = await look(upstream, since(people, start))
    upstream.commit({"a.yaml": route("a", "d")})
    signed(upstream, people.ann, {"a.yaml": route("a", "e")})
    third = await look(upstream, since(people, start))

    assert [PUBLISHED, PUBLISHED, ("held", ["GS211"])] == [
        codes(first),
        codes(second),
        codes(third),
    ]


async def test_a_merged_commit_needs_a_signature_as_well(plain, people, look):
    start = plain.commit(A)
    plain.branch("side")
    side = plain.commit(B, branch="side")
    signed(plain, people.ann, {"c.yaml": route("c", "c")}, merge=[side])
    held = await look(plain, since(people, start))

    assert ("held", ["GS211"]) == codes(held)
    assert side[:12] in held.error


async def test_a_host_may_sign_merges_and_nothing_else(plain, people, look):
    start = plain.commit(A)
    plain.branch("side")
    side = signed(plain, people.bob, B, branch="side")
    signed(plain, people.host, dict(B), merge=[side], message="Merge pull request #1")
    merged = await look(plain, since(people, start))
    signed(plain, people.host, {"a.yaml": route("a", "evil")})
    edited = await look(plain, since(people, start))

    assert PUBLISHED == codes(merged)
    assert ("held", ["GS213"]) == codes(edited)
    assert "may sign merge commits alone" in edited.error


async def test_a_start_that_the_head_does_not_follow_from_holds(plain, people, look):
    old = plain.commit(A)
    signed(plain, people.ann, B, parents=[])
    found = await look(plain, since(people, old))

    assert ("held", ["GS214"]) == codes(found)


async def test_what_was_good_when_it_came_stays_good_when_its_key_is_taken_out(
    plain, people, look, tmp_path
):
    file = tmp_path / "keys.asc"
    file.write_bytes(people.ring.public(people.names["ann"], people.names["stranger"]))
    start = plain.commit(A)
    trust = Trust("since", start, gpg_keys=FilePaths((str(file),)))
    signed(plain, people.stranger, B)
    first = await look(plain, trust)
    file.write_bytes(people.ring.public(people.names["ann"]))
    signed(plain, people.ann, {"c.yaml": route("c", "c")})
    second = await look(plain, trust)
    signed(plain, people.stranger, {"d.yaml": route("d", "d")})
    third = await look(plain, trust)

    assert [PUBLISHED, PUBLISHED, ("held", ["GS212"])] == [
        codes(first),
        codes(second),
        codes(third),
    ]


async def test_another_start_has_everything_after_it_judged_anew(plain, people, look):
    first = plain.commit(A)
    second = plain.commit(B)
    await look(plain, since(people, second))

    assert ("held", ["GS211"]) == codes(await look(plain, since(people, first)))


async def test_turning_trust_on_tells_of_a_head_that_is_out_already(plain, people, look):
    start = plain.commit(A)
    plain.commit(B)
    await look(plain, Trust())
    reconciler = look.start(plain, since(people, start))
    try:
        serving = reconciler.restore()
        held = await reconciler.sync()
    finally:
        await reconciler.close()

    assert ("held", ["GS211"]) == codes(held)
    assert reconciler.condition.serving is serving


async def test_a_flood_of_unsigned_commits_is_told_of_in_few_words(plain, people, look):
    start = plain.commit(A)
    for number in range(30):
        plain.commit({"n.yaml": route("n", f"n{number}")})
    found = await look(plain, since(people, start))

    assert 20 == len(found.findings)


# --------------------------------------------------------------------------- who may change what


@pytest.fixture
def policy(people: People) -> Callable[..., Trust]:
    """Return settings by which teams/shop is Bob's, and Ann may sign the rest."""

    def made(mode: str = "head", start: str | None = None) -> Trust:
        rows = (PathSigners("teams/shop/**", Words((people.names["bob"],))),)
        return Trust(mode, start, paths=rows, **people.settings)  # type: ignore[arg-type]

    return made


SHOP = "teams/shop/a.yaml"


@pytest.mark.parametrize("mode", ["head", "since"])
async def test_a_change_of_a_path_needs_one_of_its_signers(upstream, people, look, policy, mode):
    start = upstream.commit({SHOP: route("a", "a")})
    signed(upstream, people.ann, {"other.yaml": route("o", "o")})
    trust = policy(mode, start if mode == "since" else None)
    first = await look(upstream, trust)
    signed(upstream, people.bob, {SHOP: route("a", "b")})
    second = await look(upstream, trust)
    signed(upstream, people.ann, {SHOP: route("a", "c")})
    third = await look(upstream, trust)

    assert [PUBLISHED, PUBLISHED, ("held", ["GS213"])] == [
        codes(first),
        codes(second),
        codes(third),
    ]
    assert SHOP == third.findings[0].file
    assert "leaves to bob@example.org" in third.error


async def test_a_change_below_the_head_needs_its_signer_too(plain, people, look, policy):
    plain.commit({SHOP: route("a", "a")})
    signed(plain, people.ann, B)
    await look(plain, policy())
    plain.commit({SHOP: route("a", "b")})
    signed(plain, people.ann, {"b.yaml": route("b", "c")})

    assert ("held", ["GS213"]) == codes(await look(plain, policy()))


async def test_deleting_a_path_is_a_change_of_it(plain, people, look, policy):
    start = plain.commit({SHOP: route("a", "a")} | B)
    await look(plain, policy("since", start))
    signed(plain, people.ann, {SHOP: None})

    assert ("held", ["GS213"]) == codes(await look(plain, policy("since", start)))


async def test_a_merge_brings_what_its_sides_brought(plain, people, look, policy):
    start = plain.commit({SHOP: route("a", "a")} | B)
    plain.branch("side")
    news = {SHOP: route("a", "b")}
    side = signed(plain, people.bob, news, branch="side")
    signed(plain, people.ann, {"b.yaml": route("b", "c")})
    signed(plain, people.host, news, merge=[side])

    assert PUBLISHED == codes(await look(plain, policy("since", start)))


async def test_a_merge_answers_for_what_neither_side_has(plain, people, look, policy):
    start = plain.commit({SHOP: route("a", "a")} | B)
    plain.branch("side")
    side = signed(plain, people.bob, {SHOP: route("a", "b")}, branch="side")
    signed(plain, people.ann, {"b.yaml": route("b", "c")})
    signed(plain, people.host, {SHOP: route("a", "evil")}, merge=[side])

    assert ("held", ["GS213"]) == codes(await look(plain, policy("since", start)))


async def test_a_merge_that_drops_what_one_side_did_answers_for_it(plain, people, look, policy):
    """Or an old branch, merged the wrong way round, would take a change back."""
    start = plain.commit({SHOP: route("a", "a")} | B)
    plain.branch("side")
    signed(plain, people.bob, {SHOP: route("a", "b")})
    first = await look(plain, policy("since", start))
    tip = plain.tip()
    side = signed(plain, people.ann, {"b.yaml": route("b", "c")}, branch="side")
    signed(plain, people.ann, {SHOP: route("a", "a")}, parents=[side], merge=[tip])

    assert PUBLISHED == codes(first)
    assert ("held", ["GS213"]) == codes(await look(plain, policy("since", start)))


async def test_moving_a_ref_back_is_a_change_by_the_commit_it_leads_to(plain, people, look, policy):
    start = plain.commit({SHOP: route("a", "a")} | B)
    old = signed(plain, people.ann, {"b.yaml": route("b", "c")})
    signed(plain, people.bob, {SHOP: route("a", "b")})
    first = await look(plain, policy("since", start))
    plain.force(old)
    found = await look(plain, policy("since", start))

    assert PUBLISHED == codes(first)
    assert ("held", ["GS213"]) == codes(found)


async def test_where_nothing_was_known_before_the_head_answers_for_itself(
    plain, people, look, policy
):
    plain.commit({SHOP: route("a", "a")})
    signed(plain, people.ann, B)

    assert PUBLISHED == codes(await look(plain, policy()))


# --------------------------------------------------------------------------- what was known


async def test_what_is_known_of_a_ref_is_not_taken_for_another(plain, people, look):
    start = plain.commit(A)
    plain.branch("other")
    signed(plain, people.ann, B)
    plain.commit(B, branch="other")
    await look(plain, since(people, start))

    assert ("held", ["GS211"]) == codes(await look(plain, since(people, start), "other"))


async def test_a_broken_memory_fails_the_look_and_says_so(plain, people, look):
    signed(plain, people.ann, A)
    await look(plain, head(people))
    (look.folder / "history" / "followed.json").write_text("{")
    signed(plain, people.ann, B)
    found = await look(plain, head(people))

    assert ("failed", "operator") == (found.result, found.fault)
    assert "followed.json" in found.error


async def test_the_memory_is_readable(plain, people, look):
    commit = signed(plain, people.ann, A)
    await look(plain, head(people))
    told = json.loads((look.folder / "history" / "followed.json").read_text())

    assert commit == told["verified"]
