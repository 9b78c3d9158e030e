"""The columns of every detail table, as data: title, width, how a row is shown and sorted."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from alphapulse_tui.model.alerts import Alert
from alphapulse_tui.model.kubernetes import Pod
from alphapulse_tui.model.platform import Metric
from alphapulse_tui.model.postgres import Session
from alphapulse_tui.model.redis import RedisNode
from alphapulse_tui.model.vault import VaultNode
from alphapulse_tui.model.words import age, figure, size
from alphapulse_tui.widgets.table import Column


@dataclass(frozen=True)
class Table:
    """One target's table. ``rows`` takes the snapshot."""

    title: str
    columns: tuple[Column[Any], ...]
    rows: Callable[[Any], Sequence[Any]]
    key: Callable[[Any], str]


PODS: tuple[Column[Pod], ...] = (
    Column("NAME", 0, lambda pod: pod.name, lambda pod: "plain" if pod.healthy else "critical", keep_end=True),
    Column("READY", 5, lambda pod: f"{pod.ready}/{pod.total}", right=True, sort=lambda pod: pod.ready - pod.total),
    Column("STATUS", 18, lambda pod: pod.status, lambda pod: "ok" if pod.healthy else "critical"),
    Column("RST", 4, lambda pod: str(pod.restarts), right=True, sort=lambda pod: -pod.restarts),
    Column("AGE", 4, lambda pod: _since(pod.created_at), right=True, sort=lambda pod: -pod.created_at),
    Column("OWNER", 22, lambda pod: f"{pod.owner_kind} {pod.owner}", wide_only=True),
    Column("LAST END", 18, lambda pod: _last_end(pod), lambda pod: "warning", wide_only=True),  # noqa: ARG005
    Column("NODE", 12, lambda pod: pod.node, wide_only=True),
)

SESSIONS: tuple[Column[Session], ...] = (
    Column("PID", 7, lambda row: str(row.pid), right=True, sort=lambda row: row.pid),
    Column("APPLICATION", 18, lambda row: row.application or "(no name)"),
    Column("USER", 17, lambda row: row.user, wide_only=True),
    Column("STATE", 10, lambda row: _state(row), lambda row: "warning" if row.state.startswith("idle in") else "plain"),
    Column("FOR", 4, lambda row: _since(row.state_change), right=True, sort=lambda row: row.state_change),
    Column("WAITS FOR", 16, lambda row: _waits(row), lambda row: "critical" if row.blocked_by else "dim"),
    Column("CLIENT", 15, lambda row: row.client, wide_only=True),
    Column("QUERY", 0, lambda row: row.query),
)

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

VAULTS: tuple[Column[VaultNode], ...] = (
    Column("NODE", 10, lambda row: row.name, lambda row: "critical" if row.role == "SEALED" else "plain"),
    Column("STATE", 14, lambda row: row.role, lambda row: "critical" if row.role == "SEALED" else "plain"),
    Column("UNSEAL", 7, lambda row: f"{row.progress}/{row.threshold}" if row.sealed else ""),
    Column("HEALTH", 6, lambda row: str(row.health_code or ""), right=True),
    Column("SEAL", 8, lambda row: row.seal_type),
    Column("VERSION", 9, lambda row: row.version),
    Column("ADDRESS", 30, lambda row: row.address, wide_only=True),
    Column("PROBLEM", 0, lambda row: row.problem, lambda row: "unknown"),  # noqa: ARG005
)

ALERTS: tuple[Column[Alert], ...] = (
    Column(
        "SEV",
        3,
        lambda row: row.severity.value if row.severity else "--",
        lambda row: "critical" if row.state == "firing" else "dim",
    ),
    Column("ALERT", 22, lambda row: row.name),
    Column("STATE", 9, lambda row: row.state),
    Column("FOR", 4, lambda row: _since(row.starts_at), right=True, sort=lambda row: row.starts_at),
    Column("SEEN BY", 24, lambda row: ", ".join(row.seen_by), wide_only=True),
    Column("PROCEDURE", 18, lambda row: row.procedure, wide_only=True),
    Column("SUMMARY", 0, lambda row: row.summary),
)

METRICS: tuple[Column[Metric], ...] = (
    Column("METRIC", 18, lambda row: row.title),
    Column(
        "NOW",
        12,
        lambda row: figure(row.value, row.unit),
        lambda row: "unknown" if row.value is None else "strong",
        right=True,
    ),
    Column("QUERY", 0, lambda row: row.query, lambda row: "dim"),  # noqa: ARG005
)


def _last_end(pod: Pod) -> str:
    """How the container that died last ended."""
    ended = [container for container in pod.containers if container.last_reason]
    if not ended:
        return ""
    last = max(ended, key=lambda container: container.last_finished_at or 0.0)
    return f"{last.last_reason} {last.last_exit_code}"


def _since(moment: float | None) -> str:
    """How long ago: on call one asks for how long, and never at what second. ``moment`` is in unix seconds."""
    return age(time.time() - moment) if moment else ""


def _state(session: Session) -> str:
    """The state in the words of the panel; the long ones would take the query's place."""
    return {"idle in transaction": "idle in tx", "idle in transaction (aborted)": "aborted tx"}.get(
        session.state, session.state
    )


def _waits(session: Session) -> str:
    """Who blocks it, or what it waits for; waiting for its client is what an idle session does, and no news."""
    if session.blocked_by:
        return "pid " + ",".join(str(pid) for pid in session.blocked_by)
    return "" if session.wait.startswith("Client:") else session.wait


TABLES: dict[str, Table] = {
    "alerts": Table("Alerts", ALERTS, lambda snapshot: snapshot.alerts, lambda row: row.key),
    "kubernetes": Table("Pods", PODS, lambda snapshot: snapshot.pods, lambda row: row.key),
    "postgres": Table("PostgreSQL sessions", SESSIONS, lambda snapshot: snapshot.sessions, lambda row: row.key),
    "redis": Table("Redis nodes", NODES, lambda snapshot: snapshot.nodes, lambda row: row.name),
    "vault": Table("Vault nodes", VAULTS, lambda snapshot: snapshot.nodes, lambda row: row.name),
    "platform": Table("Key metrics", METRICS, lambda snapshot: snapshot.metrics, lambda row: row.id),
}
"""Detail tables by the board's target; every column sorts, the oldest first by its age."""
