"""``redis-partition``: a master is cut off from the other nodes, while clients still reach it.

What breaks: the kernel drops every packet between the master and the five others, both ways, on the cluster's bus and on the replication link:
filters on their sockets (`lab/proxy/sockets.py`) that know the nodes by the address that they come from. No relay stands in
the way before or after. Clients come from another address and notice nothing at first.

How it shows: two sides, two views. The master goes on as the owner of its slots and accepts writes for about two node timeouts, then says
``cluster_state:fail``; the others mark it ``fail`` and promote its replica, which owns the same slots at a newer epoch. What was written to
the cut-off master meanwhile is lost once it comes back.

What mends it: the network. ``lab mend`` lets the packets through again; the old master becomes a replica of the new one by itself.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterator

from redis.exceptions import RedisError

from alphapulse_tui.lab import redis
from alphapulse_tui.lab.errors import LabError, NotReadyError
from alphapulse_tui.lab.platform import Lab
from alphapulse_tui.lab.proxy import sockets

_SPLIT_SECONDS = 30.0
_BUS = 10000
"""The bus listens so much above the clients' port."""
_EVERYBODY = ("0.0.0.0", "0.0.0.0")


class RedisPartition:
    """See the module."""

    name = "redis-partition"
    summary = "A Redis master is cut off from the other nodes; clients still reach it, and the views differ."
    mended_by = "healing the network; procedure redis-split-brain shows both sides"
    parameters = ()

    def __init__(self) -> None:
        self._alone: int | None = None

    async def inject(self, lab: Lab, parameter: str) -> str:  # noqa: ARG002 - takes none
        """Cut off the first master whose replica is up to date, and wait until each side has its own view."""
        alone = await _master_with_replica(lab)
        self._alone = alone
        _cut_off(lab, alone)
        end = time.monotonic() + _SPLIT_SECONDS
        while not (successor := await _successor(lab, alone)):
            if time.monotonic() > end:
                raise NotReadyError(
                    f"{redis.node_name(alone)} is cut off, but no replica was promoted within {_SPLIT_SECONDS:.0f} s."
                )
            await asyncio.sleep(0.1)
        return (
            f"Redis: {redis.node_name(alone)} is cut off and still calls itself master; the others promoted {successor}"
        )

    async def mend(self, lab: Lab, parameter: str) -> None:  # noqa: ARG002
        """Let every packet through again and wait until the nodes agree."""
        for ordinal in range(redis.NODES):
            for _, one in _sockets(lab, ordinal):
                sockets.drop_nothing(one)
        await lab.healthy("redis")


async def _master_with_replica(lab: Lab) -> int:
    for ordinal in range(redis.NODES):
        try:
            replication = await redis.info(lab, ordinal, "INFO replication")
        except (RedisError, OSError):
            continue
        if replication["role"] == "master" and int(replication["connected_slaves"]):
            return ordinal
    raise LabError("No Redis master has a replica now: `alphapulse lab mend all` first.")


def _cut_off(lab: Lab, alone: int) -> None:
    """Drop what the master gets from any node, and what any node gets from the master.

    A node's listeners, and what they accepted, know the other side by its address; connections that the node has opened itself come from
    its own address and lead to the other's port.
    """
    port = lab.ports[redis.node_name(alone)]
    for ordinal in range(redis.NODES):
        others = (redis.PEERS_NETWORK, "255.255.255.0") if ordinal == alone else (redis.source_address(alone),)
        for connection, one in _sockets(lab, ordinal):
            if connection.local[0] != redis.source_address(ordinal):
                sockets.drop_from(one, *others)
            elif ordinal == alone or connection.remote[1] in (port, port + _BUS):
                sockets.drop_from(one, *_EVERYBODY)


def _sockets(lab: Lab, ordinal: int) -> Iterator[tuple[sockets.Connection, socket.socket]]:
    """Each TCP socket of a node, listening or connected, borrowed for one turn of the loop; none when the node does not run."""
    process = lab.supervisor.running(redis.node_name(ordinal))
    if process is None:
        return
    known = {one.inode: one for one in sockets.connections()}
    for inode, (pid, descriptor) in sockets.of_process(process.pid).items():
        if inode in known:
            with sockets.borrowed(pid, descriptor) as one:
                if one is not None:
                    yield known[inode], one


async def _successor(lab: Lab, alone: int) -> str:
    """Who owns the slots of the cut-off master in the view of another node; empty while it is still the master itself."""
    theirs = await redis.view(lab, (alone + 1) % redis.NODES)
    own = await redis.view(lab, alone)
    me = next(one for one in own if "myself" in one.flags)
    for member in theirs:
        if member.slots == me.slots and member.node_id != me.node_id:
            port = int(member.address.rpartition(":")[2])
            return next(name for name, known in lab.ports.known().items() if known == port)
    return ""


FAULT = RedisPartition()
