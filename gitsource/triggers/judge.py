"""
What becomes of a delivery: whose it is, whether its sender knows a secret, and what it says.

Rule: nothing of a body is looked at before the sender's proof stands, and then it is only a hint:
it may say which ref moved in which repository, so that others can be ignored, and which commit to
look out for. What is fetched, and from where, never comes from it. Pure; no input makes it raise.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from gitsource.triggers.delivery import JSON_TYPE, Delivery, Verdict, read_payload, usable_id
from gitsource.triggers.followed import News
from gitsource.triggers.hosts.said import Host, Move, Said, Terms
from gitsource.triggers.hosts.table import host_of


@dataclass(frozen=True, slots=True)
class Rules:
    """How deliveries are judged."""

    secrets: tuple[bytes, ...] | None
    """None: whoever comes is believed."""
    host: str = "auto"
    header: str = "x-webhook-secret"
    allow_sha1: bool = False


@dataclass(frozen=True, slots=True)
class Judgement:
    """A delivery's verdict, and what else is known of the delivery."""

    verdict: Verdict
    host: str
    event: str = ""
    id: str = ""
    reason: str = ""
    """Why the sender's proof does not stand, for the operator."""
    move: Move = field(default_factory=lambda: Move(""))
    """What is said of the followed ref, else of the first that is told."""
    repository: str = ""
    """Which it is about."""


def admit(delivery: Delivery, rules: Rules) -> tuple[Host, Verdict | None]:
    """Return whose *delivery* is, from its headers alone, and the verdict if it is refused."""
    host = host_of(delivery, rules.host, rules.header)
    typed = delivery.content_type == JSON_TYPE or (host.forms and delivery.form)
    if typed and delivery.uncompressed():
        return host, None
    return host, Verdict.WRONG_TYPE


def judge(delivery: Delivery, rules: Rules, followed: News, now: float) -> Judgement:
    """Return what becomes of *delivery* at *now*, in seconds since the epoch."""
    host, refused = admit(delivery, rules)
    told = Judgement(Verdict.PING, host.name, host.event(delivery))
    if refused is not None:
        return replace(told, verdict=refused)
    if host.open_ping(delivery):
        return told
    if rules.secrets is not None:
        terms = Terms(rules.secrets, now, rules.allow_sha1, rules.header)
        reason = host.unproven(delivery, terms)
        if reason:
            # What the headers call it: people have that from the Git host's page.
            name = usable_id(host.id(delivery, {}))
            return replace(told, verdict=Verdict.UNSIGNED, reason=reason, id=name)
    payload = read_payload(delivery)
    if payload is None:
        return replace(told, verdict=Verdict.NOT_JSON)
    told = replace(told, id=usable_id(host.id(delivery, payload)))
    return _weigh(told, host.read(told.event, payload), followed)


def _weigh(told: Judgement, said: Said, followed: News) -> Judgement:
    """Return what *said* means for what is *followed*."""
    if said.kind != "moved":
        verdict = Verdict.PING if said.kind == "ping" else Verdict.OTHER_EVENT
        return replace(told, verdict=verdict)
    about = followed.told_of(said.repositories)
    ours = _last(move for move in said.moves if (about or followed).concerns(move.ref))
    move = ours or next(iter(said.moves), Move(""))
    told = replace(told, move=move, repository=next(iter(said.repositories), ""))
    if about is None:
        return replace(told, verdict=Verdict.OTHER_REPOSITORY)
    # Without any ref the payload is a hint without a hint: looking tells.
    matters = ours is not None or not said.moves
    return replace(told, verdict=Verdict.ACCEPTED if matters else Verdict.OTHER_REF)


def _last(moves: Iterable[Move]) -> Move | None:
    found = None
    for move in moves:
        found = move
    return found
