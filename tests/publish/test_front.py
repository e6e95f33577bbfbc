"""Who gets in over TLS, with real connections, and what the audit log is told of who does not."""

import asyncio
import ssl
from dataclasses import replace

import grpc
import pytest

from doors import METHOD, eventually, got, knocking, open_door, outcome, secured, shaken
from gitsource.settings.doors import Identity, TrustDomain
from gitsource.settings.units import Words
from serving import resource, snapshot
from svids import DOMAIN, Mesh, spiffe


@pytest.fixture(scope="module")
def mesh():
    return Mesh()


async def test_a_sink_with_a_good_svid_is_served_and_is_known_by_its_id(tmp_path, mesh):
    async with (
        open_door(secured(tmp_path, mesh)) as door,
        knocking(door.address, mesh, mesh.svid(spiffe())) as call,
    ):
        push = await got(call)
        (session,) = door.server.sessions

        assert ["a/b"] == [one.metadata.name for one in push.resources]
        assert (spiffe(), "mtls") == (session.who.identity, session.who.means)
        assert session.who.address.startswith("ipv4:127.0.0.1:")


BAD = {
    "expired": (lambda mesh: mesh.svid(spiffe(), days=-1), "certificate has expired"),
    "self-signed": (lambda mesh: mesh.svid(spiffe(), self_signed=True, common="x"), "self"),
    "of another authority": (lambda _: Mesh().svid(spiffe()), "unable to get"),
    "of another domain": (lambda mesh: mesh.svid(spiffe(domain="evil.org")), "none of ours"),
    "without a name": (lambda mesh: mesh.svid(common="istiod"), "none of the names that count"),
    "with a DNS name alone": (lambda mesh: mesh.svid(dns=["istiod"]), "none of the names"),
    "with two URIs": (lambda mesh: mesh.svid(spiffe(), spiffe("b")), "exactly one"),
    "with a URI that is no ID": (lambda mesh: mesh.svid("https://a/b"), "none of the names"),
    "with a malformed ID": (lambda mesh: mesh.svid(f"spiffe://{DOMAIN}/a//b"), "no X.509-SVID"),
    "of an authority": (lambda mesh: mesh.svid(spiffe(), authority=True), "no X.509-SVID"),
    "without a key usage": (lambda mesh: mesh.svid(spiffe(), usage=False), "no key usage"),
    "none at all": (lambda _: None, "peer did not return a certificate"),
}


@pytest.mark.parametrize("case", BAD)
async def test_a_certificate_that_is_no_good_gets_nobody_in_and_is_in_the_audit_log(
    case, tmp_path, mesh
):
    make, why = BAD[case]
    async with open_door(secured(tmp_path, mesh)) as door:
        told = await outcome(door.address, mesh, make(mesh))

        assert told.startswith("UNAVAILABLE")
        assert () == door.server.sessions
        first = next(one for one in door.ledger.happenings if one.event == "refuse")
        assert why in first.why
        assert first.peer.startswith("ipv4:127.0.0.1:")
        assert "" == first.who


async def test_who_had_a_good_handshake_and_is_not_let_in_is_told_why(tmp_path, mesh):
    async with open_door(secured(tmp_path, mesh)) as door:
        told = await outcome(door.address, mesh, mesh.svid(spiffe(domain="evil.org")))

        assert "the trust domain evil.org is none of ours" in told


@pytest.mark.parametrize(
    ("uris", "claimed"),
    [
        ([spiffe("a", domain="evil.org")], "spiffe://evil.org/a"),
        ([spiffe("a"), spiffe("b")], f"{spiffe('a')}, {spiffe('b')}"),
    ],
)
async def test_who_is_not_let_in_is_told_of_by_what_the_certificate_says(
    uris, claimed, tmp_path, mesh
):
    papers = mesh.svid(*uris, common="web")
    async with open_door(secured(tmp_path, mesh)) as door:
        await outcome(door.address, mesh, papers)
        one = next(one for one in door.ledger.happenings if one.event == "refuse")

        assert "" == one.who
        assert {
            "what": "connection",
            "times": one.facts["times"],
            "claimed": claimed,
            "subject": "CN=web",
            "serial": f"{papers.serial:x}",
        } == one.facts


