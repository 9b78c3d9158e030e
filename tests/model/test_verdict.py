"""The verdict: worst first, unknown never green, silence said."""

from __future__ import annotations

from dataclasses import replace

from alphapulse_tui.model.alerts import Alert, AlertsSnapshot
from alphapulse_tui.model.health import Finding, Health, Severity
from alphapulse_tui.model.reading import Link, Reading
from alphapulse_tui.model.verdict import findings, judge

P0 = Finding("vault", Health.CRITICAL, "no active node", procedure="vault-sealed", severity=Severity.P0)
WARNING = Finding("redis", Health.WARNING, "memory 82 %", procedure="redis-memory", severity=Severity.P2)


def reading(
    target: str, link: Link = Link.LIVE, taken_at: float | None = 100.0, *findings: Finding, problem: str = ""
) -> Reading[str]:
    return Reading(target, 5.0, link, 0.0, "snapshot" if taken_at is not None else None, taken_at, problem, 0, findings)


def test_a_verified_platform_is_ok_only_when_every_target_is_live() -> None:
    assert judge([reading("vault"), reading("redis")], 101).health is Health.OK
    assert judge([reading("vault"), reading("redis", Link.CONNECTING, None)], 101).health is Health.UNKNOWN


def test_the_runbooks_severity_leads_the_sentence() -> None:
    verdict = judge([reading("redis", Link.LIVE, 100, WARNING), reading("vault", Link.LIVE, 100, P0)], 101)
    assert (verdict.sentence, verdict.finding, verdict.others) == ("no active node", P0, 1)
    assert verdict.health is Health.CRITICAL


def test_a_silent_target_is_unknown_and_its_old_findings_fade() -> None:
    silent = reading("vault", Link.DOWN, 100, P0, problem="connection refused")
    soon, late = judge([silent], 104), judge([silent], 130)
    assert soon.finding is P0
    assert late.health is Health.UNKNOWN and late.sentence == "vault: connection refused"


def test_what_a_failure_proves_keeps_no_old_finding_alive() -> None:
    proven = replace(
        reading("postgres", Link.DOWN, 100, WARNING, problem="no connection slot left"),
        proven=(Finding("postgres", Health.CRITICAL, "no connection slot left for us"),),
    )
    assert WARNING in findings([proven], 104)
    assert WARNING not in findings([proven], 7300)
    assert judge([proven], 7300).sentence == "no connection slot left for us"


def test_nothing_configured_is_not_healthy() -> None:
    assert judge([reading("vault", Link.UNCONFIGURED, None)], 1).health is Health.UNKNOWN


def test_a_live_link_with_an_old_value_is_stale_within_two_intervals() -> None:
    old = reading("vault")
    assert old.link_at(110) is Link.LIVE
    assert old.link_at(110.1) is Link.STALE
    assert old.health(110.1) is Health.UNKNOWN
    assert old.trusted(115) and not old.trusted(115.1)


def test_a_silenced_p0_is_not_forgotten_however_calm_it_is() -> None:
    quiet = tuple(Alert(name, name, severity, "silenced", 0.0, "", (), ()) for name, severity in
                  (("a", Severity.P2), ("b", Severity.P0), ("c", None)))  # fmt: skip
    alerts = Reading("alerts", 15.0, Link.LIVE, 0.0, AlertsSnapshot(quiet), 100.0)
    calm = judge([alerts, reading("vault")], 101)
    assert (calm.health, calm.silenced) == (Health.OK, "3 silenced, P0")
    assert judge([alerts, reading("vault", Link.LIVE, 100, P0)], 101).silenced == "3 silenced, P0"
    assert judge([alerts, reading("vault")], 300).silenced == "", "what was silenced long ago is not known now"
