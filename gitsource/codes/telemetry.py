"""Istio's rules for Telemetry (TL): what each is called, and what to do."""

from __future__ import annotations

from gitsource.codes.code import Code, table

ROWS = table(
    Code(
        "TL-01",
        "error",
        "more than one way to say what the telemetry applies to",
        "keep one of selector, targetRef and targetRefs",
    ),
    Code(
        "TL-02",
        "error",
        "selector that cannot select",
        "name labels without '*'; leave the selector out to select everything",
        note="A selector without labels is a warning, as in Istio.",
    ),
    Code(
        "TL-03",
        "error",
        "target that nothing can be attached to",
        "write the name of a Service, ServiceEntry, Gateway or GatewayClass with its group, and no "
        "namespace",
    ),
    Code(
        "TL-10",
        "error",
        "provider without a name",
        "name an extension provider of the mesh configuration",
    ),
    Code("TL-11", "error", "override that is null", "write the override or remove it"),
    Code("TL-12", "warning", "override of a tag without a name", "name the tag"),
    Code(
        "TL-13",
        "error",
        "tag without the value it is to have",
        "write value, or operation: REMOVE to have no such tag",
    ),
    Code("TL-14", "error", "value of a tag that is to be removed", "remove value or operation"),
    Code(
        "TL-15",
        "error",
        "match of a custom metric without a name",
        "name the metric, or write metric: ALL_METRICS",
    ),
    Code(
        "TL-20",
        "warning",
        "more than one tracing entry",
        "keep one: Istio follows the first of them only",
    ),
    Code(
        "TL-21",
        "warning",
        "more than one provider of traces",
        "keep one: Istio sends traces to the first of them only",
    ),
    Code(
        "TL-22",
        "error",
        "sampling that is no percentage",
        "write a number from 0 to 100",
    ),
    Code(
        "TL-23",
        "error",
        "custom tag without a name, or null",
        "name the tag and write its value",
    ),
    Code("TL-24", "error", "literal tag without a value", "write literal.value"),
    Code("TL-25", "error", "header tag without a name", "name the header in header.name"),
    Code(
        "TL-26",
        "error",
        "environment tag without a name",
        "name the variable in environment.name",
    ),
    Code(
        "TL-30",
        "error",
        "filter that is not CEL",
        "write an expression such as response.code >= 400",
        note="Names and types are not looked at, as in Istio. An expression that is nested deeper "
        "than our reader goes (32 steps; Istio's goes 250) is taken unread.",
    ),
)