async def test_certificates_that_are_refused_alike_are_told_apart(tmp_path, mesh):
    async with open_door(secured(tmp_path, mesh)) as door:
        for name in ("a", "b", "a"):
            await outcome(door.address, mesh, mesh.svid(spiffe(name, domain="evil.org")))
        told = [one.facts["claimed"] for one in door.ledger.happenings if one.event == "refuse"]

        assert {"spiffe://evil.org/a", "spiffe://evil.org/b"} == set(told)


async def test_a_revoked_certificate_gets_nobody_in(tmp_path, mesh):
    good, bad = mesh.svid(spiffe()), mesh.svid(spiffe())
    (tmp_path / "crl.pem").write_bytes(mesh.revoking(bad))
    async with open_door(secured(tmp_path, mesh, crl="crl.pem")) as door:
        told = [await outcome(door.address, mesh, one) for one in (good, bad)]

        assert "let in" == told[0]
        assert told[1].startswith("UNAVAILABLE")
        assert ["certificate revoked"] == door.ledger.refusals()


async def test_a_revocation_list_that_has_run_out_lets_nobody_in(tmp_path, mesh):
    (tmp_path / "crl.pem").write_bytes(mesh.revoking(days=-1))
    async with open_door(secured(tmp_path, mesh, crl="crl.pem")) as door:
        told = await outcome(door.address, mesh, mesh.svid(spiffe()))

        assert told.startswith("UNAVAILABLE")
        assert ["CRL has expired"] == door.ledger.refusals()


async def test_plaintext_to_the_door_is_refused_and_told(tmp_path, mesh):
    async with open_door(secured(tmp_path, mesh)) as door:
        told = await outcome(door.address, mesh, plain=True)

        assert told.startswith("UNAVAILABLE")
        assert () == door.server.sessions
        assert all("http" in why or "version" in why for why in door.ledger.refusals())
        assert door.ledger.refusals()


@pytest.mark.parametrize(
    ("oldest", "spoken", "taken"),
    [
        ("1.3", ssl.TLSVersion.TLSv1_2, False),
        ("1.3", ssl.TLSVersion.TLSv1_3, True),
        ("1.2", ssl.TLSVersion.TLSv1_2, True),
        ("1.2", ssl.TLSVersion.TLSv1_1, False),
    ],
)
async def test_no_tls_older_than_wanted_is_spoken(oldest, spoken, taken, tmp_path, mesh):
    async with open_door(secured(tmp_path, mesh, min_version=oldest)) as door:
        how = {"highest": spoken}
        asked = asyncio.to_thread(shaken, door.address, mesh, mesh.svid(spiffe()), tmp_path, **how)
        if taken:
            assert spoken.name.replace("_", ".") == await asked
            return
        with pytest.raises(OSError, match=r"(?i)version|protocol"):
            await asked
        await eventually(door.ledger.refusals)

        assert all("protocol" in why or "version" in why for why in door.ledger.refusals())


async def test_names_besides_spiffe_count_if_the_settings_say_so(tmp_path, mesh):
    identity = Identity(names=Words(("dns", "cn")))
    async with open_door(secured(tmp_path, mesh, identity=identity)) as door:
        async with knocking(door.address, mesh, mesh.svid(dns=["Istiod.Mesh"])) as call:
            await got(call)
            first = door.server.sessions[0].who
        await eventually(lambda: not door.server.sessions)
        async with knocking(door.address, mesh, mesh.svid(common="mixer")) as call:
            await got(call)
            second = door.server.sessions[0].who

        assert ("dns:istiod.mesh", ("istiod.mesh",)) == (first.identity, first.dns)
        assert ("cn:mixer", "mixer") == (second.identity, second.common_name)


