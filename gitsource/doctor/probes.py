"""
What can be found out of this machine and the network without changing either.

Rule: each probe looks at one thing, waits for seconds at most, and leaves nothing behind: nothing
is written, no lock is taken, no port stays bound. What was found is a value; what it means is
judged elsewhere (`doctor.check`).
"""

from __future__ import annotations

import errno
import http.client
import json
import os
import re
import shutil
import socket
import ssl
import stat
import subprocess
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from email.utils import parsedate_to_datetime
from pathlib import Path

from gitsource.doctor.check import Certificate, Folder, Port
from gitsource.settings_checks.addresses import UNIX

PATIENCE = 10.0
"""Seconds a probe may take."""


def resolve(host: str, port: int) -> list[str]:
    """Return the addresses of *host*; raises OSError if there are none, or nobody answers."""
    pool = ThreadPoolExecutor(1)
    try:
        asked = pool.submit(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
        found = asked.result(PATIENCE)
    except TimeoutError as error:
        raise OSError(errno.ETIMEDOUT, "no answer from the name servers") from error
    finally:
        pool.shutdown(wait=False)
    return list(dict.fromkeys(str(each[4][0]) for each in found))


def connect(host: str, port: int) -> str:
    """Return the address that took a connection; raises OSError if none did."""
    with socket.create_connection((host, port), timeout=PATIENCE) as connection:
        return str(connection.getpeername()[0])


def trusted(ca: str | None) -> ssl.SSLContext:
    """Return whom git trusts over TLS: the authorities of *ca*, or those of this machine."""
    environ = os.environ
    file = ca or environ.get("GIT_SSL_CAINFO") or environ.get("CURL_CA_BUNDLE")
    return ssl.create_default_context(cafile=file)


def shown(host: str, port: int, ca: str | None) -> Certificate:
    """Return the certificate that *host* shows; raises OSError if it cannot be asked."""
    try:
        context = trusted(ca)
    except (OSError, ssl.SSLError) as error:
        return Certificate(problem=f"{ca}: {error.strerror or error}")
    try:
        with (
            socket.create_connection((host, port), timeout=PATIENCE) as plain,
            context.wrap_socket(plain, server_hostname=host) as secured,
        ):
            told = secured.getpeercert() or {}
    except ssl.SSLCertVerificationError as error:
        return Certificate(problem=error.verify_message or str(error))
    except ssl.SSLError as error:
        if "REQUIRED" in str(error.reason):  # it wants our certificate, and has shown its own
            return Certificate(problem="")
        return Certificate(problem=str(error.reason or error).lower().replace("_", " "))
    ends = ssl.cert_time_to_seconds(str(told["notAfter"])) if "notAfter" in told else 0.0
    return Certificate(_common_name(told.get("subject")), _common_name(told.get("issuer")), ends)


def _common_name(name: object) -> str:
    """Return the common name (or the organisation) of what `ssl` calls a name."""
    pairs = dict(pair for part in (name or ()) for pair in part)  # type: ignore[attr-defined]
    return str(pairs.get("commonName") or pairs.get("organizationName") or "")


def date(scheme: str, host: str, port: int) -> float | None:
    """Return the time that an HTTP host says it is; None if it says none."""
    connection: http.client.HTTPConnection
    if scheme == "https":
        context = ssl.create_default_context()
        # Who it is was asked before; a wrong clock is a reason why that may have failed.
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        connection = http.client.HTTPSConnection(host, port, timeout=PATIENCE, context=context)
    else:
        connection = http.client.HTTPConnection(host, port, timeout=PATIENCE)
    try:
        connection.request("HEAD", "/")
        told = connection.getresponse().getheader("Date")
        return parsedate_to_datetime(told).timestamp() if told else None
    except (OSError, http.client.HTTPException, ValueError):
        return None
    finally:
        connection.close()


# --------------------------------------------------------------------------- ssh


def ssh_target(host: str, number: int) -> tuple[str, int] | None:
    """
    Return host and port to which ssh connects for *host* under the user's own configuration.

    None if it goes through another host, or ssh cannot be asked.
    """
    port = ["-p", str(number)] if number != 22 else []
    told = _ran("ssh", *port, "-G", "--", host)
    words = dict(line.partition(" ")[::2] for line in told.splitlines())
    if words.get("proxyjump", "none") != "none" or words.get("proxycommand", "none") != "none":
        return None
    name, found = words.get("hostname", ""), words.get("port", "")
    return (name, int(found)) if name and found.isdigit() else None


def _ran(program: str, *args: str) -> str:
    """Return what a program of OpenSSH printed; nothing if it is not there or did not end."""
    path = shutil.which(program)
    if path is None:
        return ""
    try:
        done = subprocess.run(
            [path, *args],
            capture_output=True,
            timeout=PATIENCE,
            check=False,
            stdin=subprocess.DEVNULL,
            encoding="utf-8",
            errors="replace",
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout[: 1 << 20]


# --------------------------------------------------------------------------- this machine


def state_folder(path: Path) -> Folder:
    """Return how the state directory is found."""
    ours = os.geteuid()
    try:
        told = path.stat()
    except FileNotFoundError:
        above = next((each for each in path.absolute().parents if each.exists()), Path("/"))
        return Folder(str(path), exists=False, ours=ours, writable=os.access(above, os.W_OK))
    except OSError:
        return Folder(str(path), exists=False, ours=ours)
    space = os.statvfs(path)
    return Folder(
        str(path),
        exists=stat.S_ISDIR(told.st_mode),
        owner=told.st_uid,
        ours=ours,
        mode=stat.S_IMODE(told.st_mode),
        writable=os.access(path, os.W_OK | os.X_OK, effective_ids=True)
        and not space.f_flag & os.ST_RDONLY,
        free=space.f_bavail * space.f_frsize,
        mirror=sum(
            _length(file)
            for folder in (path / "mirror.git", path / "mirrors")
            for file in folder.rglob("*")
        ),
        locked=_locked(path / "lock"),
    )


def _length(file: Path) -> int:
    with suppress(OSError):
        return file.lstat().st_size
    return 0


def _locked(file: Path) -> bool | None:
    """
    Tell whether somebody holds the lock; None if nobody can tell.

    Read from the kernel's list, since trying it would keep a gitsource from starting at that
    moment.
    """
    try:
        told = file.stat()
        listed = Path("/proc/locks").read_text(encoding="ascii")
    except FileNotFoundError:
        return False if Path("/proc/locks").exists() else None
    except OSError:
        return None
    number = f"{os.major(told.st_dev):02x}:{os.minor(told.st_dev):02x}:{told.st_ino}"
    return re.search(rf"FLOCK .* {re.escape(number)} ", listed) is not None


def port(setting: str, address: str, *, ours: bool) -> Port:
    """Return whether *address* can be listened on; *ours*: whether a gitsource is known to run."""
    if address.startswith(UNIX):
        path = Path(address.removeprefix(UNIX))
        if not os.access(path.parent, os.W_OK | os.X_OK):
            return Port(setting, address, "its folder cannot be written")
        return Port(setting, address, os.strerror(errno.EADDRINUSE) if ours else "", ours, ours)
    host, _, number = address.rpartition(":")
    host = host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        where = socket.getaddrinfo(host, int(number), family=family, flags=socket.AI_PASSIVE)
        with socket.socket(family, socket.SOCK_STREAM) as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            tried.bind(where[0][4])
    except OSError as error:
        taken = error.errno == errno.EADDRINUSE
        return Port(setting, address, error.strerror or str(error), taken, taken and ours)
    return Port(setting, address)


def gitsource_answers(address: str, *, tls: bool = False) -> bool:
    """Tell whether a gitsource's admin HTTP is at *address*, whatever it shows."""
    if address.startswith(UNIX):
        with socket.socket(socket.AF_UNIX) as tried, suppress(OSError):
            tried.connect(address.removeprefix(UNIX))
            return True
        return False
    host, _, number = address.rpartition(":")
    host = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}.get(host, host)  # noqa: S104 - compared
    if number == "0":
        return False
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        connection: http.client.HTTPConnection = http.client.HTTPSConnection(
            f"{host}:{number}", timeout=2.0, context=context
        )
    else:
        connection = http.client.HTTPConnection(f"{host}:{number}", timeout=2.0)
    try:
        connection.request("GET", "/healthz")
        return bool(json.loads(connection.getresponse().read(1000)).get("alive"))
    except (OSError, http.client.HTTPException, ValueError, AttributeError):
        return False
    finally:
        connection.close()
