"""Alerts fire from real faults and reach the real Alertmanager."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.kubectl import Kubectl
from tests.lab_handle import LabHandle
from tests.waiting import wait_until
from tests.web import web

# An alert takes its rule's wait to come and the rate's window to go.
pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]

FIRES_SECONDS = 90
"""Scrape, evaluation, the rule's own wait and a busy machine."""


@pytest.fixture
def monitored(whole_lab: LabHandle) -> LabHandle:
    whole_lab.wait("api", "prometheus", "alertmanager", timeout=900.0)
    wait_until(lambda: not firing(whole_lab), FIRES_SECONDS, "alerts of earlier tests to end")
    return whole_lab


def prometheus(lab: LabHandle, path: str) -> Any:
    return web.get(f"http://127.0.0.1:{lab.ports['prometheus']}/api/v1/{path}").json()["data"]


def firing(lab: LabHandle) -> dict[str, Any]:
    """Alertmanager's active alerts by name and instance."""
    alerts = web.get(f"http://127.0.0.1:{lab.ports['alertmanager']}/api/v2/alerts").json()
    return {" ".join(filter(None, (one["labels"]["alertname"], one["labels"].get("instance")))): one for one in alerts}


def fires(lab: LabHandle, name: str) -> Any:
    """Wait until an alert is at Alertmanager, and return it."""
    return wait_until(lambda: firing(lab).get(name), FIRES_SECONDS, f"{name} at Alertmanager", interval=0.3)


def ends(lab: LabHandle, name: str) -> None:
    wait_until(lambda: name not in firing(lab), FIRES_SECONDS, f"the end of {name}", interval=0.3)


def test_all_rules_are_sound_and_all_targets_are_scraped(monitored: LabHandle) -> None:
    rules = [rule for group in prometheus(monitored, "rules?type=alert")["groups"] for rule in group["rules"]]
    assert {(rule["health"], rule.get("lastError")) for rule in rules} == {("ok", None)}
    assert len(rules) == 6

    def jobs() -> dict[str, int]:
        found: dict[str, int] = {}
        for target in prometheus(monitored, "targets?state=active")["activeTargets"]:
            found[target["labels"]["job"]] = found.get(target["labels"]["job"], 0) + (target["health"] == "up")
        return found

    wanted = {"api": 3, "agent-workers": 2, "edge": 1, "exporter": 1, "prometheus": 1, "alertmanager": 1}
    wait_until(lambda: jobs() == wanted, 40, "every target to be scraped")


@pytest.mark.long
def test_a_sealed_vault_node(monitored: LabHandle) -> None:
    node = monitored.break_("vault-sealed-one").split()[1]
    alert = fires(monitored, f"VaultSealed {node}")
    assert alert["labels"]["severity"] == "P0"
    assert alert["annotations"] == {"summary": f"Vault node {node} is sealed", "procedure": "vault-sealed"}
    monitored.mend()
    ends(monitored, f"VaultSealed {node}")


def test_a_connection_storm(monitored: LabHandle) -> None:
    monitored.break_("connection-storm")
    alert = fires(monitored, "DBConnectionPool")
    assert alert["labels"]["severity"] == "P1"
    assert "of the PostgreSQL connections are used (limit 80 %)" in alert["annotations"]["summary"]
    monitored.mend()
    ends(monitored, "DBConnectionPool")


@pytest.mark.long
def test_no_api_pod_is_ready(monitored: LabHandle, kubectl: Kubectl) -> None:
    health = f"http://127.0.0.1:{monitored.ports['api']}/health"
    try:
        kubectl("scale", "deployment/api", "--replicas=0")
        wait_until(lambda: web.get(health).status_code == 503, 20, "the edge to have no pod")
        assert web.get(health).json()["error"] == "no API pod is ready"
        assert fires(monitored, "APIDown")["labels"]["severity"] == "P0"
    finally:
        kubectl("scale", "deployment/api", "--replicas=3")
    wait_until(lambda: web.get(health).status_code == 200, 40, "the API to be healthy")
    ends(monitored, "APIDown")


@pytest.mark.long
def test_a_hung_database_is_slow_and_fails_requests(monitored: LabHandle) -> None:
    monitored.break_("target-hung", "postgres")
    assert fires(monitored, "HighLatency")["labels"]["severity"] == "P1"
    assert fires(monitored, "HighErrorRate")["annotations"]["procedure"] == "api-errors"
    monitored.mend()
    ends(monitored, "HighErrorRate")
    ends(monitored, "HighLatency")


@pytest.mark.long
def test_a_full_redis(monitored: LabHandle) -> None:
    monitored.break_("redis-memory-pressure")
    alert = fires(monitored, f"RedisMemory redis-cluster-{_full_master(monitored)}")
    assert alert["labels"]["severity"] == "P2"
    assert alert["annotations"]["procedure"] == "redis-memory"
    monitored.mend()
    wait_until(
        lambda: not any(name.startswith("RedisMemory") for name in firing(monitored)), FIRES_SECONDS, "the end of it"
    )


def _full_master(lab: LabHandle) -> int:
    return next(ordinal for ordinal in range(6) if lab.redis_cli(ordinal, "role").startswith("master"))


@pytest.mark.long
def test_with_a_dead_pipeline_alerts_reach_nobody_until_it_lives(monitored: LabHandle) -> None:
    node = monitored.break_("vault-sealed-one").split()[1]
    fires(monitored, f"VaultSealed {node}")
    monitored.break_("alert-pipeline-dead")
    with pytest.raises(httpx.ConnectError):
        firing(monitored)

    def unsent() -> float:
        # Counted for each Alertmanager that could not be told; the alert goes on being sent every 5 s.
        found = prometheus(monitored, "query?query=sum(prometheus_notifications_errors_total)")["result"]
        return float(found[0]["value"][1]) if found else 0.0

    wait_until(lambda: unsent() > 0, FIRES_SECONDS, "Prometheus to say that it reaches nobody", interval=0.5)
    states = {alert["labels"]["alertname"]: alert["state"] for alert in prometheus(monitored, "alerts")["alerts"]}
    assert states["VaultSealed"] == "firing"
    assert monitored.mend("alert-pipeline-dead") == ["alert-pipeline-dead"]
    fires(monitored, f"VaultSealed {node}")
