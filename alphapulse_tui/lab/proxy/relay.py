"""The proxy itself: listens, and has a toxic treat every connection.

In a test::

    async with FaultProxy("127.0.0.1", server_port, Latency(seconds=0.5)) as proxy:
        await client.connect("127.0.0.1", proxy.port)
        await proxy.change(Refused())
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import struct
from types import TracebackType
from typing import Self

from alphapulse_tui.lab.proxy.line import Cut, Line, Streams, carry
from alphapulse_tui.lab.proxy.toxics import Toxic

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
"""``SO_LINGER`` with no time: the close is an RST."""
_CONNECT_SECONDS = 10.0


class FaultProxy:
    """A port of its own, or a given listener, in front of ``host:port``. Without a toxic it only relays."""

    def __init__(
        self,
        host: str,
        port: int,
        toxic: Toxic | None = None,
        *,
        listener: socket.socket | None = None,
        from_address: str | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """Prepare; nothing listens before ``async with`` or :meth:`open`.

        Args:
            host: The server's address.
            port: Its port.
            toxic: What is wrong at first.
            listener: A listening socket to use instead of a free port; closed at the end.
            from_address: What the server is to see as the client's address.
            tls: The server's certificate, where it speaks TLS.
        """
        self._server_address = (host, port)
        self._toxic = toxic
        self._listener = listener
        self._from = from_address
        self._tls = tls
        self._server: asyncio.Server | None = None
        self._lines: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self.port = 0
        """Where clients connect."""

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def open(self) -> None:
        """Begin to listen, unless the toxic is that nobody does."""
        listener = self._listener or _bound(self.port)
        self._listener = None
        self.port = int(listener.getsockname()[1])
        if self._toxic is not None:
            if not self._toxic.listens:
                listener.close()
                return
            self._toxic.stand_at(listener)
        self._server = await asyncio.start_server(self._accept, sock=listener)

    async def change(self, toxic: Toxic | None) -> None:
        """Cut what is connected and go on with another toxic, or with none, at the same port."""
        await self.close()
        self._toxic = toxic
        await self.open()

    async def close(self) -> None:
        """Stop listening and cut every connection."""
        self.stop_listening()
        lines = dict(self._lines)
        for task in lines:
            task.cancel()
        if lines:
            await asyncio.wait(lines)
        for writer in lines.values():
            # A task that was cancelled before its first step has closed nothing; a transport that is closing does not bear a second end.
            if not writer.transport.is_closing():
                writer.transport.abort()

    def stop_listening(self) -> None:
        """Give the port back at once; what is connected stays."""
        server, self._server = self._server, None
        if server is not None:
            server.close()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._lines[task] = writer
        task.add_done_callback(self._lines.pop)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = Line(reader, writer, self._open_server, self._tls)
        treat = self._toxic.treat(line) if self._toxic is not None else line.relay(carry, carry)
        polite = False
        try:
            await treat
            polite = True
        except Cut as cut:
            polite = not cut.reset
            if cut.reset:
                with contextlib.suppress(OSError):  # it is gone already
                    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        except (OSError, EOFError, asyncio.LimitOverrunError):
            # One side broke off (ssl.SSLError is an OSError, IncompleteReadError an EOFError): the other is told by the close below.
            polite = False
        finally:
            if polite:
                writer.close()
            else:
                writer.transport.abort()

    async def _open_server(self) -> Streams:
        async with asyncio.timeout(_CONNECT_SECONDS):
            return await asyncio.open_connection(
                *self._server_address, local_addr=(self._from, 0) if self._from else None
            )


def _bound(port: int) -> socket.socket:
    """A socket at ``port`` of the loopback interface, any free one for 0."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
    except OSError:
        listener.close()
        raise
    return listener
