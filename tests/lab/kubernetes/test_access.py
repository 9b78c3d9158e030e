"""Rights: what deploy/privileges/kubernetes gives is enough and no more, and the cockpit names what is missing."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest
import yaml

from alphapulse_tui.lab.privileges import privileges
from alphapulse_tui.model.kubernetes import KubernetesSnapshot
from alphapulse_tui.sources.kubernetes import KubernetesSource
from tests.kubectl import Kubectl
from tests.lab_handle import LabHandle
from tests.waiting import wait_until

pytestmark = pytest.mark.lab

READ, WATCH = "get list", "get list watch"
VIEWER = {
    "pods": WATCH,
    "events": WATCH,
    "services": WATCH,
    "pods/log": "get",
    "resourcequotas": READ,
    "limitranges": READ,
    "deployments.apps": WATCH,
    "replicasets.apps": WATCH,
    "statefulsets.apps": WATCH,
    "endpointslices.discovery.k8s.io": WATCH,
    "horizontalpodautoscalers.autoscaling": WATCH,
    "poddisruptionbudgets.policy": READ,
    "jobs.batch": WATCH,
    "pods.metrics.k8s.io": READ,
    "virtualservices.networking.istio.io": WATCH,
    "nodes": WATCH,
    "nodes.metrics.k8s.io": READ,
}
ONCALL = VIEWER | {
    "configmaps [alphapulse-platform]": "get",
    "pods": "delete get list watch",
    "pods/eviction": "create",
    "pods/exec": "create get",
    "deployments.apps": "get list patch watch",
    "statefulsets.apps": "get list patch watch",
    "deployments.apps/scale": "get patch",
    "statefulsets.apps/scale": "get patch",
    "horizontalpodautoscalers.autoscaling": "get list patch watch",
    "virtualservices.networking.istio.io": "get list patch watch",
    "jobs.batch": "create get list watch",
}
"""Everything that each may do in the namespace; kubectl lists it by ``resource.group/part [names]``."""

OF_EVERYBODY = re.compile(r"self\w+\.(authentication|authorization)\.k8s\.io")
"""What Kubernetes lets every user ask about himself."""

NEEDED = {
    "kubernetes panel": ["list pods", "watch pods", "list deployments", "list replicasets", "watch statefulsets"],
    "history": ["list events", "list replicasets"],
    "scale": ["get deployments", "list hpa", "patch deployments --subresource=scale", "get statefulsets --subresource=scale"],
    "restart, roll back, set image, memory limit, apply": ["patch deployments", "patch statefulsets", "list replicasets"],
    "previous log": ["get pods", "get pods --subresource=log"],
    "api-crashloop": ["create pods --subresource=exec", "get pods --subresource=exec", "get configmap/alphapulse-platform"],
    "deploy-canary": ["get virtualservices", "patch virtualservices"],
    "rollback-migration": ["create jobs", "watch jobs"],
    "scale-hpa": ["get hpa", "patch hpa", "list resourcequotas", "list nodes"],
    "restart one pod": ["delete pods", "create pods --subresource=eviction"],
}  # fmt: skip
"""What actions and the procedures of runbook 2.4 and 3.1 to 3.3 send."""


def allowed(kubectl: Kubectl, user: str) -> dict[str, str]:
    """``kubectl auth can-i --list``: resource -> verbs, sorted."""
    found: dict[str, set[str]] = {}
    for line in kubectl.as_user(user)("auth", "can-i", "--list", "--no-headers").splitlines():
        row = re.fullmatch(r"(\S*)\s+\[(.*?)\]\s+\[(.*?)\]\s+\[(.*?)\]\s*", line)
        assert row, line
        resource, _, names, verbs = row.groups()
        if resource and not OF_EVERYBODY.match(resource):
            found.setdefault(f"{resource} [{names}]" if names else resource, set()).update(verbs.split())
    return {resource: " ".join(sorted(verbs)) for resource, verbs in found.items()}


@pytest.mark.parametrize(("user", "rights"), [("oncall", ONCALL), ("viewer", VIEWER)])
def test_these_rights_and_no_others(kubectl: Kubectl, user: str, rights: dict[str, str]) -> None:
    assert allowed(kubectl, user) == rights


@pytest.mark.parametrize("need", NEEDED)
def test_what_on_call_needs_is_allowed_to_him_and_changes_are_not_to_a_viewer(kubectl: Kubectl, need: str) -> None:
    for question in NEEDED[need]:
        words = ["auth", "can-i", *question.split()]
        assert kubectl.run(*words).stdout.strip() == "yes", question
        reads = words[2] in ("get", "list", "watch") and "exec" not in question and "scale" not in question
        if "configmap" not in question:
            said = kubectl.as_user("viewer").run(*words).stdout.strip()
            assert said == ("yes" if reads else "no"), question


@pytest.mark.parametrize(
    "question",
    ["get secrets", "list configmaps", "create deployments", "delete deployments", "delete hpa", "patch roles", "patch pdb",
     "patch resourcequotas", "delete virtualservices", "create pods", "patch nodes", "get pods --namespace=kube-system",
     "create serviceaccounts --subresource=token", "impersonate users"],
)  # fmt: skip
def test_what_nobody_on_call_needs_is_refused(kubectl: Kubectl, question: str) -> None:
    assert kubectl.run("auth", "can-i", *question.split()).stdout.strip() == "no"


def test_admin_may_do_everything_by_his_group(kubectl: Kubectl) -> None:
    assert kubectl.as_user("admin").run("auth", "can-i", "*", "*", "--all-namespaces").stdout.strip() == "yes"


def test_the_files_are_what_the_lab_runs_on(kubectl: Kubectl) -> None:
    """Applying them again as a platform team does changes nothing."""
    said = kubectl.as_user("admin")("diff", "--server-side", "--force-conflicts", "-f", str(privileges("kubernetes")))
    assert said == ""


@pytest.fixture
def without_stateful_sets(kubectl: Kubectl) -> Iterator[None]:
    """The viewer's Role without the right to read StatefulSets, for a while."""
    admin = kubectl.as_user("admin")
    role, _ = yaml.safe_load_all((privileges("kubernetes") / "viewer.yaml").read_text())
    less = json.loads(json.dumps(role))
    for rule in less["rules"]:
        rule["resources"] = [one for one in rule["resources"] if one != "statefulsets"]
    admin("replace", "-f", "-", stdin=json.dumps(less))
    yield
    admin("replace", "-f", "-", stdin=json.dumps(role))


async def viewed(lab: LabHandle) -> tuple[KubernetesSnapshot, list[str]]:
    """What the cockpit reads with the viewer's kubeconfig, and what it says that it cannot read."""
    source = KubernetesSource(str(lab.directory / "kubernetes" / "viewer.kubeconfig"), "", "alphapulse")
    try:
        snapshot = await source.read()
        return snapshot, [one.sentence for one in source.judge(snapshot) if "can be read" in one.sentence]
    finally:
        await source.close()


async def test_a_viewer_sees_the_whole_namespace(kubectl: Kubectl, whole_lab: LabHandle) -> None:
    snapshot, missing = await viewed(whole_lab)
    assert {pod.name for pod in snapshot.pods} == {one["metadata"]["name"] for one in kubectl.get("pods")["items"]}
    assert missing == []


async def test_what_a_viewer_may_not_read_is_named(
    kubectl: Kubectl, whole_lab: LabHandle, without_stateful_sets: None
) -> None:
    wait_until(lambda: "statefulsets.apps" not in allowed(kubectl, "viewer"), 10, "the right to be gone")
    snapshot, missing = await viewed(whole_lab)
    assert missing == ["not everything can be read: statefulsets: list in namespace alphapulse"]
    assert snapshot.pods
