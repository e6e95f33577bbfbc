"""
Secrets inside a text: what gives them away by their form, wherever they stand.

Rule: only the secret is taken out, and the text around it stays: the host of an address, the
script around a token. Each form is looked for only where a sign of it is there, so that ordinary
texts cost next to nothing; no form takes longer than the text is long.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cache
from typing import NamedTuple

from gitsource.secrecy.names import STEMS, called_cookie, called_secret

REDACTED = "(redacted)"
"""Stands in place of what must not be shown."""

LONGEST = 300
"""Characters of a text that may stand for a secret."""

LOOKED_AT = 64 * 1024
"""Characters of a text that are looked through; what is further down is not shown anywhere."""

_SCHEMES = "Bearer|Basic|Token|Digest|Negotiate|ApiKey|JWT"
_NAME = r"[A-Za-z_][\w.-]{1,60}"
_INNOCENT = re.compile(
    # nothing, or what any header of that kind begins with
    rf"(?:(?:{_SCHEMES}):?\s*)?"
    # and what stands for a value that is not here: %REQ(x)%, ${X}, $(X), {{ x }}, or any at all
    r"(?:%[A-Z_]+(?:\([^()]*\))?(?::\d+)?%|\$\{[^{}]*\}|\$\([^()]*\)|(?-i:\$[A-Z_]+)|\{\{[^{}]*\}\}"
    r"|(?:\\s|\(|\[)*\.?[*+]?\)?)?"
    # or a file of the one who reads it, or no value
    r"|(?:/[\w.-]+)+\.(?:pem|key|crt|cer|p12|pfx|jks|json|ya?ml|txt)"
    r"|nil|null|none|true|false|undefined|REDACTED|\(?redacted\)?",
    re.IGNORECASE,
)
_CALL = re.compile(r"[A-Za-z_][\w.:]*\(")


def innocent(text: str) -> bool:
    """Tell whether *text* is no secret even under a secret's name: it is none, or stands for it."""
    whole = text.strip().removeprefix("^")
    if len(whole) > LONGEST:
        return False
    return _INNOCENT.fullmatch(whole.removesuffix("$") if len(whole) > 1 else whole) is not None


def redacted(text: str) -> str:
    """Return *text* with each secret in it replaced by `REDACTED`; the very same if it has none."""
    if len(text) < 8:  # no form below is shorter
        return text
    head = text[:LOOKED_AT]
    low = head.lower()
    if _signs().search(low) is None:
        return text  # as nearly all of them
    told = head
    for form in _forms():
        if any(sign in low for sign in form.signs):
            told = form.pattern.sub(form.told, told)
    if any(stem in low for stem in STEMS):
        told = _named(told)
    return text if told == head else told + text[LOOKED_AT:]


class _Form(NamedTuple):
    signs: Sequence[str]
    """One of these is in every text that has the form, in lower case."""
    pattern: re.Pattern[str]
    told: Callable[[re.Match[str]], str]


@cache
def _forms() -> tuple[_Form, ...]:
    return (
        _Form(("private key",), re.compile(_PEM), lambda _: REDACTED),
        _Form(("bearer", "basic"), re.compile(_HEADER_VALUE), _header_value),
        _Form(("@",), re.compile(_USER), _user),
        _Form(_PREFIXES, re.compile(_SERVICES), _token),
        _Form(("hook",), re.compile(_HOOK), lambda m: f"{m[1]}{REDACTED}"),
        _Form(
            ("key=", "sig=", "auth=", "sas=", "x-amz-"),
            re.compile(_QUERY, re.IGNORECASE),
            lambda m: f"{m[1]}{REDACTED}",
        ),
    )


def any_sign(text: str) -> bool:
    """Tell whether *text* has any sign of a secret, and so is worth being looked into."""
    return _signs().search(text.lower()) is not None or "kty" in text


@cache
def _signs() -> re.Pattern[str]:
    signs = {*STEMS, *(sign for form in _forms() for sign in form.signs)}
    return re.compile("|".join(map(re.escape, sorted(signs))))


_PEM = (
    r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----"
    r"(?:(?!-----END)[\s\S])*(?:-----END [A-Z0-9 ]{0,40}-----)?"
)
_HEADER_VALUE = r"(?<![A-Za-z0-9_])([Bb]earer|BEARER|[Bb]asic|BASIC)([ \t]+)([\w.~+/=-]{8,})"
_USER = r"(?<=://)([^\s/?#\"'<>@]*)@(?=[^\s@])"
_PREFIXES = (
    *("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-", "gldt-", "glrt-", "glcbt-"),
    *("akia", "asia", "xox", "xapp-", "_live_", "_test_", "whsec_", "sk-", "aiza", "ya29.", "eyj"),
    *("npm_", "pypi-", "sg.", "hvs.", "hvb.", "dop_v1_", "shpat_", "shpss_", "dckr_pat_"),
    *("age-secret-key-", "sntrys_", "glsa_"),
)
_SERVICES = (
    r"(?<![A-Za-z0-9_])(?:"
    r"gh[pousr]_\w{10,}|github_pat_\w{10,}|gl(?:pat|dt|rt|cbt)-[\w-]{10,}"
    r"|(?:AKIA|ASIA)[A-Z0-9]{12,}|xox[a-z]-[\w-]{8,}|xapp-[\w-]{8,}"
    r"|[rs]k_[a-z]{4}_\w{8,}|whsec_\w{8,}|sk-[\w-]{20,}|AIza[\w-]{30,}|ya29\.[\w-]{10,}"
    r"|eyJ[\w-]{8,}\.[\w-]{4,}(?:\.[\w-]*)?|npm_\w{20,}|pypi-\w{16,}"
    r"|SG\.[\w-]{10,}\.[\w-]{10,}|hv[sb]\.[\w-]{16,}|dop_v1_\w{16,}|shp(?:at|ss)_\w{10,}"
    r"|dckr_pat_[\w-]{10,}|AGE-SECRET-KEY-1\w{10,}|sntrys_\w{10,}|glsa_\w{10,})"
)
"""What begins like the tokens of services that many use."""
_QUERY = r"([?&;](?:key|sig|auth|sas|X-Amz-(?:Credential|Security-Token))=)[^\s&\"'#]{12,}"
_HOOK = (
    r"((?:hooks\.slack\.com/(?:services|workflows|triggers)|discord(?:app)?\.com/api/webhooks"
    r"|webhook\.office\.com/webhookb2)/)[^\s\"'<>]+"
)
"""Addresses that are secrets themselves."""


