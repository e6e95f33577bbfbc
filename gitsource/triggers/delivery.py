"""
A webhook delivery as it came in, and the verdicts there are on one.

Rule: pure, and no input makes it raise. Whoever asks for the payload has checked the signature over
the raw bytes before (`gitsource.triggers.judge` does, and is the only one to ask).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any
from urllib.parse import parse_qsl

JSON_TYPE = "application/json"
FORM_TYPE = "application/x-www-form-urlencoded"

_FORM_FIELDS = 16
_LONGEST_ID = 200


class Verdict(Enum):
    """What became of a delivery: its label in the metrics, the HTTP status and what is answered."""

    ACCEPTED = ("accepted", 202, "looking now")
    SLOWED = ("slowed", 202, "looking soon: more came in than webhook.rate")
    PING = ("ping", 200, "pings are answered and change nothing")
    OTHER_EVENT = ("other_event", 200, "ignored: events of this kind say nothing about the ref")
    OTHER_REF = ("other_ref", 200, "ignored: another ref is followed")
    OTHER_REPOSITORY = ("other_repository", 200, "ignored: another repository is followed")
    DUPLICATE = ("duplicate", 200, "ignored: this delivery was accepted before")
    NOT_JSON = ("not_json", 400, "the body is no JSON object as this event has it")
    UNSIGNED = ("unsigned", 401, "the signature is missing or wrong")
    TOO_SLOW = ("too_slow", 408, "the body took too long")
    TOO_LARGE = ("too_large", 413, "the body is larger than webhook.max_body")
    WRONG_TYPE = ("wrong_type", 415, "send application/json, uncompressed")

    def __init__(self, label: str, status: int, text: str) -> None:
        self.label = label
        self.status = status
        self.text = text


@dataclass(frozen=True, slots=True)
class Delivery:
    """A delivery as it came in."""

    headers: Mapping[str, Sequence[str]]
    """Names in lower case; a header that came twice has two values."""
    body: bytes

    def header(self, name: str) -> str:
        """Return the only value of *name*, empty if there is none, or more than one."""
        values = self.headers.get(name, ())
        return values[0].strip() if len(values) == 1 else ""

    def first(self, *names: str) -> str:
        """Return the value of the first of the headers *names* that has one."""
        return next(filter(None, map(self.header, names)), "")

    def has(self, *names: str) -> bool:
        """Whether any of the headers *names* was sent, with whatever value."""
        return any(name in self.headers for name in names)

    @property
    def content_type(self) -> str:
        """The media type in lower case, without parameters."""
        return self.header("content-type").partition(";")[0].strip().lower()

    @property
    def form(self) -> bool:
        """Whether the body is a form."""
        return self.content_type == FORM_TYPE

    def uncompressed(self) -> bool:
        """Whether the body is what was signed, byte for byte; nothing is ever unpacked."""
        return self.headers.get("content-encoding", ()) in ((), ("identity",))

    def payload_text(self) -> bytes | None:
        """Return the JSON text: the body, or its field ``payload`` if it is a form."""
        if not self.form:
            return self.body
        try:
            fields = parse_qsl(self.body.decode(), max_num_fields=_FORM_FIELDS, strict_parsing=True)
        except ValueError:  # no UTF-8, no form, a form of 1000 fields
            return None
        text = next((value for name, value in fields if name == "payload"), None)
        return None if text is None else text.encode("utf-8", "surrogatepass")


def read_payload(delivery: Delivery) -> dict[str, Any] | None:
    """Return the JSON object that *delivery* carries, None if it carries none."""
    text = delivery.payload_text()
    try:
        payload = json.loads(text) if text is not None else None
    except (ValueError, RecursionError):
        # ValueError: no UTF-8, no JSON, a number of 5000 digits.
        return None
    return payload if isinstance(payload, dict) else None


def usable_id(text: str) -> str:
    """Return *text* if it can serve as the ID of a delivery, else nothing."""
    return text if len(text) <= _LONGEST_ID and text.isprintable() else ""
