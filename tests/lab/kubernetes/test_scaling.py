"""``kubectl top`` and the autoscaler, on what the real processes use."""

from __future__ import annotations

import datetime
import json
import os
import re
import signal
from typing import Any

import psutil
import pytest

from alphapulse_tui.lab.kubernetes.agent.usage import WINDOW_SECONDS
from tests.kubectl import Kubectl
from tests.lab_handle import LabHandle
from tests.waiting import wait_until

# The autoscaler's windows are seconds, but a busy machine starts pods slowly.
pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]


def top(kubectl: Kubectl, *words: str) -> dict[str, tuple[int, int]]:
    """``kubectl top pods``: name -> (thousandths of a core, MiB); it fails while no pod has figures yet."""
    lines = kubectl.run("top", "pods", "--no-headers", *words).stdout.splitlines()
    found = (re.fullmatch(r"(\S+)\s+(\d+)m\s+(\d+)Mi", line.strip()) for line in lines)
    return {one[1]: (int(one[2]), int(one[3])) for one in found if one}


def test_top_says_what_the_processes_use(kubectl: Kubectl, whole_lab: LabHandle) -> None:
    pods = [*kubectl.ready("api"), *kubectl.ready("redis-cluster"), *kubectl.ready("vault")]
    wait_until(lambda: set(pods) <= top(kubectl).keys(), 40, "figures of every pod")
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


def measured_at(kubectl: Kubectl) -> datetime.datetime:
    """When the last figures of all API pods were taken."""
    path = "/apis/metrics.k8s.io/v1beta1/namespaces/alphapulse/pods?labelSelector=app%3Dapi"
    items = json.loads(kubectl("get", "--raw", path))["items"]
    return min(datetime.datetime.fromisoformat(one["timestamp"]) for one in items)


def hpa(kubectl: Kubectl) -> Any:
    return kubectl.get("hpa", "api-hpa")


def limited(kubectl: Kubectl) -> str:
    conditions = hpa(kubectl)["status"].get("conditions") or []
    return next(
        (one["reason"] for one in conditions if one["type"] == "ScalingLimited" and one["status"] == "True"), ""
    )


@pytest.mark.long
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


def utilization(kubectl: Kubectl) -> int:
    """Percent of the request that the autoscaler believes in; 0 while it has no figure."""
    metric = hpa(kubectl)["status"]["currentMetrics"][0]
    return int(metric.get("resource", {}).get("current", {}).get("averageUtilization", 0))


@pytest.mark.long
def test_a_rollout_and_a_restarted_container_are_no_load(kubectl: Kubectl, whole_lab: LabHandle) -> None:
    """What a start costs must not make the autoscaler start more pods."""
    scaled = hpa(kubectl)["status"].get("lastScaleTime")
    kubectl("rollout", "restart", "deployment/api")
    kubectl("rollout", "status", "deployment/api", "--timeout=60s")
    names = set(kubectl.ready("api"))
    for one in whole_lab.status().processes:
        if one.name in names:
            os.kill(one.pid, signal.SIGKILL)
    wait_until(lambda: {kubectl.container(name)["restartCount"] for name in names} == {1}, 40, "three restarts")
    wait_until(lambda: set(kubectl.ready("api")) == names, 60, "three ready pods")
    wait_until(lambda: names <= top(kubectl, "-l", "app=api").keys(), 40, "figures of the new processes")
    first = measured_at(kubectl)
    # A window after the first figures the autoscaler has judged every one of them: it does so every 2 s.
    wait_until(lambda: (measured_at(kubectl) - first).total_seconds() >= WINDOW_SECONDS, 30, "a window of figures")
    assert wait_until(lambda: utilization(kubectl), 20, "a figure of the autoscaler's own") < 60  # type: ignore[operator]
    assert hpa(kubectl)["status"].get("lastScaleTime") == scaled
    assert set(kubectl.ready("api")) == names
