"""A figure's last quarter of an hour behind its line, where there is room for it."""

from __future__ import annotations

from collections.abc import Sequence

from alphapulse_tui.model.trend import POINTS
from alphapulse_tui.widgets.lines import Line
from alphapulse_tui.widgets.sparkline import trend

LEAST = 8
"""Cells below which a line says too little to be drawn."""


def with_trend(now: Line, past: Sequence[float | None], width: int, top: float, ascii_only: bool = False) -> Line:
    """``now`` and, in what is left of ``width`` cells, ``past`` on a scale from 0 to ``top``; ``now`` alone where it says nothing more."""
    room = min(POINTS, width - now.cells - 2)
    drawn = trend(past, room, top, ascii_only) if room >= LEAST else ""
    return Line((*now.spans, (f"  {drawn}", "accent")), now.key) if drawn else now
