"""Servers that misbehave: whatever is asked, they answer with given bytes, drip them, or say nothing."""

from __future__ import annotations

import asyncio
import contextlib
import re
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable

Behaviour = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@contextlib.asynccontextmanager
async def door(behaviour: Behaviour, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """A port where every connection is treated to ``behaviour``, behind TLS where a context is given."""
    writers: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        with contextlib.suppress(ConnectionError, asyncio.CancelledError):
            await behaviour(reader, writer)

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for writer in writers:
            writer.transport.abort()


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Accept, read, never answer: a stopped process behind a full backlog looks the same."""
    while await reader.read(65536):
        pass


def says(answer: bytes) -> Behaviour:
    """Answer every request with ``answer``."""

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(65536):
            writer.write(answer)
            await writer.drain()

    return behave


def http(body: bytes, code: int = 200, kind: str = "application/json") -> Behaviour:
    """Answer every HTTP request with ``body``."""
    head = f"HTTP/1.1 {code} Whatever\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    return says(head + body)


def by_path(answers: dict[str, tuple[int, bytes]]) -> Behaviour:
    """Answer each HTTP request by the longest path in ``answers`` that it begins with, else 404."""

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while request := await reader.readuntil(b"\r\n\r\n"):
            if length := re.search(rb"(?i)\r\ncontent-length: *(\d+)", request):
                await reader.readexactly(int(length[1]))  # A body would be taken for the next request.
            path = request.split(b" ")[1].decode()
            found = max((known for known in answers if path.startswith(known)), key=len, default="")
            code, body = answers.get(found, (404, b"{}"))
            writer.write(
                f"HTTP/1.1 {code} X\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode()
                + body
            )
            await writer.drain()

    async def until_closed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError):
            await behave(reader, writer)

    return until_closed
