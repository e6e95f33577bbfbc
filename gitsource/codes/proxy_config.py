"""Istio's rules for ProxyConfig (PC): what each is called, and what to do."""

from __future__ import annotations

from gitsource.codes.code import Code, table

ROWS = table(
    Code(
        "PC-01",
        "error",
        "selector of proxies that selects nothing sound",
        "name labels and values in full: a selector takes neither * nor an empty name",
        note="as in Istio, a selector without labels is a warning",
    ),
    Code(
        "PC-02",
        "error",
        "number of threads below 0",
        "use 0 (one a core) or more",
    ),
)
