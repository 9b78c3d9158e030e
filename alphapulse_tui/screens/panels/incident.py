"""Panel 7: the open incident's clocks and the end of its timeline; without one, the flips of the last quarter of an hour."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alphapulse_tui.model.words import utc
from alphapulse_tui.widgets.lines import Line, line

if TYPE_CHECKING:
    from alphapulse_tui.incident.desk import Desk
    from alphapulse_tui.incident.timeline import Entry


def title(desk: Desk) -> str:
    """``Incident INC-0042``, or what stands there while nothing is declared."""
    return f"Incident {desk.open.id}" if desk.open is not None else "Incident"


def badge(desk: Desk, declare: str) -> Line:
    """Severity and phase, or the key that declares."""
    state = desk.open
    if state is None:
        return line((f"none open, {declare} declares", "dim"))
    return line((f"{state.severity.value} {state.phase}", "critical" if state.severity.urgency >= 2 else "warning"))


def body(desk: Desk, rows: int, width: int, wall: float) -> list[Line]:
    """The next clocks in one line, then the latest entries, newest last."""
    lines: list[Line] = []
    if desk.open is not None:
        lines.append(line((desk.clock_words(wall, width), "strong")))
    latest = desk.timeline[-max(1, rows - len(lines)) :]
    return (
        lines + [_entry(entry) for entry in latest] if latest else [*lines, line(("nothing has happened yet", "dim"))]
    )


def _entry(entry: Entry) -> Line:
    late = " (read afterwards)" if entry.read_afterwards else ""
    return line((f"{utc(entry.wall)} ", "dim"), entry.sentence, (late, "dim"))
