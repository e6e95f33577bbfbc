"""Signing in at real servers on loopback: what is sent where, what is not, and what errors say."""

from __future__ import annotations

import os
import re
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from certificates import Authority
from gitsource.errors import RemoteUnreachable
from gitsource.git.address import address
from gitsource.git.command import Git
from gitsource.git.credentials import Credentials
from gitsource.git.mirror import Mirror
from gitsource.settings.following import CredentialRow, Repository
from gitsource.settings.units import FilePath
from repositories import Upstream
from servers.over_http import HttpGit, Manner, basic, tls_server
from servers.over_ssh import SshGit
from servers.proxies import HttpProxy, Socks5Proxy


@pytest.fixture
def upstream(tmp_path):
    made = Upstream(tmp_path / "host" / "mesh.git")
    made.commit({"a.yaml": "1"})
    return made


@pytest.fixture
def folder(tmp_path):
    """Where secrets are: a path that has to be quoted for ssh and for git."""
    made = tmp_path / 'my "secrets" 100%h'
    made.mkdir()
    return made


@pytest.fixture
def secret(folder):
    """Write a file with a secret; returns its path."""

    def write(content: str | bytes, name: str = "secret") -> FilePath:
        path = folder / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return FilePath(str(path))

    return write


@pytest.fixture
def mirror_of(tmp_path):
    """Open a mirror of a URL, with rows of credentials."""
    with ExitStack() as stack:

        def make(url: str, *rows: CredentialRow, timeout: float = 20.0, **environ: str) -> Mirror:
            known = {"HOME": str(tmp_path / "nobody")} | environ
            credentials = Credentials(rows, tmp_path, known)
            git = Git(timeout=timeout, credentials=credentials)
            mirror = Mirror(tmp_path / "mirror.git", Repository(url=url), git)
            stack.callback(mirror.close)
            mirror.open()
            return mirror

        yield make


def refusal(mirror: Mirror) -> RemoteUnreachable:
    """Return the error of a fetch that has to fail."""
    with pytest.raises(RemoteUnreachable) as caught:
        mirror.fetch()
    return caught.value


# --------------------------------------------------------------------------- basic and bearer


def test_a_password_in_a_file_lets_in_and_is_read_at_each_fetch(upstream, mirror_of, secret):
    """A rotated password is used from the next fetch on, without a restart."""
    file = secret('p@ss "w$rd`\n')
    with HttpGit(upstream.folder.parent, credentials=("ada", 'p@ss "w$rd`')) as host:
        row = CredentialRow(host.url, username="ada", password_file=file)
        mirror = mirror_of(f"{host.url}/mesh.git", row)
        mirror.fetch()
        first = mirror.head().commit
        host.expected = basic("ada", "second\\n")
        error = refusal(mirror)
        secret("second\\n\r\n")
        second = upstream.commit({"a.yaml": "2"})
        mirror.fetch()

        assert (mirror.head().commit, first != second) == (second, True)
    assert (error.kind, error.fault, "credentials" in error.hint) == (
        "authentication",
        "operator",
        True,
    )


def test_a_password_in_the_environment_lets_in(upstream, mirror_of):
    """By the name of the variable; git gets neither its name nor any other."""
    with HttpGit(upstream.folder.parent, credentials=("ada", "hunter2")) as host:
        row = CredentialRow(host.url, username="ada", password_env="MESH_TOKEN")
        mirror = mirror_of(f"{host.url}/mesh.git", row, MESH_TOKEN="hunter2")
        mirror.fetch()

        assert upstream.tip() == mirror.head().commit


def test_a_bearer_token_lets_in(upstream, mirror_of, secret):
    """And is sent with the first request."""
    with HttpGit(upstream.folder.parent, token="t0ken-t0ken") as host:
        row = CredentialRow(f"{host.url}/mesh.git", token_file=secret("t0ken-t0ken\n"))
        mirror_of(f"{host.url}/mesh.git", row).fetch()

        assert {"Bearer t0ken-t0ken"} == set(host.authorizations)


