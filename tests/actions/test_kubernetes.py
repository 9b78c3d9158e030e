"""Answers of an API server that the lab cannot be made to give, and the pure parts of the Kubernetes actions."""

from __future__ import annotations

from typing import Any

import pytest

from alphapulse_tui.actions.contract import ActionProblem, SentWithoutAnswer
from alphapulse_tui.actions.registry import make_action
from alphapulse_tui.config.settings import KubernetesTarget, Profile
from alphapulse_tui.model.plan import Outcome, Risk
from tests.actions.api_server import API, CUT, HPAS, NAMESPACE, PODS, action, failure, server
from tests.actions.objects import deployment, replica_set

__all__ = ["action", "server"]

REFUSALS = [
    (
        failure(
            403, 'deployments.apps "api" is forbidden: User "x" cannot patch resource "deployments" in API group "apps"'
        ),
        "its Role needs apps deployments [patch]",
    ),
    (
        failure(403, 'pods "api" is forbidden: exceeded quota: small'),
        'refused: pods "api" is forbidden: exceeded quota',
    ),
    (failure(401, "Unauthorized"), "does not accept our login"),
    (failure(409, "the object has been modified"), "somebody changed it meanwhile: nothing was done, plan again"),
    (failure(422, "the server rejected our request due to an error in our request"), "somebody changed it meanwhile"),
    (
        failure(422, "Deployment is invalid", details={"causes": [{"field": "spec.replicas", "message": "no"}]}),
        "refused with code 422: Deployment is invalid",
    ),
    (failure(429, "too many requests"), "overloaded or a disruption budget forbids it, nothing was done"),
    (failure(500, 'Internal error: failed calling webhook "x"'), "failed calling webhook"),
    (failure(404, 'deployments.apps "api" not found'), 'deployments.apps "api" not found'),
]


@pytest.mark.parametrize(("answer", "words"), REFUSALS)
async def test_a_refused_dry_run_is_the_plans_refusal(server, action, answer, words):
    server.dry = answer
    assert words in (await action("kubernetes.restart").plan(API)).refusal


@pytest.mark.parametrize(("answer", "words"), REFUSALS)
async def test_a_refused_patch_is_certain_to_have_changed_nothing(server, action, answer, words):
    restart = action("kubernetes.restart")
    plan = await restart.plan(API)
    server.stored = answer
    with pytest.raises(ActionProblem) as told:
        await restart.execute(plan)
    assert words in str(told.value)


@pytest.mark.parametrize(
    "answer",
    [failure(500, "etcdserver: request timed out"), failure(504, "Timeout"), (502, b"<html>bad gateway</html>")],
)
async def test_an_answer_that_proves_nothing_is_unknown(server, action, answer):
    restart = action("kubernetes.restart")
    plan = await restart.plan(API)
    server.stored = answer
    with pytest.raises(SentWithoutAnswer, match="answers with code 50"):
        await restart.execute(plan)
    server.dry = answer
    assert "trying it without storing failed" in (await restart.plan(API)).refusal


async def test_silence_after_sending_is_unknown_and_before_is_not(server, action, monkeypatch):
    monkeypatch.setattr("alphapulse_tui.actions.kubernetes_link.WRITE_SECONDS", 0.3)
    monkeypatch.setattr("alphapulse_tui.actions.kubernetes_link.READ_SECONDS", 0.3)
    restart = action("kubernetes.restart")
    plan = await restart.plan(API)
    server.stored = None
    with pytest.raises(SentWithoutAnswer, match=r"gave no answer within 0\.3 s"):
        await restart.execute(plan)
    server.answers[f"GET {NAMESPACE}/deployments/api"] = None
    with pytest.raises(ActionProblem, match="gave no answer"):
        await restart.plan(API)


async def test_a_connection_cut_after_sending_is_unknown(server, action):
    restart = action("kubernetes.restart")
    plan = await restart.plan(API)
    server.stored = CUT
    with pytest.raises(SentWithoutAnswer, match="broke off"):
        await restart.execute(plan)


async def test_the_patch_carries_its_preconditions_and_the_plans_id(server, action):
    restart = action("kubernetes.restart")
    plan = await restart.plan(API)
    await restart.execute(plan)
    method, path, operations = server.asked[-1]
    assert method == "PATCH" and "fieldManager=alphapulse-tui" in path and "dryRun" not in path
    assert operations[:2] == [
        {"op": "test", "path": "/metadata/uid", "value": "u1"},
        {"op": "test", "path": "/metadata/generation", "value": 4},
    ]
    assert operations[2] == {
        "op": "add",
        "path": "/spec/template/metadata/annotations",
        "value": {"alphapulse.io/restart": plan.id},
    }
    again = await restart.plan(API)
    assert again.digest() == plan.digest() and again.id != plan.id


