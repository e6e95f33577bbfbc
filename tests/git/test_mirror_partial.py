"""Shallow and partial mirrors: what is missing is fetched when needed, and nothing guessed."""

from __future__ import annotations

import random
from contextlib import closing
from pathlib import Path

import pytest

from gitsource.errors import GitFailed, MirrorError, RemoteUnreachable
from gitsource.git.local import LocalRepository
from gitsource.git.mirror import Mirror
from gitsource.settings.following import Repository
from repositories import Upstream, clone, run_git
from servers.over_http import HttpGit

KINDS = [{"depth": 1}, {"depth": 3}, {"filter": "blob:none"}, {"depth": 2, "filter": "blob:none"}]


@pytest.fixture(params=["sha1", "sha256"])
def upstream(tmp_path, request):
    return hosted(Upstream(tmp_path / "up", object_format=request.param))


def hosted(upstream: Upstream) -> Upstream:
    """Have *upstream* give parts, as Git hosts do."""
    upstream.git("config", "uploadpack.allowFilter", "true")
    return upstream


def history(upstream: Upstream, commits: int = 12) -> None:
    """Commit files that come, change, go and come again, with a branch merged now and then."""
    told = random.Random(commits)  # the same history each time
    for number in range(commits):
        files: dict[str, str | None] = {
            f"d{told.randrange(3)}/{told.randrange(6)}.yaml": f"{number}"
        }
        if number % 4 == 3:
            gone = upstream.git("ls-tree", "-r", "--name-only", "main").split("\n")
            files[told.choice(gone)] = None
        side = []
        if number % 5 == 4:
            side = [upstream.commit({f"s{number}.yaml": "s"}, branch=f"side{number}", parents=[
                upstream.git("rev-parse", "main~1")])]  # fmt: skip
        upstream.commit(files, merge=side)


def commits_in(mirror: Mirror) -> int:
    """Return how many commits the mirror has of its head."""
    return int(run_git(mirror.folder, "rev-list", "--count", "refs/gitsource/head"))


def missing_in(mirror: Mirror) -> int:
    """Return how many objects of its head's history the mirror lacks."""
    told = run_git(mirror.folder, "rev-list", "--objects", "--missing=print", "refs/gitsource/head")
    return sum(line.startswith(b"?") for line in told.splitlines())


def seen(mirror: Mirror) -> tuple[dict[str, bytes | None], dict[str, int]]:
    """Return all files of the head with their contents and births, as a revision is judged."""
    head = mirror.head()
    entries = mirror.objects.entries(head.tree)
    contents = [data for _, data in mirror.objects.read([e.blob for e in entries], 1000)]
    births = mirror.objects.births(head.commit, [e.path for e in entries])
    return dict(zip((e.path for e in entries), contents, strict=True)), births


def fetched_and_seen(mirror: Mirror) -> None:
    """Fetch and look at everything."""
    mirror.fetch()
    seen(mirror)


def truth(upstream: Upstream) -> tuple[dict[str, bytes | None], dict[str, int]]:
    """Return the same of the upstream itself, which has everything."""
    with LocalRepository(upstream.folder) as local:
        head = local.revision("refs/heads/main")
        entries = local.objects.entries(head.tree)
        contents = [data for _, data in local.objects.read([e.blob for e in entries], 1000)]
        births = local.objects.births(head.commit, [e.path for e in entries])
    return dict(zip((e.path for e in entries), contents, strict=True)), births


@pytest.mark.parametrize("kind", KINDS)
def test_files_and_births_are_those_of_the_whole_repository(upstream, mirrors, kind):
    """However little was fetched at first, now and after each new commit and restart."""
    history(upstream)
    expected, found = [], []
    for _ in range(3):
        mirror = mirrors(**kind)
        before = mirror.objects.at("refs/gitsource/head")
        mirror.fetch()
        found.append(seen(mirror))
        expected.append(truth(upstream))
        if before is not None:
            since = mirror.objects.births_since(before, mirror.head().commit)
            found.append({path: since[path] for path in since})
            expected.append({path: truth(upstream)[1][path] for path in since})
        history(upstream, 3)

    assert expected == found


