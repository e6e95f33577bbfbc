"""Whatever is committed: a clear finding, last good kept, other streams unaffected."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from repositories import Upstream
from running import VS, Gitsource, closing, route

DOCUMENT = route("evil", "x")
BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12)
)

CONTENTS: dict[str, tuple[bytes, str]] = {
    "invalid UTF-8": (DOCUMENT.encode() + b"# \xff\xfe\n", "GS101"),
    "UTF-16": (DOCUMENT.encode("utf-16"), "GS101"),
    "a tab": (b"kind: X\n\tapiVersion: y\n", "GS102"),
    "a NUL": (b"kind: \x00\n", "GS102"),
    "no YAML at all": (b"]][[{{%%", "GS102"),
    "a duplicate key": (DOCUMENT.encode() + b"kind: Other\n", "GS103"),
    "10 000-deep nesting": (b"a: " + b"[" * 10_000 + b"]" * 10_000, "GS104"),
    "an alias bomb": (BOMB.encode(), "GS105"),
    "a tag that runs code elsewhere": (b"a: !!python/object/apply:os.system [id]\n", "GS106"),
    "an LFS pointer": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"a" * 64 + b"\nsize 9\n",
        "GS203",
    ),
    "a resource without a name": (DOCUMENT.replace("name: evil, ", "").encode(), "GS302"),
    "a name that climbs": (DOCUMENT.replace("name: evil", "name: ../evil").encode(), "GS303"),
    "an unknown field": (DOCUMENT.encode() + b"  httpp: []\n", "GS310"),
    "a wrong type": (
        DOCUMENT.replace("hosts: [", "hosts: {a: ").replace(".com]", ".com}").encode(),
        "GS301",
    ),
    "labels that are no text": (
        DOCUMENT.replace("name: evil", "name: evil, labels: {a: 1}").encode(),
        "GS308",
    ),
    "nothing published twice": (route("web", "other").encode(), "GS304"),
}

TREES: dict[str, tuple[Callable[[Upstream], str], str]] = {
    "100 MB of YAML": (
        lambda upstream: upstream.commit({"mesh/big.yaml": b"a: " + b"x" * 100_000_000}),
        "GS107",
    ),
    "a symbolic link": (
        lambda upstream: upstream.symlink("mesh/passwd.yaml", "../../../etc/passwd"),
        "GS201",
    ),
}


def held(server: Gitsource, code: str) -> None:
    """Check that the head is held because of *code*, and nothing else happened."""
    outcome = server.sync()

    assert "held" == outcome["outcome"], outcome
    assert code in {finding["code"] for finding in outcome["findings"]}, outcome["findings"]
    for finding in outcome["findings"]:
        assert finding["file"].startswith("mesh/")
        assert finding["message"]
    assert {"shop/web"} == set(sink_state(server))


def sink_state(server: Gitsource) -> dict[str, str]:
    with closing(server.sink()) as sink:
        sink.next()
        return sink.state[VS]


@pytest.mark.parametrize("case", CONTENTS)
def test_hostile_content_is_held_with_its_code(
    server: Gitsource, upstream: Upstream, case: str
) -> None:
    content, code = CONTENTS[case]
    upstream.commit({"mesh/evil.yaml": content})
    held(server, code)

    upstream.commit({"mesh/evil.yaml": None})

    assert "published" == server.sync()["outcome"]


@pytest.mark.parametrize("case", TREES)
def test_a_hostile_tree_is_held_with_its_code(
    server: Gitsource, upstream: Upstream, case: str
) -> None:
    commit, code = TREES[case]
    commit(upstream)

    held(server, code)


def test_a_submodule_is_named_and_holds_nothing(server: Gitsource, upstream: Upstream) -> None:
    upstream.submodule("mesh/vendor.yaml")

    outcome = server.sync()

    assert "published" == outcome["outcome"]
    assert ["GS202"] == [finding["code"] for finding in outcome["findings"]]


def test_a_submodule_in_place_of_a_file_takes_its_resources_away(
    server: Gitsource, upstream: Upstream
) -> None:
    upstream.commit({"mesh/other.yaml": route("other", "v1")})
    server.sync()
    before = sink_state(server)
    upstream.commit({"mesh/other.yaml": None}, submodules={"mesh/other.yaml": "1" * 40})

    outcome = server.sync()

    assert ("published", ["GS202"]) == (
        outcome["outcome"],
        [finding["code"] for finding in outcome["findings"]],
    )
    assert ({"shop/web", "shop/other"}, {"shop/web"}) == (set(before), set(sink_state(server)))


@pytest.mark.parametrize("name", [b"..", b".git"])
def test_a_tree_that_git_itself_would_not_write_never_gets_in(
    server: Gitsource, upstream: Upstream, name: bytes
) -> None:
    upstream.hostile([("100644", b"a.yaml", b"a: 1\n"), ("100644", name, b"evil")])

    outcome = server.sync()

    assert "failed" == outcome["outcome"]
    assert {"shop/web"} == set(sink_state(server))
