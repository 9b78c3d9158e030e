"""Toxics that answer in the server's place: errors, wrong and giant answers over HTTP, and an expired certificate."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import ClassVar

from alphapulse_tui.lab.proxy.certificates import expired_context
from alphapulse_tui.lab.proxy.line import CHUNK, Line
from alphapulse_tui.lab.proxy.toxics import Toxic

_VERBS = (b"GET ", b"HEAD ", b"POST ", b"PUT ", b"PATCH ", b"DELETE ", b"LIST ", b"OPTIONS ")
_MEGABYTE = 1_000_000


async def next_request(reader: asyncio.StreamReader) -> bytes:
    """The next request with its body when it is HTTP, else whatever came; empty at the end.

    Raises:
        asyncio.IncompleteReadError, asyncio.LimitOverrunError: The client broke off, or sent a head of more than 64 KiB.
    """
    first = await reader.read(1)
    if not first:
        return b""
    if not any(verb.startswith(first) for verb in _VERBS):
        return first + await reader.read(CHUNK)
    head = first + await reader.readuntil(b"\r\n\r\n")
    length = next(
        (int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0
    )
    return head + await reader.readexactly(length)


def http_head(status: int, length: int, *extra: str) -> bytes:
    """The head of a JSON answer."""
    phrase = HTTPStatus(status).phrase
    lines = [f"HTTP/1.1 {status} {phrase}", "Content-Type: application/json", f"Content-Length: {length}", *extra]
    return "\r\n".join([*lines, "", ""]).encode()


@dataclass(frozen=True)
class HttpError(Toxic):
    """An HTTP error for every request."""

    summary: ClassVar[str] = "every HTTP request gets this status (429, 503, ...)"
    status: int = 503
    retry_after: int = 30
    """Seconds, told with 429 and 503."""

    def __post_init__(self) -> None:
        if not 400 <= self.status <= 599:
            raise ValueError(f"status is 400 to 599, not {self.status}")
        HTTPStatus(self.status)  # raises ValueError for a number that is none

    async def treat(self, line: Line) -> None:
        """Answer each request."""
        await line.secure()
        body = b'{"errors": ["the proxy says no"]}'
        extra = [f"Retry-After: {self.retry_after}"] if self.status in (429, 503) else []
        while await next_request(line.reader):
            line.writer.write(http_head(self.status, len(body), *extra) + body)
            await line.writer.drain()


@dataclass(frozen=True)
class WrongJson(Toxic):
    """200, JSON, and not what was asked for."""

    summary: ClassVar[str] = "every HTTP request gets well-formed JSON of a wrong shape"
    body: str = '[{"unexpected": [null, 1e999, {"data": "no"}]}]'

    async def treat(self, line: Line) -> None:
        """Answer each request."""
        await line.secure()
        body = self.body.encode()
        while await next_request(line.reader):
            line.writer.write(http_head(200, len(body)) + body)
            await line.writer.drain()


@dataclass(frozen=True)
class Giant(Toxic):
    """An answer without end, in the client's own protocol."""

    summary: ClassVar[str] = "one answer of 200 MB (HTTP, Redis and PostgreSQL)"
    megabytes: int = 200
    """Millions of bytes."""

    async def treat(self, line: Line) -> None:
        """Answer each request; piece by piece, so that it costs the proxy no memory."""
        await line.secure()
        while request := await next_request(line.reader):
            size = self.megabytes * _MEGABYTE
            line.writer.write(_giant_head(request, size))
            piece = b"0," * (CHUNK // 2)
            for sent in range(0, size, len(piece)):
                line.writer.write(piece[: size - sent])
                await line.writer.drain()


def _giant_head(request: bytes, size: int) -> bytes:
    """What announces ``size`` bytes: a RESP bulk string to a Redis client, an ErrorResponse to a PostgreSQL one, else an HTTP body."""
    if request.startswith(b"*"):
        return b"$%d\r\n" % size
    if request.startswith(b"\x00\x00"):
        # The start-up packet begins with its length; messages of the server have a letter and a length that counts itself.
        return b"E" + (size + 4).to_bytes(4, "big")
    return http_head(200, size)


@dataclass(frozen=True)
class ExpiredTls(Toxic):
    """A certificate that has run out."""

    summary: ClassVar[str] = "TLS with a certificate that expired yesterday"
    context: ssl.SSLContext = field(default_factory=expired_context, compare=False)
    """Not an option: the certificate itself."""

    async def treat(self, line: Line) -> None:
        """Shake hands; who takes it all the same gets the server."""
        await line.secure(self.context)
        while await next_request(line.reader):
            line.writer.write(http_head(200, 2) + b"{}")
            await line.writer.drain()
