"""Open, uncovered and lost slots, and ghosts, on a real Valkey cluster; redis-cli is the witness."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from alphapulse_tui.actions.contract import ActionProblem
from alphapulse_tui.actions.redis_cover_slots import CoverSlots
from alphapulse_tui.actions.redis_forget import Forget
from alphapulse_tui.actions.redis_open_slots import CloseSlots
from alphapulse_tui.model.plan import Outcome, Risk, Verdict
from alphapulse_tui.sources.redis_decode import members
from alphapulse_tui.sources.redis_link import Address
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
from tests.waiting import until, wait_until


@pytest.fixture(scope="module")
def one_cluster() -> Iterator[RedisCluster]:
    with redis_cluster() as made:
        yield made


@pytest.fixture
def cluster(one_cluster: RedisCluster) -> Iterator[RedisCluster]:
    """The cluster, whole; slot 0 belongs to the first node, the owner of the first third."""
    for port in one_cluster.ports[:3]:
        one_cluster.cli(port, "flushall")
    yield one_cluster
    for place, process in enumerate(one_cluster.processes):
        if process.poll() is None:
            process.send_signal(signal.SIGCONT)
        else:
            one_cluster.restart(place)
    wait_well(one_cluster)


def slot_of(cluster: RedisCluster, key: str) -> int:
    return int(cluster.cli(cluster.ports[0], "cluster", "keyslot", key))


def open_slot(cluster: RedisCluster, slot: int, owner: int = 0, importer: int = 1) -> None:
    cluster.cli(cluster.ports[importer], "cluster", "setslot", str(slot), "importing", node_id(cluster, owner))
    cluster.cli(cluster.ports[owner], "cluster", "setslot", str(slot), "migrating", node_id(cluster, importer))


def marks(cluster: RedisCluster) -> list[str]:
    views = [members(cluster.cli(port, "cluster", "nodes")) for port in cluster.ports]
    return [word for view in views for member in view for word in member.open_slots]


async def test_a_move_that_brought_nothing_is_closed(cluster, monkeypatch):
    key = "tenant:1"
    slot = slot_of(cluster, key)
    owner = next(place for place in range(3) if "OK" in cluster.cli(cluster.ports[place], "set", key, "x"))
    importer = (owner + 1) % 3
    open_slot(cluster, slot, owner, importer)
    action = CloseSlots(profile_of(cluster.ports))
    plan = await action.plan({})
    assert (plan.refusal, plan.risk) == ("", Risk.DISRUPTIVE)
    assert plan.sentence == f"Closes slot {slot}: {name(owner)} keeps it with its 1 keys, {name(importer)} has none."
    assert plan.shell.count(f"cluster setslot {slot} stable") == 2
    result = await action.execute(plan)
    assert (result.outcome, result.details) == (Outcome.DONE, {f"slot {slot}": "closed on both sides"})
    assert (await proven(action, plan)).reading["open slots"] == "none"
    assert marks(cluster) == [] and cluster.cli(cluster.ports[owner], "get", key) == "x"
    monkeypatch.setattr("alphapulse_tui.actions.redis_node.READ_SECONDS", 0.7)
    cluster.processes[owner].send_signal(signal.SIGSTOP)
    try:
        found = await action.verify(plan)
    finally:
        cluster.processes[owner].send_signal(signal.SIGCONT)
    assert found.verdict is Verdict.UNKNOWN and f"{name(owner)} does not answer" in found.sentence
    await proven(action, plan)
    assert (await action.plan({})).refusal == "no slot is open"
    assert (await action.plan({"slot": "9"})).refusal == "slot 9 is not open"
    await action.close()


async def test_a_move_that_brought_everything_is_finished(cluster):
    key = "tenant:1"
    slot = slot_of(cluster, key)
    owner = next(place for place in range(3) if "OK" in cluster.cli(cluster.ports[place], "set", key, "x"))
    importer = (owner + 1) % 3
    open_slot(cluster, slot, owner, importer)
    action = CloseSlots(profile_of(cluster.ports))
    plan = await action.plan({})
    cluster.cli(cluster.ports[owner], "migrate", "127.0.0.1", str(cluster.ports[importer]), key, "0", "5000")
    late = await action.execute(plan)
    assert late.outcome is Outcome.REFUSED and "not as it was shown" in late.sentence, "the keys moved meanwhile"
    plan = await action.plan({})
    assert f"{name(importer)} has all its 1 keys and becomes its owner" in plan.sentence
    await action.execute(plan)
    await proven(action, plan)
    assert marks(cluster) == [] and cluster.cli(cluster.ports[importer], "get", key) == "x"
    await action.close()
    # The slot back, for the tests that follow.
    cluster.cli(cluster.ports[importer], "del", key)
    open_slot(cluster, slot, importer, owner)
    for place in (owner, importer):
        cluster.cli(cluster.ports[place], "cluster", "setslot", str(slot), "node", node_id(cluster, owner))


async def test_keys_on_both_sides_are_an_administrators_work(cluster):
    key = "tenant:1"
    slot = slot_of(cluster, key)
    owner = next(place for place in range(3) if "OK" in cluster.cli(cluster.ports[place], "set", key, "x"))
    importer = (owner + 1) % 3
    cluster.cli(cluster.ports[owner], "set", f"{{{key}}}2", "y")
    open_slot(cluster, slot, owner, importer)
    cluster.cli(cluster.ports[owner], "migrate", "127.0.0.1", str(cluster.ports[importer]), key, "0", "5000")
    action = CloseSlots(profile_of(cluster.ports))
    plan = await action.plan({})
    assert f"{name(owner)} has 1 keys of it, {name(importer)} 1; the rest must be moved" in plan.refusal
    assert f"redis-cli --cluster fix 127.0.0.1:{cluster.ports[owner]}" in plan.refusal and plan.victims == ()
    await action.close()
    cluster.cli(cluster.ports[owner], "migrate", "127.0.0.1", str(cluster.ports[importer]), f"{{{key}}}2", "0", "5000")
    mend = CloseSlots(profile_of(cluster.ports))
    await mend.execute(plan := await mend.plan({}))
    await proven(mend, plan)
    await mend.close()
    cluster.cli(cluster.ports[importer], "del", key, f"{{{key}}}2")
    open_slot(cluster, slot, importer, owner)
    for place in (owner, importer):
        cluster.cli(cluster.ports[place], "cluster", "setslot", str(slot), "node", node_id(cluster, owner))


async def test_a_slot_that_was_moved_to_one_and_then_to_another_loses_no_key(cluster):
    """The first move stopped with a key at the first importer; to finish the second one would leave that key where nobody looks."""
    key = "tenant:1"
    slot = slot_of(cluster, key)
    owner = next(place for place in range(3) if "OK" in cluster.cli(cluster.ports[place], "set", key, "x"))
    first, second = (place for place in range(3) if place != owner)
    for importer in (first, second):
        open_slot(cluster, slot, owner, importer)
    said = []
    for source, holder in ((owner, first), (first, second)):
        cluster.cli(cluster.ports[source], "migrate", "127.0.0.1", str(cluster.ports[holder]), key, "0", "5000")
        assert cluster.cli(cluster.ports[holder], "cluster", "countkeysinslot", str(slot)) == "1"
        action = CloseSlots(profile_of(cluster.ports))
        plan = await action.plan({})
        said.append(plan.refusal or plan.sentence)
        await action.close()
    # One of the two is the importer that is asked first: there the move can be finished. At the other one the key would be left behind.
    refused, finished = sorted(said, key=lambda text: "becomes its owner" in text)
    assert "imports it too and has 1 keys of it, which would be lost" in refused
    assert "has all its 1 keys and becomes its owner" in finished
    for port in cluster.ports[:3]:
        cluster.cli(port, "cluster", "setslot", str(slot), "stable")
    cluster.cli(cluster.ports[second], "flushall")


def delete_slots(cluster: RedisCluster, *slots: int) -> None:
    """Out of every view, the owner's first; a node that has heard of it refuses, which is as good."""
    for place in (*masters(cluster), *range(6)):
        cluster.cli(cluster.ports[place], "cluster", "delslots", *map(str, slots))
    wait_until(
        lambda: all("cluster_state:fail" in cluster.cli(port, "cluster", "info") for port in cluster.ports), 15, "it"
    )


