"""Certificates change while streams are open: nobody is dropped but who is revoked or runs out."""

import asyncio
import socket
import ssl

import pytest

from doors import acked, eventually, got, knocking, open_door, outcome, secured
from gitsource._proto.istio.mcp.v1alpha1 import mcp_pb2
from gitsource.settings.doors import Identity, TrustDomain
from serving import resource, snapshot
from svids import DOMAIN, Mesh, spiffe

MESH = Mesh()


def ends_of(door):
    """Return a list that tells, of each stream that ends, whether that is our doing, and why."""
    ends = []

    def heard(report):
        if report.event == "disconnected":
            ends.append((report.ours, report.error))

    door.cache.listen(heard)
    return ends


async def pushed(door, call):
    """Publish something new and return what comes of it on an open stream."""
    door.cache.set("default", snapshot(resource("a/new", "v9")))
    async with asyncio.timeout(10):
        answer = mcp_pb2.Resources.FromString(await call.read())
    return [one.metadata.name for one in answer.resources]


async def test_a_new_server_certificate_drops_no_stream_and_counts_for_new_ones(tmp_path):
    papers = MESH.svid(spiffe())
    async with (
        open_door(secured(tmp_path, MESH)) as door,
        knocking(door.address, MESH, papers) as call,
    ):
        await acked(call, await got(call))
        new = MESH.server()
        new.put(tmp_path, "server")
        await door.material.look()
        came = await pushed(door, call)

        assert ["a/new"] == came
        assert new.serial == int(door.material.in_force.serial, 16)
        assert "let in" == await outcome(door.address, MESH, papers)


async def test_other_authorities_count_at_once_and_end_what_only_the_old_vouched_for(tmp_path):
    other = Mesh()
    async with (
        open_door(secured(tmp_path, MESH)) as door,
        knocking(door.address, MESH, MESH.svid(spiffe())) as call,
    ):
        await acked(call, await got(call))
        (tmp_path / "ca.pem").write_bytes(MESH.pem + other.pem)
        await door.material.look()
        both = await pushed(door, call)
        new = await outcome(door.address, MESH, other.svid(spiffe()))
        (tmp_path / "ca.pem").write_bytes(other.pem)
        await door.material.look()
        await eventually(lambda: not door.server.sessions)

        assert (["a/new"], "let in") == (both, new)
        assert ["may not do so" in why for why in door.ledger.refusals()] == [True]


async def test_who_is_revoked_during_its_handshake_is_not_let_in(tmp_path):
    bad = MESH.svid(spiffe("ns/shop/sa/bad"))
    (tmp_path / "crl.pem").write_bytes(MESH.revoking())
    context = ssl.create_default_context(cadata=MESH.pem.decode())
    context.load_cert_chain(*bad.put(tmp_path, "bad"))
    context.set_alpn_protocols(["h2"])
    async with open_door(secured(tmp_path, MESH, crl="crl.pem")) as door:
        sock = socket.create_connection(("127.0.0.1", door.server.port))
        await eventually(lambda: door.server.admission.connections)
        (tmp_path / "crl.pem").write_bytes(MESH.revoking(bad))
        await door.material.look()
        reader, writer = await asyncio.open_connection(
            sock=sock, ssl=context, server_hostname="127.0.0.1"
        )
        async with asyncio.timeout(10):
            told = await reader.read()
        writer.transport.abort()

        assert b"certificate revoked" in told
        assert ["certificate revoked"] == door.ledger.refusals()


async def test_who_is_revoked_while_connected_is_cut_off_and_nobody_else(tmp_path):
    good, bad = MESH.svid(spiffe("good")), MESH.svid(spiffe("bad"))
    (tmp_path / "crl.pem").write_bytes(MESH.revoking())
    async with (
        open_door(secured(tmp_path, MESH, crl="crl.pem")) as door,
        knocking(door.address, MESH, good) as one,
        knocking(door.address, MESH, bad) as two,
    ):
        await acked(one, await got(one))
        await got(two)
        ends = ends_of(door)
        (tmp_path / "crl.pem").write_bytes(MESH.revoking(bad))
        await door.material.look()
        await eventually(lambda: len(door.server.sessions) == 1)
        came = await pushed(door, one)

        assert ["a/new"] == came
        assert spiffe("good") == door.server.sessions[0].who.identity
        assert ["certificate revoked"] == door.ledger.refusals()
        (told,) = [one for one in door.ledger.happenings if one.event == "refuse"]
        assert (spiffe("bad"), f"{bad.serial:x}") == (told.who, told.facts["serial"])
        assert [(True, "certificate revoked")] == ends