class _Lead(NamedTuple):
    """A name and what stands between it and a value; the value begins behind it."""

    pattern: re.Pattern[str]
    value: Callable[[re.Match[str]], str]
    """The pattern of a value behind such a lead."""


@cache
def _leads() -> tuple[tuple[str, _Lead], ...]:
    """Return the forms of names with values, each with a sign of it."""
    start, name = r"(?<![\w.-])", f"(?P<name>{_NAME})"
    same = {'"': r'(?:\\.|[^"\\\n])+', "'": r"(?:\\.|[^'\\\n])+"}
    gap = r"\s{0,3}"
    return (
        # an assignment, or JSON
        (
            "=:",
            _Lead(
                re.compile(rf"{start}{name}[\"']?\]?{gap}[:=]{{1,2}}{gap}(?P<q>[\"'])"),
                lambda m: same[m["q"]],
            ),
        ),
        # JSON inside a quoted text
        (
            "\\",
            _Lead(
                re.compile(rf"{start}{name}\\[\"']{gap}:{gap}(?P<q>\\[\"'])"),
                lambda m: rf"(?:(?!{re.escape(m['q'])})[^\n])+",
            ),
        ),
        # a setting, or part of a query
        (
            "=",
            _Lead(
                re.compile(rf"{start}{name}="),
                lambda _: r"[^\s\"'`,;&|=(){}<>$%\[\]\\][^\s\"'`,;&|]{2,}",
            ),
        ),
        # a line of YAML, or a header
        (
            ":",
            _Lead(
                re.compile(rf"^[ \t-]*{name}:[ \t]+(?=[^\s\"'{{\[|>&*!%#])", re.MULTILINE),
                lambda _: r"[^\n]+",
            ),
        ),
        # a header in quotes
        (":", _Lead(re.compile(rf"(?<=[\"']){name}:[ \t]*"), lambda _: r"[^\"'\n]{3,}(?=[\"'])")),
        # two arguments of a call
        (
            ",",
            _Lead(
                re.compile(rf"(?<=[\"']){name}[\"']{gap},{gap}(?P<q>[\"'])"),
                lambda m: same[m["q"]],
            ),
        ),
    )


def _named(text: str) -> str:
    """Return *text* without the values whose names say that they are secrets."""
    for signs, lead in _leads():
        if any(sign in text for sign in signs):
            text = _led(text, lead)
    return text


def _led(text: str, lead: _Lead) -> str:
    told: list[str] = []
    at = start = 0
    while (found := lead.pattern.search(text, start)) is not None:
        # What follows a name that is none of a secret may hold another name.
        start = found.end("name")
        if not (called_secret(found["name"]) or called_cookie(found["name"])):
            continue
        value = re.compile(lead.value(found)).match(text, found.end())
        if value is None or innocent(value[0]) or _CALL.match(value[0]):
            continue
        told += text[at : found.end()], REDACTED
        at = start = value.end()
    return "".join((*told, text[at:])) if told else text


def _header_value(found: re.Match[str]) -> str:
    """Take out what follows ``Bearer``, unless it is a word of a sentence."""
    text, credential = found.string, found[3]
    quoted = text[found.start() - 1 : found.start()] in {'"', "'", "`"}
    alone = not text[: found.start()].strip() and not text[found.end() :].strip()
    if not (quoted or alone) and re.fullmatch(r"[A-Za-z]?[a-z-]+\.?", credential):
        return found[0]
    return f"{found[1]}{found[2]}{REDACTED}"


def _user(found: re.Match[str]) -> str:
    """Take out a password before a host, and a name that can only be a token."""
    scheme = found.string[max(0, found.start() - 10) : found.start()]
    name, colon, _password = found[1].partition(":")
    if not found[1] or innocent(found[1]):
        return found[0]
    if not colon and (name == "git" or scheme.endswith(("ssh://", "spiffe://"))):
        return found[0]
    return f"{REDACTED}@"


def _token(found: re.Match[str]) -> str:
    text = found[0]
    if text.startswith("sk-") and not (re.search("[0-9]", text) and re.search("[A-Z]", text)):
        return text
    return REDACTED
