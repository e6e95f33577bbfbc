"""Istio's rules for ProxyConfig (PC): what each is called, and what to do."""

from __future__ import annotations

from gitsource.codes.code import table

ROWS = table()
