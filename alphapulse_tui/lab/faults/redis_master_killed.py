"""``redis-master-killed``: a Redis master is killed with -9, and again whenever it is started.

What breaks: the process of a master that has a replica gets SIGKILL; each restart is killed at once, as a pod on a dying node. (Killed only
once it would be back within a second, before anybody noticed.)

How it shows: its replica is promoted after the node timeout (2 s); the view of every node marks it ``fail``; its pod restarts in a loop.

What mends it: nothing has to be done for the data; the pod comes back as a replica when its trouble ends. ``lab mend`` lets it live.
"""

from __future__ import annotations

import asyncio
import time

from redis.exceptions import RedisError

from alphapulse_tui.lab import redis
from alphapulse_tui.lab.errors import LabError, NotReadyError
from alphapulse_tui.lab.platform import Lab

_FAILOVER_SECONDS = 20.0


class RedisMasterKilled:
    """See the module."""

    name = "redis-master-killed"
    summary = "A Redis master is killed and cannot come back; its replica is promoted."
    mended_by = "the cluster itself; the pod returns when its trouble ends"
    parameters = ()
    needs = ("redis",)

    def __init__(self) -> None:
        self._killed = ""

    async def inject(self, lab: Lab, parameter: str) -> str:  # noqa: ARG002 - takes none
        """Kill the first master that has a replica and wait until another node has taken its slots."""
        masters = await self._masters(lab)
        victim = next((ordinal for ordinal, replicas in masters.items() if replicas), None)
        if victim is None:
            raise LabError("No Redis master has a replica now: `alphapulse lab mend all` first.")
        self._killed = redis.node_name(victim)
        lab.supervisor.doom(self._killed)
        end = time.monotonic() + _FAILOVER_SECONDS
        while len(now := await self._masters(lab)) < len(masters):
            if time.monotonic() > end:
                raise NotReadyError(
                    f"{self._killed} is dead, but no replica was promoted within {_FAILOVER_SECONDS:.0f} s."
                )
            await asyncio.sleep(0.1)
        promoted = ", ".join(redis.node_name(ordinal) for ordinal in now if ordinal not in masters)
        return f"Redis: {self._killed} is dead, {promoted} was promoted"

    async def _masters(self, lab: Lab) -> dict[int, int]:
        """The living masters that own slots, with the number of their connected replicas."""
        found = {}
        for ordinal in range(redis.NODES):
            try:
                replication = await redis.info(lab, ordinal, "INFO replication")
            except (RedisError, OSError):
                continue
            if replication["role"] == "master":
                found[ordinal] = int(replication["connected_slaves"])
        return found

    async def mend(self, lab: Lab, parameter: str) -> None:  # noqa: ARG002
        """Let it live and wait until the cluster is whole."""
        lab.supervisor.spare(self._killed)
        await lab.healthy("redis")


FAULT = RedisMasterKilled()