def test_a_secret_of_another_prefix_is_not_sent(upstream, mirror_of, secret):
    """Not even to another path of the same host."""
    with HttpGit(upstream.folder.parent) as host:
        row = CredentialRow(f"{host.url}/other", token_file=secret("t0ken-t0ken"))
        mirror_of(f"{host.url}/mesh.git", row).fetch()

        assert {None} == set(host.authorizations)


def test_a_redirect_to_another_host_does_not_get_the_password(upstream, mirror_of, secret):
    """Even if that host asks for one."""
    with (
        HttpGit(upstream.folder.parent, credentials=("ada", "hunter2")) as host,
        HttpGit(upstream.folder.parent, credentials=("ada", "hunter2")) as other,
    ):
        host.expected, host.redirect = None, f"{other.url}/mesh.git/info/refs"
        host.redirect += "?service=git-upload-pack"
        row = CredentialRow(host.url, username="ada", password_file=secret("hunter2"))
        error = refusal(mirror_of(f"{host.url}/mesh.git", row))

        assert (error.kind, {None}) == ("authentication", set(other.authorizations))


def test_a_redirect_of_the_same_host_is_followed_with_the_password(upstream, mirror_of, secret):
    """A repository was renamed, and the host says so before it asks who we are."""
    with HttpGit(upstream.folder.parent, credentials=("ada", "hunter2")) as host:
        host.moved = ("/old.git/", "/mesh.git/")
        row = CredentialRow(host.url, username="ada", password_file=secret("hunter2"))
        mirror = mirror_of(f"{host.url}/old.git", row)
        mirror.fetch()

        assert upstream.tip() == mirror.head().commit


def test_a_token_goes_nowhere_else_by_a_redirect(upstream, mirror_of, secret):
    """It is an error that says what to do."""
    with (
        HttpGit(upstream.folder.parent) as other,
        HttpGit(upstream.folder.parent) as host,
    ):
        host.redirect = f"{other.url}/mesh.git/info/refs?service=git-upload-pack"
        row = CredentialRow(host.url, token_file=secret("t0ken-t0ken"))
        error = refusal(mirror_of(f"{host.url}/mesh.git", row))

        assert ([], error.kind) == (other.requests, "redirect")
    assert "repository.url" in error.hint


def test_who_is_known_and_may_not_read_is_told_so(upstream, mirror_of, secret):
    """403 is another's mistake than 401."""
    with HttpGit(upstream.folder.parent, token="another") as host:
        host.status = 403
        row = CredentialRow(host.url, token_file=secret("t0ken-t0ken"))
        error = refusal(mirror_of(f"{host.url}/mesh.git", row))

    assert ("permission", "operator") == (error.kind, error.fault)


@pytest.mark.parametrize("how", ["password", "token", "address"])
def test_a_host_that_repeats_a_secret_is_not_quoted(upstream, mirror_of, secret, how):
    """What it sends back is shown without it, in whatever form."""
    with HttpGit(upstream.folder.parent, token="another", manner=Manner.ECHOES) as host:
        url, rows = f"{host.url}/mesh.git", []
        if how == "password":
            rows = [CredentialRow(host.url, username="ada", password_file=secret("hunter2"))]
        elif how == "token":
            rows = [CredentialRow(host.url, token_file=secret("hunter2"))]
        else:
            url = f"http://ada:hunter2@{host.netloc}/mesh.git"
        error = refusal(mirror_of(url, *rows))
    sent = [one for one in host.authorizations if one]

    assert len(sent) > 0
    assert ("hunter2" in f"{error} {error.hint}", sent[-1].split()[1] in str(error)) == (
        False,
        False,
    )


