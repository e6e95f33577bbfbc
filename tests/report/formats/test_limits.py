"""What is too much for a format is cut where that is told, and said to be."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest

from gitsource.model import Finding
from gitsource.plan.values import CollectionPlan, FieldChange, Plan, ResourceChange
from gitsource.report.formats.write import FORMATS
from report_expected import CLEAN, RICH, VS, report, report_findings
from report_readers import check_github, check_sarif


def many(resources: int, *, fields: int = 1, text: str = "x", findings: int = 0) -> Plan:
    changed = [FieldChange(f"spec.hosts[{n}]", "changed", text, f"{text}!") for n in range(fields)]
    changes = tuple(
        ResourceChange(f"shop/r{n:05}", "changed", "", "a", "b", "f", "f", fields=tuple(changed))
        for n in range(resources)
    )
    found = tuple(
        Finding(f"f{n:05}.yaml", 1, 1, ("warning", "error")[n % 2], "GS301", f"{text} {n}")
        for n in range(findings)
    )
    whole = CollectionPlan(VS, "a", "b", resources, resources, changes)
    return replace(CLEAN, collections=(whole,) if changes else (), new=found)


def units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


@pytest.mark.parametrize(
    "planned",
    [
        many(5_000),
        many(500, fields=300, text="y" * 300),
        many(3, fields=5_000, text="🦊" * 300),
        many(5_000, findings=5_000, text="`" * 500),
        replace(many(900, findings=900), notes=("n" * 900,) * 900, old=many(0, findings=900).new),
    ],
    ids=["resources", "fields", "wide", "findings", "all"],
)
def test_a_comment_is_cut_between_resources_and_says_what_is_left_out(planned: Plan) -> None:
    told = report("markdown", planned, show_old=True)
    shown = len(re.findall(r"^<details><summary>~ changed", told, re.MULTILINE))
    left = re.search(r"Left out, since a comment has its limits:\*\* ([\d,]+) resource", told)
    number = int(left[1].replace(",", "")) if left else 0

    assert units(told) < 65_536
    assert len(planned.collections[0].changes) == shown + number
    assert shown == told.count("</details>")
    if number:
        assert f"`shop/r{shown:05}`" in told.partition("Left out")[2]


def test_a_comment_uses_most_of_its_room_before_it_leaves_something_out() -> None:
    assert units(report("markdown", many(5_000))) > 55_000


def test_what_fits_is_not_cut() -> None:
    assert "Left out" not in report("markdown", many(100))


def test_github_gets_ten_annotations_of_a_kind_and_the_rest_in_plain_lines() -> None:
    told = report("github", many(0, findings=60))

    check_github(told)
    assert (10, 10) == (told.count("\n::warning "), told.count("::error "))
    assert 40 == len(re.findall(r"^f\d+\.yaml:1:1: ", told, re.MULTILINE))
    assert "40 further findings:" in told


def test_github_is_told_the_errors_first_even_of_files() -> None:
    found = (
        *(Finding(f"a{n}", 1, 1, "warning", "GS202", "w") for n in range(30)),
        Finding("z", 1, 1, "error", "GS301", "e"),
    )

    assert report_findings("github", found).startswith("::error file=z,")


def test_sarif_keeps_the_heaviest_and_says_how_many_are_left_out() -> None:
    told = report("sarif", many(0, findings=6_001))
    (run,) = json.loads(told)["runs"]

    check_sarif(told)
    assert 5_000 == len(run["results"])
    assert 3_000 == sum(each["level"] == "error" for each in run["results"])
    (note,) = run["invocations"][0]["toolExecutionNotifications"]
    assert "1001 further findings are left out" == note["message"]["text"]


def test_text_and_page_count_what_they_do_not_show() -> None:
    planned = many(5_100, fields=30, findings=300)
    text, page = report("text", planned), report("html", planned)

    assert "... and 5050 more changed" in text
    assert "... and 25 more" in text
    assert "... and 100 more" in text
    assert "and 100 more" in page


def test_json_has_everything() -> None:
    planned = many(3_000, fields=30, findings=300)
    told = json.loads(report("json", planned))

    assert 3_000 == len(told["collections"][VS]["changes"])
    assert {30} == {len(each["fields"]) for each in told["collections"][VS]["changes"]}
    assert 300 == len(told["findings"])


@pytest.mark.parametrize("name", ["gitlab", "sarif", "json"])
def test_a_finding_is_known_again_after_lines_were_put_above_it(name: str) -> None:
    def known(line: int) -> list[str]:
        found = tuple(
            Finding("a.yaml", line + n, 3, "error", "GS304", f"also at b.yaml:{line}")
            for n in (0, 7)
        )
        planned = replace(RICH, new=found, old=(), guards=(), fixed=(), collections=())
        told = report(name, planned)
        return re.findall(r'"(?:fingerprint|gitsourceFinding/v1)": "([0-9a-f]{64})"', told)

    assert known(1) == known(40)
    assert 2 == len({*known(1)})


def test_old_warnings_are_counted_unless_asked_for_and_old_errors_always_told() -> None:
    error = Finding("o.yaml", 1, 1, "error", "GS301", "still broken")
    planned = replace(RICH, old=(*RICH.old, error))

    for name in ("text", "markdown", "html", "github", "junit"):
        told, whole = (report(name, planned, show_old=each) for each in (False, True))
        assert "no such gateway" not in told.replace("&#x27;", "'"), name
        assert "no such gateway" in whole, name
        assert "still broken" in told, name
    assert "1 old warning not shown" in report("text", planned)
    for name in ("json", "gitlab", "sarif"):
        assert "no such gateway" in report(name, planned), name


def test_platforms_that_compare_by_themselves_are_not_told_what_is_fixed_or_suppressed() -> None:
    for name in ("gitlab", "sarif"):
        told = report(name, RICH)
        assert "GS304" not in told, name
        assert "GS202" not in told, name
        assert "GS402" in told, name


@pytest.mark.parametrize("name", FORMATS)
def test_a_message_near_what_a_sink_takes_is_told_once_in_every_format(name: str) -> None:
    large = CollectionPlan(VS, "a", "b", 1, 1, many(1).collections[0].changes, 3_900_000, 5)
    told = report(name, replace(CLEAN, collections=(large,), notes=()))
    small = report(name, replace(CLEAN, collections=(replace(large, full_bytes=9),), notes=()))

    assert 1 == told.count("near the 4.0 MiB")
    assert "near the" not in small


def test_a_comment_counts_what_it_does_not_name_by_collection_and_kind() -> None:
    of_one = many(4_000).collections[0]
    gone = tuple(replace(each, what="removed", fields=()) for each in of_one.changes[:2_500])
    other = replace(of_one, name="acme/v1/flags", changes=(*gone, *of_one.changes[2_500:]))
    told = report("markdown", replace(CLEAN, collections=(of_one, other)))
    left = told.partition("Left out")[2]
    more = re.search(r"^\* and ([\d,]+) more:$", left, re.MULTILINE)
    assert more is not None
    counts = dict(re.findall(r"^  \* `(.*)`: (.*)$", left, re.MULTILINE))

    assert "1,500 changed, 2,500 removed" == counts["acme/v1/flags"]
    assert {VS, "acme/v1/flags"} == counts.keys()
    assert int(more[1].replace(",", "")) == sum(
        int(number.replace(",", ""))
        for kinds in counts.values()
        for number in re.findall(r"\d[\d,]*", kinds)
    )
    assert units(told) < 65_536


def test_a_comment_counts_findings_that_it_does_not_have_by_their_codes() -> None:
    told = report("markdown", many(0, text="x" * 300, findings=3_000))

    assert re.search(r"^\* and 2,\d{3} more: 2,\d{3} of `GS301`$", told, re.MULTILINE)


def test_a_comment_lists_what_comes_and_goes() -> None:
    """Of those there is nothing to unfold, so that each is one line and no paragraph."""
    of_one = many(36).collections[0]
    came = tuple(
        replace(each, what="added", fields=(), version_before="") for each in of_one.changes
    )
    told = report("markdown", replace(CLEAN, collections=(replace(of_one, changes=came),)))

    assert 36 == len(re.findall(r"^\* added `shop/r\d+` in `f`$", told, re.MULTILINE))
    assert "<p>" not in told
