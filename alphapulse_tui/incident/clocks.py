"""Every deadline of the runbook, derived from the journal with an injected now: no timer runs anywhere.

Raising the severity re-bases the clocks on the incident's own start and keeps what was missed; lowering never erases a breach. Each clock
names what satisfies it and the section that it comes from.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from alphapulse_tui.incident.events import Kind
from alphapulse_tui.incident.state import IncidentState
from alphapulse_tui.model.health import Severity

MINUTE, HOUR = 60.0, 3600.0
P0, P1, P2, P3 = Severity.P0, Severity.P1, Severity.P2, Severity.P3

RESPONSE = {P0: 15 * MINUTE, P1: HOUR, P2: 4 * HOUR, P3: 24 * HOUR}
"""Seconds until somebody must have acknowledged (runbook 1.1)."""

SECONDARY = {P0: 10 * MINUTE, P1: 10 * MINUTE}
"""Seconds without acknowledgement until the secondary on-call is due (runbook 7.1)."""

PHASES = {P0: (15 * MINUTE, 30 * MINUTE, 60 * MINUTE), P1: (15 * MINUTE, 45 * MINUTE, 60 * MINUTE)}
"""Seconds from declaring until assessing, investigating and fixing should have ended (runbook 1.2, 1.3)."""

UPDATE = {P0: 30 * MINUTE, P1: 30 * MINUTE}
"""Seconds between two updates (runbook 1.3; P0 owes at least as much)."""

WATCH = {P0: HOUR, P1: HOUR}
"""Seconds to watch after mitigation (runbook 1.3)."""

WRITTEN = {P0: 24 * HOUR, P1: 48 * HOUR}
"""Seconds after resolving until the postmortem is due (runbook 1.2, 1.3: for P1 if the issue recurs)."""

MEETING = {P0: 48 * HOUR}
"""Seconds after resolving until the postmortem meeting (runbook 1.2)."""


class ClockState(Enum):
    """How a clock stands."""

    RUNNING = "running"
    SATISFIED = "satisfied"
    MISSED = "missed"
    """Its moment passed before anything satisfied it; it stays missed also when satisfied later."""


@dataclass(frozen=True, slots=True)
class Clock:
    """One deadline."""

    name: str
    due: float
    """Unix seconds."""
    state: ClockState
    satisfied_at: float | None
    """When it was satisfied, in time or late; none while it was not."""
    by: str
    """What satisfies it, in words."""
    source: str
    """``runbook 1.1``."""

    def left(self, now: float) -> float:
        """Seconds until it is due; negative when overdue."""
        return self.due - now


def clocks(incident: IncidentState, now: float) -> tuple[Clock, ...]:
    """Every clock that the incident's severity calls for, the next one due first; satisfied ones last."""
    severity = incident.worst_severity
    start = incident.declared_at
    found = [
        _clock("response", start + RESPONSE[severity], incident.acknowledged_at, "acknowledge (a)", "runbook 1.1", now)
    ]
    if severity in SECONDARY:
        found.append(
            _clock(
                "secondary on-call",
                start + SECONDARY[severity],
                incident.acknowledged_at,
                "acknowledge (a)",
                "runbook 7.1",
                now,
            )
        )
    found += _phases(incident, severity, now)
    found += _updates(incident, severity, now)
    found += _escalation(incident, severity, now)
    found += _afterwards(incident, severity, now)
    return tuple(sorted(found, key=lambda clock: (clock.satisfied_at is not None, clock.due)))


def next_clock(incident: IncidentState, now: float) -> Clock | None:
    """The clock that wants somebody next, or none."""
    return next((clock for clock in clocks(incident, now) if clock.satisfied_at is None), None)


def _clock(name: str, due: float, satisfied_at: float | None, by: str, source: str, now: float) -> Clock:
    late = (satisfied_at if satisfied_at is not None else now) > due
    state = ClockState.MISSED if late else ClockState.SATISFIED if satisfied_at is not None else ClockState.RUNNING
    return Clock(name, due, state, satisfied_at, by, source)


