"""The pods of stateful servers are not ended as an API's pod is."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from alphapulse_tui.actions.contract import ActionProblem
from alphapulse_tui.config.settings import PostgresServer, PostgresTarget
from alphapulse_tui.model.plan import Outcome, Risk
from tests.actions.api_server import PODS, action, server

__all__ = ["action", "server"]


def found(name: str) -> tuple[int, dict[str, Any]]:
    owner = {"kind": "StatefulSet", "name": name.rpartition("-")[0], "controller": True}
    return 200, {"metadata": {"name": name, "uid": "p1", "ownerReferences": [owner]}, "status": {"phase": "Running"}}


@pytest.fixture
def delete(server, action):
    for name in ("vault-0", "redis-cluster-2", "postgres-0", "postgres-replica-0"):
        server.answers[f"GET {PODS}/{name}"] = found(name)
    made = action("kubernetes.delete-pod")
    replicas = (PostgresServer(name="postgres-replica-0", host="127.0.0.1", port=1),)
    target = PostgresTarget(primary=PostgresServer(host="127.0.0.1", port=1), replicas=replicas)
    made.profile = msgspec.structs.replace(made.profile, postgres=target)
    return made


async def test_a_vault_node_is_left_to_its_own_action(server, delete):
    plan = await delete.plan({"pod": "vault-0"})
    assert "vault.restart-node" in plan.refusal
    assert not any(method == "POST" for method, _, _ in server.asked)


@pytest.mark.parametrize("name", ["redis-cluster-2", "postgres-0"])
async def test_a_stateful_server_is_asked_for_by_its_name(delete, name):
    plan = await delete.plan({"pod": name})
    assert (plan.refusal, plan.risk, plan.confirm_word) == ("", Risk.DESTRUCTIVE, name) and plan.warnings


async def test_a_replica_that_says_so_is_disruptive_and_asked_again(server, delete, monkeypatch):
    said = [{"standby": True}]

    async def rows(*_: Any) -> list[dict[str, bool]]:
        return said

    monkeypatch.setattr("alphapulse_tui.actions.kubernetes_pods.Connection.rows", rows)
    plan = await delete.plan({"pod": "postgres-replica-0"})
    assert (plan.refusal, plan.risk, plan.confirm_word) == ("", Risk.DISRUPTIVE, "")
    assert (await delete.execute(plan)).outcome is Outcome.DONE
    said[:] = [{"standby": False}]
    before = len(server.asked)
    with pytest.raises(ActionProblem, match="is no replica any more: it takes writes"):
        await delete.execute(plan)
    assert len(server.asked) == before
    promoted = await delete.plan({"pod": "postgres-replica-0"})
    assert (promoted.risk, promoted.confirm_word) == (Risk.DESTRUCTIVE, "postgres-replica-0")


async def test_a_replica_that_does_not_answer_is_not_taken_for_one(delete):
    plan = await delete.plan({"pod": "postgres-replica-0"})
    assert plan.risk is Risk.DESTRUCTIVE and "is not known" in plan.warnings[1]
