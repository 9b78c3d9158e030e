"""Alerts as Prometheus and Alertmanager tell them, joined by their labels.

Read by ``sources.alerts``. Which procedure an alert opens is data: ``ALERT_PROCEDURES`` and the profile's own map.
"""

from __future__ import annotations

from dataclasses import dataclass

from alphapulse_tui.model.health import Severity
from alphapulse_tui.model.kubernetes import KubernetesSnapshot

ALERT_PROCEDURES: dict[str, str] = {
    "APIDown": "api-crashloop",
    "HighLatency": "api-latency",
    "HighErrorRate": "api-errors",
    "DBConnectionPool": "pg-connections",
    "RedisMemory": "redis-memory",
    "VaultSealed": "vault-sealed",
}
"""Alert name to procedure id (runbook 4.2). A procedure that is not installed is said to be so."""

ALERT_SEVERITIES: dict[str, Severity] = {
    "APIDown": Severity.P0,
    "HighLatency": Severity.P1,
    "HighErrorRate": Severity.P1,
    "DBConnectionPool": Severity.P1,
    "RedisMemory": Severity.P2,
    "VaultSealed": Severity.P0,
}
"""Alert name to severity (runbook 4.2), for a rule whose ``severity`` label is none of the runbook's words."""


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert. ``fingerprint`` is its identity: the hash of its labels."""

    fingerprint: str
    name: str
    severity: Severity | None
    state: str
    """``firing``, ``pending``, ``silenced`` or ``inhibited``."""
    starts_at: float
    summary: str
    labels: tuple[tuple[str, str], ...]
    seen_by: tuple[str, ...]
    """``prometheus``, ``alertmanager`` or both: which side knows it (facts 4.2: Alertmanager may lag a minute)."""

    @property
    def key(self) -> str:
        """Stable identity."""
        return self.fingerprint

    @property
    def procedure(self) -> str:
        """Id of the procedure that this alert opens, or empty."""
        return ALERT_PROCEDURES.get(self.name, "")

    def values(self, cluster: KubernetesSnapshot | None) -> dict[str, str]:
        """What its procedure is opened with, as far as its labels name it; the Deployment of a ``pod`` is looked up in the cluster."""
        labels = dict(self.labels)
        pod = labels.get("pod", "")
        owner = next((one for one in cluster.pods if one.name == pod), None) if cluster is not None and pod else None
        deployment = labels.get("deployment", "") or (
            owner.owner if owner is not None and owner.owner_kind == "Deployment" else ""
        )
        named = {"deployment": deployment, "application": labels.get("application", "")}
        return {name: value for name, value in named.items() if value}


@dataclass(frozen=True, slots=True)
class AlertsSnapshot:
    """Firing alerts worst first, then pending, then silenced."""

    alerts: tuple[Alert, ...]
    broken_rules: tuple[str, ...] = ()
    """Rules that Prometheus cannot evaluate: an alert that can never fire (facts 4.2)."""
    unreachable: tuple[str, ...] = ()
    """``alertmanager: sentence`` when only one side answered."""

    @property
    def firing(self) -> tuple[Alert, ...]:
        """Those that ask for a person now."""
        return tuple(alert for alert in self.alerts if alert.state == "firing")
