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
