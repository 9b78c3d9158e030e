"""``replica-conflict [snapshot|lock]``: a report on the replica keeps its replay waiting.

What breaks: somebody turned ``hot_standby_feedback`` off and ``max_standby_streaming_delay`` to "for ever", so that ``monthly-report`` is no
longer cancelled; then the primary vacuums rows that the report still sees. With ``lock`` it is a table lock of a migration instead.

How it shows: the receiver streams, nothing is paused, and the replica falls behind. The replaying process waits in
``RecoveryConflictSnapshot`` (with ``lock``: for a relation), and ``pg_blocking_pids`` names nobody for a snapshot (runbook-facts 2.1.3).

What mends it: cancel the report on the replica (procedure ``pg-replication-lag``). ``lab mend`` ends it and puts both settings back.
"""

from __future__ import annotations

import asyncio
import time

from alphapulse_tui.lab import postgres
from alphapulse_tui.lab.errors import NotReadyError
from alphapulse_tui.lab.faults.holding import hold, release
from alphapulse_tui.lab.faults.superuser import superuser
from alphapulse_tui.lab.platform import Lab

_REPLICA = f"{postgres.REPLICA}-0"
_KIND = "monthly-report"
_SETTINGS = ("hot_standby_feedback = off", "max_standby_streaming_delay = -1")
_FEEDBACK = "SELECT count(*) FROM pg_replication_slots WHERE xmin IS NOT NULL"
_WAITS = """
SELECT count(*) FROM pg_stat_activity
 WHERE backend_type = 'startup' AND (wait_event LIKE 'RecoveryConflict%' OR wait_event_type = 'Lock')
"""
_HURTS = {
    "snapshot": (
        "UPDATE trade_audit SET note = note WHERE id <= 500",
        "VACUUM trade_audit",
        "SELECT pg_logical_emit_message(true, 'after', 'x')",
    ),
    "lock": ("BEGIN; LOCK TABLE trade_audit IN ACCESS EXCLUSIVE MODE; COMMIT",),
}
_SECONDS = 30.0


class ReplicaConflict:
    """See the module."""

    name = "replica-conflict"
    summary = "A report on the PostgreSQL replica keeps its replay waiting; nothing cancels it."
    mended_by = "procedure pg-replication-lag: cancel the conflicting query"
    parameters = tuple(_HURTS)

    async def inject(self, lab: Lab, parameter: str) -> str:
        """Change the settings, start the report, then do on the primary what it stands in the way of."""
        async with superuser(lab, _REPLICA) as connection:
            for setting in _SETTINGS:
                await connection.execute(f"ALTER SYSTEM SET {setting}")
            await connection.execute("SELECT pg_reload_conf()")
        await _wait(lab, postgres.PRIMARY, _FEEDBACK, 0, "takes the replica's word back that it needs old rows")
        said = await hold(lab, _KIND, _REPLICA)
        async with superuser(lab) as connection:
            for statement in _HURTS[parameter]:
                await connection.execute(statement)
        await _wait(lab, _REPLICA, _WAITS, 1, "waits for the report")
        return f"PostgreSQL: {said}, and the replay of {_REPLICA} waits for it"

    async def mend(self, lab: Lab, parameter: str) -> None:  # noqa: ARG002 - both are mended alike
        """End the report and put the settings back."""
        async with superuser(lab, _REPLICA) as connection:
            await connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1", _KIND
            )
            for setting in _SETTINGS:
                await connection.execute(f"ALTER SYSTEM RESET {setting.split()[0]}")
            await connection.execute("SELECT pg_reload_conf()")
        await _wait(lab, _REPLICA, _WAITS, 0, "replays")
        await release(lab, _KIND)


async def _wait(lab: Lab, server: str, sql: str, value: int, what: str) -> None:
    end = time.monotonic() + _SECONDS
    async with superuser(lab, server) as connection:
        while await connection.fetchval(sql) != value:
            if time.monotonic() > end:
                raise NotReadyError(f"Waited {_SECONDS:.0f} s in vain until {server} {what}; see {lab.log(server)}.")
            await asyncio.sleep(0.1)


FAULT = ReplicaConflict()