async def test_scaling_tests_the_old_number_even_if_it_is_nothing(server, action):
    scale = action("kubernetes.scale")
    await scale.execute(await scale.plan({**API, "replicas": "5"}))
    assert server.asked[-1][1].startswith(f"{NAMESPACE}/deployments/api/scale")
    assert server.asked[-1][2][1:] == [
        {"op": "test", "path": "/spec/replicas", "value": 3},
        {"op": "add", "path": "/spec/replicas", "value": 5},
    ]
    server.answers[f"GET {NAMESPACE}/deployments/api"] = (200, deployment(replicas=0))
    await scale.execute(await scale.plan({**API, "replicas": "5"}))
    assert server.asked[-1][2][1] == {"op": "test", "path": "/spec", "value": {}}


def hpa(least: int = 2, most: int = 6, name: str = "api") -> dict[str, Any]:
    spec = {"minReplicas": least, "maxReplicas": most, "scaleTargetRef": {"kind": "Deployment", "name": name}}
    return {"metadata": {"name": "pilot"}, "spec": spec}


@pytest.mark.parametrize(
    ("answer", "replicas", "words"),
    [
        ((200, {"items": [hpa()]}), "30", "HPA pilot will set it to 6 within 15 s"),
        ((200, {"items": [hpa()]}), "1", "HPA pilot will set it to 2 within 15 s"),
        ((200, {"items": [hpa()]}), "4", "HPA pilot keeps it between 2 and 6"),
        ((200, {"items": [hpa()]}), "0", "HPA pilot is switched off by 0 replicas"),
        ((200, {"items": [hpa(name="other")]}), "4", ""),
        (failure(404, "the server could not find the requested resource"), "4", ""),
        (
            failure(403, 'User "x" cannot list resource "horizontalpodautoscalers"'),
            "4",
            "its Role needs autoscaling horizontalpodautoscalers [list]",
        ),
    ],
)
async def test_an_hpa_is_said_before(server, action, answer, replicas, words):
    server.answers[f"GET {HPAS}"] = answer
    plan = await action("kubernetes.scale").plan({**API, "replicas": replicas})
    assert plan.refusal == "" and (words in " ".join(plan.warnings) if words else plan.warnings == ())
    assert plan.risk is {"0": Risk.DESTRUCTIVE, "1": Risk.DISRUPTIVE}.get(replicas, Risk.SAFE)


async def test_who_else_deploys_it_is_said_before(server, action):
    owned = deployment()
    owned["metadata"]["annotations"]["argocd.argoproj.io/tracking-id"] = "x"
    owned["metadata"]["labels"] = {"app.kubernetes.io/managed-by": "Helm"}
    server.answers[f"GET {NAMESPACE}/deployments/api"] = (200, owned)
    plan = await action("kubernetes.restart").plan(API)
    assert [warning.split(" deploys")[0] for warning in plan.warnings] == ["Argo CD", "Helm"]


def stateful(name: str, **spec: Any) -> dict[str, Any]:
    found = deployment(**spec)
    found["kind"], found["metadata"]["name"] = "StatefulSet", name
    return found


@pytest.mark.parametrize(
    ("name", "strategy", "words"),
    [
        ("vault", {"type": "RollingUpdate"}, "each node would come back sealed; vault.restart-node restarts one"),
        ("vault", {"type": "OnDelete"}, "each node would come back sealed"),
        ("queue", {"type": "OnDelete"}, "only when they are deleted (OnDelete): this would restart nothing"),
        ("queue", {"rollingUpdate": {"partition": 3}}, "its partition (3) holds every pod back"),
    ],
)
async def test_a_restart_that_does_harm_or_nothing_is_refused(server, action, name, strategy, words):
    server.answers[f"GET {NAMESPACE}/statefulsets/{name}"] = (200, stateful(name, updateStrategy=strategy))
    assert words in (await action("kubernetes.restart").plan({"kind": "statefulset", "name": name})).refusal


@pytest.mark.parametrize(
    ("name", "risk", "word", "words"),
    [
        ("redis", Risk.DESTRUCTIVE, "redis", "fail over gracefully first"),
        ("postgres-replica", Risk.DESTRUCTIVE, "postgres-replica", "connections are dropped, the cache is lost"),
        ("queue", Risk.DISRUPTIVE, "", "its partition holds 1 of 3 pods back"),
    ],
)
async def test_a_restart_of_all_servers_that_keep_state_asks_for_the_name(server, action, name, risk, word, words):
    held = {"rollingUpdate": {"partition": 1}}
    found = stateful(name, updateStrategy=held)
    server.answers[f"GET {NAMESPACE}/statefulsets/{name}"] = (200, found)
    server.answers[f"PATCH {NAMESPACE}/statefulsets/{name}"] = (200, found)
    plan = await action("kubernetes.restart").plan({"kind": "statefulset", "name": name})
    assert (plan.risk, plan.confirm_word) == (risk, word) and words in plan.warnings[0]


