"""Every deadline of the runbook, derived from the journal with an injected now: no timer runs anywhere.

Raising the severity re-bases a clock on the moment of raising (never later than it was due before); lowering takes it back to the declaring.
Neither erases what was missed until then: a breach keeps a clock of its own. Each clock names what satisfies it and the section that it
comes from. Snoozing needs a reason and is an event; it moves a clock that is not yet due, and none that is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import Enum

from alphapulse_tui.incident.events import Kind
from alphapulse_tui.incident.records import IncidentState
from alphapulse_tui.model.health import Severity

MINUTE, HOUR = 60.0, 3600.0
P0, P1, P2, P3 = Severity.P0, Severity.P1, Severity.P2, Severity.P3

RESPONSE = {P0: 15 * MINUTE, P1: HOUR, P2: 4 * HOUR, P3: 24 * HOUR}
"""Seconds until somebody must have acknowledged (runbook 1.1)."""

SECONDARY = {P0: 10 * MINUTE, P1: 10 * MINUTE}
"""Seconds without acknowledgement until the secondary on-call is due (runbook 7.1)."""

ASSESS = {P0: 15 * MINUTE, P1: 15 * MINUTE}
"""Seconds until assessing should have ended (runbook 1.2, 1.3)."""

INVESTIGATE = {P0: 30 * MINUTE, P1: 45 * MINUTE}
"""Seconds until investigating should have ended (runbook 1.2, 1.3)."""

FIX = {P0: 60 * MINUTE, P1: 60 * MINUTE}
"""Seconds until fixing should have ended (runbook 1.2, 1.3)."""

UPDATE = {P0: 30 * MINUTE, P1: 30 * MINUTE}
"""Seconds between two updates (runbook 1.3; it names none for P0, which owes at least as much)."""

WATCH = {P0: HOUR, P1: HOUR}
"""Seconds to watch after mitigation (runbook 1.3)."""

AT_ONCE = 5 * MINUTE
"""Seconds within which "immediately" (runbook 1.1, 1.2) is kept: somebody has to type it."""

ESCALATE_L2 = {P0: AT_ONCE, P1: RESPONSE[P1]}
"""Seconds until the Tech Lead: P0 at once (runbook 1.1), P1 when it is not mitigated within the response time (6.1)."""

ESCALATE_L3 = {P0: HOUR}
"""Seconds until engineering leadership (runbook 6.1); at once for a data breach."""

ESCALATE_L4 = {P0: 2 * HOUR}
"""Seconds until the CTO (runbook 6.1); at once for a data breach."""

CTO_CONTRADICTION = (
    "the runbook says both: at once (1.1, 1.2) and after 2 h (6.1); we notify at once and escalate at 2 h"
)
"""Shown with both of the CTO's clocks."""

RTO = {"postgres": HOUR, "redis": 30 * MINUTE, "vault": HOUR, "kubernetes": 15 * MINUTE}
"""Seconds until a service must be back in a P0 (runbook 5.1; the application stands for the pods)."""

WRITTEN = {P0: 24 * HOUR, P1: 48 * HOUR, P2: 48 * HOUR, P3: 48 * HOUR}
"""Seconds after resolving until the postmortem is due (runbook 1.2, 1.3); P1 only if it recurs, P2 and P3 only if it is systemic (1.4)."""

MEETING = {P0: 48 * HOUR}
"""Seconds after resolving until the postmortem meeting (runbook 1.2)."""


class ClockState(Enum):
    """How a clock stands."""

    RUNNING = "running"
    SATISFIED = "satisfied"
    MISSED = "missed"
    """Its moment passed before anything satisfied it; it stays missed also when satisfied later."""
    SNOOZED = "snoozed"
    """Put off, with a reason; ``due`` is the new moment."""


@dataclass(frozen=True, slots=True)
class Clock:
    """One deadline."""

    name: str
    due: float
    """Unix seconds."""
    state: ClockState
    satisfied_at: float | None
    """When it was satisfied (in time or late) or called off; none while it was not."""
    by: str
    """What satisfies it, in words."""
    source: str
    """``runbook 1.1``."""
    note: str = ""
    """What else there is to say: a contradiction of the runbook, why it was snoozed, what broke it."""

    def left(self, now: float) -> float:
        """Seconds until it is due; negative when overdue."""
        return self.due - now


@dataclass(frozen=True, slots=True)
class Rule:
    """One row of design 5's table: how long for which severity, and what ends it."""

    name: str
    limits: Mapping[Severity, float]
    """Seconds by severity; a severity without an entry does not owe it."""
    by: str
    source: str
    note: str = ""


def clocks(incident: IncidentState, now: float) -> tuple[Clock, ...]:
    """Every clock that the incident's severities called for, the next one due first; satisfied ones last. ``now`` is Unix seconds."""
    found = [
        *_answer(incident, now),
        *_phases(incident, now),
        *_updates(incident, now),
        *_watch(incident, now),
        *_escalation(incident, now),
        *_services(incident, now),
        *_afterwards(incident, now),
    ]
    marked = [_marked(incident, clock, now) for clock in found]
    return tuple(sorted(marked, key=lambda clock: (clock.satisfied_at is not None, clock.due, clock.name)))


