"""Istio's rules for workloads by themselves (WE, WG): what each is called, and what to do."""

from __future__ import annotations

from gitsource.codes.code import table

ROWS = table()
