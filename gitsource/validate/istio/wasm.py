"""
Istio's rules for a WebAssembly module in proxies, for both kinds that carry one.

Rule: each check yields its problems under the codes it is given; sizes are in bytes, as in Istio.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from gitsource.model import FieldPath, Problem, shown
from gitsource.validate.istio import urls
from gitsource.validate.istio.subject import Subject, error

SCHEMES = frozenset(("", "file", "http", "https", "oci"))
LONGEST_SECRET = 253
LONGEST_NAME = 256
_SHA256 = re.compile("[0-9a-f]{64}")


def url(codes: tuple[str, str, str], path: FieldPath, text: str) -> Iterator[Problem]:
    """Judge where a module is, under *codes* for a missing, an unreadable and an unusable URL."""
    missing, unreadable, unusable = codes
    if not text:
        yield error(missing, path, "url is missing: say where the module is, such as oci://...")
        return
    try:
        scheme = _scheme(text)
    except urls.NoUrl as flaw:
        yield error(unreadable, path, f"{shown(text)} is no URL: it {flaw}")
        return
    if scheme not in SCHEMES:
        message = (
            f"{shown(text)} has the scheme {shown(scheme)}: begin with oci://, https://, http:// "
            "or file://"
        )
        yield error(unusable, path, message)


def _scheme(text: str) -> str:
    """Return the scheme of *text*, which is a registry's if it is no URL by itself."""
    try:
        scheme = urls.scheme(text, request=True)
    except urls.NoUrl as flaw:
        try:
            scheme = urls.scheme(f"http://{text}", request=True)
        except urls.NoUrl:
            raise flaw from None
        text = f"http://{text}"
    urls.scheme(text)  # a reference may not be readable where a request is, by its fragment
    return scheme


def sha256(code: str, path: FieldPath, text: str) -> Iterator[Problem]:
    """Judge a checksum."""
    if text and not _SHA256.fullmatch(text):
        message = f"{shown(text)} is no SHA-256: write 64 digits, 0-9 and a-f"
        yield error(code, path, message)


def longest(code: str, path: FieldPath, text: str, most: int) -> Iterator[Problem]:
    """Judge that *text* has no more than *most* bytes."""
    size = _bytes(text)
    if size > most:
        yield error(code, path, f"{shown(text)} has {size} bytes: use at most {most}")


def _bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "replace"))


def variables(
    codes: tuple[str, str, str, str], subject: Subject, path: FieldPath, machine: Any
) -> Iterator[Problem]:
    """
    Judge the environment of a virtual machine; the first flaw ends it.

    Under *codes* for a variable without name, a name too long, a name given twice, and a value that
    cannot be.
    """
    unnamed, long, twice, valued = codes
    seen: set[str] = set()
    for index, variable in enumerate(machine.env):
        at = (*path, "env", index)
        name = variable.name
        if not name:
            message = "the variable has no name: write it or remove the entry"
            yield error(unnamed, subject.place((*at, "name")), message)
        elif _bytes(name) > LONGEST_NAME:
            yield from longest(long, (*at, "name"), name, LONGEST_NAME)
        elif name in seen:
            yield error(twice, (*at, "name"), f"{shown(name)} is given twice: keep one")
        elif variable.value_from and variable.value:
            message = f"{shown(name)} is taken from the host: remove value, or valueFrom"
            yield error(valued, (*at, "value"), message)
        else:
            seen.add(name)
            continue
        return


def matches(code: str, subject: Subject, path: FieldPath, selectors: Any) -> Iterator[Problem]:
    """Judge the ports of the traffic that goes through an extension."""
    for index, selector in enumerate(selectors):
        for place, port in enumerate(selector.ports):
            if not 1 <= port.number <= 65535:
                at = subject.place((*path, index, "ports", place, "number"))
                told = f"{port.number} is no port" if at[-1] != place else "the port has no number"
                yield error(code, at, f"{told}: use a number from 1 to 65535")