def next_clock(incident: IncidentState, now: float) -> Clock | None:
    """The clock that wants somebody next, or none."""
    return next((clock for clock in clocks(incident, now) if clock.satisfied_at is None), None)


def _clock(rule: Rule, due: float, satisfied_at: float | None, now: float) -> Clock:
    late = (satisfied_at if satisfied_at is not None else now) > due
    state = ClockState.MISSED if late else ClockState.SATISFIED if satisfied_at is not None else ClockState.RUNNING
    return Clock(rule.name, due, state, satisfied_at, rule.by, rule.source, rule.note)


def _rebased(incident: IncidentState, rule: Rule, satisfied_at: float | None, now: float) -> Iterator[Clock]:
    """The rule's clock through every change of severity, and one more for each breach before a change."""
    base, due, before = incident.declared_at, None, None
    for wall, severity in incident.severities:
        if satisfied_at is not None and before is not None and satisfied_at < wall:
            break
        limit = rule.limits.get(severity)
        if due is not None and wall > due:
            missed = _clock(rule, due, wall, now)
            yield replace(missed, note=f"missed as {before.value if before else ''}; the severity changed afterwards")
            due = None
        if limit is None:
            due = None
        elif before is None or severity.urgency < before.urgency:
            due = base + limit
        else:
            due = wall + limit if due is None else min(due, wall + limit)
        before = severity
    if due is not None:
        yield _clock(rule, due, satisfied_at, now)


def _answer(incident: IncidentState, now: float) -> Iterator[Clock]:
    for rule in (
        Rule("response", RESPONSE, "acknowledge (a)", "runbook 1.1"),
        Rule("secondary on-call", SECONDARY, "acknowledge (a)", "runbook 7.1"),
    ):
        yield from _rebased(incident, rule, incident.acknowledged_at, now)


def _phases(incident: IncidentState, now: float) -> Iterator[Clock]:
    """A phase has ended when the next one began, whatever it began by; resolving ends all."""
    for phase, limits, following, by in (
        ("assess", ASSESS, "investigate", "open a procedure"),
        ("investigate", INVESTIGATE, "fix", "run a fix"),
        ("fix", FIX, "mitigated", "mitigation: a fix verified and nothing wrong any more, or set by hand"),
    ):
        rule = Rule(f"phase {phase}", limits, by, "runbook 1.2 and 1.3")
        yield from _rebased(incident, rule, _earliest(incident.reached(following), incident.resolved_at), now)


def _updates(incident: IncidentState, now: float) -> Iterator[Clock]:
    """One clock for the next update, and one for each that was missed: a promise broken stays broken."""
    missed = Rule("update", UPDATE, "send an update", "runbook 1.3")
    for start, end, severity in _owing(incident):
        every = UPDATE[severity]
        due = start + every
        for sent, _, _ in incident.messages:
            if not start <= sent or (end is not None and sent > end):
                continue
            if sent > due:
                yield _clock(missed, due, sent, now)
            due = sent + every
        if end is None:
            yield _clock(replace(missed, name="next update"), due, None, now)
        elif end > due:
            yield _clock(missed, due, end, now)


def _owing(incident: IncidentState) -> Iterator[tuple[float, float | None, Severity]]:
    """Spans in which updates are owed: from, until (none: still), the severity that it began with."""
    span: tuple[float, Severity] | None = None
    for wall, severity in incident.severities:
        if severity in UPDATE and span is None:
            span = (wall, severity)
        elif severity not in UPDATE and span is not None:
            yield span[0], wall, span[1]
            span = None
    if span is not None:
        yield span[0], incident.resolved_at, span[1]


def _watch(incident: IncidentState, now: float) -> Iterator[Clock]:
    """An hour in which nothing goes wrong; a breach starts it anew."""
    window = WATCH.get(incident.severity)
    if window is None or incident.mitigated_at is None:
        return
    end = incident.resolved_at if incident.resolved_at is not None else now
    clock = Clock("watch window", end + window, ClockState.RUNNING, None, "checks hold; then resolve", "runbook 1.3")
    if incident.watch_since is None:
        last = incident.breaches[-1][1] if incident.breaches else "something is still wrong"
        yield replace(
            clock, satisfied_at=incident.resolved_at, note=f"broken: {last}; it starts anew when that is over"
        )
        return
    due = incident.watch_since + window
    if end >= due:
        yield replace(clock, due=due, state=ClockState.SATISFIED, satisfied_at=due)
    elif incident.resolved_at is not None:
        note = f"resolved before it had passed: {incident.resolved_reason or 'no reason given'}"
        yield replace(clock, due=due, state=ClockState.SATISFIED, satisfied_at=incident.resolved_at, note=note)
    else:
        yield replace(clock, due=due)


