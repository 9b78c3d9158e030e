"""Restart, roll back, scale and the previous log on the lab's real control plane; kubectl is the independent witness."""

from __future__ import annotations

import os
import shlex
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from alphapulse_tui.actions.contract import Action, ActionProblem
from alphapulse_tui.actions.registry import make_action
from alphapulse_tui.config.settings import KubernetesTarget, Profile
from alphapulse_tui.model.kubernetes import RESTART
from alphapulse_tui.model.plan import Outcome, Plan, Risk, Verdict, Verification
from tests.kubectl import Kubectl, kubectl
from tests.lab_handle import LabHandle
from tests.waiting import until, wait_until

__all__ = ["kubectl"]
pytestmark = [pytest.mark.lab, pytest.mark.timeout(1200)]

WORKERS = {"kind": "Deployment", "name": "agent-workers"}
API = {"kind": "Deployment", "name": "api"}


@pytest.fixture
async def action(lab: LabHandle, kubectl: Kubectl) -> AsyncIterator[Callable[..., Action]]:
    made: list[Action] = []

    def make(action_id: str, user: str = "oncall") -> Action:
        target = KubernetesTarget(kubeconfig=str(lab.directory / "kubernetes" / f"{user}.kubeconfig"))
        made.append(make_action(action_id, Profile(name="lab", environment="lab", kubernetes=target)))
        return made[-1]

    yield make
    for one in made:
        await one.close()


async def proven(action: Action, plan: Plan, seconds: float = 60) -> Verification:
    async def verified() -> Verification | None:
        found = await action.verify(plan)
        assert found.verdict is not Verdict.CONTRADICTED, found.sentence
        return found if found.verdict is Verdict.VERIFIED else None

    found = await until(verified, seconds, f"{plan.title} verified", interval=0.3)
    assert isinstance(found, Verification)
    return found


def annotation(deployment: Any) -> str:
    return str(deployment["spec"]["template"]["metadata"].get("annotations", {}).get(RESTART, ""))


async def test_a_restart_replaces_every_pod_once(action, kubectl):
    before = {pod["metadata"]["uid"] for pod in kubectl.pods("agent-workers")}
    restart = action("kubernetes.restart")
    plan = await restart.plan(WORKERS)
    assert plan.refusal == "" and plan.risk is Risk.DISRUPTIVE and plan.object == "kubernetes/deployment/agent-workers"
    assert any(RESTART in path for path in plan.victims[0].facts), "the dry run shows what would change"
    assert annotation(kubectl.get("deployment", "agent-workers")) != plan.id, "a dry run stores nothing"
    assert (await restart.verify(plan)).verdict is Verdict.CONTRADICTED

    result = await restart.execute(plan)
    assert result.outcome is Outcome.DONE
    found = await proven(restart, plan)
    assert found.reading["available"] == "2 of 2"
    assert annotation(kubectl.get("deployment", "agent-workers")) == plan.id
    assert not before & {pod["metadata"]["uid"] for pod in kubectl.pods("agent-workers")}

    with pytest.raises(ActionProblem, match="changed it meanwhile"):
        await restart.execute(plan)
    assert annotation(kubectl.get("deployment", "agent-workers")) == plan.id


async def test_scaling_up_and_the_undo_of_it(action, kubectl):
    scale = action("kubernetes.scale")
    plan = await scale.plan({**WORKERS, "replicas": "3"})
    assert plan.refusal == "" and plan.risk is Risk.SAFE and plan.preconditions["replicas"] == "2"
    assert (await scale.verify(plan)).verdict is Verdict.CONTRADICTED
    assert (await scale.execute(plan)).outcome is Outcome.DONE
    assert (await proven(scale, plan)).reading["replicas"] == "3"
    assert len(kubectl.ready("agent-workers")) == 3

    back = await action(plan.undo_action).plan(plan.undo_params)
    assert back.risk is Risk.DISRUPTIVE
    await scale.execute(back)
    await proven(scale, back)
    assert len(kubectl.pods("agent-workers")) == 2


