"""An incident as the journal tells it: a pure projection of events, the same for screen, export and headless commands.

Nothing here has a clock or a file. Events of several writers may come in any order of time; they are taken in the order in which the
journal committed them, and what makes no sense (an outcome without its intent) is left out rather than guessed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from alphapulse_tui.incident.events import Event, Kind
from alphapulse_tui.model.health import Severity
from alphapulse_tui.model.plan import Outcome, Plan, Verdict

EARLIER_SECONDS = 15 * 60.0
"""Alerts and flips of so many seconds before declaring belong to the incident (design 5)."""


@dataclass(slots=True)
class ActionRun:
    """One action: what was planned, what was sent, what the target said."""

    run: str
    plan: Plan | None
    """None when a newer version wrote it."""
    title: str
    actor: str
    reason: str
    intent_at: float
    """Unix seconds."""
    sent_at: float | None = None
    outcome: Outcome | None = None
    outcome_at: float | None = None
    sentence: str = ""
    verdict: Verdict | None = None
    verified_at: float | None = None
    before: dict[str, str] = field(default_factory=dict)
    after: dict[str, str] = field(default_factory=dict)
    reconciled: str = ""
    """``probed``, ``marked done`` or ``abandoned``, when a person settled it later."""

    @property
    def changed_something(self) -> bool:
        """Whether the target may have been changed: sent, whatever is known of it."""
        return self.sent_at is not None and self.outcome is not Outcome.REFUSED


@dataclass(slots=True)
class ActionItem:
    """One row of the postmortem's table."""

    number: int
    item: str
    owner: str = ""
    due: str = ""
    status: str = "Pending"


@dataclass(slots=True)
class IncidentState:
    """One incident. All moments are unix seconds; none means *not recorded*."""

    id: str
    title: str
    severity: Severity
    declared_at: float
    declared_by: str
    started_at: float
    """The earliest sign that is known: an alert's start, a flip, or the declaring itself."""
    detected_at: float
    """When the cockpit or the pager first knew: the first alert or flip that was *not* read afterwards, or the declaring."""
    severities: list[tuple[float, Severity]] = field(default_factory=list)
    """Every severity with the moment from which it held, the first at declaring."""
    acknowledged_at: float | None = None
    acknowledged_by: str = ""
    mitigated_at: float | None = None
    resolved_at: float | None = None
    resolved_reason: str = ""
    phase: str = "assess"
    phases: list[tuple[float, str]] = field(default_factory=list)
    commander: str = ""
    roles: dict[str, str] = field(default_factory=dict)
    actions: dict[str, ActionRun] = field(default_factory=dict)
    messages: list[tuple[float, str, str]] = field(default_factory=list)
    """Moment, channel, text of every message that was sent or copied."""
    escalations: list[tuple[float, str, str, str]] = field(default_factory=list)
    """Moment, level, to whom, reason."""
    fields: dict[str, str] = field(default_factory=dict)
    """What was entered for the postmortem, by field."""
    action_items: dict[int, ActionItem] = field(default_factory=dict)
    exported: dict[str, str] = field(default_factory=dict)
    """Path to SHA-256 of what was written there."""
    events: list[Event] = field(default_factory=list)
    """Every event of the incident, with what came before it, in the journal's order."""
    corrections: dict[str, str] = field(default_factory=dict)
    """Event id to its corrected text; the original stays in the journal."""
    pins: set[str] = field(default_factory=set)

    @property
    def open(self) -> bool:
        """Whether it still wants somebody."""
        return self.resolved_at is None

    @property
    def worst_severity(self) -> Severity:
        """The highest that it ever had: lowering never erases a breach."""
        return max(
            (severity for _, severity in self.severities), key=lambda severity: severity.urgency, default=self.severity
        )


def project(events: Iterable[Event]) -> dict[str, IncidentState]:
    """Every incident by id, in the order of declaring.

    Alerts and flips of the last quarter of an hour before declaring carry no incident; they are taken in, unless they belong to another.
    """
    incidents: dict[str, IncidentState] = {}
    loose: list[Event] = []
    for event in events:
        if event.kind is Kind.DECLARED and event.incident not in incidents:
            incidents[event.incident] = _declare(event, loose)
            loose = []
        elif event.incident in incidents:
            _take(incidents[event.incident], event)
        elif not event.incident and event.kind in (Kind.ALERT_FIRED, Kind.ALERT_CLEARED, Kind.FLIP):
            loose.append(event)
            _share(incidents, event)
    return incidents


def open_incident(incidents: dict[str, IncidentState]) -> IncidentState | None:
    """The open incident that matters most: highest severity, then the oldest."""
    waiting = [incident for incident in incidents.values() if incident.open]
    return min(waiting, key=lambda incident: (-incident.severity.urgency, incident.declared_at), default=None)


def _share(incidents: dict[str, IncidentState], event: Event) -> None:
    """A flip or alert while incidents are open belongs to each of them: nobody knows yet which."""
    for incident in incidents.values():
        if incident.open:
            incident.events.append(event)


def _declare(event: Event, loose: list[Event]) -> IncidentState:
    payload = event.payload
    earlier = [one for one in loose if event.wall - one.wall <= EARLIER_SECONDS]
    severity = _severity(payload.get("severity"))
    started = [_started(one) for one in earlier if one.kind is not Kind.ALERT_CLEARED]
    return IncidentState(
        id=event.incident,
        title=str(payload.get("title", "")),
        severity=severity,
        declared_at=event.wall,
        declared_by=event.actor,
        started_at=min([*started, float(payload.get("started_at") or event.wall), event.wall]),
        detected_at=min((one.wall for one in earlier if one.kind is not Kind.ALERT_CLEARED), default=event.wall),
        severities=[(event.wall, severity)],
        phases=[(event.wall, "assess")],
        commander=event.actor,
        events=[*earlier, event],
    )


