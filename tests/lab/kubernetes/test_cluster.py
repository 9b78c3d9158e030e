"""The platform as kubectl sees it: pods are real processes, and what kubectl does to pods happens to processes."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess

import pytest

from tests.kubectl import Kubectl
from tests.lab_handle import LabHandle
from tests.waiting import wait_until

pytestmark = pytest.mark.lab

APPS = {"api": 3, "agent-workers": 2, "redis-cluster": 6, "vault": 3, "postgres-replica": 1}


def pid_of(lab: LabHandle, name: str) -> int:
    """The living process behind a pod, as the supervisor knows it."""
    return next((one.pid for one in lab.status().processes if one.name == name and one.state == "running"), 0)


def listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def all_ready(kubectl: Kubectl, app: str) -> bool:
    return len(kubectl.ready(app)) == len(kubectl.pods(app)) == APPS[app]


def test_every_pod_is_ready_and_a_process(whole_lab: LabHandle, kubectl: Kubectl) -> None:
    for app in APPS:
        wait_until(lambda app=app: all_ready(kubectl, app), 30, f"all pods of {app}")  # type: ignore[misc]
        for name in kubectl.ready(app):
            os.kill(pid_of(whole_lab, name), 0)
    assert {node["metadata"]["name"] for node in kubectl.get("nodes")["items"]} == {"lab-node-1"}


def test_a_killed_process_is_a_restart(whole_lab: LabHandle, kubectl: Kubectl) -> None:
    name = kubectl.ready("agent-workers")[0]
    before = kubectl.container(name)["restartCount"]
    os.kill(pid_of(whole_lab, name), signal.SIGKILL)
    wait_until(lambda: kubectl.container(name)["restartCount"] == before + 1, 20, "the restart to be counted")
    ended = kubectl.container(name)["lastState"]["terminated"]
    assert (ended["exitCode"], ended["reason"]) == (137, "Error")
    wait_until(lambda: name in kubectl.ready("agent-workers"), 30, "the pod to be ready again")
    reasons = {
        one["reason"] for one in kubectl.get("events", "--field-selector", f"involvedObject.name={name}")["items"]
    }
    assert "Started" in reasons


def test_scaling_a_stateful_set_to_nothing_stops_the_real_server(whole_lab: LabHandle, kubectl: Kubectl) -> None:
    port = whole_lab.ports["postgres-replica-0"]
    assert listens(port)
    try:
        kubectl("scale", "statefulset/postgres-replica", "--replicas=0")
        wait_until(lambda: not listens(port), 20, "the replica to be stopped")
        wait_until(lambda: kubectl.get("pods", "-l", "app=postgres-replica")["items"] == [], 20, "the pod to be gone")
        assert whole_lab.psql("SELECT count(*) FROM pg_stat_replication") == "0"
    finally:
        kubectl("scale", "statefulset/postgres-replica", "--replicas=1")
    wait_until(lambda: all_ready(kubectl, "postgres-replica"), 30, "the replica to be back")
    streaming = "SELECT application_name FROM pg_stat_replication WHERE state = 'streaming'"
    wait_until(lambda: whole_lab.psql(streaming) == "postgres-replica-0", 30, "the replica to stream again")


@pytest.mark.long
def test_a_restarted_vault_pod_comes_back_sealed(whole_lab: LabHandle, kubectl: Kubectl) -> None:
    standby = next(
        n
        for n in range(3)
        if '"is_self": true' not in whole_lab.bao(n, "status", "-format=json").stdout.replace('":true', '": true')
    )
    name = f"vault-{standby}"
    uid = kubectl.get("pod", name)["metadata"]["uid"]
    kubectl("delete", "pod", name)
    wait_until(
        lambda: name in [p["metadata"]["name"] for p in kubectl.pods("vault") if p["metadata"]["uid"] != uid],
        30,
        "a new pod",
    )
    wait_until(lambda: whole_lab.bao(standby, "status").returncode == 2, 30, "the node to be up and sealed")
    assert name not in kubectl.ready("vault")
    for share in whole_lab.shares()[:3]:
        whole_lab.bao(standby, "operator", "unseal", share)
    wait_until(lambda: all_ready(kubectl, "vault"), 30, "the unsealed pod to be ready")


def test_exec_runs_in_the_containers_environment(kubectl: Kubectl, whole_lab: LabHandle) -> None:
    pod = kubectl.ready("api")[0]
    assert kubectl("exec", pod, "--", "sh", "-c", 'echo "$DATABASE_URL $POD_NAME"').endswith(f"/alphapulse_prod {pod}")
    failed = kubectl.run("exec", pod, "--", "sh", "-c", "echo out; echo err >&2; exit 3")
    assert (failed.returncode, failed.stdout) == (3, "out\n")
    assert failed.stderr.startswith("err\n")
    assert kubectl("exec", "-i", pod, "--", "wc", "-c", stdin="x" * 100_000) == "100000"
    absent = kubectl.run("exec", pod, "--", "no-such-program")
    assert absent.returncode != 0
    assert "executable file not found" in absent.stderr
    assert whole_lab.status().faults == []


def test_logs_by_tail_and_timestamp(kubectl: Kubectl, whole_lab: LabHandle) -> None:
    pod = kubectl.ready("api")[0]
    lines = kubectl("logs", pod).splitlines()
    assert any("serves on 127.0.0.1" in line for line in lines)
    stamped = kubectl("logs", pod, "--tail=1", "--timestamps")
    assert stamped[:2] == "20"
    assert stamped.endswith(lines[-1])
    assert kubectl("logs", pod, "--since=1h").splitlines()[: len(lines)] == lines
    # A Redis node says nothing for minutes once its cluster is formed.
    wait_until(
        lambda: kubectl("logs", "redis-cluster-0", "--since=2s") == "", 60, "a log without a line of the last 2 s"
    )
    assert kubectl("logs", "redis-cluster-0", "--tail=1")
    nothing = kubectl.run("logs", pod, "--previous")
    assert "previous terminated container" in nothing.stderr
    assert whole_lab.status().faults == []


def test_following_a_log_ends_with_its_pod(kubectl: Kubectl, whole_lab: LabHandle) -> None:
    pod = kubectl.ready("agent-workers")[-1]
    environment = {**os.environ, "KUBECONFIG": str(whole_lab.directory / "kubernetes" / "oncall.kubeconfig")}
    with subprocess.Popen(
        ["kubectl", "logs", "-f", pod], env=environment, stdout=subprocess.PIPE, text=True
    ) as follower:
        assert follower.stdout is not None
        assert "dependencies open" in follower.stdout.readline()
        kubectl("delete", "pod", pod, "--wait=false")
        assert follower.wait(20) == 0
    wait_until(lambda: all_ready(kubectl, "agent-workers"), 30, "the pod's successor")


def evict(kubectl: Kubectl, pod: str) -> subprocess.CompletedProcess[str]:
    """What ``kubectl drain`` sends for each pod."""
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod, "namespace": "alphapulse"}}
    path = f"/api/v1/namespaces/alphapulse/pods/{pod}/eviction"
    return kubectl.run("create", "--raw", path, "-f", "-", stdin=json.dumps(body))


def test_a_disruption_budget_refuses_an_eviction(kubectl: Kubectl, whole_lab: LabHandle) -> None:
    """Vault may lack one pod at a time, and a sealed one is one."""
    assert kubectl.get("pdb", "vault")["status"]["disruptionsAllowed"] == 1
    whole_lab.break_("vault-sealed-one")
    wait_until(lambda: kubectl.get("pdb", "vault")["status"]["disruptionsAllowed"] == 0, 20, "the budget to be used up")
    victim = kubectl.ready("vault")[0]
    uid = kubectl.get("pod", victim)["metadata"]["uid"]
    refused = evict(kubectl, victim)
    assert refused.returncode != 0
    # 429 of the eviction API, in kubectl's words.
    assert "TooManyRequests" in refused.stderr
    assert "violate the pod's disruption budget" in refused.stderr
    assert kubectl.get("pod", victim)["metadata"]["uid"] == uid
    whole_lab.mend()
    wait_until(lambda: kubectl.get("pdb", "vault")["status"]["disruptionsAllowed"] == 1, 20, "the budget to have room")


def test_an_eviction_within_the_budget_replaces_the_pod(kubectl: Kubectl, whole_lab: LabHandle) -> None:
    victim = kubectl.ready("api")[0]
    assert evict(kubectl, victim).returncode == 0
    wait_until(lambda: victim not in kubectl.ready("api") and len(kubectl.ready("api")) == 3, 40, "its successor")


@pytest.mark.long
def test_the_quota_refuses_what_the_namespace_has_no_room_for(kubectl: Kubectl, whole_lab: LabHandle) -> None:
    hard = kubectl.get("resourcequota", "alphapulse")["status"]["hard"]
    assert hard == {"pods": "40", "requests.cpu": "3", "requests.memory": "4Gi"}
    try:
        # The runbook's number of workers (3.3): the Deployment takes it, the quota does not.
        kubectl("scale", "deployment/agent-workers", "--replicas=120")

        def refused() -> bool:
            conditions = kubectl.get("deployment", "agent-workers")["status"]["conditions"]
            return any(
                one["type"] == "ReplicaFailure" and "exceeded quota: alphapulse" in one["message"] for one in conditions
            )

        wait_until(refused, 20, "the refusal in the Deployment's status")
    finally:
        kubectl("scale", "deployment/agent-workers", "--replicas=2")
    wait_until(lambda: all_ready(kubectl, "agent-workers"), 60, "two workers again")