# --------------------------------------------------------------------------- files


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "No such file"),
        (b"", "is empty"),
        (b"\n", "is empty"),
        (b"one\ntwo\n", "more than one line"),
        (b"a\0b", "more than one line"),
        (b"x" * 70_000, "larger than"),
        ("folder", "is no file"),
        ("pipe", "is no file"),
    ],
)
def test_a_file_that_cannot_be_used_is_named(mirror_of, tmp_path, content, words):
    """Nothing of what is in it is told, and nobody waits for a pipe."""
    path = tmp_path / "secret"
    if content == "folder":
        path.mkdir()
    elif content == "pipe":
        os.mkfifo(path)
    elif content is not None:
        path.write_bytes(content)
    row = CredentialRow("http://127.0.0.1:1", token_file=FilePath("secret"))
    error = refusal(mirror_of("http://127.0.0.1:1/mesh.git", row))

    assert (error.kind, error.fault, words in str(error)) == ("credentials", "operator", True)
    assert "token_file" in str(error)
    assert "two" not in str(error)


def test_a_variable_that_is_not_set_is_named(mirror_of):
    """By its name."""
    row = CredentialRow("http://127.0.0.1:1", token_env="MESH_TOKEN")

    assert "MESH_TOKEN is not set" in str(refusal(mirror_of("http://127.0.0.1:1/x", row)))


# --------------------------------------------------------------------------- TLS


@pytest.fixture(scope="module")
def authority():
    return Authority()


def test_a_private_authority_vouches_for_a_host(upstream, mirror_of, secret, authority):
    """The file is read again at each fetch, so an authority can be replaced."""
    with HttpGit(upstream.folder.parent, tls=tls_server(authority.issue())) as host:
        row = CredentialRow(host.url, ca=secret(Authority().certificate, "ca.pem"))
        mirror = mirror_of(f"{host.url}/mesh.git", row)
        error = refusal(mirror)
        secret(authority.certificate, "ca.pem")
        mirror.fetch()

        assert upstream.tip() == mirror.head().commit
    assert (error.kind, error.fault) == ("tls", "operator")


@pytest.mark.parametrize("wrong", ["nobody vouches", "another name", "run out"])
def test_a_host_that_nobody_vouches_for_is_not_trusted(
    upstream, mirror_of, secret, authority, wrong
):
    """The secret is not sent there either."""
    name = "other.example.com" if wrong == "another name" else "localhost"
    pair = authority.issue(name, days=-1 if wrong == "run out" else 1)
    with HttpGit(upstream.folder.parent, tls=tls_server(pair)) as host:
        url = host.url
        ca = secret(authority.certificate, "ca.pem") if wrong != "nobody vouches" else None
        if wrong == "another name":
            url = url.replace("127.0.0.1", "localhost")
        row = CredentialRow(url, ca=ca, token_file=secret("t0ken-t0ken"))
        error = refusal(mirror_of(f"{url}/mesh.git", row))

    assert (error.kind, host.authorizations) == ("tls", [])


def test_a_client_certificate_lets_in(upstream, mirror_of, secret, authority):
    """Without it, or with another's, the host ends the handshake."""
    clients, strangers = Authority("Clients"), Authority("Strangers")
    good, bad = clients.issue("gitsource"), strangers.issue("gitsource")
    tls = tls_server(authority.issue(), clients.certificate)
    with HttpGit(upstream.folder.parent, tls=tls) as host:
        ca = secret(authority.certificate, "ca.pem")
        without = refusal(mirror_of(f"{host.url}/mesh.git", CredentialRow(host.url, ca=ca)))
        row = CredentialRow(
            host.url,
            ca=ca,
            client_cert=secret(bad.certificate, "client.pem"),
            client_key=secret(bad.key, "client.key"),
        )
        mirror = mirror_of(f"{host.url}/mesh.git", row)
        strange = refusal(mirror)
        secret(good.certificate, "client.pem")
        secret(good.key, "client.key")
        mirror.fetch()

        assert upstream.tip() == mirror.head().commit
    assert ("tls", "tls") == (without.kind, strange.kind), (without, strange)


# --------------------------------------------------------------------------- proxies


