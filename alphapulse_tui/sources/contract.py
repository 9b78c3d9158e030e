"""The contract of a source and the loop that runs every one of them.

Each source has a task of its own, so a target that hangs delays nobody else. Every read stands under a *total* deadline (a server that
drips a byte a second defeats per-phase time-outs). A read that is still under way when the next tick comes is that tick: nothing
queues. After a failure the loop backs off with full jitter from 1 to 60 seconds and never gives up. A refusal for lack of rights is said
once, with the grant that is missing, and then asked again only once a minute.

The loop is the first of the two places that may catch any exception: a bug in a decoder must not blind the cockpit for good. It is told
as the source's problem and goes to the log with its traceback.
"""

from __future__ import annotations

import asyncio
import logging
import random
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Generic, TypeVar

from alphapulse_tui.board import Board
from alphapulse_tui.model.health import Finding
from alphapulse_tui.model.reading import Link, Reading
from alphapulse_tui.text import clean

log = logging.getLogger(__name__)

T = TypeVar("T")

BACKOFF_FIRST = 1.0
"""Seconds; the ceiling of the first back-off."""

BACKOFF_LAST = 60.0
"""Seconds; the ceiling of every later one (design 7)."""

DENIED_FIRST = 4.0
"""Seconds until a refusal is questioned for the first time: a platform that is just starting refuses before it knows its users."""

DENIED_RETRY = 60.0
"""Seconds between two attempts at a target that goes on refusing us: asking faster only fills its log."""


class SourceProblem(Exception):
    """The target could not be read; the message is one sentence for a person: what, and what to do.

    ``proves`` holds what the failure itself says of the target's health: a server that has no connection slot left for us is not merely
    unknown. The reading carries it until the target can be read again.
    """

    def __init__(self, sentence: str, proves: tuple[Finding, ...] = ()) -> None:
        super().__init__(sentence)
        self.proves = proves


class Unreachable(SourceProblem):
    """No answer, a broken one, or none in time."""


class Denied(SourceProblem):
    """The target answered that we may not; the sentence names the missing grant or the credential that expired."""


class Source(ABC, Generic[T]):
    """Reads one target. A subclass gives ``target``, ``interval``, ``deadline`` and ``read``; clients are opened by the first ``read``.

    ``read`` raises :class:`Unreachable` or :class:`Denied` with a sentence; whatever else it raises is a bug and is told as such.
    """

    target: str
    """The board's key."""
    interval: float
    """Seconds between two reads."""
    deadline: float
    """Seconds that one read may take in all."""
    pause: Callable[[float], Awaitable[None]] = staticmethod(asyncio.sleep)
    """How the seconds between two reads are waited out; the loop gives one that :meth:`SourceLoop.refresh` cuts short."""

    @abstractmethod
    async def read(self) -> T:
        """Read the target once."""

    @abstractmethod
    def judge(self, snapshot: T) -> tuple[Finding, ...]:
        """What the rules say of ``snapshot`` *now*, worst first.

        Asked after every reading, also an unchanged one: a transaction that idles does not change, it grows old.
        """

    async def close(self) -> None:
        """Let go of connections; called once, at the end, and after a read that ran out of time."""

    async def follow(self, publish: Callable[[T], None]) -> None:
        """Read for ever, calling ``publish`` with each snapshot. A watch overrides this; it returns or raises when its stream ends.

        Calling ``publish`` with an unchanged snapshot is how a watch says that its stream is alive.
        """
        while True:
            started = asyncio.get_running_loop().time()
            async with asyncio.timeout(self.deadline):
                snapshot = await self.read()
            publish(snapshot)
            await self.pause(max(0.0, self.interval - (asyncio.get_running_loop().time() - started)))


