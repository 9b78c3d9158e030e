"""Alerts: what Prometheus evaluates and what Alertmanager was told, joined by their labels.

Both sides are asked because each knows what the other does not: Prometheus its pending alerts and its broken rules (an alert that can never
fire), Alertmanager silences and inhibitions; it may lag a minute behind. Either may be down: then the other's half is shown and that is
said. Made by ``build``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from types import MappingProxyType

import httpx
import msgspec

from alphapulse_tui.model.alerts import ALERT_PROCEDURES, Alert, AlertsSnapshot, Silence, severity_of
from alphapulse_tui.model.health import Finding
from alphapulse_tui.model.rules import alerts as rules
from alphapulse_tui.sources import http
from alphapulse_tui.sources.alertmanager import ALERTS, SILENCES, SUPPRESSED, ManagedAlert, ManagedSilence, shown
from alphapulse_tui.sources.contract import Source, SourceProblem, Unreachable
from alphapulse_tui.text import clean

RULES = "/api/v1/rules?type=alert"
STATES = ("firing", "pending", "silenced", "inhibited")
"""In the order of the panel."""


class RuleAlert(msgspec.Struct, rename="camel"):
    """An alert of a rule: pending or firing."""

    labels: dict[str, str]
    state: str
    annotations: dict[str, str] = {}
    active_at: datetime | None = None


class Rule(msgspec.Struct, rename="camel"):
    """An alerting rule; ``health`` is ``err`` when it cannot be evaluated."""

    name: str
    health: str = ""
    last_error: str = ""
    alerts: list[RuleAlert] = []


class Group(msgspec.Struct):
    """A group of rules."""

    rules: list[Rule] = []


class Groups(msgspec.Struct):
    """``data`` of the answer."""

    groups: list[Group]


class RulesAnswer(msgspec.Struct):
    """Prometheus' answer."""

    data: Groups


class AlertsSource(Source[AlertsSnapshot]):
    """Prometheus and Alertmanager; an empty address means that one is not configured. ``procedures``: alert name to the procedure it opens."""

    target = "alerts"
    interval = 15.0
    deadline = 5.0

    def __init__(
        self, prometheus: str, alertmanager: str, procedures: Mapping[str, str] = MappingProxyType(ALERT_PROCEDURES)
    ) -> None:
        self._procedures = procedures
        self._prometheus = prometheus.rstrip("/")
        self._alertmanager = alertmanager.rstrip("/")
        self._client: httpx.AsyncClient | None = None

    async def read(self) -> AlertsSnapshot:
        """Ask both; raises only when no configured side answers."""
        if self._client is None:
            self._client = await http.client(3.0)
        told, managed, silences = await asyncio.gather(
            self._rules(), self._alerts(), self._silences(), return_exceptions=True
        )
        if isinstance(silences, BaseException) and not isinstance(silences, SourceProblem):
            raise silences
        problems = []
        for side, answer in (("prometheus", told), ("alertmanager", managed)):
            if isinstance(answer, SourceProblem):
                problems.append((side, answer))
            elif isinstance(answer, BaseException):
                raise answer
        configured = bool(self._prometheus) + bool(self._alertmanager)
        if len(problems) == configured:
            raise Unreachable("; ".join(str(problem) for _, problem in problems))
        every = told if isinstance(told, list) else []
        return AlertsSnapshot(
            alerts=tuple(
                replace(alert, procedure=self._procedures.get(alert.name, ""))
                for alert in merged(
                    [alert for rule in every for alert in rule.alerts], managed if isinstance(managed, list) else []
                )
            ),
            broken_rules=tuple(
                sorted(f"{clean(rule.name)}: {clean(rule.last_error, 300)}" for rule in every if rule.health == "err")
            ),
            without_rules=isinstance(told, list) and not told and bool(self._prometheus),
            unreachable=tuple(f"{side}: {clean(problem)}" for side, problem in problems),
            silences=silences if isinstance(silences, tuple) else (),
        )

    def judge(self, snapshot: AlertsSnapshot) -> tuple[Finding, ...]:
        """The rules."""
        return rules.judge(snapshot)

    async def close(self) -> None:
        """Close connections."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def _rules(self) -> list[Rule]:
        if not self._prometheus:
            return []
        body = await self._ask(self._prometheus + RULES, "Prometheus")
        try:
            return [rule for group in msgspec.json.decode(body, type=RulesAnswer).data.groups for rule in group.rules]
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise Unreachable("Prometheus answers, but not as its rules are written") from None

    async def _alerts(self) -> list[ManagedAlert]:
        if not self._alertmanager:
            return []
        body = await self._ask(self._alertmanager + ALERTS, "Alertmanager")
        try:
            return msgspec.json.decode(body, type=list[ManagedAlert])
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise Unreachable("Alertmanager answers, but not as its alerts are written") from None

    async def _silences(self) -> tuple[Silence, ...]:
        """Those in force, the first to end first. Without them an alert is silenced all the same, only not till when is known."""
        if not self._alertmanager:
            return ()
        body = await self._ask(self._alertmanager + SILENCES, "Alertmanager")
        try:
            found = msgspec.json.decode(body, type=list[ManagedSilence])
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise Unreachable("Alertmanager answers, but not as its silences are written") from None
        return tuple(sorted((shown(one) for one in found if one.in_force), key=lambda one: (one.ends_at, one.id)))

    async def _ask(self, url: str, what: str) -> bytes:
        assert self._client is not None  # ``read`` has made it.
        try:
            async with asyncio.timeout(4.0):
                answer = await http.get(self._client, url, what)
        except TimeoutError:
            raise Unreachable(f"{what} gave no answer within 4 s") from None
        if answer.code != httpx.codes.OK:
            raise Unreachable(f"{what} answers with code {answer.code}")
        return answer.body


def merged(told: Iterable[RuleAlert], managed: Iterable[ManagedAlert]) -> tuple[Alert, ...]:
    """One alert for what both sides know; Alertmanager's may carry more labels (Prometheus adds its external ones)."""
    left = list(managed)
    alerts: list[Alert] = []
    for one in told:
        if one.state not in ("firing", "pending"):
            continue
        alert = _alert(fingerprint(one.labels), one.labels, one.annotations, one.state, one.active_at, ("prometheus",))
        twins = [other for other in left if one.state == "firing" and one.labels.items() <= other.labels.items()]
        if twins:
            twin = min(twins, key=lambda other: len(other.labels))
            left.remove(twin)
            state = _managed_state(twin)
            alert = replace(_managed(alert, twin), state=state, seen_by=("prometheus", "alertmanager"))
        alerts.append(alert)
    for rest in left:
        alert = _alert(
            rest.fingerprint, rest.labels, rest.annotations, _managed_state(rest), rest.starts_at, ("alertmanager",)
        )
        alerts.append(_managed(alert, rest))
    return tuple(sorted(alerts, key=_order))


