"""What a check is given and what it answers."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from alphapulse_tui.model.reading import Link, Reading
from alphapulse_tui.model.thresholds import Thresholds


class Passed(Enum):
    """The three kinds of truth."""

    YES = "ok"
    NO = "bad"
    UNKNOWN = "not verified"


@dataclass(frozen=True, slots=True)
class Scene:
    """The moment in which a check is made."""

    readings: Mapping[str, Reading[Any]]
    """The board."""
    now: float
    """The board's clock, seconds."""
    wall: float
    """Unix seconds."""
    thresholds: Thresholds
    params: Mapping[str, str] = field(default_factory=dict)
    """The procedure's parameters."""
    seen: set[str] = field(default_factory=set)
    """Readings that were asked for."""
    since: float = 0.0
    """On the board's clock: what was read before is not looked at. It is the end of a change whose effect is judged."""

    def snapshot(self, target: str) -> Any | None:
        """The target's snapshot if its numbers may be trusted now, else none."""
        self.seen.add(target)
        reading = self.readings.get(target)
        if reading is None or reading.taken_at is None or reading.taken_at < self.since:
            return None
        return reading.snapshot if reading.trusted(self.now) else None

    @property
    def awaited(self) -> bool:
        """Whether something that was asked for is being read: for the first time, or again after the change."""
        return any(self._awaits(self.readings[target]) for target in self.seen if target in self.readings)

    def _awaits(self, reading: Reading[Any]) -> bool:
        if reading.taken_at is None:
            return reading.link is Link.CONNECTING and not reading.problem
        return reading.taken_at < self.since and reading.trusted(self.now)

    def number(self, name: str, otherwise: float) -> float:
        """A parameter of the procedure as a number; ``otherwise`` where it has none or something else is written there: a check never raises."""
        try:
            found = float(self.params.get(name) or otherwise)
        except ValueError:
            return otherwise
        return found if math.isfinite(found) else otherwise

    def silence(self, target: str) -> CheckResult:
        """The answer when the target could not be read."""
        reading = self.readings.get(target)
        why = reading.problem if reading is not None and reading.problem else f"no fresh reading of {target}"
        if reading is not None and self._awaits(reading):
            why = f"{target} is being read {'for the first time' if reading.taken_at is None else 'again'}: a moment"
        return CheckResult(Passed.UNKNOWN, why, value="unknown")


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One answer."""

    passed: Passed
    sentence: str
    """What was found, for a person."""
    rows: tuple[tuple[str, str], ...] = ()
    """Evidence: name and value, line by line."""
    value: str = ""
    """What a branch compares with its cases."""
    choices: tuple[tuple[str, str], ...] = ()
    """What a parameter that names this check in ``pick`` may be: value, and what it is in words; the best first."""
    awaited: bool = False
    """Not verified *yet*: what it looks at is being read."""


Check = Callable[[Scene], CheckResult]
"""A check: pure, quick, never raises."""