class SourceLoop(Generic[T]):
    """Runs one source for ever and keeps its reading on the board."""

    def __init__(
        self,
        source: Source[T],
        board: Board,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        jitter: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self.source = source
        self.board = board
        self._sleep = sleep
        self._jitter = jitter
        self._reading: Reading[T] = Reading(source.target, source.interval, Link.CONNECTING, board.clock())
        self._wake = asyncio.Event()
        source.pause = self._pause

    def refresh(self) -> None:
        """Read now, or once more should a read be under way: somebody pressed the key for it, or has changed something."""
        self._wake.set()

    async def run(self) -> None:
        """Follow the source until cancelled."""
        self.board.publish(self._reading)
        try:
            while True:
                await self._follow_once()
                await self._back_off()
        finally:
            await self._close()

    async def read_once(self, deadline: float) -> None:
        """Read the source once within ``deadline`` seconds, put what came of it on the board, and close the source."""
        try:
            await self._attempt(self._read_within(deadline), deadline)
        finally:
            await self._close()

    async def _read_within(self, deadline: float) -> None:
        async with asyncio.timeout(deadline):
            snapshot = await self.source.read()
        self._arrived(snapshot)

    async def _follow_once(self) -> None:
        if await self._attempt(self.source.follow(self._arrived), self.source.deadline):
            self._failed(Link.DOWN, f"{self.source.target} ended its stream; connecting again")

    async def _attempt(self, work: Awaitable[None], deadline: float) -> bool:
        """Await ``work``; whatever it fails with becomes the reading's problem. True when it ended well."""
        try:
            await work
        except Denied as refusal:
            self._failed(Link.DENIED, clean(refusal), refusal.proves)
        except SourceProblem as problem:
            self._failed(Link.DOWN, clean(problem), problem.proves)
        except TimeoutError:
            self._failed(Link.DOWN, f"{self.source.target} gave no answer within {deadline:g} s")
            await self._close()
        except Exception as bug:
            log.exception("source %s failed", self.source.target)
            self._failed(Link.DOWN, f"{self.source.target} could not be read: {type(bug).__name__}: {clean(bug, 200)}")
            await self._close()
        else:
            return True
        return False

    async def _close(self) -> None:
        """Close the source's clients, but never wait for a hung target to say goodbye."""
        try:
            async with asyncio.timeout(1.0):
                await self.source.close()
        except (TimeoutError, OSError, SourceProblem) as problem:
            log.info("closing %s: %s", self.source.target, problem)

    def _arrived(self, snapshot: T) -> None:
        now = self.board.clock()
        before = self._reading
        self._reading = Reading(
            target=self.source.target,
            interval=self.source.interval,
            link=Link.LIVE,
            since=before.since if before.link is Link.LIVE else now,
            snapshot=snapshot,
            taken_at=now,
            findings=self.source.judge(snapshot),
        )
        self.board.publish(self._reading)

    def _failed(self, link: Link, problem: str, proves: tuple[Finding, ...] = ()) -> None:
        self._reading = failed(self._reading, link, self.board.clock(), problem, proves)
        self.board.publish(self._reading)

    async def _back_off(self) -> None:
        """Full jitter below a ceiling that doubles up to a minute."""
        attempts = self._reading.attempts
        denied = self._reading.link is Link.DENIED
        await self._pause(denied_pause(attempts) if denied else self._jitter(0.1, ceiling(attempts)))

    async def _pause(self, seconds: float) -> None:
        """Wait out ``seconds``; ``refresh`` cuts it short."""
        waking = asyncio.ensure_future(self._wake.wait())
        sleeping = asyncio.ensure_future(self._sleep(seconds))
        try:
            await asyncio.wait({waking, sleeping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waking.cancel()
            sleeping.cancel()
            self._wake.clear()


def denied_pause(attempts: int) -> float:
    """Seconds until a target that refused us ``attempts`` times in a row is asked again.

    >>> [denied_pause(attempts) for attempts in (1, 2, 4, 5, 100_000)]
    [4.0, 8.0, 32.0, 60.0, 60.0]
    """
    return min(DENIED_RETRY, DENIED_FIRST * 2.0 ** min(max(attempts, 1) - 1, 16))


def ceiling(attempts: int) -> float:
    """Seconds that the back-off after ``attempts`` failures in a row may last: 1, 2, 4 ... 60.

    >>> [ceiling(attempts) for attempts in (1, 2, 6, 7, 100_000)]
    [1.0, 2.0, 32.0, 60.0, 60.0]
    """
    # The exponent is bounded too: 2 ** 1100 is no float, and a wall display fails that often in a night.
    return min(BACKOFF_LAST, BACKOFF_FIRST * 2.0 ** min(max(attempts, 1) - 1, 16))


def failed(reading: Reading[T], link: Link, now: float, problem: str, proves: tuple[Finding, ...] = ()) -> Reading[T]:
    """``reading`` after an attempt that brought no value: the old value stays, ``proves`` is what the failure itself says of the target."""
    return replace(reading.with_link(link, now, problem, reading.attempts + 1), proven=proves)