async def test_uncovered_slots_go_to_whoever_has_their_keys(cluster):
    key = "tenant:1"
    slot = slot_of(cluster, key)
    owner = next(place for place in range(3) if "OK" in cluster.cli(cluster.ports[place], "set", key, "x"))
    action = CoverSlots(profile_of(cluster.ports))
    assert (await action.plan({})).refusal == "every slot has an owner"
    delete_slots(cluster, slot)
    plan = await action.plan({})
    assert (plan.refusal, plan.risk, plan.confirm_word) == ("", Risk.DESTRUCTIVE, "slots")
    assert plan.sentence == f"Gives the slots {slot} to {name(owner)}, which has their 1 keys ({key})."
    cluster.processes[5].send_signal(signal.SIGSTOP)
    assert (await action.plan({})).refusal == "", "a silent replica has nothing that its master has not"
    cluster.processes[5].send_signal(signal.SIGCONT)
    result = await action.execute(plan)
    assert result.outcome is Outcome.DONE and "owns 1 more slots" in result.details[f"slots {slot}"]
    assert "cluster_state ok" in (await proven(action, plan)).sentence
    assert cluster.cli(cluster.ports[owner], "get", key) == "x"
    await action.close()


async def test_a_map_that_changed_since_stops_it(cluster):
    delete_slots(cluster, 100, 101)
    action = CoverSlots(profile_of(cluster.ports))
    plan = await action.plan({})
    owner = next(place for place in range(3) if name(place) == plan.victims[0].facts["node"])
    cluster.cli(cluster.ports[owner], "cluster", "addslots", "100")
    cluster.cli(cluster.ports[owner], "cluster", "bumpepoch")
    with pytest.raises(ActionProblem, match="other owners than when this was planned; nothing was sent"):
        await action.execute(plan)
    plan = await action.plan({})
    assert plan.victims[0].facts["slots"] == "101"
    await action.execute(plan)
    await proven(action, plan)
    await action.close()


