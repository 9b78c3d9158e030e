"""An incident as the journal tells it: a pure projection, so that a restart, a second cockpit and the headless commands see the same.

:func:`project` makes an :class:`IncidentState` of every incident; :class:`Incidents` does the same for a journal that is followed. Nothing here
reads a clock: what depends on *now* is in :mod:`alphapulse_tui.incident.clocks`.

What the platform did (alerts, flips) belongs to every incident that was open then, and to those declared up to 15 minutes later; what people
did belongs to the incident that it was written for, or to the one declared within 15 minutes. Events are taken in the order of the journal.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from alphapulse_tui.incident import payload as read
from alphapulse_tui.incident.events import Event, Kind
from alphapulse_tui.incident.projection import Projection
from alphapulse_tui.incident.records import IncidentState

__all__ = ["EARLIER_SECONDS", "IncidentState", "Incidents", "open_incident", "open_incidents", "project"]

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
    return Incidents().take(events)


@dataclass(slots=True)
class _Window:
    """What belongs to one incident: where it begins and ends, and what was taken in so far."""

    start: float
    """When it was declared."""
    end: float
    """When it was last resolved; infinite while it is open."""
    events: list[Event] = field(default_factory=list)
    runs: set[str] = field(default_factory=set)
    """Actions and procedures that were begun among them: what comes of one belongs to it too."""

    def take(self, event: Event) -> None:
        """Take in an event that belongs to it."""
        self.events.append(event)
        if event.kind in (Kind.INTENT, Kind.PROCEDURE_STARTED):
            self.runs.add(_run(event))


class Incidents:
    """The incidents of a journal that grows.

    A cockpit asks after every event: only the incidents that got one, or that were declared, resolved or reopened, are read anew. A state
    that was given out is never changed but for ``recurring``, so that a thread may write a postmortem from it.
    """

    def __init__(self) -> None:
        self.events: list[Event] = []
        """Every event, in the journal's order."""
        self._starts: dict[str, float] = {}
        self._ends: dict[str, float] = {}
        self._windows: dict[str, _Window] = {}
        self._states: dict[str, IncidentState] = {}
        self._alerts: dict[str, frozenset[str]] = {}
        """Alerts that began to fire with each incident."""

    def take(self, events: Iterable[Event]) -> dict[str, IncidentState]:
        """Take in what follows in the journal; every incident by id, in the order of declaring."""
        fresh = list(events)
        self.events.extend(fresh)
        moved = self._move(fresh)
        others = {name: window for name, window in self._windows.items() if name not in moved}
        self._windows.update(moved)
        for name in _gather(fresh, others) | _gather(self.events, moved):
            self._project(name)
        found: dict[str, IncidentState] = {}
        for name in self._starts:
            state = self._states[name]
            state.recurring = any(self._same_cause(state, earlier) for earlier in found.values())
            found[name] = state
        return found

    def _move(self, fresh: Iterable[Event]) -> dict[str, _Window]:
        """New windows of the incidents whose beginning or end is among ``fresh``: what belongs to them is to be chosen again."""
        names: set[str] = set()
        for event in fresh:
            if event.kind is Kind.DECLARED and event.incident:
                self._starts.setdefault(event.incident, read.written(event))
            elif event.kind in (Kind.RESOLVED, Kind.REOPENED):
                self._ends[event.incident] = read.written(event) if event.kind is Kind.RESOLVED else math.inf
            else:
                continue
            names.add(event.incident)
        return {
            name: _Window(self._starts[name], self._ends.get(name, math.inf)) for name in names if name in self._starts
        }

    def _project(self, name: str) -> None:
        state = IncidentState(name, events=list(self._windows[name].events))
        projection = Projection(state)
        for event in state.events:
            projection.take(event)
        self._states[name] = state
        self._alerts[name] = frozenset(one.alert for one in state.troubles if one.alert and state.concerns(one))

    def _same_cause(self, state: IncidentState, earlier: IncidentState) -> bool:
        """Whether an alert of ``state`` had fired in an incident of the 30 days before."""
        recent = 0 <= state.declared_at - earlier.declared_at <= RECURRING_SECONDS
        return recent and not self._alerts[state.id].isdisjoint(self._alerts[earlier.id])


def _gather(events: Iterable[Event], windows: Mapping[str, _Window]) -> set[str]:
    """Give each event to the incidents that it belongs to; those that got one."""
    grown: set[str] = set()
    if windows:
        for event in events:
            names = _owners(event, windows)
            for name in names:
                windows[name].take(event)
            grown.update(names)
    return grown


def _owners(event: Event, windows: Mapping[str, _Window]) -> list[str]:
    """The incidents that an event belongs to: the one that it was written for, and those that it happened in or shortly before."""
    wall, own = read.written(event), event.incident
    if event.kind in MACHINE and not read.flag(event.payload, "read_afterwards"):
        return [
            name
            for name, window in windows.items()
            if name == own or window.start - EARLIER_SECONDS <= wall <= window.end
        ]
    if own or event.kind not in DEEDS:
        return [own] if own in windows else []
    run = _run(event)
    return [
        name
        for name, window in windows.items()
        if window.start - EARLIER_SECONDS <= wall <= window.start or (run and run in window.runs)
    ]


def _run(event: Event) -> str:
    """The action's or the procedure's run that an event tells of, or empty."""
    return read.text(event.payload, "action_run") or read.text(event.payload, "run")


def open_incidents(incidents: Mapping[str, IncidentState]) -> list[IncidentState]:
    """Incidents that nobody has resolved, the most urgent first, then the latest."""
    return sorted(
        (state for state in incidents.values() if state.open),
        key=lambda state: (-state.severity.urgency, -state.declared_at),
    )


def open_incident(incidents: Mapping[str, IncidentState]) -> IncidentState | None:
    """The open incident that matters most, or none."""
    return next(iter(open_incidents(incidents)), None)
