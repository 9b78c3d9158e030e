"""What a line of the fixes menu is, and what the makers of all targets share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from alphapulse_tui.model.reading import Reading

Readings = Mapping[str, Reading[Any]]
T = TypeVar("T")


ACKNOWLEDGE, PROCEDURE, LINK = "acknowledge", "procedure", "link"
"""What a line of the menu does that changes no target."""


@dataclass(frozen=True, slots=True)
class Pick:
    """A parameter that a person chooses from a list."""

    parameter: str
    question: str
    choices: Callable[[float], tuple[tuple[str, str], ...]]
    """From the time of day (unix seconds) to values, each with what it means now."""


@dataclass(frozen=True, slots=True)
class Fix:
    """One line of the menu."""

    number: int
    action_id: str
    """An id of ``actions.registry``; empty where ``does`` says what is done instead."""
    params: tuple[tuple[str, str], ...]
    title: str
    suggested: bool = False
    why_not: str = ""
    """Why it is not possible now; empty when it is."""
    asks: tuple[str, str] | None = None
    """A parameter that only a person can fill, and the question for it; asked before it is planned."""
    picks: Pick | None = None
    """A parameter that is chosen before that."""
    does: str = ""
    """:data:`ACKNOWLEDGE`, :data:`PROCEDURE` (``params``: ``procedure`` and the values that it is opened with) or :data:`LINK` (``params``: a
    ``link`` of the profile, or an ``address``)."""


Maker = Callable[[str, Readings], list[Fix]]
"""From a row's key (empty: the panel itself) and the board to that menu's fixes, not yet numbered."""


def offer(action_id: str, title: str, *, does: str = "", **params: str) -> Fix:
    """A fix without a number; the menu numbers them."""
    return Fix(0, action_id, tuple(params.items()), title, does=does)


def first(items: Iterable[T], fits: Callable[[T], bool]) -> T | None:
    """The first of ``items`` that ``fits``, or none."""
    return next((item for item in items if fits(item)), None)


def snapshot(readings: Readings, target: str) -> Any | None:
    """The last snapshot of ``target``, however old; none when there was none."""
    reading = readings.get(target)
    return reading.snapshot if reading is not None else None
