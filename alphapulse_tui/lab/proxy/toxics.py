"""What can be wrong with a connection: one small class each, in the table :data:`TOXICS`.

The set of Toxiproxy (github.com/Shopify/toxiproxy, "Toxics") and what design 7's fault matrix adds: garbage, truncated, wrong and giant
answers, HTTP errors, an expired certificate, flapping. A toxic's fields are its options; every one has a default that a person would notice.

*Shapes* (:class:`Shape`) let the server answer and spoil the way, in one direction or both. *Doors* answer in its place (:mod:`.doors`).
"""

from __future__ import annotations

import asyncio
import random
import socket
from dataclasses import dataclass
from typing import ClassVar

from alphapulse_tui.lab.proxy import sockets
from alphapulse_tui.lab.proxy.line import CHUNK, Carry, Cut, Line, carry, hang_up

DIRECTIONS = ("answers", "requests", "both")


@dataclass(frozen=True)
class Toxic:
    """What is done to every connection."""

    summary: ClassVar[str]
    """One line: what clients see."""
    listens: ClassVar[bool] = True
    """Whether anybody is to listen at all."""

    async def treat(self, line: Line) -> None:
        """Serve one connection; it is closed when this returns.

        Raises:
            Cut: End it now.
            OSError: One side broke it.
        """
        await line.relay(carry, carry)

    def stand_at(self, listener: socket.socket) -> None:
        """Prepare the listening socket."""


@dataclass(frozen=True)
class Shape(Toxic):
    """A toxic that lets the server answer and spoils the way."""

    direction: str = "answers"
    """``answers``, ``requests`` or ``both``."""

    def __post_init__(self) -> None:
        if self.direction not in DIRECTIONS:
            raise ValueError(f"direction is {', '.join(DIRECTIONS)}, not {self.direction!r}")

    async def treat(self, line: Line) -> None:
        """Relay, with the chosen directions spoilt."""
        spoilt: Carry = self.carry
        await line.relay(
            spoilt if self.direction != "answers" else carry, spoilt if self.direction != "requests" else carry
        )

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take one direction's bytes across."""
        await carry(reader, writer)


@dataclass(frozen=True)
class Latency(Shape):
    """Everything comes late."""

    summary: ClassVar[str] = "every answer comes late"
    seconds: float = 2.0
    jitter: float = 0.0
    """Seconds more or less, evenly spread."""

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Hold every piece back."""
        while chunk := await reader.read(CHUNK):
            await asyncio.sleep(max(0.0, self.seconds + random.uniform(-self.jitter, self.jitter)))
            writer.write(chunk)
            await writer.drain()
        hang_up(writer)


@dataclass(frozen=True)
class Drip(Shape):
    """A byte now and then: what defeats every deadline that is not a total one."""

    summary: ClassVar[str] = "answers arrive a byte at a time"
    seconds: float = 1.0
    """Between two bytes."""

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One byte each ``seconds``."""
        while chunk := await reader.read(1):
            writer.write(chunk)
            await writer.drain()
            await asyncio.sleep(self.seconds)
        hang_up(writer)


@dataclass(frozen=True)
class Bandwidth(Shape):
    """A narrow link."""

    summary: ClassVar[str] = "a narrow link: so many bytes a second"
    rate: int = 1024
    """Bytes a second."""

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """A tenth of a second's worth at a time."""
        while chunk := await reader.read(max(1, self.rate // 10)):
            writer.write(chunk)
            await writer.drain()
            await asyncio.sleep(len(chunk) / self.rate)
        hang_up(writer)


@dataclass(frozen=True)
class Sliced(Shape):
    """Many small pieces: what breaks a reader that takes one read for one message."""

    summary: ClassVar[str] = "answers arrive in small pieces"
    size: int = 3
    """Bytes of a piece."""
    pause: float = 0.001
    """Seconds between two pieces, so that they are not put together again."""

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """A few bytes, a moment, and so on."""
        while chunk := await reader.read(self.size):
            writer.write(chunk)
            await writer.drain()
            await asyncio.sleep(self.pause)
        hang_up(writer)


@dataclass(frozen=True)
class Truncated(Shape):
    """The connection is closed in the middle of an answer."""

    summary: ClassVar[str] = "the connection closes in the middle of an answer"
    size: int = 50
    """Bytes that pass before."""

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass the first bytes, then close."""
        left = self.size
        while left and (chunk := await reader.read(left)):
            writer.write(chunk)
            await writer.drain()
            left -= len(chunk)
        raise Cut(reset=False)


@dataclass(frozen=True)
class Garbage(Shape):
    """Bytes, but not the server's."""

    summary: ClassVar[str] = "answers of the right length, made of random bytes"
    seed: int = 7
    """Equal seeds, equal garbage."""

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """As many bytes as the server sent, at random."""
        chance = random.Random(self.seed)
        while chunk := await reader.read(CHUNK):
            writer.write(chance.randbytes(len(chunk)))
            await writer.drain()
        hang_up(writer)


@dataclass(frozen=True)
class SlowClose(Shape):
    """The end comes late."""

    summary: ClassVar[str] = "the connection stays open after the server has closed it"
    seconds: float = 10.0

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass everything, wait, then the end."""
        while chunk := await reader.read(CHUNK):
            writer.write(chunk)
            await writer.drain()
        await asyncio.sleep(self.seconds)
        hang_up(writer)


@dataclass(frozen=True)
class Reset(Shape):
    """RST, as from a firewall or a crashed peer."""

    summary: ClassVar[str] = "connections are reset (RST)"
    size: int = 0
    """Bytes that pass before; 0 resets at once."""

    async def treat(self, line: Line) -> None:
        """At once, or in the middle."""
        if not self.size:
            raise Cut(reset=True)
        await super().treat(line)

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass the first bytes, then reset."""
        left = self.size
        while left and (chunk := await reader.read(left)):
            writer.write(chunk)
            await writer.drain()
            left -= len(chunk)
        raise Cut(reset=True)


@dataclass(frozen=True)
class Flapping(Toxic):
    """Well and gone by turns."""

    summary: ClassVar[str] = "well for some seconds, reset for some, and so on"
    well: float = 5.0
    gone: float = 5.0

    async def treat(self, line: Line) -> None:
        """Relay until the good time is over, which begins anew every ``well + gone`` seconds of the loop's clock."""
        now = asyncio.get_running_loop().time()
        passed = now % (self.well + self.gone)
        if passed >= self.well:
            raise Cut(reset=True)
        try:
            async with asyncio.timeout(self.well - passed):
                await line.relay(carry, carry)
        except TimeoutError:
            raise Cut(reset=True) from None


@dataclass(frozen=True)
class Refused(Toxic):
    """Nobody listens."""

    summary: ClassVar[str] = "connections are refused, as where nobody listens"
    listens: ClassVar[bool] = False

    async def treat(self, line: Line) -> None:
        """Where refusing is not possible (see ``fronts``), the nearest to it."""
        del line
        raise Cut(reset=True)


@dataclass(frozen=True)
class BlackHole(Toxic):
    """Packets vanish: not even a handshake."""

    summary: ClassVar[str] = "packets vanish: connecting takes for ever"

    def stand_at(self, listener: socket.socket) -> None:
        """Have the kernel drop what reaches it."""
        sockets.drop_from(listener, "0.0.0.0", "0.0.0.0")


@dataclass(frozen=True)
class Silent(Toxic):
    """Accepts, reads, and never says a word."""

    summary: ClassVar[str] = "connections are accepted and never answered"

    async def treat(self, line: Line) -> None:
        """Swallow everything."""
        while await line.reader.read(CHUNK):
            pass
