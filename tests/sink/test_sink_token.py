"""A sink shows a bearer token, read anew for each stream, to a source that wants one."""

import asyncio

from doors import open_door, secured, token, with_tokens
from gitsource.sink.client import Sink
from gitsource.sink.transport import Dialled, Tls
from serving import VS
from svids import Mesh

MESH = Mesh()


async def test_a_token_from_a_file_gets_a_sink_in_and_is_read_again_for_each_try(tmp_path):
    settings = secured(tmp_path, MESH, clients="none", tokens=with_tokens(tmp_path))
    file = tmp_path / "token"
    file.write_text("no token yet\n")
    async with open_door(settings) as door:
        transport = Dialled(door.address, Tls(MESH.pem), file)
        async with Sink(door.address, [VS], transport=transport) as sink:
            updates = sink.updates()
            first = asyncio.ensure_future(anext(updates))
            async with asyncio.timeout(20):
                while not door.ledger.refusals():  # noqa: ASYNC110 - there is no event
                    await asyncio.sleep(0.01)
                file.write_text(token() + "\n")
                update = await first
            who = door.server.sessions[0].who.identity
            await updates.aclose()

    assert ["a/b"] == [one.name for one in update.resources]
    assert "jwt:envoy@us" == who
