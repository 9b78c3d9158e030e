"""asyncpg, with every message's frame checked before its parser sees it.

Its parser (0.31, 0.32) never returns from a message whose type is a NUL byte: one answer of zeros, from a garbling proxy or from a stranger
on the port, stops the event loop and with it every panel and key. So a connection whose frames are impossible is cut, as if the server had
hung up. Used by ``sources.postgres_link`` and ``actions.postgres_connection``.
"""

from __future__ import annotations

import asyncio
from typing import cast

import asyncpg
from asyncpg import protocol

HEAD_BYTES = 5
"""A type and the length of the rest, itself included (PostgreSQL's documentation, "Message Formats")."""

LARGEST_MESSAGE = 64 * 1024 * 1024
"""Bytes; our largest answers are some hundred kB."""


class FramedProtocol(protocol.Protocol):  # type: ignore[misc]
    """asyncpg's own, behind the check."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport: asyncpg's is out of reach."""
        self._framed = cast("asyncio.Transport", transport)
        self._head = b""
        self._left = 0
        """Bytes of the present message that are still to come."""
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """Hand ``data`` on while its frames are possible; else hang up."""
        if self._possible(data):
            super().data_received(data)
        else:
            self._framed.abort()

    def _possible(self, data: bytes) -> bool:
        place = 0
        while place < len(data):
            if self._left:
                step = min(self._left, len(data) - place)
                self._left -= step
            else:
                step = min(HEAD_BYTES - len(self._head), len(data) - place)
                self._head += data[place : place + step]
                if not self._head[0]:
                    return False
                if len(self._head) == HEAD_BYTES:
                    length = int.from_bytes(self._head[1:], "big")
                    if not 4 <= length <= LARGEST_MESSAGE:
                        return False
                    self._head, self._left = b"", length - 4
            place += step
        return True


protocol.Protocol = FramedProtocol  # asyncpg offers no other way: it makes its protocol of this name.

connect = asyncpg.connect
"""``asyncpg.connect``, with the check."""
