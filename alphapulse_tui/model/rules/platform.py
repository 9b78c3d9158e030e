"""What the platform's figures and the API's edge say (runbook 1.2, 2.4, 4.2).

Used by ``sources.platform`` after every reading.
"""

from __future__ import annotations

from alphapulse_tui.model.health import Finding, Health, Severity
from alphapulse_tui.model.platform import PlatformSnapshot
from alphapulse_tui.model.rules import worst_first
from alphapulse_tui.model.thresholds import Thresholds

TARGET = "platform"


def judge(snapshot: PlatformSnapshot, thresholds: Thresholds) -> tuple[Finding, ...]:
    """The findings, worst first."""
    return worst_first(
        [*_edge(snapshot), *_absent(snapshot), *_over(snapshot, thresholds), *_hits(snapshot, thresholds)]
    )


def _value(snapshot: PlatformSnapshot, metric_id: str) -> float | None:
    metric = snapshot.metric(metric_id)
    return None if metric is None else metric.value


def _edge(snapshot: PlatformSnapshot) -> list[Finding]:
    edge = snapshot.edge
    if edge is None or 200 <= edge.code < 300:
        return []
    procedure = "api-crashloop"
    if edge.code == 0:
        return [Finding(TARGET, Health.CRITICAL, edge.problem, "edge", procedure, Severity.P1, "runbook 1.2")]
    sentence = f"the API's health address answers with code {edge.code}"
    critical = edge.code >= 500
    severity = Severity.P1 if critical else None
    return [
        Finding(
            TARGET,
            Health.CRITICAL if critical else Health.WARNING,
            sentence,
            "edge",
            procedure,
            severity,
            "runbook 1.2",
        )
    ]


def _absent(snapshot: PlatformSnapshot) -> list[Finding]:
    """No traffic is no fault; no *metric* is: nobody would see the errors."""
    if snapshot.problem:
        return [Finding(TARGET, Health.UNKNOWN, snapshot.problem, "prometheus", "", None, "facts 4.2")]
    requests = snapshot.metric("requests")
    if requests is None:
        return []
    if requests.value is None:
        sentence = "api_requests_total is absent from Prometheus: errors and latency are not verified"
        return [Finding(TARGET, Health.UNKNOWN, sentence, "requests", "", None, "facts 4.1")]
    if requests.value > 0 and _value(snapshot, "p99") is None:
        sentence = "api_request_duration_seconds is absent from Prometheus: latency is not verified"
        return [Finding(TARGET, Health.UNKNOWN, sentence, "p99", "", None, "facts 4.1")]
    return []


def _over(snapshot: PlatformSnapshot, thresholds: Thresholds) -> list[Finding]:
    """Figures that must stay below a number: warning, critical, procedure, severity, runbook section."""
    p99 = thresholds.api_p99_warning, thresholds.api_p99_critical
    # The error rate has no warning line of its own but a healed one, which is a limit to stay under (runbook 1.2 step 8).
    errors = thresholds.api_error_rate_healed, thresholds.api_error_rate_critical
    vault = thresholds.vault_latency_warning, thresholds.vault_latency_critical
    contact = thresholds.vault_last_contact_warning, thresholds.vault_last_contact_critical
    table: tuple[tuple[str, str, float, float, str, Severity | None, str], ...] = (
        ("p99", "the API's p99 latency is {:.0f} ms", *p99, "api-latency", Severity.P1, "4.2"),
        ("error_percent", "{:.1f} % of the API's requests fail", *errors, "api-errors", Severity.P1, "4.2"),
        ("vault_ms", "Vault's p99 latency is {:.0f} ms", *vault, "vault-latency", None, "2.3"),
        ("vault_contact_ms", "raft's last contact is {:.0f} ms old (p99)", *contact, "vault-latency", None, "2.3"),
    )
    found = []
    for metric_id, said, warning, critical, procedure, severity, section in table:
        value = _value(snapshot, metric_id)
        if value is None or value < warning:
            continue
        health, grade = (Health.CRITICAL, severity) if value >= critical else (Health.WARNING, None)
        sentence = said.format(value)
        found.append(Finding(TARGET, health, sentence, metric_id, procedure, grade, f"runbook {section}"))
    return found


def _hits(snapshot: PlatformSnapshot, thresholds: Thresholds) -> list[Finding]:
    value = _value(snapshot, "hit_percent")
    if value is None or value >= thresholds.redis_hit_rate_warning:
        return []
    sentence = f"only {value:.0f} % of cache lookups hit"
    return [Finding(TARGET, Health.WARNING, sentence, "hit_percent", "redis-memory", None, "runbook 2.2")]