def _phases(incident: IncidentState, severity: Severity, now: float) -> list[Clock]:
    """Assessing ends with the first procedure or the investigate phase, investigating with the first fix, fixing with mitigation."""
    if severity not in PHASES:
        return []
    start = incident.declared_at
    first = {
        kind: next((event.wall for event in incident.events if event.kind is kind), None)
        for kind in (Kind.PROCEDURE_STARTED, Kind.SENT)
    }
    entered = {phase: wall for wall, phase in reversed(incident.phases)}
    ended = (
        _earliest(
            first[Kind.PROCEDURE_STARTED],
            first[Kind.SENT],
            entered.get("investigate"),
            incident.mitigated_at,
            incident.resolved_at,
        ),
        _earliest(first[Kind.SENT], entered.get("fix"), incident.mitigated_at, incident.resolved_at),
        _earliest(incident.mitigated_at, incident.resolved_at),
    )
    by = ("open a procedure", "run a fix", "set the phase to mitigated")
    section = "runbook 1.2" if severity is P0 else "runbook 1.3"
    return [
        _clock(f"phase {name}", start + seconds, moment, how, section, now)
        for name, seconds, moment, how in zip(
            ("assess", "investigate", "fix"), PHASES[severity], ended, by, strict=True
        )
    ]


def _updates(incident: IncidentState, severity: Severity, now: float) -> list[Clock]:
    """One clock for the next update, and one for each that was missed: a promise broken stays broken."""
    if severity not in UPDATE:
        return []
    every, due = UPDATE[severity], incident.declared_at + UPDATE[severity]
    found = []
    for sent, _, _ in incident.messages:
        if sent > due:
            found.append(_clock("update", due, sent, "send an update", "runbook 1.3", now))
        due = sent + every
    if incident.resolved_at is None:
        found.append(_clock("next update", due, None, "send an update", "runbook 1.3", now))
    elif incident.resolved_at > due:
        found.append(_clock("update", due, incident.resolved_at, "send an update", "runbook 1.3", now))
    return found


def _escalation(incident: IncidentState, severity: Severity, now: float) -> list[Clock]:
    """L1 to L4 (runbook 6.1). The runbook tells the CTO of a P0 at once (1.1) *and* at two hours (6.1): both are kept."""
    start = incident.declared_at
    if severity is P0:
        steps = [
            ("escalate L2 Tech Lead", 0.0, "L2", "runbook 1.1: P0 at once, with the Security Lead"),
            ("notify CTO", 0.0, "L4", "runbook 1.1 says at once, 6.1 after 2 h: we notify at once and escalate at 2 h"),
            ("escalate L3 Leadership", HOUR, "L3", "runbook 6.1"),
            ("escalate L4 CTO", 2 * HOUR, "L4", "runbook 6.1"),
        ]
    elif severity is P1:
        steps = [("escalate L2 Tech Lead", RESPONSE[P1], "L2", "runbook 6.1: not resolved within the response time")]
    else:
        return []
    return [_level(incident, name, start + after, level, source, now) for name, after, level, source in steps]


def _level(incident: IncidentState, name: str, due: float, level: str, source: str, now: float) -> Clock:
    """Satisfied by escalating; one that was not yet due is called off by mitigation. At-once clocks have five minutes' grace."""
    grace = due + 5 * MINUTE if due == incident.declared_at else due
    told = next(
        (wall for wall, to, _, _ in incident.escalations if to == level and (wall >= due or name.startswith("notify"))),
        None,
    )
    calm = incident.mitigated_at or incident.resolved_at
    satisfied = told if told is not None else calm if calm is not None and calm <= grace else None
    return _clock(name, grace, satisfied, "escalate (e), or mitigate before", source, now)


def _afterwards(incident: IncidentState, severity: Severity, now: float) -> list[Clock]:
    found = []
    if severity in WATCH and incident.mitigated_at is not None and incident.resolved_at is None:
        found.append(
            Clock(
                "watch window",
                incident.mitigated_at + WATCH[severity],
                ClockState.RUNNING,
                None,
                "checks hold; then resolve",
                "runbook 1.3",
            )
        )
    if incident.resolved_at is not None and severity in WRITTEN:
        exported = next((event.wall for event in incident.events if event.kind is Kind.EXPORTED), None)
        found.append(
            _clock(
                "postmortem written",
                incident.resolved_at + WRITTEN[severity],
                exported,
                "export it (x)",
                "runbook 1.2",
                now,
            )
        )
    if incident.resolved_at is not None and severity in MEETING:
        found.append(
            _clock(
                "postmortem meeting",
                incident.resolved_at + MEETING[severity],
                None,
                "hold it and note it",
                "runbook 1.2",
                now,
            )
        )
    return found


def _earliest(*moments: float | None) -> float | None:
    return min((moment for moment in moments if moment is not None), default=None)
