"""The board: the last reading of every target, in one place.

Sources put readings on it; screens, the verdict, the flip recorder and the headless ``status`` read it and are told when something
changed. One thread, one event loop: sources with private threads hand over on the loop. An equal snapshot tells nobody, so nothing is
painted for nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from alphapulse_tui.listeners import Listeners
from alphapulse_tui.model.reading import Reading

Listener = Callable[[Reading[Any], Reading[Any] | None], None]
"""Called with the new reading and the one before it (none at first)."""


class Board:
    """Latest readings by target.

    ``clock`` is monotonic seconds; tests inject their own.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self._readings: dict[str, Reading[Any]] = {}
        self._listeners: Listeners[[Reading[Any], Reading[Any] | None]] = Listeners("board")

    @property
    def readings(self) -> Mapping[str, Reading[Any]]:
        """Every target's last reading, by target name."""
        return self._readings

    def get(self, target: str) -> Reading[Any] | None:
        """The last reading of ``target``, or none if no source ever reported."""
        return self._readings.get(target)

    def publish(self, reading: Reading[Any]) -> None:
        """Keep ``reading`` and tell every listener, unless nothing but its time has changed (then it is only kept)."""
        before = self._readings.get(reading.target)
        self._readings[reading.target] = reading
        if before is not None and _same(before, reading):
            return
        self._listeners.tell(reading, before)

    def forget(self, target: str) -> None:
        """Take away what nobody reads any more: left on the board it would be judged as a target that has fallen silent."""
        self._readings.pop(target, None)

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Have ``listener`` called on every change; the returned function ends that."""
        return self._listeners.add(listener)


def _same(before: Reading[Any], after: Reading[Any]) -> bool:
    """Whether a reader would see no difference but a younger age."""
    return (
        before.link is after.link
        and before.problem == after.problem
        and before.snapshot == after.snapshot
        and before.findings == after.findings
        and before.proven == after.proven
    )
