"""`gitsource sink` as a process of its own."""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import asynccontextmanager


class Process:
    """A running `gitsource sink`."""

    def __init__(self, process) -> None:
        self.process = process

    async def line(self) -> str:
        return (await asyncio.wait_for(self.process.stdout.readline(), 30)).decode()

    async def ended(self) -> tuple[int, str, str]:
        out, err = await asyncio.wait_for(self.process.communicate(), 30)
        return self.process.returncode, out.decode(), err.decode()


@asynccontextmanager
async def sinking(*args: str, **environ: str):
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        "import sys; from gitsource.cli.main import main; sys.exit(main())",
        "sink",
        *args,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        limit=2**24,
        env={**os.environ, **environ},
    )
    try:
        yield Process(process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()
