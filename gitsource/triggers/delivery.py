"""
What a webhook delivery says, and whether whoever sent it knows the secret.

Rule: nothing of a body is looked at before its signature over the raw bytes stands, and then it is
only a hint: it may say which ref moved, so that other refs can be ignored. What is fetched, and
from where, never comes from it. Pure: headers and bytes in, a verdict out; no input makes it raise.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any
from urllib.parse import parse_qsl

SIGNATURES = ("x-hub-signature-256", "x-signature")
"""GitHub's header (Gitea and Forgejo send it too) and the generic one; both ``sha256=<hex>``."""

JSON_TYPE = "application/json"
FORM_TYPE = "application/x-www-form-urlencoded"

_FORM_FIELDS = 16
_LONGEST_ID = 200


class Verdict(Enum):
    """What became of a delivery: its label in the metrics, the HTTP status and what is answered."""

    ACCEPTED = ("accepted", 202, "looking now")
    PING = ("ping", 200, "the signature is right; pings are ignored")
    OTHER_EVENT = ("other_event", 200, "ignored: events of this kind say nothing about the ref")
    OTHER_REF = ("other_ref", 200, "ignored: another ref is followed")
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
        return values[0] if len(values) == 1 else ""

    @property
    def content_type(self) -> str:
        """The media type in lower case, without parameters."""
        return self.header("content-type").partition(";")[0].strip().lower()

    @property
    def event(self) -> str:
        """GitHub's name of the event; empty for the generic form."""
        return self.header("x-github-event")

    @property
    def id(self) -> str:
        """The sender's ID of the delivery, the same when it is sent again; empty if unknown."""
        found = self.header("x-github-delivery") or self.header("x-delivery-id")
        return found if len(found) <= _LONGEST_ID else ""


def acceptable_type(delivery: Delivery) -> bool:
    """Whether the body is JSON, or the form that GitHub sends by default; never compressed."""
    if delivery.headers.get("content-encoding", ()) not in ((), ("identity",)):
        return False
    form = delivery.content_type == FORM_TYPE and bool(delivery.event)
    return form or delivery.content_type == JSON_TYPE


def signed(delivery: Delivery, secrets: Iterable[bytes]) -> bool:
    """
    Whether a signature header matches the raw body under one of *secrets*.

    Every secret is tried and compared in constant time, so the answer's time tells nothing of them.
    """
    given = next((delivery.headers[name] for name in SIGNATURES if name in delivery.headers), ())
    if len(given) != 1:
        return False
    signature = given[0].strip().encode("utf-8", "surrogateescape")
    found = False
    for secret in secrets:
        wanted = b"sha256=" + hmac.new(secret, delivery.body, hashlib.sha256).hexdigest().encode()
        found |= hmac.compare_digest(signature, wanted)
    return found


def judge(delivery: Delivery, secrets: Iterable[bytes], ref: str) -> Verdict:
    """Return what becomes of *delivery* where the full ref name *ref* is followed."""
    if not acceptable_type(delivery):
        return Verdict.WRONG_TYPE
    if not signed(delivery, secrets):
        return Verdict.UNSIGNED
    payload = read_payload(delivery)
    if payload is None:
        return Verdict.NOT_JSON
    return judge_payload(delivery.event, payload, ref)


def read_payload(delivery: Delivery) -> dict[str, Any] | None:
    """Return the JSON object that *delivery* carries, None if it carries none."""
    try:
        text: bytes | str = delivery.body
        if delivery.content_type == FORM_TYPE:
            fields = parse_qsl(
                delivery.body.decode(), max_num_fields=_FORM_FIELDS, strict_parsing=True
            )
            text = next(value for name, value in fields if name == "payload")
        payload = json.loads(text)
    except (ValueError, RecursionError, StopIteration):
        # ValueError: no UTF-8, no JSON, a number of 5000 digits, a form of 1000 fields.
        return None
    return payload if isinstance(payload, dict) else None


def judge_payload(event: str, payload: Mapping[str, Any], ref: str) -> Verdict:
    """Return what a *payload* whose signature stands means for the followed *ref*."""
    if event == "ping":
        return Verdict.PING
    if event == "pull_request":
        return _judge_merge(payload, ref)
    if event not in ("", "push"):
        return Verdict.OTHER_EVENT
    moved = payload.get("ref")
    if not isinstance(moved, str):
        return Verdict.ACCEPTED  # the payload is only a hint: without one, looking tells
    return Verdict.ACCEPTED if _same_ref(moved, ref) else Verdict.OTHER_REF


def _judge_merge(payload: Mapping[str, Any], ref: str) -> Verdict:
    """A merged pull request moved its base branch; what else happens to one moves nothing."""
    request = payload.get("pull_request")
    base = request.get("base") if isinstance(request, dict) else None
    moved = base.get("ref") if isinstance(base, dict) else None
    merged = isinstance(request, dict) and request.get("merged") is True
    if payload.get("action") != "closed" or not merged:
        return Verdict.OTHER_EVENT
    if not isinstance(moved, str):
        return Verdict.ACCEPTED
    return Verdict.ACCEPTED if _same_ref(moved, ref) else Verdict.OTHER_REF


def _same_ref(told: str, ref: str) -> bool:
    return ref == "HEAD" or (told if told.startswith("refs/") else f"refs/heads/{told}") == ref


class Seen:
    """
    The delivery IDs accepted last, so that one sent again is not looked at again.

    A convenience, not a defence: the ID is not signed, and a look too many costs one fetch.
    """

    def __init__(self, most: int = 4096) -> None:
        self._most = most
        self._ids: OrderedDict[str, None] = OrderedDict()

    def __contains__(self, delivery_id: str) -> bool:
        return delivery_id in self._ids

    def __len__(self) -> int:
        return len(self._ids)

    def add(self, delivery_id: str) -> None:
        """Remember *delivery_id*, forgetting the oldest one if there are too many."""
        if delivery_id:
            self._ids[delivery_id] = None
            self._ids.move_to_end(delivery_id)
        while len(self._ids) > self._most:
            self._ids.popitem(last=False)
