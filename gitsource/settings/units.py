"""
In what settings are written: durations, sizes, addresses, paths, lists.

Rule: a unit is a type of its own, so that no setting can be read as another. How a text
becomes one is in `gitsource.declarations`.
"""

from __future__ import annotations

from typing import Literal, NewType, TypeAlias

Seconds = NewType("Seconds", float)
"""Written ``500ms``, ``30s``, ``5m``, ``1h`` or a plain number of seconds."""
Bytes = NewType("Bytes", int)
"""Written ``512KiB``, ``4MiB``, ``1GiB`` or a plain number of bytes."""
Address = NewType("Address", str)
"""``host:port``; an IPv6 host in brackets; port 0 takes any free one."""
Door = NewType("Door", str)
"""The same, or ``unix:`` and the absolute path of a Unix socket."""
FilePath = NewType("FilePath", str)
"""A path on this machine; a relative one in the config file counts from that file's folder."""
FilePaths = NewType("FilePaths", tuple[str, ...])
"""A list of such paths; as one text they are separated by commas."""
Share = NewType("Share", float)
"""A part of a whole: ``0.5`` or ``50%``."""
Words = NewType("Words", tuple[str, ...])
"""A list of texts; in a flag or a variable separated by commas."""
Globs = NewType("Globs", tuple[tuple[str, str], ...])
"""A mapping of keys to globs: `*` any text, `?` any character, `[ab]` one of them."""
Severity: TypeAlias = Literal["warning", "error", "off"]
"""What a finding counts as; `off`: it is not made."""
Severities = NewType("Severities", tuple[tuple[str, Severity], ...])
"""A mapping of codes to severities; in a flag or a variable ``GS403=error,GS412=off``."""
