"""A cache that is larger than its memory: what the faults ``redis-memory-pressure`` and ``redis-wrong-policy`` share.

A bounded set of keys, a little more than fits into every master, is written round and round, as a cache of a data set that has grown does.
So it goes on being written while the fault lasts, evictions run or writes fail, and a node that gets more memory holds it all and is well.
"""

from __future__ import annotations

import asyncio
import contextlib

from redis.asyncio.cluster import RedisCluster
from redis.exceptions import RedisClusterException, RedisError

from alphapulse_tui.lab import redis
from alphapulse_tui.lab.platform import Lab

PREFIX = "candles:"
"""Begins the name of every key of the filling."""
VALUE_BYTES = 32768
OVERFILL = 1.15
"""How much of a node's maxmemory the keys would need."""
_BATCH = 64
_STEADY_BATCH = 8
_STEADY_SECONDS = 0.2
"""Between two batches once all was written once: 1.3 MB a second, enough to evict 40 keys, and the append-only file stays small."""
_EXPIRES_SECONDS = 86400


class Filling:
    """Writes until :meth:`stop`."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._task: asyncio.Task[None] | None = None

    def start(self, keys: int) -> None:
        """Write ``keys`` keys over and over, in the background."""
        self._task = self._lab.spawn(self._fill(keys), "filling of Redis")

    async def stop(self) -> None:
        """Stop writing and remove the keys that are still there."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait((self._task,))
        await remove(self._lab, PREFIX)

    async def _fill(self, keys: int) -> None:
        client = cluster_client(self._lab)
        value = b"0" * VALUE_BYTES
        try:
            written = 0
            while True:
                batch = _BATCH if written < keys else _STEADY_BATCH
                # A full node refuses under noeviction, one that fails over is away: a cache's writer goes on.
                with contextlib.suppress(RedisError, RedisClusterException, OSError):
                    pipeline = client.pipeline()
                    for number in range(written, written + batch):
                        pipeline.set(f"{PREFIX}{number % keys:05d}", value, ex=_EXPIRES_SECONDS)
                    await pipeline.execute(raise_on_error=False)
                await asyncio.sleep(0 if written < keys else _STEADY_SECONDS)
                written += batch
        finally:
            await client.aclose()


async def keys_to_overfill(lab: Lab) -> int:
    """How many keys the masters together cannot hold."""
    limits = [int((await redis.info(lab, master, "INFO memory"))["maxmemory"]) for master in await masters(lab)]
    return int(sum(limits) * OVERFILL / VALUE_BYTES)


async def masters(lab: Lab) -> list[int]:
    """The nodes that own slots and answer."""
    found = []
    for ordinal in range(redis.NODES):
        with contextlib.suppress(RedisError, OSError):
            if any("myself" in member.flags and member.slots for member in await redis.view(lab, ordinal)):
                found.append(ordinal)
    return found


def cluster_client(lab: Lab) -> RedisCluster:
    """A client that finds the node of each key, as the platform's own does."""
    return RedisCluster(
        host="127.0.0.1",
        port=lab.ports[redis.node_name(0)],
        username="admin",
        password=lab.credentials.password("redis-admin"),
        socket_timeout=2.0,
    )


async def remove(lab: Lab, prefix: str) -> None:
    """Unlink every key whose name begins so, on every master, and write the platform's own keys anew: evictions took some of them."""
    for master in await masters(lab):
        client = redis.connect(lab, master)
        try:
            names = [name async for name in client.scan_iter(match=f"{prefix}*", count=1000)]
            for name in names:
                await client.unlink(name)
        finally:
            await client.aclose()
    await redis.write_keys(lab)
