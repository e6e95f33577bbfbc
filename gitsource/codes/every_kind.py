"""Istio's rules for every kind (CMN): what each is called, and what to do."""

from __future__ import annotations

from gitsource.codes.code import Code, table

ROWS = table(
    Code(
        "CMN-06",
        "error",
        "dry-run annotation on another kind",
        "remove istio.io/dry-run: only AuthorizationPolicy has a dry run",
    ),
    Code(
        "CMN-07",
        "error",
        "annotation that asks to be refused",
        "remove internal.istio.io/webhook-always-reject",
    ),
    Code(
        "CMN-08",
        "error",
        "annotation of Istio's own: parent namespace",
        "remove internal.istio.io/parent-namespace",
    ),
    Code(
        "CMN-09",
        "error",
        "annotation of Istio's own: parents",
        "remove internal.istio.io/parents",
    ),
)
