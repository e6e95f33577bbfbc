"""Suppressed warnings are listed apart, and do not count for --strict."""

import json

import pytest
from click.testing import CliRunner

from gitsource.cli.main import cli

DOCUMENT = """\
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: reviews
  labels: {canary: on}
  annotations: {gitsource.dev/suppress: GS113}
spec:
  hosts: [reviews]
  http:
  - route: [{destination: {host: reviews}}]
"""


@pytest.fixture
def validate(tmp_path):
    (tmp_path / "reviews.yaml").write_text(DOCUMENT)

    def run(*args):
        return CliRunner().invoke(cli, ["validate", str(tmp_path), *args])

    return run


def test_json_has_them_under_a_key_of_their_own(validate):
    told = json.loads(validate("--output", "json").output)

    assert [] == told["findings"]
    assert ["GS113"] == [finding["code"] for finding in told["suppressed"]]


def test_text_says_of_each_that_it_is_suppressed_and_counts_them_apart(validate):
    told = validate().output

    assert ": suppressed GS113 " in told
    assert told.endswith("1 files: 0 errors, 0 warnings, 1 suppressed\n")


def test_strict_lets_them_pass(validate):
    assert 0 == validate("--strict").exit_code