@pytest.mark.parametrize("scheme", ["http", "socks5", "socks5h"])
@pytest.mark.parametrize("tls", [False, True])
def test_a_proxy_is_the_only_way_taken(upstream, mirror_of, secret, authority, scheme, tls):
    """With user and password from a file, read at each fetch; NO_PROXY of ours does not count."""
    kind = HttpProxy if scheme == "http" else Socks5Proxy
    context = tls_server(authority.issue()) if tls else None
    with (
        HttpGit(upstream.folder.parent, tls=context) as host,
        kind(("proxy user", "p:w@rd")) as proxy,
    ):
        row = CredentialRow(
            host.url,
            ca=secret(authority.certificate, "ca.pem"),
            proxy=f"{scheme}://{proxy.netloc}",
            proxy_credentials_file=secret("proxy user:old-one"),
        )
        mirror = mirror_of(f"{host.url}/mesh.git", row)
        error = refusal(mirror)
        secret("proxy user:p:w@rd\n")
        mirror.fetch()

        assert (upstream.tip(), {host.netloc}) == (mirror.head().commit, set(proxy.targets))
    assert (error.kind, error.fault, "old-one" in str(error)) == ("proxy", "operator", False)


@pytest.mark.parametrize("scheme", ["http", "socks5"])
def test_a_proxy_that_is_down_is_told_apart_from_a_host_that_is(mirror_of, secret, scheme):
    """Whose address to look at."""
    row = CredentialRow("https://git.example.com", proxy=f"{scheme}://127.0.0.1:1")
    error = refusal(mirror_of("https://git.example.com/mesh.git", row))

    assert (error.kind, error.fault) == ("proxy", "network")


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("http://127.0.0.1:1/x", "refused"),
        ("https://nowhere.invalid/x", "dns"),
        ("ssh://git@127.0.0.1:1/x", "refused"),
        ("ssh://git@nowhere.invalid/x", "dns"),
    ],
)
def test_a_host_that_is_down_is_told_apart_from_a_name_that_is_wrong(mirror_of, url, kind):
    """Both are the network's fault."""
    error = refusal(mirror_of(url))

    assert (error.kind, error.fault) == (kind, "network")


# --------------------------------------------------------------------------- ssh


@pytest.fixture
def ssh(upstream, server):
    with server(upstream.folder.parent) as host:
        yield host


@pytest.fixture
def ssh_row(secret):
    """Write a row's files for an ssh host."""

    def write(host: SshGit, *, known: str | None = None, passphrase: str | None = None):
        line = host.known_hosts_line() if known is None else known
        return CredentialRow(
            f"ssh://{host.name.replace('[', '').replace(']', '')}",
            ssh_key=secret(host.private_key(passphrase), "key"),
            known_hosts=secret(line, "known_hosts"),
            ssh_passphrase_file=secret(passphrase, "passphrase") if passphrase else None,
        )

    return write


@pytest.mark.parametrize("passphrase", [None, "correct horse"])
def test_a_key_lets_in(upstream, mirror_of, ssh, ssh_row, folder, passphrase):
    """With a passphrase too, and whatever the mode of the mounted file is."""
    mirror = mirror_of(f"{ssh.url}/mesh.git", ssh_row(ssh, passphrase=passphrase))
    (folder / "key").chmod(0o644)
    mirror.fetch()

    assert upstream.tip() == mirror.head().commit


def test_an_address_that_no_row_fits_is_told(upstream, mirror_of, secret):
    with HttpGit(upstream.folder.parent, credentials=("ada", "hunter2")) as host:
        row = CredentialRow(f"{host.url}/other", username="ada", password_file=secret("hunter2"))
        error = refusal(mirror_of(f"{host.url}/mesh.git", row))

    assert ("authentication", "operator") == (error.kind, error.fault)
    assert "no row of credentials fits" in error.hint


