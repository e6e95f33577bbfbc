"""The settings of layers: each is a repository of its own; mistakes are told with their places."""

from __future__ import annotations

from pathlib import Path

import pytest

from gitsource.configuration.whole import load
from gitsource.errors import ConfigurationError
from gitsource.settings.following import LayerRow, Repository
from gitsource.settings.units import Words

A, B = "file:///srv/a.git", "file:///srv/b.git"
TWO = f"layers:\n- {{name: low, repository: {{url: '{A}'}}}}\n"


def loaded(folder: Path, text: str):
    file = folder / "gitsource.yaml"
    file.write_text(text)
    return load(file, {}, {})


def test_layers_are_read_the_lowest_first(tmp_path):
    text = (
        "layers:\n"
        f"- name: defaults\n  repository: {{url: '{A}', path: mesh, ref: live}}\n"
        f"- name: shop\n  repository: {{url: '{B}', semver: ^1, ignore: [x/]}}\n  overrides: off\n"
    ).replace("overrides: off", "overrides: 'off'")

    found = loaded(tmp_path, text)

    assert (
        LayerRow("defaults", Repository(url=A, path="mesh", ref="live")),
        LayerRow("shop", Repository(url=B, semver="^1", ignore=Words(("x/",))), "off"),
    ) == found.layers


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("- {name: Low, repository: {url: 'file:///a'}}", "lower-case letters"),
        ("- {name: a/b, repository: {url: 'file:///a'}}", "lower-case letters"),
        ("- {name: ..x, repository: {url: 'file:///a'}}", "lower-case letters"),
        ("- {repository: {url: 'file:///a'}}", "expected a name such as defaults"),
        ("- {name: low}", "where this layer comes from"),
        ("- {name: low, repository: {url: nonsense}}", "layers[0].repository.url: expected a file"),
        ("- {name: low, repository: {url: 'file:///a', path: /x}}", "layers[0].repository.path"),
        ("- {name: low, repository: {url: 'file:///a', timeout: 0}}", "expected more than 0"),
        ("- {name: low, repository: {urls: 'file:///a'}}", 'did you mean "url"'),
        ("- {name: low, repository: {url: 'file:///a'}, overrides: maybe}", "overrides"),
        ("- {name: low, repository: {url: 'file:///a'}, since: abc}", "whole id of a commit"),
        (
            (
                "- {name: low, repository: {url: 'file:///a'}}\n"
                "- {name: low, repository: {url: 'file:///b'}}"
            ),
            "the name low belongs to layers[0]",
        ),
    ],
)
def test_a_mistake_in_a_layer_is_told_with_its_place(tmp_path, text, expected):
    with pytest.raises(ConfigurationError) as caught:
        loaded(tmp_path, f"layers:\n{text}\n")

    assert expected in str(caught.value)
    assert f"{tmp_path}/gitsource.yaml:" in str(caught.value)


def test_a_single_repository_has_no_place_beside_layers(tmp_path):
    with pytest.raises(ConfigurationError) as caught:
        loaded(tmp_path, f"repository: {{url: '{B}', path: x}}\n{TWO}")

    assert "repository.url: each of the layers says its own" in str(caught.value)
    assert "repository.path: each of the layers says its own" in str(caught.value)


def test_a_password_in_the_address_of_a_layer_is_not_repeated(tmp_path):
    with pytest.raises(ConfigurationError) as caught:
        loaded(tmp_path, 'layers:\n- {name: low, repository: {url: ["https://u:hunter2@h/x"]}}\n')

    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "layers: ['https://u:hunter2@h/x']\n",
        "layers: [{name: low, repository: 'https://u:hunter2@h/x'}]\n",
        "layers: 'https://u:hunter2@h/x'\n",
        "repository: 'https://u:hunter2@h/x'\n",
    ],
)
def test_an_address_in_the_wrong_place_is_told_without_its_password(tmp_path, text):
    with pytest.raises(ConfigurationError) as caught:
        loaded(tmp_path, text)

    assert "expected a" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_signatures_since_a_commit_need_one_in_each_layer(tmp_path):
    trust = "trust: {mode: since, allowed_signers: k}\n"
    with pytest.raises(ConfigurationError) as caught:
        loaded(tmp_path, trust + TWO)

    assert "layers[0].since: trust.mode: since needs the commit" in str(caught.value)

    text = (trust + TWO).replace("}}\n", f"}}, since: {'a' * 40}}}\n")

    assert "a" * 40 == loaded(tmp_path, text).layers[0].since


def test_one_commit_for_all_layers_makes_no_sense(tmp_path):
    trust = f"trust: {{mode: since, since: {'a' * 40}, allowed_signers: k}}\n"
    with pytest.raises(ConfigurationError) as caught:
        loaded(tmp_path, trust + TWO)

    assert "trust.since: a commit is one repository's" in str(caught.value)


def test_rules_from_a_repository_are_nobodys_where_there_are_several(tmp_path):
    text = "authorization: {repository_file: 'authz/*.yaml', ceiling: [{to: {any: known}}]}\n"
    with pytest.raises(ConfigurationError) as caught:
        loaded(tmp_path, text + TWO)

    assert "nobody could say whose rules count" in str(caught.value)
