"""A small SPIFFE agent: the Workload API on a Unix socket, with what a test wants it to say."""

import asyncio
import contextlib

import grpc.aio
from spiffe._proto import workload_pb2, workload_pb2_grpc


class Agent(workload_pb2_grpc.SpiffeWorkloadAPIServicer):
    """Streams SVIDs; `give` says new ones to all who listen."""

    def __init__(self):
        self._said = None
        self._news = asyncio.Condition()

    async def give(self, spiffe_id, papers, bundle, federated=None):
        """Say *papers* for *spiffe_id* with the authorities in *bundle* (DER)."""
        from cryptography.hazmat.primitives import serialization

        key = serialization.load_pem_private_key(papers.key, None).private_bytes(
            serialization.Encoding.DER,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        svid = workload_pb2.X509SVID(
            spiffe_id=spiffe_id, x509_svid=papers.der, x509_svid_key=key, bundle=bundle
        )
        async with self._news:
            self._said = workload_pb2.X509SVIDResponse(
                svids=[svid], federated_bundles=federated or {}
            )
            self._news.notify_all()

    async def FetchX509SVID(self, _request, _context):  # noqa: N802 - the name in the contract
        said = None
        while True:
            async with self._news:
                await self._news.wait_for(lambda said=said: self._said is not said)
                said = self._said
            yield said


@contextlib.asynccontextmanager
async def agent(folder):
    """Run an agent; yields it and its address."""
    one = Agent()
    server = grpc.aio.server()
    workload_pb2_grpc.add_SpiffeWorkloadAPIServicer_to_server(one, server)
    address = f"unix://{folder}/agent.sock"
    server.add_insecure_port(f"unix:{folder}/agent.sock")
    await server.start()
    try:
        yield one, address
    finally:
        await server.stop(0)
