"""
Keys and signatures for tests: real ones, by the real gpg and ssh-keygen.

Rule: shares no code with `gitsource.git`: commits are signed as git signs them, by hand, so that
they can also be signed wrongly. Key rings live in short folders of their own (sockets have short
names) and their agents are ended with them.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

from repositories import Content, Upstream, clean_environment

Sign = Callable[[bytes], bytes]
"""Turns what is signed into an armored signature."""


def ran(argv: list[str | Path], data: bytes = b"", **environ: str) -> bytes:
    """Run a program; an error fails the test with its text."""
    done = subprocess.run(
        argv, input=data, env=clean_environment() | environ, capture_output=True, check=False
    )
    if done.returncode:
        raise AssertionError(f"{argv}: {done.stderr.decode(errors='replace')}")
    return done.stdout


class Ring:
    """A key ring of gpg with secret keys."""

    def __init__(self) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="gs-ring-"))

    def close(self) -> None:
        """End its agent and remove it."""
        subprocess.run(
            ["gpgconf", "--homedir", self.home, "--kill", "all"], capture_output=True, check=False
        )
        shutil.rmtree(self.home, ignore_errors=True)

    def gpg(self, *args: str, data: bytes = b"", at: int | None = None) -> bytes:
        """Run gpg, as if it were *at* (seconds since the epoch)."""
        when = (f"--faked-system-time={at}!",) if at is not None else ()
        fixed = ("--batch", "--no-tty", "--yes", "--pinentry-mode", "loopback", "--passphrase", "")
        return ran(["gpg", "--homedir", str(self.home), *fixed, *when, *args], data)

    def make(self, name: str, *, expires: str = "never", at: int | None = None) -> str:
        """Make a key that can sign; returns its fingerprint."""
        self.gpg(
            "--quick-gen-key", f"{name} <{name}@example.org>", "ed25519", "sign", expires, at=at
        )
        return self.fingerprints(f"{name}@example.org")[0]

    def add_subkey(self, key: str, *, expires: str = "never", at: int | None = None) -> str:
        """Add a subkey that can sign; returns its fingerprint."""
        self.gpg("--quick-add-key", key, "ed25519", "sign", expires, at=at)
        return self.fingerprints(key)[-1]

    def fingerprints(self, of: str) -> list[str]:
        """Return the fingerprints of a key and its subkeys."""
        told = self.gpg("--with-colons", "--list-keys", of).decode()
        return [row.split(":")[9] for row in told.splitlines() if row.startswith("fpr")]

    def public(self, *keys: str) -> bytes:
        """Return public keys, armored."""
        return self.gpg("--armor", "--export", *keys)

    def revoke(self, key: str) -> None:
        """Revoke a key by the certificate that gpg made along with it."""
        file = self.home / "openpgp-revocs.d" / f"{key}.rev"
        self.gpg("--import", data=file.read_bytes().replace(b":-----BEGIN", b"-----BEGIN"))

    def signer(self, key: str, *options: str, at: int | None = None) -> Sign:
        """Return what signs by exactly this (sub)key."""
        return lambda data: self.gpg(
            "--armor", *options, "-u", f"{key}!", "--detach-sign", data=data, at=at
        )


class SshKey:
    """An SSH key pair."""

    def __init__(self, folder: Path, name: str) -> None:
        self.file = folder / name
        folder.mkdir(exist_ok=True)
        ran(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", self.file])
        self.public = self.file.with_suffix(".pub").read_text().strip()

    @property
    def fingerprint(self) -> str:
        """``SHA256:...``, as ssh-keygen prints it."""
        return ran(["ssh-keygen", "-l", "-f", self.file]).decode().split()[1]

    def allowed(self, principals: str, options: str = "") -> str:
        """Return its line of an allowed-signers file."""
        key = " ".join(self.public.split()[:2])
        return f"{principals} {f'{options} ' if options else ''}{key}\n"

    def signer(self, namespace: str = "git") -> Sign:
        """Return what signs by this key."""
        return lambda data: ran(
            ["ssh-keygen", "-q", "-Y", "sign", "-n", namespace, "-f", self.file], data
        )


def header(signature: bytes, name: bytes = b"gpgsig") -> bytes:
    """Return *signature* as a header of a commit."""
    return name + b" " + signature.rstrip(b"\n").replace(b"\n", b"\n ") + b"\n"


def with_signature(raw: bytes, *signatures: bytes, name: bytes = b"gpgsig") -> bytes:
    """Return the commit object *raw* with signatures where git writes them."""
    head, _, message = raw.partition(b"\n\n")
    return head + b"\n" + b"".join(header(one, name) for one in signatures) + b"\n" + message


def resigned(upstream: Upstream, change: Callable[[bytes], bytes], branch: str = "main") -> str:
    """Put what *change* makes of the tip of *branch* in its place; returns the commit."""
    raw = upstream.raw(upstream.tip(branch))
    return upstream.put_commit(change(raw), branch)


def signed(
    upstream: Upstream, sign: Sign, files: dict[str, Content] | None = None, **how: object
) -> str:
    """Commit as `Upstream.commit` does, signed; returns the commit."""
    upstream.commit(files, **how)  # type: ignore[arg-type]
    name = b"gpgsig-sha256" if len(upstream.tip()) == 64 else b"gpgsig"
    return resigned(
        upstream,
        lambda raw: with_signature(raw, sign(raw), name=name),
        str(how.get("branch") or upstream.branch_name),
    )


def signed_tag(upstream: Upstream, name: str, sign: Sign, *, called: str = "") -> str:
    """Make an annotated tag of the tip, signed; *called*: what it says it is called."""
    text = (
        f"object {upstream.tip()}\ntype commit\ntag {called or name}\n"
        "tagger Ada <ada@example.org> 1704067200 +0000\n\nrelease\n"
    ).encode()
    oid = upstream.git(*("hash-object", "-t", "tag", "-w", "--stdin"), stdin=text + sign(text))
    upstream.git("update-ref", f"refs/tags/{name}", oid)
    return oid
