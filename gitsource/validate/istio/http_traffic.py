"""
Istio's rules for what happens to HTTP requests on the way: retries, faults, mirrors, CORS.

Rule: each function judges one sub-message that is there; `check` asks which are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from http import HTTPStatus
from typing import Any

from gitsource.model import FieldPath, Problem, shown
from gitsource.validate.istio.policies import destination
from gitsource.validate.istio.subject import error, warning
from gitsource.validate.istio.values import duration, is_token, regex

METHODS = frozenset(
    ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "CONNECT", "OPTIONS", "TRACE", "*")
)
GRPC_STATUSES = frozenset(
    (
        *("OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND"),
        *("ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION"),
        *("ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"),
        "UNAUTHENTICATED",
    )
)
RETRY_ON = frozenset(
    (
        *("5xx", "gateway-error", "reset", "reset-before-request", "connect-failure"),
        *("retriable-4xx", "refused-stream", "retriable-status-codes", "retriable-headers"),
        *("envoy-ratelimited", "http3-post-connect-failure"),
        *("cancelled", "deadline-exceeded", "internal", "resource-exhausted", "unavailable"),
    )
)
STATUSES = frozenset(str(status.value) for status in HTTPStatus)
"""The codes that have a name, as Istio's library has them too."""
SMALLEST = 0.0001
"""Percent below which a share cannot be told from none."""


def check(path: FieldPath, route: Any) -> Iterator[Problem]:
    """Judge what *route*, an HTTPRoute at *path*, does to requests beside sending them on."""
    if route.HasField("cors_policy"):
        yield from _cors((*path, "corsPolicy"), route.cors_policy)
    if route.HasField("fault"):
        yield from _fault((*path, "fault"), route.fault)
    if route.HasField("mirror_percent"):
        yield from _mirror_percent((*path, "mirrorPercent"), route.mirror_percent.value)
    if route.HasField("mirror_percentage"):
        yield from _share("VS-55", (*path, "mirrorPercentage"), route.mirror_percentage.value)
    if route.HasField("mirror"):
        yield from destination("VS-53", (*path, "mirror"), route.mirror)
    if route.mirrors:
        yield from _mirrors((*path, "mirrors"), route.mirrors)
    if route.HasField("retries"):
        yield from _retries((*path, "retries"), route.retries)


# --------------------------------------------------------------------------- mirrors


def _mirror_percent(path: FieldPath, value: int) -> Iterator[Problem]:
    if value > 100:
        yield error("VS-54", path, f"{value} is more than 100 percent")
    message = "mirrorPercent is the old form: write mirrorPercentage: {value: …}"
    yield warning("VS-54", path, message)


def _mirrors(path: FieldPath, mirrors: Any) -> Iterator[Problem]:
    for index, mirror in enumerate(mirrors):
        at = (*path, index)
        if not mirror.HasField("destination"):
            yield error("VS-56", at, "the mirror has no destination: name a host to copy to")
            continue
        yield from destination("VS-56", (*at, "destination"), mirror.destination)
        if mirror.HasField("percentage"):
            yield from _share("VS-56", (*at, "percentage"), mirror.percentage.value)


def _share(code: str, path: FieldPath, value: float) -> Iterator[Problem]:
    if value < 0 or value > 100:
        yield error(code, (*path, "value"), f"{value:g} is no percentage: use 0 to 100")


# --------------------------------------------------------------------------- faults


def _fault(path: FieldPath, fault: Any) -> Iterator[Problem]:
    if fault.HasField("abort"):
        yield from _abort((*path, "abort"), fault.abort)
    elif not fault.HasField("delay"):
        yield error("VS-70", path, "the fault does nothing: give it abort or delay")
    if fault.HasField("delay"):
        yield from _delay((*path, "delay"), fault.delay)


def _abort(path: FieldPath, abort: Any) -> Iterator[Problem]:
    yield from _fraction("VS-71", path, abort)
    chosen = abort.WhichOneof("error_type")
    if chosen == "http_status" and not 200 <= abort.http_status <= 600:
        message = f"{abort.http_status} is no status to abort with: use one from 200 to 599"
        yield error("VS-72", (*path, "httpStatus"), message)
    elif chosen == "grpc_status" and abort.grpc_status not in GRPC_STATUSES:
        message = f"{shown(abort.grpc_status)} is no gRPC status: use a name such as UNAVAILABLE"
        yield error("VS-73", (*path, "grpcStatus"), message)
    elif chosen == "http2_error":
        message = "Istio cannot abort with an HTTP/2 error: use httpStatus or grpcStatus"
        yield error("VS-74", (*path, "http2Error"), message)
    elif chosen is None:
        message = (
            "the abort names no error, so nothing is aborted: give it httpStatus or grpcStatus"
        )
        yield warning("VS-75", path, message)


