"""``replication-slot-left-behind``: a replica was taken away, its slot was not.

What breaks: ``reporting_replica_1`` is a physical slot of a replica that is no more; then a bulk import writes 48 MB and a checkpoint passes.

How it shows: the slot is inactive, and the primary keeps every WAL file since (``pg_ls_waldir()`` has the one of its ``restart_lsn``), up to
``max_slot_wal_keep_size``; without that limit, until the disk is full. The replica that there is streams and lacks nothing.

What mends it: dropping the slot (procedure ``pg-replication-lag``), which needs REPLICATION: the on-call's plan says what an administrator
does. ``lab mend`` drops it.
"""

from __future__ import annotations

from alphapulse_tui.lab.errors import FaultRefusedError
from alphapulse_tui.lab.faults.superuser import superuser
from alphapulse_tui.lab.platform import Lab

SLOT = "reporting_replica_1"
MEGABYTES = 48
"""Three segments of the default size: more than any slot holds that was made a moment ago; well below the lab's ``max_slot_wal_keep_size``."""
_BULK = f"SELECT count(pg_logical_emit_message(true, 'bulk-import', repeat('x', 1048576))) FROM generate_series(1, {MEGABYTES})"
_DROP = "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = $1 AND NOT active"


class ReplicationSlotLeftBehind:
    """See the module."""

    name = "replication-slot-left-behind"
    summary = f"A PostgreSQL replication slot that nobody reads keeps {MEGABYTES} MB of WAL."
    mended_by = "procedure pg-replication-lag: drop the slot, with an administrator"
    parameters = ()
    needs = ("postgres",)

    async def inject(self, lab: Lab, parameter: str) -> str:  # noqa: ARG002 - takes none
        """Make the slot, write, and let a checkpoint remove what nobody holds."""
        async with superuser(lab) as connection:
            if await connection.fetchval("SELECT count(*) FROM pg_replication_slots WHERE slot_name = $1", SLOT):
                raise FaultRefusedError(f"Slot {SLOT} is there already: drop it first.")
            await connection.execute("SELECT pg_create_physical_replication_slot($1, true)", SLOT)
            await connection.execute(_BULK)
            await connection.execute("CHECKPOINT")
        return f"PostgreSQL: nobody reads slot {SLOT}, and {MEGABYTES} MB of WAL are kept for it"

    async def mend(self, lab: Lab, parameter: str) -> None:  # noqa: ARG002
        """Drop it if it is there still, and let go of the WAL."""
        async with superuser(lab) as connection:
            await connection.execute(_DROP, SLOT)
            await connection.execute("CHECKPOINT")


FAULT = ReplicationSlotLeftBehind()
