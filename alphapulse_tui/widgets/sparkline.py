"""A series as one line of blocks, or of ASCII steps."""

from __future__ import annotations

from collections.abc import Sequence

BLOCKS = "▁▂▃▄▅▆▇█"
STEPS = "_.-=+*#@"


def sparkline(values: Sequence[float], width: int, ascii_only: bool = False) -> str:
    """The last ``width`` values scaled between their own minimum and maximum; a flat series is drawn low.

    >>> sparkline([0, 1, 2, 3], 4, ascii_only=True)
    '_-*@'
    """
    marks = STEPS if ascii_only else BLOCKS
    shown = list(values[-width:]) if width > 0 else []
    if not shown:
        return ""
    low, high = min(shown), max(shown)
    span = high - low
    if span <= 0:
        return marks[0] * len(shown)
    return "".join(marks[round((value - low) / span * (len(marks) - 1))] for value in shown)


def trend(values: Sequence[float | None], width: int, top: float, ascii_only: bool = False) -> str:
    """The last ``width`` values on a scale from 0 to ``top``, so that a small move is drawn as none; a gap where there was no value.

    Empty while all of it would be drawn at one height: the number beside it says as much, and a line that grows says nothing new.

    >>> trend([0, 50, None, 100], 4, 100, ascii_only=True), trend([41, 42, None], 4, 100)
    ('_+ @', '')
    """
    marks = STEPS if ascii_only else BLOCKS
    shown = values[-width:] if width > 0 else ()
    last = len(marks) - 1
    levels = [None if value is None else max(0, min(last, round(value / top * last))) for value in shown]
    if len({level for level in levels if level is not None}) < 2:
        return ""
    return "".join(" " if level is None else marks[level] for level in levels)
