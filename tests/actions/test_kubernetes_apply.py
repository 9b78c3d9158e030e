"""A manifest has the guards of scaling, is proven by its own mark, and promises no undo that brings back a part only."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from alphapulse_tui.actions import kubernetes_apply
from alphapulse_tui.actions.api_budget import Budget
from alphapulse_tui.actions.contract import ActionProblem
from alphapulse_tui.model.plan import Risk, Verdict
from tests.actions.api_server import NAMESPACE, action, server
from tests.actions.objects import deployment

__all__ = ["action", "server"]


def written(path: Path, kind: str = "Deployment", name: str = "api", notes: Any = None, **spec: Any) -> dict[str, str]:
    template = copy.deepcopy(deployment()["spec"]["template"])
    template["spec"]["containers"][0]["image"] = "api:3"
    metadata = {"name": name, **({"annotations": notes} if notes else {})}
    made = {"apiVersion": "apps/v1", "kind": kind, "metadata": metadata, "spec": {"template": template, **spec}}
    (path / "m.yaml").write_text(yaml.safe_dump(made))
    return {"file": str(path / "m.yaml")}


def stored(**notes: str) -> dict[str, Any]:
    made = deployment()
    made["spec"]["template"]["spec"]["containers"][0]["image"] = "api:3"
    made["metadata"]["generation"] = 5
    made["metadata"]["annotations"] |= notes
    made["status"]["observedGeneration"] = 5
    return made


@pytest.fixture
def apply(server, action):
    server.dry = (200, stored())
    return action("kubernetes.apply")


async def test_to_no_pod_is_destructive_and_asks_for_the_name(apply, tmp_path):
    plan = await apply.plan(written(tmp_path, replicas=0))
    assert (plan.risk, plan.confirm_word) == (Risk.DESTRUCTIVE, "api") and "stops serving" in plan.sentence
    plan = await apply.plan(written(tmp_path, replicas=2))
    assert (plan.risk, plan.confirm_word) == (Risk.DISRUPTIVE, "")


@pytest.mark.parametrize("name", ["redis", "vault", "postgres-replica"])
async def test_the_number_of_a_stateful_server_stays(server, apply, tmp_path, name):
    found = deployment() | {"kind": "StatefulSet"}
    found["metadata"] = found["metadata"] | {"name": name}
    server.answers[f"GET {NAMESPACE}/statefulsets/{name}"] = (200, found)
    plan = await apply.plan(written(tmp_path, "StatefulSet", name, replicas=5))
    assert f"statefulset/{name} is not scaled from here" in plan.refusal
    assert (await apply.plan(written(tmp_path, "StatefulSet", name, replicas=3))).refusal == ""


async def test_more_pods_than_the_database_has_connections_for_are_refused(apply, tmp_path, monkeypatch):
    async def tight(*_: Any) -> Budget:
        return Budget(pool=5, usable=54, others=20, own=15)

    monkeypatch.setattr(kubernetes_apply, "budget_of", tight)
    assert "exceed the 54 usable slots" in (await apply.plan(written(tmp_path, replicas=7))).refusal
    assert (await apply.plan(written(tmp_path, replicas=2))).refusal == ""


@pytest.mark.parametrize("replicas", [-1, 1001, "3", True])
async def test_a_number_that_is_none_is_refused(apply, tmp_path, replicas):
    with pytest.raises(ActionProblem, match="must be a number from 0 to 1000"):
        await apply.plan(written(tmp_path, replicas=replicas))


@pytest.mark.parametrize("annotated", [True, False])
async def test_only_its_own_mark_proves_it(server, apply, tmp_path, annotated):
    if not annotated:
        bare = deployment()
        del bare["metadata"]["annotations"]
        server.answers[f"GET {NAMESPACE}/deployments/api"] = (200, bare)
    plan = await apply.plan(written(tmp_path))
    assert mark_in(server.asked[-1][2]) == "", (
        "the trial leaves the mark out, or nothing would ever be as the file says"
    )
    await apply.execute(plan)
    assert mark_in(server.asked[-1][2]) == plan.id
    server.answers[f"GET {NAMESPACE}/deployments/api"] = (200, stored())
    somebody = await apply.verify(plan)
    assert somebody.verdict is Verdict.CONTRADICTED and "does not carry this change" in somebody.sentence
    server.answers[f"GET {NAMESPACE}/deployments/api"] = (200, stored(**{kubernetes_apply.APPLIED: plan.id}))
    assert (await apply.verify(plan)).verdict is Verdict.VERIFIED


def mark_in(operations: list[dict[str, Any]]) -> str:
    """The id that a patch leaves on the workload."""
    for one in operations:
        if one["path"] == "/metadata/annotations/alphapulse.io~1applied":
            return str(one["value"])
        if one["path"] == "/metadata/annotations":
            return str(one["value"].get(kubernetes_apply.APPLIED, ""))
    return ""


async def test_an_undo_is_offered_only_when_it_brings_back_everything(apply, tmp_path):
    plan = await apply.plan(written(tmp_path, notes={"kubernetes.io/change-cause": "fixed"}))
    assert (plan.undo_action, plan.undo_params["revision"]) == ("kubernetes.rollback", "2")
    plan = await apply.plan(written(tmp_path, notes={"team": "b"}, replicas=2, minReadySeconds=5))
    assert plan.undo_action == "" and plan.undo_params == {}
    assert "spec.replicas was 3" in plan.undo and "spec.minReadySeconds was not set" in plan.undo
    assert "annotation team was not set" in plan.undo and "roll back to revision 2 for the template alone" in plan.undo
