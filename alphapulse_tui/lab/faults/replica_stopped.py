"""``replica-stopped``: the replica's receiver is dead; it serves what it had.

What breaks: its ``primary_conninfo`` is changed to a port where nobody listens, as after a move of the primary that forgot the replica.

How it shows: no row in ``pg_stat_wal_receiver``, none in the primary's ``pg_stat_replication``, its slot inactive and retaining WAL. What the
replica received it has replayed, so the usual lag formulas say 0 (runbook-facts 2.1.3).

What mends it: the right ``primary_conninfo`` and a reload (procedure ``pg-replication-lag``). ``lab mend`` puts the former one back.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from alphapulse_tui.lab import postgres
from alphapulse_tui.lab.errors import LabError, NotReadyError
from alphapulse_tui.lab.faults.superuser import superuser
from alphapulse_tui.lab.platform import Lab

if TYPE_CHECKING:
    import asyncpg

_REPLICA = f"{postgres.REPLICA}-0"
_WRONG = "port=1"
_SECONDS = 30.0


class ReplicaStopped:
    """See the module."""

    name = "replica-stopped"
    summary = "The PostgreSQL replica looks for its primary where nobody listens: it receives nothing."
    mended_by = "procedure pg-replication-lag: mend primary_conninfo"
    parameters = ()

    def __init__(self) -> None:
        self._former = ""

    async def inject(self, lab: Lab, parameter: str) -> str:  # noqa: ARG002 - takes none
        """Change the address and wait until the receiver is gone."""
        async with superuser(lab, _REPLICA) as connection:
            former = str(await connection.fetchval("SHOW primary_conninfo"))
            right = f"port={lab.ports[postgres.PRIMARY]}"
            if right not in former:
                raise LabError(f"{_REPLICA} does not follow this lab's primary: `alphapulse lab mend all` first.")
            self._former = former
            await _set(connection, former.replace(right, _WRONG))
            await _wait(lab, connection, receivers=0)
        return f"PostgreSQL: {_REPLICA} looks for its primary at port 1 and receives nothing"

    async def mend(self, lab: Lab, parameter: str) -> None:  # noqa: ARG002
        """Put the former address back if the wrong one is still there, and wait until the replica streams."""
        async with superuser(lab, _REPLICA) as connection:
            if _WRONG in str(await connection.fetchval("SHOW primary_conninfo")).split():
                await _set(connection, self._former)
            await _wait(lab, connection, receivers=1)
        await lab.healthy("postgres")


async def _set(connection: asyncpg.Connection, address: str) -> None:
    """Change the replica's address; a reload is enough since PostgreSQL 13."""
    await connection.execute(
        await connection.fetchval("SELECT format('ALTER SYSTEM SET primary_conninfo = %L', $1::text)", address)
    )
    await connection.execute("SELECT pg_reload_conf()")


async def _wait(lab: Lab, connection: asyncpg.Connection, receivers: int) -> None:
    end = time.monotonic() + _SECONDS
    sql = "SELECT count(*) FROM pg_stat_wal_receiver WHERE status = 'streaming'"
    while await connection.fetchval(sql) != receivers:
        if time.monotonic() > end:
            raise NotReadyError(
                f"{_REPLICA} has not {receivers} WAL receivers after {_SECONDS:.0f} s; see {lab.log(_REPLICA)}."
            )
        await asyncio.sleep(0.1)


FAULT = ReplicaStopped()
