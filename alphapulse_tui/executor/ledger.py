"""Which runs are open and what they lock, derived from the journal's events alone: every executor on every screen sees the same.

A run is *settled* by an outcome that is known, by a target that was read and says so, or by a person. Until then its object is locked. Who was
first is decided by the journal's order: an intent loses against every earlier intent on its object that was not settled before it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import msgspec

from alphapulse_tui.incident.events import Event, Kind
from alphapulse_tui.model.plan import Outcome, Plan, Verdict

KINDS = (Kind.INTENT, Kind.SENT, Kind.OUTCOME, Kind.VERIFIED, Kind.RECONCILED)
"""What a ledger is made of."""

MARKED_DONE = "marked done"
ABANDONED = "abandoned"
PROBED = "probed"


@dataclass(slots=True)
class RunRecord:
    """One run as the journal tells it."""

    intent: Event
    sent: bool = False
    outcome: Outcome | None = None
    sentence: str = ""
    settled_at: int | None = None
    """Sequence of the event that settled it, or none: open."""
    words: list[str] = field(default_factory=list)

    @property
    def run(self) -> str:
        """The plan's id."""
        return str(self.intent.payload.get("action_run", ""))

    @property
    def raw_plan(self) -> dict[str, Any]:
        """The plan as it was written, whatever version wrote it."""
        plan = self.intent.payload.get("plan")
        return plan if isinstance(plan, dict) else {}

    @property
    def object(self) -> str:
        """What it locks."""
        return str(self.raw_plan.get("object", ""))

    def plan(self) -> Plan | None:
        """The plan, or none when this version cannot read it."""
        try:
            return msgspec.convert(self.raw_plan, Plan)
        except msgspec.ValidationError:
            return None

    def who(self) -> str:
        """``ana on bastion-2 at 14:03:12Z (event 12)``: for whoever came second."""
        host = self.intent.writer.rsplit(":", 2)[0]
        when = datetime.fromtimestamp(self.intent.wall, UTC).strftime("%H:%M:%SZ")
        return f"{self.intent.actor} on {host} at {when} (event {self.intent.sequence})"


class Ledger:
    """Runs by id. Fed with events in the order of the journal."""

    def __init__(self) -> None:
        self.runs: dict[str, RunRecord] = {}
        self.sequence = 0
        """The last event taken in."""

    def take(self, events: Iterable[Event]) -> None:
        """Take in what the journal says next."""
        for event in events:
            self.sequence = max(self.sequence, event.sequence)
            run = str(event.payload.get("action_run", ""))
            if event.kind is Kind.INTENT:
                self.runs.setdefault(run, RunRecord(event))
            elif (record := self.runs.get(run)) is not None:
                _take(record, event)

    def open_runs(self) -> list[RunRecord]:
        """Runs that nothing has settled, oldest first."""
        return [record for record in self.runs.values() if record.settled_at is None]

    def holder(self, name: str, before: int | None = None, but: str = "") -> RunRecord | None:
        """Who holds the lock on object ``name``, or none.

        With ``before`` (the sequence of an intent): who came first, whether or not they have finished since. ``but`` is one's own run.
        """
        for record in self.runs.values():
            if record.object != name or record.run == but:
                continue
            if before is None:
                if record.settled_at is None:
                    return record
            elif record.intent.sequence < before and (record.settled_at is None or record.settled_at > before):
                return record
        return None


def _take(record: RunRecord, event: Event) -> None:
    """What one event changes about its run."""
    payload = event.payload
    settles = False
    if event.kind is Kind.SENT:
        record.sent = True
    elif event.kind is Kind.OUTCOME:
        record.outcome = _outcome(payload.get("outcome"))
        record.sentence = str(payload.get("sentence", ""))
        settles = record.outcome not in (None, Outcome.UNKNOWN)
    elif event.kind is Kind.VERIFIED:
        settles = payload.get("verdict") == Verdict.VERIFIED.value and record.outcome is not None
    elif event.kind is Kind.RECONCILED:
        settles = reconciled_for_good(payload)
    if settles and record.settled_at is None:
        record.settled_at = event.sequence


def reconciled_for_good(payload: Mapping[str, Any]) -> bool:
    """Whether a reconciling ends its run: a person's word does, a probe only where the target says yes or no."""
    known = payload.get("verdict") in (Verdict.VERIFIED.value, Verdict.CONTRADICTED.value)
    return known or payload.get("how") in (MARKED_DONE, ABANDONED)


def _outcome(word: object) -> Outcome | None:
    """The outcome, or none for a word of a newer version: then nobody claims to know."""
    try:
        return Outcome(word)
    except ValueError:
        return None
