"""What no cockpit saw, as events for the journal: each marked ``read_afterwards``, with the moment at which it happened.

Pure: ``sources.history`` has done the reading. What the incident tells already is left out, so that a second cockpit, or a second reading,
adds nothing twice. A crossing or an alert is a *sign* of the incident's beginning; what the cluster did is context, never proof. Called
after declaring, with the incident's own events: an alert that was seen an hour earlier is in the journal, but not in this incident's story.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from alphapulse_tui.incident import payload as read
from alphapulse_tui.incident.events import Event, Kind
from alphapulse_tui.model.history import ClusterEvent, Crossing, History, PastAlert, Rollout
from alphapulse_tui.model.words import figure, utc

Entry = tuple[Kind, dict[str, Any]]

SEEN_SECONDS = 120.0
"""Seconds after the onset within which the cockpit's own flip tells of the same; a later one does not tell when it began."""

SAME_SECONDS = 60.0
"""Seconds by which two readings may place the same thing apart: their points lie on different grids."""

FOR_SECONDS = 600.0
"""Seconds that an alert may have been pending (runbook 4.2: at most 5 minutes, and room): some tell when that began, some when it fired."""

WRONG = ("warning", "critical")
"""What a flip's ``after`` says when something is wrong."""


def backfill(history: History, existing_events: Iterable[Event], now: float) -> list[Entry]:
    """Kind and payload of every event to be written for the incident, in the order in which things happened.

    ``existing_events`` are the incident's (``IncidentState.events``); ``now`` is Unix seconds: nothing is placed later. Parts that could not
    be read end up as a note each, so that the record does not look complete.
    """
    known = list(existing_events)
    entries: list[tuple[float, Entry]] = []
    for alert in history.alerts:
        entries += _of_alert(alert, known)
    for crossing in history.crossings:
        entries += _of_crossing(crossing, known)
    for made in (*map(_of_cluster_event, history.cluster_events), *map(_of_rollout, history.rollouts)):
        if not _told_flip(made[1][1], made[0], known):
            entries.append(made)
    entries.sort(key=lambda entry: entry[0])
    placed = [(kind, payload | {"starts_at": min(payload["starts_at"], now)}) for _, (kind, payload) in entries]
    return placed + [_note(sentence, now) for sentence in history.missing if not _noted(sentence, known)]


def _of_alert(alert: PastAlert, known: list[Event]) -> Iterator[tuple[float, Entry]]:
    if _told_alert(alert, known):
        return
    identity = {
        "fingerprint": alert.fingerprint,
        "name": alert.name,
        "severity": alert.severity.value if alert.severity else "",
        "read_afterwards": True,
    }
    standing = alert.fingerprint in _standing(known)
    if alert.ended_at is not None and standing:
        # Clearing it now would clear the firing that goes on: told as a fact instead.
        sentence = f"alert {alert.name} fired until {utc(alert.ended_at)}: {alert.summary or 'no summary'}"
        yield alert.starts_at, _flip("alerts", alert.name, sentence, alert.starts_at)
        return
    summary = {"summary": alert.summary, "procedure": alert.procedure, "starts_at": alert.starts_at}
    yield alert.starts_at, (Kind.ALERT_FIRED, identity | summary)
    if alert.ended_at is not None:
        yield alert.ended_at, (Kind.ALERT_CLEARED, identity | {"starts_at": alert.ended_at})


def _told_alert(alert: PastAlert, known: list[Event]) -> bool:
    """Whether the incident tells of this firing: of the one that goes on, or of one that began at about the same time."""
    if alert.ended_at is None and alert.fingerprint in _standing(known):
        return True
    return any(_same_firing(event, alert) for event in known)


def _same_firing(event: Event, alert: PastAlert) -> bool:
    if event.kind is Kind.FLIP:
        named = (read.text(event.payload, "target"), read.text(event.payload, "subject")) == ("alerts", alert.name)
        return named and abs(read.when(event) - alert.starts_at) <= SAME_SECONDS
    if event.kind is not Kind.ALERT_FIRED or _fingerprint(event.payload) != alert.fingerprint:
        return False
    began = read.moment(event.payload, "starts_at") or read.when(event)
    return alert.starts_at - FOR_SECONDS <= began <= (alert.ended_at or alert.starts_at) + SAME_SECONDS


