"""The last quarter of an hour of a figure that no Prometheus keeps for us: what the panels draw beside it.

Kept from the panels' own readings while the cockpit runs, a point each half minute: the highest of that time, because a peak is what matters.
Only whole half minutes count, so that a line is drawn anew twice a minute at most, and not with every reading. ``session`` owns it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from alphapulse_tui.model.postgres import PostgresSnapshot
from alphapulse_tui.model.reading import Link, Reading
from alphapulse_tui.model.redis import RedisSnapshot

STEP = 30.0
"""Seconds of one point."""

POINTS = 30
"""Points that are kept."""

Points = tuple[float | None, ...]
"""Oldest first; none where nothing was known: that is a gap, and no zero."""


def _evicted(snapshot: RedisSnapshot) -> float | None:
    return sum(node.evicted_per_second for node in snapshot.masters) if snapshot.masters else None


FIGURES: dict[str, tuple[str, type[Any], Callable[[Any], float | None]]] = {
    "slots": ("postgres", PostgresSnapshot, lambda snapshot: snapshot.used_percent),
    "memory": ("redis", RedisSnapshot, lambda snapshot: snapshot.memory_percent),
    "evicted": ("redis", RedisSnapshot, _evicted),
}
"""By name: the target, its snapshot's type, and the figure: percent of usable slots, percent of the fullest master, keys a second."""


class Trends:
    """The points of every figure. ``now`` is the board's clock everywhere."""

    def __init__(self) -> None:
        self._points: dict[str, deque[float | None]] = {name: deque(maxlen=POINTS) for name in FIGURES}
        self._highest: dict[str, float] = {}
        self._begun: float | None = None
        """When the present half minute began."""

    def note(self, readings: Iterable[Reading[Any]], now: float) -> bool:
        """Take in what is live at ``now``, and say whether a half minute has become whole; called every second, because an unchanged reading
        tells nobody.
        """
        if self._begun is None:
            self._begun = now
        whole = int((now - self._begun) // STEP)
        for _ in range(min(POINTS, whole)):
            for name, points in self._points.items():
                points.append(self._highest.pop(name, None))
            self._begun += STEP
        if now - self._begun >= STEP:  # The machine slept: longer ago than any point that is kept.
            self._begun = now
        for reading in readings:
            if reading.link_at(now) is Link.LIVE:
                self._take(reading)
        return whole > 0

    def _take(self, reading: Reading[Any]) -> None:
        for name, (target, kind, figure) in FIGURES.items():
            if reading.target == target and isinstance(reading.snapshot, kind):
                value = figure(reading.snapshot)
                if value is not None:
                    self._highest[name] = max(value, self._highest.get(name, value))

    def points(self) -> Mapping[str, Points]:
        """Every figure's points."""
        return {name: tuple(points) for name, points in self._points.items()}