async def test_a_silent_master_may_have_the_keys(cluster, monkeypatch):
    monkeypatch.setattr("alphapulse_tui.actions.redis_node.READ_SECONDS", 0.7)
    delete_slots(cluster, 100)
    master = masters(cluster)[2]
    cluster.processes[master].send_signal(signal.SIGSTOP)
    action = CoverSlots(profile_of(cluster.ports))
    try:
        assert f"{name(master)} does not answer and may hold keys of these slots" in (await action.plan({})).refusal
    finally:
        cluster.processes[master].send_signal(signal.SIGCONT)
    await action.execute(plan := await action.plan({}))
    await proven(action, plan)
    await action.close()


async def test_half_way_the_claim_is_made_and_no_answer_comes(cluster, monkeypatch):
    monkeypatch.setattr("alphapulse_tui.actions.redis_node.SEND_SECONDS", 0.5)
    delete_slots(cluster, 100)
    direct = CoverSlots(profile_of(cluster.ports))
    chosen = (await direct.plan({})).victims[0].facts["node"]
    keeper = next(place for place in range(6) if name(place) == chosen)
    async with swallowing(cluster.ports[keeper], b"ADDSLOTS") as port:
        action = CoverSlots(profile_of([port if place == keeper else own for place, own in enumerate(cluster.ports)]))
        result = await action.execute(await action.plan({}))
        assert result.outcome is Outcome.UNKNOWN and "gave no answer to CLUSTER ADDSLOTS" in result.details["slots 100"]
        await action.close()
    # The claim may not be believed without its epoch: the epoch is bumped by hand, and the reading is what counts.
    cluster.cli(cluster.ports[keeper], "cluster", "bumpepoch")
    assert "cluster_state:ok" in (await covered(cluster, keeper))
    await direct.close()


