"""Writes what happens to the platform into the journal: alerts that fire and clear, findings that come and go, targets that fall silent.

It keeps, for each subject, what the board shows and what the journal last said; when the two have differed for a second, it writes. So
nothing is told twice: not by a cockpit that starts again, not by two of them (asking the journal and writing is one step under a lock), and
nothing is lost while the journal cannot be written. What another cockpit tells otherwise than ours shows may be news to us: it is contradicted
only by a reading that came after. More than four changes in a minute are *flapping*: that is written once, and how it came
to rest when it has been calm for a minute.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from alphapulse_tui.board import Board
from alphapulse_tui.incident import payload as read
from alphapulse_tui.incident.commands import numbering
from alphapulse_tui.incident.events import Event, Kind
from alphapulse_tui.incident.facts import CALM, CLEARED, FIRING, Fact, Key, facts, kind_of, speaks_of
from alphapulse_tui.incident.journal import Journal, JournalUnavailable
from alphapulse_tui.model.health import Health
from alphapulse_tui.model.reading import Reading

SETTLE_SECONDS = 1.0
"""Seconds that a change must last to be written: what is over before anybody could read it is noise."""

FLAPPING_CHANGES = 4
"""More changes than this in a minute are flapping (design 7)."""

CALM_SECONDS = 60.0
"""Seconds over which changes are counted, and after which a flapping subject has come to rest."""

FLAPPING = "flapping"

KINDS = (Kind.ALERT_FIRED, Kind.ALERT_CLEARED, Kind.FLIP)
"""What a recorder writes, and what it reads of others."""


@dataclass(slots=True)
class _Subject:
    """What the board shows of a subject."""

    fact: Fact
    since: float
    """When it last changed, seconds of the board's clock."""
    changes: deque[float] = field(default_factory=lambda: deque(maxlen=FLAPPING_CHANGES + 1))


