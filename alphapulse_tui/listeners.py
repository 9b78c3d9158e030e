"""Who wants to be told: a list of callables, none of which can keep the others from hearing, nor end whoever tells.

The board is told inside the source loop, the desk inside the following of the journal, and both must survive anything: a listener's mistake (a
widget that is gone) is logged.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Generic, ParamSpec

log = logging.getLogger(__name__)

Told = ParamSpec("Told")


class Listeners(Generic[Told]):
    """Callables that are told the same; ``whose`` names the teller in the log."""

    def __init__(self, whose: str) -> None:
        self._whose = whose
        self._listeners: list[Callable[Told, None]] = []

    def add(self, listener: Callable[Told, None]) -> Callable[[], None]:
        """Have ``listener`` called from now on; the returned function ends that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def tell(self, *args: Told.args, **kwargs: Told.kwargs) -> None:
        """Call each that was there when the telling began."""
        for listener in tuple(self._listeners):
            try:
                listener(*args, **kwargs)
            except Exception:
                log.exception("a listener of the %s failed", self._whose)