REFUSED = b"-ERR not now\r\n"


async def test_a_claim_that_is_taken_without_its_epoch_is_not_called_refused(cluster):
    delete_slots(cluster, 100)
    direct = CoverSlots(profile_of(cluster.ports))
    chosen = (await direct.plan({})).victims[0].facts["node"]
    await direct.close()
    keeper = next(place for place in range(6) if name(place) == chosen)
    async with swallowing(cluster.ports[keeper], b"BUMPEPOCH", REFUSED) as port:
        action = CoverSlots(profile_of([port if place == keeper else own for place, own in enumerate(cluster.ports)]))
        result = await action.execute(await action.plan({}))
        assert result.outcome is Outcome.FAILED, "it is not true that nothing was sent"
        assert result.details["slots 100"] == f"left half done: {chosen} refuses: not now"
        await action.close()
    cluster.cli(cluster.ports[keeper], "cluster", "bumpepoch")
    await covered(cluster, keeper)


async def test_a_move_that_only_one_side_closes_is_not_called_refused(cluster):
    open_slot(cluster, 9)
    async with swallowing(cluster.ports[0], b"STABLE", REFUSED) as port:
        action = CloseSlots(profile_of([port, *cluster.ports[1:]]))
        result = await action.execute(await action.plan({}))
        assert result.outcome is Outcome.FAILED and "left half done" in result.details["slot 9"]
        await action.close()
    direct = CloseSlots(profile_of(cluster.ports))
    await direct.execute(plan := await direct.plan({}))
    await proven(direct, plan)
    await direct.close()


async def test_what_refuses_everywhere_is_refused(cluster):
    open_slot(cluster, 9)
    async with swallowing(cluster.ports[1], b"STABLE", REFUSED) as port:
        action = CloseSlots(profile_of([cluster.ports[0], port, *cluster.ports[2:]]))
        result = await action.execute(await action.plan({}))
        assert result.outcome is Outcome.REFUSED and "left alone" in result.details["slot 9"]
        await action.close()
    direct = CloseSlots(profile_of(cluster.ports))
    await direct.execute(plan := await direct.plan({}))
    await proven(direct, plan)
    await direct.close()


async def covered(cluster: RedisCluster, place: int) -> str:
    def info() -> str:
        return cluster.cli(cluster.ports[place], "cluster", "info")

    await until(lambda: "cluster_state:ok" in info(), 15, "a covered cluster")
    return info()


async def test_the_slots_of_a_master_that_may_come_back_are_not_given_away(cluster, monkeypatch):
    monkeypatch.setattr("alphapulse_tui.actions.redis_node.READ_SECONDS", 0.7)
    action = CoverSlots(profile_of(cluster.ports))
    master = masters(cluster)[0]
    replica = replica_of(cluster, master)
    assert "has not failed in the views of most nodes" in (await action.plan({"gone": name(master)})).refusal
    cluster.cli(cluster.ports[replica], "config", "set", "cluster-replica-no-failover", "yes")
    cluster.processes[master].send_signal(signal.SIGSTOP)
    try:
        refused = (await action.plan({"gone": name(master)})).refusal
        assert "is only unreachable from here" in refused
        wait_until(lambda: failed(cluster, replica, cluster.ports[master]), 20, "the failed master")
        refused = (await action.plan({"gone": name(master)})).refusal
        assert f"{name(replica)} is a replica of {name(master)} and has its keys: force a failover" in refused
        assert "every slot has an owner, but" in (await action.plan({})).refusal
    finally:
        cluster.cli(cluster.ports[replica], "config", "set", "cluster-replica-no-failover", "no")
        cluster.processes[master].send_signal(signal.SIGCONT)
    await action.close()


