"""
What the admin door needs from the program behind it.

Rule: admin decides nothing about revisions and sinks; it asks these callables, which app passes in.
They raise `GitsourceError`s, whose fault and hint reach the caller.
"""

from __future__ import annotations

from typing import Any, Protocol


class Operations(Protocol):
    """Everything an operator may ask; docs/operations.md tells what is in each answer."""

    async def status(self) -> dict[str, Any]:
        """Return how things stand."""

    async def wait(self, revision: str, sinks: int, timeout: float) -> dict[str, Any]:  # noqa: ASYNC109 - the caller's own bound
        """Return when the connected sinks, at least *sinks*, have accepted *revision*."""

    async def snapshot(self, collection: str, after: str) -> dict[str, Any]:
        """Return the versions of what is served and to whom, or of a *collection*'s resources."""

    async def sinks(self) -> dict[str, Any]:
        """Return the open streams, and what was refused lately."""

    async def sink(self, name: str, *, bodies: bool) -> dict[str, Any]:
        """Return what one sink was sent and has accepted."""

    async def webhooks(self) -> dict[str, Any]:
        """Return the webhook deliveries of late."""

    async def webhook(self, name: str) -> dict[str, Any]:
        """Return one webhook delivery."""

    async def history(self) -> dict[str, Any]:
        """Return what looks at revisions came to, the newest first."""

    async def explain(self, commit: str) -> dict[str, Any]:
        """Return why *commit* did or did not go out."""

    async def retry(self, sink: str, reason: str, who: str) -> dict[str, Any]:
        """Send a sink again what it refused."""

    async def sync(self, reason: str, timeout: float) -> dict[str, Any]:  # noqa: ASYNC109 - the caller's own bound
        """Look at the repository now; return what that came to, and who has accepted it."""

    async def pin(self, revision: str, reason: str, who: str) -> dict[str, Any]:
        """Serve *revision* (empty: the one before) until `unpin`."""

    async def rollback(self, revision: str, reason: str, who: str) -> dict[str, Any]:
        """Do as `pin`: the word for going back."""

    async def unpin(self, reason: str, who: str) -> dict[str, Any]:
        """Release the pin."""

    async def allow(self, revision: str, reason: str, who: str) -> dict[str, Any]:
        """Let a held revision out that only wants a confirmation."""

    async def suspend(self, reason: str, who: str) -> dict[str, Any]:
        """Look for no new revisions."""

    async def resume(self, reason: str, who: str) -> dict[str, Any]:
        """Look for new revisions again."""


class Metrics(Protocol):
    """What can be scraped."""

    def render(self) -> bytes:
        """Return all metrics in Prometheus' text format."""
