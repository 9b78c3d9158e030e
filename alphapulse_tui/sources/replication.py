"""How far a replica is behind, in seconds, without the traps of the usual formulas (facts 2.1.3).

``now() - pg_last_xact_replay_timestamp()`` grows while the primary is idle; ``replay_lag`` stays small while replay is paused. Here the
primary's own WAL position is remembered with the moment it was seen, and a replica is as far behind as the oldest position that it has not
replayed yet is old. Used by ``sources.postgres``.
"""

from __future__ import annotations

from collections import deque

SEGMENT_BYTES = 16 * 1024 * 1024
"""A WAL segment; less is no lag that the last commit's age could tell (facts 2.1.3)."""

KEPT = 3600.0
"""Seconds of history; a replica that is further behind is told as at least that."""


class WalHistory:
    """Positions of the primary's WAL (bytes since 0/0) and when each was first seen (seconds of any steady clock)."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()

    def note(self, now: float, written: int) -> None:
        """The primary stood at ``written`` at ``now``."""
        if self._seen and written < self._seen[-1][1]:
            self._seen.clear()  # Another timeline: restored, or another primary.
        if not self._seen or written > self._seen[-1][1]:
            self._seen.append((now, written))
        while len(self._seen) > 1 and self._seen[1][0] < now - KEPT:
            self._seen.popleft()

    def behind(self, now: float, replayed: int, last_transaction_age: float | None) -> float | None:
        """Seconds that a replica standing at ``replayed`` is behind; none when no position of the primary is known.

        ``last_transaction_age`` (seconds, the replica's own formula) is asked only for what is older than our history, and only where more
        than a segment is missing: a replica that lacks a page of a primary where nobody commits would be called as late as its last commit.
        """
        if not self._seen:
            return None
        for place, (seen, written) in enumerate(self._seen):
            if written > replayed:
                if place == 0 and written - replayed > SEGMENT_BYTES:
                    return max(now - seen, last_transaction_age or 0.0)
                return now - seen
        return 0.0
