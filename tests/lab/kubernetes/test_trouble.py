"""What goes wrong with containers and with the control plane, as kubectl sees it."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from tests.kubectl import Kubectl
from tests.lab_handle import LabHandle
from tests.waiting import wait_until

pytestmark = pytest.mark.lab


@pytest.fixture
def lone_pod(kubectl: Kubectl, whole_lab: LabHandle) -> Iterator[Any]:
    """Makes pods from changes to a worker's template; removes them at the end."""
    admin = kubectl.as_user("admin")
    template = admin.get("deployment", "agent-workers")["spec"]["template"]
    made = []

    def make(name: str, **changes: Any) -> str:
        spec = json.loads(json.dumps(template["spec"]))
        policy = changes.pop("restartPolicy", "Always")
        spec["containers"][0].update(changes)
        spec["restartPolicy"] = policy
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"app": "test"}}, "spec": spec}
        admin("apply", "-f", "-", stdin=json.dumps(pod))
        made.append(name)
        return name

    yield make
    for name in made:
        admin("delete", "pod", name, "--grace-period=1")


def waits_with(kubectl: Kubectl, pod: str, reason: str) -> bool:
    status = kubectl.container(pod)
    return bool(status) and status["state"].get("waiting", {}).get("reason") == reason


def test_over_the_memory_limit_is_oom_killed(kubectl: Kubectl, lone_pod: Any) -> None:
    pod = lone_pod("test-oom", resources={"limits": {"memory": "24Mi"}}, restartPolicy="Never")
    wait_until(
        lambda: (kubectl.container(pod) or {}).get("state", {}).get("terminated"), 30, "the end of the container"
    )
    ended = kubectl.container(pod)["state"]["terminated"]
    assert (ended["reason"], ended["exitCode"]) == ("OOMKilled", 137)
    assert kubectl.get("pod", pod)["status"]["phase"] == "Failed"


def test_an_image_that_does_not_exist_cannot_be_pulled(kubectl: Kubectl, lone_pod: Any) -> None:
    pod = lone_pod("test-image", image="alphapulse/agent-worker:v9-typo")
    wait_until(lambda: waits_with(kubectl, pod, "ImagePullBackOff"), 20, "ImagePullBackOff")
    events = kubectl.get("events", "--field-selector", f"involvedObject.name={pod}")["items"]
    told = {(one["type"], one["reason"], one["message"]) for one in events}
    image = "alphapulse/agent-worker:v9-typo"
    assert ("Normal", "Pulling", f'Pulling image "{image}"') in told
    assert ("Warning", "Failed", "Error: ErrImagePull") in told
    assert any(reason == "Failed" and f'Failed to pull image "{image}": rpc error' in said for _, reason, said in told)
    status = kubectl.container(pod)
    assert (status["imageID"], status["restartCount"]) == ("", 0) and not status["ready"]
    assert f'Back-off pulling image "{image}": ErrImagePull: ' in status["state"]["waiting"]["message"]
    assert kubectl.get("pod", pod)["status"]["phase"] == "Pending"


def test_a_missing_secret_is_a_configuration_error(kubectl: Kubectl, lone_pod: Any) -> None:
    variable = {"name": "X", "valueFrom": {"secretKeyRef": {"name": "gone", "key": "k"}}}
    pod = lone_pod("test-config", env=[variable])
    wait_until(lambda: waits_with(kubectl, pod, "CreateContainerConfigError"), 20, "CreateContainerConfigError")
    assert kubectl.container(pod)["state"]["waiting"]["message"] == 'secret "gone" not found'
    about = ("events", "--field-selector", f"involvedObject.name={pod},reason=Failed")
    wait_until(
        lambda: 'Error: secret "gone" not found' in [one["message"] for one in kubectl.get(*about)["items"]],
        20,
        "the event",
    )


