"""The faults of Redis, Vault and the alert pipeline: broken for real, seen with redis-cli, bao and HTTP, mended, and well again."""

from __future__ import annotations

import json
import statistics
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass

import httpx
import pytest

from tests.lab_handle import LabHandle
from tests.matrix import quick
from tests.waiting import wait_until

pytestmark = [pytest.mark.lab, pytest.mark.timeout(240)]


def info(lab: LabHandle, ordinal: int, section: str) -> dict[str, str]:
    lines = lab.redis_cli(ordinal, "info", section).splitlines()
    return dict(line.split(":", 1) for line in lines if ":" in line)


def cluster(lab: LabHandle, ordinal: int) -> dict[str, str]:
    return dict(line.split(":", 1) for line in lab.redis_cli(ordinal, "cluster", "info").split())


def said(lab: LabHandle, ordinal: int, *words: str, user: str = "admin") -> str:
    """What redis-cli prints, also when it is an error."""
    try:
        return lab.redis_cli(ordinal, *words, user=user)
    except subprocess.CalledProcessError as error:
        return f"{error.stdout}{error.stderr}"


def masters(lab: LabHandle) -> list[int]:
    return [ordinal for ordinal in range(6) if lab.redis_cli(ordinal, "role").startswith("master")]


def owner(lab: LabHandle, key: str) -> int:
    return next(ordinal for ordinal in masters(lab) if "MOVED" not in said(lab, ordinal, "exists", key))


def used(lab: LabHandle, ordinal: int) -> float:
    memory = info(lab, ordinal, "memory")
    return int(memory["used_memory"]) / int(memory["maxmemory"])


def redis_is_well(lab: LabHandle) -> bool:
    return all(
        cluster(lab, ordinal)["cluster_state"] == "ok" and cluster(lab, ordinal)["cluster_slots_ok"] == "16384"
        for ordinal in range(6)
    )


def is_full_and_evicts(lab: LabHandle) -> bool:
    before = {ordinal: info(lab, ordinal, "stats")["evicted_keys"] for ordinal in masters(lab)}
    wait_until(
        lambda: all(info(lab, ordinal, "stats")["evicted_keys"] != count for ordinal, count in before.items()),
        20,
        "evictions",
    )
    return all(used(lab, ordinal) > 0.9 for ordinal in before)


def has_room(lab: LabHandle) -> bool:
    return redis_is_well(lab) and all(used(lab, ordinal) < 0.5 for ordinal in masters(lab))


def refuses_writes_and_reads_on(lab: LabHandle) -> bool:
    node = owner(lab, "tenant:00002")
    assert lab.redis_cli(node, "config", "get", "maxmemory-policy").splitlines()[1] == "noeviction"
    wait_until(
        lambda: "OOM command not allowed" in said(lab, node, "set", "{tenant:00002}x", "1"), 60, "a refused write"
    )
    return len(said(lab, node, "get", "tenant:00002")) > 20


def takes_writes(lab: LabHandle) -> bool:
    node = owner(lab, "tenant:00002")
    policy = lab.redis_cli(node, "config", "get", "maxmemory-policy").splitlines()[1]
    return (
        policy == "allkeys-lru" and said(lab, node, "set", "{tenant:00002}x", "1", "ex", "5") == "OK" and has_room(lab)
    )


def has_a_giant(lab: LabHandle) -> bool:
    node = owner(lab, "positions:all")
    others = [used(lab, ordinal) for ordinal in masters(lab) if ordinal != node]
    return int(lab.redis_cli(node, "memory", "usage", "positions:all")) > 40e6 and used(lab, node) > 0.6 > 0.4 > max(
        others
    )


def serves_nothing(lab: LabHandle) -> bool:
    views = [cluster(lab, ordinal) for ordinal in range(6)]
    assert {(view["cluster_state"], view["cluster_slots_assigned"]) for view in views} == {("fail", "16383")}
    nodes = [lab.redis_cli(ordinal, "cluster", "nodes") for ordinal in masters(lab)]
    assert any("[3300->-" in view for view in nodes)
    assert any("[3300-<-" in view for view in nodes)
    return "CLUSTERDOWN" in said(lab, masters(lab)[0], "get", "tenant:00002")


