"""Memory of one container, eviction, a manifest, an autoscaler's maximum: what is sent, what is refused, and why."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from alphapulse_tui.actions import kubernetes_autoscaler, kubernetes_scale
from alphapulse_tui.actions.api_budget import Budget
from alphapulse_tui.actions.contract import ActionProblem, SentWithoutAnswer
from alphapulse_tui.actions.kubernetes_link import Overtaken
from alphapulse_tui.model.plan import Outcome, Risk, Verdict
from tests.actions.api_server import API, CUT, HPAS, NAMESPACE, PODS, action, failure, server
from tests.actions.objects import deployment

__all__ = ["action", "server"]

QUOTAS = "/api/v1/namespaces/alphapulse/resourcequotas"


def bounded(**resources: Any) -> dict[str, Any]:
    """A Deployment of two containers, of which ``api`` has these resources."""
    made = deployment()
    api = {"name": "api", "image": "api:2", **({"resources": resources} if resources else {})}
    sidecar = {"name": "sidecar", "image": "proxy:1", "resources": {"limits": {"memory": "64Mi"}}}
    made["spec"]["template"]["spec"]["containers"] = [api, sidecar]
    return made


def node(memory: str, **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": "n"}, "spec": spec, "status": {"allocatable": {"memory": memory, "cpu": "4"}}}


@pytest.fixture
def memory(server, action):
    """The action on a Deployment with limit 384Mi and request 96Mi, one node of 64Gi, no quota."""
    server.answers |= {
        f"GET {NAMESPACE}/deployments/api": (200, bounded(limits={"memory": "384Mi"}, requests={"memory": "96Mi"})),
        "GET /api/v1/nodes": (200, {"items": [node("64Gi")]}),
        f"GET {QUOTAS}": (200, {"items": []}),
    }
    return action("kubernetes.set-memory")


ONE = {**API, "container": "api"}


async def test_only_the_named_container_is_changed_and_its_name_is_tested(server, memory):
    plan = await memory.plan({**ONE, "memory": "8Gi"})
    assert plan.risk is Risk.DISRUPTIVE and "from 384Mi to 8Gi" in plan.sentence and plan.warnings == ()
    assert "set resources deployment/api -c api --limits=memory=8Gi" in plan.shell
    assert plan.victims[0].facts["replicas x limit"] == "3 x 8Gi = 24.0 GiB"
    await memory.execute(plan)
    operations = server.asked[-1][2]
    assert operations[2:5] == [
        {"op": "test", "path": "/spec/template/spec/containers/0/name", "value": "api"},
        {"op": "test", "path": "/spec/template/spec/containers/0/resources/limits/memory", "value": "384Mi"},
        {"op": "add", "path": "/spec/template/spec/containers/0/resources/limits/memory", "value": "8Gi"},
    ]
    assert not any("containers/1" in operation["path"] for operation in operations)
    back = await memory.plan(plan.undo_params)
    assert "is 384Mi already" in back.refusal


async def test_the_request_follows_a_limit_below_it(server, memory):
    plan = await memory.plan({**ONE, "memory": "64Mi"})
    assert "its request from 96Mi to 64Mi" in plan.sentence
    assert plan.undo_params == {"kind": "Deployment", **ONE, "memory": "384Mi", "request": "96Mi"}
    refused = await memory.plan({**ONE, "memory": "64Mi", "request": "128Mi"})
    assert "the request 128Mi would exceed the limit 64Mi" in refused.refusal


async def test_twice_is_twice_the_present_limit(server, memory):
    assert "from 384Mi to 768Mi" in (await memory.plan({**ONE, "memory": "2x"})).sentence
    server.answers[f"GET {NAMESPACE}/deployments/api"] = (200, bounded())
    with pytest.raises(ActionProblem, match="no limit that could be doubled"):
        await memory.plan({**ONE, "memory": "2x"})


async def test_of_two_amounts_the_larger_is_taken_and_a_lower_limit_is_said(server, memory):
    assert "from 384Mi to 8Gi" in (await memory.plan({**ONE, "memory": "8Gi or 2x"})).sentence
    assert "from 384Mi to 768Mi" in (await memory.plan({**ONE, "memory": "512Mi or 2x"})).sentence
    lower = await memory.plan({**ONE, "memory": "256Mi"})
    assert lower.warnings[0].startswith("this LOWERS the limit from 384Mi to 256Mi")


async def test_a_container_without_resources_gets_them_and_no_undo(server, memory):
    server.answers[f"GET {NAMESPACE}/deployments/api"] = (200, bounded())
    plan = await memory.plan({**ONE, "memory": "1Gi"})
    await memory.execute(plan)
    added = next(one for one in server.asked[-1][2] if one["path"].endswith("/resources"))
    assert added["value"] == {"limits": {"memory": "1Gi"}}
    assert plan.undo_action == "" and plan.undo.startswith("none from here")


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"memory": "8Gi"}, "has 2 containers: name one of api, sidecar"),
        ({"container": "apí", "memory": "8Gi"}, 'no container "apí"; there are: api, sidecar'),
        ({"container": "api", "memory": "lots"}, "must be an amount of memory such as 512Mi or 8Gi"),
        ({"container": "api", "memory": "10"}, "must be an amount of memory"),
    ],
)
async def test_what_makes_no_sense_is_refused_in_words(memory, params, words):
    with pytest.raises(ActionProblem) as told:
        await memory.plan({**API, **params})
    assert words in str(told.value)


@pytest.mark.parametrize(
    ("nodes", "quota", "words"),
    [
        ((200, {"items": [node("4Gi")]}), (200, {"items": []}), "no node has 8Gi: the largest has 4.0 GiB"),
        ((200, {"items": [node("16Gi")]}), (200, {"items": []}), "the nodes have 16.0 GiB in all"),
        ((200, {"items": [node("64Gi", unschedulable=True)]}), (200, {"items": []}), "no node takes pods"),
        (failure(403, 'User "x" cannot list resource "nodes"'), (200, {"items": []}), "its Role needs nodes [list]"),
        (
            (200, {"items": [node("64Gi")]}),
            (200, {"items": [{"status": {"hard": {"limits.memory": "10Gi"}, "used": {"limits.memory": "8Gi"}}}]}),
            "quota limits.memory has 2.0 GiB left, a new pod needs 8Gi",
        ),
        ((200, {"items": [node("64Gi")]}), failure(403, "no"), "whether the quota has room is not known"),
    ],
)
async def test_room_is_said_before(server, memory, nodes, quota, words):
    server.answers |= {"GET /api/v1/nodes": nodes, f"GET {QUOTAS}": quota}
    plan = await memory.plan({**ONE, "memory": "8Gi"})
    assert plan.refusal == "" and words in " ".join(plan.warnings)


async def test_a_limit_that_somebody_else_changed_stops_it(server, memory):
    plan = await memory.plan({**ONE, "memory": "8Gi"})
    server.answers[f"GET {NAMESPACE}/deployments/api"] = (200, bounded(limits={"memory": "512Mi"}))
    with pytest.raises(Overtaken):
        await memory.execute(plan)


def pod(uid: str = "p1", **fields: Any) -> dict[str, Any]:
    owner = {"kind": "ReplicaSet", "name": "api-7d", "controller": True}
    metadata = {"name": "api-1", "uid": uid, "ownerReferences": [owner], **fields.pop("metadata", {})}
    return {"metadata": metadata, "spec": {}, "status": {"phase": "Running"}, **fields}


@pytest.fixture
def delete(server, action):
    server.answers |= {
        f"GET {PODS}/api-1": (200, pod()),
        f"GET {NAMESPACE}/replicasets/api-7d": (200, {"spec": {"replicas": 3}, "status": {"readyReplicas": 3}}),
    }
    return action("kubernetes.delete-pod")


async def test_a_pod_is_evicted_by_its_uid_and_proven_gone(server, delete):
    plan = await delete.plan({"pod": "api-1"})
    assert plan.refusal == "" and plan.risk is Risk.DISRUPTIVE and "kubectl create --raw" in plan.shell
    assert (await delete.verify(plan)).verdict is Verdict.PENDING
    result = await delete.execute(plan)
    method, path, body = server.asked[-1]
    assert (method, path) == ("POST", f"{PODS}/api-1/eviction") and result.outcome is Outcome.DONE
    assert body["deleteOptions"]["preconditions"] == {"uid": "p1"}
    server.answers[f"GET {PODS}/api-1"] = failure(404, "not found")
    server.answers[f"GET {NAMESPACE}/replicasets/api-7d"] = (
        200,
        {"spec": {"replicas": 3}, "status": {"readyReplicas": 2}},
    )
    assert "2 of 3 pods are ready" in (await delete.verify(plan)).sentence
    server.answers[f"GET {NAMESPACE}/replicasets/api-7d"] = (
        200,
        {"spec": {"replicas": 3}, "status": {"readyReplicas": 3}},
    )
    assert (await delete.verify(plan)).verdict is Verdict.VERIFIED


@pytest.mark.parametrize(
    ("found", "dry", "words"),
    [
        (pod(), failure(429, "Cannot evict pod as it would violate the budget"), "a disruption budget forbids it"),
        (
            pod(),
            failure(403, 'User "x" cannot create resource "pods/eviction"'),
            "its Role needs pods/eviction [create]",
        ),
        (pod(metadata={"ownerReferences": []}), (200, {}), "belongs to no workload"),
        (pod(metadata={"deletionTimestamp": "2026-01-01T00:00:00Z"}), (200, {}), "is being deleted already"),
    ],
)
async def test_a_pod_that_must_stay_is_refused(server, delete, found, dry, words):
    server.answers[f"GET {PODS}/api-1"] = (200, found)
    server.dry = dry
    assert words in (await delete.plan({"pod": "api-1"})).refusal


async def test_a_pod_that_went_by_itself_or_is_another_is_not_hit(server, delete):
    plan = await delete.plan({"pod": "api-1"})
    server.stored = failure(404, "not found")
    assert "was gone already" in (await delete.execute(plan)).sentence
    server.stored = failure(409, "the UID in the precondition does not match")
    with pytest.raises(Overtaken):
        await delete.execute(plan)
    server.stored = CUT
    with pytest.raises(SentWithoutAnswer):
        await delete.execute(plan)


@pytest.fixture
def manifest(tmp_path: Path):
    """Write a manifest and answer its path."""

    def write(change: Any = None, **top: Any) -> str:
        made: dict[str, Any] = {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "api", "annotations": {"kubernetes.io/change-cause": "fixed"}},
            "spec": {"replicas": 3, "template": copy.deepcopy(deployment()["spec"]["template"])},
            **top,
        }
        made["spec"]["template"]["spec"]["containers"][0]["image"] = "api:3"
        if change:
            change(made)
        (tmp_path / "api.yaml").write_text(yaml.safe_dump(made))
        return str(tmp_path / "api.yaml")

    return write


def with_image(image: str) -> dict[str, Any]:
    made = deployment()
    made["spec"]["template"]["spec"]["containers"][0]["image"] = image
    return made


async def test_a_manifest_is_tried_shown_and_sent_as_it_stands(server, action, manifest):
    apply = action("kubernetes.apply")
    server.dry = (200, with_image("api:3"))
    plan = await apply.plan({"file": manifest()})
    assert plan.victims[0].facts["spec.template.spec.containers[api].image"] == "api:2 -> api:3"
    assert plan.undo_params == {"kind": "Deployment", "name": "api", "revision": "2"} and "kubectl" in plan.shell
    await apply.execute(plan)
    operations = server.asked[-1][2]
    assert [one["op"] for one in operations[:3]] == ["test", "test", "replace"]
    assert operations[2]["value"]["spec"]["containers"][0]["image"] == "api:3"
    assert not any(one["path"] in ("/spec/selector", "/spec/replicas") for one in operations)


async def test_a_manifest_that_changes_nothing_or_was_saved_again_is_refused(server, action, manifest):
    apply = action("kubernetes.apply")
    server.dry = (200, deployment())
    assert "is already as api.yaml says" in (await apply.plan({"file": manifest()})).refusal
    server.dry = (200, with_image("api:3"))
    plan = await apply.plan({"file": manifest()})
    manifest(lambda made: made["spec"].update(minReadySeconds=5))
    with pytest.raises(Overtaken):
        await apply.execute(plan)


async def test_replicas_of_a_manifest_are_the_autoscalers(server, action, manifest):
    aimed = {"minReplicas": 2, "maxReplicas": 6, "scaleTargetRef": {"kind": "Deployment", "name": "api"}}
    server.answers[f"GET {HPAS}"] = (200, {"items": [{"metadata": {"name": "pilot"}, "spec": aimed}]})
    server.dry = (200, with_image("api:3"))
    apply = action("kubernetes.apply")
    plan = await apply.plan({"file": manifest(lambda made: made["spec"].update(replicas=9))})
    assert "9 replicas are left out: an autoscaler sets them" in plan.warnings[0]
    await apply.execute(plan)
    assert not any(one["path"] == "/spec/replicas" for one in server.asked[-1][2])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "cannot be read: No such file"),
        ("a: [", "is no valid YAML in line 1"),
        ("a:\n  b: 2026-02-30", "is no valid YAML"),
        ("a: 1\n---\nb: 2\n", "holds 2 objects"),
        ("apiVersion: v1\nkind: Secret\nmetadata: {name: x}\n", "is a v1 Secret: only a Deployment or StatefulSet"),
        ("apiVersion: apps/v1\nkind: Deployment\nmetadata: {}\nspec: {}\n", "has no metadata.name"),
        (
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: api, namespace: other}\nspec: {}\n",
            "is for namespace other",
        ),
        ("x: " + "y" * 300_000, "has more than 256 KiB"),
    ],
)
async def test_a_file_that_is_no_manifest_of_ours_is_refused(action, tmp_path, text, words):
    file = tmp_path / "m.yaml"
    if text is not None:
        file.write_text(text)
    with pytest.raises(ActionProblem) as told:
        await action("kubernetes.apply").plan({"file": str(file)})
    assert words in str(told.value)


def pilot(most: int = 5, current: int = 5) -> dict[str, Any]:
    spec = {"minReplicas": 3, "maxReplicas": most, "scaleTargetRef": {"kind": "Deployment", "name": "api"}}
    return {
        "metadata": {"name": "api-hpa", "uid": "h1"},
        "spec": spec,
        "status": {"currentReplicas": current, "desiredReplicas": current},
    }


@pytest.fixture
def maximum(server, action):
    server.answers |= {
        f"GET {HPAS}": (200, {"items": [pilot()]}),
        f"GET {HPAS}/api-hpa": (200, pilot()),
    }
    return action("kubernetes.hpa-maximum")


async def test_a_maximum_is_raised_by_its_old_value(server, maximum):
    plan = await maximum.plan({"name": "api", "most": "8"})
    assert plan.risk is Risk.SAFE and plan.undo_params == {"name": "api-hpa", "most": "5"}
    await maximum.execute(plan)
    assert server.asked[-1][2] == [
        {"op": "test", "path": "/metadata/uid", "value": "h1"},
        {"op": "test", "path": "/spec/maxReplicas", "value": 5},
        {"op": "replace", "path": "/spec/maxReplicas", "value": 8},
    ]
    server.answers[f"GET {HPAS}/api-hpa"] = (200, pilot(most=8))
    assert (await maximum.verify(plan)).verdict is Verdict.VERIFIED
    server.answers[f"GET {HPAS}/api-hpa"] = (200, pilot(most=6))
    assert "somebody else set it" in (await maximum.verify(plan)).sentence


@pytest.mark.parametrize(
    ("most", "words"), [("5", "is 5 already"), ("2", "cannot be below the minimum of 3"), ("1001", "must be a number")]
)
async def test_a_maximum_that_makes_no_sense_is_refused(maximum, most, words):
    try:
        refusal = (await maximum.plan({"name": "api", "most": most})).refusal
    except ActionProblem as problem:
        refusal = str(problem)
    assert words in refusal


async def test_more_pods_than_the_database_has_connections_for_are_refused(server, action, maximum, monkeypatch):
    async def tight(profile: Any, workload: str) -> Budget:
        return Budget(pool=5, usable=54, others=20, own=15) if workload == "api" else Budget()

    monkeypatch.setattr(kubernetes_autoscaler, "budget_of", tight)
    monkeypatch.setattr(kubernetes_scale, "budget_of", tight)
    assert (await maximum.plan({"name": "api", "most": "6"})).refusal == ""
    refused = await maximum.plan({"name": "api", "most": "7"})
    assert "at most 6 pods fit" in refused.refusal and "pg-connections" in refused.refusal
    scale = action("kubernetes.scale")
    assert (
        "7 x 5 = 35 and 20 of others exceed the 54 usable slots" in (await scale.plan({**API, "replicas": "7"})).refusal
    )
    assert (await scale.plan({**API, "replicas": "2"})).refusal == "", "fewer pods are always possible"
