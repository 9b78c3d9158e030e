"""The kinds of events that the journal holds, and the event itself.

Appended by the cockpit (flips, notes, incident commands), by the executor (intents, outcomes, verifications) and by the procedure engine;
everything shown about an incident is derived from them.
"""

from __future__ import annotations

from enum import Enum
from typing import Any

import msgspec


class Kind(Enum):
    """What happened. The payload's fields are listed with each kind; all texts are clean and redacted when they are written."""

    ALERT_FIRED = "alert_fired"
    """fingerprint, name, severity, summary, starts_at, procedure; read_afterwards (true when filled in on declaring)."""
    ALERT_CLEARED = "alert_cleared"
    """fingerprint, name, severity."""
    FLIP = "flip"
    """target, subject, before, after, sentence; read_afterwards with starts_at, and sign (true: trouble began then)."""
    DECLARED = "declared"
    """title, severity."""
    ACKNOWLEDGED = "acknowledged"
    """what (``incident`` or an alert's name)."""
    SEVERITY = "severity"
    """before, after, reason."""
    PHASE = "phase"
    """phase (``assess``, ``investigate``, ``fix``, ``mitigated``), how (``derived`` or ``set``)."""
    ROLE = "role"
    """role (``commander`` ...), name."""
    NOTE = "note"
    """text."""
    PIN = "pin"
    """event (id)."""
    CORRECTION = "correction"
    """event (id), text; right_at (unix seconds) when the moment was wrong; the original stays."""
    INTENT = "intent"
    """action_run (plan id), plan (the whole Plan), digest, reason."""
    SENT = "sent"
    """action_run: the request is about to leave, the last preconditions held."""
    OUTCOME = "outcome"
    """action_run, outcome, sentence, details, seconds."""
    VERIFIED = "verified"
    """action_run, verdict, sentence, before, after."""
    RECONCILED = "reconciled"
    """action_run, how (``probed``, ``marked done``, ``abandoned``), verdict, sentence, evidence."""
    PROCEDURE_STARTED = "procedure_started"
    """run, procedure, title, version, params."""
    PROCEDURE_VALUES = "procedure_values"
    """run, procedure, params (those that were changed)."""
    STEP = "step"
    """run, procedure, step, state (``running``, ``passed``, ``found``, ``failed``, ``skipped``, ``done``), sentence, reason, evidence."""
    PROCEDURE_FINISHED = "procedure_finished"
    """run, procedure, result."""
    MESSAGE = "message"
    """channel, state (``drafted``, ``sent``, ``copied``), text."""
    ESCALATED = "escalated"
    """level, to, reason."""
    CLOCK = "clock"
    """clock, state (``satisfied``, ``missed``, ``snoozed``), reason; until (unix seconds) for a snoozed one."""
    POSTMORTEM_FIELD = "postmortem_field"
    """field (``summary``, ``root_cause`` ...), text; or field ``action_item`` with item, owner, due, status (older: number)."""
    ARMED = "armed"
    """until (unix seconds), environment."""
    DISARMED = "disarmed"
    """why."""
    RESOLVED = "resolved"
    """reason, checks."""
    REOPENED = "reopened"
    """reason."""
    EXPORTED = "exported"
    """path, sha256."""

    @classmethod
    def _missing_(cls, value: object) -> Kind | None:
        """A kind that a newer version wrote: kept verbatim as a member of its own that ``list(Kind)`` does not name.

        So one journal serves two versions of the program side by side, and a chain with unknown kinds still verifies.
        """
        if not isinstance(value, str):
            return None
        if value not in _NEWER:
            kind = object.__new__(cls)
            kind._name_ = kind._value_ = value
            _NEWER[value] = kind
        return _NEWER[value]

    @property
    def known(self) -> bool:
        """False for a kind that only a newer version of the program knows."""
        return self.name in type(self).__members__


_NEWER: dict[str, Kind] = {}
"""Kinds of newer versions by their word, so that the same word is always the same member."""


class Event(msgspec.Struct, frozen=True):
    """One entry of the journal."""

    id: str
    """UUID, sortable by time of writing."""
    sequence: int
    """Place in the journal file: the order in which events were committed."""
    writer: str
    """Host, process and start of who wrote it; each writer has a hash chain of its own."""
    writer_sequence: int
    """1, 2, 3 ... within the writer, without gaps."""
    wall: float
    """Unix seconds, UTC."""
    monotonic: float
    """Seconds since boot, suspend included: a wall clock that jumped is seen by comparing the two."""
    actor: str
    """The person: login, and the login behind sudo."""
    incident: str
    """``INC-0042``, or empty."""
    kind: Kind
    payload: dict[str, Any]
    previous_hash: str
    hash: str
    """SHA-256 over everything above, previous hash included."""