def test_a_key_that_wants_a_passphrase_and_has_none_is_told(
    upstream, mirror_of, ssh, ssh_row, secret
):
    row = ssh_row(ssh)
    secret(ssh.private_key("correct horse"), "key")
    error = refusal(mirror_of(f"{ssh.url}/mesh.git", row))

    assert (error.kind, "ssh_key wants a passphrase" in str(error)) == ("credentials", True)
    assert "ssh_passphrase_file" in str(error)


def test_a_key_is_read_at_each_fetch(upstream, mirror_of, ssh, ssh_row, secret):
    """A rotated key is used from the next fetch on."""
    mirror = mirror_of(f"{ssh.url}/mesh.git", ssh_row(ssh))
    mirror.fetch()
    ssh.new_user_key()
    error = refusal(mirror)
    secret(ssh.private_key(), "key")
    second = upstream.commit({"a.yaml": "2"})
    mirror.fetch()

    assert (error.kind, error.fault, mirror.head().commit) == ("authentication", "operator", second)


@pytest.mark.parametrize(
    ("key", "passphrase", "words"),
    [
        (b"no key", None, "ssh_key has no private key"),
        (None, "wrong", "ssh_passphrase_file does not open"),
        (b"no key", "any", "ssh_passphrase_file does not open"),
    ],
)
def test_a_key_that_cannot_be_used_is_told(
    upstream, mirror_of, ssh, ssh_row, secret, key, passphrase, words
):
    """Before anybody is called."""
    row = ssh_row(ssh, passphrase="right" if passphrase else None)
    secret(key, "key") if key else None
    secret(passphrase, "passphrase") if passphrase else None
    error = refusal(mirror_of(f"{ssh.url}/mesh.git", row))

    assert (words in str(error), ssh.commands) == (True, [])


@pytest.mark.parametrize("form", ["hashed", "pattern", "several"])
def test_a_host_is_known_in_every_form_that_ssh_has(upstream, mirror_of, ssh, ssh_row, form):
    """Hashed names, patterns, and several keys."""
    line = {
        "hashed": ssh.hashed_line(),
        "pattern": ssh.known_hosts_line().replace("127.0.0.1", "127.0.0.*"),
        "several": ssh.known_hosts_line(wrong=True) + ssh.known_hosts_line(),
    }[form]
    mirror = mirror_of(f"{ssh.url}/mesh.git", ssh_row(ssh, known=line))
    mirror.fetch()

    assert upstream.tip() == mirror.head().commit


def test_a_host_is_known_by_who_vouches_for_it(upstream, mirror_of, ssh_row, server):
    """`@cert-authority`: the host's own key need not be known."""
    with server(upstream.folder.parent, vouched=True) as host:
        mirror = mirror_of(f"{host.url}/mesh.git", ssh_row(host, known=host.authority_line()))
        mirror.fetch()

    assert upstream.tip() == mirror.head().commit


@pytest.mark.parametrize("hashed", [False, True])
def test_a_changed_host_key_is_told_with_both_fingerprints(
    upstream, mirror_of, ssh, ssh_row, secret, hashed
):
    """Host, type of key, what it offers and what was known, and in which line. Then reloaded."""
    wrong = ssh.known_hosts_line(wrong=True)
    was = fingerprint_of(wrong)
    if hashed:
        wrong = f"{ssh.hashed_line().split(' ')[0]} {wrong.split(' ', 1)[1]}"
    row = ssh_row(ssh, known=f"# known\n{wrong}")
    mirror = mirror_of(f"{ssh.url}/mesh.git", row)
    error = refusal(mirror)
    secret(ssh.known_hosts_line(), "known_hosts")
    mirror.fetch()
    text = str(error)

    assert (error.kind, error.fault) == ("host-key", "operator")
    assert [word for word in (ssh.name, "ED25519", ssh.fingerprint, was, "line 2") if
            word not in text] == []  # fmt: skip
    assert len(ssh.commands) == 1


