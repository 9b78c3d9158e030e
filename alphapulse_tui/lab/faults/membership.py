"""Who belongs to the Redis cluster, and nodes that lose their disk and come back as others: what ``redis-ghost``, ``redis-shard-lost`` and
``redis-majority-lost`` share.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import time

from redis.exceptions import RedisError, ResponseError

from alphapulse_tui.lab import redis
from alphapulse_tui.lab.errors import NotReadyError
from alphapulse_tui.lab.platform import Lab

_KEPT = ("valkey.conf", "users.acl")
"""What a pod gets from its ConfigMap and Secret; all else of its folder is the volume's."""

_JOINED_SECONDS = 30.0


async def pairs(lab: Lab) -> dict[int, int]:
    """Every master that owns slots, with a replica that follows it, by ordinal."""
    ordinals = {lab.ports[redis.node_name(ordinal)]: ordinal for ordinal in range(redis.NODES)}
    found: dict[int, int] = {}
    for ordinal in range(redis.NODES):
        with contextlib.suppress(RedisError, OSError):
            told = await redis.info(lab, ordinal, "INFO replication")
            if told.get("master_link_status") == "up":
                found.setdefault(ordinals[int(told["master_port"])], ordinal)
    return dict(sorted(found.items()))


async def lose(lab: Lab, *ordinals: int) -> None:
    """End these nodes and their volumes with them; whoever starts one again before it is spared starts it in vain."""
    for ordinal in ordinals:
        name = redis.node_name(ordinal)
        process = lab.supervisor.running(name)
        lab.supervisor.doom(name)
        if process is not None:
            await process.wait()
    for ordinal in ordinals:
        folder = lab.directory.data("redis", str(ordinal))
        for part in folder.iterdir():
            if part.name not in _KEPT:
                shutil.rmtree(part) if part.is_dir() else part.unlink()


async def join(lab: Lab, ordinal: int, member: int, master_id: str = "") -> str:
    """Have a node that knows nobody meet a member, as a replica of ``master_id`` if given; returns its own id once all know it.

    Raises:
        NotReadyError: It was not taken in within 30 s.
    """
    await redis.wait_answer(lab, ordinal)
    own = str(await redis.command(lab, ordinal, "CLUSTER", "MYID"))
    await redis.command(lab, ordinal, "CLUSTER", "MEET", "127.0.0.1", lab.ports[redis.node_name(member)])
    end = time.monotonic() + _JOINED_SECONDS
    replicates = not master_id
    while not (replicates and await _known_to_all(lab, own)):
        if time.monotonic() > end:
            raise NotReadyError(f"{redis.node_name(ordinal)} was not taken in within {_JOINED_SECONDS:.0f} s.")
        if not replicates:
            with contextlib.suppress(ResponseError):  # It has not heard of the master yet.
                await redis.command(lab, ordinal, "CLUSTER", "REPLICATE", master_id)
                replicates = True
        await asyncio.sleep(0.1)
    return own


async def _known_to_all(lab: Lab, node_id: str) -> bool:
    """Whether every node that answers has it as a member with a name of its own; not one that knows nobody itself."""
    for ordinal in range(redis.NODES):
        try:
            view = await redis.view(lab, ordinal)
        except (RedisError, OSError):
            continue
        if len(view) > 1 and not any(one.node_id == node_id and "handshake" not in one.flags for one in view):
            return False
    return True


async def forget(lab: Lab, *node_ids: str) -> None:
    """Have every node that answers forget these members; one that does not know them has nothing to forget."""
    for ordinal in range(redis.NODES):
        for node_id in node_ids:
            with contextlib.suppress(RedisError, OSError):
                await redis.command(lab, ordinal, "CLUSTER", "FORGET", node_id)
