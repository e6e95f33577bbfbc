"""A process that dials: from a commit to a sink that listens, and to its end."""

import asyncio
from pathlib import Path

from classic_sink import Listening, Sink
from repositories import Upstream
from running import GW, Gitsource, eventually

GATEWAY = """\
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge, namespace: shop}
spec:
  selector: {istio: ingressgateway}
  servers:
  - port: {number: 80, name: http, protocol: HTTP}
    hosts: ["*"]
"""


async def test_one_gateway_in_git_is_one_object_at_the_sink(
    tmp_path: Path, upstream: Upstream
) -> None:
    """Section 3.7; the sink is away when gitsource starts, and that holds nobody up."""
    sink = Sink([GW])
    upstream.commit({"mesh/gateway.yaml": GATEWAY})
    async with Listening(sink) as taken:
        port = taken.port
    settings = (
        f"sinks:\n  metadata: [mesh=prod]\n  dial: [{{name: edge, address: 'localhost:{port}'}}]\n"
    )
    with Gitsource(tmp_path / "run", upstream.url, settings) as running:
        eventually(lambda: "dialling again" in running.log.read_text(), "a failed dial")
        async with Listening(sink, port) as there:
            await sink.until(lambda one: one.held.get(GW))
            status = await asyncio.to_thread(running.status)

            assert ["shop/edge"] == list(sink.held[GW])
            assert "prod" == there.dials[0]["mesh"]
            assert [("edge", "mcp-dial")] == [
                (row["id"], row["protocol"]) for row in status["sinks"]
            ]

            code = await asyncio.to_thread(running.stop)

            assert 0 == code
