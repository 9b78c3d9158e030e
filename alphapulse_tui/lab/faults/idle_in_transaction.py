"""``idle-in-transaction``: three programs forgot to end their transaction.

What breaks: ``settlement-worker`` holds row locks on three tenants, ``report-exporter`` holds back vacuum with an old snapshot,
``api-import`` sits in a failed transaction.

How it shows: three sessions ``idle in transaction`` (one ``aborted``), an old ``backend_xmin``; whoever updates those tenants waits.

What mends it: terminate idle in transaction (``f 1`` on the PostgreSQL panel, or procedure ``pg-connections``). ``lab mend`` ends the client.
"""

from __future__ import annotations

from alphapulse_tui.lab.faults.holding import hold, release
from alphapulse_tui.lab.platform import Lab


class IdleInTransaction:
    """See the module."""

    name = "idle-in-transaction"
    summary = "Three PostgreSQL sessions forgot to end their transaction; one holds row locks."
    mended_by = "terminate idle in transaction (f on the PostgreSQL panel), or procedure pg-connections"
    parameters = ()
    needs = ("postgres",)

    async def inject(self, lab: Lab, parameter: str) -> str:  # noqa: ARG002 - takes none
        """Open the three transactions."""
        return f"PostgreSQL: {await hold(lab, 'idle-in-transaction')}"

    async def mend(self, lab: Lab, parameter: str) -> None:  # noqa: ARG002
        """End the client."""
        await release(lab, "idle-in-transaction")


FAULT = IdleInTransaction()
