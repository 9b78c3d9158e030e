"""Whether this executor may change anything: never when read-only, and in production only while armed.

Armed is one cockpit, for 60 minutes, by typing the environment's name; it is journaled, and kept in memory only, so a new executor starts
disarmed. The end is measured since boot, suspend included: setting the clock back does not prolong it.
"""

from __future__ import annotations

from collections.abc import Callable

from alphapulse_tui.executor.protocol import ExecutorProblem
from alphapulse_tui.incident.events import Kind
from alphapulse_tui.incident.journal import Journal, JournalUnavailable

ARMED_SECONDS = 3600.0
"""Design 4, rule 5: 60 minutes."""


class Arming:
    """The lock on changes. ``clock`` gives Unix seconds, ``monotonic`` seconds since boot."""

    def __init__(
        self,
        environment: str,
        production: bool,
        read_only: bool,
        journal: Journal,
        clock: Callable[[], float],
        monotonic: Callable[[], float],
    ) -> None:
        self._environment, self._production, self._read_only = environment, production, read_only
        self._journal, self._clock, self._monotonic = journal, clock, monotonic
        self._end: float | None = None

    @property
    def until(self) -> float | None:
        """Unix seconds at which it disarms itself, or none: not armed."""
        left = (self._end or 0.0) - self._monotonic()
        return self._clock() + left if self._end is not None and left > 0 else None

    def check(self) -> None:
        """Raise :class:`ExecutorProblem` unless changes are allowed now."""
        if self._read_only:
            raise ExecutorProblem("read-only: started so; leave and start without --read-only to change anything")
        if self._production and self.until is None:
            raise ExecutorProblem(
                f"{self._environment} is production and not armed: A and its name arm it for 60 minutes"
            )

    async def arm(self, name: str) -> float:
        """Allow changes for 60 minutes, or for 60 more; returns when that ends, in Unix seconds.

        Raises:
            ExecutorProblem: read-only, another name, or the journal cannot be written.
        """
        if self._read_only:
            raise ExecutorProblem("read-only: it cannot be armed; leave and start without --read-only")
        if name != self._environment:
            raise ExecutorProblem("that is not the environment's name; nothing was armed")
        until = self._clock() + ARMED_SECONDS
        await self._write(Kind.ARMED, {"until": until, "environment": self._environment})
        self._end = self._monotonic() + ARMED_SECONDS
        return until

    async def disarm(self, why: str) -> None:
        """Refuse changes from now on; what is in flight goes on. Disarms even when the journal cannot be written."""
        armed, self._end = self.until is not None, None
        if armed:
            await self._write(Kind.DISARMED, {"why": why})

    async def _write(self, kind: Kind, payload: dict[str, object]) -> None:
        try:
            await self._journal.record(kind, payload)
        except JournalUnavailable as problem:
            raise ExecutorProblem(problem.sentence) from None
