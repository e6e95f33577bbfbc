"""How a report is to look: what the one who asks may choose."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Look:
    """What every format is told beside the plan."""

    colour: bool = False
    """Whether colours reach somebody who sees them."""
    show_old: bool = False
    """Whether also those warnings are told that the base has already."""
    width: int = 80
    """Columns of the reader's terminal."""
