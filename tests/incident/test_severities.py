"""The runbook's four severities, and the one that is suggested: the highest, and in doubt the higher."""

from __future__ import annotations

import pytest

from alphapulse_tui.incident.clocks import RESPONSE
from alphapulse_tui.incident.severities import LEVELS, level, suggest
from alphapulse_tui.model.alerts import Alert
from alphapulse_tui.model.health import Finding, Health, Severity


def alert(severity: Severity | None, state: str = "firing") -> Alert:
    return Alert("f", "Some", severity, state, 0.0, "it is so", (), ())


def test_every_severity_has_its_row_and_the_clocks_agree() -> None:
    assert [one.severity for one in LEVELS] == list(Severity)
    for one in LEVELS:
        assert one.response_seconds == RESPONSE[one.severity] and one.examples and one.definition
    assert level(Severity.P0).examples == ("API down", "database unavailable", "data breach")


@pytest.mark.parametrize(
    ("alerts", "findings", "expected"),
    [
        ([], [], Severity.P3),
        ([alert(Severity.P2)], [Finding("vault", Health.CRITICAL, "x", severity=Severity.P0)], Severity.P0),
        ([alert(Severity.P0, "silenced"), alert(Severity.P2)], [], Severity.P2),
        ([alert(None)], [], Severity.P1),
        ([], [Finding("redis", Health.CRITICAL, "x")], Severity.P1),
        ([], [Finding("redis", Health.WARNING, "x")], Severity.P2),
        ([], [Finding("redis", Health.UNKNOWN, "no answer")], Severity.P3),
    ],
)
def test_the_suggestion(alerts: list[Alert], findings: list[Finding], expected: Severity) -> None:
    found = suggest(alerts, findings)
    assert found.severity is expected and found.because
