"""``kubectl top`` and the autoscaler, on what the real processes use."""

from __future__ import annotations

import json
import re
from typing import Any

import psutil
import pytest

from tests.kubectl import Kubectl
from tests.lab_handle import LabHandle
from tests.waiting import wait_until

# The autoscaler's windows are seconds, but a busy machine starts pods slowly.
pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]


def top(kubectl: Kubectl, *words: str) -> dict[str, tuple[int, int]]:
    """``kubectl top pods``: name -> (thousandths of a core, MiB)."""
    lines = kubectl("top", "pods", "--no-headers", *words).splitlines()
    found = (re.fullmatch(r"(\S+)\s+(\d+)m\s+(\d+)Mi", line.strip()) for line in lines)
    return {one[1]: (int(one[2]), int(one[3])) for one in found if one}


def test_top_says_what_the_processes_use(kubectl: Kubectl, whole_lab: LabHandle) -> None:
    pods = [*kubectl.ready("api"), *kubectl.ready("redis-cluster"), *kubectl.ready("vault")]
    wait_until(lambda: set(pods) <= top(kubectl).keys(), 20, "figures of every pod")
    figures = top(kubectl)
    running = {one.name: one.pid for one in whole_lab.status().processes if one.state == "running"}
    for name in pods:
        resident = psutil.Process(running[name]).memory_info().rss / 1048576
        assert figures[name][1] == pytest.approx(resident, rel=0.2, abs=2), name
    assert top(kubectl, "-l", "app=api").keys() == set(kubectl.ready("api"))
    node = kubectl("top", "nodes", "--no-headers").split()
    assert node[0] == "lab-node-1"
    assert int(node[1].removesuffix("m")) > 0
    assert "not found" in kubectl.run("top", "pod", "nobody").stderr


def hpa(kubectl: Kubectl) -> Any:
    return kubectl.get("hpa", "api-hpa")


def limited(kubectl: Kubectl) -> str:
    conditions = hpa(kubectl)["status"].get("conditions") or []
    return next(
        (one["reason"] for one in conditions if one["type"] == "ScalingLimited" and one["status"] == "True"), ""
    )


def test_the_autoscaler_follows_a_surge_to_its_maximum_and_beyond_it_when_a_person_raises_it(
    kubectl: Kubectl, whole_lab: LabHandle
) -> None:
    wait_until(lambda: hpa(kubectl)["status"].get("currentReplicas") == 3, 30, "the autoscaler at its minimum")
    said = whole_lab.break_("hpa-at-maximum")
    assert said == "api: HPA api-hpa is at its maximum of 5 and would want more"
    assert limited(kubectl) == "TooManyReplicas"
    wait_until(lambda: len(kubectl.ready("api")) == 5, 60, "five ready pods")
    assert sum(cores for cores, _ in top(kubectl, "-l", "app=api").values()) > 5 * 60
    try:
        kubectl("patch", "hpa", "api-hpa", "-p", json.dumps({"spec": {"maxReplicas": 10}}))
        wait_until(lambda: len(kubectl.ready("api")) > 5, 60, "more pods than before")
        wait_until(lambda: limited(kubectl) != "TooManyReplicas", 60, "an autoscaler that has what it wants")
    finally:
        whole_lab.mend("hpa-at-maximum")
        kubectl("patch", "hpa", "api-hpa", "-p", json.dumps({"spec": {"maxReplicas": 5}}))
    assert hpa(kubectl)["status"]["desiredReplicas"] == 3
    wait_until(lambda: len(kubectl.ready("api")) == len(kubectl.pods("api")) == 3, 60, "three pods again")


def test_a_rollout_is_no_load(kubectl: Kubectl, whole_lab: LabHandle) -> None:
    """What a pod's start costs must not make the autoscaler start more of them."""
    scaled = hpa(kubectl)["status"].get("lastScaleTime")
    kubectl("rollout", "restart", "deployment/api")
    kubectl("rollout", "status", "deployment/api", "--timeout=60s")
    names = set(kubectl.ready("api"))
    wait_until(lambda: names <= top(kubectl, "-l", "app=api").keys(), 30, "figures of the new pods")
    wait_until(lambda: (hpa(kubectl)["status"].get("currentMetrics") or [{}])[0].get("resource"), 30, "a figure")
    assert hpa(kubectl)["status"].get("lastScaleTime") == scaled
    assert set(kubectl.ready("api")) == names
