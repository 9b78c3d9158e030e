"""Views of Redis."""

from __future__ import annotations

from alphapulse_tui.model.redis import RedisNode
from alphapulse_tui.model.words import size
from alphapulse_tui.screens.tables.view import View
from alphapulse_tui.widgets.table import Column

NODES: tuple[Column[RedisNode], ...] = (
    Column(
        "NODE",
        18,
        lambda row: row.name,
        lambda row: "critical" if row.problem or row.cluster_state != "ok" else "plain",
    ),
    Column("ROLE", 8, lambda row: {"slave": "replica"}.get(row.role, row.role)),
    Column("CLUSTER", 8, lambda row: row.cluster_state, lambda row: "ok" if row.cluster_state == "ok" else "critical"),
    Column("SLOTS", 6, lambda row: str(row.slots_assigned), right=True, sort=lambda row: row.slots_assigned),
    Column("EPOCH", 6, lambda row: str(row.current_epoch), right=True, sort=lambda row: row.current_epoch),
    Column(
        "MEMORY",
        14,
        lambda row: f"{row.memory_percent:.0f}% of {size(row.max_memory)}" if row.max_memory else size(row.used_memory),
        sort=lambda row: -row.used_memory,
    ),
    Column("POLICY", 14, lambda row: row.policy, wide_only=True),
    Column(
        "EVICTED",
        9,
        lambda row: f"{row.evicted_per_second:.0f}/s",
        right=True,
        sort=lambda row: -row.evicted_per_second,
        wide_only=True,
    ),
    Column("ADDRESS", 21, lambda row: row.address, wide_only=True),
    Column("PROBLEM", 0, lambda row: row.problem, lambda row: "unknown"),  # noqa: ARG005
)


VIEWS = (View("nodes", "redis", NODES, lambda snapshot: snapshot.nodes, lambda row: row.name),)