def test_a_shallow_mirror_goes_back_no_further_than_it_must(upstream, mirrors):
    """Files that are young are known to be by the commits that are here."""
    upstream.commit({f"{number}.yaml": "old" for number in range(3)})
    history(upstream, 4)
    upstream.commit({"new.yaml": "1"}, whole=True)
    mirror = mirrors(depth=2)
    mirror.fetch()
    births = mirror.objects.births(mirror.head().commit, ["new.yaml"])

    assert (commits_in(mirror), len(births)) == (2, 1)


def test_contents_are_fetched_when_they_are_read_and_in_one_go(upstream, mirrors, tmp_path):
    """Not with the commits; and never again."""
    upstream.commit({f"{number}.yaml": f"{number}" for number in range(900)})
    with HttpGit(upstream.folder.parent) as host:
        mirror = mirrors(f"{host.url}/{upstream.folder.name}", filter="blob:none")
        mirror.fetch()
        lacking = missing_in(mirror)
        blobs = [entry.blob for entry in mirror.objects.entries(mirror.head().tree)]
        host.requests.clear()
        read = len(dict(mirror.objects.read(blobs, 10)))
        asked = sum("git-upload-pack HTTP" in line for line in host.requests)
        host.requests.clear()
        again = len(dict(mirror.objects.read(blobs, 10)))

    assert (lacking, read, asked) == (900, 900, 2)  # what refs there are, and the contents
    assert (again, host.requests, missing_in(mirror)) == (900, [], 0)


def test_reading_fetches_nothing_by_itself(upstream, mirrors):
    """Only what was counted first is asked for: a reading git has no way out."""
    upstream.commit({"a.yaml": "1"})
    mirror = mirrors(filter="blob:none")
    mirror.fetch()
    blob = mirror.objects.entries(mirror.head().tree)[0].blob
    with pytest.raises(GitFailed, match="not a blob that can be read"):
        list(mirror.objects.bulk_reader(10)([blob]))
    mirror.objects.ensure([blob])

    assert list(mirror.objects.bulk_reader(10)([blob])) == [(blob, b"1")]


def test_a_remote_that_is_away_is_told_when_contents_are_missing(upstream, mirrors, tmp_path):
    """And the mirror is not taken for a damaged one."""
    commit = upstream.commit({"a.yaml": "1"})
    mirror = mirrors(filter="blob:none")
    mirror.fetch()
    upstream.folder.rename(tmp_path / "away")
    blob = mirror.objects.entries(mirror.head().tree)[0].blob
    with pytest.raises(RemoteUnreachable):
        list(mirror.objects.read([blob], 10))

    assert (mirror.objects.damaged, mirror.head().commit) == (False, commit)


@pytest.mark.parametrize("kind", KINDS)
def test_a_forced_push_is_followed(upstream, mirrors, kind):
    """To another history, and back to an older commit of this one."""
    history(upstream, 6)
    mirror = mirrors(**kind)
    mirror.fetch()
    older = upstream.git("rev-parse", "main~4")
    elsewhere = upstream.commit({"z.yaml": "z"}, parents=[])
    found = []
    for commit in (elsewhere, older):
        upstream.force(commit)
        mirror.fetch()
        found.append((mirror.head().commit, seen(mirror) == truth(upstream)))

    assert found == [(elsewhere, True), (older, True)]


