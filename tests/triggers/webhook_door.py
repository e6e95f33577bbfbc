"""
An open webhook door for tests, and deliveries read from files.

A file has a comment, what is expected, then (each if needed) what is given and what the ledger
should tell, then the headers, a blank line and the body:

    # What this is.
    expect: 202 accepted
    given: host=gitea allow_sha1 url=https://git.example.com/a/b now=1700000000
    told: {"commit": "..."}
    X-Event: push
    X-Signature: sign(the secret)

Signatures are written as calls and made here: `sign`, `hex`, `sha1` over the body, `hexpayload`
over the payload in a form, `basic`, and `standard(KEY ID TIMESTAMP)`.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import re
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs

from gitsource.settings.following import Repository
from gitsource.settings.triggers import Webhook
from gitsource.settings.units import Address, Bytes, FilePath, Words
from gitsource.triggers.followed import followed
from gitsource.triggers.ledger import Ledger
from gitsource.triggers.webhook import Behind, serve_webhook

CASES = sorted((Path(__file__).parent / "deliveries").glob("*/*.http"))
SECRET = "It's a Secret to Everybody"
KEY = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
SECRETS = f"{SECRET}\n\n   \nthe next secret\n{KEY}\nthis is secret\n"
URL = "https://git.example.com/mesh/config.git"
NOW = 1_700_000_000.0
MAX_BODY = 4096


@dataclass
class Door:
    """An open door, and what happened behind it."""

    port: int = 0
    pokes: list[tuple[str, str]] = field(default_factory=list)
    """Ref and commit of each delivery that asked for a look."""
    counts: list[str] = field(default_factory=list)
    ledger: Ledger = field(default_factory=Ledger)
    missed: bool = False
    """Whether the last look failed."""


@asynccontextmanager
async def door(
    folder: Path, given: str = "", *, deadline: float = 5.0, ledger=None, how=None, **settings
):
    """
    Open a door; *given* is written as in a file, *settings* are those of the webhook.

    *how* is what else it is opened with.
    """
    words = dict(word.partition("=")[::2] for word in given.split())
    file = folder / "secrets"
    file.write_text(SECRETS)
    insecure = "insecure" in words
    hook = Webhook(
        **{
            "listen": Address("127.0.0.1:0"),
            "secret_file": None if insecure else FilePath(str(file)),
            "max_body": Bytes(MAX_BODY),
            "host": words.get("host", "auto"),
            "header": words.get("header", "X-Webhook-Secret"),
            "allow_sha1": "allow_sha1" in words,
            "repositories": Words(tuple(filter(None, [words.get("repositories")]))),
        }
        | settings
    )
    named = {key: words[key] for key in ("ref", "branch", "tag", "semver", "name") if key in words}
    repository = Repository(words.get("url", URL), **named)
    opened = Door(ledger=ledger or Ledger())
    behind = Behind(
        lambda: followed(repository, hook.repositories),
        lambda ref, commit: opened.pokes.append((ref, commit)),
        opened.counts.append,
        opened.ledger,
        lambda: float(words.get("now", NOW)),
        lambda: opened.missed,
    )
    listener = await serve_webhook(hook, behind, insecure=insecure, deadline=deadline, **how or {})
    opened.port = listener.port
    try:
        yield opened
    finally:
        await listener.close()


def sign(secret: str, body: bytes, digest: str = "sha256") -> str:
    """Return the signature as GitHub and most others write it."""
    return f"{digest}=" + hmac.new(secret.encode(), body, digest).hexdigest()


def _standard(told: str, body: bytes) -> str:
    secret, name, stamp = told.split()
    key = base64.b64decode(secret.removeprefix("whsec_"))
    made = hmac.new(key, f"{name}.{stamp}.".encode() + body, hashlib.sha256).digest()
    return "v1," + base64.b64encode(made).decode()


def _hexpayload(secret: str, body: bytes) -> str:
    return sign(secret, parse_qs(body.decode())["payload"][0].encode()).partition("=")[2]


MADE = {
    "sign": sign,
    "hex": lambda secret, body: sign(secret, body).partition("=")[2],
    "sha1": lambda secret, body: sign(secret, body, "sha1"),
    "hexpayload": _hexpayload,
    "basic": lambda pair, _body: "Basic " + base64.b64encode(pair.encode()).decode(),
    "standard": _standard,
}


@dataclass(frozen=True)
class Case:
    """A delivery from a file."""

    expected: str
    given: str
    told: dict
    request: bytes


def read_case(file: Path) -> Case:
    """Return what is in *file*, the request as it goes over the wire."""
    head, _, body = file.read_bytes().partition(b"\n\n")
    body = body.removesuffix(b"\n")
    lines = head.decode("latin-1").split("\n")
    assert lines.pop(0).startswith("# ")
    told = {}
    for key in ("expect", "given", "told"):
        if lines[0].startswith(f"{key}: "):
            told[key] = lines.pop(0).partition(": ")[2]
    calls = re.compile(rf"\b({'|'.join(MADE)})\(([^)]*)\)")
    headers = [calls.sub(lambda found: MADE[found[1]](found[2], body), line) for line in lines]
    if not any(line.lower().startswith("content-length:") for line in headers):
        headers.append(f"Content-Length: {len(body)}")
    start = ["POST /webhook HTTP/1.1", "Host: hook.example", "Connection: close"]
    request = "\r\n".join([*start, *headers, "", ""]).encode("latin-1") + body
    return Case(told["expect"], told.get("given", ""), json.loads(told.get("told", "{}")), request)


async def exchange(port: int, raw: bytes) -> tuple[int, dict]:
    """Send *raw* and return status and JSON of the answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(raw)
    await writer.drain()
    answer = await asyncio.wait_for(reader.read(), 10)
    writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body) if body.startswith(b"{") else {}
