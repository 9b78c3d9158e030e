"""How long it took: each interval with the two events that bound it, so that nobody can argue about the number.

Definitions (design 5): TTD = detected - started, TTA = acknowledged - detected, TTM = mitigated - detected, TTR = resolved - detected. An end
that was never recorded gives *not recorded*, never 0; ends in the wrong order are said to be a problem of the data.
"""

from __future__ import annotations

from dataclasses import dataclass

from alphapulse_tui.incident.records import IncidentState

NOT_RECORDED = "not recorded"


@dataclass(frozen=True, slots=True)
class Moment:
    """One end of an interval."""

    wall: float | None
    """Unix seconds, or none: never recorded."""
    what: str
    """The event in words."""


@dataclass(frozen=True, slots=True)
class Interval:
    """From one event to another."""

    name: str
    title: str
    start: Moment
    end: Moment

    @property
    def seconds(self) -> float | None:
        """Seconds between the two; none unless both were recorded."""
        if self.start.wall is None or self.end.wall is None:
            return None
        return self.end.wall - self.start.wall


def moments(state: IncidentState) -> dict[str, Moment]:
    """The milestones: started, detected, acknowledged, mitigated, resolved."""
    first = next((one.alert for one in state.troubles if one.alert and one.began == state.alerted_at), "")
    detected = (
        f"alert {first} fired"
        if first and state.alerted_at == state.detected_at
        else f"{state.declared_by} declared it"
    )
    sign = next((one.sentence for one in state.troubles if one.began == state.started_at), "")
    if "started" in state.fields and state.started_at != (state.sign_at or state.declared_at):
        began = f"entered: {state.fields['started']}"
    elif sign:
        began = f"first sign: {sign}"
    else:
        began = "first sign" if state.sign_at is not None else "nothing earlier than the declaring"
    return {
        "started": Moment(state.started_at, began),
        "detected": Moment(state.detected_at, detected),
        "acknowledged": Moment(
            state.acknowledged_at,
            f"{state.acknowledged_by} acknowledged" if state.acknowledged_at is not None else NOT_RECORDED,
        ),
        "mitigated": Moment(state.mitigated_at, _mitigated(state)),
        "resolved": Moment(
            state.resolved_at, f"{state.resolved_by} resolved it" if state.resolved_at is not None else NOT_RECORDED
        ),
    }


def intervals(state: IncidentState) -> tuple[Interval, ...]:
    """TTD, TTA, TTM, TTR."""
    known = moments(state)
    return (
        Interval("TTD", "time to detect", known["started"], known["detected"]),
        Interval("TTA", "time to acknowledge", known["detected"], known["acknowledged"]),
        Interval("TTM", "time to mitigate", known["detected"], known["mitigated"]),
        Interval("TTR", "time to resolve", known["detected"], known["resolved"]),
    )


def time_in_severities(state: IncidentState, now: float) -> list[tuple[str, float]]:
    """Seconds in each severity from declaring to the resolving (or ``now``), in the order in which they first held."""
    end = state.resolved_at if state.resolved_at is not None else now
    spans: dict[str, float] = {}
    changes = state.severities
    for place, (wall, severity) in enumerate(changes):
        until = changes[place + 1][0] if place + 1 < len(changes) else end
        spans[severity.value] = spans.get(severity.value, 0.0) + max(0.0, min(until, end) - wall)
    return list(spans.items())


def words(seconds: float | None) -> str:
    """A duration for people: its two largest units.

    >>> words(None), words(42), words(3725), words(90061), words(-5)
    ('not recorded', '42 s', '1 h 02 min', '1 d 1 h', '-5 s')
    """
    if seconds is None:
        return NOT_RECORDED
    sign, whole = ("-" if seconds < 0 else ""), round(abs(seconds))
    minutes, left = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{sign}{days} d {hours} h"
    if hours:
        return f"{sign}{hours} h {minutes:02} min"
    return f"{sign}{minutes} min {left:02} s" if minutes else f"{sign}{left} s"


def _mitigated(state: IncidentState) -> str:
    if state.mitigated_at is None:
        return NOT_RECORDED
    proven = [run for run in state.actions.values() if run.verified and run.mends]
    return f"verified: {proven[-1].title}; nothing wrong any more" if proven else "the phase was set to mitigated"