class Recorder:
    """Turns changes of the board into events; ``known`` are the journal's events so far."""

    def __init__(self, board: Board, journal: Journal, known: Iterable[Event]) -> None:
        self._board = board
        self._journal = journal
        self._subjects: dict[Key, _Subject] = {}
        self._told: dict[Key, str] = {}
        self._doubted: dict[Key, Reading[Any] | None] = {}
        """What another cockpit has told otherwise than we show it, with our reading at that moment."""
        self._names: dict[str, str] = {}
        self._sequence = 0
        self.problem = ""
        """Why what is due cannot be written, or empty; it is tried again twice a second."""
        self._take(event for event in known if event.kind in KINDS)
        self._unsubscribe = board.subscribe(self.seen)
        for reading in board.readings.values():
            self.seen(reading, None)

    async def run(self) -> None:
        """Write what has settled, for ever."""
        while True:
            await self.flush()
            await asyncio.sleep(SETTLE_SECONDS / 2)

    def close(self) -> None:
        """Stop listening."""
        self._unsubscribe()

    def seen(self, reading: Reading[Any], before: Reading[Any] | None) -> None:  # noqa: ARG002 - a Listener's signature
        """A reading changed: keep what it says of each subject, and that the others are over."""
        now = self._board.clock()
        shown = facts(reading)
        for key, fact in shown.items():
            self._keep(key, fact, now)
        for key in [*self._subjects, *self._told]:
            if key not in shown and speaks_of(reading, key):
                self._over(key, now)

    def _keep(self, key: Key, fact: Fact, now: float) -> None:
        subject = self._subjects.get(key)
        if subject is None:
            subject = self._subjects[key] = _Subject(fact, now)
            if fact.after not in CALM:
                subject.changes.append(now)
            if key not in self._told and (
                fact.after in CALM or not (fact.health or key[0] == "alert" or key[1] == "link")
            ):
                self._told[key] = fact.after  # At first sight nobody needs to hear that it is well, or who leads.
        elif subject.fact.after != fact.after:
            subject.changes.append(now)
            subject.fact, subject.since = fact, now
        else:
            subject.fact = fact

    def _over(self, key: Key, now: float) -> None:
        """A finding that is not found any more, an alert that fires no more. What names a thing just goes with it."""
        subject = self._subjects.get(key)
        if subject is None:
            bad = self._told[key] not in CALM and (
                key[0] == "alert" or self._told[key] in {each.value for each in Health}
            )
            if bad or self._told[key] == FLAPPING:
                self._subjects[key] = _Subject(
                    self._ended(key, f"{key[1]}: over, found so when the cockpit started"), now
                )
            return
        if subject.fact.health or key[0] == "alert":
            if subject.fact.after not in CALM:
                self._keep(key, self._ended(key, f"over: {subject.fact.sentence}"), now)
        elif key[1] != "link":
            del self._subjects[key]

    def _ended(self, key: Key, sentence: str) -> Fact:
        if key[0] == "alert":
            return Fact(CLEARED, sentence, details={"fingerprint": key[1], "name": self._names.get(key[1], "")})
        return Fact(Health.OK.value, sentence, Health.OK.value)

    async def flush(self) -> None:
        """Write whatever has settled by now; what cannot be written stays for the next time."""
        now = self._board.clock()
        for key, subject in list(self._subjects.items()):
            fact = self._settled(key, subject, now)
            if fact is None:
                continue
            try:
                await asyncio.to_thread(self._write, key, fact)
            except JournalUnavailable as problem:
                self.problem = str(problem)
                return
        self.problem = ""  # Nothing waits to be written, be it that what could not be written is over.

    def _settled(self, key: Key, subject: _Subject, now: float) -> Fact | None:
        """What is to be written of a subject now, or none."""
        if self._doubtful(key):
            return None
        fact = subject.fact
        told = self._told.get(key, fact.after if fact.after in CALM else None)
        recent = sum(1 for moment in subject.changes if now - moment < CALM_SECONDS)
        if recent > FLAPPING_CHANGES and told != FLAPPING:
            name = fact.details.get("name") or key[1]
            last = f"{name} is flapping: more than {FLAPPING_CHANGES} changes in a minute; last: {fact.sentence}"
            return Fact(FLAPPING, last, details=fact.details)
        if told == FLAPPING:
            return fact if now - subject.since >= CALM_SECONDS else None
        return fact if fact.after != told and now - subject.since >= SETTLE_SECONDS else None

    def _doubtful(self, key: Key) -> bool:
        """Whether another cockpit has told it otherwise, and no reading since tells of it: one equal to ours is not told, but is on the board."""
        if key not in self._doubted:
            return False
        reading = self._reading_of(key)
        if reading is None or reading is self._doubted[key] or not (key in facts(reading) or speaks_of(reading, key)):
            return True
        del self._doubted[key]
        return False

    def _reading_of(self, key: Key) -> Reading[Any] | None:
        return self._board.get("alerts" if key[0] == "alert" else key[0])

    def _write(self, key: Key, fact: Fact) -> None:
        """Ask the journal and write, as one step for all cockpits of this host."""
        with numbering(Path(self._journal.path)):
            self._take(self._journal.events(self._sequence, kinds=KINDS))
            if self._told.get(key) == fact.after or self._doubtful(key):
                return
            if key[0] == "alert" and fact.after != FLAPPING:
                event = self._journal.append(kind_of(key, fact), fact.details)
            else:
                event = self._journal.append(Kind.FLIP, self._flip(key, fact))
            self._take([event])

    def _flip(self, key: Key, fact: Fact) -> dict[str, Any]:
        payload = {
            "target": key[0],
            "subject": key[1],
            "before": self._told.get(key, ""),
            "after": fact.after,
            "sentence": fact.sentence,
        }
        return payload | {"health": fact.health} if fact.health else payload

    def _take(self, events: Iterable[Event]) -> None:
        """What the journal says last of each subject, whoever wrote it."""
        for event in events:
            payload = event.payload
            self._sequence = max(self._sequence, event.sequence)
            if event.kind is not Kind.FLIP:
                fingerprint = read.text(payload, "fingerprint")
                self._names[fingerprint] = read.text(payload, "name") or self._names.get(fingerprint, "")
                self._hear(("alert", fingerprint), FIRING if event.kind is Kind.ALERT_FIRED else CLEARED, event)
            elif not read.flag(payload, "read_afterwards"):
                key = read.text(payload, "target"), read.text(payload, "subject")
                self._hear(key, read.text(payload, "after"), event)

    def _hear(self, key: Key, after: str, event: Event) -> None:
        self._told[key] = after
        subject = self._subjects.get(key)
        if subject is not None and subject.fact.after != after and event.writer != self._journal.writer:
            self._doubted[key] = self._reading_of(key)