def _started(event: Event) -> float:
    """When the trouble behind an alert or flip began: an alert says so itself."""
    return min(event.wall, float(event.payload.get("starts_at") or event.wall))


def _severity(text: Any) -> Severity:
    """The severity of that name; an unknown one counts as the highest, for it may be a newer version's."""
    return Severity(text) if text in Severity.__members__ else Severity.P0


def _take(incident: IncidentState, event: Event) -> None:
    """Let one event change the state."""
    incident.events.append(event)
    payload = event.payload
    match event.kind:
        case Kind.ALERT_FIRED | Kind.FLIP if payload.get("read_afterwards"):
            incident.started_at = min(incident.started_at, _started(event))
        case Kind.ACKNOWLEDGED if incident.acknowledged_at is None:
            incident.acknowledged_at, incident.acknowledged_by = event.wall, event.actor
        case Kind.SEVERITY:
            incident.severity = _severity(payload.get("after"))
            incident.severities.append((event.wall, incident.severity))
        case Kind.PHASE:
            _phase(incident, event)
        case Kind.ROLE:
            _role(incident, payload)
        case Kind.MESSAGE if payload.get("state") in ("sent", "copied"):
            incident.messages.append((event.wall, str(payload.get("channel", "")), str(payload.get("text", ""))))
        case Kind.ESCALATED:
            incident.escalations.append(
                (event.wall, str(payload.get("level", "")), str(payload.get("to", "")), str(payload.get("reason", "")))
            )
        case Kind.POSTMORTEM_FIELD:
            _field(incident, payload)
        case Kind.CORRECTION:
            incident.corrections[str(payload.get("event", ""))] = str(payload.get("text", ""))
        case Kind.PIN:
            incident.pins ^= {str(payload.get("event", ""))}
        case Kind.EXPORTED:
            incident.exported[str(payload.get("path", ""))] = str(payload.get("sha256", ""))
        case Kind.RESOLVED:
            incident.resolved_at, incident.resolved_reason = event.wall, str(payload.get("reason", ""))
        case Kind.REOPENED:
            incident.resolved_at, incident.mitigated_at = None, None
        case _:
            _action(incident, event)


def _phase(incident: IncidentState, event: Event) -> None:
    incident.phase = str(event.payload.get("phase", incident.phase))
    incident.phases.append((event.wall, incident.phase))
    if incident.phase == "mitigated":
        incident.mitigated_at = event.wall
    else:
        incident.mitigated_at = None


def _role(incident: IncidentState, payload: dict[str, Any]) -> None:
    role, name = str(payload.get("role", "")), str(payload.get("name", ""))
    incident.roles[role] = name
    if role == "commander":
        incident.commander = name


def _field(incident: IncidentState, payload: dict[str, Any]) -> None:
    name = str(payload.get("field", ""))
    if name != "action_item":
        incident.fields[name] = str(payload.get("text", ""))
        return
    number = int(payload.get("number") or len(incident.action_items) + 1)
    incident.action_items[number] = ActionItem(
        number,
        str(payload.get("item", "")),
        str(payload.get("owner", "")),
        str(payload.get("due", "")),
        str(payload.get("status", "") or "Pending"),
    )


def _action(incident: IncidentState, event: Event) -> None:
    """Intent, sent, outcome, verified, reconciled."""
    payload = event.payload
    run = str(payload.get("action_run", ""))
    if event.kind is Kind.INTENT:
        plan = _plan(payload.get("plan"))
        title = plan.title if plan else str((payload.get("plan") or {}).get("title", "an action of a newer version"))
        incident.actions[run] = ActionRun(run, plan, title, event.actor, str(payload.get("reason", "")), event.wall)
        return
    action = incident.actions.get(run)
    if action is None:
        return
    match event.kind:
        case Kind.SENT:
            action.sent_at = event.wall
        case Kind.OUTCOME:
            action.outcome = _member(Outcome, payload.get("outcome"), Outcome.UNKNOWN)
            action.outcome_at, action.sentence = event.wall, str(payload.get("sentence", ""))
        case Kind.VERIFIED:
            action.verdict = _member(Verdict, payload.get("verdict"), Verdict.UNKNOWN)
            action.verified_at = event.wall
            action.before, action.after = _readings(payload.get("before")), _readings(payload.get("after"))
        case Kind.RECONCILED:
            action.reconciled = str(payload.get("how", ""))
            action.verdict = _member(Verdict, payload.get("verdict"), action.verdict or Verdict.UNKNOWN)


def _plan(raw: Any) -> Plan | None:
    """The plan as it was recorded, or none when it is not one that we know."""
    try:
        return msgspec.convert(raw, Plan)
    except msgspec.ValidationError:
        return None


def _member(kind: Any, value: Any, otherwise: Any) -> Any:
    """The enum's member of that value; ``otherwise`` for one that a newer version wrote."""
    return next((member for member in kind if member.value == value), otherwise)


def _readings(raw: Any) -> dict[str, str]:
    return {str(name): str(value) for name, value in raw.items()} if isinstance(raw, dict) else {}
