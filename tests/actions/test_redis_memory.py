"""Memory limit, policy and one key on a real Valkey cluster, node by node; redis-cli is the witness."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from dataclasses import replace

import msgspec
import pytest

from alphapulse_tui.actions.contract import ActionProblem
from alphapulse_tui.actions.redis_memory_limits import Limit, limit_of, limits
from alphapulse_tui.actions.redis_settings import SetMaxmemory, SetPolicy
from alphapulse_tui.actions.redis_unlink import Unlink
from alphapulse_tui.config.settings import KubernetesTarget
from alphapulse_tui.model.plan import Outcome, Risk, Verdict
from tests.actions.redis_cases import masters, name, profile_of, swallowing, wait_well
from tests.model.rules.test_redis import WELL
from tests.sources.servers import RedisCluster, redis_cluster
from tests.waiting import wait_until

MB = 1024 * 1024


@pytest.fixture(scope="module")
def one_cluster() -> Iterator[RedisCluster]:
    with redis_cluster() as made:
        wait_well(made)
        yield made


@pytest.fixture
def cluster(one_cluster: RedisCluster) -> RedisCluster:
    """The cluster with 32 MB a node, no keys and no policy."""
    for port in one_cluster.ports:
        one_cluster.cli(port, "config", "set", "maxmemory", "32mb")
        one_cluster.cli(port, "config", "set", "maxmemory-policy", "noeviction")
    for place in masters(one_cluster):
        one_cluster.cli(one_cluster.ports[place], "flushall")
    return one_cluster


def setting(cluster: RedisCluster, which: str) -> list[str]:
    return [cluster.cli(port, "config", "get", which).split()[1] for port in cluster.ports]


def give(cluster: RedisCluster, key: str, *words: str) -> int:
    """Write a key; the place of the node that took it."""
    for place in masters(cluster):
        if cluster.cli(cluster.ports[place], words[0], key, *words[1:]) in ("OK", "1"):
            return place
    raise AssertionError(key)


async def test_the_limit_is_raised_on_every_node_and_taken_back(cluster):
    action = SetMaxmemory(profile_of(cluster.ports))
    plan = await action.plan({"bytes": "48mb"})
    assert (plan.refusal, plan.risk, len(plan.victims)) == ("", Risk.DISRUPTIVE, 6)
    assert plan.sentence == "Sets maxmemory from 32.0 MiB to 48.0 MiB on 6 of 6 nodes, one after the other."
    assert any("containers' memory limits are not known" in warning for warning in plan.warnings)
    assert any("run without a configuration file" in warning for warning in plan.warnings)
    result = await action.execute(plan)
    assert (result.outcome, result.sentence) == (Outcome.DONE, "6 of 6 nodes were set")
    assert "nothing can be made to last there" in result.details[name(0)]
    found = await action.verify(plan)
    assert found.verdict is Verdict.VERIFIED and found.reading[name(3)] == "48.0 MiB"
    assert set(setting(cluster, "maxmemory")) == {str(48 * MB)}
    back = await action.plan(plan.undo_params)
    await action.execute(back)
    assert set(setting(cluster, "maxmemory")) == {str(32 * MB)}
    assert (await action.plan({"bytes": "32mb"})).refusal == "maxmemory is 32.0 MiB on all 6 nodes already"
    await action.close()


async def test_a_limit_that_would_evict_or_refuse_wants_the_name_typed(cluster):
    place = give(cluster, "big", "set", "0" * 100_000)
    for number in range(20):
        cluster.cli(cluster.ports[place], "set", f"{{big}}{number}", "0" * 100_000)
    action = SetMaxmemory(profile_of(cluster.ports))
    plan = await action.plan({"bytes": "3mb"})
    assert (plan.risk, plan.confirm_word) == (Risk.DESTRUCTIVE, "redis")
    assert any(f"{name(place)} uses" in w and "refuses every write" in w for w in plan.warnings)
    for port in cluster.ports:
        cluster.cli(port, "config", "set", "maxmemory-policy", "allkeys-lru")
    plan = await action.plan({"bytes": "3mb"})
    assert any("are evicted at once" in warning for warning in plan.warnings)
    await action.close()


async def test_a_node_that_outgrew_the_limit_since_is_left_alone(cluster):
    action = SetMaxmemory(profile_of(cluster.ports))
    plan = await action.plan({"bytes": "24mb"})
    assert plan.risk is Risk.DISRUPTIVE
    place = give(cluster, "big", "set", "x")
    cluster.cli(cluster.ports[place], "config", "set", "maxmemory", "64mb")
    assert cluster.cli(cluster.ports[place], "setrange", "big", str(30 * MB), "x").isdecimal()
    cluster.cli(cluster.ports[place], "config", "set", "maxmemory", "32mb")
    result = await action.execute(plan)
    assert result.outcome is Outcome.FAILED
    assert f"{name(place)} uses" in result.details[name(place)] and "plan again" in result.details[name(place)]
    assert setting(cluster, "maxmemory")[place] == str(32 * MB)
    await action.close()


async def test_the_limits_of_the_pods_that_tell_are_known(monkeypatch):
    class Recorded:
        namespace = "alphapulse"

        def __init__(self, profile):
            pass

        async def read(self, path, grant):
            if path.endswith("n1"):
                raise ActionProblem("there is no pod n1")
            return {"spec": {"containers": [container("redis", "1Gi")]}}

        async def close(self):
            pass

    monkeypatch.setattr("alphapulse_tui.actions.kubernetes_link.WriteLink", Recorded)
    profile = msgspec.structs.replace(profile_of([1]), kubernetes=KubernetesTarget())
    assert await limits(profile, WELL.nodes[:3]) == {"n0": Limit(1024 * MB), "n2": Limit(1024 * MB)}


async def test_too_much_is_refused(cluster, monkeypatch):
    action = SetMaxmemory(profile_of(cluster.ports))
    assert (
        "is more than 75% of what redis-0 may use (the machine has" in (await action.plan({"bytes": "9000gb"})).refusal
    )
    assert "until the kernel kills it" in (await action.plan({"bytes": "0"})).refusal
    with pytest.raises(ActionProblem, match="must be a size like 2gb"):
        await action.plan({"bytes": "much"})

    async def known(profile, nodes):
        return {node.name: Limit(64 * MB) for node in nodes}

    monkeypatch.setattr("alphapulse_tui.actions.redis_settings.limits", known)
    assert "its container's limit is 64.0 MiB" in (await action.plan({"bytes": "50mb"})).refusal
    assert (await action.plan({"bytes": "48mb"})).refusal == ""
    await action.close()


async def test_a_node_that_somebody_else_changed_is_left_alone(cluster):
    action = SetPolicy(profile_of(cluster.ports))
    plan = await action.plan({})
    assert "from noeviction to allkeys-lru on 6 of 6" in plan.sentence
    cluster.cli(cluster.ports[2], "config", "set", "maxmemory-policy", "volatile-ttl")
    result = await action.execute(plan)
    assert (result.outcome, result.sentence) == (Outcome.FAILED, "5 of 6 nodes were set")
    assert result.details[name(2)] == f"left alone: {name(2)} has volatile-ttl by now: somebody else changed it"
    found = await action.verify(plan)
    assert (found.verdict, found.sentence) == (Verdict.CONTRADICTED, f"{name(2)} has volatile-ttl")
    again = await action.plan({})
    assert [victim.key for victim in again.victims] == [name(2)]
    await action.execute(again)
    assert set(setting(cluster, "maxmemory-policy")) == {"allkeys-lru"}
    assert (await action.plan({})).refusal == "maxmemory-policy is allkeys-lru on all 6 nodes already"
    await action.close()


async def test_a_policy_says_what_it_may_take(cluster):
    give(cluster, "session", "set", "x")
    action = SetPolicy(profile_of(cluster.ports))
    assert any("1 of 1 keys have no TTL" in warning for warning in (await action.plan({})).warnings)
    assert any("no key has a TTL" in w for w in (await action.plan({"policy": "volatile-lru"})).warnings)
    for port in cluster.ports:
        cluster.cli(port, "config", "set", "maxmemory-policy", "allkeys-lru")
    assert any("every write is refused" in w for w in (await action.plan({"policy": "noeviction"})).warnings)
    with pytest.raises(ActionProblem, match='no policy "lru"; there are allkeys-lru'):
        await action.plan({"policy": "lru"})
    await action.close()


@pytest.mark.parametrize(
    ("used", "expiring", "policy", "words"),
    [
        (790, 0, "allkeys-lru", ""),
        (900, 10, "allkeys-lru", ""),
        (
            900,
            4,
            "allkeys-lru",
            "n0 has used 90 % of its limit: under allkeys-lru its 6 keys without a TTL may go at once",
        ),
        (900, 4, "volatile-ttl", "keys with a TTL go, 4 of 10, then every write is refused"),
        (900, 4, "noeviction", "under noeviction every write is refused"),
        (790, 4, "noeviction", ""),
    ],
)
async def test_a_policy_on_a_full_master_wants_the_name_typed(used, expiring, policy, words):
    node = replace(WELL.nodes[0], used_memory=used, keys=10, expiring_keys=expiring)
    found = await SetPolicy(profile_of([1])).judged({"n0": (node, "allkeys-lfu", policy)})
    assert found.destructive is bool(words) and words in " ".join(found.warnings)


@pytest.mark.parametrize("old", ["0", str(2000 * MB)])
async def test_a_way_back_that_would_be_refused_is_not_offered(cluster, monkeypatch, old):
    async def known(profile, nodes):
        return {node.name: Limit(1024 * MB) for node in nodes}

    monkeypatch.setattr("alphapulse_tui.actions.redis_settings.limits", known)
    cluster.cli(cluster.ports[1], "config", "set", "maxmemory", old)
    action = SetMaxmemory(profile_of(cluster.ports))
    plan = await action.plan({"bytes": "48mb"})
    assert (plan.refusal, plan.undo_action, plan.undo_params) == ("", "", {})
    assert plan.undo.startswith("none from here: ") and name(1) in plan.undo
    await action.close()


async def test_going_back_writes_files_only_where_the_change_did(cluster):
    action = SetPolicy(profile_of(cluster.ports))
    assert (await action.plan({})).undo_params["persist"] == "yes"
    plan = await action.plan({"persist": "no"})
    assert plan.undo_params["persist"] == "no"
    assert "REWRITE" not in (await action.plan({**plan.undo_params, "values": f"{name(0)}=allkeys-lfu"})).call
    await action.close()


async def test_a_hung_node_is_said_and_the_others_are_set(cluster, monkeypatch):
    monkeypatch.setattr("alphapulse_tui.actions.redis_node.READ_SECONDS", 0.7)
    replica = next(place for place in range(6) if place not in masters(cluster))
    action = SetPolicy(profile_of(cluster.ports))
    cluster.processes[replica].send_signal(signal.SIGSTOP)
    try:
        plan = await action.plan({})
        assert len(plan.victims) == 5 and any("would come back with its old value" in w for w in plan.warnings)
        assert (await action.execute(plan)).outcome is Outcome.DONE
        assert (await action.verify(plan)).verdict is Verdict.VERIFIED
    finally:
        cluster.processes[replica].send_signal(signal.SIGCONT)
    await action.close()
    wait_well(cluster)


async def test_half_way_a_node_falls_silent_after_the_send(cluster, monkeypatch):
    monkeypatch.setattr("alphapulse_tui.actions.redis_node.SEND_SECONDS", 0.5)
    async with swallowing(cluster.ports[1], b"allkeys-lru") as port:
        action = SetPolicy(profile_of([port if place == 1 else own for place, own in enumerate(cluster.ports)]))
        plan = await action.plan({})
        result = await action.execute(plan)
        assert result.outcome is Outcome.UNKNOWN and "gave no answer to CONFIG SET" in result.details[name(1)]
        await action.close()
    direct = SetPolicy(profile_of(cluster.ports))
    assert (await direct.verify(plan)).verdict is Verdict.VERIFIED, "it had taken it all the same"
    await direct.close()


async def test_one_key_is_unlinked_where_it_lives(cluster):
    place = give(cluster, "positions:all", "hset", "field", "0" * 100_000)
    action = Unlink(profile_of(cluster.ports))
    plan = await action.plan({"key": "positions:all"})
    assert (plan.refusal, plan.risk, plan.confirm_word) == ("", Risk.DESTRUCTIVE, "positions:all")
    assert (
        "a hash of" in plan.sentence and f"on {name(place)}" in plan.sentence and "has no TTL" in plan.victims[0].label
    )
    assert plan.shell.endswith("unlink positions:all")
    result = await action.execute(plan)
    assert (result.outcome, result.sentence) == (Outcome.DONE, "positions:all unlinked")
    found = await action.verify(plan)
    assert found.verdict is Verdict.VERIFIED and found.reading["key"] == "none"
    assert cluster.cli(cluster.ports[place], "exists", "positions:all") == "0"
    assert "has no such key: it is gone" in (await action.plan({"key": "positions:all"})).refusal
    late = await action.execute(plan)
    assert late.outcome is Outcome.REFUSED and "gone already" in late.sentence
    await action.close()


async def test_a_key_that_became_another_is_left_alone(cluster):
    place = give(cluster, "k", "set", "x")
    action = Unlink(profile_of(cluster.ports))
    plan = await action.plan({"key": "k"})
    cluster.cli(cluster.ports[place], "del", "k")
    give(cluster, "k", "sadd", "member")
    with pytest.raises(ActionProblem, match="k is a set by now, not a string; nothing was sent"):
        await action.execute(plan)
    assert (await action.verify(plan)).verdict is Verdict.CONTRADICTED
    await action.close()


async def test_hostile_and_missing_names(cluster):
    action = Unlink(profile_of(cluster.ports))
    assert "bytes that cannot be shown" in (await action.plan({"key": "evil\x1b[2J"})).refusal
    with pytest.raises(ActionProblem, match="say which key"):
        await action.plan({})
    place = give(cluster, "two words'; rm", "set", "x")
    plan = await action.plan({"key": "two words'; rm"})
    assert plan.shell.endswith("""unlink 'two words'"'"'; rm'""")
    await action.execute(plan)
    wait_until(lambda: cluster.cli(cluster.ports[place], "dbsize") == "0", 5, "an empty node")
    await action.close()


async def test_a_node_that_no_profile_names_is_set_too(cluster):
    action = SetPolicy(profile_of(cluster.ports[:5]))
    plan = await action.plan({})
    assert f"127.0.0.1:{cluster.ports[5]}" in [victim.key for victim in plan.victims] and len(plan.victims) == 6
    assert (await action.execute(plan)).outcome is Outcome.DONE
    assert set(setting(cluster, "maxmemory-policy")) == {"allkeys-lru"}
    await action.close()


def container(name: str, memory: str) -> dict[str, object]:
    return {"name": name, "resources": {"limits": {"memory": memory}}}


@pytest.mark.parametrize(
    ("containers", "expected"),
    [
        ([container("exporter", "32Mi"), container("redis", "1Gi")], 1024 * MB),
        ([container("server", "384Mi")], 384 * MB),
        ([{"name": "redis", "resources": {}}], 0),
        ([], 0),
    ],
)
def test_the_limit_is_that_of_the_container_that_runs_redis(containers, expected):
    assert limit_of({"spec": {"containers": containers}}).bytes == expected
