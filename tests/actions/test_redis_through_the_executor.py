"""The Redis actions through the one door: intent, planned again, sent, proven, journaled; and what a changed target stops. On real servers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from alphapulse_tui.executor.confirm import required_confirmation
from alphapulse_tui.executor.core import Executor
from alphapulse_tui.executor.protocol import Progress, Stage
from alphapulse_tui.incident.events import Kind
from alphapulse_tui.incident.journal import Journal
from alphapulse_tui.model.plan import Outcome, Plan, Risk, Verdict
from tests.actions.redis_cases import masters, name, profile_of, replica_of, wait_well
from tests.sources.servers import RedisCluster, redis_cluster
from tests.waiting import wait_until


@pytest.fixture(scope="module")
def cluster() -> Iterator[RedisCluster]:
    with redis_cluster() as made:
        wait_well(made)
        yield made


@pytest.fixture
async def executor(cluster: RedisCluster, tmp_path: Path) -> AsyncIterator[Executor]:
    journal = Journal.open(tmp_path / "trial" / "journal.sqlite", actor="ana", anchor=lambda _: None)
    made = Executor(profile_of(cluster.ports), journal)
    yield made
    await made.close()
    journal.close()


async def run(executor: Executor, plan: Plan) -> list[Progress]:
    return [step async for step in executor.execute(plan.id, plan.digest(), required_confirmation(plan))]


async def test_every_node_is_set_proven_and_journaled(executor: Executor, cluster: RedisCluster) -> None:
    plan = await executor.plan("redis.set-policy", {"policy": "volatile-lru"})
    steps = await run(executor, plan)
    assert steps[-1].stage is Stage.VERIFIED and steps[-1].verification is not None
    assert (steps[-1].before[name(0)], steps[-1].verification.reading[name(0)]) == ("noeviction", "volatile-lru")
    kinds = [event.kind for event in executor.journal.events()]
    assert kinds == [Kind.INTENT, Kind.SENT, Kind.OUTCOME, Kind.VERIFIED]
    assert {cluster.cli(port, "config", "get", "maxmemory-policy").split()[1] for port in cluster.ports} == {
        "volatile-lru"
    }


async def test_a_failover_is_proven_by_all_and_can_be_taken_back(executor: Executor, cluster: RedisCluster) -> None:
    master = masters(cluster)[0]
    replica = replica_of(cluster, master)
    plan = await executor.plan("redis.failover", {"replica": name(replica)})
    steps = await run(executor, plan)
    found = steps[-1].verification
    assert found is not None and found.verdict is Verdict.VERIFIED
    assert steps[-1].before["masters"] != found.reading["masters"] and found.reading["cluster_state"] == "ok"
    wait_well(cluster)
    back = await executor.plan(plan.undo_action, plan.undo_params)
    assert (await run(executor, back))[-1].stage is Stage.VERIFIED
    wait_well(cluster)
    assert cluster.cli(cluster.ports[master], "role").startswith("master")


async def test_a_replica_that_was_promoted_meanwhile_is_not_sent_to(executor: Executor, cluster: RedisCluster) -> None:
    replica = replica_of(cluster, masters(cluster)[1])
    plan = await executor.plan("redis.failover", {"replica": name(replica)})
    cluster.cli(cluster.ports[replica], "cluster", "failover")
    wait_until(lambda: cluster.cli(cluster.ports[replica], "role").startswith("master"), 10, "somebody else's failover")
    wait_well(cluster)
    steps = await run(executor, plan)
    refused = steps[-1].result
    assert (
        refused is not None and refused.outcome is Outcome.REFUSED and "not the one that was shown" in refused.sentence
    )
    assert Kind.SENT not in [event.kind for event in executor.journal.events()]


async def refused(executor: Executor, plan: Plan) -> str:
    """Run it; why it was refused before anything was sent."""
    result = (await run(executor, plan))[-1].result
    assert result is not None and result.outcome is Outcome.REFUSED
    assert Kind.SENT not in [event.kind for event in executor.journal.events()]
    return result.sentence


async def test_a_node_that_somebody_else_has_set_stops_it_before_the_first_is_sent_to(
    executor: Executor, cluster: RedisCluster
) -> None:
    plan = await executor.plan("redis.set-policy", {"policy": "volatile-ttl"})
    before = [cluster.cli(port, "config", "get", "maxmemory-policy") for port in cluster.ports]
    cluster.cli(cluster.ports[4], "config", "set", "maxmemory-policy", "volatile-lfu")
    assert f"{name(4)} is not the one that was shown" in await refused(executor, plan)
    after = [cluster.cli(port, "config", "get", "maxmemory-policy") for port in cluster.ports]
    assert after[:4] + after[5:] == before[:4] + before[5:]
    cluster.cli(cluster.ports[4], "config", "set", "maxmemory-policy", before[4].split()[1])


async def test_a_limit_that_has_become_destructive_is_not_set_on_an_easy_word(
    executor: Executor, cluster: RedisCluster
) -> None:
    place = masters(cluster)[0]
    plan = await executor.plan("redis.set-maxmemory", {"bytes": "24mb"})
    assert plan.risk is Risk.DISRUPTIVE
    key = next(
        f"big{number}" for number in range(99) if cluster.cli(cluster.ports[place], "set", f"big{number}", "x") == "OK"
    )
    cluster.cli(cluster.ports[place], "setrange", key, str(30 * 1024 * 1024), "x")
    said = await refused(executor, plan)
    assert "it was disruptive when it was confirmed and is destructive now: plan again" in said
    cluster.cli(cluster.ports[place], "del", key)


async def test_a_key_of_another_type_is_not_unlinked(executor: Executor, cluster: RedisCluster) -> None:
    place = next(one for one in masters(cluster) if "OK" in cluster.cli(cluster.ports[one], "set", "k", "v"))
    plan = await executor.plan("redis.unlink", {"key": "k"})
    cluster.cli(cluster.ports[place], "del", "k")
    cluster.cli(cluster.ports[place], "sadd", "k", "member")
    assert "k is not the one that was shown" in await refused(executor, plan)
    assert cluster.cli(cluster.ports[place], "exists", "k") == "1"
    cluster.cli(cluster.ports[place], "del", "k")


async def test_a_key_whose_slot_moved_to_another_master_is_not_unlinked(
    executor: Executor, cluster: RedisCluster
) -> None:
    place = next(one for one in masters(cluster) if "OK" in cluster.cli(cluster.ports[one], "set", "k", "v"))
    plan = await executor.plan("redis.unlink", {"key": "k"})
    replica = replica_of(cluster, place)
    cluster.cli(cluster.ports[replica], "cluster", "failover")
    wait_until(lambda: cluster.cli(cluster.ports[replica], "role").startswith("master"), 10, "the new master")
    wait_well(cluster)
    assert "k is not the one that was shown" in await refused(executor, plan)
    assert cluster.cli(cluster.ports[replica], "exists", "k") == "1"
    cluster.cli(cluster.ports[replica], "del", "k")


async def test_a_key_that_is_gone_is_nothing_to_do(executor: Executor, cluster: RedisCluster) -> None:
    place = next(one for one in masters(cluster) if "OK" in cluster.cli(cluster.ports[one], "set", "k", "v"))
    plan = await executor.plan("redis.unlink", {"key": "k"})
    assert required_confirmation(plan) == "k"
    cluster.cli(cluster.ports[place], "del", "k")
    steps = await run(executor, plan)
    refused = steps[-1].result
    assert refused is not None and refused.outcome is Outcome.REFUSED and "nothing is left to do" in refused.sentence
