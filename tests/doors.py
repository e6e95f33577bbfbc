"""A real server behind the sinks' door of some settings, and sinks that knock at it."""

import asyncio
import contextlib
import json
import socket
import ssl
import time
import warnings
from dataclasses import replace
from pathlib import Path

import grpc
import grpc.aio
import jwt
from cryptography.hazmat.primitives.asymmetric import ec

from gitsource._proto.istio.mcp.v1alpha1 import mcp_pb2
from gitsource.catalog.whole import Catalog
from gitsource.publish.entry.whole import SinksDoor
from gitsource.publish.server import RESOURCE_SOURCE, McpServer
from gitsource.settings.doors import Identity, Tls, Tokens, TrustDomain
from gitsource.settings.serving import Limits
from gitsource.settings.units import Address, FilePath
from gitsource.settings.whole import Settings
from gitsource.snapshot.cache import SnapshotCache
from serving import VS, resource, snapshot
from svids import DOMAIN

METHOD = f"/{RESOURCE_SOURCE}/EstablishResourceStream"
KEY = ec.generate_private_key(ec.SECP256R1())


class Ledger:
    """What the audit log was told."""

    def __init__(self):
        self.happenings = []

    def __call__(self, happening):
        self.happenings.append(happening)

    def refusals(self):
        return [one.why for one in self.happenings if one.event == "refuse"]


def secured(folder, mesh, *, server=None, limits=None, identity=None, tokens=None, **tls):
    """Return settings of a door whose files are in *folder*, which are written."""
    (server or mesh.server()).put(folder, "server")
    Path(folder, "ca.pem").write_bytes(mesh.pem)
    named = {"cert": "server.pem", "key": "server.key", "ca": "ca.pem"} | tls
    for name in ("cert", "key", "ca", "crl"):
        if named.get(name):
            named[name] = FilePath(str(Path(folder, named[name])))
    settings = Settings(
        tls=Tls(**named),
        identity=identity or Identity(trust_domains=(TrustDomain(DOMAIN),)),
        limits=limits or Limits(),
        folder=FilePath(str(folder)),
    )
    return replace(settings, tokens=tokens) if tokens is not None else settings


@contextlib.asynccontextmanager
async def open_door(settings, first=None):
    """Serve *first* (else one resource) by *settings*; yields an `Open`."""
    cache = SnapshotCache()
    cache.set("default", first or snapshot(resource("a/b")))
    ledger = Ledger()
    door = await SinksDoor.open(settings, ledger)
    server = McpServer(
        cache,
        Catalog,
        Address("127.0.0.1:0"),
        settings.limits,
        keepalive=settings.limits.keepalive,
        record=ledger,
        entry=door.entry(None),
    )
    await server.start()
    door.behind(server)
    try:
        yield Open(door, server, cache, ledger)
    finally:
        await server.stop()
        door.close()


class Open:
    """An open door."""

    def __init__(self, door, server, cache, ledger):
        self.door, self.server, self.cache, self.ledger = door, server, cache, ledger
        self.address = f"127.0.0.1:{server.port}"

    @property
    def material(self):
        return self.door._material


@contextlib.asynccontextmanager
async def knocking(address, mesh, papers=None, *, token="", collection=VS, plain=False):
    """Open a stream that subscribes to *collection*; yields the call."""
    options = [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0)]
    if plain:
        channel = grpc.aio.insecure_channel(address, options=options)
    else:
        shown = (papers.key, papers.cert) if papers else (None, None)
        credentials = grpc.ssl_channel_credentials(mesh.pem, *shown)
        channel = grpc.aio.secure_channel(address, credentials, options=options)
    metadata = (("authorization", f"Bearer {token}"),) if token else ()
    call = channel.stream_stream(METHOD)(metadata=metadata)
    try:
        yield call
    finally:
        call.cancel()
        await channel.close()


async def got(call, collection=VS):
    """Subscribe and return the first push."""
    request = mcp_pb2.RequestResources(collection=collection)
    request.sink_node.id = "sink"
    async with asyncio.timeout(10):
        await call.write(request.SerializeToString())
        answer = await call.read()
    if answer is grpc.aio.EOF:
        await call.code()
        raise refusal(call)
    return mcp_pb2.Resources.FromString(answer)


async def acked(call, push):
    """Accept *push*."""
    request = mcp_pb2.RequestResources(collection=push.collection, response_nonce=push.nonce)
    request.sink_node.id = "sink"
    await call.write(request.SerializeToString())


def refusal(call):
    return AssertionError(f"no push: {call!r}")


async def outcome(address, mesh, papers=None, **how):
    """Return ``let in``, or the status by which a sink was not."""
    async with knocking(address, mesh, papers, **how) as call:
        try:
            await got(call)
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError, AssertionError):
            return f"{(await call.code()).name}: {await call.details()}"
        return "let in"


def shaken(address, mesh, papers=None, folder=None, *, highest=None):
    """Do a handshake with the standard library; returns the TLS version. Raises OSError."""
    context = ssl.create_default_context(cadata=mesh.pem.decode())
    if highest is not None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # old TLS is what is tried
            context.minimum_version = context.maximum_version = highest
        context.set_ciphers("ALL:@SECLEVEL=0")
    if papers is not None:
        context.load_cert_chain(*papers.put(folder, "client"))
    host, _, port = address.rpartition(":")
    with (
        socket.create_connection((host, int(port)), timeout=5) as sock,
        context.wrap_socket(sock, server_hostname=host) as tls,
    ):
        tls.recv(1)  # over TLS 1.3 the server judges after the client is done
        return tls.version()


async def eventually(true, seconds=60.0):
    """Wait until *true* says so."""
    async with asyncio.timeout(seconds):
        while not true():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.01)


def token(**claims):
    """Return a token of *envoy*."""
    now = int(time.time())
    told = {"iss": "us", "aud": "gitsource", "sub": "envoy", "exp": now + 60} | claims
    return jwt.encode(told, KEY, "ES256", headers={"kid": "one"})


def with_tokens(folder):
    """Return settings that take such tokens; their keys are put into *folder*."""
    row = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(KEY.public_key())) | {"kid": "one"}
    (folder / "jwks.json").write_text(json.dumps({"keys": [row]}))
    return Tokens(FilePath(str(folder / "jwks.json")), issuer="us", audience="gitsource")
