"""What a bounded look through the keys of a Redis cluster has found so far. Taken by ``sources.redis_keys`` while somebody looks."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BigKey:
    """One key."""

    name: str
    """Clean text. A name with bytes that cannot be shown differs from the real one; see ``exact``."""
    exact: bool
    """Whether ``name`` is the key's real name, so that it can be acted on."""
    kind: str
    """``hash``, ``string`` ...; empty where it was not asked."""
    bytes: int
    """As ``MEMORY USAGE`` samples it."""
    ttl: int
    """Seconds it lives on, or -1 for ever."""
    node: str
    """The master that owns it."""


@dataclass(frozen=True, slots=True)
class NodeScan:
    """How far one master's keys have been looked through."""

    node: str
    asked: str
    """Who was read: a replica of it where one follows, else the master itself."""
    keys: int
    """``DBSIZE`` when the scan began."""
    seen: int
    state: str
    """``scanning``, ``done``, ``keys`` (the bound on keys), ``time`` (the bound on seconds), or why it failed."""


@dataclass(frozen=True, slots=True)
class KeysSnapshot:
    """All masters together."""

    keys: tuple[BigKey, ...]
    """The largest, largest first."""
    nodes: tuple[NodeScan, ...]
    began: float
    """Unix seconds."""
    seconds: float
    """How long it has taken."""

    @property
    def seen(self) -> int:
        """Keys looked at."""
        return sum(node.seen for node in self.nodes)

    @property
    def total(self) -> int:
        """Keys that there were."""
        return sum(node.keys for node in self.nodes)

    @property
    def percent(self) -> float:
        """Of the keys that there were, looked at, 0..100."""
        return min(100.0, 100.0 * self.seen / self.total) if self.total else 100.0

    @property
    def running(self) -> bool:
        """Whether it goes on."""
        return any(node.state == "scanning" for node in self.nodes)

    @property
    def whole(self) -> bool:
        """Whether every key was looked at: then the largest one is the largest of all."""
        return bool(self.nodes) and all(node.state == "done" for node in self.nodes)

    @property
    def problems(self) -> tuple[str, ...]:
        """Masters that could not be looked through, each with the reason."""
        return tuple(f"{node.node}: {node.state}" for node in self.nodes if node.state not in ENDS)


ENDS = ("scanning", "done", "keys", "time")
"""States that are no failure."""
