"""``redis-giant-key``: one key holds most of a node's memory.

What breaks: a job writes every position of every tenant into one hash, 40 MB of it, without a TTL.

How it shows: one master is nearly full, the others are not; ``MEMORY USAGE`` of the key says why. More nodes would not help: a key lives in
one slot.

What mends it: procedure ``redis-memory``: unlink the key (``UNLINK``; ``DEL`` would block the server). ``lab mend`` does just that.
"""

from __future__ import annotations

from alphapulse_tui.lab.faults.filling import cluster_client
from alphapulse_tui.lab.platform import Lab

KEY = "positions:all"
_FIELDS = 40_000
_VALUE_BYTES = 1000
_BATCH = 500


class RedisGiantKey:
    """See the module."""

    name = "redis-giant-key"
    summary = "One hash of 40 MB holds most of a Redis node's memory."
    mended_by = "procedure redis-memory (unlink the key)"
    parameters = ()

    async def inject(self, lab: Lab, parameter: str) -> str:  # noqa: ARG002 - takes none
        """Write the hash, piece by piece."""
        client = cluster_client(lab)
        value = "0" * _VALUE_BYTES
        try:
            for first in range(0, _FIELDS, _BATCH):
                items = [word for number in range(first, first + _BATCH) for word in (f"tenant:{number:05d}", value)]
                await client.hset(KEY, items=items)
            size = int(await client.memory_usage(KEY) or 0)
        finally:
            await client.aclose()
        return f"Redis: {KEY} holds {size / 1e6:.0f} MB in one slot"

    async def mend(self, lab: Lab, parameter: str) -> None:  # noqa: ARG002
        """Unlink it, if it is still there."""
        client = cluster_client(lab)
        try:
            await client.unlink(KEY)
        finally:
            await client.aclose()
        await lab.healthy("redis")


FAULT = RedisGiantKey()
