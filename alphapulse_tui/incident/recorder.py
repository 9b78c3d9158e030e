"""Writes what happens to the platform into the journal: alerts that fire and clear, findings that come and go, targets that fall silent.

Listens to the board. The first reading of a target is compared with what the journal last said of it, so a cockpit that starts again
tells nothing twice. A subject that changes more than four times in a minute is *flapping*: that is written once, and its changes are not,
until it has been calm for a minute. Two cockpits see the same; before writing, the journal's newest events are read, and what another has
just written is not written again.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from alphapulse_tui.board import Board
from alphapulse_tui.incident.events import Event, Kind
from alphapulse_tui.incident.journal import Journal, JournalUnavailable
from alphapulse_tui.model.alerts import Alert, AlertsSnapshot
from alphapulse_tui.model.health import Finding, Health
from alphapulse_tui.model.reading import Link, Reading

FLAPPING_CHANGES = 4
"""More changes than this in a minute are flapping (design 7)."""

CALM_SECONDS = 60.0
"""Window for flapping, seconds."""

SAME_SECONDS = 15.0
"""A fact that another cockpit wrote so recently is the same fact."""

HEALTHS = frozenset(health.value for health in Health)
"""A flip of a finding says its health; a flip of a link does not: silence is neither good nor bad."""

LOOK_BACK = 200
"""Newest events that are compared with."""


class Recorder:
    """Turns changes of the board into events."""

    def __init__(
        self, board: Board, journal: Journal, known: list[Event], wall: Callable[[], float] = time.time
    ) -> None:
        self._journal = journal
        self._wall = wall
        self._findings: dict[str, dict[str, Finding]] = {}
        self._written = _last_flips(known)
        self._links: dict[str, Link] = {}
        self._firing: dict[str, Alert] = {}
        self._told = _still_firing(known)
        self._changes: dict[tuple[str, str], deque[float]] = {}
        self._queue: asyncio.Queue[tuple[Kind, dict[str, Any]]] = asyncio.Queue()
        self.problem = ""
        """Why the last event could not be written, or empty."""
        self._unsubscribe = board.subscribe(self.seen)
        for reading in board.readings.values():
            self.seen(reading, None)

    async def run(self) -> None:
        """Write what was seen, in order, for ever."""
        while True:
            kind, payload = await self._queue.get()
            try:
                if not await self._known(kind, payload):
                    await self._journal.record(kind, payload)
                self.problem = ""
            except JournalUnavailable as problem:
                self.problem = str(problem)

    def close(self) -> None:
        """Stop listening."""
        self._unsubscribe()

    def seen(self, reading: Reading[Any], before: Reading[Any] | None) -> None:  # noqa: ARG002 - a Listener's signature
        """A reading changed: queue what that says."""
        self._see_link(reading)
        if reading.link is not Link.LIVE:
            return
        if isinstance(reading.snapshot, AlertsSnapshot):
            self._see_alerts(reading.snapshot)
        else:
            self._see_findings(reading)

    def _see_link(self, reading: Reading[Any]) -> None:
        target, link = reading.target, reading.link
        if link in (Link.CONNECTING, Link.UNCONFIGURED):
            return
        before = self._links.get(target)
        self._links[target] = link
        if before is link or (before is None and link is Link.LIVE):
            return
        if link is Link.LIVE:
            self._flip(target, target, before.value if before else "", link.value, f"{target} answers again")
        else:
            self._flip(target, target, before.value if before else "", link.value, f"{target}: {reading.problem}")

    def _see_findings(self, reading: Reading[Any]) -> None:
        """One flip for each subject whose worst finding came, changed its health, or went."""
        target = reading.target
        now: dict[str, Finding] = {}
        for finding in reading.findings:
            now.setdefault(f"{finding.subject or target} {finding.procedure}".strip(), finding)
        before = self._findings.get(target, {})
        for subject, finding in now.items():
            old = before.get(subject)
            health = finding.health.value
            was = old.health.value if old is not None else self._written.get((target, subject), Health.OK.value)
            if was != health:
                self._flip(target, subject, was, health, finding.sentence)
        for subject, old in before.items():
            if subject not in now:
                self._flip(target, subject, old.health.value, Health.OK.value, f"over: {old.sentence}")
        for place, was in list(self._written.items()):
            if place[0] == target and place[1] not in now and place[1] not in before and was != Health.OK.value:
                self._flip(target, place[1], was, Health.OK.value, f"{place[1]}: over, seen when the cockpit started")
        self._written = {place: was for place, was in self._written.items() if place[0] != target}
        self._findings[target] = now

    def _see_alerts(self, snapshot: AlertsSnapshot) -> None:
        firing = {alert.fingerprint: alert for alert in snapshot.firing}
        for fingerprint, alert in firing.items():
            if fingerprint not in self._firing and fingerprint not in self._told:
                self._queue.put_nowait((Kind.ALERT_FIRED, _fired(alert)))
        for fingerprint in [*self._firing, *(each for each in self._told if each not in self._firing)]:
            if fingerprint not in firing:
                name = self._firing[fingerprint].name if fingerprint in self._firing else self._told[fingerprint]
                self._queue.put_nowait((Kind.ALERT_CLEARED, {"fingerprint": fingerprint, "name": name}))
        self._firing, self._told = firing, {}

    def _flip(self, target: str, subject: str, before: str, after: str, sentence: str) -> None:
        now = self._wall()
        changes = self._changes.setdefault((target, subject), deque(maxlen=FLAPPING_CHANGES + 2))
        changes.append(now)
        recent = sum(1 for moment in changes if now - moment < CALM_SECONDS)
        if recent > FLAPPING_CHANGES + 1:
            return
        if recent > FLAPPING_CHANGES:
            before, after, sentence = (
                "changing",
                "flapping",
                f"{subject} is flapping: more than {FLAPPING_CHANGES} changes in a minute; last: {sentence}",
            )
        payload = {"target": target, "subject": subject, "before": before, "after": after, "sentence": sentence}
        if after in HEALTHS:
            payload["health"] = after
        self._queue.put_nowait((Kind.FLIP, payload))

    async def _known(self, kind: Kind, payload: dict[str, Any]) -> bool:
        """Whether somebody else has just written the same."""
        last = await asyncio.to_thread(self._journal.last_sequence)
        same = {name: payload[name] for name in ("fingerprint", "target", "subject", "after") if name in payload}
        recent = await self._journal.read(max(0, last - LOOK_BACK), kinds=(kind,))
        return any(
            event.writer != self._journal.writer
            and self._wall() - event.wall < SAME_SECONDS
            and all(event.payload.get(name) == value for name, value in same.items())
            for event in recent
        )


def _fired(alert: Alert) -> dict[str, Any]:
    return {
        "fingerprint": alert.fingerprint,
        "name": alert.name,
        "severity": alert.severity.value if alert.severity else "",
        "summary": alert.summary,
        "starts_at": alert.starts_at,
        "procedure": alert.procedure,
    }


def _last_flips(events: list[Event]) -> dict[tuple[str, str], str]:
    """Target and subject to the health that the journal last said: a cockpit that starts does not tell it again."""
    told: dict[tuple[str, str], str] = {}
    for event in events:
        if event.kind is Kind.FLIP and event.payload.get("health") and not event.payload.get("read_afterwards"):
            told[str(event.payload.get("target")), str(event.payload.get("subject"))] = str(event.payload["health"])
    return told


def _still_firing(events: list[Event]) -> dict[str, str]:
    """Fingerprint to name of the alerts that the journal last said fire: they are not told again."""
    told: dict[str, str] = {}
    for event in events:
        if event.kind is Kind.ALERT_FIRED:
            told[str(event.payload.get("fingerprint"))] = str(event.payload.get("name", ""))
        elif event.kind is Kind.ALERT_CLEARED:
            told.pop(str(event.payload.get("fingerprint")), None)
    return told