def _standing(known: Iterable[Event]) -> set[str]:
    """Fingerprints of the alerts that fire as far as the incident tells."""
    firing: set[str] = set()
    for event in known:
        if event.kind is Kind.ALERT_FIRED:
            firing.add(_fingerprint(event.payload))
        elif event.kind is Kind.ALERT_CLEARED:
            firing.discard(_fingerprint(event.payload))
    return firing


def _fingerprint(payload: Mapping[str, Any]) -> str:
    return read.text(payload, "fingerprint") or read.text(payload, "name")


def _of_crossing(crossing: Crossing, known: list[Event]) -> Iterator[tuple[float, Entry]]:
    """When a figure went over its line: a sign of the beginning, without an ``after``, because no flip would ever tell its end."""
    sealed = crossing.target == "vault"
    limit = figure(crossing.limit, crossing.unit)
    what = f"{crossing.subject}: sealed" if sealed else f"{crossing.subject} at or over {limit}"
    if crossing.from_before:
        what = f"{what} since {utc(crossing.starts_at)} or earlier"
    peak = "" if sealed else f", up to {figure(crossing.peak, crossing.unit)}"
    until = f" until {utc(crossing.ended_at)}" if crossing.ended_at is not None else ""
    subject = f"{crossing.subject} {crossing.procedure}".strip()
    onset = _flip(crossing.target, subject, f"{what}{peak}{until}", crossing.starts_at)
    onset[1]["sign"] = not crossing.from_before
    if not _told_flip(onset[1], crossing.starts_at, known) and not _seen(crossing, known):
        yield crossing.starts_at, onset


def _seen(crossing: Crossing, known: Iterable[Event]) -> bool:
    """Whether the cockpit saw it begin: a finding of the same target and procedure that turned bad at the onset."""
    return any(
        event.kind is Kind.FLIP
        and not read.flag(event.payload, "read_afterwards")
        and read.text(event.payload, "target") == crossing.target
        and read.text(event.payload, "after") in WRONG
        and read.text(event.payload, "subject").endswith(crossing.procedure)
        and -SAME_SECONDS <= read.when(event) - crossing.starts_at <= SEEN_SECONDS
        for event in known
    )


def _of_cluster_event(event: ClusterEvent) -> tuple[float, Entry]:
    times = f" ({event.count} times, last at {utc(event.last_at)})" if event.count > 1 else ""
    sentence = f"{event.subject}: {event.reason}: {event.message}{times}"
    return event.starts_at, _flip("kubernetes", f"{event.subject} {event.reason}", sentence, event.starts_at)


def _of_rollout(rollout: Rollout) -> tuple[float, Entry]:
    number = f" revision {rollout.revision}" if rollout.revision else ""
    cause = f": {rollout.cause}" if rollout.cause else ""
    sentence = f"Deployment {rollout.workload} rolled out{number}: image {rollout.image or 'unknown'} ({rollout.replica_set}){cause}"
    subject = f"Deployment {rollout.workload} rollout {rollout.replica_set}"
    return rollout.starts_at, _flip("kubernetes", subject, sentence, rollout.starts_at)


def _flip(target: str, subject: str, sentence: str, starts_at: float) -> Entry:
    return Kind.FLIP, {
        "target": target,
        "subject": subject,
        "before": "",
        "after": "",
        "sentence": sentence,
        "starts_at": starts_at,
        "read_afterwards": True,
    }


def _told_flip(payload: Mapping[str, Any], starts_at: float, known: Iterable[Event]) -> bool:
    """Whether an earlier reading has told the same."""
    return any(
        event.kind is Kind.FLIP
        and read.flag(event.payload, "read_afterwards")
        and all(read.text(event.payload, name) == payload[name] for name in ("target", "subject"))
        and abs(read.when(event) - starts_at) <= SAME_SECONDS
        for event in known
    )


def _note(sentence: str, now: float) -> Entry:
    return Kind.NOTE, {"text": f"Read afterwards: {sentence}.", "read_afterwards": True, "starts_at": now}


def _noted(sentence: str, known: Iterable[Event]) -> bool:
    return any(event.kind is Kind.NOTE and sentence in read.text(event.payload, "text") for event in known)