@pytest.mark.long
def test_a_bad_database_url_is_a_crash_loop_that_a_rollback_ends(kubectl: Kubectl, whole_lab: LabHandle) -> None:
    said = whole_lab.break_("api-crashloop-database")
    assert said.startswith("api: move the API to the new database endpoint (generation ")
    assert said.endswith("its new pods crash")
    crashed = [
        pod["metadata"]["name"]
        for pod in kubectl.pods("api")
        if waits_with(kubectl, pod["metadata"]["name"], "CrashLoopBackOff")
    ]
    assert crashed
    status = kubectl.container(crashed[0])
    assert status["lastState"]["terminated"]["exitCode"] == 1
    assert "DATABASE_URL" in status["lastState"]["terminated"]["message"]
    previous = kubectl("logs", crashed[0], "--previous")
    assert "FATAL database: cannot connect to 127.0.0.1:1/alphapulse_prod (DATABASE_URL)" in previous
    assert "move the API to the new database endpoint" in kubectl("rollout", "history", "deployment/api")
    assert len(kubectl.ready("api")) == 2

    kubectl("rollout", "undo", "deployment/api")
    kubectl("rollout", "status", "deployment/api", "--timeout=40s")
    wait_until(lambda: len(kubectl.ready("api")) == len(kubectl.pods("api")) == 3, 20, "three ready pods")
    assert whole_lab.mend() == ["api-crashloop-database"]
    assert len(kubectl.ready("api")) == 3


@pytest.mark.long
def test_the_lab_mends_the_bad_release_by_itself(kubectl: Kubectl, whole_lab: LabHandle) -> None:
    whole_lab.break_("api-crashloop-database")
    whole_lab.mend("api-crashloop-database")
    variables = kubectl.get("deployment", "api")["spec"]["template"]["spec"]["containers"][0]["env"]
    assert all("value" not in one for one in variables if one["name"] == "DATABASE_URL")
    assert len(kubectl.ready("api")) == 3


def test_a_pod_deleted_by_force_is_gone_at_once_and_its_process_too(kubectl: Kubectl, whole_lab: LabHandle) -> None:
    name = kubectl.ready("api")[0]
    pid = next(one.pid for one in whole_lab.status().processes if one.name == name)
    kubectl("delete", "pod", name, "--grace-period=0", "--force")
    wait_until(lambda: not _lives(pid), 10, "the process to be killed")
    wait_until(lambda: len(kubectl.ready("api")) == 3, 30, "its successor")


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.long
def test_the_node_goes_on_after_the_api_server_was_killed(kubectl: Kubectl, whole_lab: LabHandle) -> None:
    api_server = next(one.pid for one in whole_lab.status().processes if one.name == "kube-apiserver")
    survivor = kubectl.ready("redis-cluster")[0]
    before = kubectl.container(survivor)["containerID"]
    os.kill(api_server, signal.SIGKILL)
    wait_until(lambda: kubectl.run("get", "--raw", "/readyz").stdout == "ok", 40, "the API server to be back")
    kubectl("delete", "pod", kubectl.ready("api")[0], "--wait=false")
    wait_until(lambda: len(kubectl.ready("api")) == len(kubectl.pods("api")) == 3, 40, "the deleted pod's successor")
    assert kubectl.container(survivor)["containerID"] == before
    assert whole_lab.status().faults == []


UNREACHABLE = json.dumps(
    {"status": {"conditions": [{"type": "Ready", "status": "Unknown", "reason": "NodeStatusUnknown"}]}}
)
"""What the controller manager writes of a node whose lease is old, after an API server that hung for over 40 s."""

NOT_READY = json.dumps({"status": {"conditions": [{"type": "Ready", "status": "False"}]}})
"""And then of each of its pods."""


@pytest.mark.long
def test_a_node_that_was_given_up_and_its_pods_are_ready_again(kubectl: Kubectl, whole_lab: LabHandle) -> None:
    admin = kubectl.as_user("admin")
    wait_until(lambda: len(kubectl.ready("api")) == 3, 60, "the API's pods to be ready")
    admin("patch", "node", "lab-node-1", "--subresource=status", "-p", UNREACHABLE)
    for pod in kubectl.ready("api"):
        admin("-n", "alphapulse", "patch", "pod", pod, "--subresource=status", "-p", NOT_READY)
    said = "jsonpath={.status.conditions[?(@.type=='Ready')].status}"
    wait_until(lambda: admin("get", "node", "lab-node-1", "-o", said) == "True", 30, "the node to be ready again")
    wait_until(lambda: len(kubectl.ready("api")) == 3, 30, "its pods to be ready again")
    wait_until(lambda: "taints" not in admin.get("node", "lab-node-1")["spec"], 30, "the taint to be gone")
