"""
`gitsource export` and `gitsource import`: a snapshot as a file, out of here and into another place.

Rule: translation, and the files themselves. A file is written whole or not at all, for its owner
alone; key material goes into one only if that is asked for. What is imported is proved first, and
nothing is written before that.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from gitsource.errors import ConfigurationError

if TYPE_CHECKING:
    from gitsource.model import Snapshot
    from gitsource.snapshot.exported import Seal


def opened(file: Path) -> tuple[Snapshot, Seal]:
    """Return the snapshot in *file*, proved; raises ConfigurationError."""
    from gitsource.encode.resource import proved
    from gitsource.snapshot.exported import read

    try:
        if not file.is_file():
            raise ConfigurationError(f"{file} is no file")
        with file.open("rb") as source:
            return read(source, proved)
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be read: {error.strerror}") from error
    except ConfigurationError as error:
        raise ConfigurationError(f"{file}: {error}", hint=error.hint) from error
