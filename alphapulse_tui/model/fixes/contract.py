"""What a line of the fixes menu is, and what the makers of all targets share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from alphapulse_tui.model.reading import Reading

Readings = Mapping[str, Reading[Any]]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Fix:
    """One line of the menu."""

    number: int
    action_id: str
    """An id of ``actions.registry``."""
    params: tuple[tuple[str, str], ...]
    title: str
    suggested: bool = False
    why_not: str = ""
    """Why it is not possible now; empty when it is."""
    asks: tuple[str, str] | None = None
    """A parameter that only a person can fill, and the question for it; asked before it is planned."""


Maker = Callable[[str, Readings], list[Fix]]
"""From a row's key (empty: the panel itself) and the board to that menu's fixes, not yet numbered."""


def offer(action_id: str, title: str, **params: str) -> Fix:
    """A fix without a number; the menu numbers them."""
    return Fix(0, action_id, tuple(params.items()), title)


def first(items: Iterable[T], fits: Callable[[T], bool]) -> T | None:
    """The first of ``items`` that ``fits``, or none."""
    return next((item for item in items if fits(item)), None)


def snapshot(readings: Readings, target: str) -> Any | None:
    """The last snapshot of ``target``, however old; none when there was none."""
    reading = readings.get(target)
    return reading.snapshot if reading is not None else None
