"""
Every configuration of docs/collections.md takes the documents that stand below it.

    python tests/docs/test_collections_page.py    write its table of Envoy's types
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from gitsource.build.judge import bounds, judge
from gitsource.configuration.catalogs import catalog_for
from gitsource.configuration.whole import load
from gitsource.envoy_types import XDS

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "collections.md"
GATEWAY = ROOT / "fixtures" / "repos" / "gateway" / "01-an-ai-gateway"
TABLE = re.compile(r"(<!-- types -->\n).*?(<!-- /types -->)", re.DOTALL)
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
        found = judge(text.encode(), route, catalog, bounds(catalog), json=False)

        assert [] == list(found.findings)
        assert found.documents
        for judged in found.documents:
            assert [] == list(judged.findings)
            assert judged.collection in own
            assert judged.version


def test_the_page_has_each_way():
    text = "".join(config for config, _ in cases())

    for way in ("schema:", "api_version:", "path:", "message:", "descriptor_set:", "protos:"):
        assert way in text


def table() -> str:
    """Return Envoy's types as the page shows them."""
    rows = ["| collection | message | named by |", "| --- | --- | --- |"]
    rows += [
        f"| `{row.collection}` | `{row.body}` | {row.name or 'the Resource around it'} |"
        for row in XDS.values()
    ]
    return "\n".join((*rows, ""))


def with_table(page: str) -> str:
    return TABLE.sub(lambda found: found[1] + table() + found[2], page)


def test_the_page_has_the_types_of_the_catalog():
    page = PAGE.read_text(encoding="utf-8")

    assert with_table(page) == page
    assert "| `envoy/endpoints` |" in page


if __name__ == "__main__":
    PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
