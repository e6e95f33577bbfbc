"""
A judged content joined to its path: resources with names, places and create_times, and findings.

Rule: this is the only step that knows the path, so a file that moves is not judged again.
"""

from __future__ import annotations

import re

from gitsource._proto.gitsource.state.v1.state_pb2 import (
    DocumentResult,
    FileResult,
)
from gitsource._proto.gitsource.state.v1.state_pb2 import Finding as FindingMessage
from gitsource.encode.resource import frame
from gitsource.model import Finding, Origin, Resource, TreeEntry
from gitsource.snapshot.build import FileState


def join(
    entry: TreeEntry, birth: int, result: FileResult, called: str = ""
) -> tuple[FileState, list[Finding]]:
    """
    Return what the file at *entry*'s path has become, and its findings with their file.

    *called* is what the file is called wherever it is told of, if not by its path.
    """
    path = called or entry.path
    findings = [_finding(path, message) for message in result.findings]
    resources = []
    for document in result.documents:
        named_by_path = document.named_by_path
        name = _named_after(entry.path) if named_by_path else document.name
        for message in document.findings:
            label = f"{document.kind}/{name}" if named_by_path else message.resource
            findings.append(_finding(path, message, label))
        if named_by_path and not _NAME_FROM_PATH.fullmatch(name):
            findings.append(_unnameable(path, name, document))
        elif document.version:
            wire = frame(name, birth, document.metadata, document.body)
            origin = Origin(path, document.line)
            resource = Resource(name, document.version, wire, origin)
            resources.append((document.collection, resource))
    return FileState(entry.blob, birth, tuple(resources), result.ignored), findings


def _unnameable(path: str, name: str, document: DocumentResult) -> Finding:
    text = (
        f"the resource would be named {name!r} after its file: rename the file, using "
        "letters, digits, '-', '_', '.' and '/'"
    )
    return Finding(path, document.line, 1, "error", "GS303", text, document.kind)


_NAME_FROM_PATH = re.compile(r"[A-Za-z0-9._-]+(?:/[A-Za-z0-9._-]+)*")


def _named_after(path: str) -> str:
    return path[: path.rindex(".")]


def _finding(path: str, message: FindingMessage, resource: str = "") -> Finding:
    return Finding(
        file=path,
        line=message.line,
        column=message.column,
        severity="warning" if message.warning else "error",
        code=message.code,
        message=message.message,
        resource=resource or message.resource,
        suppressed=message.suppressed,
    )
