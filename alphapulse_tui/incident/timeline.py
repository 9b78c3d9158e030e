"""Events as the sentences of a timeline: panel 7, the incident screen and the postmortem show the same."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from alphapulse_tui.executor.ledger import reconciled_for_good
from alphapulse_tui.incident import payload as read
from alphapulse_tui.incident.events import Event, Kind
from alphapulse_tui.incident.state import IncidentState


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a timeline."""

    wall: float
    """Unix seconds: when it happened; for what was read afterwards, when it began."""
    sentence: str
    kind: Kind
    actor: str
    event_id: str
    read_afterwards: bool = False
    pinned: bool = False


QUIET = frozenset({Kind.CORRECTION, Kind.PIN, Kind.SENT, Kind.POSTMORTEM_FIELD, Kind.ARMED, Kind.DISARMED})
"""Kinds that are kept but tell no story of their own."""


def timeline(incident: IncidentState) -> list[Entry]:
    """The incident's story, oldest first, corrections applied and marked."""
    return entries(incident.events, incident.corrections, incident.pins, incident.corrected_at)


def entries(
    events: Iterable[Event],
    corrections: dict[str, str] | None = None,
    pins: set[str] | None = None,
    moments: dict[str, float] | None = None,
) -> list[Entry]:
    """Events as entries in the order in which things happened, with corrected words and ``moments`` (Unix seconds) by event id."""
    corrected, pinned, moved = corrections or {}, pins or set(), moments or {}
    found = []
    for event in events:
        if event.kind in QUIET:
            continue
        sentence = corrected.get(event.id)
        said = f"{sentence or describe(event)} (corrected)" if sentence or event.id in moved else describe(event)
        late = read.flag(event.payload, "read_afterwards")
        wall = moved.get(event.id, read.when(event))
        found.append(Entry(wall, said, event.kind, event.actor, event.id, late, event.id in pinned))
    return sorted(found, key=lambda entry: entry.wall)


def describe(event: Event) -> str:
    """One event in words."""
    payload = event.payload
    who = event.actor.partition("@")[0] or "somebody"
    words = {**_PLATFORM, **_PEOPLE, **_ACTIONS}.get(event.kind)
    return words(payload, who) if words is not None else event.kind.value.replace("_", " ")


def _text(payload: dict[str, Any], name: str) -> str:
    return str(payload.get(name, "") or "")


def _because(payload: dict[str, Any]) -> str:
    reason = _text(payload, "reason")
    return f": {reason}" if reason else ""


def _fired(payload: dict[str, Any], who: str) -> str:  # noqa: ARG001 - one signature for all
    severity = f" {_text(payload, 'severity')}" if payload.get("severity") else ""
    summary = f": {_text(payload, 'summary')}" if payload.get("summary") else ""
    return f"alert fired:{severity} {_text(payload, 'name')}{summary}"


def _intent(payload: dict[str, Any], who: str) -> str:
    plan = read.mapping(payload, "plan")
    return f"{who} started: {plan.get('title', 'an action')} ({plan.get('object', '')}){_because(payload)}"


def _verified(payload: dict[str, Any], who: str) -> str:  # noqa: ARG001 - one signature for all
    before, after = read.mapping(payload, "before"), read.mapping(payload, "after")
    changed = [f"{name} {before.get(name, '?')} -> {after[name]}" for name in after if before.get(name) != after[name]]
    figures = f" ({'; '.join(changed)})" if changed else ""
    return f"{_text(payload, 'verdict')}: {_text(payload, 'sentence')}{figures}"


def _reconciled(payload: dict[str, Any], who: str) -> str:
    did = "settled it" if reconciled_for_good(payload) else "looked, and it is still open"
    return f"{who} {did} ({_text(payload, 'how')}): {_text(payload, 'sentence')}"


def _step(payload: dict[str, Any], who: str) -> str:  # noqa: ARG001 - one signature for all
    return f"step {_text(payload, 'title') or _text(payload, 'step')}: {_text(payload, 'state')}: {_text(payload, 'sentence')}"


def _values(payload: dict[str, Any], who: str) -> str:
    said = ", ".join(f"{name} to {value}" for name, value in read.texts(payload, "params").items())
    return f"{who} set {said or 'values'} in procedure {_text(payload, 'procedure')}"


def _finished(payload: dict[str, Any], who: str) -> str:  # noqa: ARG001 - one signature for all
    return f"procedure {_text(payload, 'procedure')} finished: {_text(payload, 'result')}"


Words = Callable[[dict[str, Any], str], str]
"""Says one event: its payload, and who did it."""

_PLATFORM: dict[Kind, Words] = {
    Kind.ALERT_FIRED: _fired,
    Kind.ALERT_CLEARED: lambda payload, who: f"alert cleared: {_text(payload, 'name')}",  # noqa: ARG005
    Kind.FLIP: lambda payload, who: _text(payload, "sentence"),  # noqa: ARG005
}

_PEOPLE: dict[Kind, Words] = {
    Kind.DECLARED: lambda payload, who: f"{who} declared {_text(payload, 'severity')}: {_text(payload, 'title')}",
    Kind.ACKNOWLEDGED: lambda payload, who: f"{who} acknowledged {_text(payload, 'what') or 'the incident'}",
    Kind.SEVERITY: lambda payload, who: (
        f"{who} changed severity {_text(payload, 'before')} -> {_text(payload, 'after')}{_because(payload)}"
    ),
    Kind.PHASE: lambda payload, who: (
        f"phase: {_text(payload, 'phase')}"
        + (f", set by {who}" if payload.get("how") == "set" else f", by {_text(payload, 'why') or 'what was done'}")
    ),
    Kind.ROLE: lambda payload, who: f"{_text(payload, 'role')}: {_text(payload, 'name')}",  # noqa: ARG005
    Kind.NOTE: lambda payload, who: f"{who}: {_text(payload, 'text')}",
    Kind.MESSAGE: lambda payload, who: f"{who} {_text(payload, 'state')} a message for {_text(payload, 'channel')}",
    Kind.ESCALATED: lambda payload, who: (
        f"{who} escalated to {_text(payload, 'level')} {_text(payload, 'to')}{_because(payload)}"
    ),
    Kind.CLOCK: lambda payload, who: f"clock {_text(payload, 'clock')} {_text(payload, 'state')}{_because(payload)}",  # noqa: ARG005
    Kind.RESOLVED: lambda payload, who: f"{who} resolved the incident{_because(payload)}",
    Kind.REOPENED: lambda payload, who: f"{who} reopened the incident{_because(payload)}",
    Kind.EXPORTED: lambda payload, who: f"{who} exported the postmortem to {_text(payload, 'path')}",
}

_ACTIONS: dict[Kind, Words] = {
    Kind.INTENT: _intent,
    Kind.OUTCOME: lambda payload, who: f"{_text(payload, 'outcome')}: {_text(payload, 'sentence')}",  # noqa: ARG005
    Kind.VERIFIED: _verified,
    Kind.RECONCILED: _reconciled,
    Kind.PROCEDURE_STARTED: lambda payload, who: f"{who} opened procedure {_text(payload, 'procedure')}",
    Kind.PROCEDURE_VALUES: _values,
    Kind.STEP: _step,
    Kind.PROCEDURE_FINISHED: _finished,
}
