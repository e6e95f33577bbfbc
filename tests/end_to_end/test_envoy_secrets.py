"""Envoy serves TLS with a key that is not in Git, and with the next one when the file changes."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path

import pytest
from cryptography import x509

from certificates import Pair, self_signed
from envoy_resources import SECRET, Doc
from envoy_scene import playing
from running import eventually


def secret() -> Doc:
    """Return a Secret that names two files of the server."""
    return {
        "@type": SECRET,
        "name": "web",
        "tls_certificate": {
            "certificate_chain": {"filename": "gitsource://web.crt"},
            "private_key": {"filename": "gitsource://web.key"},
        },
    }


def put(folder: Path, pair: Pair) -> None:
    """Replace the files as a rotation does: each by a rename."""
    folder.mkdir(exist_ok=True)
    for name, content in {"web.crt": pair.certificate, "web.key": pair.key}.items():
        (folder / f"{name}.new").write_bytes(content)
        (folder / f"{name}.new").rename(folder / name)


def shown(port: int) -> int:
    """Return the serial number of the certificate that is served; 0 if there is none."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with (
            socket.create_connection(("127.0.0.1", port), 5.0) as plain,
            context.wrap_socket(plain) as secured,
        ):
            raw = secured.getpeercert(binary_form=True)
    except OSError:
        return 0
    return x509.load_der_x509_certificate(raw).serial_number if raw else 0


@pytest.mark.parametrize("delta", [False, True], ids=["sotw", "delta"])
def test_a_key_is_rotated_without_a_commit_and_is_told_to_nobody_else(
    tmp_path: Path, *, delta: bool
) -> None:
    one, two = self_signed(), self_signed()
    folder = tmp_path / "secrets"
    put(folder, one)
    settings = f"secrets: {{folder: '{folder}'}}\n"
    with playing(tmp_path, "all", secret(), delta=delta, settings=settings, secret="web") as scene:
        assert one.serial == shown(scene.web)

        put(folder, two)
        eventually(lambda: shown(scene.web) == two.serial, "the new certificate")

        assert [] == scene.relay.refusals()
        kept = [path for path in scene.server.state.rglob("*") if path.is_file()]
        told = [scene.server.log, *kept]
        for pair in (one, two):
            words = pair.key.splitlines()[1]
            assert [] == [path for path in told if words in path.read_bytes()]
            for path in ("/status", "/sink?id=envoy-1&bodies=1"):
                assert words.decode() not in str(scene.server.ask("GET", path))