def serves_the_key_again(lab: LabHandle) -> bool:
    assert not any("[3300-" in lab.redis_cli(ordinal, "cluster", "nodes") for ordinal in range(6))
    return redis_is_well(lab) and len(said(lab, owner(lab, "tenant:00002"), "get", "tenant:00002")) > 20


def owners_of_slot(view: str, slot: int) -> set[str]:
    """Node ids that own a slot in a ``CLUSTER NODES`` text."""
    found = set()
    for line in view.splitlines():
        node, *rest = line.split()
        for word in rest[7:]:
            first, _, last = word.partition("-")
            if not word.startswith("[") and int(first) <= slot <= int(last or first):
                found.add(node)
    return found


def has_two_sides(lab: LabHandle) -> bool:
    views = [lab.redis_cli(ordinal, "cluster", "nodes") for ordinal in range(6)]
    sides = {tuple(owners_of_slot(view, slot)) for view in views for slot in (0, 6000, 12000)}
    mine = [next(line for line in view.splitlines() if "myself" in line) for view in views]
    cut_off = [place for place, view in enumerate(views) if view.count("fail") >= 5]
    if len(sides) != 4 or len(cut_off) != 1:  # three owners, and a second one of one third; on its way
        return False
    (alone,) = cut_off
    assert "master" in mine[alone]
    assert lab.redis_cli(alone, "ping") == "PONG"  # clients reach both sides
    return all(f"{mine[alone].split()[0]}" in view for view in views)


def agrees_again(lab: LabHandle) -> bool:
    views = [lab.redis_cli(ordinal, "cluster", "nodes") for ordinal in range(6)]
    return redis_is_well(lab) and all(
        len({tuple(owners_of_slot(view, slot)) for view in views}) == 1 for slot in (0, 6000, 12000)
    )


def nobody_is_elected(lab: LabHandle) -> bool:
    """Two masters are silent; the third and three replicas say that nothing is served, and none has them failed."""
    told = {ordinal: said(lab, ordinal, "cluster", "nodes") for ordinal in range(6)}
    left = [view for view in told.values() if "myself" in view]
    assert all(view.count("fail?") >= 2 and " fail " not in view for view in left)
    silent = [ordinal for ordinal, view in told.items() if "myself" not in view]
    assert "CLUSTERDOWN" in said(lab, next(one for one in told if one not in silent), "get", "tenant:00002")
    return len(silent) == 2


def lacks_a_shard(lab: LabHandle) -> bool:
    told = [said(lab, ordinal, "cluster", "nodes") for ordinal in range(6)]
    left = [view for view in told if "myself" in view]
    failed = [[line.split()[2] for line in view.splitlines() if "fail" in line.split()[2]] for view in left]
    return len(left) == 4 and all(sorted(flags) == ["master,fail", "slave,fail"] for flags in failed)


def has_three_shards(lab: LabHandle) -> bool:
    wait_until(lambda: agrees_again(lab), 20, "all views to be one")
    return len(masters(lab)) == 3 and len(said(lab, owner(lab, "tenant:00002"), "get", "tenant:00002")) > 20


def has_seven_members(lab: LabHandle) -> bool:
    views = [lab.redis_cli(ordinal, "cluster", "nodes") for ordinal in range(6)]
    ghosts = {line.split()[0] for view in views for line in view.splitlines() if "noaddr" in line}
    return redis_is_well(lab) and len(ghosts) == 1 and max(len(view.splitlines()) for view in views) == 7


def has_six_members(lab: LabHandle) -> bool:
    views = [lab.redis_cli(ordinal, "cluster", "nodes") for ordinal in range(6)]
    return agrees_again(lab) and all(len(view.splitlines()) == 6 and "noaddr" not in view for view in views)


