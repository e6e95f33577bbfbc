"""
What a row of the table is, and how it is printed and kept.

Rule: a value is never dropped. A row shows the median and the worst of all its values, each floor
the median of its own, and a ratio is median over median.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

UNITS = {"s": (1, "s"), "ms": (1000, "ms"), "MB": (1e-6, "MB"), "KB": (1e-3, "KB")}


@dataclass
class Floor:
    """A yardstick that was measured beside a row."""

    name: str
    limit: float | None = None
    """Largest ratio of the row to it that is wanted, if one is."""
    values: list[float] = field(default_factory=list)


@dataclass
class Row:
    """One line of the table."""

    name: str
    title: str
    size: int
    """Resources in the repository."""
    unit: str
    target: float | None = None
    """What is wanted, in seconds or bytes; None: shown for comparison."""
    floors: list[Floor] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    """Seconds or bytes."""
    notes: dict[str, Any] = field(default_factory=dict)

    @property
    def median(self) -> float:
        """The middle one of all values."""
        return statistics.median(self.values)

    @property
    def met(self) -> bool | None:
        """Whether the median keeps the target and each floor's limit; None: there is neither."""
        wanted = [self.target is None or self.median <= self.target]
        wanted += [self.ratio(one) <= one.limit for one in self.floors if one.limit is not None]
        if self.target is None and len(wanted) == 1:
            return None
        return all(wanted)

    def ratio(self, floor: Floor) -> float:
        """Return how many times *floor* this row takes."""
        return self.median / statistics.median(floor.values)

    def cells(self) -> list[str]:
        """Return what the table shows."""
        floors = []
        for one in self.floors:
            wanted = f" (≤ {one.limit:g})" if one.limit is not None else ""
            middle = self._shown(statistics.median(one.values))
            floors.append(f"{self.ratio(one):.2f}{wanted} of {one.name}, {middle}")
        return [
            f"{self.size:,}".replace(",", " "),
            self.title,
            f"≤ {self._shown(self.target)}" if self.target is not None else "",
            self._shown(self.median),
            self._shown(max(self.values)),
            str(len(self.values)),
            "<br>".join(floors),
            {True: "yes", False: "**no**", None: ""}[self.met],
        ]

    def kept(self) -> dict[str, Any]:
        """Return everything as JSON."""
        return {
            "name": self.name,
            "title": self.title,
            "size": self.size,
            "unit": "bytes" if self.unit in {"MB", "KB"} else "seconds",
            "target": self.target,
            "median": self.median,
            "worst": max(self.values),
            "values": self.values,
            "met": self.met,
            "floors": [
                {
                    "name": one.name,
                    "limit": one.limit,
                    "median": statistics.median(one.values),
                    "ratio": self.ratio(one),
                    "values": one.values,
                }
                for one in self.floors
            ],
            "notes": self.notes,
        }

    def _shown(self, value: float) -> str:
        factor, name = UNITS[self.unit]
        scaled = value * factor
        return f"{scaled:.2f} {name}" if scaled < 10 else f"{scaled:.0f} {name}"


HEAD = ["resources", "row", "target", "median", "worst", "runs", "ratio to the floor", "kept"]


def table(rows: Iterable[Row]) -> str:
    """Return *rows* as a Markdown table."""
    lines = [HEAD, *(row.cells() for row in rows)]
    widths = [max(len(line[at]) for line in lines) for at in range(len(HEAD))]
    texts = [
        "| " + " | ".join(c.ljust(w) for c, w in zip(cells, widths, strict=True)) + " |"
        for cells in lines
    ]
    texts.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(texts)


def load_of_others(seconds: float = 1.0) -> float:
    """Return which part of all cores is busy while this process sleeps: 0 is a quiet machine."""
    before = _ticks()
    time.sleep(seconds)
    after = _ticks()
    total = sum(after) - sum(before)
    idle = after[3] + after[4] - before[3] - before[4]
    return 1 - idle / total if total else 0.0


def when_quiet(patience: float, quiet: float = 0.1) -> float:
    """Return the load of others, once it is below *quiet* or *patience* seconds are over."""
    give_up = time.monotonic() + patience
    while (busy := load_of_others(0.5)) > quiet and time.monotonic() < give_up:
        time.sleep(0.5)
    return busy


def machine() -> dict[str, Any]:
    """Return what the figures were taken on."""
    info = Path("/proc/cpuinfo").read_text()
    model = next((line for line in info.splitlines() if line.startswith("model name")), ":")
    return {
        "cores": os.cpu_count(),
        "cpu": model.partition(":")[2].strip(),
        "kernel": os.uname().release,
        "load_average": os.getloadavg(),
    }


def _ticks() -> list[int]:
    return [int(field) for field in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
