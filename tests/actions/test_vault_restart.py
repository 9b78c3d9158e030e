"""Restart one node: three real nodes, and an API server that answers what it is told."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from alphapulse_tui.actions.contract import ActionProblem, SentWithoutAnswer
from alphapulse_tui.actions.vault_raft import StepDown, step_down_refusal
from alphapulse_tui.actions.vault_restart import RestartNode
from alphapulse_tui.config.settings import KubernetesTarget, Profile, VaultNode, VaultTarget
from alphapulse_tui.model.plan import Outcome, Plan, Risk, Verdict
from tests.sources.doors import by_path, door
from tests.sources.servers import Vaults, stop
from tests.waiting import until

PODS = "/api/v1/namespaces/alphapulse/pods"


def pod(name: str, uid: str = "uid-1", owner: str = "StatefulSet", **metadata: str) -> bytes:
    owners = [{"kind": owner, "name": "vault"}] if owner else []
    made = {
        "metadata": {"name": name, "uid": uid, "ownerReferences": owners, **metadata},
        "status": {"phase": "Running"},
    }
    return json.dumps(made).encode()


def status(code: int, reason: str, message: str) -> tuple[int, bytes]:
    return code, json.dumps({"kind": "Status", "code": code, "reason": reason, "message": message}).encode()


@pytest.fixture
def cluster(bao: Vaults) -> Vaults:
    return bao


@contextlib.asynccontextmanager
async def restarting(
    cluster: Vaults, folder: Path, answers: dict[str, tuple[int, bytes]]
) -> AsyncIterator[RestartNode]:
    """The action, with a cluster that answers ``answers``."""
    async with door(by_path(answers)) as port:
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "c",
            "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
            "users": [{"name": "u", "user": {"token": "t"}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        }
        for name, text in (("kubeconfig", json.dumps(config)), ("token", cluster.root_token)):
            (folder / name).write_text(text)
            (folder / name).chmod(0o600)
        nodes = tuple(VaultNode(name=f"vault-{n}", address=address) for n, address in enumerate(cluster.addresses))
        action = RestartNode(
            Profile(
                name="test",
                environment="lab",
                vault=VaultTarget(nodes=nodes, token_file=str(folder / "token")),
                kubernetes=KubernetesTarget(kubeconfig=str(folder / "kubeconfig")),
            )
        )
        try:
            yield action
        finally:
            await action.close()


async def whole(action: RestartNode) -> None:
    async def spare() -> bool:
        return not step_down_refusal(await StepDown(action.profile).survey())

    await until(spare, 60, "a failure to spare", interval=0.5)


def standby(cluster: Vaults) -> str:
    return f"vault-{cluster.codes().index(429)}"


async def planned(action: RestartNode, node: str) -> Plan:
    plan = await action.plan({"node": node})
    assert not plan.refusal, plan.refusal
    return plan


async def test_a_standby_is_planned_evicted_and_proven_by_another_uid(cluster: Vaults, tmp_path: Path) -> None:
    name = standby(cluster)
    answers = {f"{PODS}/{name}": (200, pod(name)), f"{PODS}/{name}/eviction": status(201, "", "")}
    async with restarting(cluster, tmp_path, answers) as action:
        await whole(action)
        plan = await planned(action, name)
        assert (plan.risk, plan.object, plan.preconditions["uid"]) == (Risk.DISRUPTIVE, f"vault/node/{name}", "uid-1")
        assert "it takes 3 of 5 key shares to open it" in plan.sentence
        assert plan.shell.startswith(f"kubectl -n alphapulse delete pod {name}")
        assert (await action.execute(plan)).outcome is Outcome.DONE
        assert (await action.verify(plan)).verdict is Verdict.CONTRADICTED
        answers[f"{PODS}/{name}"] = (200, pod(name, deletionTimestamp="2026-11-27T05:00:00Z"))
        assert (await action.verify(plan)).sentence == f"the old pod {name} is still ending"
        answers[f"{PODS}/{name}"] = status(404, "NotFound", f'pods "{name}" not found')
        assert (await action.verify(plan)).verdict is Verdict.PENDING
        answers[f"{PODS}/{name}"] = (200, pod(name, uid="uid-2"))
        found = await action.verify(plan)
        assert (found.verdict, found.sentence) == (Verdict.VERIFIED, f"{name} runs anew and is unsealed")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (
            status(429, "TooManyRequests", "Cannot evict pod as it would violate the pod's disruption budget."),
            "disruption budget",
        ),
        (
            status(409, "Conflict", "Precondition failed: UID in precondition: uid-1, UID in object meta: uid-2"),
            "changed it meanwhile",
        ),
        (status(403, "Forbidden", 'User "x" cannot create resource "pods/eviction"'), r"pods/eviction \[create\]"),
        (status(401, "Unauthorized", "Unauthorized"), "log in again"),
    ],
)
async def test_an_eviction_that_is_refused_has_its_own_sentence(
    cluster: Vaults, tmp_path: Path, answer: tuple[int, bytes], words: str
) -> None:
    name = standby(cluster)
    answers = {f"{PODS}/{name}": (200, pod(name)), f"{PODS}/{name}/eviction": status(201, "", "")}
    async with restarting(cluster, tmp_path, answers) as action:
        await whole(action)
        plan = await planned(action, name)
        answers[f"{PODS}/{name}/eviction"] = answer
        with pytest.raises(ActionProblem, match=words):
            await action.execute(plan)
        refused = await action.plan({"node": name})
        assert re.search(words, refused.refusal), "it is tried without storing before a person confirms it"


async def test_an_answer_that_proves_nothing_is_unknown(cluster: Vaults, tmp_path: Path) -> None:
    name = standby(cluster)
    answers = {f"{PODS}/{name}": (200, pod(name)), f"{PODS}/{name}/eviction": status(201, "", "")}
    async with restarting(cluster, tmp_path, answers) as action:
        await whole(action)
        plan = await planned(action, name)
        answers[f"{PODS}/{name}/eviction"] = status(500, "", "etcd is slow")
        with pytest.raises(SentWithoutAnswer, match="code 500"):
            await action.execute(plan)


async def test_the_leader_an_unowned_pod_and_a_strange_node_are_refused(cluster: Vaults, tmp_path: Path) -> None:
    name, leader = standby(cluster), f"vault-{cluster.codes().index(200)}"
    async with restarting(cluster, tmp_path, {f"{PODS}/{name}": (200, pod(name, owner=""))}) as action:
        await whole(action)
        assert "let it step down first" in (await action.plan({"node": leader})).refusal
        with pytest.raises(ActionProblem, match="belongs to no StatefulSet"):
            await action.plan({"node": name})
        with pytest.raises(ActionProblem, match='no Vault node "vault-9"'):
            await action.plan({"node": "vault-9"})


async def test_a_node_that_became_leader_or_lost_its_peer_meanwhile_is_left_alone(
    cluster: Vaults, tmp_path: Path
) -> None:
    name = standby(cluster)
    answers = {f"{PODS}/{name}": (200, pod(name)), f"{PODS}/{name}/eviction": status(201, "", "")}
    async with restarting(cluster, tmp_path, answers) as action:
        await whole(action)
        plan = await planned(action, name)
        other = next(place for place, code in enumerate(cluster.codes()) if code == 429 and f"vault-{place}" != name)
        stop(cluster.processes[other])

        async def refused() -> bool:
            try:
                await action.execute(plan)
            except ActionProblem as problem:
                return "raft needs 2" in str(problem)
            return False

        await until(refused, 60, "autopilot to see the peer's death", interval=1.0)
