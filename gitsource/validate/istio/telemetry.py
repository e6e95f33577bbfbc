"""
Istio's rules for Telemetry: metrics, traces and access logs, and who gets them.

Rule: which module of the mesh a provider's name belongs to is not known here, so a name is enough.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gitsource.model import FieldPath, Problem, shown
from gitsource.validate.istio import cel_text, policies
from gitsource.validate.istio.subject import SPEC, Subject, error, warning

NULLS = {
    "metrics.*.overrides.*": "TL-11",
    "metrics.*.overrides.*.tagOverrides.*": "TL-11",
    "tracing.*.customTags.*": "TL-23",
    "metrics.*.providers.*": "TL-10",
    "tracing.*.providers.*": "TL-10",
    "accessLogging.*.providers.*": "TL-10",
}
UPSERT, REMOVE = range(2)
MOST_CEL = 200_000
"""Characters of expressions that are read of one document; the rest is taken as it is."""
_NEEDED = {
    "literal": ("TL-24", "value", "the literal has no value: write it, or remove the tag"),
    "header": ("TL-25", "name", "the header has no name: write the one that is copied"),
    "environment": ("TL-26", "name", "the variable has no name: write the one that is copied"),
}
"""Type of a custom tag → the field it has to have, and what is told if it has not."""


def check(subject: Subject) -> Iterator[Problem]:
    """Yield what is wrong with a Telemetry."""
    spec = subject.spec
    yield from policies.applies_to(("TL-01", "TL-02", "TL-03"), subject)
    for index, entry in enumerate(spec.metrics):
        yield from _metrics(subject, (*SPEC, "metrics", index), entry)
    if len(spec.tracing) > 1:
        message = f"{len(spec.tracing)} entries for tracing: keep one, Istio follows no other"
        yield warning("TL-20", (*SPEC, "tracing"), message)
    for index, entry in enumerate(spec.tracing):
        yield from _tracing(subject, (*SPEC, "tracing", index), entry)
    read = 0
    for index, entry in enumerate(spec.access_logging):
        at = (*SPEC, "accessLogging", index)
        yield from _providers(subject, at, entry)
        read += len(entry.filter.expression)
        if entry.HasField("filter") and read <= MOST_CEL:
            yield from _filter(subject, (*at, "filter"), entry.filter.expression)


def _providers(subject: Subject, path: FieldPath, entry: Any) -> Iterator[Problem]:
    for index, provider in enumerate(entry.providers):
        if not provider.name:
            at = subject.place((*path, "providers", index, "name"))
            yield error("TL-10", at, "the provider has no name: name one of the mesh's own")


def _metrics(subject: Subject, path: FieldPath, entry: Any) -> Iterator[Problem]:
    yield from _providers(subject, path, entry)
    for index, override in enumerate(entry.overrides):
        at = (*path, "overrides", index)
        for name in sorted(override.tag_overrides):
            tag = (*at, "tagOverrides", name)
            yield from _tag_override(subject, tag, override.tag_overrides[name])
        match = override.match
        if match.WhichOneof("metric_match") == "custom_metric" and not match.custom_metric:
            message = "customMetric is empty: name the metric, or write metric: ALL_METRICS"
            yield error("TL-15", (*at, "match", "customMetric"), message)


def _tag_override(subject: Subject, path: FieldPath, change: Any) -> Iterator[Problem]:
    if not path[-1]:
        yield warning("TL-12", path, "the tag has no name: name it", at_key=True)
    if change.operation == UPSERT and not change.value:
        message = f"the tag {shown(path[-1])} has no value: write one, or operation: REMOVE"
        yield error("TL-13", subject.place((*path, "value")), message)
    elif change.operation == REMOVE and change.value:
        message = f"the tag {shown(path[-1])} is to be removed: remove its value, or operation"
        yield error("TL-14", (*path, "value"), message)


def _tracing(subject: Subject, path: FieldPath, entry: Any) -> Iterator[Problem]:
    if len(entry.providers) > 1:
        message = f"{len(entry.providers)} providers for traces: keep one, Istio uses no other"
        yield warning("TL-21", (*path, "providers"), message)
    yield from _providers(subject, path, entry)
    share = entry.random_sampling_percentage.value
    if share < 0 or share > 100:
        at = (*path, "randomSamplingPercentage")
        yield error("TL-22", at, f"{share:g} is no percentage: use a number from 0 to 100")
    for name in sorted(entry.custom_tags):
        yield from _custom_tag(subject, (*path, "customTags", name), entry.custom_tags[name])


def _custom_tag(subject: Subject, path: FieldPath, tag: Any) -> Iterator[Problem]:
    if not path[-1]:
        yield error("TL-23", path, "the tag has no name: name it", at_key=True)
    kind = tag.WhichOneof("type")
    if kind in _NEEDED:
        code, name, message = _NEEDED[kind]
        if not getattr(getattr(tag, kind), name):
            yield error(code, subject.place((*path, kind, name)), message)


def _filter(subject: Subject, path: FieldPath, text: str) -> Iterator[Problem]:
    flaw = cel_text.flaw(text)
    if flaw:
        at = subject.place((*path, "expression"))
        yield error("TL-30", at, f"{shown(text)} is not CEL: {flaw}")
