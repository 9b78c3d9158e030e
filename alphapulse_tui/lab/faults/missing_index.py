"""``missing-index``: the index for tenant-scoped queries is gone (runbook 2.1: ``idx_trades_tenant_symbol``).

What breaks: the index on ``trades (tenant_id, symbol)`` is dropped, and three sessions of ``portfolio-page`` ask for one tenant and one
symbol several times a second.

How it shows: sequential scans of ``trades``; the statement's mean time in pg_stat_statements grows a hundredfold; half a core more.

What mends it: ``CREATE INDEX CONCURRENTLY`` (procedure ``pg-slow-queries``). ``lab mend`` ends the load and makes the index, unless a person
has made a valid one.
"""

from __future__ import annotations

from alphapulse_tui.lab.faults.holding import hold, release
from alphapulse_tui.lab.faults.superuser import superuser
from alphapulse_tui.lab.platform import Lab

INDEX = "idx_trades_tenant_symbol"
_VALID = "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass($1)"


class MissingIndex:
    """See the module."""

    name = "missing-index"
    summary = "PostgreSQL's index on trades (tenant_id, symbol) is gone, and a page that needs it is in use."
    mended_by = "procedure pg-slow-queries: CREATE INDEX CONCURRENTLY"
    parameters = ()

    async def inject(self, lab: Lab, parameter: str) -> str:  # noqa: ARG002 - takes none
        """Drop the index, then start the load."""
        async with superuser(lab) as connection:
            await connection.execute(f"DROP INDEX IF EXISTS {INDEX}")
        return f"PostgreSQL: {INDEX} is dropped; {await hold(lab, 'missing-index')}"

    async def mend(self, lab: Lab, parameter: str) -> None:  # noqa: ARG002
        """End the load and make the index if there is no valid one."""
        await release(lab, "missing-index")
        async with superuser(lab) as connection:
            if not await connection.fetchval(_VALID, INDEX):
                # What a concurrent build left when it was cut off is invalid, and in the way.
                await connection.execute(f"DROP INDEX IF EXISTS {INDEX}")
                await connection.execute(f"CREATE INDEX {INDEX} ON trades (tenant_id, symbol)")


FAULT = MissingIndex()
