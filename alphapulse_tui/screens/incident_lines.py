"""An incident's clocks, state and story as lines."""

from __future__ import annotations

from collections.abc import Mapping

from alphapulse_tui.incident.clocks import ClockState, clocks
from alphapulse_tui.incident.desk import Desk
from alphapulse_tui.incident.records import IncidentState
from alphapulse_tui.incident.timeline import timeline
from alphapulse_tui.model.words import clock, utc
from alphapulse_tui.screens.commands import key_of
from alphapulse_tui.widgets.lines import Line, line, wrap

WHY_WIDTH = 60
"""Cells from which a clock also says what satisfies it."""

TIME_CELLS = 10
"""Cells of the time of day before a sentence."""


def clock_lines(incident: IncidentState, now: float, width: int) -> list[Line]:
    """Every clock, the next one first: what is due, when, and, where there is room, what satisfies it."""
    lines = []
    roomy = width >= WHY_WIDTH
    for each in clocks(incident, now):
        left = clock(abs(each.left(now)))
        if each.satisfied_at is not None and each.state is ClockState.SATISFIED:
            said, style = "kept", "ok"
        elif each.satisfied_at is not None:
            said, style = f"late by {clock(each.satisfied_at - each.due)}", "warning"
        elif each.state is ClockState.MISSED:
            said, style = f"OVERDUE {left}", "critical"
        else:
            said, style = left, "strong"
        lines.append(
            line(
                (f"{each.name:<22} ", "plain"),
                (f"{said:<16}" if roomy else f"{said:<12} ", style),
                (f"{utc(each.due)}  {each.by}" if roomy else utc(each.due)[:5] + "Z", "dim"),
            )
        )
    return lines


def standing_lines(incident: IncidentState, keymap: Mapping[str, str]) -> list[Line]:
    """Who leads, since when, what was done, what is still missing; the keys for it as ``keymap`` has them."""
    ack = (
        f"{utc(incident.acknowledged_at)} by {incident.acknowledged_by}"
        if incident.acknowledged_at
        else f"not yet ({key_of('acknowledge', keymap)})"
    )
    done = [run for run in incident.actions.values() if run.changed_something]
    proven = sum(1 for run in done if run.verified)
    rows = (
        ("commander", incident.commander or "nobody"),
        ("started", utc(incident.started_at)),
        ("declared", utc(incident.declared_at)),
        ("acknowledged", ack),
        ("mitigated", utc(incident.mitigated_at) if incident.mitigated_at else "not yet"),
        ("resolved", f"{utc(incident.resolved_at)} {incident.resolved_reason}" if incident.resolved_at else "not yet"),
        ("fixes", f"{proven}/{len(done)} verified" if done else "none sent"),
        ("still wrong", str(len(incident.standing))),
        ("written", ", ".join(sorted(incident.fields)) or f"nothing yet ({key_of('incident.write', keymap)})"),
    )
    return [line((f"{name:<13}", "dim"), value) for name, value in rows]


def story_lines(incident: IncidentState | None, desk: Desk, width: int) -> list[Line]:
    """The timeline, newest first, each entry wrapped under its time."""
    entries = timeline(incident) if incident is not None else desk.timeline
    lines: list[Line] = []
    for entry in reversed(entries):
        pin = "* " if entry.pinned else ""
        late = " (read afterwards)" if entry.read_afterwards else ""
        style = "strong" if entry.pinned else "dim" if entry.read_afterwards else "plain"
        first, *rest = wrap(pin + entry.sentence + late, max(10, width - TIME_CELLS), style) or [Line()]
        lines.append(Line(((f"{utc(entry.wall)} ", "dim"), *first.spans), entry.event_id))
        lines += [Line(((" " * TIME_CELLS, "plain"), *one.spans)) for one in rest]
    return lines