def test_ancestors_beyond_the_cut_are_looked_for(upstream, mirrors):
    """A rollback is told from a push by them."""
    first = upstream.commit({"a.yaml": "0"})
    for number in range(1, 6):
        upstream.commit({"a.yaml": f"{number}"})
    mirror = mirrors(depth=2)
    mirror.fetch()
    head = mirror.head().commit
    run_git(
        mirror.folder, "-c", "protocol.file.allow=always", "fetch", "-q", "--depth=1",
        "--filter=blob:none", upstream.url, first,
    )  # fmt: skip

    assert mirror.objects.contains(head, first) is True
    assert mirror.objects.contains(first, head) is False


def test_an_upstream_that_is_cut_off_itself_is_told(upstream, tmp_path):
    """Its files may be older than anything it has, so their births are not made up."""
    history(upstream, 6)
    cut = clone(upstream, tmp_path / "cut", "--depth=2", "--bare")
    run_git(cut, "config", "uploadpack.allowFilter", "true")
    mirror = Mirror(tmp_path / "m.git", Repository(url=cut.as_uri(), depth=1))
    mirror.open()
    with closing(mirror), pytest.raises(MirrorError) as caught:
        fetched_and_seen(mirror)

    assert "cut off" in caught.value.hint


def test_a_host_that_gives_no_parts_gives_everything(upstream, mirrors):
    """Older servers pass over the wish."""
    upstream.git("config", "uploadpack.allowFilter", "false")
    history(upstream, 5)
    mirror = mirrors(filter="blob:none")
    mirror.fetch()

    assert (seen(mirror), missing_in(mirror)) == (truth(upstream), 0)


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_upkeep_loses_nothing(upstream, mirrors, kind, full):
    """Git joins no packs by size in partial repositories, so everything is packed anew."""
    history(upstream, 6)
    mirror = mirrors(**kind)
    for _ in range(4):
        mirror.fetch()
        seen(mirror)
        history(upstream, 1)
    mirror.fetch()
    before = (commits_in(mirror), missing_in(mirror))
    done = mirror.maintenance(full=full, most_packs=3)
    after = (commits_in(mirror), missing_in(mirror))
    packs = sorted((mirror.folder / "objects" / "pack").glob("*.pack"))
    # By these files git knows that what is missing can be had.
    marked = [pack for pack in packs if pack.with_suffix(".promisor").exists()]

    assert (done, after, len(packs), marked) == (True, before, 1, packs)
    for _ in range(2):
        history(upstream, 2)
        mirror.fetch()
        assert seen(mirror) == truth(upstream)
        mirror.maintenance(full=True)
        assert seen(mirror) == truth(upstream)


def test_another_kind_of_mirror_is_fetched_anew(upstream, mirrors):
    """Both ways; and what is there is used until then."""
    history(upstream, 6)
    kinds: list[dict[str, object]] = [{}, {"depth": 1}, {}, {"filter": "blob:none"}]
    had, lacking = [], []
    for kind in kinds:
        mirror = mirrors(**kind)
        had.append(mirror.objects.at("refs/gitsource/head") is not None)
        mirror.fetch()
        lacking.append(missing_in(mirror) > 0)
        mirror.fetch()

    assert (had, lacking) == ([False, True, True, True], [False, True, False, True])


def test_one_commit_may_be_all_that_is_fetched(upstream, mirrors):
    history(upstream, 6)
    meant = upstream.git("rev-parse", "main~3")
    mirror = mirrors(commit=meant, depth=1)
    mirror.fetch()

    assert (mirror.head().commit, commits_in(mirror)) == (meant, 1)


def test_a_host_that_gives_no_commits_by_id_is_asked_by_ref(tmp_path, mirrors):
    """To deepen; contents, which have no names, have to come with the rest."""
    upstream = Upstream(tmp_path / "old")  # such a host knows SHA-1 alone
    history(upstream, 8)
    upstream.git("config", "uploadpack.allowFilter", "false")
    with HttpGit(upstream.folder.parent) as host:
        host.old = True
        mirror = mirrors(f"{host.url}/{Path(upstream.folder).name}", depth=1)
        mirror.fetch()
        found = seen(mirror)

    assert found == truth(upstream)
