"""Where each Redis node's memory goes, and what was slow. Taken by ``sources.redis_memory`` while somebody looks."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class NodeMemory:
    """One node. Sizes in bytes, rates a second between the last two readings."""

    name: str
    problem: str = ""
    role: str = ""
    used: int = 0
    """What counts against the limit."""
    limit: int = 0
    """``maxmemory``; 0 for none."""
    peak: int = 0
    resident: int = 0
    fragmentation: float | None = None
    policy: str = ""
    keys: int = 0
    expiring: int = 0
    evicted: float = 0.0
    expired: float = 0.0
    refused: float = 0.0
    """Commands refused for lack of memory."""
    rejected: float = 0.0
    """Connections refused for lack of slots (``maxclients``)."""
    hit_percent: float | None = None
    """Of the lookups since the reading before, 0..100; none without any."""
    clients: int = 0
    client_buffers: int = 0
    replica_buffers: int = 0
    """Backlog and output buffers of replicas."""
    fork: str = ""
    """A save or rewrite under way: it may copy what is written meanwhile."""

    @property
    def percent(self) -> float | None:
        """Used of the limit, 0..100; none without a limit."""
        return 100.0 * self.used / self.limit if self.limit else None


@dataclass(frozen=True, slots=True)
class SlowCommand:
    """One entry of a node's slow log."""

    node: str
    number: int
    at: float
    """Unix seconds."""
    microseconds: int
    command: str
    """The command and its key; further arguments are values and are counted only."""
    client: str

    @property
    def key(self) -> str:
        """Names the row."""
        return f"{self.node} {self.number}"


@dataclass(frozen=True, slots=True)
class Latency:
    """What ``LATENCY LATEST`` says of one kind of event."""

    node: str
    event: str
    at: float
    last: int
    """Milliseconds."""
    worst: int
    """Milliseconds."""


@dataclass(frozen=True, slots=True)
class MemorySnapshot:
    """All nodes."""

    nodes: tuple[NodeMemory, ...]
    slow: tuple[SlowCommand, ...] = ()
    """The slowest of late, newest first."""
    latency: tuple[Latency, ...] = ()
