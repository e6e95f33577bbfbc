"""Istio's rules for EnvoyFilter (EF): what each is called, and what to do."""

from __future__ import annotations

from gitsource.codes.code import table

ROWS = table()
