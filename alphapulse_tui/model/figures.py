"""The figures of a snapshot by name: what ``alphapulse status --json`` prints of each target.

Stable names; plain numbers, words and lists of such. None means *not known*.
"""

from __future__ import annotations

from typing import Any

from alphapulse_tui.model.alerts import AlertsSnapshot
from alphapulse_tui.model.kubernetes import KubernetesSnapshot
from alphapulse_tui.model.platform import PlatformSnapshot
from alphapulse_tui.model.postgres import PostgresSnapshot
from alphapulse_tui.model.redis import RedisSnapshot
from alphapulse_tui.model.vault import VaultSnapshot


def figures(snapshot: object) -> dict[str, Any]:
    """The figures of any snapshot; ``TypeError`` for what is none."""
    match snapshot:
        case PostgresSnapshot():
            return _postgres(snapshot)
        case RedisSnapshot():
            return _redis(snapshot)
        case VaultSnapshot():
            return _vault(snapshot)
        case KubernetesSnapshot():
            return _kubernetes(snapshot)
        case AlertsSnapshot():
            return {
                "firing": len(snapshot.firing),
                "pending": sum(1 for alert in snapshot.alerts if alert.state == "pending"),
                "silenced": len(snapshot.silenced),
                "alerts": [
                    {"name": alert.name, "state": alert.state, "summary": alert.summary} for alert in snapshot.alerts
                ],
            }
        case PlatformSnapshot():
            edge = snapshot.edge
            values: dict[str, Any] = {metric.id: metric.value for metric in snapshot.metrics}
            return values | ({"edge_code": edge.code, "edge_ms": edge.milliseconds} if edge else {})
    raise TypeError(f"no figures of {type(snapshot).__name__}")


def _postgres(snapshot: PostgresSnapshot) -> dict[str, Any]:
    return {
        "clients": snapshot.clients,
        "usable": snapshot.usable,
        "used_percent": round(snapshot.used_percent, 1),
        "active": snapshot.active,
        "idle_in_transaction": snapshot.idle_in_transaction,
        "lock_waiting": snapshot.lock_waiting,
        "server_version": snapshot.server_version,
        "replicas": [
            {
                "name": replica.name,
                "receiver": replica.receiver,
                "replaying": replica.replaying,
                "lag_seconds": replica.lag_seconds,
                "lag_bytes": replica.lag_bytes,
                "problem": replica.problem,
            }
            for replica in snapshot.replicas
        ],
    }


def _redis(snapshot: RedisSnapshot) -> dict[str, Any]:
    percent = snapshot.memory_percent
    return {
        "masters": len(snapshot.masters),
        "answering": len(snapshot.answering),
        "memory_percent": None if percent is None else round(percent, 1),
        "nodes": [
            {
                "name": node.name,
                "role": node.role,
                "cluster_state": node.cluster_state,
                "used_memory": None if node.problem else node.used_memory,
                "max_memory": None if node.problem else node.max_memory,
                "problem": node.problem,
            }
            for node in snapshot.nodes
        ],
    }


def _vault(snapshot: VaultSnapshot) -> dict[str, Any]:
    return {
        "active": snapshot.active.name if snapshot.active else "",
        "sealed": len(snapshot.sealed),
        "nodes": [
            {
                "name": node.name,
                "role": node.role,
                "sealed": None if node.problem else node.sealed,
                "progress": node.progress,
                "threshold": node.threshold,
                "problem": node.problem,
            }
            for node in snapshot.nodes
        ],
    }


def _kubernetes(snapshot: KubernetesSnapshot) -> dict[str, Any]:
    return {
        "pods": len(snapshot.pods),
        "ready_pods": snapshot.ready_pods,
        "server_version": snapshot.server_version,
        "unhealthy": [
            {"name": pod.name, "status": pod.status, "restarts": pod.restarts}
            for pod in snapshot.pods
            if not pod.healthy
        ],
        "workloads": [
            {
                "kind": workload.kind,
                "name": workload.name,
                "desired": workload.desired,
                "ready": workload.ready,
                "image": workload.image,
            }
            for workload in snapshot.workloads
        ],
    }
