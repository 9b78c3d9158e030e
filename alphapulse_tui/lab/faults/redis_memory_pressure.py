"""``redis-memory-pressure``: the cache has outgrown its memory.

What breaks: keys of 32 KB, 15 % more of them than all masters can hold, are written round and round, as a cache whose data set has grown.

How it shows: used memory stays over 90 % of maxmemory, evictions run on every master (``allkeys-lru``), the platform's own keys go too.
Alert RedisMemory fires.

What mends it: procedure ``redis-memory``: a larger maxmemory on every node (the keys then fit and evictions stop). ``lab mend`` ends the
writer, removes its keys, gives every node the lab's maxmemory again, and writes the platform's keys anew.
"""

from __future__ import annotations

import asyncio
import time

from alphapulse_tui.lab import redis
from alphapulse_tui.lab.errors import NotReadyError
from alphapulse_tui.lab.faults.filling import Filling, keys_to_overfill, masters
from alphapulse_tui.lab.platform import Lab

_FULL_SECONDS = 60.0
_FULL = 0.9
"""Used of maxmemory: the runbook's limit (4.2)."""


class RedisMemoryPressure:
    """See the module."""

    name = "redis-memory-pressure"
    summary = "The cache has outgrown its memory: every Redis master is full and evicts."
    mended_by = "procedure redis-memory (more maxmemory on every node)"
    parameters = ()

    def __init__(self) -> None:
        self._filling: Filling | None = None

    async def inject(self, lab: Lab, parameter: str) -> str:  # noqa: ARG002 - takes none
        """Begin to write, and wait until every master is full and evicts."""
        before = {master: await _evicted(lab, master) for master in await masters(lab)}
        self._filling = Filling(lab)
        self._filling.start(await keys_to_overfill(lab))
        end = time.monotonic() + _FULL_SECONDS
        while not all([await _full(lab, master, evicted) for master, evicted in before.items()]):
            if time.monotonic() > end:
                raise NotReadyError(f"Not every master was full and evicted after {_FULL_SECONDS:.0f} s.")
            await asyncio.sleep(0.2)
        return f"Redis: {', '.join(map(redis.node_name, before))} are full and evict"

    async def mend(self, lab: Lab, parameter: str) -> None:  # noqa: ARG002
        """Stop, clean up, and wait until the cluster is whole."""
        if self._filling is not None:
            await self._filling.stop()
        await redis.configure(lab, "maxmemory", redis.MAXMEMORY)
        await lab.healthy("redis")


async def _evicted(lab: Lab, ordinal: int) -> int:
    return int((await redis.info(lab, ordinal, "INFO stats"))["evicted_keys"])


async def _full(lab: Lab, ordinal: int, evicted: int) -> bool:
    memory = await redis.info(lab, ordinal, "INFO memory")
    used = int(memory["used_memory"]) - int(memory["mem_not_counted_for_evict"])
    return used > _FULL * int(memory["maxmemory"]) and await _evicted(lab, ordinal) > evicted


FAULT = RedisMemoryPressure()