async def test_to_nothing_is_destructive_and_back_again(action, kubectl):
    scale = action("kubernetes.scale")
    plan = await scale.plan({**WORKERS, "replicas": "0"})
    assert (
        plan.risk is Risk.DESTRUCTIVE and plan.confirm_word == "agent-workers" and "it stops serving" in plan.sentence
    )
    try:
        await scale.execute(plan)
        assert "no pod is left" in (await proven(scale, plan)).sentence
        assert kubectl.pods("agent-workers") == []
        up = await scale.plan({**WORKERS, "replicas": "2"})
        assert up.refusal == "" and up.preconditions["replicas"] == "0"
        await scale.execute(up)
        await proven(scale, up)
    finally:
        kubectl("scale", "deployment/agent-workers", "--replicas=2")


async def test_a_number_that_changed_meanwhile_is_not_overwritten(action, kubectl):
    scale = action("kubernetes.scale")
    plan = await scale.plan({**WORKERS, "replicas": "4"})
    kubectl("scale", "deployment/agent-workers", "--replicas=3")
    try:
        with pytest.raises(ActionProblem, match="changed it meanwhile"):
            await scale.execute(plan)
        assert kubectl.get("deployment", "agent-workers")["spec"]["replicas"] == 3
    finally:
        kubectl("scale", "deployment/agent-workers", "--replicas=2")


async def test_what_is_not_scaled_from_here(action):
    scale = action("kubernetes.scale")
    vault = await scale.plan({"kind": "StatefulSet", "name": "vault", "replicas": "5"})
    assert "open the Vault procedures" in vault.refusal
    same = await scale.plan({**WORKERS, "replicas": "2"})
    assert same.refusal == "deployment/agent-workers is to have 2 replicas already"


@pytest.fixture
def newer_release(kubectl: Kubectl) -> Iterator[None]:
    """A release that differs from the revision before by its image, whatever other tests have rolled out."""
    before = kubectl.get("deployment", "api")["spec"]["template"]["spec"]["containers"][0]["image"]
    for image in ("alphapulse/api:v1.4.3", before):
        kubectl("set", "image", "deployment/api", f"api={image}")
        kubectl("rollout", "status", "deployment/api", "--timeout=60s")
        if image != before:
            yield


@pytest.mark.long
async def test_a_rollback_shows_the_difference_and_rolls_forward_again(action, kubectl, newer_release):
    roll_back = action("kubernetes.rollback")
    before = kubectl.get("deployment", "api")
    running = before["spec"]["template"]["spec"]["containers"][0]["image"]
    plan = await roll_back.plan(API)
    assert plan.refusal == "", plan.refusal
    facts = plan.victims[0].facts
    image = next(text for path, text in facts.items() if path.endswith("containers[api].image"))
    assert image.startswith(f"{running} -> ")
    assert plan.undo_action == "kubernetes.rollback" and not any("pod-template-hash" in path for path in facts)

    assert (await roll_back.execute(plan)).outcome is Outcome.DONE
    await proven(roll_back, plan)
    after = kubectl.get("deployment", "api")
    assert f"{running} -> {after['spec']['template']['spec']['containers'][0]['image']}" == image
    assert "rolled back from revision" in after["metadata"]["annotations"]["kubernetes.io/change-cause"]

    forward = await roll_back.plan(plan.undo_params)
    await roll_back.execute(forward)
    await proven(roll_back, forward)
    template = kubectl.get("deployment", "api")["spec"]["template"]
    assert template == before["spec"]["template"], "no field was lost on the way"


@pytest.fixture
def canary(kubectl: Kubectl) -> Iterator[dict[str, str]]:
    """A Deployment without pods, whose releases come at once; its image is put back."""
    before = image_of(kubectl, "api-canary")
    yield {"kind": "Deployment", "name": "api-canary"}
    kubectl("set", "image", "deployment/api-canary", f"api={before}")


def image_of(kubectl: Kubectl, name: str) -> str:
    return str(kubectl.get("deployment", name)["spec"]["template"]["spec"]["containers"][0]["image"])


def observed(kubectl: Kubectl, name: str) -> int:
    """The revision that runs, once the controller has seen the last change."""
    kubectl("rollout", "status", f"deployment/{name}", "--timeout=30s")
    found = kubectl.get("deployment", name)
    return int(found["metadata"]["annotations"]["deployment.kubernetes.io/revision"])


