"""The platform's rules, a line of the table for each."""

from __future__ import annotations

import pytest

from alphapulse_tui.model.health import Health, Severity
from alphapulse_tui.model.platform import EdgeHealth, Metric, PlatformSnapshot
from alphapulse_tui.model.rules.platform import judge
from alphapulse_tui.model.thresholds import Thresholds

WELL: dict[str, float | None] = {
    "p99": 100.0,
    "error_percent": 0.0,
    "requests": 10.0,
    "hit_percent": 99.0,
    "vault_ms": 2.0,
    "vault_contact_ms": 10.0,
}
WARNING, CRITICAL, UNKNOWN = Health.WARNING, Health.CRITICAL, Health.UNKNOWN


def figures(**values: float | None) -> PlatformSnapshot:
    return PlatformSnapshot(tuple(Metric(key, key, "", value) for key, value in (WELL | values).items()), None)


def edge(code: int) -> PlatformSnapshot:
    return PlatformSnapshot((), EdgeHealth("http://x", code, 1.0, "" if code else "no answer"))


CASES: list[tuple[PlatformSnapshot, Health, str, Severity | None]] = [
    (figures(p99=300.0), WARNING, "api-latency", None),
    (figures(p99=500.0), CRITICAL, "api-latency", Severity.P1),
    (figures(error_percent=0.1), WARNING, "api-errors", None),
    (figures(error_percent=0.5), CRITICAL, "api-errors", Severity.P1),
    (figures(hit_percent=84.9), WARNING, "redis-memory", None),
    (figures(vault_ms=100.0), WARNING, "vault-latency", None),
    (figures(vault_ms=500.0), CRITICAL, "vault-latency", None),
    (figures(vault_contact_ms=200.0), WARNING, "vault-latency", None),
    (figures(requests=None), UNKNOWN, "", None),
    (figures(p99=None), UNKNOWN, "", None),
    (edge(503), CRITICAL, "api-crashloop", Severity.P1),
    (edge(404), WARNING, "api-crashloop", None),
    (edge(0), CRITICAL, "api-crashloop", Severity.P1),
    (PlatformSnapshot((), None, "Prometheus gave no answer"), UNKNOWN, "", None),
]


@pytest.mark.parametrize(("snapshot", "health", "procedure", "severity"), CASES)
def test_each_rule(snapshot: PlatformSnapshot, health: Health, procedure: str, severity: Severity | None) -> None:
    assert [(one.health, one.procedure, one.severity) for one in judge(snapshot, Thresholds())] == [
        (health, procedure, severity)
    ]


@pytest.mark.parametrize(
    "snapshot",
    [
        figures(),
        edge(200),
        edge(204),
        figures(error_percent=0.09, p99=299.0, hit_percent=85.0),
        figures(requests=0.0, p99=None, error_percent=None, hit_percent=None),  # a quiet night
        figures(vault_ms=None, vault_contact_ms=None),
    ],
)
def test_what_is_well(snapshot: PlatformSnapshot) -> None:
    assert judge(snapshot, Thresholds()) == ()
