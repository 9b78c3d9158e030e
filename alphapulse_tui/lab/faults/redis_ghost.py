"""``redis-ghost``: a Redis pod lost its volume and came back as another member; the one that it was stays in every view.

What breaks: a replica is killed and its volume emptied. Its pod starts with a new node id, meets the cluster and follows the same master. Nobody
has the old id forgotten.

How it shows: seven members where six nodes run; the old one is ``noaddr`` in ``CLUSTER NODES``, because another one answers at its address. It is
gossiped on for ever.

What mends it: procedure ``redis-split-brain``: forget it on every node within a minute. ``lab mend`` does just that.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import ClassVar

from redis.exceptions import RedisError

from alphapulse_tui.lab import redis
from alphapulse_tui.lab.errors import LabError, NotReadyError
from alphapulse_tui.lab.faults.membership import forget, join, lose, pairs
from alphapulse_tui.lab.platform import Lab

_SEEN_SECONDS = 20.0


class RedisGhost:
    """See the module."""

    name = "redis-ghost"
    summary = "A Redis replica lost its volume and came back as another member; the old one is a ghost."
    mended_by = "procedure redis-split-brain (forget it on every node)"
    parameters = ()
    needs = ("redis",)
    excludes: ClassVar[dict[str, str]] = {
        "redis-master-killed": "the new member could not meet all",
        "redis-no-successor": "the new member could not meet all",
        "redis-majority-lost": "the new member could not meet all",
        "redis-shard-lost": "the new member could not meet all",
        "redis-partition": "the new member could not meet all",
    }

    def __init__(self) -> None:
        self._ghost = ""

    async def inject(self, lab: Lab, parameter: str) -> str:  # noqa: ARG002 - takes none
        """Empty a replica's volume, have it join anew, and wait until every other node has given the old one's address up.

        Raises:
            LabError: No replica follows a master.
        """
        shards = await pairs(lab)
        if not shards:
            raise LabError("No Redis replica follows a master now: `alphapulse lab mend all` first.")
        master, replica = list(shards.items())[-1]
        self._ghost = str(await redis.command(lab, replica, "CLUSTER", "MYID"))
        master_id = str(await redis.command(lab, master, "CLUSTER", "MYID"))
        await lose(lab, replica)
        lab.supervisor.spare(redis.node_name(replica))
        await join(lab, replica, master, master_id)
        end = time.monotonic() + _SEEN_SECONDS
        while not all([await _given_up(lab, ordinal, self._ghost) for ordinal in range(redis.NODES)]):
            if time.monotonic() > end:
                raise NotReadyError(f"Not every node has given {self._ghost[:8]} up after {_SEEN_SECONDS:.0f} s.")
            await asyncio.sleep(0.1)
        await lab.healthy("redis")
        return f"Redis: {redis.node_name(replica)} came back as another member, and {self._ghost[:8]} is a ghost"

    async def mend(self, lab: Lab, parameter: str) -> None:  # noqa: ARG002
        """Have every node forget it."""
        if self._ghost:
            await forget(lab, self._ghost)
        await lab.healthy("redis")


async def _given_up(lab: Lab, ordinal: int, node_id: str) -> bool:
    """Whether the node has no address for the member any more, or never knew it."""
    with contextlib.suppress(RedisError, OSError):
        view = await redis.view(lab, ordinal)
        return all({"noaddr", "fail"} & set(one.flags) for one in view if one.node_id == node_id)
    return False


FAULT = RedisGhost()