async def test_a_lost_shard_is_given_away_and_its_members_are_ghosts():
    """Master and replica are gone for good: forgotten by all, their slots go to the others, empty. A cluster of its own: there is no way back."""
    with redis_cluster() as cluster:
        master = masters(cluster)[0]
        replica = replica_of(cluster, master)
        witness = next(place for place in range(6) if place not in (master, replica))
        stop(cluster.processes[replica])
        stop(cluster.processes[master])
        for place in (master, replica):
            wait_until(lambda place=place: failed(cluster, witness, cluster.ports[place]), 30, "the lost shard")  # type: ignore[misc]
        left = [port for place, port in enumerate(cluster.ports) if place != replica]
        lost = f"redis-{left.index(cluster.ports[master])}"
        action, forget = CoverSlots(profile_of(left)), Forget(profile_of(left))
        assert "owns slots" in (await forget.plan({"member": lost})).refusal
        plan = await action.plan({"gone": lost})
        assert (plan.refusal, plan.confirm_word) == ("", lost) and "LOST FOR GOOD" in plan.warnings[0]
        assert "has to be reset" in plan.undo
        result = await action.execute(plan)
        assert result.outcome is Outcome.DONE, result
        assert "cluster_state ok" in (await proven(action, plan, 30)).sentence
        assert cluster.cli(cluster.ports[witness], "-c", "set", "anything", "1").endswith("OK")
        # The replica is in no profile, and failed: a ghost.
        plan = await forget.plan({})
        assert (plan.refusal, plan.risk) == ("", Risk.DISRUPTIVE) and len(plan.victims) == 1
        assert (await forget.execute(plan)).outcome is Outcome.DONE
        assert (await proven(forget, plan)).reading["members"] == "4"
        cluster.processes[witness].send_signal(signal.SIGSTOP)
        found = await forget.verify(plan)
        cluster.processes[witness].send_signal(signal.SIGCONT)
        assert found.verdict is Verdict.UNKNOWN and "whether it has forgotten it is not known" in found.sentence
        await proven(forget, plan)
        assert "no member is a ghost" in (await forget.plan({})).refusal
        await action.close()
        await forget.close()


async def test_who_lives_or_cannot_be_told_is_not_forgotten(cluster, monkeypatch):
    monkeypatch.setattr("alphapulse_tui.actions.redis_node.READ_SECONDS", 0.7)
    action = Forget(profile_of(cluster.ports))
    assert "lives, not a ghost" in (await action.plan({"member": name(4)})).refusal
    with pytest.raises(ActionProblem, match='no node knows a member "x"'):
        await action.plan({"member": "x"})
    victim = replica_of(cluster, masters(cluster)[0])
    # Only we cannot reach it: the profile has another port for it, where nobody answers, and the others talk to it as ever.
    astray = Forget(profile_of([1 if place == victim else port for place, port in enumerate(cluster.ports)]))
    hidden = Address("hidden", "127.0.0.1", 1)
    monkeypatch.setattr("alphapulse_tui.actions.redis_node.strangers", lambda _: [hidden])
    refused = (await astray.plan({"member": node_id(cluster, victim)})).refusal
    assert "most of the others do not hold it for failed: it lives, and only we cannot reach it" in refused
    monkeypatch.undo()
    await astray.close()
    monkeypatch.setattr("alphapulse_tui.actions.redis_node.READ_SECONDS", 0.7)
    stop(cluster.processes[victim])
    hung = replica_of(
        cluster, masters(cluster, [p for p in range(6) if p != victim])[1], [p for p in range(6) if p != victim]
    )
    witness = masters(cluster, [p for p in range(6) if p != victim])[0]
    wait_until(lambda: failed(cluster, witness, cluster.ports[victim]), 20, "a dead replica")
    cluster.processes[hung].send_signal(signal.SIGSTOP)
    refused = (await action.plan({"member": name(victim)})).refusal
    assert f"{name(hung)} cannot be told, and would gossip it back after 60 s" in refused
    assert (await action.plan({})).refusal.startswith("no member is a ghost"), (
        "a failed node of the profile may come back"
    )
    cluster.processes[hung].send_signal(signal.SIGCONT)
    verdict = await action.verify(await action.plan({"member": name(victim)}))
    assert verdict.verdict is Verdict.PENDING
    await action.close()
