"""
From the rows of `credentials` to what one git step is given: the one place that reads their files.

Rule: everything is read anew for each step, so a key or token that was replaced is used from the
next fetch on. A file that is missing, empty or not what it should be is an AccessRefused that names
the row and the file, and never what is in it. Private keys of ssh are handed on in memory.
"""

from __future__ import annotations

import base64
import os
import stat
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

from gitsource.credential_rows import chosen
from gitsource.errors import AccessRefused
from gitsource.git import access as given
from gitsource.git.access import Access
from gitsource.git.address import Address
from gitsource.git.github_app import App, Tokens
from gitsource.git.github_app import Way as WayToApi
from gitsource.settings.following import CredentialRow

LARGEST = 64 * 1024
"""Bytes of one file; no key and no token is larger."""
_PROXIES = frozenset(
    name for one in ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
    for name in (one, one.upper())
)  # fmt: skip
_NO_ROW = (
    "no row of credentials fits this address, so no password, token or key of ours was shown: add "
    "a row with a prefix that the address begins with"
)
_TLS = frozenset({"GIT_SSL_CAINFO", "GIT_SSL_CAPATH", "GIT_SSL_CERT", "GIT_SSL_KEY"})


@dataclass(frozen=True)
class Credentials:
    """The rows that an operator gave, and the tokens that were got with them."""

    rows: tuple[CredentialRow, ...] = ()
    folder: Path = Path()
    """Where relative paths in the rows count from."""
    environ: Mapping[str, str] | None = field(default=None, repr=False)
    """Variables that rows may name, and HOME; None: those of this process."""
    tokens: Tokens = field(default_factory=Tokens, compare=False, repr=False)

    @contextmanager
    def access(self, remote: Address, timeout: float = 30.0) -> Iterator[Access]:
        """
        Give what a step that talks to *remote* needs, for as long as it runs.

        Raises AccessRefused for a file that cannot be used, RemoteUnreachable if a token cannot be
        got within *timeout* seconds.
        """
        row = chosen(self.rows, remote.url)
        with ExitStack() as stack:
            if remote.scheme == "ssh":
                found = self._ssh(row, stack)
            elif remote.scheme in {"http", "https"}:
                found = self._http(row or CredentialRow(), remote, timeout)
            else:
                found = Access()
            own_keys = remote.scheme == "ssh" and not self.rows
            if row is None and not (remote.username or own_keys):
                found = replace(found, unknown=_NO_ROW)
            yield found

    def forget(self, remote: Address) -> None:
        """Let go of a token that *remote* did not take."""
        row = chosen(self.rows, remote.url)
        if row is not None and row.github_app.app_id:
            self.tokens.forget(row.github_app)

    # ------------------------------------------------------------------ http

    def _http(self, row: CredentialRow, remote: Address, timeout: float) -> Access:
        config: dict[str, str] = {}
        environ: dict[str, str] = {}
        secrets: tuple[str, ...] = ()
        dropped: frozenset[str] = frozenset()
        proxy, proxy_secrets = self._proxy(row)
        username, password, token = remote.username, remote.password, ""
        if not (username or password):
            username, password, token = self._signing_in(row, proxy, timeout)
        if username or password:
            config, environ = given.basic(remote, username, password)
            secrets = given.forms(password, *([username] if not password else []), user=username)
        if token:
            config |= given.bearer(remote, token) | given.NO_REDIRECTS
            secrets = given.forms(token)
        if row.client_cert:
            cert = self._file(row, "client_cert")
            environ["GIT_SSL_CERT"] = str(cert)
            environ["GIT_SSL_KEY"] = str(self._file(row, "client_key") if row.client_key else cert)
            config |= given.NO_REDIRECTS
        if row.ca:
            environ["GIT_SSL_CAINFO"] = str(self._file(row, "ca"))
        if row.client_cert or row.ca:
            dropped = _TLS - environ.keys()
        if proxy:
            config["http.proxy"] = proxy
            dropped |= _PROXIES
            if row.ca and proxy.startswith("https:"):
                config["http.proxySSLCAInfo"] = environ["GIT_SSL_CAINFO"]
        where = (row.proxy or "").partition("://")[2].rstrip("/")
        return Access(config, environ, dropped, None, where, secrets + proxy_secrets)

    def _signing_in(self, row: CredentialRow, proxy: str, timeout: float) -> tuple[str, str, str]:
        """Return user name, password and bearer token, empty where there is none."""
        if row.password_file or row.password_env:
            return row.username or "", self._secret(row, "password"), ""
        if row.token_file or row.token_env:
            return "", "", self._secret(row, "token")
        if not row.github_app.app_id:
            return "", "", ""
        app = row.github_app
        key_file = self.folder / str(app.private_key_file)
        key = _read(row, "github_app.private_key_file", key_file)
        ca = self._file(row, "ca") if row.ca else None
        token = self.tokens.get(App(app, key, key_file), WayToApi(proxy, ca, timeout))
        return "x-access-token", token, ""

    def _proxy(self, row: CredentialRow) -> tuple[str, tuple[str, ...]]:
        """Return the proxy's URL with user and password in it, and these."""
        if not row.proxy or not row.proxy_credentials_file:
            return row.proxy or "", ()
        key = "proxy_credentials_file"
        told = _line(row, key, _read(row, key, self._file(row, key)))
        user, colon, password = told.partition(":")
        if not colon:
            raise _unfit(row, key, "has no colon: write user:password")
        scheme, _, where = row.proxy.partition("://")
        pair = ":".join(quote(part, safe="", errors="surrogateescape") for part in (user, password))
        return f"{scheme}://{pair}@{where}", given.forms(password, user=user)

    # ------------------------------------------------------------------ ssh

    def _ssh(self, row: CredentialRow | None, stack: ExitStack) -> Access:
        home = self._variable("HOME")
        if row is None:
            command, known = own_ssh(home)
            return Access(environ={"GIT_SSH_COMMAND": command}, known_hosts=known)
        known = self._file(row, "known_hosts")
        options = [
            f"UserKnownHostsFile={given.quoted(known)}",
            *("GlobalKnownHostsFile=none", "PasswordAuthentication=no"),
            "KbdInteractiveAuthentication=no",
        ]
        if row.ssh_key:
            key = self._ssh_key(row, stack)
            options += [f"IdentityFile={given.quoted(key)}", "IdentitiesOnly=yes"]
            options.append("IdentityAgent=none")
        command = given.ssh_command(options, "none")
        return Access(environ={"GIT_SSH_COMMAND": command}, known_hosts=known)

    def _ssh_key(self, row: CredentialRow, stack: ExitStack) -> Path:
        """Return where ssh can read the row's private key, without passphrase, until the end."""
        file = self._file(row, "ssh_key")
        key = _read(row, "ssh_key", file)
        if row.ssh_passphrase_file:
            name = "ssh_passphrase_file"
            key = _opened(row, key, _line(row, name, _read(row, name, self._file(row, name))))
        elif b"PRIVATE KEY" not in key:
            raise _unfit(row, "ssh_key", "has no private key in it")
        elif _locked(key):
            text = "wants a passphrase: name a file that has it in ssh_passphrase_file"
            raise _unfit(row, "ssh_key", text)
        if not hasattr(os, "memfd_create"):
            if row.ssh_passphrase_file:
                raise _unfit(row, "ssh_passphrase_file", f"cannot be used on {sys.platform}")
            return file
        # In memory and for us alone: neither a passphrase nor the key itself gets onto a disk, and
        # ssh does not mind the mode of a mounted file.
        number = os.memfd_create("ssh_key", os.MFD_CLOEXEC)
        stack.callback(os.close, number)
        os.fchmod(number, 0o600)
        os.write(number, key)
        return Path(f"/proc/{os.getpid()}/fd/{number}")

    # ------------------------------------------------------------------ reading

    def _file(self, row: CredentialRow, key: str) -> Path:
        """Return the path of the file that *row* names under *key*; it is there and is readable."""
        path = (self.folder / str(getattr(row, key))).absolute()
        _read(row, key, path, most=1)
        return path

    def _variable(self, name: str) -> str:
        return (os.environ if self.environ is None else self.environ).get(name, "")

    def _secret(self, row: CredentialRow, kind: str) -> str:
        if file := getattr(row, f"{kind}_file"):
            key = f"{kind}_file"
            return _line(row, key, _read(row, key, self.folder / str(file)))
        key = f"{kind}_env"
        name = str(getattr(row, key))
        told = self._variable(name)
        if not told:
            raise _unfit(row, key, f"the environment variable {name} is not set, or is empty")
        return _line(row, key, os.fsencode(told))


