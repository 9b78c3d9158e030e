"""The verdict line: what is wrong, in one sentence, and which procedure to open.

Used by the cockpit's second line, the wall and the headless ``status``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from alphapulse_tui.model.alerts import Alert, AlertsSnapshot
from alphapulse_tui.model.health import Finding, Health, worst
from alphapulse_tui.model.reading import UNKNOWN_AFTER_INTERVALS, Link, Reading


@dataclass(frozen=True, slots=True)
class Verdict:
    """The platform in one sentence."""

    health: Health
    sentence: str
    finding: Finding | None = None
    """The worst finding, if there is one: its ``procedure`` is what to open."""
    others: int = 0
    """How many more findings there are."""
    silenced: str = ""
    """Alerts that fire and ask for nobody, because somebody silenced them: ``1 silenced, P0``; empty for none."""


def findings(readings: Iterable[Reading[Any]], now: float) -> list[Finding]:
    """Everything that is wrong or not verified at ``now``, most urgent first; what the runbook calls P0 comes first of all."""
    found: list[Finding] = []
    for reading in readings:
        age = reading.age(now)
        if age is not None and age <= UNKNOWN_AFTER_INTERVALS * reading.interval:
            found.extend(reading.findings)
        found.extend(reading.proven)
        if reading.link is not Link.UNCONFIGURED and reading.link_at(now) is not Link.LIVE:
            found.append(_silence(reading, now))
    return sorted(found, key=_order)


def _order(finding: Finding) -> tuple[int, int, bool]:
    """The runbook's severity first, then how bad, then what a procedure mends: a cause rather than its symptom."""
    severity = finding.severity.urgency if finding.severity else -1
    return (-severity, -finding.health.urgency, not finding.procedure)


def judge(readings: Iterable[Reading[Any]], now: float) -> Verdict:
    """The platform's verdict at ``now``."""
    known = list(readings)
    found = findings(known, now)
    silenced = _silenced(known, now)
    if found:
        first = found[0]
        return Verdict(worst(finding.health for finding in found), first.sentence, first, len(found) - 1, silenced)
    if not known:
        return Verdict(Health.UNKNOWN, "starting: no target has been asked yet")
    configured = [reading for reading in known if reading.link is not Link.UNCONFIGURED]
    if not configured:
        return Verdict(Health.UNKNOWN, "nothing is configured: run `alphapulse config init`")
    return Verdict(Health.OK, f"all {len(configured)} targets verified: nothing asks for you", silenced=silenced)


def _silenced(readings: Iterable[Reading[Any]], now: float) -> str:
    """How many alerts are silenced, and the worst severity among them: a silence must not be forgotten, least of all a P0's."""
    alerts: list[Alert] = []
    for reading in readings:
        if isinstance(reading.snapshot, AlertsSnapshot) and reading.trusted(now):
            alerts += reading.snapshot.silenced
    if not alerts:
        return ""
    severities = [alert.severity for alert in alerts if alert.severity is not None]
    most = max(severities, key=lambda severity: severity.urgency, default=None)
    return f"{len(alerts)} silenced" + (f", {most.value}" if most is not None else "")


def _silence(reading: Reading[Any], now: float) -> Finding:
    link = reading.link_at(now)
    said = {
        Link.CONNECTING: f"{reading.target}: waiting for the first answer",
        Link.STALE: f"{reading.target}: no answer for {reading.age(now) or 0:.0f} s",
        Link.DENIED: f"{reading.target}: {reading.problem}",
        Link.DOWN: f"{reading.target}: {reading.problem}",
    }[link]
    return Finding(reading.target, Health.UNKNOWN, said, reading.target)