def _managed_state(alert: ManagedAlert) -> str:
    if alert.status.state != SUPPRESSED:
        return "firing"
    return "silenced" if alert.status.silenced_by or not alert.status.inhibited_by else "inhibited"


def _managed(alert: Alert, known: ManagedAlert) -> Alert:
    """The alert with what only Alertmanager knows of it."""
    silences = tuple(clean(one, 64) for one in known.status.silenced_by)
    return replace(alert, managed=clean(known.fingerprint, 64), silenced_by=silences)


def _alert(
    identity: str,
    labels: Mapping[str, str],
    annotations: Mapping[str, str],
    state: str,
    since: datetime | None,
    seen_by: tuple[str, ...],
) -> Alert:
    name = clean(labels.get("alertname", ""))
    return Alert(
        fingerprint=clean(identity),
        name=name,
        severity=severity_of(labels.get("severity", ""), name),
        state=state,
        starts_at=since.timestamp() if since is not None else 0.0,
        summary=clean(annotations.get("summary") or annotations.get("description") or annotations.get("message", "")),
        labels=tuple(sorted((clean(key), clean(value)) for key, value in labels.items())),
        seen_by=seen_by,
        dashboard=_dashboard(annotations),
    )


def _dashboard(annotations: Mapping[str, str]) -> str:
    """The page that the rule names, if it is one: it is copied and opened by people."""
    found = clean(annotations.get("dashboard") or annotations.get("dashboard_url", ""), 512)
    return found if found.startswith(("https://", "http://")) and " " not in found else ""


def _order(alert: Alert) -> tuple[int, int, float, str, str]:
    urgency = alert.severity.urgency if alert.severity else -1
    return STATES.index(alert.state), -urgency, alert.starts_at, alert.name, alert.fingerprint


def fingerprint(labels: Mapping[str, str]) -> str:
    """The identity that Prometheus and Alertmanager give to a set of labels: FNV-1a over sorted names and values.

    >>> fingerprint({"alertname": "APIDown", "severity": "P0"})
    '12ec6a2ddb85b99f'
    """
    value = 14695981039346656037
    for name in sorted(labels):
        for part in (name, labels[name]):
            for byte in (*part.encode("utf-8", "replace"), 0xFF):
                value = (value ^ byte) * 1099511628211 & 0xFFFFFFFFFFFFFFFF
    return f"{value:016x}"