def own_ssh(home: str) -> tuple[str, Path]:
    """
    Return how ssh is called with the user's own files, and where these have the keys of hosts.

    ssh looks for its files where the password database says. If HOME says otherwise (in a container
    with a mounted secret, say) its files are named one by one.
    """
    folder = Path(home or "~").expanduser() / ".ssh"
    options, config = [], ""
    if home and folder != Path(f"~{_user()}").expanduser() / ".ssh":
        config = str(folder / "config") if (folder / "config").is_file() else "none"
        options.append(f"UserKnownHostsFile={given.quoted(folder / 'known_hosts')}")
        keys = (folder / key for key in ("id_ed25519", "id_ecdsa", "id_rsa"))
        options += [f"IdentityFile={given.quoted(key)}" for key in keys if key.is_file()]
    return given.ssh_command(options, config), folder / "known_hosts"


def _user() -> str:
    import pwd

    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return ""


def _read(row: CredentialRow, key: str, path: Path, most: int = LARGEST) -> bytes:
    """Return what is in the file at *path*; with *most* 1 only see that it can be read."""
    try:
        # A pipe that nobody writes to would else hold a fetch for ever.
        number = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            if not stat.S_ISREG(os.fstat(number).st_mode):
                raise _unfit(row, key, "is no file", path)
            data = b""
            while len(data) <= most and (more := os.read(number, most + 1 - len(data))):
                data += more
        finally:
            os.close(number)
    except OSError as error:
        raise _unfit(row, key, f"cannot be read: {error.strerror}", path) from error
    if len(data) > LARGEST:
        raise _unfit(row, key, f"is larger than {LARGEST} bytes", path)
    if not data.strip() and most == LARGEST:
        raise _unfit(row, key, "is empty", path)
    return data


