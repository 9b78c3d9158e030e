"""``replica-lag``: the replica receives WAL and does not replay it.

What breaks: somebody paused the replay (``pg_wal_replay_pause()``) for a consistent read and forgot it; then a bulk import writes 24 MB.

How it shows: the receiver streams, ``pg_get_wal_replay_pause_state()`` is ``paused``, the replica is 24 MB and more behind, reads from it
are stale. ``pg_stat_replication.replay_lag`` stays at its last small value (runbook-facts 2.1.3).

What mends it: ``pg_wal_replay_resume()`` on the replica (procedure ``pg-replication-lag``). ``lab mend`` does that, and waits.
"""

from __future__ import annotations

import asyncio
import time

from alphapulse_tui.lab import postgres
from alphapulse_tui.lab.errors import NotReadyError
from alphapulse_tui.lab.faults.superuser import superuser
from alphapulse_tui.lab.platform import Lab

_REPLICA = f"{postgres.REPLICA}-0"
_MEGABYTES = 24
_BULK = f"SELECT count(pg_logical_emit_message(true, 'bulk-import', repeat('x', 1048576))) FROM generate_series(1, {_MEGABYTES})"
_BEHIND = "SELECT pg_wal_lsn_diff(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn())::bigint"
_SECONDS = 30.0


class ReplicaLag:
    """See the module."""

    name = "replica-lag"
    summary = f"Replay on the PostgreSQL replica is paused; it falls {_MEGABYTES} MB behind."
    mended_by = "procedure pg-replication-lag: resume replay"
    parameters = ()

    async def inject(self, lab: Lab, parameter: str) -> str:  # noqa: ARG002 - takes none
        """Pause, write on the primary, and wait until the replica has received what it does not replay."""
        await self._on_replica(lab, "SELECT pg_wal_replay_pause()")
        async with superuser(lab) as connection:
            await connection.execute(_BULK)
        await self._wait(lab, _MEGABYTES << 20, None, "has received what it does not replay")
        return f"PostgreSQL: {_REPLICA} does not replay, {_MEGABYTES} MB behind"

    async def mend(self, lab: Lab, parameter: str) -> None:  # noqa: ARG002
        """Resume if it is paused still, and wait until it has caught up."""
        if await self._on_replica(lab, "SELECT pg_is_wal_replay_paused()"):
            await self._on_replica(lab, "SELECT pg_wal_replay_resume()")
        await self._wait(lab, None, 1 << 20, "has caught up")

    async def _wait(self, lab: Lab, least: int | None, most: int | None, what: str) -> None:
        """Wait until the replica is at least or at most so many bytes behind what it received."""
        end = time.monotonic() + _SECONDS
        while True:
            behind = int(str(await self._on_replica(lab, _BEHIND) or 0))
            if (least is None or behind >= least) and (most is None or behind <= most):
                return
            if time.monotonic() > end:
                raise NotReadyError(
                    f"Waited {_SECONDS:.0f} s in vain until {_REPLICA} {what}; see {lab.log(_REPLICA)}."
                )
            await asyncio.sleep(0.1)

    @staticmethod
    async def _on_replica(lab: Lab, sql: str) -> object:
        async with superuser(lab, _REPLICA) as connection:
            return await connection.fetchval(sql)


FAULT = ReplicaLag()
