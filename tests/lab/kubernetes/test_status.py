"""A pod's status in the API's words."""

from __future__ import annotations

from typing import Any

import pytest

from alphapulse_tui.lab.kubernetes.agent import status
from alphapulse_tui.lab.kubernetes.quantities import to_bytes

RUNNING: dict[str, Any] = {"running": {}}
CREATING: dict[str, Any] = {"waiting": {"reason": "ContainerCreating"}}
BACKING_OFF: dict[str, Any] = {"waiting": {"reason": "CrashLoopBackOff"}}
DONE: dict[str, Any] = {"terminated": {"exitCode": 0}}
FAILED: dict[str, Any] = {"terminated": {"exitCode": 1}}


@pytest.mark.parametrize(
    ("states", "policy", "phase"),
    [
        ([CREATING], "Always", "Pending"),
        ([RUNNING], "Always", "Running"),
        ([RUNNING, CREATING], "Always", "Running"),
        ([BACKING_OFF], "Always", "Running"),
        ([FAILED], "Always", "Running"),
        ([DONE], "Always", "Running"),
        ([DONE], "OnFailure", "Succeeded"),
        ([FAILED], "OnFailure", "Running"),
        ([DONE], "Never", "Succeeded"),
        ([DONE, FAILED], "Never", "Failed"),
    ],
)
def test_phase(states: list[dict[str, Any]], policy: str, phase: str) -> None:
    assert status.phase(states, policy) == phase


@pytest.mark.parametrize(
    ("returncode", "out_of_memory", "reason", "code", "signal"),
    [
        (0, False, "Completed", 0, None),
        (1, False, "Error", 1, None),
        (-9, False, "Error", 137, 9),
        (-9, True, "OOMKilled", 137, 9),
    ],
)
def test_how_a_container_ended(
    returncode: int, out_of_memory: bool, reason: str, code: int, signal: int | None
) -> None:
    state = status.terminated(returncode, 0.0, 61.0, out_of_memory=out_of_memory, message="", identity="lab://1")
    assert (state["reason"], state["exitCode"], state.get("signal")) == (reason, code, signal)
    assert state["finishedAt"] == "1970-01-01T00:01:01Z"
    assert "message" not in state


def test_a_condition_keeps_the_moment_of_its_last_change() -> None:
    unready = [{"name": "api", "ready": False}]
    first = status.conditions([], unready, "Running")
    for condition in first:
        condition["lastTransitionTime"] = "2026-01-01T00:00:00Z"
    same = {one["type"]: one for one in status.conditions(first, unready, "Running")}
    assert same["Ready"]["lastTransitionTime"] == "2026-01-01T00:00:00Z"
    assert same["Ready"]["message"] == "containers with unready status: [api]"
    now = {one["type"]: one for one in status.conditions(first, [{"name": "api", "ready": True}], "Running")}
    assert now["Ready"]["status"] == "True"
    assert now["Ready"]["lastTransitionTime"] != "2026-01-01T00:00:00Z"
    assert now["Initialized"]["lastTransitionTime"] == "2026-01-01T00:00:00Z"


@pytest.mark.parametrize(
    ("quantity", "size"),
    [
        ("0", 0),
        ("384Mi", 384 << 20),
        ("1Gi", 1 << 30),
        ("1.5Gi", 3 << 29),
        ("1G", 10**9),
        ("500k", 500_000),
        ("128974848", 128974848),
    ],
)
def test_quantities(quantity: str, size: int) -> None:
    assert to_bytes(quantity) == size
