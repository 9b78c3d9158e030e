"""``redis-no-successor``: a Redis master dies, and its replica may not take over by itself.

What breaks: the replica is forbidden to stand for election (``cluster-replica-no-failover yes``; one that lagged for too long before the master died
refuses in the same way), then the master's process gets SIGKILL, again whenever it is started.

How it shows: the view of every node marks the master ``fail``, its slots have no living owner, and ``cluster_state:fail`` stays on every node: with
``cluster-require-full-coverage`` nothing is served.

What mends it: procedure ``redis-split-brain``: force a failover at that replica. ``lab mend`` lets the replica stand and the master live.
"""

from __future__ import annotations

import asyncio
import time
from typing import ClassVar

from redis.exceptions import RedisError

from alphapulse_tui.lab import redis
from alphapulse_tui.lab.errors import LabError, NotReadyError
from alphapulse_tui.lab.platform import Lab

_SEEN_SECONDS = 20.0
_SETTING = "cluster-replica-no-failover"


class RedisNoSuccessor:
    """See the module."""

    name = "redis-no-successor"
    summary = "A Redis master is dead and its replica may not take over by itself: the cluster serves nothing."
    mended_by = "procedure redis-split-brain (force a failover at the right replica)"
    parameters = ()
    needs = ("redis",)
    excludes: ClassVar[dict[str, str]] = {
        "redis-master-killed": "it holds a master down already",
        "redis-partition": "its master must live",
    }

    def __init__(self) -> None:
        self._killed = ""

    async def inject(self, lab: Lab, parameter: str) -> str:  # noqa: ARG002 - takes none
        """Forbid, kill, and wait until every other node has noticed."""
        master, replica = await _pair(lab)
        await redis.command(lab, replica, "CONFIG", "SET", _SETTING, "yes")
        self._killed = redis.node_name(master)
        lab.supervisor.doom(self._killed)
        end = time.monotonic() + _SEEN_SECONDS
        others = [ordinal for ordinal in range(redis.NODES) if ordinal != master]
        while not all([await _failing(lab, ordinal) for ordinal in others]):
            if time.monotonic() > end:
                raise NotReadyError(f"{self._killed} is dead, but not every node noticed within {_SEEN_SECONDS:.0f} s.")
            await asyncio.sleep(0.1)
        return f"Redis: {self._killed} is dead, and {redis.node_name(replica)} may not take over"

    async def mend(self, lab: Lab, parameter: str) -> None:  # noqa: ARG002
        """Let all stand and live, and wait until the cluster is whole."""
        if not self._killed:
            return
        lab.supervisor.spare(self._killed)
        for ordinal in range(redis.NODES):
            await redis.wait_answer(lab, ordinal)
        await redis.configure(lab, _SETTING, "no")
        await lab.healthy("redis")


async def _pair(lab: Lab) -> tuple[int, int]:
    """A master that owns slots, and its replica that follows it."""
    for ordinal in range(redis.NODES):
        try:
            replication = await redis.info(lab, ordinal, "INFO replication")
        except (RedisError, OSError):
            continue
        if replication.get("master_link_status") == "up":
            port = int(replication["master_port"])
            return next(one for one in range(redis.NODES) if lab.ports[redis.node_name(one)] == port), ordinal
    raise LabError("No Redis replica follows a master now: `alphapulse lab mend all` first.")


async def _failing(lab: Lab, ordinal: int) -> bool:
    state = await redis.info(lab, ordinal, "CLUSTER INFO")
    return state["cluster_state"] == "fail"


FAULT = RedisNoSuccessor()