def _line(row: CredentialRow, key: str, data: bytes) -> str:
    """Return the one line that *data* is; editors end files with a line feed, so one is dropped."""
    text = os.fsdecode(data).removesuffix("\n").removesuffix("\r")
    if any(character in text for character in "\n\r\0"):
        raise _unfit(row, key, "has more than one line in it")
    return text


def _locked(key: bytes) -> bool:
    """Whether a private key cannot be read without a passphrase."""
    if b"OPENSSH" not in key:
        return b"ENCRYPTED" in key
    body = b"".join(line for line in key.splitlines() if b"-----" not in line)
    try:
        told = base64.b64decode(body)
    except ValueError:
        return False
    # After the magic: the length of the cipher's name, and the name.
    return told.startswith(b"openssh-key-v1\0") and told[19:23] != b"none"


def _opened(row: CredentialRow, key: bytes, passphrase: str) -> bytes:
    """Return a private key of ssh without its passphrase."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization as forms

    words = os.fsencode(passphrase)
    load = forms.load_ssh_private_key if b"OPENSSH" in key else forms.load_pem_private_key
    try:
        private: Any = load(key, words)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        text = "does not open ssh_key, or that is no private key that takes one"
        raise _unfit(row, "ssh_passphrase_file", text) from error
    openssh = forms.PrivateFormat.OpenSSH
    return bytes(private.private_bytes(forms.Encoding.PEM, openssh, forms.NoEncryption()))


def _unfit(row: CredentialRow, key: str, what: str, path: Path | None = None) -> AccessRefused:
    where = f"credentials for {row.prefix}: {key}"
    return AccessRefused(
        f"{where}: {path} {what}" if path is not None else f"{where} {what}",
        hint="correct the file; it is read again at the next look",
        kind="credentials",
    )


def for_settings(rows: Sequence[CredentialRow], folder: str) -> Credentials:
    """Return the credentials of *rows*, whose relative paths count from *folder*."""
    return Credentials(tuple(rows), Path(folder))
