"""What answers in PostgreSQL's place: each ends in time, and the event loop goes on."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import pytest

from alphapulse_tui.postgres_frames import LARGEST_MESSAGE, connect

WELCOME = struct.pack("!cii", b"R", 8, 0)
"""AuthenticationOk."""


@asynccontextmanager
async def answering(*chunks: bytes) -> AsyncIterator[int]:
    """The port of a server that answers a login with ``chunks``, one after the other, and then listens."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.read(4096)
            for chunk in chunks:
                writer.write(chunk)
                await writer.drain()
            await reader.read()
        except ConnectionError:
            pass  # Hung up on: that is what is wanted.
        finally:
            writer.close()
            ended.set()

    ended = asyncio.Event()
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]
        await asyncio.wait_for(ended.wait(), 5)


@pytest.mark.parametrize(
    "chunks",
    [
        (b"\0" * 9,),
        (WELCOME + b"\0",),
        (WELCOME, b"\0\0", b"\0" * 7),
        (WELCOME[:3], WELCOME[3:] + b"Z\0\0\0"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n",),
        (b"R" + struct.pack("!i", LARGEST_MESSAGE + 1),),
        (b"R" + struct.pack("!i", 3),),
        (b"\xff" * 64,),
    ],
)
async def test_impossible_frames_are_a_lost_connection(chunks: tuple[bytes, ...]) -> None:
    async with answering(*chunks) as port:
        with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
            await connect(host="127.0.0.1", port=port, user="u", password="p", database="d", ssl=False, timeout=1.0)
