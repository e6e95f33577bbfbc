"""Istio's rules for Sidecar (SC): what each is called, and what to do."""

from __future__ import annotations

from gitsource.codes.code import table

ROWS = table()
