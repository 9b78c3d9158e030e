"""Alerts of Prometheus and Alertmanager, joined; recorded answers, hostile ones, and either side down."""

from __future__ import annotations

import json
from typing import Any

import pytest

from alphapulse_tui.model.alerts import AlertsSnapshot
from alphapulse_tui.model.health import Health, Severity
from alphapulse_tui.sources.alerts import AlertsSource, fingerprint
from alphapulse_tui.sources.contract import Unreachable
from tests.sources.doors import by_path, door, http, silent
from tests.sources.servers import free_port

DOWN = {"alertname": "APIDown", "severity": "P0"}


def rules(*alerts: dict[str, Any], broken: str = "") -> bytes:
    each = [{"name": "R", "type": "alerting", "health": "ok", "state": "firing", "alerts": list(alerts)}]
    if broken:
        each.append({"name": "Bad", "type": "alerting", "health": "err", "lastError": broken, "alerts": []})
    return json.dumps({"status": "success", "data": {"groups": [{"name": "g", "rules": each}]}}).encode()


def told(labels: dict[str, str], state: str = "firing", **more: Any) -> dict[str, Any]:
    return {
        "labels": labels,
        "annotations": {},
        "state": state,
        "activeAt": "2026-11-23T21:00:00.123456789Z",
        "value": "1e+00",
    } | more


def managed(labels: dict[str, str], state: str = "active", **status: Any) -> dict[str, Any]:
    return {
        "fingerprint": fingerprint(labels),
        "labels": labels,
        "annotations": {"summary": "s"},
        "startsAt": "2026-11-23T21:01:00.000Z",
        "status": {"state": state, "silencedBy": [], "inhibitedBy": [], **status},
    }


async def read(prometheus: bytes, alertmanager: bytes) -> AlertsSnapshot:
    async with door(http(prometheus)) as left, door(http(alertmanager)) as right:
        source = AlertsSource(f"http://127.0.0.1:{left}/", f"http://127.0.0.1:{right}")
        try:
            return await source.read()
        finally:
            await source.close()


async def test_one_alert_for_what_both_sides_know() -> None:
    am = json.dumps([managed(DOWN | {"environment": "lab"})]).encode()
    snapshot = await read(rules(told(DOWN)), am)
    (alert,) = snapshot.alerts
    assert (alert.name, alert.state, alert.severity, alert.procedure) == (
        "APIDown",
        "firing",
        Severity.P0,
        "api-crashloop",
    )
    assert alert.seen_by == ("prometheus", "alertmanager")
    assert alert.fingerprint == fingerprint(DOWN)


async def test_sorted_firing_worst_first_then_pending_then_silenced() -> None:
    pending, redis = told({"alertname": "P"}, "pending"), told({"alertname": "RedisMemory", "severity": "critical"})
    am = [
        managed({"alertname": "Quiet"}, "suppressed", silencedBy=["x"]),
        managed({"alertname": "Hush"}, "suppressed", inhibitedBy=["y"]),
    ]
    snapshot = await read(rules(pending, redis, told(DOWN)), json.dumps(am).encode())
    assert [(alert.name, alert.state) for alert in snapshot.alerts] == [
        ("APIDown", "firing"),
        ("RedisMemory", "firing"),
        ("P", "pending"),
        ("Quiet", "silenced"),
        ("Hush", "inhibited"),
    ]
    assert [finding.health for finding in AlertsSource("", "").judge(snapshot)] == [Health.CRITICAL, Health.WARNING]
    assert snapshot.alerts[1].severity is Severity.P2  # the runbook's, because the label is none of its words


async def test_a_silenced_alert_asks_for_nobody() -> None:
    snapshot = await read(rules(told(DOWN)), json.dumps([managed(DOWN, "suppressed", silencedBy=["x"])]).encode())
    assert [alert.state for alert in snapshot.alerts] == ["silenced"]
    assert AlertsSource("", "").judge(snapshot) == ()


MATCHERS = [
    {"name": "alertname", "value": 'A"', "isRegex": False, "isEqual": True},
    {"name": "pod", "value": "x.*", "isRegex": True},
]
SILENCE = {
    "id": "s-1",
    "matchers": MATCHERS,
    "startsAt": "2026-11-23T21:00:00Z",
    "endsAt": "2026-11-23T22:00:00.5Z",
    "updatedAt": "2026-11-23T21:00:00Z",
    "createdBy": "\x1bana",
    "comment": "why",
    "status": {"state": "active"},
}


