"""
Every code a finding can carry, in one table: ours first, then Istio's rules kind by kind.

Rule: all that is told of a code (explain, reports, docs/findings.md) comes from here.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from gitsource.codes import (
    destination_rule,
    envoy_filter,
    every_kind,
    gateway,
    own,
    proxy_config,
    references,
    security,
    service_entry,
    sidecar,
    telemetry,
    virtual_service,
    wasm,
    workloads,
)
from gitsource.codes.code import Code

_MODULES = (
    own,
    references,
    every_kind,
    virtual_service,
    destination_rule,
    gateway,
    service_entry,
    workloads,
    sidecar,
    envoy_filter,
    proxy_config,
    security,
    telemetry,
    wasm,
)

CODES: Mapping[str, Code] = MappingProxyType(
    {code: row for module in _MODULES for code, row in module.ROWS.items()}
)
"""Every code a finding can carry."""
