"""Every configuration of docs/collections.md takes the documents that stand below it."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from gitsource.build import bounds, judge
from gitsource.configuration import catalog_for, load

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "collections.md"
GATEWAY = ROOT / "fixtures" / "repos" / "gateway" / "01-an-ai-gateway"
BLOCK = re.compile(r"```yaml\n# (\S+)\n(.*?)```", re.DOTALL)


def cases() -> list[tuple[str, list[tuple[str, str]]]]:
    """Return each configuration with the documents that follow it."""
    found: list[tuple[str, list[tuple[str, str]]]] = []
    for name, text in BLOCK.findall(PAGE.read_text(encoding="utf-8")):
        if name == "gitsource.yaml":
            found.append((text, []))
        else:
            found[-1][1].append((name, text))
    return found


@pytest.mark.parametrize(("config", "documents"), cases())
def test_the_documents_of_the_page_become_resources(config, documents, tmp_path):
    shutil.copytree(GATEWAY, tmp_path, dirs_exist_ok=True)
    file = tmp_path / "gitsource.yaml"
    file.write_text(config)
    catalog = catalog_for(load(file, {}, {}), {}.get)
    own = {kind.collection for kind in catalog.kinds if kind.own or kind.xds}
    assert documents
    for name, text in documents:
        route = catalog.route(name)
        (judged,) = judge(text.encode(), route, catalog, bounds(catalog), json=False).documents

        assert [] == list(judged.findings)
        assert judged.collection in own
        assert judged.version


def test_the_page_has_each_way():
    text = "".join(config for config, _ in cases())

    for way in ("schema:", "api_version:", "path:", "message:", "descriptor_set:", "protos:"):
        assert way in text
