"""
Judging whole documents: the files of documents/valid and documents/invalid.

An invalid file opens with a line ``# expect: CODE path`` for each problem it has, no more, no less.
"""

from dataclasses import replace
from pathlib import Path

import pytest

from gitsource.catalog.whole import Catalog
from gitsource.encode.resource import encode
from gitsource.model import FieldPath, Problem
from gitsource.parse import parse
from gitsource.validate.istio.subject import spelled
from gitsource.validate.metadata import identify
from gitsource.validate.schema import problems

DOCUMENTS = Path(__file__).parent / "documents"
VALID = sorted((DOCUMENTS / "valid").glob("*.yaml"))
INVALID = sorted((DOCUMENTS / "invalid").glob("*.yaml"))
CATALOG = Catalog()


def written(path: FieldPath) -> str:
    steps = [f"[{step}]" if isinstance(step, int) else f".{step}" for step in path]
    return "".join(steps).removeprefix(".") or "(document)"


def judged(file: Path) -> list[Problem]:
    """Return what is wrong with the documents of *file*, none of which is left out."""
    parsed = parse(file.read_bytes())
    found: list[Problem] = []
    for document in parsed.documents:
        kind = CATALOG.by_document[document.value["apiVersion"], document.value["kind"]]
        _, unnamed = identify(document.value, kind, "default")
        told = (*unnamed, *problems(document.value, kind))
        found += [replace(one, path=spelled(document.value, one.path)) for one in told]

    assert parsed.documents
    assert parsed.flaws == ()
    return found


@pytest.mark.parametrize("file", VALID, ids=lambda file: file.stem)
def test_a_valid_document_has_no_error_and_encodes(file):
    """Those in old spellings have warnings, which are named in their first lines."""
    lines = file.read_text().splitlines()
    expected = sorted(line[10:] for line in lines if line.startswith("# expect: "))
    found = judged(file)
    for document in parse(file.read_bytes()).documents:
        kind = CATALOG.by_document[document.value["apiVersion"], document.value["kind"]]
        identity, _ = identify(document.value, kind, "default")
        assert encode(document.value, identity, kind).body

    assert {problem.severity for problem in found} <= {"warning"}
    assert sorted(f"{one.code} {written(one.path)}" for one in found) == expected


@pytest.mark.parametrize("file", INVALID, ids=lambda file: file.stem)
def test_an_invalid_document_has_the_problems_its_first_lines_name(file):
    lines = file.read_text().splitlines()
    expected = sorted(
        line.removeprefix("# expect: ") for line in lines if line.startswith("# expect: ")
    )
    found = sorted(f"{problem.code} {written(problem.path)}" for problem in judged(file))

    assert found == expected


@pytest.mark.parametrize("file", INVALID, ids=lambda file: file.stem)
def test_a_problem_says_what_is_wrong_on_one_short_line(file):
    for problem in judged(file):
        assert problem.message.isprintable()
        assert 10 < len(problem.message) < 400


def test_every_kind_has_valid_and_invalid_documents():
    kinds = {kind.kind.lower() for kind in CATALOG.kinds if kind.kind}

    assert {file.stem.partition("-")[0] for file in VALID} == kinds
    assert {file.stem.partition("-")[0] for file in INVALID} == kinds


@pytest.mark.parametrize("file", VALID, ids=lambda file: file.stem)
def test_every_served_version_is_judged_and_encoded_alike(file):
    for document in parse(file.read_bytes()).documents:
        value = document.value
        kind = CATALOG.by_document[value["apiVersion"], value["kind"]]
        for version in kind.api_versions:
            told = {**value, "apiVersion": version}
            identity, _ = identify(told, kind, "default")

            assert problems(told, kind) == problems(value, kind)
            assert encode(told, identity, kind) == encode(value, identity, kind)
