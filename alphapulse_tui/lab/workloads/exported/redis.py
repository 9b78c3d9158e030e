"""Redis under redis_exporter's names, one ``instance`` label a node; a node that does not answer is ``redis_instance_up 0`` alone."""

from __future__ import annotations

import asyncio
from typing import Any

from prometheus_client.core import Metric
from redis.asyncio import Redis
from redis.exceptions import RedisError

from alphapulse_tui.lab import redis
from alphapulse_tui.lab.platform import Lab
from alphapulse_tui.lab.workloads.exported.source import counter, gauge

_USER = "oncall"
_NODE_SECONDS = 0.8
_GAUGES = {
    "redis_memory_used_bytes": "used_memory",
    "redis_memory_max_bytes": "maxmemory",
    "redis_connected_clients": "connected_clients",
    "redis_connected_slaves": "connected_slaves",
}
_COUNTERS = {
    "redis_keyspace_hits": "keyspace_hits",
    "redis_keyspace_misses": "keyspace_misses",
    "redis_evicted_keys": "evicted_keys",
    "redis_commands_processed": "total_commands_processed",
}


class RedisFigures:
    """Figures of every node."""

    name = "redis"
    failures = (OSError, RedisError)

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._clients: dict[str, Redis] = {}

    async def figures(self) -> list[Metric]:
        """``INFO`` of all nodes, side by side."""
        names = [redis.node_name(ordinal) for ordinal in range(redis.NODES)]
        answers = await asyncio.gather(*(self._info(ordinal) for ordinal in range(redis.NODES)))
        told = {name: answer for name, answer in zip(names, answers, strict=True) if answer}
        if not told:
            raise RedisError("no node answers")
        up = {(name,): float(name in told) for name in names}
        found = [gauge("redis_instance_up", "Whether the node answered", up, ("instance",))]
        for name, field in _GAUGES.items():
            values = {(node,): float(info.get(field, 0)) for node, info in told.items()}
            found.append(gauge(name, f"INFO {field}", values, ("instance",)))
        for name, field in _COUNTERS.items():
            values = {(node,): float(info.get(field, 0)) for node, info in told.items()}
            found.append(counter(name, f"INFO {field}", values, ("instance",)))
        roles = {(node, str(info.get("role", ""))): 1.0 for node, info in told.items()}
        found.append(gauge("redis_instance_info", "Role of the node", roles, ("instance", "role")))
        return found

    async def _info(self, ordinal: int) -> dict[str, Any]:
        """``INFO`` of one node; empty when it does not answer."""
        name = redis.node_name(ordinal)
        client = self._clients.get(name)
        if client is None:
            client = self._clients[name] = redis.connect(self._lab, ordinal, _USER)
        try:
            async with asyncio.timeout(_NODE_SECONDS):
                return dict(await client.info())
        except (TimeoutError, OSError, RedisError):
            await client.aclose()
            self._clients.pop(name, None)
            return {}

    async def forget(self) -> None:
        """Drop all connections."""
        for client in self._clients.values():
            await client.aclose()
        self._clients.clear()
