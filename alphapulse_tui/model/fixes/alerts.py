"""What can be done about an alert itself: acknowledge, silence, its procedure, its dashboard; and about a silence: end it (design 4, rule 11)."""

from __future__ import annotations

from dataclasses import replace

from alphapulse_tui.model.alerts import Alert, AlertsSnapshot
from alphapulse_tui.model.fixes.contract import ACKNOWLEDGE, LINK, PROCEDURE, Fix, Maker, Pick, Readings, first, offer
from alphapulse_tui.model.kubernetes import KubernetesSnapshot
from alphapulse_tui.model.silences import choices

WHY = "Why, for whoever finds the silence? The incident, and what is being done."
DASHBOARDS = {
    "kubernetes": "grafana_api",
    "platform": "grafana_api",
    "postgres": "grafana_postgres",
    "redis": "grafana_redis",
    "vault": "grafana_vault",
}
"""The panel that an alert is about to a field of the profile's links (runbook 4.3); of any other it is the overview."""


def of_alert(alert: Alert, target: str, cluster: KubernetesSnapshot | None) -> list[Fix]:
    """The alert's own fixes; ``target`` is the panel that it is about, or empty."""
    dashboard = (
        {"address": alert.dashboard} if alert.dashboard else {"link": DASHBOARDS.get(target, "grafana_overview")}
    )
    return [
        offer("", "acknowledge the incident", does=ACKNOWLEDGE),
        *_quieter(alert),
        *(
            [
                offer(
                    "",
                    f"open procedure {alert.procedure}",
                    does=PROCEDURE,
                    procedure=alert.procedure,
                    **alert.values(cluster),
                )
            ]
            if alert.procedure
            else []
        ),
        offer("", "copy the address of its dashboard", does=LINK, **dashboard),
    ]


def _quieter(alert: Alert) -> list[Fix]:
    if alert.silenced_by:
        return [expire(one, alert.name) for one in alert.silenced_by]
    fix = replace(
        offer("alerts.silence", f"silence {alert.name}", alert=alert.managed),
        picks=Pick("duration", "For how long", choices),
        asks=("comment", WHY),
    )
    if not alert.managed:
        pending = alert.state == "pending"
        said = "it is pending: it notifies nobody yet" if pending else "only Prometheus knows it so far"
        return [replace(fix, why_not=f"{said}; Alertmanager is told when it fires")]
    if alert.state == "inhibited":
        return [replace(fix, why_not="another alert inhibits it: it notifies nobody as it is")]
    return [fix]


def expire(silence: str, name: str) -> Fix:
    """End one silence by its id."""
    return offer("alerts.expire-silence", f"expire silence {silence[:8]} of {name}", silence=silence)


def _silences(key: str, readings: Readings) -> list[Fix]:
    """Rows of the view of silences."""
    snapshot: AlertsSnapshot | None = readings["alerts"].snapshot
    if snapshot is None:
        return []
    found = first(snapshot.silences, lambda one: one.id == key)
    return [expire(found.id, " ".join(found.matchers))] if found is not None else []


MAKERS: dict[str, Maker] = {"silences": _silences}
"""By menu; that of alerts themselves is put together in ``menu``."""
