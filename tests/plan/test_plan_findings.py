"""New, mended or old: findings of two revisions held against each other."""

from __future__ import annotations

from dataclasses import replace

from gitsource.model import Finding
from gitsource.plan.findings import compared

ONE = Finding("a.yaml", 3, 5, "error", "GS301", "no such field", "VirtualService/shop/web")


def names(found) -> tuple[list[str], list[str], list[str]]:
    """Return files and lines of what is new, fixed and old."""
    return tuple(  # type: ignore[return-value]
        [f"{each.file}:{each.line}" for each in some]
        for some in (found.new, found.fixed, found.old)
    )


def test_what_is_on_one_side_alone_is_new_or_mended() -> None:
    other = replace(ONE, message="another")

    assert (["a.yaml:3"], [], []) == names(compared([], [ONE], {}))
    assert ([], ["a.yaml:3"], []) == names(compared([ONE], [], {}))
    assert (["a.yaml:3"], ["a.yaml:3"], []) == names(compared([ONE], [other], {}))


def test_a_finding_whose_line_moved_is_old_and_told_where_it_stands_now() -> None:
    assert ([], [], ["a.yaml:9"]) == names(compared([ONE], [replace(ONE, line=9, column=1)], {}))


def test_a_second_one_of_a_kind_is_new() -> None:
    """The one that stands where it stood is the old one."""
    found = compared([ONE], [replace(ONE, line=1), ONE], {})

    assert (["a.yaml:1"], [], ["a.yaml:3"]) == names(found)


def test_findings_of_a_renamed_file_are_old() -> None:
    bare = replace(ONE, resource="")

    found = compared([ONE, bare], [replace(ONE, file="b.yaml"), replace(bare, file="b.yaml")],
                     {"a.yaml": "b.yaml"}, {"b.yaml"}, {"a.yaml"})  # fmt: skip

    assert ([], [], ["b.yaml:3", "b.yaml:3"]) == names(found)


def test_a_message_that_names_a_renamed_file_says_the_same() -> None:
    said = "Gateway shop/web (a.yaml) serves this host too"
    before = replace(ONE, file="x.yaml", message=said)
    after = replace(before, message=said.replace("a.yaml", "b/a.yaml"))

    assert ([], [], ["x.yaml:3"]) == names(compared([before], [after], {"a.yaml": "b/a.yaml"}))


def test_a_message_that_names_another_line_says_the_same() -> None:
    said = "VirtualService shop/web is defined twice: also at a.yaml:{}; keep one of them"
    before, after = (replace(ONE, file="b.yaml", message=said.format(n)) for n in (1, 12))

    assert ([], [], ["b.yaml:3"]) == names(compared([before], [after], {}))


def test_another_number_in_a_message_says_something_else() -> None:
    before, after = (replace(ONE, message=f"port {n} is taken") for n in (1, 12))

    assert (["a.yaml:3"], ["a.yaml:3"], []) == names(compared([before], [after], {}))


def test_a_resource_that_moved_to_a_new_file_keeps_its_findings() -> None:
    after = replace(ONE, file="new.yaml")

    assert ([], [], ["new.yaml:3"]) == names(
        compared([ONE], [after], {}, came={"new.yaml"}, went={"a.yaml"})
    )
    assert (["new.yaml:3"], ["a.yaml:3"], []) == names(compared([ONE], [after], {}))


def test_a_warning_that_became_an_error_is_new() -> None:
    assert (["a.yaml:3"], ["a.yaml:3"], []) == names(
        compared([replace(ONE, severity="warning")], [ONE], {})
    )
    assert (["a.yaml:3"], ["a.yaml:3"], []) == names(
        compared([replace(ONE, suppressed=True)], [ONE], {})
    )
