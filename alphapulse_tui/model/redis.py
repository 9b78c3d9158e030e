"""Redis or Valkey as *each node* sees it: memory, role, and its own view of the cluster.

Read by ``sources.redis``, one connection a node, so that views can be compared. Rates are per second between the last two readings.
"""

from __future__ import annotations

from dataclasses import dataclass

CLUSTER_SLOTS = 16384
"""Hash slots of a Redis cluster; fixed by the protocol."""


@dataclass(frozen=True, slots=True)
class ClusterMember:
    """One line of a node's ``CLUSTER NODES``: how that node sees a member."""

    node_id: str
    address: str
    flags: tuple[str, ...]
    """``master``, ``slave``, ``fail?``, ``fail``, ``handshake``, ``noaddr``."""
    master_id: str
    epoch: int
    link: str
    """``connected`` or ``disconnected``."""
    slots: tuple[tuple[int, int], ...]
    """Owned ranges, both ends included."""
    open_slots: tuple[str, ...] = ()
    """Slots in migration, as the server writes them: ``[93-<-id]``."""


@dataclass(frozen=True, slots=True)
class RedisNode:
    """One node, asked directly. ``problem`` is set when it could not be: then nothing else is known."""

    name: str
    address: str
    problem: str = ""
    run_id: str = ""
    version: str = ""
    engine: str = ""
    """``redis`` or ``valkey``."""
    role: str = ""
    """``master`` or ``slave``, as the server says."""
    node_id: str = ""
    master_id: str = ""
    cluster_state: str = ""
    slots_assigned: int = 0
    current_epoch: int = 0
    known_nodes: int = 0
    used_memory: int = 0
    """Bytes that count against ``maxmemory``."""
    max_memory: int = 0
    """Bytes; 0 means no limit is set."""
    policy: str = ""
    evicted_per_second: float = 0.0
    hit_percent: float | None = None
    """Hits of hits and misses over the last minute, percent 0..100; none with fewer than 20 lookups."""
    fragmentation: float | None = None
    """Resident over used memory, ``mem_fragmentation_ratio``."""
    connected_clients: int = 0
    client_buffers: int = 0
    """Bytes of buffers that clients keep, replicas apart (``mem_clients_normal``): they count against ``maxmemory`` as keys do.
    At most what is used: Valkey counts a value that waits for several clients once for each."""
    replication_lag_bytes: int | None = None
    """For a replica: bytes of the stream behind its master's own offset, or behind what it has received when the master does not answer."""
    master_link: str = ""
    """For a replica: ``up`` or ``down``."""
    link_down_seconds: int = 0
    """For a replica whose link is down: since when."""
    offset: int = 0
    """Bytes of the replication stream that a master has written or a replica has applied."""
    keys: int = 0
    expiring_keys: int = 0
    """Of ``keys``, those with a TTL: all that a ``volatile-`` policy may evict."""
    refused_per_second: float = 0.0
    """Commands refused for lack of memory (``errorstat_OOM``; Redis 6.2 and later)."""
    rejected_per_second: float = 0.0
    """Connections refused because there were ``maxclients`` already."""
    system_memory: int = 0
    """Bytes of the machine, ``total_system_memory``; a container's limit is not in it."""
    config_file: str = ""
    """What ``CONFIG REWRITE`` would write to; empty: nothing that is set by ``CONFIG SET`` outlives the process."""
    view: tuple[ClusterMember, ...] = ()
    """The cluster as this node sees it; empty: it does not show it."""
    view_problem: str = ""
    """Why the node answers and does not show its view, unless a missing grant says so."""

    @property
    def me(self) -> ClusterMember | None:
        """The node in its own view."""
        return next((member for member in self.view if "myself" in member.flags), None)

    @property
    def memory_percent(self) -> float | None:
        """Used of max in percent 0..100, or none when no limit is set."""
        return 100.0 * self.used_memory / self.max_memory if self.max_memory else None

    @property
    def unlimited(self) -> bool:
        """Whether it tells its memory and has no limit (``maxmemory 0``): no percent of it exists, and it is not well for that (facts 2.2.2)."""
        return self.used_memory > 0 and not self.max_memory


@dataclass(frozen=True, slots=True)
class RedisSnapshot:
    """Every configured node's own answer."""

    nodes: tuple[RedisNode, ...]
    missing_grants: tuple[str, ...] = ()

    @property
    def answering(self) -> tuple[RedisNode, ...]:
        """The nodes that could be asked."""
        return tuple(node for node in self.nodes if not node.problem)

    @property
    def masters(self) -> tuple[RedisNode, ...]:
        """Answering nodes that call themselves master."""
        return tuple(node for node in self.answering if node.role == "master")

    @property
    def memory_percent(self) -> float | None:
        """The fullest master's memory in percent 0..100, of those that have a limit; none when no master has one."""
        return max((node.memory_percent for node in self.masters if node.memory_percent is not None), default=None)
