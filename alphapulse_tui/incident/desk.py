"""The incident desk: the journal as this cockpit follows it, the open incident, and the commands that a person gives.

Whatever is shown comes from events that are on disk: a command writes, and the screen changes when the event comes back from the journal,
which is also how a second engineer's note appears. Called by screens and by the procedure engine.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any

from alphapulse_tui.config.paths import journal_file
from alphapulse_tui.executor.protocol import PLAN_SECONDS, SHARE_SECONDS
from alphapulse_tui.incident import commands
from alphapulse_tui.incident import payload as read
from alphapulse_tui.incident.clocks import ClockState, clocks, next_clock
from alphapulse_tui.incident.events import Event, Kind
from alphapulse_tui.incident.journal import Journal, JournalUnavailable
from alphapulse_tui.incident.recorder import Recorder
from alphapulse_tui.incident.state import EARLIER_SECONDS, Incidents, IncidentState, open_incident
from alphapulse_tui.incident.timeline import Entry, entries, timeline
from alphapulse_tui.listeners import Listeners
from alphapulse_tui.model.health import Severity
from alphapulse_tui.model.plan import Outcome
from alphapulse_tui.model.words import clock

__all__ = ["Desk", "JournalUnavailable", "Recorder"]

AGAIN_SECONDS = 2.0
"""Seconds until a journal that could not be read is read again."""


def _allowed(plan: Mapping[str, Any]) -> float:
    """Seconds from an intent to its proof at the very most: two readings, the plan's own deadline and proof, and a person at the share prompt."""
    own = sum(read.moment(plan, name) or 0.0 for name in ("deadline", "verify_seconds"))
    return 2 * PLAN_SECONDS + own + (SHARE_SECONDS if read.flag(plan, "needs_share") else 0.0)


