"""``redis-majority-lost``: two of three Redis masters die at once, so nobody can be elected.

What breaks: two masters get SIGKILL, again whenever they are started, as on two hosts that are down. Their replicas may not stand for election by
themselves (``cluster-replica-no-failover yes``; ones that lagged for too long refuse in the same way), so the second shard waits for a person even
when the first one has given the cluster its majority back.

How it shows: ``cluster_state:fail`` on every node that is left; each holds both masters for ``fail?`` and none for ``fail``, because only a
majority of masters can say that.

What mends it: procedure ``redis-split-brain``: a takeover at one replica, with which there is a majority again, then a forced failover at the other.
``lab mend`` lets the replicas stand and the masters live.
"""

from __future__ import annotations

import asyncio
import time
from typing import ClassVar

from alphapulse_tui.lab import redis
from alphapulse_tui.lab.errors import LabError, NotReadyError
from alphapulse_tui.lab.faults.membership import pairs
from alphapulse_tui.lab.platform import Lab

_SEEN_SECONDS = 20.0
_SETTING = "cluster-replica-no-failover"


class RedisMajorityLost:
    """See the module."""

    name = "redis-majority-lost"
    summary = "Two of three Redis masters die at once: nobody can be elected, and nothing is served."
    mended_by = "procedure redis-split-brain (a takeover, then a forced failover)"
    parameters = ()
    needs = ("redis",)
    excludes: ClassVar[dict[str, str]] = {
        "redis-master-killed": "it holds a master down already",
        "redis-no-successor": "it holds a master down already",
        "redis-partition": "its master must live",
        "redis-shard-lost": "it holds a master down already",
    }

    def __init__(self) -> None:
        self._killed: tuple[str, ...] = ()

    async def inject(self, lab: Lab, parameter: str) -> str:  # noqa: ARG002 - takes none
        """Forbid, kill both, and wait until every other node has noticed.

        Raises:
            LabError: Fewer than three masters have a replica now.
        """
        shards = await pairs(lab)
        if len(shards) < redis.NODES // 2:
            raise LabError("Not every Redis master has a replica now: `alphapulse lab mend all` first.")
        dying = dict(list(shards.items())[:2])
        for replica in dying.values():
            await redis.command(lab, replica, "CONFIG", "SET", _SETTING, "yes")
        self._killed = tuple(redis.node_name(master) for master in dying)
        for name in self._killed:
            lab.supervisor.doom(name)
        end = time.monotonic() + _SEEN_SECONDS
        left = [ordinal for ordinal in range(redis.NODES) if ordinal not in dying]
        while not all([await _failing(lab, ordinal) for ordinal in left]):
            if time.monotonic() > end:
                raise NotReadyError(
                    f"{' and '.join(self._killed)} are dead, but not every node noticed within {_SEEN_SECONDS:.0f} s."
                )
            await asyncio.sleep(0.1)
        replicas = " and ".join(redis.node_name(replica) for replica in dying.values())
        return f"Redis: {' and '.join(self._killed)} are dead, and nobody can elect {replicas}"

    async def mend(self, lab: Lab, parameter: str) -> None:  # noqa: ARG002
        """Let all stand and live, and wait until the cluster is whole."""
        if not self._killed:
            return
        for name in self._killed:
            lab.supervisor.spare(name)
        for ordinal in range(redis.NODES):
            await redis.wait_answer(lab, ordinal)
        await redis.configure(lab, _SETTING, "no")
        await lab.healthy("redis")


async def _failing(lab: Lab, ordinal: int) -> bool:
    return (await redis.info(lab, ordinal, "CLUSTER INFO"))["cluster_state"] == "fail"


FAULT = RedisMajorityLost()
