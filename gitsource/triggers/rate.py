"""
How often something may happen: so many times a minute, and no more than that in one burst.

Rule: pure; time is an argument. What does not fit now is told how long to wait.
"""

from __future__ import annotations


class Rate:
    """*per_minute* turns a minute; as many may be taken at once after a quiet minute."""

    def __init__(self, per_minute: int) -> None:
        self._most = float(per_minute)
        self._left = self._most
        self._at: float | None = None

    def __repr__(self) -> str:
        return f"<Rate {self._left:.1f} of {self._most:.0f} left>"

    def take(self, now: float) -> float:
        """Take a turn at *now*, in seconds; returns 0, or the seconds until there is one."""
        passed = 0.0 if self._at is None else max(0.0, now - self._at)
        self._at = now
        self._left = min(self._most, self._left + passed * self._most / 60.0)
        if self._left >= 1.0:
            self._left -= 1.0
            return 0.0
        return (1.0 - self._left) * 60.0 / self._most
