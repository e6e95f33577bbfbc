"""What has run out takes no good paper's place, and what runs out while it is in force is told."""

import time

import pytest

from gitsource.security.material import Material, files
from gitsource.security.papers import Needs
from svids import Mesh, spiffe

MESH = Mesh()
GOOD = MESH.svid(spiffe())
GOOD_FOR_LONG = MESH.svid(spiffe(), days=9)
DAY = 86_400


class Told(list):
    def __call__(self, happening):
        self.append((happening.event, happening.outcome, happening.why))


class Clock:
    """The time, as a test has it."""

    ahead = 0.0

    def __call__(self):
        return time.time() + self.ahead


@pytest.fixture
def folder(tmp_path):
    GOOD.put(tmp_path, "server")
    (tmp_path / "ca.pem").write_bytes(MESH.pem)
    (tmp_path / "crl.pem").write_bytes(MESH.revoking(days=3))
    return tmp_path


def loaded(folder, clock=time.time):
    """Return papers of *folder* that are in force, and what is told of them."""
    told = Told()
    read = files(
        folder / "server.pem",
        folder / "server.key",
        ca={"": folder / "ca.pem"},
        crl=folder / "crl.pem",
    )
    material = Material(read, Needs("require"), record=told, clock=clock)
    material.load()
    return material, told


def old_certificate(folder):
    MESH.svid(spiffe(), days=-1).put(folder, "server")
    return "server.pem"


def old_list(folder):
    (folder / "crl.pem").write_bytes(MESH.revoking(days=-1))
    return "crl.pem"


def old_authority(folder):
    made = MESH.svid(common="old", days=-1, authority=True, self_signed=True)
    (folder / "ca.pem").write_bytes(made.cert)
    return "ca.pem"


def good_list_and_an_old_one_of_another(folder):
    (folder / "crl.pem").write_bytes(MESH.revoking() + Mesh().revoking(days=-1))
    return "crl.pem"


@pytest.mark.parametrize(
    "spoil", [old_certificate, old_list, old_authority, good_list_and_an_old_one_of_another]
)
async def test_what_has_run_out_does_not_take_the_place_of_what_has_not(spoil, folder):
    material, told = loaded(folder)
    before = material.context
    name = spoil(folder)
    for _ in range(3):
        await material.look()

    assert material.context is before
    assert str(folder / name) in material.alarm
    assert "has run out" in material.alarm
    assert [("certificate", "failed", material.alarm)] == told


async def test_what_does_not_count_yet_is_taken_over_once_it_does(folder):
    MESH.server().put(folder, "server")
    clock = Clock()
    clock.ahead = -10 * DAY
    material, _ = loaded(folder, clock)
    GOOD.put(folder, "server")
    for _ in range(2):
        await material.look()

    assert "does not count before" in material.alarm

    clock.ahead = 0
    await material.look()

    assert GOOD.serial == int(material.in_force.serial, 16)
    assert () == material.alarms


async def test_another_old_certificate_is_no_reason_to_refuse_a_new_list(folder):
    """What has run out already is lost: a certificate that was taken back stays out at least."""
    old_certificate(folder)
    material, _ = loaded(folder)
    bad = MESH.svid(spiffe("bad"))
    (folder / "crl.pem").write_bytes(MESH.revoking(bad))
    await material.look()

    assert [bad.serial] == [serial for _, serial in material.in_force.revoked]
    assert 1 == len(material.alarms)


async def test_a_good_certificate_is_taken_when_the_old_one_has_run_out_whatever_the_list(folder):
    old_certificate(folder)
    material, _ = loaded(folder)
    GOOD.put(folder, "server")
    old_list(folder)
    await material.look()

    assert GOOD.serial == int(material.in_force.serial, 16)


@pytest.mark.parametrize(("days", "name"), [(2, "server.pem"), (5, "crl.pem")])
async def test_what_runs_out_while_it_is_in_force_is_told_once_with_its_file(days, name, folder):
    clock = Clock()
    material, told = loaded(folder, clock)
    await material.look()
    before = list(told)
    clock.ahead = days * DAY
    for _ in range(3):
        await material.look()

    assert [] == before
    assert any(str(folder / name) in one for one in material.alarms)
    assert [("certificate", "failed", one) for one in material.alarms] == told

    GOOD_FOR_LONG.put(folder, "server")
    (folder / "crl.pem").write_bytes(MESH.revoking(days=9))
    await material.look()

    assert () == material.alarms


def test_when_the_first_list_runs_out_is_known(folder):
    (folder / "crl.pem").write_bytes(MESH.revoking(days=3) + Mesh().revoking(days=1))
    material, _ = loaded(folder)

    assert 0 < material.in_force.crl_ends - time.time() < 1.1 * DAY
