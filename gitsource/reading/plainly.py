"""
The short way from bytes to documents, for files in which there is nothing to tell.

Rule: this reads what `constructor` would read, value for value, or it says None and the file is
read again, with care. So it knows no flaws and no places: anything that might be one (a key twice,
an anchor, a doubtful scalar, a limit, a syntax error) ends it.
"""

from __future__ import annotations

from typing import Any

from gitsource.model import Document
from gitsource.reading.constructor import Limits
from gitsource.reading.library import END, Source, library
from gitsource.reading.readers import DEEPEST, plain_text


def plainly(data: bytes, limits: Limits, *, lists: bool = False) -> list[Document] | None:
    """Return the documents of the YAML *data*; None if it has to be read with care."""
    # NB: each value takes a byte at least, so no file of this size has too many.
    if len(data) > limits.nodes or not plain_text(data):
        return None
    lib = library()
    source = Source(data)
    documents: list[Document] = []
    try:
        next_event = lib.CParser(source).get_event
        next_event()  # the start of the stream
        while type(started := next_event()) is not lib.StreamEndEvent:
            index = len(documents)
            if index >= limits.documents or started.version is not None:
                return None
            source.line = None
            root = next_event()
            kind = type(root)
            if kind is not dict and not (kind is list and lists):
                return None
            if not _filled(root, next_event, min(limits.depth, DEEPEST)) or source.unusual:
                return None
            next_event()  # the end of the document
            documents.append(Document(root, index, (source.line or 0) + 1))
    except lib.YAMLError:
        return None
    return documents


def _filled(root: Any, next_event: Any, depth: int) -> bool:  # noqa: C901, PLR0912  # hot: one piece
    """Read into *root*, an empty mapping or list, until it is complete; say whether it could be."""
    end = END
    boxes: list[Any] = []
    box = root
    if depth < 1:
        return False
    while True:
        if type(box) is dict:
            while (key := next_event()) is not end:
                if type(key) is not str or key in box:
                    return False
                value = box[key] = next_event()
                kind = type(value)
                if kind is dict or kind is list:
                    break
            else:
                value = end
        else:
            append = box.append
            while (value := next_event()) is not end:
                append(value)
                kind = type(value)
                if kind is dict or kind is list:
                    break
        if value is end:
            if not boxes:
                return True
            box = boxes.pop()
        else:
            boxes.append(box)
            if len(boxes) >= depth:
                return False
            box = value