async def test_a_rollback_without_a_number_goes_past_a_restart_and_never_to_what_was_gone_back_from(
    action, kubectl, canary
):
    good = image_of(kubectl, "api-canary")
    before = observed(kubectl, "api-canary")
    kubectl("set", "image", "deployment/api-canary", "api=alphapulse/api:v1.9.9")
    bad = observed(kubectl, "api-canary")
    kubectl("rollout", "restart", "deployment/api-canary")
    assert observed(kubectl, "api-canary") > bad > before
    roll_back = action("kubernetes.rollback")

    same = await roll_back.plan({**canary, "revision": str(bad)})
    said = f"revision {bad} is the release that runs now, but for a restart or its memory: the release before it is"
    assert any(said in one for one in same.warnings), same.warnings
    plan = await roll_back.plan(canary)
    assert plan.params["revision"] == str(before)
    await roll_back.execute(plan)
    await proven(roll_back, plan)
    assert image_of(kubectl, "api-canary") == good

    again = await roll_back.plan(canary)
    assert again.params.get("revision") not in {str(bad), str(bad + 1)}, "undone twice, it would be back"
    forward = await roll_back.plan(plan.undo_params)
    assert any(f"somebody went back from revision {bad + 1}" in one for one in forward.warnings), forward.warnings


async def test_revisions_that_are_not_there(action, kubectl):
    roll_back = action("kubernetes.rollback")
    assert "has no revision 99 in its history; there are" in (await roll_back.plan({**API, "revision": "99"})).refusal
    current = kubectl.get("deployment", "api")["metadata"]["annotations"]["deployment.kubernetes.io/revision"]
    assert "is the one that runs now" in (await roll_back.plan({**API, "revision": current})).refusal
    kubectl("rollout", "pause", "deployment/api")
    try:
        assert "is paused: resume it first" in (await roll_back.plan(API)).refusal
    finally:
        kubectl("rollout", "resume", "deployment/api")


async def test_a_viewer_is_told_the_missing_right_at_planning(action):
    restart = await action("kubernetes.restart", "viewer").plan(WORKERS)
    assert "its Role needs apps deployments [patch]" in restart.refusal
    scale = await action("kubernetes.scale", "viewer").plan({**WORKERS, "replicas": "3"})
    assert "its Role needs apps deployments/scale [patch]" in scale.refusal


async def test_the_previous_log_of_a_killed_worker(action, kubectl, whole_lab):
    name = kubectl.ready("agent-workers")[0]
    nothing = await action("kubernetes.previous-log").plan({"pod": name})
    restarts = kubectl.container(name)["restartCount"]
    if not restarts:
        assert "run before: there is no previous log" in nothing.refusal
    pid = next(one.pid for one in whole_lab.status().processes if one.name == name and one.state == "running")
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: kubectl.container(name)["restartCount"] > restarts, 30, "the restart to be counted")
    previous = action("kubernetes.previous-log")
    plan = await previous.plan({"pod": name})
    assert plan.refusal == "" and not plan.changes
    result = await previous.execute(plan)
    assert result.outcome is Outcome.DONE
    text = next(iter(result.details.values()))
    assert text.splitlines()[0].startswith("Error, exit code 137 (SIGKILL") and len(text.splitlines()) > 1
    told = kubectl("logs", name, "--previous", "--tail=1")
    assert told in text
    wait_until(lambda: name in kubectl.ready("agent-workers"), 60, "the pod to be ready again")


async def test_what_does_not_exist_and_names_that_are_none(action):
    for params, words in (
        ({"name": "nobody"}, 'deployments.apps "nobody" not found'),
        ({"name": "../secrets"}, '"name" must name the Deployment'),
        ({"kind": "Pod", "name": "api"}, '"kind" must be Deployment or StatefulSet, not "Pod"'),
    ):
        with pytest.raises(ActionProblem, match=words):
            await action("kubernetes.restart").plan(params)
    with pytest.raises(ActionProblem, match='"replicas" must be a number from 0 to 1000, not "-1"'):
        await action("kubernetes.scale").plan({**WORKERS, "replicas": "-1"})
    with pytest.raises(ActionProblem, match='"pod" must name a pod'):
        await action("kubernetes.previous-log").plan({"pod": "x/../y"})


@pytest.mark.parametrize(
    ("action_id", "params", "said"),
    [
        ("kubernetes.scale", {**WORKERS, "replicas": "3"}, "patched"),
        ("kubernetes.rollback", API, "rolled back"),
    ],
)
async def test_the_shell_forms_do_the_same(action, kubectl, action_id, params, said):
    plan = await action(action_id).plan(params)
    program, *words = shlex.split(plan.shell.split(" && ")[0])
    assert program == "kubectl" and said in kubectl(*words, "--dry-run=server")
