"""``redis-wrong-policy``: a full cache that may not evict.

What breaks: every node gets ``maxmemory-policy noeviction``, as after a copy of the configuration of a queue, and the cache is filled with keys
that have a TTL (and would be evicted under any other policy) until there is no room.

How it shows: every write is refused with ``OOM command not allowed``, reads go on; the API counts cache errors and asks the database.

What mends it: procedure ``redis-memory``: the right policy (``allkeys-lru``) on every node. ``lab mend`` sets it where it is still wrong, ends
the writer and removes its keys.
"""

from __future__ import annotations

import asyncio
import time

from alphapulse_tui.lab import redis
from alphapulse_tui.lab.errors import NotReadyError
from alphapulse_tui.lab.faults.filling import Filling, keys_to_overfill, masters
from alphapulse_tui.lab.platform import Lab

_FULL_SECONDS = 60.0
_WRONG = "noeviction"


class RedisWrongPolicy:
    """See the module."""

    name = "redis-wrong-policy"
    summary = "Redis may not evict (noeviction) and is full: writes are refused with OOM."
    mended_by = "procedure redis-memory (the right policy on every node)"
    parameters = ()

    def __init__(self) -> None:
        self._filling: Filling | None = None

    async def inject(self, lab: Lab, parameter: str) -> str:  # noqa: ARG002 - takes none
        """Change the policy, fill, and wait until every master refuses a write."""
        before = {master: await _refusals(lab, master) for master in await masters(lab)}
        await redis.configure(lab, "maxmemory-policy", _WRONG)
        self._filling = Filling(lab)
        self._filling.start(await keys_to_overfill(lab))
        end = time.monotonic() + _FULL_SECONDS
        while any([await _refusals(lab, master) == refusals for master, refusals in before.items()]):
            if time.monotonic() > end:
                raise NotReadyError(f"Not every master refused writes after {_FULL_SECONDS:.0f} s.")
            await asyncio.sleep(0.2)
        return f"Redis: {_WRONG} on all {redis.NODES} nodes, and every master is full: writes are refused"

    async def mend(self, lab: Lab, parameter: str) -> None:  # noqa: ARG002
        """Set the policy back unless somebody has chosen another one, stop, clean up."""
        for ordinal in range(redis.NODES):
            if await redis.setting(lab, ordinal, "maxmemory-policy") == _WRONG:
                await redis.command(lab, ordinal, "CONFIG", "SET", "maxmemory-policy", redis.POLICY)
                await redis.command(lab, ordinal, "CONFIG", "REWRITE")
        if self._filling is not None:
            await self._filling.stop()
        await redis.configure(lab, "maxmemory", redis.MAXMEMORY)  # A person may have raised it to get through this.
        await lab.healthy("redis")


async def _refusals(lab: Lab, ordinal: int) -> str:
    """How often the node has refused a command for lack of memory, as it says it itself."""
    return (await redis.info(lab, ordinal, "INFO errorstats")).get("errorstat_OOM", "")


FAULT = RedisWrongPolicy()
