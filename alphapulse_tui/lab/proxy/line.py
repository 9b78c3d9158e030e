"""One connection through the proxy (:class:`Line`), and how bytes go from one side to the other."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

CHUNK = 65536
"""Bytes that are read at once at most."""

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Carry = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
"""Takes what one side says to the other until it ends."""


class Cut(Exception):
    """Ends the connection at once, by RST when ``reset``, else by an ordinary close."""

    def __init__(self, *, reset: bool) -> None:
        super().__init__("reset" if reset else "closed")
        self.reset = reset


@dataclass(slots=True)
class Line:
    """A client's connection, and the way to the server that it wanted."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    open_server: Callable[[], Awaitable[Streams]]
    tls: ssl.SSLContext | None = None
    """The server's own certificate, where it speaks TLS: what answers in its place must speak it too."""

    async def secure(self, context: ssl.SSLContext | None = None) -> None:
        """Do the server's half of a TLS handshake, with ``context`` or the server's own; nothing happens where there is neither.

        Raises:
            ssl.SSLError, ConnectionError: The client would not.
        """
        if (chosen := context or self.tls) is not None:
            await self.writer.start_tls(chosen)

    async def relay(self, requests: Carry, answers: Carry) -> None:
        """Carry both directions until both have ended.

        Raises:
            Cut: One of the two wants it so.
            OSError: The server cannot be reached, or one side broke the connection.
        """
        reader, writer = await self.open_server()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(as_task(requests(self.reader, writer)))
                group.create_task(as_task(answers(reader, self.writer)))
        except* (Cut, OSError) as group_of_one:
            raise _first(group_of_one) from None
        finally:
            writer.transport.abort()


async def as_task(carrying: Awaitable[None]) -> None:
    """An awaitable as the coroutine that a task wants."""
    await carrying


def _first(group: BaseExceptionGroup[Cut | OSError]) -> Cut | OSError:
    """The first leaf."""
    inner = group.exceptions[0]
    return _first(inner) if isinstance(inner, BaseExceptionGroup) else inner


async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Everything at once, and the end as well."""
    while chunk := await reader.read(CHUNK):
        writer.write(chunk)
        await writer.drain()
    hang_up(writer)


def hang_up(writer: asyncio.StreamWriter) -> None:
    """Tell the other side that nothing more will come; it may still speak itself."""
    if writer.can_write_eof():
        writer.write_eof()
