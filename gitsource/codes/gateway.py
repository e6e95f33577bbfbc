"""Istio's rules for Gateway and the TLS of servers (GW): what each is called, and what to do."""

from __future__ import annotations

from gitsource.codes.code import table

ROWS = table()