def answer_times(lab: LabHandle, ordinal: int = 0, path: str = "sys/health", token: str = "") -> list[float]:
    """Seconds of each answer that a node gives within one second, over a connection that is open already."""
    times = []
    headers = {"X-Vault-Token": lab.secret(f"vault-token-{token}").read_text().strip()} if token else {}
    address = f"http://127.0.0.1:{lab.ports[f'vault-{ordinal}']}"
    with httpx.Client(base_url=address, trust_env=False, timeout=10, headers=headers) as client:
        client.get(f"/v1/{path}")
        end = time.monotonic() + 1.0
        while time.monotonic() < end:
            began = time.monotonic()
            client.get(f"/v1/{path}")
            times.append(time.monotonic() - began)
    return times


def one_standby_is_slow(lab: LabHandle) -> bool:
    slowest = [max(answer_times(lab, ordinal)) > 0.15 for ordinal in range(3)]
    return slowest.count(True) == 1 and not leads(lab, slowest.index(True))


def leads(lab: LabHandle, ordinal: int) -> bool:
    """What the node says of itself; ``bao status`` leaves it out where it is false."""
    return bool(json.loads(lab.bao(ordinal, "status", "-format=json").stdout).get("is_self", False))


def waits_for_the_audit_log(lab: LabHandle) -> bool:
    """What is audited waits, and what is not does not."""
    audited = [max(answer_times(lab, ordinal, "auth/token/lookup-self", "oncall")) for ordinal in range(3)]
    return min(audited) > 0.1 and all(statistics.median(answer_times(lab, ordinal)) < 0.03 for ordinal in range(3))


def is_slow(lab: LabHandle) -> bool:
    return max(answer_times(lab)) > 0.15


def is_quick(lab: LabHandle) -> bool:
    return statistics.median(answer_times(lab)) < 0.1 and vault_is_well(lab)


def autopilot(lab: LabHandle) -> dict[str, object]:
    for ordinal in range(3):
        done = lab.bao(ordinal, "operator", "raft", "autopilot", "state", "-format=json", token="oncall")
        if done.returncode == 0:
            return dict(json.loads(done.stdout))
    return {}


def vault_is_well(lab: LabHandle) -> bool:
    codes = [lab.bao(ordinal, "status").returncode for ordinal in range(3)]
    wait_until(lambda: autopilot(lab).get("Healthy") is True, 40, "raft's autopilot to be content")
    return codes == [0, 0, 0]


def has_a_sealed_node(lab: LabHandle) -> bool:
    return [lab.bao(ordinal, "status").returncode for ordinal in range(3)].count(2) == 1


def has_nothing_to_spare(lab: LabHandle) -> bool:
    state = autopilot(lab)
    assert (state["Healthy"], state["FailureTolerance"]) == (False, 0)
    silent = [ordinal for ordinal in range(3) if lab.bao(ordinal, "status").returncode == 1]
    return [(lab.directory / "vault" / str(ordinal) / "raft").exists() for ordinal in silent] == [False]


def bears_one_failure(lab: LabHandle) -> bool:
    wait_until(lambda: autopilot(lab).get("FailureTolerance") == 1, 60, "the new peer to count as a voter")
    return vault_is_well(lab)


def answers_alone(lab: LabHandle) -> bool:
    """Two are silent; the third says that it is open and that somebody else leads."""
    codes = [lab.bao(ordinal, "status").returncode for ordinal in range(3)]
    told = json.loads(lab.bao(codes.index(0), "status", "-format=json").stdout)
    return sorted(codes) == [0, 1, 1] and not told.get("is_self", False) and bool(told["leader_address"])


@dataclass(frozen=True)
class Case:
    symptom: Callable[[LabHandle], bool]
    well: Callable[[LabHandle], bool]