async def test_a_silenced_alert_knows_until_when_and_by_whom() -> None:
    alerts = json.dumps([managed(DOWN, "suppressed", silencedBy=["s-1"])]).encode()
    silences = json.dumps([SILENCE | {"id": "s-0", "status": {"state": "expired"}}, SILENCE]).encode()
    answers = {"/api/v2/alerts": (200, alerts), "/api/v2/silences": (200, silences)}
    async with door(by_path(answers)) as port:
        source = AlertsSource("", f"http://127.0.0.1:{port}")
        snapshot = await source.read()
        answers["/api/v2/silences"] = (500, b"")
        without = await source.read()
        await source.close()
    (alert,) = snapshot.alerts
    (silence,) = snapshot.silences
    assert (alert.state, alert.silenced_by, alert.managed) == ("silenced", ("s-1",), fingerprint(DOWN))
    assert silence.matchers == ('alertname="A\\""', 'pod=~"x.*"') and "\x1b" not in silence.created_by
    assert snapshot.silence_of(alert) == silence and silence.ends_at == 1795471200.5
    assert without.silenced == (alert,) and without.silence_of(alert) is None and without.unreachable == ()


async def test_the_profile_says_which_procedure_an_alert_opens() -> None:
    async with door(http(rules(told(DOWN), told({"alertname": "Own"})))) as port:
        source = AlertsSource(f"http://127.0.0.1:{port}", "", {"Own": "redis-memory", "APIDown": ""})
        snapshot = await source.read()
        await source.close()
    assert {alert.name: alert.procedure for alert in snapshot.alerts} == {"APIDown": "", "Own": "redis-memory"}


async def test_hostile_labels_are_made_visible() -> None:
    evil = {"alertname": "[/x]\x1b[2J\u202e\x00", "pod": "a" * 100_000}
    snapshot = await read(
        rules(told(evil, annotations={"summary": "\x9b31m[@click=app.quit]x"}), broken="parse error \x1b]0;x\x07"),
        b"[]",
    )
    everything = repr(snapshot)
    assert not any(ord(char) < 32 or 127 <= ord(char) < 160 or char == "\u202e" for char in everything)
    assert len(dict(snapshot.alerts[0].labels)["pod"]) < 5000
    assert snapshot.broken_rules[0].startswith("Bad: parse error")
    assert Health.UNKNOWN in [finding.health for finding in AlertsSource("", "").judge(snapshot)]


async def test_a_prometheus_without_alerting_rules_is_no_calm_one() -> None:
    snapshot = await read(b'{"status":"success","data":{"groups":[]}}', b"[]")
    found = AlertsSource("", "").judge(snapshot)
    assert [(one.health, one.sentence) for one in found] == [
        (Health.UNKNOWN, "Prometheus has no alerting rule: nothing can fire")
    ]


@pytest.mark.parametrize("dead", ["prometheus", "alertmanager"])
async def test_either_side_may_be_down(dead: str) -> None:
    async with door(http(rules(told(DOWN)) if dead == "alertmanager" else b"[]")) as port:
        alive, gone = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{free_port()}"
        source = AlertsSource(gone, alive) if dead == "prometheus" else AlertsSource(alive, gone)
        snapshot = await source.read()
        assert snapshot.unreachable[0].startswith(f"{dead}: ") and "refuses connections" in snapshot.unreachable[0]
        assert Health.UNKNOWN in [finding.health for finding in source.judge(snapshot)]
        await source.close()


@pytest.mark.parametrize("answer", [b"<html>", b"[1]", b'{"data":{"groups":7}}', b"[" * 50_000, b"", b"\xff"])
async def test_garbage_from_both_is_a_sentence(answer: bytes) -> None:
    with pytest.raises(Unreachable, match=r"Prometheus answers.*Alertmanager answers"):
        await read(answer, answer)


async def test_one_configured_side_is_enough_and_a_silent_one_ends_in_time() -> None:
    async with door(http(rules(told(DOWN)))) as port:
        source = AlertsSource(f"http://127.0.0.1:{port}", "")
        snapshot = await source.read()
        assert snapshot.unreachable == () and len(snapshot.firing) == 1
        await source.close()
    async with door(silent) as port:
        source = AlertsSource("", f"http://127.0.0.1:{port}")
        with pytest.raises(Unreachable, match="Alertmanager gave no answer"):
            await source.read()
        await source.close()
