"""Papers are taken over when they are good, together, and never otherwise."""

import os
from pathlib import Path

import pytest

from gitsource.errors import ConfigurationError
from gitsource.security.material import Material, files
from gitsource.security.papers import Needs
from svids import Mesh, spiffe

MESH = Mesh()
FIRST, SECOND = MESH.server(), MESH.server()


class Told(list):
    def __call__(self, happening):
        self.append((happening.event, happening.outcome, happening.why))


@pytest.fixture
def told():
    return Told()


@pytest.fixture
def folder(tmp_path):
    FIRST.put(tmp_path, "server")
    (tmp_path / "ca.pem").write_bytes(MESH.pem)
    return tmp_path


def material_of(folder, told, crl=None, clients="require"):
    read = files(
        folder / "server.pem",
        folder / "server.key",
        ca={"": folder / "ca.pem"},
        crl=folder / crl if crl else None,
    )
    return Material(read, Needs(clients, "1.3", ("h2",)), record=told)


def serial_of(material):
    return int(material.in_force.serial, 16)


async def test_new_files_are_in_force_after_the_next_look(folder, told):
    material = material_of(folder, told)
    material.load()
    calls = []
    material.changed.append(lambda: calls.append(serial_of(material)))
    SECOND.put(folder, "server")
    await material.look()

    assert [SECOND.serial] == calls
    assert [("certificate", "ok", "")] == told
    assert (1, 0, "") == (material.reloads, material.failures, material.alarm)


async def test_what_did_not_change_is_not_taken_over_again(folder, told):
    material = material_of(folder, told)
    material.load()
    before = material.context
    os.utime(folder / "server.pem", (1, 1))
    await material.look()

    assert material.context is before
    assert [] == told


async def test_a_symlink_that_is_swapped_as_kubernetes_does_it_is_followed(tmp_path, told):
    for name, papers in (("one", FIRST), ("two", SECOND)):
        (tmp_path / f"..{name}").mkdir()
        papers.put(tmp_path / f"..{name}", "server")
        (tmp_path / f"..{name}" / "ca.pem").write_bytes(MESH.pem)
    (tmp_path / "..data").symlink_to("..one")
    for name in ("server.pem", "server.key", "ca.pem"):
        (tmp_path / name).symlink_to(Path("..data", name))
    material = material_of(tmp_path, told)
    material.load()
    (tmp_path / "..data_tmp").symlink_to("..two")
    (tmp_path / "..data_tmp").rename(tmp_path / "..data")
    await material.look()

    assert SECOND.serial == serial_of(material)


def key_of_another(folder):
    (folder / "server.key").write_bytes(SECOND.key)
    return "server.key"


def half_a_certificate(folder):
    (folder / "server.pem").write_bytes(SECOND.cert[: len(SECOND.cert) // 2])
    return "server.pem"


def no_key(folder):
    (folder / "server.key").unlink()
    return "server.key"


def empty(folder):
    (folder / "server.pem").write_bytes(b"")
    return "server.pem"


def nobody_vouches(folder):
    (folder / "ca.pem").write_bytes(b"# none yet\n")
    return "ca.pem"


def broken_authority(folder):
    inner = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    (folder / "ca.pem").write_bytes(MESH.pem + inner)
    return "ca.pem"


def second_authority_half_written(folder):
    other = Mesh().pem
    (folder / "ca.pem").write_bytes(MESH.pem + other[: len(other) // 2])
    return "ca.pem"


def second_authority_written_up_to_its_last_line(folder):
    (folder / "ca.pem").write_bytes(MESH.pem + Mesh().pem.rstrip()[:-2])
    return "ca.pem"


def endless(folder):
    with (folder / "ca.pem").open("wb") as file:
        file.truncate(5 * 1024 * 1024)
    return "ca.pem"


def folder_in_its_place(folder):
    (folder / "ca.pem").unlink()
    (folder / "ca.pem").mkdir()
    return "ca.pem"


BAD = (
    key_of_another,
    half_a_certificate,
    no_key,
    empty,
    nobody_vouches,
    broken_authority,
    second_authority_half_written,
    second_authority_written_up_to_its_last_line,
    endless,
    folder_in_its_place,
)


@pytest.mark.parametrize("spoil", BAD)
async def test_a_bad_file_leaves_the_old_in_force_and_raises_an_alarm_with_its_name(
    spoil, folder, told
):
    material = material_of(folder, told)
    material.load()
    before = material.context
    name = spoil(folder)
    await material.look()
    once = list(told)
    for _ in range(3):
        await material.look()

    assert [] == once
    assert material.context is before
    assert str(folder / name) in material.alarm
    assert [("certificate", "failed", material.alarm)] == told
    assert 1 == material.failures


@pytest.mark.parametrize("spoil", BAD)
async def test_the_alarm_ends_when_the_files_are_good_again(spoil, folder, told):
    material = material_of(folder, told)
    material.load()
    name = spoil(folder)
    for _ in range(2):
        await material.look()
    if (folder / name).is_dir():
        (folder / name).rmdir()
    (folder / "ca.pem").write_bytes(MESH.pem)
    SECOND.put(folder, "server")
    await material.look()

    assert "" == material.alarm
    assert SECOND.serial == serial_of(material)


@pytest.mark.parametrize("spoil", BAD)
def test_bad_files_stop_a_start_and_are_named(spoil, folder, told):
    name = spoil(folder)

    with pytest.raises(ConfigurationError, match=name):
        material_of(folder, told).load()


def test_no_key_is_in_any_text(folder, told):
    key_of_another(folder)
    material = material_of(folder, told)

    with pytest.raises(ConfigurationError) as raised:
        material.load()

    inner = SECOND.key.split(b"\n")[1].decode()
    read = files(folder / "server.pem", folder / "server.key", ca={}, crl=None)()
    assert inner not in f"{raised.value!r} {raised.value.__cause__!r} {read!r} {material!r}"


async def test_a_new_revocation_list_is_in_force_and_a_broken_one_is_not(folder, told):
    bad = MESH.svid(spiffe())
    (folder / "crl.pem").write_bytes(MESH.revoking())
    material = material_of(folder, told, crl="crl.pem")
    material.load()
    nobody = material.in_force.revoked
    (folder / "crl.pem").write_bytes(MESH.revoking(bad))
    await material.look()
    somebody = material.in_force.revoked
    (folder / "crl.pem").write_bytes(b"-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n")
    for _ in range(2):
        await material.look()

    assert [] == list(nobody)
    assert [bad.serial] == [serial for _, serial in somebody]
    assert somebody == material.in_force.revoked
    assert "crl.pem" in material.alarm


async def test_a_revocation_list_that_is_half_written_takes_nothing_back(folder, told):
    one, two = MESH.svid(spiffe("one")), MESH.svid(spiffe("two"))
    other = MESH.revoking(two)
    (folder / "crl.pem").write_bytes(MESH.revoking(one) + other)
    material = material_of(folder, told, crl="crl.pem")
    material.load()
    (folder / "crl.pem").write_bytes(MESH.revoking(one) + other[: len(other) // 2])
    for _ in range(2):
        await material.look()

    assert {one.serial, two.serial} == {serial for _, serial in material.in_force.revoked}
    assert "crl.pem" in material.alarm


def test_no_session_can_be_resumed(folder, told):
    import ssl

    material = material_of(folder, told)
    material.load()

    assert 0 == material.context.num_tickets
    assert material.context.options & ssl.OP_NO_TICKET
