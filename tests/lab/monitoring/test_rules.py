"""The six alerts are the runbook's: names, severities, and the procedure that each one leads to."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from alphapulse_tui.lab.monitoring.prometheus import rules
from alphapulse_tui.model.alerts import ALERT_PROCEDURES

SEVERITIES = {
    "APIDown": "P0",
    "HighLatency": "P1",
    "HighErrorRate": "P1",
    "DBConnectionPool": "P1",
    "RedisMemory": "P2",
    "VaultSealed": "P0",
}


def alerts() -> dict[str, Any]:
    groups = yaml.safe_load(rules())["groups"]
    return {rule["alert"]: rule for group in groups for rule in group["rules"]}


def test_they_are_the_six_of_the_runbook() -> None:
    assert {name: rule["labels"]["severity"] for name, rule in alerts().items()} == SEVERITIES


@pytest.mark.parametrize("name", SEVERITIES)
def test_each_leads_to_the_procedure_that_the_cockpit_opens(name: str) -> None:
    annotations = alerts()[name]["annotations"]
    assert annotations["procedure"] == ALERT_PROCEDURES[name]
    assert annotations["summary"]


@pytest.mark.parametrize(
    ("name", "threshold"),
    [("HighLatency", "> 0.5"), ("HighErrorRate", "> 0.005"), ("DBConnectionPool", "> 0.8"), ("RedisMemory", "> 0.9")],
)
def test_thresholds_are_the_runbooks(name: str, threshold: str) -> None:
    assert alerts()[name]["expr"].strip().endswith(threshold)
