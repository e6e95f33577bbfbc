"""
What an operator sees of the webhook: the deliveries of late, and a commit that was announced.

Rule: reading only. What is told was chosen when it was noted: no body, no signature, no secret.
"""

from __future__ import annotations

from typing import Any

from gitsource.errors import ConfigurationError
from gitsource.reconcile.outcomes import rfc3339
from gitsource.triggers.announced import Announcements
from gitsource.triggers.ledger import Ledger


class Deliveries:
    """The webhook's answers to operators."""

    def __init__(self, ledger: Ledger, announced: Announcements) -> None:
        self._ledger = ledger
        self._announced = announced

    def rows(self) -> dict[str, Any]:
        """Return the deliveries of late, the newest first."""
        return {"deliveries": [row.as_json() for row in self._ledger.rows()]}

    def show(self, name: str) -> dict[str, Any]:
        """
        Return the newest delivery with the number or the sender's ID *name*.

        Raises ConfigurationError if none is remembered.
        """
        row = self._ledger.find(name)
        if row is None:
            raise ConfigurationError(
                f"no delivery {name} is remembered",
                hint="`gitsource webhook list` shows those of late",
            )
        return row.as_json()

    def announced(self) -> dict[str, Any] | None:
        """Return what was announced and is not there yet, or was not found at all."""
        return self._announced.status(rfc3339)

    @property
    def missing(self) -> bool:
        """Whether a commit that was announced was looked for in vain."""
        last = self._announced.last
        return last is not None and last.missing