async def test_an_impostor_is_not_an_api_server(server, action):
    server.answers[f"GET {NAMESPACE}/deployments/api"] = (200, b"<html>welcome</html>")
    with pytest.raises(ActionProblem, match="no API server"):
        await action("kubernetes.restart").plan(API)
    server.answers[f"GET {NAMESPACE}/deployments/api"] = (200, b"[" * 100_000)
    with pytest.raises(ActionProblem, match="no API server"):
        await action("kubernetes.restart").plan(API)


async def test_no_cluster_and_no_kubeconfig(tmp_path, monkeypatch):
    with pytest.raises(ActionProblem, match='profile "empty" has no cluster'):
        await make_action("kubernetes.restart", Profile(name="empty")).plan(API)
    gone = Profile(name="gone", kubernetes=KubernetesTarget(kubeconfig=str(tmp_path / "nowhere")))
    with pytest.raises(ActionProblem, match="does not exist"):
        await make_action("kubernetes.restart", gone).plan(API)


async def test_previous_logs_are_clean_and_redacted(server, action):
    ended = {"exitCode": 1, "reason": "Error", "message": "evil\x1b[2J", "finishedAt": "2026-01-01T00:00:00Z"}
    states = [
        {"name": "api", "restartCount": 4, "lastState": {"terminated": ended}},
        {"name": "sidecar", "restartCount": 0, "lastState": {}},
    ]
    server.answers[f"GET {PODS}/api-1"] = (
        200,
        {"metadata": {"name": "api-1", "uid": "p1"}, "status": {"containerStatuses": states}},
    )
    log = b"starting\npassword=hunter2\n\x1b]52;c;evil\x07 [/x] \xff\n"
    server.answers[f"GET {PODS}/api-1/log"] = (200, log)
    previous = action("kubernetes.previous-log")
    plan = await previous.plan({"pod": "api-1"})
    assert [victim.key for victim in plan.victims] == ["api"] and "--previous" in plan.shell
    result = await previous.execute(plan)
    text = result.details["api"]
    assert result.outcome is Outcome.DONE and text.startswith(
        "Error, exit code 1 (an error of the application), evil\\x1b[2J, 4 restarts"
    )
    assert "hunter2" not in text and "\x1b" not in text and text.splitlines()[1] == "starting"
    assert "container=api&previous=true&tailLines=200" in server.asked[-1][1]
    assert (
        "container sidecar of api-1 has not run before"
        in (await previous.plan({"pod": "api-1", "container": "sidecar"})).refusal
    )
    server.answers[f"GET {PODS}/api-1/log"] = failure(403, 'User "x" cannot get resource "pods/log"')
    refused = await previous.execute(plan)
    assert refused.outcome is Outcome.FAILED and "its Role needs pods/log [get]" in refused.details["api"]


async def test_a_rollback_needs_a_deployment_with_a_past(server, action):
    roll_back = action("kubernetes.rollback")
    server.answers[f"GET {NAMESPACE}/replicasets"] = (200, {"items": []})
    assert (await roll_back.plan(API)).refusal == "deployment/api has no revision before 2"
    with pytest.raises(ActionProblem, match='"revision" must be a number, not "two"'):
        await roll_back.plan({**API, "revision": "two"})
    server.answers[f"GET {NAMESPACE}/statefulsets/api"] = (200, deployment())
    with pytest.raises(ActionProblem, match="only a Deployment is rolled back"):
        await roll_back.plan({**API, "kind": "StatefulSet"})


async def test_a_rollback_keeps_fields_that_nobody_here_knows(server, action):
    server.answers[f"GET {NAMESPACE}/replicasets"] = (
        200,
        {"items": [replica_set(2, "api:2"), replica_set(1, "api:1"), replica_set(7, "stranger:1", owner="u2")]},
    )
    roll_back = action("kubernetes.rollback")
    plan = await roll_back.plan(API)
    assert plan.title == "roll back api to revision 1" and plan.undo_params["revision"] == "2"
    await roll_back.execute(plan)
    template = server.asked[-1][2][2]["value"]
    assert template["spec"]["unknownField"] == 1 and template["metadata"]["labels"] == {"app": "api"}
    server.answers[f"GET {NAMESPACE}/replicasets"] = (
        200,
        {"items": [replica_set(2, "api:2"), replica_set(1, "api:0")]},
    )
    with pytest.raises(ActionProblem, match="changed it meanwhile"):
        await roll_back.execute(plan)
