"""``slow-query``: a report runs for hours and takes a whole core.

What breaks: ``quarterly-report`` joins every trade with every trade: its join lost its condition in a refactoring.

How it shows: a session active for minutes that waits for nothing; one core busy; the API slower.

What mends it: cancel the query (procedure ``pg-slow-queries``); it is not started again. ``lab mend`` ends the client.
"""

from __future__ import annotations

from alphapulse_tui.lab.faults.holding import hold, release
from alphapulse_tui.lab.faults.superuser import superuser
from alphapulse_tui.lab.platform import Lab

_TERMINATE = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'quarterly-report'"


class SlowQuery:
    """See the module."""

    name = "slow-query"
    summary = "A PostgreSQL report joins every trade with every trade: it runs for hours."
    mended_by = "procedure pg-slow-queries: cancel it"
    parameters = ()

    async def inject(self, lab: Lab, parameter: str) -> str:  # noqa: ARG002 - takes none
        """Start the report and wait until it has run for a second."""
        return f"PostgreSQL: {await hold(lab, 'slow-query')}"

    async def mend(self, lab: Lab, parameter: str) -> None:  # noqa: ARG002
        """End the client, and its query: a server at work does not notice that nobody waits for it any more."""
        async with superuser(lab) as connection:
            await connection.execute(_TERMINATE)
        await release(lab, "slow-query")


FAULT = SlowQuery()
