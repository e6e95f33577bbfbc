"""`gitsource explain rule` tells what a finding means, with a bad and a good example."""

import json

import pytest
from click.testing import CliRunner

from gitsource.cli.main import cli
from gitsource.codes.table import CODES


def explain(*args):
    return CliRunner().invoke(cli, ["explain", "rule", *args])


def test_a_code_is_told_with_what_to_do_and_both_examples():
    told = explain("CMN-06")

    assert 0 == told.exit_code
    assert told.output.startswith("CMN-06  error  ")
    assert "What to do: " in told.output
    assert '>   7      istio.io/dry-run: "true"' in told.output
    assert "right: " in told.output


def test_case_does_not_matter():
    assert explain("CMN-06").output == explain("cmn-06").output


def test_a_rule_that_one_of_our_own_codes_covers_is_found_by_its_id():
    assert explain("CMN-02").output == explain("GS103").output


def test_every_code_fits_eighty_columns_but_for_its_examples():
    for code in CODES:
        head = explain(code).output.partition("\nwrong: ")[0]

        assert [] == [line for line in head.splitlines() if len(line) > 80]


def test_without_a_code_all_are_listed():
    told = explain().output.splitlines()

    assert list(CODES) == [line.split()[0] for line in told]


def test_json_has_the_whole_row():
    told = json.loads(explain("CMN-06", "--output", "json").output)

    assert "CMN-06" == told["code"]
    assert "error" == told["severity"]
    assert "istio.io/dry-run" in told["wrong"]
    assert "istio.io/dry-run" not in told["right"]


@pytest.mark.parametrize("code", ["GS999", "VS21", "", "../../etc/passwd"])
def test_a_code_that_does_not_exist_is_refused(code):
    told = explain(code)

    assert 2 == told.exit_code
    assert "there is no finding" in told.output
