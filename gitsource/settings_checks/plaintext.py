"""
What the settings let cross a network in plaintext, beside what sinks are served.

Rule: pure. Where configuration, an order or a secret would be readable on the way, somebody has to
have written that it is meant; and whatever crosses, meant or not, is told in log, status, readiness
and by `doctor`. Nothing that stays on this machine is told.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from gitsource.credential_rows import chosen
from gitsource.settings.following import CredentialRow
from gitsource.settings.whole import Settings
from gitsource.settings_checks.addresses import is_loopback, is_private

SEND_THE_SECRET = frozenset(
    ("auto", "gitlab", "gitee", "azure-devops", "bitbucket-data-center"),
)
"""Values of `webhook.host` of which a delivery may carry the secret itself, unlike a signature."""


@dataclass(frozen=True, slots=True)
class Crossing:
    """One way over a network in plaintext."""

    setting: str
    path: tuple[str | int, ...]
    """Where in the setting."""
    what: str
    """What crosses, as an operator reads it; without user names and secrets."""
    instead: str
    """What to do about it."""
    word: str = ""
    """The setting that says that it is meant; empty: it needs none."""


def plaintext_faults(settings: Settings) -> Iterator[tuple[str, tuple[str | int, ...], str]]:
    """Yield what crosses a network in plaintext without being meant."""
    for one in crossings(settings):
        # The operators' door is judged with the rest of what it lacks.
        if one.setting != "listen.admin" and one.word and not getattr(settings, one.word):
            yield one.setting, one.path, f"{one.what}: {one.instead}, or set {one.word}"


def crossings(settings: Settings) -> Iterator[Crossing]:
    """Yield every way."""
    admin = settings.listen.admin
    if not is_private(admin) and not settings.admin.cert:
        what = f"operators' orders and tokens come in in plaintext at {admin}"
        yield Crossing("listen.admin", (), what, "set admin.cert and admin.key", "insecure")
    yield from _webhook(settings)
    for index, row in enumerate(settings.sinks.dial):
        if row.address and row.tls == "none" and not is_private(row.address):
            what = f"the sink {row.name} at {row.address} is served in plaintext over a network"
            yield Crossing("sinks.dial", (index,), what, "set tls: simple or mutual", "insecure")
    if settings.layers:
        for index, layer in enumerate(settings.layers):
            at = (index, "repository", "url")
            yield from _fetched(settings, "layers", at, layer.repository.url)
    else:
        yield from _fetched(settings, "repository.url", (), settings.repository.url)


def _webhook(settings: Settings) -> Iterator[Crossing]:
    told = settings.webhook
    if told.listen is None or told.cert or is_private(told.listen):
        return
    what = f"webhook deliveries come in in plaintext at {told.listen}"
    instead = "set webhook.cert and webhook.key (or listen on 127.0.0.1, behind a proxy)"
    if told.secret_file is None or told.host not in SEND_THE_SECRET:
        yield Crossing("webhook.listen", (), what, instead)
        return
    what += f", and with them the secret itself (webhook.host: {told.host})"
    if told.host == "auto":
        instead += ", or webhook.host to one that signs, such as github"
    yield Crossing("webhook.listen", (), what, instead, "insecure_webhook")


def _fetched(
    settings: Settings, setting: str, path: tuple[str | int, ...], url: str
) -> Iterator[Crossing]:
    try:
        parts = urlsplit(url)
        scheme, host, asks = parts.scheme, parts.hostname or "", bool(parts.password)
    except ValueError:
        return  # told as no address
    if scheme != "http" or is_loopback(host):
        return
    what = f"configuration is fetched in plaintext from http://{host}"
    row = chosen(settings.credentials, url)
    if row is not None and _secret(row):
        what += f", and the secret of credentials[{settings.credentials.index(row)}] goes with it"
    elif asks:
        what += ", and the password of its address goes with it"
    yield Crossing(setting, path, what, "use https or ssh", "insecure")


def _secret(row: CredentialRow) -> bool:
    named = (row.password_file, row.password_env, row.token_file, row.token_env)
    return any(named) or bool(row.github_app.app_id)
