"""
What every family of Git hosts sends on a push, made and signed as that host does it.

Rule: written from what the hosts document, and not with the program's own code: if both were wrong
in the same way, the demo would not show it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import urlencode

REF = "refs/heads/main"
NOWHERE = "0" * 40
JSON = "application/json"
FORM = "application/x-www-form-urlencoded"


class Sent(NamedTuple):
    """One delivery, ready to be posted."""

    host: str
    headers: dict[str, str]
    body: bytes


def families(commit: str, secret: str, signing_key: str) -> Iterator[Sent]:
    """Yield a push to *commit* as each family tells it; *signing_key* is GitLab's own."""
    pushed: dict[str, Any] = {"ref": REF, "before": NOWHERE, "after": commit}
    plain = json.dumps(pushed).encode()
    form = urlencode({"payload": plain.decode()}).encode()

    yield _sent(
        "github", plain, {"X-GitHub-Event": "push", "X-Hub-Signature-256": _hex(secret, plain)}
    )
    yield _sent(
        "github (form)",
        form,
        {"X-GitHub-Event": "push", "X-Hub-Signature-256": _hex(secret, form)},
        FORM,
    )
    for name in ("Gitea", "Forgejo", "Gogs"):
        bare = _hex(secret, plain).removeprefix("sha256=")
        yield _sent(
            name.lower(),
            plain,
            {"X-GitHub-Event": "push", f"X-{name}-Event": "push", f"X-{name}-Signature": bare},
        )
    gitlab = json.dumps({"object_kind": "push", **pushed}).encode()
    yield _sent("gitlab (token)", gitlab, {"X-Gitlab-Event": "Push Hook", "X-Gitlab-Token": secret})
    yield _sent("gitlab (signed)", gitlab, _standard(signing_key, gitlab))
    cloud = _cloud(commit)
    yield _sent(
        "bitbucket cloud",
        cloud,
        {"X-Event-Key": "repo:push", "X-Hook-UUID": "1", "X-Hub-Signature": _hex(secret, cloud)},
    )
    server = _data_center(commit)
    yield _sent(
        "bitbucket data center",
        server,
        {"X-Event-Key": "repo:refs_changed", "X-Hub-Signature": _hex(secret, server)},
    )
    pair = base64.b64encode(f"hook:{secret}".encode()).decode()
    yield _sent(
        "azure devops",
        _azure(commit),
        {"User-Agent": "VSServices/19.0", "Authorization": f"Basic {pair}"},
    )
    yield _sent("gitee (password)", plain, {"X-Gitee-Event": "Push Hook", "X-Gitee-Token": secret})
    yield _sent("gitee (signed)", plain, _gitee(secret))
    yield _sent("generic", plain, {"X-Signature": _hex(secret, plain)})


def _sent(host: str, body: bytes, headers: dict[str, str], kind: str = JSON) -> Sent:
    return Sent(host, {"Content-Type": kind, **headers}, body)


def _hex(secret: str, body: bytes) -> str:
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def _standard(signing_key: str, body: bytes) -> dict[str, str]:
    key = base64.b64decode(signing_key.removeprefix("whsec_"))
    stamp = str(int(time.time()))
    made = hmac.new(key, f"demo.{stamp}.".encode() + body, hashlib.sha256).digest()
    return {
        "X-Gitlab-Event": "Push Hook",
        "webhook-id": "demo",
        "webhook-timestamp": stamp,
        "webhook-signature": "v1," + base64.b64encode(made).decode(),
    }


def _gitee(secret: str) -> dict[str, str]:
    stamp = str(int(time.time() * 1000))
    made = hmac.new(secret.encode(), f"{stamp}\n{secret}".encode(), hashlib.sha256).digest()
    return {
        "X-Gitee-Event": "Push Hook",
        "X-Gitee-Timestamp": stamp,
        "X-Gitee-Token": base64.b64encode(made).decode(),
    }


def _cloud(commit: str) -> bytes:
    new = {"type": "branch", "name": "main", "target": {"hash": commit}}
    return json.dumps({"push": {"changes": [{"new": new, "old": None}]}}).encode()


def _data_center(commit: str) -> bytes:
    ref = {"id": REF, "displayId": "main", "type": "BRANCH"}
    change = {"ref": ref, "fromHash": NOWHERE, "toHash": commit, "type": "ADD"}
    return json.dumps({"eventKey": "repo:refs_changed", "changes": [change]}).encode()


def _azure(commit: str) -> bytes:
    update = {"name": REF, "oldObjectId": NOWHERE, "newObjectId": commit}
    told = {"id": "demo", "eventType": "git.push", "resource": {"refUpdates": [update]}}
    return json.dumps(told).encode()
