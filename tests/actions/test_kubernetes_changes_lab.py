"""Memory, eviction, a manifest, an autoscaler and the test from inside on the lab's real control plane; kubectl is the independent witness."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from alphapulse_tui.actions.contract import ActionProblem, SentWithoutAnswer
from alphapulse_tui.model.plan import Outcome, Verdict
from tests.actions.test_kubernetes_lab import action, proven
from tests.kubectl import Kubectl, kubectl
from tests.waiting import wait_until

__all__ = ["action", "kubectl"]
pytestmark = [pytest.mark.lab, pytest.mark.timeout(1200)]

WORKERS = {"kind": "Deployment", "name": "agent-workers"}


def resources(kubectl: Kubectl) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = kubectl.get("deployment", "agent-workers")["spec"]["template"]["spec"][
        "containers"
    ][0]["resources"]
    return found


@pytest.mark.long
async def test_memory_is_set_proven_and_taken_back(action, kubectl):
    before = resources(kubectl)
    memory = action("kubernetes.set-memory")
    plan = await memory.plan({**WORKERS, "memory": "512Mi"})
    assert plan.refusal == "" and "nodes" in plan.victims[0].facts
    assert resources(kubectl) == before, "a dry run stores nothing"
    assert (await memory.verify(plan)).verdict is Verdict.CONTRADICTED
    assert (await memory.execute(plan)).outcome is Outcome.DONE
    await proven(memory, plan)
    assert resources(kubectl)["limits"]["memory"] == "512Mi"
    assert resources(kubectl)["requests"] == before["requests"]
    with pytest.raises(ActionProblem, match=r"changed it meanwhile|already"):
        await memory.execute(plan)
    back = await memory.plan(plan.undo_params)
    await memory.execute(back)
    await proven(memory, back)
    assert resources(kubectl) == before


@pytest.mark.long
async def test_an_image_is_set_proven_and_taken_back(action, kubectl):
    def shown() -> str:
        found = kubectl.get("deployment", "agent-workers")["spec"]["template"]["spec"]["containers"][0]["image"]
        return str(found)

    before = shown()
    image = action("kubernetes.set-image")
    plan = await image.plan({**WORKERS, "image": "v1.4.3", "cause": "a test"})
    assert plan.refusal == "" and plan.victims[0].facts["on the nodes"] == "0 of 1 have it"
    assert "already" in (await image.plan({**WORKERS, "image": before})).refusal
    assert shown() == before, "a dry run stores nothing"
    assert (await image.execute(plan)).outcome is Outcome.DONE
    await proven(image, plan)
    assert shown() == "alphapulse/agent-worker:v1.4.3"
    assert "a test" in kubectl("rollout", "history", "deployment/agent-workers")
    with pytest.raises(ActionProblem, match=r"changed it meanwhile|already"):
        await image.execute(plan)
    back = await image.plan(plan.undo_params)
    assert "on the nodes" in back.victims[0].facts and back.warnings == ()
    await image.execute(back)
    await proven(image, back)
    assert shown() == before


@pytest.mark.long
async def test_an_image_that_cannot_be_pulled_is_no_success_and_then_refused(action, kubectl):
    image = action("kubernetes.set-image")
    plan = await image.plan({**WORKERS, "image": "v1.4.3-typo"})
    assert "whether the registry has this image is not known" in plan.warnings[0]
    await image.execute(plan)
    try:

        def stuck() -> bool:
            states = [pod["status"].get("containerStatuses") or [{}] for pod in kubectl.pods("agent-workers")]
            return any("waiting" in (one[0].get("state") or {}) and one[0]["imageID"] == "" for one in states)

        wait_until(stuck, 30, "a pod that cannot pull it")
        assert (await image.verify(plan)).verdict is not Verdict.VERIFIED
    finally:
        back = await image.plan(plan.undo_params)
        await image.execute(back)
        await proven(image, back)


@pytest.mark.long
async def test_a_pod_is_evicted_and_replaced_and_a_budget_is_asked(action, kubectl):
    delete = action("kubernetes.delete-pod")
    (victim, *_) = kubectl.pods("agent-workers")
    name, uid = victim["metadata"]["name"], victim["metadata"]["uid"]
    plan = await delete.plan({"pod": name})
    assert plan.refusal == "" and plan.preconditions["uid"] == uid
    assert (await delete.execute(plan)).outcome is Outcome.DONE
    await proven(delete, plan)
    assert uid not in {pod["metadata"]["uid"] for pod in kubectl.pods("agent-workers")}
    assert "was gone already" in (await delete.execute(plan)).sentence

    budget = {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": "nobody-may-go", "namespace": "alphapulse"},
        "spec": {"minAvailable": 2, "selector": {"matchLabels": {"app": "agent-workers"}}},
    }
    admin = kubectl.as_user("admin")
    admin("apply", "-f", "-", stdin=yaml.safe_dump(budget))
    try:
        (other, *_) = kubectl.pods("agent-workers")

        def refused() -> bool:
            got = admin.run(
                "-n", "alphapulse", "get", "pdb", "nobody-may-go", "-o", "jsonpath={.status.observedGeneration}"
            )
            return got.stdout == "1"

        wait_until(refused, 30, "the budget to be counted")
        assert "a disruption budget forbids it" in (await delete.plan({"pod": other["metadata"]["name"]})).refusal
    finally:
        admin("-n", "alphapulse", "delete", "pdb", "nobody-may-go")


async def test_a_manifest_replaces_what_a_bad_release_wrote(action, kubectl, tmp_path: Path):
    admin = kubectl.as_user("admin")
    good = kubectl.get("deployment", "agent-workers")
    admin("-n", "alphapulse", "set", "env", "deployment/agent-workers", "FEATURE=broken")
    file = tmp_path / "workers.yaml"
    manifest = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "agent-workers", "namespace": "alphapulse"},
        "spec": {"template": good["spec"]["template"]},
    }
    file.write_text(yaml.safe_dump(manifest))
    apply = action("kubernetes.apply")
    plan = await apply.plan({"file": str(file)})
    assert plan.refusal == "" and plan.victims[0].facts == {
        "spec.template.spec.containers[worker].env[FEATURE]": "removed"
    }
    await apply.execute(plan)
    await proven(apply, plan)
    assert kubectl.get("deployment", "agent-workers")["spec"]["template"] == good["spec"]["template"]
    assert "is already as workers.yaml says" in (await apply.plan({"file": str(file)})).refusal


async def test_an_autoscalers_maximum_is_raised_and_taken_back(action, kubectl):
    maximum = action("kubernetes.hpa-maximum")
    before = kubectl.get("hpa", "api-hpa")["spec"]["maxReplicas"]
    plan = await maximum.plan({"name": "api", "most": str(before + 1)})
    assert plan.refusal == ""
    assert (await maximum.verify(plan)).verdict is Verdict.CONTRADICTED
    await maximum.execute(plan)
    await proven(maximum, plan)
    assert kubectl.get("hpa", "api-hpa")["spec"]["maxReplicas"] == before + 1
    with pytest.raises(ActionProblem, match="changed it meanwhile"):
        await maximum.execute(plan)
    back = await maximum.plan(plan.undo_params)
    await maximum.execute(back)
    assert kubectl.get("hpa", "api-hpa")["spec"]["maxReplicas"] == before


async def test_dependencies_are_tested_from_inside_without_a_secret(action, kubectl):
    inside = action("kubernetes.test-inside")
    plan = await inside.plan({"name": "api"})
    assert plan.refusal == "" and plan.changes is False
    result = await inside.execute(plan)
    assert result.outcome is Outcome.DONE and len(result.details) == 10
    assert {said.split(" ")[0] for said in result.details.values()} == {"PostgreSQL", "Redis", "Vault"}
    assert "s." not in repr(result) and "password" not in repr(result)
    viewer = action("kubernetes.test-inside", "viewer")
    seen = await viewer.plan({"name": "api"})
    with pytest.raises(ActionProblem, match="its Role needs pods/exec"):
        await viewer.execute(seen)


async def test_a_hung_server_is_never_taken_for_a_success(action, kubectl, whole_lab):
    before = resources(kubectl)
    memory = action("kubernetes.set-memory")
    plan = await memory.plan({**WORKERS, "memory": "448Mi"})
    whole_lab.break_("target-hung", "kubernetes")
    try:
        with pytest.raises((SentWithoutAnswer, ActionProblem), match="no answer"):
            await memory.execute(plan)
    finally:
        whole_lab.mend("target-hung", "kubernetes")
    found = (await memory.verify(plan)).verdict
    stored = resources(kubectl)["limits"]["memory"] == "448Mi"
    assert stored is (found is not Verdict.CONTRADICTED), "the proof says what kubectl says"
    if stored:
        back = await memory.plan(plan.undo_params)
        await memory.execute(back)
        await proven(memory, back)
    assert resources(kubectl) == before