class Desk:
    """One environment's journal and what it tells. Made by :meth:`at`."""

    def __init__(self, journal: Journal, wall: Callable[[], float] = time.time) -> None:
        self.journal = journal
        self._known = Incidents()
        self.incidents: dict[str, IncidentState] = {}
        self.open: IncidentState | None = None
        """The open incident that matters most, or none."""
        self.timeline: list[Entry] = []
        """The open incident's story; without one, what happened in the last quarter of an hour."""
        self.under_way: dict[str, Event] = {}
        """Intents by run that came while we followed and whose end has not come: what the footer says goes on. Older ones are unresolved."""
        self.recorder: Recorder | None = None
        self.problem = ""
        """Why the journal could not be read last, or empty: what is shown is old then."""
        self._wall = wall
        self._listeners: Listeners[[]] = Listeners("desk")

    @classmethod
    def at(cls, environment: str) -> Desk:
        """The desk of ``environment``, with everything that its journal holds. Blocks: call it in a thread.

        Raises:
            JournalUnavailable: it can be neither read nor begun.
        """
        desk = cls(Journal.open(journal_file(environment)))
        desk._take(desk.journal.events())
        desk.under_way.clear()
        return desk

    @property
    def events(self) -> list[Event]:
        """Every event, in the journal's order."""
        return self._known.events

    async def follow(self) -> None:
        """Take in what is written from now on, by whomever, for ever.

        A journal that cannot be read for a while (locked, an I/O error) is read again: nobody else would begin to follow it.
        """
        while True:
            try:
                await self.catch_up()
                async for event in self.journal.follow(self._last):
                    self._take([event])
            except JournalUnavailable as problem:
                self.problem = str(problem)
            await asyncio.sleep(AGAIN_SECONDS)

    async def catch_up(self) -> None:
        """Take in at once what is on disk by now, without waiting for :meth:`follow`'s next look.

        Raises:
            JournalUnavailable: it cannot be read.
        """
        self._take(await self.journal.read(self._last))
        self.problem = ""

    @property
    def _last(self) -> int:
        """Sequence of the newest event that was taken in."""
        return self.events[-1].sequence if self.events else 0

    @property
    def trouble(self) -> tuple[str, str]:
        """What keeps the journal from telling all: a word for a badge and the sentence, both empty while it is read and written."""
        unwritten = (self.recorder.problem if self.recorder is not None else "") or self.journal.problem
        if self.problem:
            return "NOT LIVE", self.problem
        if self.journal.damage:
            return "NOT LIVE", self.journal.damage
        if unwritten:
            return "NOT WRITTEN", unwritten
        return ("DISK", self.journal.warning) if self.journal.warning else ("", "")

    def subscribe(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Have ``listener`` called when events have come; the returned function ends that.

        A listener's mistake is logged: it ends neither the following nor the command whose event is told.
        """
        return self._listeners.add(listener)

    def _take(self, events: list[Event]) -> None:
        known = self._last
        fresh = [event for event in events if event.sequence > known]
        if not fresh:
            return
        self._follow_runs(fresh)
        self.incidents = self._known.take(fresh)
        self.open = open_incident(self.incidents)
        self.timeline = timeline(self.open) if self.open is not None else entries(self._recent())
        self._listeners.tell()

    def _follow_runs(self, fresh: list[Event]) -> None:
        for event in fresh:
            run = str(event.payload.get("action_run", ""))
            if event.kind is Kind.INTENT:
                self.under_way[run] = event
            elif (
                event.kind in (Kind.VERIFIED, Kind.RECONCILED) or event.payload.get("outcome") == Outcome.REFUSED.value
            ):
                self.under_way.pop(run, None)

    def running(self, wall: float) -> str:
        """What is being done now: ``running: terminate idle 00:12``, and how many more; empty when nothing is.

        Whoever did it may have been killed: past all the time that its plan allows, it is no longer said to run.
        """
        if not self.under_way:
            return ""
        first, *more = self.under_way.values()
        plan = read.mapping(first.payload, "plan")
        seconds = wall - first.wall
        word = "running" if seconds <= _allowed(plan) else "no outcome yet"
        others = f" (+{len(more)} more)" if more else ""
        return f"{word}: {read.text(plan, 'title') or 'an action'} {clock(seconds)}{others}"

    def _recent(self) -> list[Event]:
        """Events of the last quarter of an hour, without an incident."""
        since = self._wall() - EARLIER_SECONDS
        return [event for event in self.events if event.wall >= since and not event.incident]

    async def record(self, kind: Kind, payload: Mapping[str, Any], incident: str | None = None) -> Event:
        """Write an event of the open incident (or of ``incident``) and take it in at once; one that cannot be read back now is taken in later.

        Raises:
            JournalUnavailable: not written; the sentence says why.
        """
        name = incident if incident is not None else self.open.id if self.open is not None else ""
        event = await self.journal.record(kind, payload, name)
        try:
            await self.catch_up()
        except JournalUnavailable as problem:  # It is on disk: who says otherwise has it written twice.
            self.problem = str(problem)
        return event

    async def declare(self, title: str, severity: Severity) -> str:
        """Declare an incident and answer its id; two engineers who declare at once get two numbers.

        Raises:
            UsageError: the title is empty.
            JournalUnavailable: not written.
        """
        event = await commands.declare(self.journal, title, severity)
        await self.catch_up()
        return event.incident

    async def acknowledge(self) -> None:
        """Acknowledge the open incident."""
        if self.open is not None:
            await commands.acknowledge(self.record, self.open)

    async def note(self, text: str) -> None:
        """Write a note."""
        await self.record(Kind.NOTE, {"text": text})

    async def set_field(self, name: str, text: str, incident: IncidentState) -> None:
        """Enter a field of the postmortem; also after the incident is over.

        Raises:
            UsageError: no such field, or no moment where one is needed.
            JournalUnavailable: not written.
        """
        await commands.set_field(self.record, incident, name, text)

    async def add_action_item(self, item: str, owner: str, due: str, status: str, incident: IncidentState) -> None:
        """Add a row to the postmortem's action items.

        Raises:
            UsageError: it says nothing.
            JournalUnavailable: not written.
        """
        await commands.add_action_item(self.record, incident, item, owner, due, status)

    def headline(self, wall: float) -> str:
        """The top line's words: ``P0 INC-0042 API down  ack 00:03  due 21:04 next update``; empty without an incident.

        The name of what is due stands last: it is what a narrow line may cut, and not that it is overdue.
        """
        incident = self.open
        if incident is None:
            return ""
        if incident.acknowledged_at is None:
            said = f"NOT ACKNOWLEDGED {clock(wall - incident.declared_at)}"
        else:
            said = f"ack {clock(incident.acknowledged_at - incident.declared_at)}"
        following = next_clock(incident, wall)
        left = following.left(wall) if following is not None else 0.0
        late = "OVERDUE" if left < 0 else "due"
        due = f"  {late} {clock(abs(left))} {following.name}" if following is not None else ""
        return f"{incident.severity.value} {incident.id} {incident.title}  {said}{due}"

    def clock_words(self, wall: float, width: int) -> str:
        """The clocks that run, the next one first, as many as fit in ``width`` cells."""
        if self.open is None:
            return ""
        words = ""
        for each in clocks(self.open, wall):
            if each.satisfied_at is not None:
                continue
            late = "OVERDUE " if each.state is ClockState.MISSED else ""
            said = f"{each.name} {late}{clock(abs(each.left(wall)))}"
            if len(words) + len(said) + 3 > width:
                break
            words += f"   {said}" if words else said
        return words

    def close(self) -> None:
        """Stop recording and let go of the file."""
        if self.recorder is not None:
            self.recorder.close()
        self.journal.close()
