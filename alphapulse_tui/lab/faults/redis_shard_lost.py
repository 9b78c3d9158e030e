"""``redis-shard-lost``: a Redis shard is gone for good: master and replica, each with its volume.

What breaks: a master and its replica are killed, their volumes emptied, and they are killed again whenever they are started, as on two hosts that are
lost.

How it shows: the view of every node that is left marks both ``fail``; a third of the slots has no living owner, so ``cluster_state:fail`` stays and
nothing is served. No replica is there that could take over.

What mends it: procedure ``redis-split-brain``: give its slots to the others, empty, then put new nodes in. ``lab mend`` puts two new nodes in and
forgets the old ones: as a new shard with the slots, where nobody has given them away, else as replicas of the shards that are left. Keys of
the lost slots are written anew, as the platform would.
"""

from __future__ import annotations

import asyncio
import time
from typing import ClassVar

from alphapulse_tui.lab import redis
from alphapulse_tui.lab.errors import LabError, NotReadyError
from alphapulse_tui.lab.faults.membership import forget, join, lose, pairs
from alphapulse_tui.lab.platform import Lab

_SEEN_SECONDS = 20.0


class RedisShardLost:
    """See the module."""

    name = "redis-shard-lost"
    summary = "A Redis shard is gone with its volumes, master and replica: a third of the keys is lost."
    mended_by = "procedure redis-split-brain (give its slots away, put new nodes in)"
    parameters = ()
    needs = ("redis",)
    excludes: ClassVar[dict[str, str]] = {
        "redis-master-killed": "it holds a master down already",
        "redis-no-successor": "it holds a master down already",
        "redis-partition": "its master must live",
    }

    def __init__(self) -> None:
        self._gone: tuple[int, ...] = ()
        self._ids: tuple[str, ...] = ()
        self._slots: tuple[tuple[int, int], ...] = ()

    async def inject(self, lab: Lab, parameter: str) -> str:  # noqa: ARG002 - takes none
        """Lose both, and wait until every node that is left has noticed.

        Raises:
            LabError: No master has a replica now.
        """
        shards = await pairs(lab)
        if len(shards) < redis.NODES // 2:
            raise LabError("Not every Redis master has a replica now: `alphapulse lab mend all` first.")
        master, replica = next(iter(shards.items()))
        me = next(one for one in await redis.view(lab, master) if "myself" in one.flags)
        self._gone, self._slots = (replica, master), me.slots
        self._ids = (str(await redis.command(lab, replica, "CLUSTER", "MYID")), me.node_id)
        await lose(lab, replica, master)
        end = time.monotonic() + _SEEN_SECONDS
        while not all([await self._seen(lab, ordinal) for ordinal in self._left()]):
            if time.monotonic() > end:
                raise NotReadyError(f"A shard is lost, but not every node noticed within {_SEEN_SECONDS:.0f} s.")
            await asyncio.sleep(0.1)
        return f"Redis: {redis.node_name(master)} and its replica {redis.node_name(replica)} are gone with their data"

    def _left(self) -> list[int]:
        return [ordinal for ordinal in range(redis.NODES) if ordinal not in self._gone]

    async def _seen(self, lab: Lab, ordinal: int) -> bool:
        """Whether a node that is left holds both for failed."""
        view = await redis.view(lab, ordinal)
        return all("fail" in one.flags for one in view if one.node_id in self._ids)

    async def mend(self, lab: Lab, parameter: str) -> None:  # noqa: ARG002
        """Two new nodes in their place."""
        if not self._gone:
            return
        for ordinal in self._gone:
            lab.supervisor.spare(redis.node_name(ordinal))
        left = self._left()
        survivors = [
            ordinal for ordinal in left if (await redis.info(lab, ordinal, "INFO replication"))["role"] == "master"
        ]
        ids = [str(await redis.command(lab, ordinal, "CLUSTER", "MYID")) for ordinal in survivors]
        views = [await redis.view(lab, ordinal) for ordinal in left]
        still_theirs = any(one.node_id in self._ids and one.slots for view in views for one in view)
        await forget(lab, *self._ids)
        replica, master = self._gone
        if still_theirs:
            own = await join(lab, master, survivors[0])
            for first, last in self._slots:
                await redis.command(lab, master, "CLUSTER", "ADDSLOTSRANGE", first, last)
            # A claim without a newer epoch than the one that the slots had is not believed.
            await redis.command(lab, master, "CLUSTER", "BUMPEPOCH")
            await join(lab, replica, survivors[0], own)
        else:
            for ordinal, master_id in zip(self._gone, ids, strict=False):
                await join(lab, ordinal, survivors[0], master_id)
        await lab.healthy("redis")
        await redis.write_keys(lab)


FAULT = RedisShardLost()
