"""The fixes menu ``f``: what can be done about the focused panel or row, numbered, what the readings suggest first (design 4, rule 11).

Pure: from readings to a list. Nothing here asks a target; the chosen fix is planned by the executor against the target as it is then, and
the plan may still refuse. ``why_not`` is set only where the readings already say that it cannot work. One module a target; used by
``screens.fixes``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from alphapulse_tui.model.alerts import AlertsSnapshot
from alphapulse_tui.model.fixes import alerts, kubernetes, postgres, redis, vault
from alphapulse_tui.model.fixes.contract import Fix, Maker, Readings, first
from alphapulse_tui.model.fixes.kubernetes import API
from alphapulse_tui.model.kubernetes import KubernetesSnapshot
from alphapulse_tui.model.reading import Link

MOST = 9
"""A menu is chosen from by one digit."""

ALERT_TARGETS = {
    "api-crashloop": "kubernetes",
    "api-errors": "kubernetes",
    "api-latency": "platform",
    "pg-connections": "postgres",
    "pg-replication-lag": "postgres",
    "pg-slow-queries": "postgres",
    "redis-memory": "redis",
    "rollback-deployment": "kubernetes",
    "redis-split-brain": "redis",
    "vault-latency": "vault",
    "vault-sealed": "vault",
}
"""An alert's procedure to the panel whose fixes are offered for it."""


def fixes_for(target: str, key: str, readings: Readings, now: float) -> tuple[Fix, ...]:
    """The fixes for row ``key`` (empty: the panel itself) of panel ``target``, the suggested one first, numbered from 1.

    ``now`` is the board's clock: what is too old to be trusted suggests nothing.
    """
    maker = MAKERS.get(target)
    reading = readings.get(_behind(target))
    if maker is None or reading is None:
        return ()
    found = maker(key, readings)
    if reading.link is Link.UNCONFIGURED:
        found = [
            replace(fix, suggested=False, why_not=f"{reading.target} is not configured in this profile")
            for fix in found
        ]
    elif not reading.trusted(now):
        found = [replace(fix, suggested=False) for fix in found]
    found.sort(key=lambda fix: not fix.suggested)
    return tuple(replace(fix, number=number) for number, fix in enumerate(found[:MOST], 1))


def _alerts(key: str, readings: Readings) -> list[Fix]:
    """The alert's own fixes and those of what it is about; without a row, of the first firing one."""
    snapshot: AlertsSnapshot | None = readings["alerts"].snapshot
    if snapshot is None:
        return []
    alert = first(snapshot.alerts, lambda alert: alert.key == key) if key else first(snapshot.firing, lambda _: True)
    if alert is None:
        return []
    target = ALERT_TARGETS.get(alert.procedure, "")
    cluster = readings.get("kubernetes")
    own = alerts.of_alert(alert, target, cluster.snapshot if cluster is not None else None)
    maker = MAKERS.get(target)
    if maker is None or _behind(target) not in readings:
        return own
    return own + maker(_row_of(dict(alert.labels), target, readings), readings)


def _behind(target: str) -> str:
    """The reading that a panel's fixes are made of."""
    behind = {
        "pods": "kubernetes",
        "platform": "kubernetes",
        "silences": "alerts",
        "kubernetes-autoscalers": "kubernetes-capacity",
        **postgres.BEHIND,
    }
    return behind.get(target, target)


def _row_of(labels: Mapping[str, str], target: str, readings: Readings) -> str:
    """The row that an alert's labels name, as the panel of ``target`` keys it; empty when they name none."""
    snapshot = readings[_behind(target)].snapshot
    name = labels.get("pod", "")
    if isinstance(snapshot, KubernetesSnapshot):
        pod = first(snapshot.pods, lambda pod: bool(name) and pod.name == name)
        unhealthy = first(snapshot.pods, lambda pod: pod.owner == API and not pod.healthy)
        return pod.key if pod is not None else unhealthy.key if unhealthy is not None else ""
    return name


MAKERS: dict[str, Maker] = {
    **postgres.MAKERS,
    **redis.MAKERS,
    **vault.MAKERS,
    **kubernetes.MAKERS,
    **alerts.MAKERS,
    "alerts": _alerts,
}
"""Every menu by its id: a panel's target, or a view's ``fixes``."""
