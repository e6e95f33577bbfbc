"""Whose signature a commit or tag carries, and whether it counts; with real keys."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gitsource.errors import ConfigurationError, GitFailed
from gitsource.git import openpgp, signatures
from gitsource.git.signatures import Keys, Verifier, keys_of
from gitsource.git.signed import MalformedError, of_commit, of_tag
from gitsource.model import Signature
from gitsource.settings.following import Trust
from gitsource.settings.units import FilePath, FilePaths
from signing import Ring, Sign, SshKey, header, with_signature

DAY = 86400
NOW = int(time.time())
LONG_AGO = NOW - 400 * DAY
RAW = (
    b"tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\n"
    b"author Ada Example <ada@example.org> 1704067200 +0000\n"
    b"committer Ada Example <ada@example.org> 1704067200 +0000\n"
    b"\nsubject\n\nbody\n"
)
Check = Callable[[bytes], Signature]


@pytest.fixture(scope="module")
def ring() -> Iterator[Ring]:
    made = Ring()
    yield made
    made.close()


@pytest.fixture(scope="module")
def ann(ring: Ring) -> str:
    return ring.make("ann")


@pytest.fixture(scope="module")
def expired(ring: Ring) -> str:
    """A key that was good for the ten days that began long ago."""
    return ring.make("expired", expires="10d", at=LONG_AGO)


@pytest.fixture
def checks() -> Iterator[Callable[..., Check]]:
    """Return what checks raw commits by given keys."""
    made: list[Verifier] = []

    def by(
        *keys: bytes, allowed: str | None = None, revoked: str | None = None, form: str = "sha1"
    ) -> Check:
        encoded = (text.encode() if text is not None else None for text in (allowed, revoked))
        verifier = Verifier(Keys(keys, *encoded))
        made.append(verifier)
        return lambda raw: verifier.check(of_commit(raw, form))

    yield by
    for verifier in made:
        verifier.close()


def sealed(sign: Sign, raw: bytes = RAW) -> bytes:
    return with_signature(raw, sign(raw))


# --------------------------------------------------------------------------- OpenPGP


def test_a_good_signature_names_the_key(ring, ann, checks):
    found = checks(ring.public(ann))(sealed(ring.signer(ann)))

    assert Signature("good", ann, frozenset((ann,))) == found


def test_git_agrees_that_it_is_signed_as_git_signs(ring, ann, tmp_path):
    """What the tests make is what git itself takes for signed."""
    from repositories import Upstream, run_git  # noqa: F401
    from signing import ran, signed

    upstream = Upstream(tmp_path / "upstream.git")
    commit = signed(upstream, ring.signer(ann), {"a.yaml": "a: b\n"})

    told = ran(
        ["git", f"--git-dir={upstream.folder}", "verify-commit", "--raw", commit],
        GNUPGHOME=str(ring.home),
    )

    assert b"" == told


def test_nothing_signed_is_told_apart_from_badly_signed(ring, ann, checks):
    assert Signature("none", reason="it is not signed") == checks(ring.public(ann))(RAW)


def test_a_key_that_is_not_configured_is_named_by_its_id(ring, ann, checks):
    other = ring.make("other")

    found = checks(ring.public(ann))(sealed(ring.signer(other)))

    assert ("bad", "the key is none of trust.gpg_keys") == (found.state, found.reason)
    assert found.key
    assert other.endswith(found.key)


def test_a_signature_over_another_commit_does_not_count(ring, ann, checks):
    other = RAW.replace(b"subject", b"SUBJECT")

    found = checks(ring.public(ann))(with_signature(RAW, ring.signer(ann)(other)))

    assert ("bad", "its signature is over something else, or damaged") == (
        found.state,
        found.reason,
    )


@pytest.mark.parametrize("where", ["tree", "author", "committer", "subject"])
def test_nothing_of_a_signed_commit_can_be_changed(ring, ann, checks, where):
    raw = sealed(ring.signer(ann)).replace(where.encode(), where.upper().encode(), 1)

    assert "bad" == checks(ring.public(ann))(raw).state


def test_a_signature_made_before_its_key_expired_counts(ring, expired, checks):
    sign = ring.signer(expired, at=LONG_AGO + DAY)

    assert "good" == checks(ring.public(expired))(sealed(sign)).state


def test_a_signature_made_after_its_key_expired_does_not_count(ring, expired, checks):
    """Gpg makes none, so the key is given more time for a moment, where the signer sits."""
    before = ring.public(expired)
    ring.gpg("--quick-set-expire", expired, "800d", at=LONG_AGO + DAY)
    sign = ring.signer(expired, at=LONG_AGO + 20 * DAY)

    found = checks(before)(sealed(sign))

    assert ("bad", "the key had expired when it was made") == (found.state, found.reason)


def test_no_signature_of_a_revoked_key_counts_however_old(ring, checks):
    key = ring.make("revoked", at=LONG_AGO)
    raw = sealed(ring.signer(key, at=LONG_AGO + DAY))
    before = ring.public(key)
    ring.revoke(key)

    found = checks(ring.public(key))(raw)

    assert "good" == checks(before)(raw).state
    assert ("bad", "the key is revoked") == (found.state, found.reason)


def test_a_key_that_is_expired_and_revoked_is_revoked(ring, checks):
    """Gpg speaks of the expiry alone."""
    key = ring.make("both", expires="10d", at=LONG_AGO)
    raw = sealed(ring.signer(key, at=LONG_AGO + DAY))
    ring.revoke(key)

    found = checks(ring.public(key))(raw)

    assert ("bad", "the key is revoked") == (found.state, found.reason)


def test_a_signature_that_has_expired_itself_does_not_count(ring, checks):
    key = ring.make("brief", at=LONG_AGO)
    sign = ring.signer(key, "--default-sig-expire", "2d", at=LONG_AGO + DAY)

    found = checks(ring.public(key))(sealed(sign))

    assert ("bad", "its signature has expired") == (found.state, found.reason)


def test_a_subkey_signs_for_its_key(ring, checks):
    key = ring.make("subs")
    subkey = ring.add_subkey(key)

    found = checks(ring.public(key))(sealed(ring.signer(subkey)))

    assert Signature("good", subkey, frozenset((key, subkey))) == found


def test_an_expired_subkey_is_good_for_its_time_alone(ring, checks):
    key = ring.make("subbed", at=LONG_AGO)
    subkey = ring.add_subkey(key, expires="10d", at=LONG_AGO)
    check = checks(ring.public(key))
    early = sealed(ring.signer(subkey, at=LONG_AGO + DAY))

    assert "good" == check(early).state
    assert "good" == check(sealed(ring.signer(key))).state


def test_two_signatures_in_one_block_do_not_count(ring, ann, checks):
    bob = ring.make("bob")
    both = ring.gpg("--armor", "-u", ann, "-u", bob, "--detach-sign", data=RAW)

    found = checks(ring.public(ann, bob))(with_signature(RAW, both))

    assert ("bad", "it has more than one signature") == (found.state, found.reason)


@pytest.mark.parametrize("digest", ["SHA1", "RIPEMD160"])
def test_a_signature_over_a_broken_digest_does_not_count(ring, ann, checks, digest):
    sign = ring.signer(ann, "--digest-algo", digest)
    found = checks(ring.public(ann))(sealed(sign))

    assert "bad" == found.state


def test_a_signature_over_text_rather_than_bytes_does_not_count(ring, ann, checks):
    found = checks(ring.public(ann))(sealed(ring.signer(ann, "--textmode")))

    assert ("bad", "its signature is not over the exact bytes") == (found.state, found.reason)


def test_without_keys_an_openpgp_signature_does_not_count(ring, ann, checks):
    assert "trust.gpg_keys is empty" in checks(allowed="")(sealed(ring.signer(ann))).reason


def test_keys_of_several_files_count(ring, ann, checks):
    bob = ring.make("bobby")
    check = checks(ring.public(ann), ring.public(bob))

    assert ["good", "good"] == [check(sealed(ring.signer(key))).state for key in (ann, bob)]


# --------------------------------------------------------------------------- SSH


@pytest.fixture(scope="module")
def ada(tmp_path_factory) -> SshKey:
    return SshKey(tmp_path_factory.mktemp("ssh"), "ada")


def test_a_good_ssh_signature_names_key_and_principal(ada, checks):
    found = checks(allowed=ada.allowed("ada@example.org"))(sealed(ada.signer()))

    assert (
        Signature("good", ada.fingerprint, frozenset((ada.fingerprint, "ada@example.org"))) == found
    )


def test_each_principal_of_an_ssh_key_is_a_name_of_the_signer(ada, checks):
    found = checks(allowed=ada.allowed("ada@example.org,ada@example.net"))(sealed(ada.signer()))

    assert {ada.fingerprint, "ada@example.org", "ada@example.net"} == found.signers


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("", "good"),
        ('namespaces="git"', "good"),
        ('namespaces="file,git"', "good"),
        ('namespaces="file"', "bad"),
        ('valid-after="20230101"', "good"),
        ('valid-after="20250101"', "bad"),
        ('valid-before="20250101"', "good"),
        ('valid-before="20230101"', "bad"),
        ('valid-after="20240101000000"', "good"),
        ('valid-before="20231231235959"', "bad"),
    ],
)
def test_the_options_of_an_allowed_signer_are_kept(ada, checks, options, expected):
    """The commits say that they are of 2024-01-01T00:00:00Z."""
    found = checks(allowed=ada.allowed("ada@example.org", options))(sealed(ada.signer()))

    assert expected == found.state


def test_an_unknown_ssh_key_is_named(ada, checks, tmp_path):
    other = SshKey(tmp_path, "other")
    found = checks(allowed=other.allowed("other@example.org"))(sealed(ada.signer()))

    assert ("bad", ada.fingerprint) == (found.state, found.key)
    assert found.reason.startswith("the key is not in trust.allowed_signers")


def test_an_ssh_signature_for_something_else_than_git_does_not_count(ada, checks):
    """Or whoever signs files could be made to sign commits."""
    found = checks(allowed=ada.allowed("ada@example.org"))(sealed(ada.signer("file")))

    assert ("bad", True) == (found.state, "not made for git" in found.reason)


def test_an_ssh_signature_over_another_commit_does_not_count(ada, checks):
    raw = with_signature(RAW, ada.signer()(RAW + b"more"))

    assert "bad" == checks(allowed=ada.allowed("ada@example.org"))(raw).state


def test_a_revoked_ssh_key_does_not_count(ada, checks):
    check = checks(allowed=ada.allowed("ada@example.org"), revoked=ada.public + "\n")

    assert ("bad", True) == (
        check(sealed(ada.signer())).state,
        "revoked" in check(sealed(ada.signer())).reason,
    )


def test_without_allowed_signers_an_ssh_signature_does_not_count(ring, ann, ada, checks):
    found = checks(ring.public(ann))(sealed(ada.signer()))

    assert ("bad", True) == (found.state, "trust.allowed_signers is not set" in found.reason)


# --------------------------------------------------------------------------- forgeries


STATUS = b"[GNUPG:] GOODSIG 0123456789ABCDEF Ann\n[GNUPG:] VALIDSIG " + b"A" * 40


@pytest.mark.parametrize(
    "text",
    [
        STATUS,
        b"gpg: Good signature from Ann",
        b'Good "git" signature for ada@example.org with ED25519 key SHA256:abc',
        b"-----BEGIN PGP SIGNATURE-----\n\nabc\n-----END PGP SIGNATURE-----",
        b"gpgsig -----BEGIN PGP SIGNATURE-----",
    ],
)
@pytest.mark.parametrize("place", [b"Ada Example", b"subject", b"body"])
def test_text_that_looks_like_a_verdict_is_text(ring, ann, ada, checks, text, place):
    line = text.replace(b"\n", b" ") if place == b"Ada Example" else text
    check = checks(ring.public(ann), allowed=ada.allowed("ada@example.org"))
    forged = RAW.replace(place, line)

    assert "none" == check(forged).state
    assert "bad" == check(with_signature(forged, ring.signer(ann)(RAW))).state


def test_a_user_id_that_looks_like_status_lines_says_nothing(ring, ann, checks):
    """Gpg escapes it; and the key is not configured."""
    evil = ring.make("x%0A[GNUPG:] GOODSIG 0 x%0A[GNUPG:] VALIDSIG")

    assert "bad" == checks(ring.public(ann))(sealed(ring.signer(evil))).state


@pytest.mark.parametrize(
    "signature",
    [
        b"",
        b"x",
        b"-----BEGIN PGP SIGNATURE-----\n-----END PGP SIGNATURE-----\n",
        b"-----BEGIN PGP MESSAGE-----\n\nabc\n-----END PGP MESSAGE-----\n",
        b"-----BEGIN SIGNED MESSAGE-----\nabc\n-----END SIGNED MESSAGE-----\n",
        b"-----BEGIN SSH SIGNATURE-----\nabc\n",
        b"-----BEGIN SSH SIGNATURE-----\n!!!\n-----END SSH SIGNATURE-----\n",
        b"-----BEGIN SSH SIGNATURE-----\nU1NIU0lH\n-----END SSH SIGNATURE-----\n",
        b"-----BEGIN PGP SIGNATURE-----\n\n" + b"A" * 100_000 + b"\n-----END PGP SIGNATURE-----\n",
    ],
    ids=range(9),
)
def test_what_is_no_signature_does_not_count(ring, ann, ada, checks, signature):
    check = checks(ring.public(ann), allowed=ada.allowed("ada@example.org"))
    try:
        state = check(with_signature(RAW, signature)).state
    except MalformedError:
        state = "bad"

    assert "bad" == state


def test_a_signed_message_in_place_of_a_signature_does_not_count(ring, ann, checks):
    """It would be a good signature, over what it has in it."""
    whole = ring.gpg("--armor", "-u", ann, "--sign", data=b"anything")
    disguised = whole.replace(b"PGP MESSAGE", b"PGP SIGNATURE")

    assert "bad" == checks(ring.public(ann))(with_signature(RAW, disguised)).state


def test_two_signature_headers_do_not_count(ring, ann):
    one = ring.signer(ann)(RAW)

    with pytest.raises(MalformedError, match="more than one"):
        of_commit(with_signature(RAW, one, one), "sha1")


def test_a_signature_of_two_kinds_in_one_header_does_not_count(ring, ann, ada):
    both = ring.signer(ann)(RAW) + ada.signer()(RAW)

    with pytest.raises(MalformedError, match="not one armored block"):
        of_commit(with_signature(RAW, both), "sha1")


def test_the_signature_for_the_other_hash_is_no_signature(ring, ann, checks):
    raw = with_signature(RAW, ring.signer(ann)(RAW), name=b"gpgsig-sha256")

    assert "none" == checks(ring.public(ann))(raw).state
    assert "good" == checks(ring.public(ann), form="sha256")(raw).state


def test_a_header_in_the_message_is_part_of_the_message(ring, ann):
    raw = RAW + header(ring.signer(ann)(RAW))

    assert of_commit(raw, "sha1") is None


# --------------------------------------------------------------------------- tags

TAG = b"object " + b"a" * 40 + b"\ntype commit\ntag v1\ntagger A <a@b> 1704067200 +0000\n\nv1\n"


def test_a_signed_tag_counts_and_says_what_it_names(ring, ann):
    verifier = Verifier(Keys((ring.public(ann),), None, None))
    tag = of_tag(TAG + ring.signer(ann)(TAG))

    assert ("a" * 40, "v1") == (tag.target, tag.name)
    assert "good" == verifier.check(tag.signed).state
    verifier.close()


def test_a_signature_quoted_in_a_tags_message_is_part_of_what_is_signed(ring, ann, ada):
    verifier = Verifier(Keys((ring.public(ann),), None, None))
    quoting = TAG + ring.signer(ann)(TAG)
    states = [
        verifier.check(of_tag(quoting + ring.signer(ann)(quoting)).signed).state,
        verifier.check(of_tag(quoting + ring.signer(ann)(TAG)).signed).state,
        verifier.check(of_tag(TAG).signed).state,
    ]
    verifier.close()

    assert ["good", "bad", "none"] == states


# --------------------------------------------------------------------------- files and programs


def test_files_with_keys_are_read_as_they_are_now(ring, ann, tmp_path):
    file = tmp_path / "keys.asc"
    file.write_bytes(ring.public(ann))
    trust = Trust("head", gpg_keys=FilePaths((str(file),)))
    before = keys_of(trust).digest
    file.write_bytes(ring.public(ring.make("newcomer")))

    assert before != keys_of(trust).digest


@pytest.mark.parametrize("content", [b"", b"hello", b"-----BEGIN PGP PRIVATE KEY BLOCK-----"])
def test_a_file_without_public_keys_is_refused(tmp_path, content):
    (tmp_path / "keys.asc").write_bytes(content)

    with pytest.raises(ConfigurationError, match=r"keys\.asc does not hold armored public keys"):
        keys_of(Trust("head", gpg_keys=FilePaths((str(tmp_path / "keys.asc"),))))


def test_a_file_that_only_looks_like_keys_is_refused():
    block = b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nabc\n-----END PGP PUBLIC KEY BLOCK-----\n"

    with pytest.raises(ConfigurationError, match="no OpenPGP key"):
        Verifier(Keys((block,), None, None))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigurationError, match=r"trust\.allowed_signers: .*none cannot be read"):
        keys_of(Trust("head", allowed_signers=FilePath(str(tmp_path / "none"))))


def test_a_program_that_is_not_installed_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(ConfigurationError, match="gpg is not installed"):
        signatures.find("gpg")


def test_nothing_stays_of_the_private_folder(ring, ann, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    verifier = Verifier(Keys((ring.public(ann),), None, None))
    (made,) = tmp_path.iterdir()
    mode = made.stat().st_mode & 0o777
    verifier.close()

    assert 0o700 == mode
    assert [] == list(tmp_path.iterdir())


def test_the_users_own_key_ring_has_no_say(ring, ann, checks, monkeypatch):
    monkeypatch.setenv("GNUPGHOME", str(ring.home))
    other = Ring()
    try:
        key = other.make("other")
        found = checks(other.public(key))(sealed(ring.signer(ann)))
    finally:
        other.close()

    assert "bad" == found.state


# --------------------------------------------------------------------------- the fence


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Return what puts a script in the place of a program."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")

    def put(program: str, script: str) -> None:
        (folder / program).write_text(f"#!/bin/sh\n{script}\n")
        (folder / program).chmod(0o755)

    return put


def alive(number: int) -> bool:
    """Tell whether a process runs: one that nobody has waited for yet does not."""
    try:
        return ") Z " not in Path(f"/proc/{number}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_a_program_that_hangs_is_killed_with_its_children(ada, fake, tmp_path):
    verifier = Verifier(Keys((), ada.allowed("ada@example.org").encode(), None), timeout=0.5)
    raw = sealed(ada.signer())
    fake("ssh-keygen", f"sleep 1000 & echo $! > {tmp_path}/child; wait")
    with pytest.raises(GitFailed, match=r"ssh-keygen find-principals did not answer"):
        verifier.check(of_commit(raw, "sha1"))
    verifier.close()
    child = int((tmp_path / "child").read_text())

    for _ in range(1000):
        if not alive(child):
            break
        time.sleep(0.01)

    assert not alive(child)


def test_a_program_gets_nothing_of_our_environment(ada, fake, tmp_path, monkeypatch):
    monkeypatch.setenv("GITSOURCE_SECRET", "canary")
    monkeypatch.setenv("SSH_AUTH_SOCK", "canary")
    verifier = Verifier(Keys((), ada.allowed("ada@example.org").encode(), None))
    raw = sealed(ada.signer())
    fake("ssh-keygen", f"env > {tmp_path}/told; exit 1")
    state = verifier.check(of_commit(raw, "sha1")).state
    verifier.close()
    told = (tmp_path / "told").read_text()

    assert ("bad", False) == (state, "canary" in told)
    assert "TZ=UTC" in told


def test_words_of_a_program_without_its_verdict_are_worth_nothing(ring, ann, fake):
    """Standard error is not read, and an exit code of gpg says nothing by itself."""
    verifier = Verifier(Keys((ring.public(ann),), None, None))
    raw = sealed(ring.signer(ann))
    valid = f"VALIDSIG {ann} 2024-01-01 1704067200 0 4 0 22 8 00 {ann}"
    states = []
    for channel in ("2", "1"):
        script = f"printf '[GNUPG:] GOODSIG {ann} x\\n[GNUPG:] {valid}\\n' >&{channel}"
        fake("gpg", script)
        states.append(verifier.check(of_commit(raw, "sha1")).state)
    verifier.close()

    assert ["bad", "good"] == states


@pytest.mark.parametrize(
    "status",
    [
        "",
        "GOODSIG K",
        "VALIDSIG K 2024-01-01 1704067200 0 4 0 22 8 00 K",
        "GOODSIG K x|VALIDSIG",
        "GOODSIG K x|VALIDSIG K 2024-01-01 soon 0 4 0 22 8 00 K",
        "GOODSIG K x|BADSIG K x|VALIDSIG K 2024-01-01 1704067200 0 4 0 22 8 00 K",
        "NEWSIG|NEWSIG|GOODSIG K x|VALIDSIG K 2024-01-01 1704067200 0 4 0 22 8 00 K",
        "GOODSIG K x|VALIDSIG L 2024-01-01 1704067200 0 4 0 22 8 00 K",
        "ERRSIG K 22 8 00 1704067200 9",
        "NODATA 1",
    ],
)
def test_status_lines_that_do_not_say_all_of_it_say_nothing(status):
    known = {"K": openpgp.Key("K", "K", 0, revoked=False)}
    lines = [f"[GNUPG:] {line}" for line in status.split("|")]

    assert "bad" == openpgp.verdict(lines, known).state


def test_status_lines_that_say_all_of_it_count():
    known = {"K": openpgp.Key("K", "K", 0, revoked=False)}
    told = ["x", "[GNUPG:] GOODSIG K x", "[GNUPG:] VALIDSIG K 2024-01-01 1 0 4 0 22 8 00 K"]

    assert Signature("good", "K", frozenset("K")) == openpgp.verdict(told, known)
