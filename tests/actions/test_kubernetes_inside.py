"""What the test from inside a pod sends and shows: no part of a password, whatever the template holds."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from alphapulse_tui.actions import kubernetes_inside
from alphapulse_tui.actions.kubernetes_exec import Answer
from tests.actions.api_server import API, NAMESPACE, PODS, action, server
from tests.actions.objects import deployment
from tests.model.test_endpoints import HOSTILE

__all__ = ["action", "server"]


@pytest.mark.parametrize("value", HOSTILE)
async def test_no_part_of_a_password_is_sent_or_shown(server, action, monkeypatch, value: str) -> None:
    made = deployment()
    made["spec"]["template"]["spec"]["containers"][0]["env"] = [{"name": "DATABASE_URL", "value": value}]
    running = {"metadata": {"name": "api-1", "uid": "p1"}, "status": {"containerStatuses": [{"ready": True}]}}
    server.answers |= {f"GET {NAMESPACE}/deployments/api": (200, made), f"GET {PODS}": (200, {"items": [running]})}
    sent: list[str] = []

    async def inside(link: Any, pod: str, container: str, command: Sequence[str], seconds: float) -> Answer:
        sent.extend(command[3:])
        told = ["database", "DATABASE_URL", "", False, "another program says password=s3cret"]
        return Answer(0, json.dumps(told), "")

    monkeypatch.setattr(kubernetes_inside, "run_inside", inside)
    test = action("kubernetes.test-inside")
    plan = await test.plan(API)
    result = await test.execute(plan)
    assert "cret" not in repr(plan) + repr(sent) + repr(result) and sent[0].startswith("database=DATABASE_URL=")