def _escalation(incident: IncidentState, now: float) -> Iterator[Clock]:
    """L2 to L4 and the Security Lead (runbook 1.1, 6.1); mitigation calls off what is not yet due."""
    by = "escalate (e), or mitigate before"
    calm = _earliest(incident.mitigated_at, incident.resolved_at)
    told = {
        level: [wall for wall, to, _, _ in incident.escalations if to == level]
        for level in ("L2", "security", "L3", "L4")
    }
    at_once = {P0: AT_ONCE}
    for rule, moment in (
        (Rule("escalate L2 Tech Lead", ESCALATE_L2, by, "runbook 1.1 and 6.1"), _first(told["L2"])),
        (Rule("notify Security Lead", at_once, "escalate to security (e)", "runbook 1.1"), _first(told["security"])),
        (Rule("notify CTO", at_once, "escalate to L4 (e)", "runbook 1.1", CTO_CONTRADICTION), _first(told["L4"])),
        (Rule("escalate L3 Leadership", ESCALATE_L3, by, "runbook 6.1"), _first(told["L3"])),
        (Rule("escalate L4 CTO", ESCALATE_L4, by, "runbook 6.1", CTO_CONTRADICTION), _second(incident, told["L4"])),
    ):
        yield from _rebased(incident, rule, _earliest(moment, calm), now)
    breach = _entered(incident, "data_breach") if incident.says_yes("data_breach") else None
    if breach is not None:
        for level, name in (("L3", "escalate L3 Leadership"), ("L4", "escalate L4 CTO")):
            rule = Rule(f"{name}: data breach", {}, "escalate (e)", "runbook 6.1", "a data breach waits for nobody")
            yield _clock(rule, breach + AT_ONCE, _first([wall for wall in told[level] if wall >= breach]), now)


def _second(incident: IncidentState, told: list[float]) -> float | None:
    """The CTO is notified first and escalated to later: the second time counts, or a first one that came after it was due."""
    due = incident.declared_at + ESCALATE_L4[P0]
    return told[1] if len(told) > 1 else _first([wall for wall in told if wall >= due])


def _services(incident: IncidentState, now: float) -> Iterator[Clock]:
    """In a P0 each service that is down has its recovery time (runbook 5.1)."""
    if incident.worst_severity is not P0:
        return
    for target, seconds in RTO.items():
        down = [one for one in incident.troubles if one.target == target]
        if down:
            ends = [one.ended for one in down]
            back = None if None in ends else max(end for end in ends if end is not None)
            rule = Rule(f"RTO {target}", {}, "nothing of it is critical any more", "runbook 5.1")
            yield _clock(rule, min(one.began for one in down) + seconds, _earliest(back, incident.resolved_at), now)


def _afterwards(incident: IncidentState, now: float) -> Iterator[Clock]:
    resolved, worst = incident.resolved_at, incident.worst_severity
    if resolved is None:
        return
    owed = worst is P0 or (worst is P1 and incident.recurring) or incident.says_yes("systemic")
    if owed:
        why = "required: the same alert caused an incident in the last 30 days" if incident.recurring else ""
        rule = Rule("postmortem written", WRITTEN, "export it (x)", "runbook 1.2 and 1.3", why)
        yield _clock(
            rule, resolved + WRITTEN[worst], _first([wall for wall in incident.exported_at if wall >= resolved]), now
        )
    if worst in MEETING:
        rule = Rule("postmortem meeting", MEETING, "enter the field 'Postmortem meeting'", "runbook 1.2")
        yield _clock(rule, resolved + MEETING[worst], _entered(incident, "meeting"), now)


def _marked(incident: IncidentState, clock: Clock, now: float) -> Clock:
    """What persons said of the clock: satisfied by something that the journal cannot see, or snoozed."""
    for mark in incident.clock_marks:
        if mark.clock != clock.name or clock.satisfied_at is not None:
            continue
        if mark.state == "satisfied":
            state = ClockState.MISSED if mark.wall > clock.due else ClockState.SATISFIED
            clock = replace(clock, state=state, satisfied_at=mark.wall, note=mark.reason)
        elif mark.state == "snoozed" and mark.until is not None and mark.wall <= clock.due < mark.until:
            state = ClockState.SNOOZED if now <= mark.until else ClockState.MISSED
            clock = replace(clock, due=mark.until, state=state, note=f"snoozed by {mark.actor}: {mark.reason}")
    return clock


def _entered(incident: IncidentState, field: str) -> float | None:
    """When that field was last entered, or none."""
    walls = [
        event.wall
        for event in incident.events
        if event.kind is Kind.POSTMORTEM_FIELD and event.payload.get("field") == field
    ]
    return walls[-1] if walls and incident.fields.get(field) else None


def _earliest(*moments: float | None) -> float | None:
    return min((moment for moment in moments if moment is not None), default=None)


def _first(walls: list[float]) -> float | None:
    return min(walls, default=None)
