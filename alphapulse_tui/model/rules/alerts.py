"""What the alerts ask for (runbook 4.2), and what keeps them from asking (facts 4.2).

Used by ``sources.alerts`` after every reading.
"""

from __future__ import annotations

from alphapulse_tui.model.alerts import AlertsSnapshot
from alphapulse_tui.model.health import Finding, Health, Severity
from alphapulse_tui.model.rules import worst_first

TARGET = "alerts"


def judge(snapshot: AlertsSnapshot) -> tuple[Finding, ...]:
    """The findings, worst first. Pending and silenced alerts are shown, and ask for nobody."""
    found = []
    for alert in snapshot.firing:
        critical = alert.severity in (Severity.P0, Severity.P1)
        sentence = f"alert {alert.name}" + (f": {alert.summary}" if alert.summary else "")
        health = Health.CRITICAL if critical else Health.WARNING
        found.append(Finding(TARGET, health, sentence, alert.name, alert.procedure, alert.severity, "runbook 4.2"))
    if snapshot.broken_rules:
        many = len(snapshot.broken_rules)
        sentence = f"{many} alert {'rule' if many == 1 else 'rules'} cannot be evaluated and can never fire: {snapshot.broken_rules[0]}"
        found.append(Finding(TARGET, Health.UNKNOWN, sentence, "rules", "", None, "facts 4.2"))
    if snapshot.without_rules:
        said = "Prometheus has no alerting rule: nothing can fire"
        found.append(Finding(TARGET, Health.UNKNOWN, said, "rules", "", None, "facts 4.2"))
    for side in snapshot.unreachable:
        name, _, why = side.partition(": ")
        lost = "alerts are not evaluated" if name == "prometheus" else "alerts reach nobody"
        found.append(
            Finding(TARGET, Health.UNKNOWN, f"{why}; {lost}, as far as we can see", name, "", None, "facts 4.2")
        )
    return worst_first(found)
