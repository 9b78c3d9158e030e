"""``connection-storm``: every ordinary PostgreSQL slot is taken.

What breaks: a process opens sessions until the server refuses: ``report-exporter`` forgets to commit (idle in transaction), ``api-leak``
forgets to close (idle). Beside them stand sessions that must survive any fix: six of a pool (``pgbouncer``), a superuser's transaction
(``dba-maintenance``), a running ``pg_dump``, the replica's WAL sender.

How it shows: 100 % of the usable slots; ``alphapulse_app`` gets SQLSTATE 53300; the on-call role still gets in through
``reserved_connections``.

What mends it: procedure ``pg-connections`` (terminate idle in transaction, then idle). The client does not come back for lost sessions.
``lab mend`` ends the client, and with it all its sessions.
"""

from __future__ import annotations

from alphapulse_tui.lab.faults.holding import hold, release
from alphapulse_tui.lab.platform import Lab


class ConnectionStorm:
    """See the module."""

    name = "connection-storm"
    summary = "Two leaking programs take every ordinary PostgreSQL slot."
    mended_by = "procedure pg-connections"
    parameters = ()
    needs = ("postgres",)

    async def inject(self, lab: Lab, parameter: str) -> str:  # noqa: ARG002 - takes none
        """Open sessions until the server refuses."""
        return f"PostgreSQL: {await hold(lab, 'storm')}"

    async def mend(self, lab: Lab, parameter: str) -> None:  # noqa: ARG002
        """End the client."""
        await release(lab, "storm")


FAULT = ConnectionStorm()
