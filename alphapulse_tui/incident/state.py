"""An incident as the journal tells it: a pure projection, so that a restart, a second cockpit and the headless commands see the same.

:func:`events_of` says which events belong to an incident, :func:`project` makes an :class:`IncidentState` of every incident. Nothing here
reads a clock: what depends on *now* is in :mod:`alphapulse_tui.incident.clocks`.

What the platform did (alerts, flips) belongs to every incident that was open then, and to those declared up to 15 minutes later; what people
did belongs to the incident that it was written for, or to the one declared within 15 minutes. Events are taken in the order of the journal.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from alphapulse_tui.incident import payload as read
from alphapulse_tui.incident.events import Event, Kind
from alphapulse_tui.incident.projection import Projection
from alphapulse_tui.incident.records import IncidentState

__all__ = ["EARLIER_SECONDS", "IncidentState", "events_of", "open_incident", "open_incidents", "project"]

EARLIER_SECONDS = 900.0
"""Seconds before declaring whose events the incident takes in (design 5: 15 minutes)."""

RECURRING_SECONDS = 30 * 86400.0
"""Seconds within which the same alert makes an incident a recurring one (design 3: 30 days)."""

MACHINE = frozenset({Kind.ALERT_FIRED, Kind.ALERT_CLEARED, Kind.FLIP})
"""What the platform did."""

DEEDS = frozenset(
    {Kind.NOTE, Kind.INTENT, Kind.SENT, Kind.OUTCOME, Kind.VERIFIED, Kind.RECONCILED, Kind.PROCEDURE_STARTED, Kind.STEP,
     Kind.PROCEDURE_FINISHED, Kind.MESSAGE}
)  # fmt: skip
"""What people did that may have come before declaring."""


def project(events: Iterable[Event]) -> dict[str, IncidentState]:
    """Every incident that ``events`` tell of, by id, in the order of declaring."""
    known = list(events)
    found: dict[str, IncidentState] = {}
    for incident in dict.fromkeys(one.incident for one in known if one.kind is Kind.DECLARED and one.incident):
        state = IncidentState(incident, events=events_of(known, incident))
        projection = Projection(state)
        for event in state.events:
            projection.take(event)
        state.recurring = any(_same_cause(state, earlier) for earlier in found.values())
        found[incident] = state
    return found


def _same_cause(state: IncidentState, earlier: IncidentState) -> bool:
    """Whether an alert of ``state`` had fired in an incident of the 30 days before."""
    if not 0 <= state.declared_at - earlier.declared_at <= RECURRING_SECONDS:
        return False
    return bool(
        {one.alert for one in state.troubles if one.alert} & {one.alert for one in earlier.troubles if one.alert}
    )


def open_incidents(incidents: Mapping[str, IncidentState]) -> list[IncidentState]:
    """Incidents that nobody has resolved, the most urgent first, then the latest."""
    return sorted(
        (state for state in incidents.values() if state.open),
        key=lambda state: (-state.severity.urgency, -state.declared_at),
    )


def open_incident(incidents: Mapping[str, IncidentState]) -> IncidentState | None:
    """The open incident that matters most, or none."""
    return next(iter(open_incidents(incidents)), None)


def events_of(events: Sequence[Event], incident: str) -> list[Event]:
    """The events that belong to ``incident``, in the order of the journal; none if nobody has declared it."""
    declared = next((one for one in events if one.kind is Kind.DECLARED and one.incident == incident), None)
    if declared is None:
        return []
    start, end = read.written(declared), _end(events, incident)
    chosen: list[Event] = []
    runs: set[str] = set()
    for event in events:
        if event.incident != incident and not _taken_in(event, start, end, runs):
            continue
        chosen.append(event)
        if event.kind in (Kind.INTENT, Kind.PROCEDURE_STARTED):
            runs.add(read.text(event.payload, "action_run") or read.text(event.payload, "run"))
    return chosen


def _taken_in(event: Event, start: float, end: float | None, runs: set[str]) -> bool:
    """Whether an event that was not written for the incident belongs to it all the same."""
    wall = read.written(event)
    if event.kind in MACHINE:
        late = read.flag(event.payload, "read_afterwards")
        return not late and start - EARLIER_SECONDS <= wall and (end is None or wall <= end)
    if event.incident or event.kind not in DEEDS:
        return False
    if start - EARLIER_SECONDS <= wall <= start:
        return True
    run = read.text(event.payload, "action_run") or read.text(event.payload, "run")
    return bool(run) and run in runs


def _end(events: Iterable[Event], incident: str) -> float | None:
    """When the incident was last resolved, or none while it is open."""
    end: float | None = None
    for event in events:
        if event.incident == incident and event.kind is Kind.RESOLVED:
            end = read.written(event)
        elif event.incident == incident and event.kind is Kind.REOPENED:
            end = None
    return end
