"""The runbook's four severities as data (1.1), and which one fits what is wrong now.

Read by the declare dialog and by ``incident.commands``. The suggestion is never more than that: a person declares.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from alphapulse_tui.model.alerts import Alert
from alphapulse_tui.model.health import Finding, Health, Severity

MINUTE, HOUR = 60.0, 3600.0


@dataclass(frozen=True, slots=True)
class SeverityLevel:
    """One row of runbook 1.1."""

    severity: Severity
    word: str
    definition: str
    response_seconds: float
    """Seconds until somebody must have acknowledged."""
    escalation: str
    examples: tuple[str, ...]


LEVELS: tuple[SeverityLevel, ...] = (
    SeverityLevel(
        Severity.P0,
        "Critical",
        "Complete service outage, data loss risk, security breach",
        15 * MINUTE,
        "Immediate (CTO, Tech Lead, Security Lead)",
        ("API down", "database unavailable", "data breach"),
    ),
    SeverityLevel(
        Severity.P1,
        "High",
        "Major feature unavailable, significant user impact",
        HOUR,
        "Tech Lead",
        ("Trading execution fails", "authentication broken"),
    ),
    SeverityLevel(
        Severity.P2,
        "Medium",
        "Minor feature degraded, limited user impact",
        4 * HOUR,
        "Team",
        ("Cache miss rate high", "slow queries"),
    ),
    SeverityLevel(
        Severity.P3,
        "Low",
        "No user impact, cosmetic issues",
        24 * HOUR,
        "Team",
        ("Dashboard chart formatting", "log warnings"),
    ),
)
"""Runbook 1.1, row by row, most urgent first."""

CRITICAL_WITHOUT_SEVERITY = Severity.P1
"""What a critical finding counts as when the runbook names no severity for it: the higher of the two that are in doubt (P1 or P2)."""

WARNING_WITHOUT_SEVERITY = Severity.P2
"""As above for a warning (P2 or P3)."""


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A severity and why."""

    severity: Severity
    because: str
    """The sentence of what it follows from; says so when nothing is firing."""
    title: str = ""
    """A title for the incident, made of the worst sign; empty when there is none."""


def level(severity: Severity) -> SeverityLevel:
    """The runbook's row for ``severity``."""
    return next(one for one in LEVELS if one.severity is severity)


def suggest(alerts: Iterable[Alert], findings: Iterable[Finding]) -> Suggestion:
    """The highest severity that any firing alert or finding calls for; where the runbook names none, the higher of those in doubt.

    >>> suggest([], [Finding("vault", Health.CRITICAL, "vault-1 is sealed", severity=Severity.P0)]).severity.value
    'P0'
    """
    signs = [
        (alert.severity or CRITICAL_WITHOUT_SEVERITY, alert.summary or alert.name, "alert " + alert.name)
        for alert in alerts
        if alert.state == "firing"
    ]
    signs += [(_severity_of(one), one.sentence, "the cockpit's own check") for one in findings if _counts(one)]
    if not signs:
        return Suggestion(Severity.P3, "nothing is firing that would call for more")
    worst, sentence, whose = max(signs, key=lambda sign: sign[0].urgency)
    more = f" (and {len(signs) - 1} more)" if len(signs) > 1 else ""
    return Suggestion(worst, f"{whose}: {sentence}{more}", sentence)


def _counts(finding: Finding) -> bool:
    """What could not be verified is no sign of trouble by itself; what a failure proves comes as critical."""
    return finding.severity is not None or finding.health in (Health.CRITICAL, Health.WARNING)


def _severity_of(finding: Finding) -> Severity:
    if finding.severity is not None:
        return finding.severity
    return CRITICAL_WITHOUT_SEVERITY if finding.health is Health.CRITICAL else WARNING_WITHOUT_SEVERITY
