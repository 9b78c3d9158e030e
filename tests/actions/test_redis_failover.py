"""Failovers on a real Valkey cluster: the right replica, each grade only where it belongs, proof from every node; redis-cli is the witness."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from alphapulse_tui.actions.contract import ActionProblem, SentWithoutAnswer
from alphapulse_tui.actions.redis_failover import Force, Graceful, Takeover
from alphapulse_tui.model.plan import Outcome, Risk, Verdict
from tests.actions.redis_cases import (
    failed,
    masters,
    name,
    node_id,
    profile_of,
    proven,
    replica_of,
    swallowing,
    wait_well,
)
from tests.sources.servers import RedisCluster, redis_cluster, stop
from tests.waiting import wait_until


@pytest.fixture(scope="module")
def one_cluster() -> Iterator[RedisCluster]:
    with redis_cluster() as made:
        yield made


@pytest.fixture
def cluster(one_cluster: RedisCluster) -> Iterator[RedisCluster]:
    """The cluster, whole at the beginning; what a test killed is started again at the end."""
    yield one_cluster
    for place, process in enumerate(one_cluster.processes):
        if process.poll() is None:
            process.send_signal(signal.SIGCONT)
        else:
            one_cluster.restart(place)
        one_cluster.cli(one_cluster.ports[place], "config", "set", "cluster-replica-no-failover", "no")
    wait_well(one_cluster)


def kill_master(cluster: RedisCluster, master: int, replica: int) -> None:
    """Kill it, with its replica forbidden to take over by itself, and wait until the others have noticed."""
    cluster.cli(cluster.ports[replica], "config", "set", "cluster-replica-no-failover", "yes")
    stop(cluster.processes[master])
    wait_until(lambda: failed(cluster, replica, cluster.ports[master]), 20, "the dead master in the replica's view")


async def test_master_and_replica_change_places_and_back(cluster):
    action = Graceful(profile_of(cluster.ports))
    master = masters(cluster)[0]
    replica = replica_of(cluster, master)
    plan = await action.plan({"replica": name(replica)})
    assert (plan.refusal, plan.risk) == ("", Risk.DISRUPTIVE)
    assert f"instead of {name(master)}" in plan.sentence and "nothing is lost" in plan.warnings[0]
    assert plan.shell == f"redis-cli -e -h 127.0.0.1 -p {cluster.ports[replica]} cluster failover"
    result = await action.execute(plan)
    assert result.outcome is Outcome.DONE and "only schedules" in result.sentence
    found = await proven(action, plan)
    assert "cluster_state ok" in found.sentence and name(replica) in found.reading["masters"]
    assert cluster.cli(cluster.ports[replica], "role").startswith("master")
    assert cluster.cli(cluster.ports[master], "role").startswith("slave")
    wait_well(cluster)
    assert (plan.undo_action, plan.undo_params) == ("redis.failover", {"replica": name(master)})
    back = await action.plan(plan.undo_params)
    await action.execute(back)
    await proven(action, back)
    assert cluster.cli(cluster.ports[master], "role").startswith("master")
    await action.close()


async def test_who_is_no_replica_is_refused(cluster):
    action = Graceful(profile_of(cluster.ports))
    master = masters(cluster)[0]
    replica = replica_of(cluster, master)
    refused = (await action.plan({"replica": name(master)})).refusal
    assert refused == f"{name(master)} is a master; a failover is sent to a replica of it: {name(replica)}"
    assert (await action.plan({})).refusal.startswith("say which replica is to become master: ")
    with pytest.raises(ActionProblem, match='there is no Redis node "redis-9"'):
        await action.plan({"replica": "redis-9"})
    for harder in (Force, Takeover):
        other = harder(profile_of(cluster.ports))
        assert "fail over gracefully, which loses nothing" in (await other.plan({"replica": name(replica)})).refusal
        assert "nothing needs a failover" in (await other.plan({})).refusal
        await other.close()
    await action.close()


async def test_a_replica_that_was_promoted_since_is_left_alone(cluster):
    action = Graceful(profile_of(cluster.ports))
    replica = replica_of(cluster, masters(cluster)[1])
    plan = await action.plan({"replica": name(replica)})
    cluster.cli(cluster.ports[replica], "cluster", "failover")
    wait_until(lambda: cluster.cli(cluster.ports[replica], "role").startswith("master"), 10, "the other one's failover")
    with pytest.raises(ActionProblem, match="is a master by now, not what was shown; nothing was sent"):
        await action.execute(plan)
    assert (await action.plan({"replica": name(replica)})).victims[0].identity != plan.victims[0].identity
    await action.close()


async def test_a_dead_master_is_replaced_by_force(cluster):
    master = masters(cluster)[0]
    replica = replica_of(cluster, master)
    kill_master(cluster, master, replica)
    gentle = Graceful(profile_of(cluster.ports))
    assert "has lost the link to" in (await gentle.plan({"replica": name(replica)})).refusal
    blind = Takeover(profile_of(cluster.ports))
    assert "the forced failover is safer" in (await blind.plan({"replica": name(replica)})).refusal
    action = Force(profile_of(cluster.ports))
    for missing in ({}, {"agreed_with": " "}):
        assert "name a second person in agreed_with" in (await action.plan(missing)).refusal
    plan = await action.plan({"agreed_with": "bo"})
    assert plan.params["agreed_with"] == "bo"
    assert (plan.refusal, plan.risk, plan.confirm_word) == ("", Risk.DESTRUCTIVE, name(master))
    assert plan.params["replica"] == name(replica), "it chose the replica of the master that failed"
    lost, votes, agreed = plan.warnings
    assert agreed == "agreed with bo"
    assert "MAY BE LOST" in lost and "sees 2 of 3 masters alive" in votes and "a majority is 2" in votes
    assert "is back as a replica, fail over to it gracefully" in plan.undo and plan.undo_action == ""
    assert (await action.execute(plan)).outcome is Outcome.DONE
    found = await proven(action, plan)
    assert found.reading["silent nodes"] == name(master)
    witness = masters(cluster, [place for place in range(6) if place not in (master, replica)])[0]
    assert "cluster_state:ok" in cluster.cli(cluster.ports[witness], "cluster", "info")
    cluster.restart(master)
    wait_until(
        lambda: cluster.cli(cluster.ports[master], "role").startswith("slave"), 20, "the old master as a replica"
    )
    for one in (gentle, blind, action):
        await one.close()


@pytest.mark.long
async def test_without_a_majority_only_a_takeover_is_left(cluster, monkeypatch):
    first, second = masters(cluster)[:2]
    replicas = [replica_of(cluster, master) for master in (first, second)]
    for replica in replicas:
        cluster.cli(cluster.ports[replica], "config", "set", "cluster-replica-no-failover", "yes")
    for master in (first, second):
        cluster.processes[master].send_signal(signal.SIGSTOP)

    def suspected() -> bool:
        view = cluster.cli(cluster.ports[replicas[0]], "cluster", "nodes")
        return all(
            any(f":{cluster.ports[m]}@" in text and "fail" in text for text in view.splitlines())
            for m in (first, second)
        )

    wait_until(suspected, 20, "two silent masters")
    monkeypatch.setattr("alphapulse_tui.actions.redis_node.READ_SECONDS", 0.7)
    force, action = Force(profile_of(cluster.ports)), Takeover(profile_of(cluster.ports))
    refused = (await force.plan({"replica": name(replicas[0])})).refusal
    assert "sees 1 of 3 masters and needs 2 votes" in refused
    refused = (await action.plan({"replica": name(replicas[0])})).refusal
    assert "be sure that the other side is dead or fenced, and name a second person in agreed_with" in refused
    plan = await action.plan({"replica": name(replicas[0]), "agreed_with": "bo"})
    assert plan.refusal == "" and plan.confirm_word == name(first) and "proves nothing" in plan.warnings[0]
    assert plan.warnings[-1] == "agreed with bo"
    await action.execute(plan)
    assert f"{name(second)} failed too" in (await proven(action, plan, 30)).sentence
    # With the new master there is a majority again: the second shard is put to a vote.
    assert "the forced failover is safer" in (await action.plan({"replica": name(replicas[1])})).refusal
    plan = await force.plan({"agreed_with": "bo"})
    assert (plan.refusal, plan.params["replica"]) == ("", name(replicas[1]))
    await force.execute(plan)
    assert "cluster_state ok" in (await proven(force, plan, 30)).sentence
    assert all(cluster.cli(cluster.ports[replica], "role").startswith("master") for replica in replicas)
    await force.close()
    await action.close()


async def test_no_answer_after_sending_is_unknown_and_the_cluster_tells(cluster, monkeypatch):
    monkeypatch.setattr("alphapulse_tui.actions.redis_node.SEND_SECONDS", 0.5)
    replica = replica_of(cluster, masters(cluster)[2])
    async with swallowing(cluster.ports[replica], b"FAILOVER") as port:
        ports = [port if place == replica else own for place, own in enumerate(cluster.ports)]
        action = Graceful(profile_of(ports))
        plan = await action.plan({"replica": name(replica)})
        with pytest.raises(SentWithoutAnswer, match="gave no answer to CLUSTER FAILOVER"):
            await action.execute(plan)
        await action.close()
    direct = Graceful(profile_of(cluster.ports))
    assert (await proven(direct, plan)).verdict is Verdict.VERIFIED
    assert cluster.cli(cluster.ports[replica], "role").startswith("master")
    await direct.close()


async def test_a_hung_replica_is_not_sent_to(cluster, monkeypatch):
    monkeypatch.setattr("alphapulse_tui.actions.redis_node.READ_SECONDS", 0.5)
    replica = replica_of(cluster, masters(cluster)[0])
    action = Graceful(profile_of(cluster.ports))
    plan = await action.plan({"replica": name(replica)})
    cluster.processes[replica].send_signal(signal.SIGSTOP)
    try:
        with pytest.raises(ActionProblem, match="gave no answer in time; nothing was sent"):
            await action.execute(plan)
        assert (await action.verify(plan)).verdict is Verdict.UNKNOWN
    finally:
        cluster.processes[replica].send_signal(signal.SIGCONT)
    assert node_id(cluster, replica) == plan.victims[0].facts["node id"]
    await action.close()
