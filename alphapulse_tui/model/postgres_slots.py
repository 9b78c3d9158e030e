"""Which replication slots nobody of the platform will come back for (facts 2.1.3).

A slot keeps WAL for its reader until the reader has it. One whose reader is gone keeps it for ever, or up to ``max_slot_wal_keep_size``. A slot
that nobody reads *now* may belong to a replica that is down: that one is never called left behind, and as long as one replica cannot be asked
no slot is. Judged by ``runbook.checks.postgres_replication``, offered by ``model.fixes.postgres``, asked again by ``actions.postgres_slot``.
"""

from __future__ import annotations

from alphapulse_tui.model.postgres_surveys import ReplicationSurvey, SlotFigures

WORTH_A_WORD = 16 * 1024 * 1024
"""Bytes held back, a WAL segment of the default size: a slot that was made a moment ago holds less (facts 2.1.3)."""


def belongs_to(slot: str, replica: str, reads: str) -> bool:
    """Whether the slot is this replica's: it reads it, or the slot bears its name, as pg_basebackup -C -S is told to.

    >>> belongs_to("postgres_replica_0", "postgres-replica-0", "")
    True
    """
    return slot in (reads, replica.replace("-", "_").replace(".", "_").lower())


def owner_of(slot: SlotFigures, survey: ReplicationSurvey) -> str:
    """The profile's replica whose slot it is; empty when it is nobody's that we know."""
    return next((one.name for one in survey.replicas if belongs_to(slot.name, one.name, one.slot)), "")


def left_behind(survey: ReplicationSurvey) -> tuple[SlotFigures, ...]:
    """Physical slots that nobody reads and no replica owns, and that hold WAL worth a word (or have lost it); the largest first.

    None while a replica does not answer: the slot may be the one that it reads.
    """
    if survey.primary_problem or any(one.problem for one in survey.replicas):
        return ()
    found = [
        slot
        for slot in survey.slots
        if slot.kind == "physical"
        and not slot.active
        and not owner_of(slot, survey)
        and (slot.lost or slot.endangered or (slot.retained or 0) >= WORTH_A_WORD)
    ]
    return tuple(sorted(found, key=lambda slot: -(slot.retained or 0)))