def fingerprint_of(line: str) -> str:
    import asyncssh

    return str(asyncssh.import_public_key(line.split(" ", 1)[1]).get_fingerprint())


def test_an_unknown_host_is_told_with_the_line_to_add(upstream, mirror_of, ssh, ssh_row, folder):
    """It is not added by us; once the operator did, the host is trusted."""
    row = ssh_row(ssh, known="other.example.com ssh-ed25519 AAAA\n")
    mirror = mirror_of(f"{ssh.url}/mesh.git", row)
    error = refusal(mirror)
    line = error.hint.partition("the line: ")[2]
    before = (folder / "known_hosts").read_text()
    (folder / "known_hosts").write_text(f"{line}\n")
    mirror.fetch()

    assert (error.kind, ssh.fingerprint in str(error)) == ("host-key", True)
    assert "other.example.com ssh-ed25519 AAAA\n" == before
    assert ssh.known_hosts_line().split()[:3] == line.split()


def test_a_revoked_host_key_is_told(upstream, mirror_of, ssh, ssh_row):
    """Though another line has it as good."""
    line = ssh.known_hosts_line()
    error = refusal(mirror_of(f"{ssh.url}/mesh.git", ssh_row(ssh, known=f"@revoked {line}{line}")))

    assert ("host-key", True) == (error.kind, "revoked" in str(error))
    assert ssh.fingerprint in str(error)


def test_another_type_of_key_than_the_known_one_is_told(upstream, mirror_of, ssh_row, ssh):
    """The host has a new key of another type: what is known for it is told too."""
    with type(ssh)(upstream.folder.parent, kind="ecdsa-sha2-nistp256") as host:
        known = f"{host.name} {ssh.known_hosts_line().split(' ', 1)[1]}"
        error = refusal(mirror_of(f"{host.url}/mesh.git", ssh_row(host, known=known)))

    assert [word for word in (host.fingerprint, ssh.fingerprint) if word not in str(error)] == []


def test_ssh_without_known_hosts_is_refused(mirror_of, ssh):
    """Nothing is started."""
    row = CredentialRow(f"ssh://127.0.0.1:{ssh.port}", known_hosts=FilePath("gone"))
    error = refusal(mirror_of(f"{ssh.url}/mesh.git", row))

    assert "known_hosts" in str(error)
    assert "No such file" in str(error)


def test_the_users_own_files_do_not_count_beside_a_row(upstream, mirror_of, ssh, ssh_row, tmp_path):
    """A configuration that would trust anybody, or run something, is not read."""
    home = tmp_path / "home"
    ssh.write_home(home)
    (home / ".ssh" / "config").write_text(f"Host *\n  ProxyCommand touch {tmp_path}/pwned\n")
    row = ssh_row(ssh, known="other.example.com ssh-ed25519 AAAA\n")
    error = refusal(mirror_of(f"{ssh.url}/mesh.git", row, HOME=str(home)))

    assert (error.kind, (tmp_path / "pwned").exists(), ssh.commands) == ("host-key", False, [])


def open_files() -> list[str]:
    """Return what this process has open."""
    found = []
    for each in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):
            found.append(str(each.readlink()))
    return found


def test_a_private_key_is_held_for_one_step_only(ssh, ssh_row, tmp_path):
    """In memory, with no name in any folder, and gone afterwards."""
    row = ssh_row(ssh, passphrase="right")
    credentials = Credentials((row,), tmp_path, {})
    with credentials.access(address(f"{ssh.url}/mesh.git")) as access:
        command = access.environ["GIT_SSH_COMMAND"]
        (held,) = re.findall(r'IdentityFile="(/proc/[0-9]+/fd/[0-9]+)"', command)
        content, where = Path(held).read_bytes(), Path(held).readlink()

    assert (b"PRIVATE KEY" in content, str(where).startswith("/memfd:ssh_key")) == (True, True)
    assert [each for each in open_files() if "ssh_key" in each] == []
    assert "PRIVATE" not in f"{command} {access!r}"