CASES = {
    "redis-memory-pressure": Case(is_full_and_evicts, has_room),
    "redis-wrong-policy": Case(refuses_writes_and_reads_on, takes_writes),
    "redis-giant-key": Case(has_a_giant, has_room),
    "redis-slots-uncovered": Case(serves_nothing, serves_the_key_again),
    "redis-partition": Case(has_two_sides, agrees_again),
    "redis-majority-lost": Case(nobody_is_elected, agrees_again),
    "redis-shard-lost": Case(lacks_a_shard, has_three_shards),
    "redis-ghost": Case(has_seven_members, has_six_members),
    "vault-slow": Case(is_slow, is_quick),
    "vault-slow standby": Case(one_standby_is_slow, is_quick),
    "vault-audit-slow": Case(waits_for_the_audit_log, is_quick),
    "vault-peer-lost": Case(has_nothing_to_spare, bears_one_failure),
    "vault-sealed-one": Case(has_a_sealed_node, vault_is_well),
    "vault-quorum-lost": Case(answers_alone, vault_is_well),
}


@pytest.mark.parametrize("fault", quick(CASES, {"redis-slots-uncovered", "redis-partition", "vault-slow"}))
def test_it_shows_and_it_is_mended(whole_lab: LabHandle, fault: str) -> None:
    name, _, parameter = fault.partition(" ")
    whole_lab.break_(name, parameter)
    wait_until(lambda: CASES[fault].symptom(whole_lab), 20, f"the symptom of {fault}")
    assert [one.removesuffix(" all") for one in whole_lab.mend(name)] == [fault]
    assert CASES[fault].well(whole_lab)


@pytest.mark.long
@pytest.mark.parametrize(("one", "other"), [("redis-giant-key", "vault-sealed-one"), ("redis-partition", "vault-slow")])
def test_two_at_a_time(whole_lab: LabHandle, one: str, other: str) -> None:
    whole_lab.break_(one)
    whole_lab.break_(other)
    wait_until(lambda: CASES[one].symptom(whole_lab), 20, f"the symptom of {one}")
    wait_until(lambda: CASES[other].symptom(whole_lab), 20, f"the symptom of {other}")
    assert [mended.removesuffix(" all") for mended in whole_lab.mend()] == [one, other]
    assert CASES[one].well(whole_lab)
    assert CASES[other].well(whole_lab)


def test_a_giant_key_that_a_person_unlinked_needs_no_mending(whole_lab: LabHandle) -> None:
    whole_lab.break_("redis-giant-key")
    node = owner(whole_lab, "positions:all")
    assert whole_lab.redis_cli(node, "unlink", "positions:all") == "1"
    assert whole_lab.mend() == ["redis-giant-key"]
    assert has_room(whole_lab)


def test_slots_that_a_person_mended_need_no_mending(whole_lab: LabHandle) -> None:
    before = whole_lab.redis_cli(masters(whole_lab)[0], "cluster", "info")
    whole_lab.break_("redis-slots-uncovered")
    keeper = next(
        ordinal for ordinal in masters(whole_lab) if "[3300->-" in whole_lab.redis_cli(ordinal, "cluster", "nodes")
    )
    assert whole_lab.redis_cli(keeper, "cluster", "addslots", "1670") == "OK"
    for ordinal in masters(whole_lab):
        whole_lab.redis_cli(ordinal, "cluster", "setslot", "3300", "stable")
    wait_until(lambda: redis_is_well(whole_lab), 20, "the cluster to be whole by hand")
    assert whole_lab.mend() == ["redis-slots-uncovered"]
    assert serves_the_key_again(whole_lab)
    assert "cluster_state:ok" in before


def test_slots_are_mended_at_who_took_over_from_their_owner(whole_lab: LabHandle) -> None:
    whole_lab.break_("redis-slots-uncovered")
    views = {ordinal: whole_lab.redis_cli(ordinal, "cluster", "nodes") for ordinal in range(6)}
    keeper = next(ordinal for ordinal in masters(whole_lab) if "[3300->-" in views[ordinal])
    identity = whole_lab.redis_cli(keeper, "cluster", "myid")
    heir = next(ordinal for ordinal, view in views.items() if f"myself,slave {identity}" in view)
    assert whole_lab.redis_cli(heir, "cluster", "failover", "takeover", user="admin") == "OK"
    wait_until(lambda: whole_lab.redis_cli(keeper, "role").startswith("slave"), 20, "the owner to follow its heir")
    assert whole_lab.mend() == ["redis-slots-uncovered"]
    assert serves_the_key_again(whole_lab)
