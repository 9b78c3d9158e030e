"""Alerts as Prometheus and Alertmanager tell them, joined by their labels.

Read by ``sources.alerts``. Which procedure an alert opens is data: ``ALERT_PROCEDURES`` and the profile's own map (``[profiles.NAME.alerts]``).
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


def severity_of(label: str, name: str) -> Severity | None:
    """The ``severity`` label where it is one of the runbook's words, else what the runbook says of the alert ``name`` (4.2); none for neither.

    >>> severity_of("critical", "RedisMemory").value, severity_of("p0", "Other").value
    ('P2', 'P0')
    """
    try:
        return Severity(label.upper())
    except ValueError:
        return ALERT_SEVERITIES.get(name)


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
    procedure: str = ""
    """Id of the procedure that this alert opens, or empty."""
    managed: str = ""
    """Alertmanager's own fingerprint of it, by which it is silenced; another one where Prometheus adds external labels. Empty: not known there."""
    silenced_by: tuple[str, ...] = ()
    """Ids of the silences that suppress it."""
    dashboard: str = ""
    """Address of the dashboard that its rule names (annotation ``dashboard`` or ``dashboard_url``), or empty."""

    @property
    def key(self) -> str:
        """Stable identity."""
        return self.fingerprint

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
class Silence:
    """One silence that is in force: whose alerts reach nobody, until when, and who wanted that."""

    id: str
    matchers: tuple[str, ...]
    """As Alertmanager writes them: ``alertname="APIDown"``."""
    created_by: str
    comment: str
    ends_at: float
    """Unix seconds."""


@dataclass(frozen=True, slots=True)
class AlertsSnapshot:
    """Firing alerts worst first, then pending, then silenced."""

    alerts: tuple[Alert, ...]
    broken_rules: tuple[str, ...] = ()
    """Rules that Prometheus cannot evaluate: an alert that can never fire (facts 4.2)."""
    unreachable: tuple[str, ...] = ()
    """``alertmanager: sentence`` when only one side answered."""
    silences: tuple[Silence, ...] = ()
    """Those in force, the first to end first."""
    without_rules: bool = False
    """Prometheus was asked and has no alerting rule at all."""

    @property
    def firing(self) -> tuple[Alert, ...]:
        """Those that ask for a person now."""
        return tuple(alert for alert in self.alerts if alert.state == "firing")

    @property
    def silenced(self) -> tuple[Alert, ...]:
        """Those that would ask for a person, had nobody silenced them."""
        return tuple(alert for alert in self.alerts if alert.state == "silenced")

    def silence_of(self, alert: Alert) -> Silence | None:
        """The silence that keeps ``alert`` quiet longest, or none where its silences could not be read."""
        return next((one for one in reversed(self.silences) if one.id in alert.silenced_by), None)
