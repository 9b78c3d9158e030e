"""``lock-chain [two-blockers|prepared]``: a chain of locks with more than one blocker at its root.

What breaks: ``settlement-worker`` and ``billing-import`` forgot to commit an update of tenants. ``tenant-export`` wants a SHARE lock on the
table and waits for both; ``api-settings`` wants to update a tenant and waits for ``tenant-export``. With ``prepared`` a transaction that was
prepared and never finished blocks the export too: no session holds it, and terminating sessions does not help.

How it shows: two sessions wait; ``pg_blocking_pids`` names two blockers (and 0, the prepared one).

What mends it: terminate *both* roots (and ``SET ROLE alphapulse; ROLLBACK PREPARED '...'``); export and update then finish by themselves.
``lab mend`` does both.
"""

from __future__ import annotations

from alphapulse_tui.lab.faults.holding import hold, release
from alphapulse_tui.lab.faults.superuser import superuser
from alphapulse_tui.lab.platform import Lab

PREPARED = "settlement-close-2026-11"
"""The global identifier of the forgotten prepared transaction."""
_KINDS = {"two-blockers": "lock-chain", "prepared": "lock-chain-prepared"}


class LockChain:
    """See the module."""

    name = "lock-chain"
    summary = "Forgotten transactions block an export of PostgreSQL's tenants, which blocks the API's updates."
    mended_by = "procedure pg-slow-queries: terminate every root blocker; a prepared one is rolled back"
    parameters = tuple(_KINDS)

    async def inject(self, lab: Lab, parameter: str) -> str:
        """Open the chain and wait until both waiters wait for whom they should."""
        return f"PostgreSQL: {await hold(lab, _KINDS[parameter])}"

    async def mend(self, lab: Lab, parameter: str) -> None:
        """End the clients, and roll the prepared transaction back if it is still there."""
        async with superuser(lab) as connection:
            if await connection.fetchval("SELECT count(*) FROM pg_prepared_xacts WHERE gid = $1", PREPARED):
                await connection.execute(f"ROLLBACK PREPARED '{PREPARED}'")
        await release(lab, _KINDS[parameter])


FAULT = LockChain()