async def test_an_authority_of_one_domain_cannot_vouch_for_another(tmp_path, mesh):
    partner = Mesh()
    (tmp_path / "partner.pem").write_bytes(partner.pem)
    domains = (TrustDomain(DOMAIN), TrustDomain("partner.org", "partner.pem"))
    identity = Identity(names=Words(("spiffe", "dns")), trust_domains=domains)
    shown = {
        "its own": partner.svid(spiffe(domain="partner.org")),
        "ours": partner.svid(spiffe()),
        "a DNS name": partner.svid(dns=["istiod"]),
        "theirs by us": mesh.svid(spiffe(domain="partner.org")),
    }
    async with open_door(secured(tmp_path, mesh, identity=identity)) as door:
        told = {name: await outcome(door.address, mesh, one) for name, one in shown.items()}

        assert ["its own"] == [name for name, one in told.items() if one == "let in"]


async def test_where_certificates_are_optional_who_shows_none_is_nobody(tmp_path, mesh):
    async with (
        open_door(secured(tmp_path, mesh, clients="optional")) as door,
        knocking(door.address, mesh) as call,
    ):
        await got(call)
        (session,) = door.server.sessions

        assert not session.who.known
        assert "none" == session.who.means


async def test_where_certificates_are_optional_a_bad_one_is_still_refused(tmp_path, mesh):
    async with open_door(secured(tmp_path, mesh, clients="optional")) as door:
        told = await outcome(door.address, mesh, mesh.svid(spiffe(), days=-1))

        assert told.startswith("UNAVAILABLE")


async def test_the_same_refusal_again_and_again_is_one_line_that_counts(tmp_path, mesh):
    async with open_door(secured(tmp_path, mesh)) as door:
        for _ in range(20):
            with pytest.raises(OSError, match=r".*"):
                await asyncio.to_thread(shaken, door.address, mesh)

        assert 20 == door.server.door.front.refused
        assert 1 == len(door.ledger.refusals())


async def test_a_connection_that_never_came_in_by_the_front_is_none_of_ours(tmp_path, mesh):
    async with open_door(secured(tmp_path, mesh)) as door:
        told = await outcome(door.server._private.address, mesh, plain=True)

        assert "UNAUTHENTICATED: the connection is none of ours" == told


async def test_a_large_push_comes_whole_through_the_door_and_a_large_request_too(tmp_path, mesh):
    large = snapshot(*(resource(f"a/{at}", size=100_000) for at in range(100)))
    async with (
        open_door(secured(tmp_path, mesh), large) as door,
        knocking(door.address, mesh, mesh.svid(spiffe())) as call,
    ):
        with pytest.raises(Exception, match="larger than max"):
            await got(call)
    async with open_door(secured(tmp_path, mesh), large) as door:
        push = await _large(door, mesh)

        assert 100 == len(push.resources)
        assert {100_000} == {len(one.body.value) for one in push.resources}


async def _large(door, mesh):
    papers = mesh.svid(spiffe())
    credentials = grpc.ssl_channel_credentials(mesh.pem, papers.key, papers.cert)
    options = [("grpc.max_receive_message_length", -1), ("grpc.use_local_subchannel_pool", 1)]
    async with grpc.aio.secure_channel(door.address, credentials, options=options) as channel:
        return await got(channel.stream_stream(METHOD)())


async def test_a_fault_in_judging_costs_one_connection_and_leaves_nothing_behind(
    tmp_path, mesh, caplog
):
    async with open_door(secured(tmp_path, mesh)) as door:
        front = door.server.door.front
        terms = front._terms

        def judge(chain, address, now):
            raise RuntimeError("a bug")

        front._terms = replace(terms, judge=judge)
        first = await outcome(door.address, mesh, mesh.svid(spiffe()))
        front._terms = terms
        second = await outcome(door.address, mesh, mesh.svid(spiffe()))
        await eventually(lambda: not front._open)

        assert "a fault in gitsource" in first
        assert "let in" == second
        assert 0 == door.server.admission.connections
        assert "a bug" in caplog.text