def _delay(path: FieldPath, delay: Any) -> Iterator[Problem]:
    yield from _fraction("VS-71", path, delay)
    if delay.HasField("fixed_delay"):
        yield from duration("VS-76", (*path, "fixedDelay"), delay.fixed_delay)
    elif delay.HasField("exponential_delay"):
        message = "Istio knows no exponential delay: use fixedDelay"
        yield error("VS-77", (*path, "exponentialDelay"), message)


def _fraction(code: str, path: FieldPath, owner: Any) -> Iterator[Problem]:
    if owner.HasField("percentage"):
        value = owner.percentage.value
        if value < 0 or value > 100 or 0 < value < SMALLEST:
            at = (*path, "percentage", "value")
            yield error(code, at, f"{value:g} is no percentage: use 0, or {SMALLEST} to 100")


# --------------------------------------------------------------------------- CORS


def _cors(path: FieldPath, policy: Any) -> Iterator[Problem]:
    for index, origin in enumerate(policy.allow_origins):
        yield from _origin((*path, "allowOrigins", index), origin)
    for index, method in enumerate(policy.allow_methods):
        if method not in METHODS:
            message = f"{shown(method)} is no method: use one such as GET, in capitals, or '*'"
            yield error("VS-62", (*path, "allowMethods", index), message)
    yield from _exposed((*path, "allowHeaders"), policy.allow_headers)
    yield from _exposed((*path, "exposeHeaders"), policy.expose_headers)
    if policy.HasField("max_age"):
        at = (*path, "maxAge")
        yield from duration("VS-64", at, policy.max_age)
        if policy.max_age.nanos > 0:
            yield error("VS-65", at, "maxAge counts whole seconds: leave the fraction out")


def _origin(path: FieldPath, origin: Any) -> Iterator[Problem]:
    chosen = origin.WhichOneof("match_type")
    if chosen is None or not getattr(origin, chosen):
        at = path if chosen is None else (*path, chosen)
        yield error("VS-60", at, "the origin is empty: give it exact, prefix or regex")
    elif chosen == "regex":
        yield from regex("VS-61", (*path, "regex"), origin.regex)


def _exposed(path: FieldPath, names: Sequence[str]) -> Iterator[Problem]:
    for index, name in enumerate(names):
        if not is_token(name):
            message = f"{shown(name)} is no name of a header: use letters, digits and hyphens"
            yield error("VS-63", (*path, index), message)


# --------------------------------------------------------------------------- retries


def _retries(path: FieldPath, retries: Any) -> Iterator[Problem]:
    attempts = retries.attempts
    if attempts < 0:
        message = f"{attempts} attempts are too few: use 0 or more"
        yield error("VS-95", (*path, "attempts"), message)
    elif attempts == 0:
        yield from _pointless(path, retries)
    if retries.HasField("per_try_timeout"):
        yield from duration("VS-97", (*path, "perTryTimeout"), retries.per_try_timeout)
    if retries.retry_on:
        yield from _retry_on((*path, "retryOn"), retries.retry_on)
    if retries.HasField("backoff"):
        yield from duration("VS-99", (*path, "backoff"), retries.backoff)


def _pointless(path: FieldPath, retries: Any) -> Iterator[Problem]:
    for name, given in (
        ("perTryTimeout", retries.HasField("per_try_timeout")),
        ("retryOn", retries.retry_on),
        ("retryRemoteLocalities", retries.HasField("retry_remote_localities")),
    ):
        if given:
            message = f"{name} is of no use with 0 attempts: give attempts, or remove it"
            yield error("VS-96", (*path, name), message)
            return


def _retry_on(path: FieldPath, text: str) -> Iterator[Problem]:
    wrong = [item for item in text.split(",") if item not in RETRY_ON and not _is_status(item)]
    if wrong:
        hint = ": write no spaces" if wrong[0].strip() in RETRY_ON else ""
        message = f"{shown(wrong[0])} is nothing to retry on{hint}"
        if not hint:
            message += ": use conditions such as 5xx or gateway-error, and codes such as 503"
        yield error("VS-98", path, message)


def _is_status(item: str) -> bool:
    """Say whether *item* is a number that Go reads as a status: it may have a plus, and zeros."""
    return item in STATUSES or item.removeprefix("+").lstrip("0") in STATUSES
