"""GitHub's API on loopback, as an App sees it: checks assertions and sells tokens, over TLS."""

from __future__ import annotations

import base64
import json
import secrets
import ssl
import threading
import time
from datetime import UTC, datetime
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa


class GitHubApi:
    """One App with one installation; its clock may differ from ours by *ahead* seconds."""

    def __init__(self, tls: ssl.SSLContext) -> None:
        self.app_id, self.installation_id = 4711, 815
        self.ahead = 0.0
        self.lasts = 3600.0
        """Seconds for which a token is good."""
        self.status = 0
        """If set: answered to everything."""
        self.silent = False
        """Whether nothing is answered at all."""
        self.tokens: list[str] = []
        """Every token that was sold."""
        self.assertions: list[str] = []
        """Every assertion that was shown."""
        self.stopping = threading.Event()
        self._key = rsa.generate_private_key(65537, 2048)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._server.handle_error = lambda *_: None
        self._server.socket = tls.wrap_socket(
            self._server.socket, server_side=True, do_handshake_on_connect=False
        )
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    @property
    def url(self) -> str:
        """The base of the API."""
        return f"https://127.0.0.1:{self._server.server_address[1]}/api/v3"

    @property
    def private_key(self) -> bytes:
        """The App's key, as GitHub hands it out."""
        return self._key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        )

    def now(self) -> float:
        """Return the time by its clock."""
        return time.time() + self.ahead

    def judged(self, assertion: str) -> str:
        """Return what is wrong with *assertion*; empty if nothing is."""
        self.assertions.append(assertion)
        signed, _, signature = assertion.rpartition(".")
        head, claims = (json.loads(_decoded(part)) for part in signed.split("."))
        try:
            self._key.public_key().verify(
                _decoded(signature), signed.encode(), padding.PKCS1v15(), hashes.SHA256()
            )
        except InvalidSignature:
            return "A JSON web token could not be decoded"
        if head["alg"] != "RS256" or claims["iss"] != str(self.app_id):
            return "A JSON web token could not be decoded"
        if not claims["iat"] <= self.now() < claims["exp"]:
            return "'Expiration time' claim ('exp') must be a numeric value in the future"
        if claims["exp"] - self.now() > 600:
            return "'Expiration time' claim ('exp') is too far in the future"
        return ""

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def _decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def _handler(api: GitHubApi) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: Any) -> None:
            """Say nothing: tests read the terminal."""

        def date_time_string(self, timestamp: float | None = None) -> str:
            return formatdate(timestamp or api.now(), usegmt=True)

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if api.silent:
                api.stopping.wait(60)
                return
            assertion = (self.headers["Authorization"] or "").removeprefix("Bearer ")
            wrong = api.judged(assertion)
            path = f"/api/v3/app/installations/{api.installation_id}/access_tokens"
            if api.status:
                self._answer(api.status, {"message": f"no, {assertion}"})
            elif wrong:
                self._answer(401, {"message": wrong})
            elif self.path != path:
                self._answer(404, {"message": "Not Found"})
            else:
                api.tokens.append(f"ghs_{secrets.token_hex(20)}")
                end = datetime.fromtimestamp(api.now() + api.lasts, UTC)
                told = {"token": api.tokens[-1], "expires_at": end.strftime("%Y-%m-%dT%H:%M:%SZ")}
                self._answer(201, told)

        def _answer(self, status: int, told: dict[str, str]) -> None:
            body = json.dumps(told).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    return Handler
