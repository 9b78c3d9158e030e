"""What the record does not say, and where it contradicts itself: facts for the postmortem, to be edited, never judged.

Design 5: silent spans, alerts never acknowledged, fixes without a check, missed promises. Pure; called by the postmortem.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from alphapulse_tui.incident.clocks import ClockState, clocks
from alphapulse_tui.incident.events import Event, Kind
from alphapulse_tui.incident.intervals import words
from alphapulse_tui.incident.records import ActionRun, IncidentState
from alphapulse_tui.incident.timeline import timeline
from alphapulse_tui.model.health import Severity
from alphapulse_tui.model.plan import Outcome, Verdict
from alphapulse_tui.model.words import utc

SILENT_SECONDS = {Severity.P0: 900.0, Severity.P1: 1800.0, Severity.P2: 4 * 3600.0, Severity.P3: 24 * 3600.0}
"""Seconds without an entry that are worth a question: P0 a phase (runbook 1.2), P1 an update (1.3), else the response time."""

JUMP_SECONDS = 5.0
"""Seconds by which the wall clock may stray from the monotonic one between two events of one writer before it is said."""


def gaps(state: IncidentState, now: float) -> list[str]:
    """Every gap and contradiction, a sentence each."""
    return [
        *_order(state),
        *_promises(state, now),
        *_silence(state, now),
        *_alerts(state),
        *_fixes(state),
        *_ending(state),
        *_unwritten(state),
        *_clock_jumps(state),
    ]


def _order(state: IncidentState) -> Iterator[str]:
    known = [
        ("started", state.started_at),
        ("detected", state.detected_at),
        ("acknowledged", state.acknowledged_at),
        ("mitigated", state.mitigated_at),
        ("resolved", state.resolved_at),
    ]
    there = [(name, wall) for name, wall in known if wall is not None]
    for (earlier, before), (later, after) in pairwise(there):
        if after < before:
            yield f"The data contradict themselves: {later} ({utc(after)}) comes before {earlier} ({utc(before)})."
    for name, wall in known:
        if wall is None:
            yield f"It was never recorded when the incident was {name}."


def _promises(state: IncidentState, now: float) -> Iterator[str]:
    for clock in clocks(state, now):
        if clock.state is ClockState.MISSED:
            late = (
                f"satisfied {words(clock.satisfied_at - clock.due)} late"
                if clock.satisfied_at is not None
                else "never satisfied"
            ) + (f" ({clock.note})" if clock.note else "")
            yield f"Missed: {clock.name}, due at {utc(clock.due)} ({clock.source}), {late}."
    end = state.resolved_at if state.resolved_at is not None else now
    for place, (wall, severity) in enumerate(state.severities[1:]):
        owed = severity.urgency > state.severities[place][1].urgency and end >= wall + 1800.0
        if owed and not any(wall <= sent <= wall + 1800.0 for sent, _, _ in state.messages):
            yield f"The severity was raised to {severity.value} at {utc(wall)}, and no update went out in the 30 minutes after it."


def _silence(state: IncidentState, now: float) -> Iterator[str]:
    end = state.resolved_at if state.resolved_at is not None else now
    limit = SILENT_SECONDS[state.worst_severity]
    moments = [entry.wall for entry in timeline(state) if state.declared_at <= entry.wall <= end]
    for before, after in zip([state.declared_at, *moments], [*moments, end], strict=True):
        if after - before > limit:
            yield f"Nothing was recorded between {utc(before)} and {utc(after)} ({words(after - before)})."


def _alerts(state: IncidentState) -> Iterator[str]:
    for one in state.troubles:
        known = state.acknowledged_at is not None and one.began <= state.acknowledged_at
        if one.alert and one.acknowledged_at is None and not known:
            yield f"Alert {one.alert} ({one.sentence}), firing from {utc(one.began)}, was never acknowledged."


def _fixes(state: IncidentState) -> Iterator[str]:
    for run in state.actions.values():
        if not run.changed_something:
            continue
        if not run.settled:
            yield f'"{run.title}" was sent at {utc(run.sent_at or run.intent_at)}, and its outcome is not known.'
        found = _unproven(run)
        if found:
            yield f'"{run.title}" ({utc(run.sent_at or run.intent_at)}): {found}.'


def _unproven(run: ActionRun) -> str:
    """What is wrong with a fix's proof, or empty."""
    if run.verdict is Verdict.CONTRADICTED:
        return f"the target contradicts it: {run.proof}"
    if run.verdict is None and run.outcome is not Outcome.FAILED:
        return "nobody checked that it worked"
    if run.verdict in (Verdict.UNKNOWN, Verdict.PENDING):
        return f"the check came to no end ({run.verdict.value}): {run.proof}"
    return ""


def _ending(state: IncidentState) -> Iterator[str]:
    for wall, sentence in state.breaches:
        yield f"After mitigation something went wrong again at {utc(wall)}: {sentence}."
    if state.resolved_at is not None:
        for one in state.troubles:
            if one.began <= state.resolved_at and (one.ended is None or one.ended > state.resolved_at):
                yield f"When it was resolved, this was still wrong as far as the record says: {one.sentence}."
    for run in state.procedures.values():
        if run.finished_at is None:
            yield f'The procedure "{run.title}" was begun at {utc(run.wall)} and not finished.'


def _unwritten(state: IncidentState) -> Iterator[str]:
    for name, said in (("root_cause", "root cause"), ("summary", "summary"), ("users", "users affected")):
        if not state.fields.get(name, "").strip():
            yield f"No {said} has been entered."
    if not state.action_items:
        yield "No action item has been entered."
    for item in state.action_items.values():
        missing = [word for word, value in (("owner", item.owner), ("due date", item.due)) if not value.strip()]
        if missing:
            yield f"Action item {item.number} has no {' and no '.join(missing)}."


def _clock_jumps(state: IncidentState) -> Iterator[str]:
    last: dict[str, Event] = {}
    for event in state.events:
        before = last.get(event.writer)
        last[event.writer] = event
        if before is None or event.kind is Kind.EXPORTED:
            continue
        stray = (event.wall - before.wall) - (event.monotonic - before.monotonic)
        if abs(stray) > JUMP_SECONDS:
            host = event.writer.split(":", 1)[0]
            yield f"The clock of {host} jumped by {stray:+.0f} s before {utc(max(0.0, event.wall))}: times around it are not exact."
