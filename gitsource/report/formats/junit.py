"""
Plans and findings as JUnit's XML: what CIs show as test results.

Rule: an error is a failed test, a warning a passed one that has said something, what is let alone a
skipped one. A test's name does not have its line, so that a CI knows it again. There is always one
test: some CIs take a report without any for a failure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from xml.etree import ElementTree as ET

from gitsource.model import Finding
from gitsource.plan.values import CollectionPlan, Plan
from gitsource.report.formats import words
from gitsource.report.formats.harmless import harmless, place
from gitsource.report.formats.look import Look
from gitsource.report.formats.told import Told, of_base, of_head, plain

MOST_NAMES = 200
"""Resources of a collection that are named; the rest is counted."""


def plan(planned: Plan, look: Look) -> str:
    """Return the findings, guards and collections of *planned* as suites of tests."""
    head = of_head(planned, look)
    found = [each for each in head if each.state != "guard"]
    guards = [each for each in head if each.state == "guard"]
    root = ET.Element("testsuites", name="gitsource dry-run")
    _suite(root, "findings", [*found, *of_base(planned)], "every file is valid")
    _suite(root, "guards", guards, "no guard would hold the revision")
    pushes = ET.SubElement(root, "testsuite", name="push plan")
    for collection in planned.collections:
        case = ET.SubElement(pushes, "testcase", classname="push plan")
        case.set("name", harmless(collection.name))
        warned = [f"warning: {told}" for of, told in words.large(planned) if of is collection]
        ET.SubElement(case, "system-out").text = "\n".join((*warned, *_pushed(collection)))
    for each in planned.no_effect[:MOST_NAMES]:
        case = ET.SubElement(pushes, "testcase", classname="without effect")
        case.set("name", harmless(f"{each.what} {each.name}"))
        told = f"overridden by layer {each.by} at {each.by_file}:{each.by_line}"
        ET.SubElement(case, "system-out").text = harmless(told)
    if not planned.collections:
        ET.SubElement(pushes, "testcase", classname="push plan", name="nothing would be pushed")
    return _written(root)


def findings(found: Sequence[Finding], files: int, _look: Look) -> str:
    """Return what was found in *files* files as one suite of tests."""
    root = ET.Element("testsuites", name="gitsource validate")
    _suite(root, "findings", plain(found), f"{words.count(files, 'file')} without findings")
    return _written(root)


def _suite(root: ET.Element, name: str, told: Sequence[Told], otherwise: str) -> None:
    suite = ET.SubElement(root, "testsuite", name=name)
    named: Counter[str] = Counter()
    for each in told:
        found = each.finding
        file = harmless(found.file) or "the revision"
        title = f"{found.code} {harmless(found.resource) or file}"
        named[f"{file} {title}"] += 1
        again = named[f"{file} {title}"]
        case = ET.SubElement(suite, "testcase", classname=file)
        case.set("name", title if again == 1 else f"{title} ({again})")
        if found.file and not each.elsewhere:
            case.set("file", file)
        if found.line and not each.elsewhere:
            case.set("line", str(found.line))
        _outcome(case, each)
    if not told:
        ET.SubElement(suite, "testcase", classname=name, name=otherwise)


def _outcome(case: ET.Element, told: Told) -> None:
    found = told.finding
    message = harmless(found.message)
    whole = f"{place(found)}: {found.severity} {found.code}: {message}"
    if told.state == "fixed":
        ET.SubElement(case, "system-out").text = f"fixed: {whole}"
    elif found.suppressed:
        ET.SubElement(case, "skipped", message=message)
    elif found.severity == "error":
        failure = ET.SubElement(case, "failure", message=message, type=found.code)
        failure.text = whole
    else:
        ET.SubElement(case, "system-out").text = whole


def _pushed(collection: CollectionPlan) -> Iterable[str]:
    yield words.step(collection.version_before, collection.version_after)
    yield f"{collection.count_before} -> {collection.count_after} resources"
    for each in collection.changes[:MOST_NAMES]:
        was = f" (was {harmless(each.before)})" if each.before else ""
        yield f"{words.SIGNS[each.what]} {harmless(each.name)}{was}"
    if len(collection.changes) > MOST_NAMES:
        yield f"... and {len(collection.changes) - MOST_NAMES} more"


def _written(root: ET.Element) -> str:
    for suite in (*root.iter("testsuite"), root):
        suite.set("tests", str(len([*suite.iter("testcase")])))
        suite.set("failures", str(len([*suite.iter("failure")])))
        suite.set("errors", "0")
        suite.set("skipped", str(len([*suite.iter("skipped")])))
    ET.indent(root)
    # The declaration says UTF-8, which is what a file of ours is written in.
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}\n'