async def test_who_stands_below_a_revoked_authority_is_cut_off_and_nobody_else(tmp_path):
    """The authority is one between them and the one that is trusted."""
    fallen, kept = MESH.below(), MESH.below()
    bad = fallen.svid(spiffe("bad")).under(fallen)
    good = kept.svid(spiffe("good")).under(kept)
    lists = MESH.revoking() + fallen.revoking() + kept.revoking()
    (tmp_path / "crl.pem").write_bytes(lists)
    async with (
        open_door(secured(tmp_path, MESH, crl="crl.pem")) as door,
        knocking(door.address, MESH, good) as one,
        knocking(door.address, MESH, bad) as two,
    ):
        await acked(one, await got(one))
        await got(two)
        revoked = MESH.revoking(fallen.papers) + fallen.revoking() + kept.revoking()
        (tmp_path / "crl.pem").write_bytes(revoked)
        await door.material.look()
        await eventually(lambda: len(door.server.sessions) == 1)
        came = await pushed(door, one)
        again = await outcome(door.address, MESH, bad)

        assert ["a/new"] == came
        assert spiffe("good") == door.server.sessions[0].who.identity
        assert again != "let in"
        assert ["above the peer's own" in why for why in door.ledger.refusals()] == [True, True]
        told = [one for one in door.ledger.happenings if one.event == "refuse"]
        assert [(spiffe("bad"), spiffe("bad")), ("", spiffe("bad"))] == [
            (one.who, one.facts["claimed"]) for one in told
        ]


@pytest.mark.parametrize(("wanted", "told"), [("given", "let in"), ("all", "no revocation list")])
async def test_a_list_that_is_missing_of_an_authority_counts_as_the_setting_says(
    wanted, told, tmp_path
):
    middle = MESH.below()
    papers = middle.svid(spiffe()).under(middle)
    (tmp_path / "crl.pem").write_bytes(middle.revoking())
    settings = secured(tmp_path, MESH, crl="crl.pem", crl_chain=wanted)
    async with open_door(settings) as door:
        came = await outcome(door.address, MESH, papers)
        said = [came, *door.ledger.refusals()]

        assert told in said[-1]
        assert (came == "let in") is (wanted == "given")


@pytest.mark.parametrize(("expired", "ends"), [("end", True), ("keep", False)])
async def test_a_stream_ends_with_its_certificate_if_that_is_wanted(expired, ends, tmp_path):
    identity = Identity(trust_domains=(TrustDomain(DOMAIN),), expired=expired)
    async with (
        open_door(secured(tmp_path, MESH, identity=identity)) as door,
        knocking(door.address, MESH, MESH.svid(spiffe(), seconds=3)) as call,
    ):
        await acked(call, await got(call))
        if ends:
            async with asyncio.timeout(10):
                told = (await call.code()).name, await call.details()

            assert "UNAUTHENTICATED" == told[0]
            assert "expired" in told[1]
        else:
            await asyncio.sleep(3.5)

            assert ["a/new"] == await pushed(door, call)


async def test_a_bad_new_file_is_told_in_the_status_and_streams_go_on(tmp_path):
    async with (
        open_door(secured(tmp_path, MESH)) as door,
        knocking(door.address, MESH, MESH.svid(spiffe())) as call,
    ):
        await acked(call, await got(call))
        (tmp_path / "server.key").write_bytes(MESH.server().key)
        for _ in range(2):
            await door.material.look()

        assert any("server.key" in alarm for alarm in door.door.status()["alarms"])
        assert 1 == door.door.gauges().alarms
        assert ["a/new"] == await pushed(door, call)
        assert "let in" == await outcome(door.address, MESH, MESH.svid(spiffe()))
