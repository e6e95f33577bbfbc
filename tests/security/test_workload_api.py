"""The SPIFFE Workload API in place of files, with a small agent that speaks it."""

import asyncio
import tempfile
from pathlib import Path

import pytest

from agent import agent
from doors import acked, got, knocking, open_door, outcome
from gitsource.errors import ConfigurationError
from gitsource.publish.entry.whole import SinksDoor
from gitsource.settings.doors import Identity, Tls, TrustDomain
from gitsource.settings.whole import Settings
from svids import DOMAIN, Mesh, spiffe

OURS = spiffe("ns/mesh/sa/gitsource")


@pytest.fixture
def folder():
    """A folder whose path is short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="gs-") as path:
        yield Path(path)


def settings_of(address, identity=None):
    return Settings(tls=Tls(workload_api=address), identity=identity or Identity())


def ours(mesh):
    """Papers of gitsource: an SVID that also has a name which gRPC's clients can check."""
    return mesh.svid(OURS, dns=["localhost"])


async def test_svid_and_bundle_of_the_agent_are_what_is_shown_and_trusted(folder):
    mesh = Mesh()
    async with agent(folder) as (one, address):
        await one.give(OURS, papers := ours(mesh), mesh.der)
        async with open_door(settings_of(address)) as door:
            at = f"localhost:{door.server.port}"

            assert papers.serial == int(door.material.in_force.serial, 16)
            assert "let in" == await outcome(at, mesh, mesh.svid(spiffe()))
            assert "let in" != await outcome(at, mesh, mesh.svid(spiffe(domain="other.org")))
            assert "let in" != await outcome(at, mesh, Mesh().svid(spiffe()))


async def test_a_rotation_by_the_agent_drops_no_stream(folder):
    mesh = Mesh()
    async with agent(folder) as (one, address):
        await one.give(OURS, ours(mesh), mesh.der)
        async with (
            open_door(settings_of(address)) as door,
            knocking(f"localhost:{door.server.port}", mesh, mesh.svid(spiffe())) as call,
        ):
            await acked(call, await got(call))
            await one.give(OURS, new := ours(mesh), mesh.der)
            async with asyncio.timeout(10):
                while int(door.material.in_force.serial, 16) != new.serial:
                    await door.material.look()
                    await asyncio.sleep(0.05)

            assert not call.done()
            assert 1 == len(door.server.sessions)


async def test_a_federated_bundle_vouches_for_its_own_domain_alone(folder):
    mesh, partner = Mesh(), Mesh()
    domains = (TrustDomain(DOMAIN), TrustDomain("partner.org"))
    async with agent(folder) as (one, address):
        await one.give(OURS, ours(mesh), mesh.der, {"spiffe://partner.org": partner.der})
        settings = settings_of(address, Identity(trust_domains=domains))
        async with open_door(settings) as door:
            at = f"localhost:{door.server.port}"
            shown = [
                partner.svid(spiffe(domain="partner.org")),
                partner.svid(spiffe()),
                mesh.svid(spiffe(domain="partner.org")),
            ]

            assert [True, False, False] == [
                await outcome(at, mesh, papers) == "let in" for papers in shown
            ]


async def test_an_agent_that_goes_away_leaves_what_is_in_force(folder):
    mesh = Mesh()
    async with agent(folder) as (one, address):
        await one.give(OURS, ours(mesh), mesh.der)
        door = await SinksDoor.open(settings_of(address))
        before = door._material.in_force
    await door._material.look()
    door.close()

    assert before.digest == door._material.in_force.digest


async def test_without_an_agent_there_is_no_start(folder, monkeypatch):
    from gitsource.security import workload_api

    monkeypatch.setattr(workload_api, "PATIENCE", 0.5)
    with pytest.raises(ConfigurationError, match="Workload API"):
        await SinksDoor.open(settings_of(f"unix://{folder}/nobody.sock"))
