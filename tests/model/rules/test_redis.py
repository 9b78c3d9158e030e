"""Redis' rules: a healthy cluster of six nodes, and what each fault changes in it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from alphapulse_tui.model.health import Health, Severity
from alphapulse_tui.model.redis import ClusterMember, RedisNode, RedisSnapshot
from alphapulse_tui.model.rules.redis import judge
from alphapulse_tui.model.thresholds import Thresholds

SLOTS = ((0, 5460), (5461, 10922), (10923, 16383))
LIMIT = 1000


def view(me: int) -> tuple[ClusterMember, ...]:
    """The cluster as node ``me`` sees it: 0 to 2 are masters, 3 to 5 their replicas."""
    made = []
    for place in range(6):
        role = "master" if place < 3 else "slave"
        flags = ("myself", role) if place == me else (role,)
        master = "" if place < 3 else f"id{place - 3}"
        slots = (SLOTS[place],) if place < 3 else ()
        made.append(ClusterMember(f"id{place}", f"h:{place}", flags, master, place % 3 + 1, "connected", slots))
    return tuple(made)


def node(place: int) -> RedisNode:
    return RedisNode(
        name=f"n{place}",
        address=f"h:{place}",
        role="master" if place < 3 else "slave",
        node_id=f"id{place}",
        master_id="" if place < 3 else f"id{place - 3}",
        cluster_state="ok",
        current_epoch=6,
        used_memory=100,
        max_memory=LIMIT,
        policy="noeviction",
        master_link="" if place < 3 else "up",
        view=view(place),
    )


WELL = RedisSnapshot(tuple(node(place) for place in range(6)))


def changed(place: int, **more: Any) -> RedisSnapshot:
    nodes = list(WELL.nodes)
    nodes[place] = replace(nodes[place], **more)
    return RedisSnapshot(tuple(nodes))


def member(snapshot: RedisSnapshot, seen_by: range, who: int, **more: Any) -> RedisSnapshot:
    """``who`` changed in the views of ``seen_by``."""
    nodes = list(snapshot.nodes)
    for place in seen_by:
        seen = list(nodes[place].view)
        seen[who] = replace(seen[who], **more)
        nodes[place] = replace(nodes[place], view=tuple(seen))
    return RedisSnapshot(tuple(nodes))


def failing(*places: int) -> RedisSnapshot:
    return RedisSnapshot(
        tuple(replace(one, cluster_state="fail") if place in places else one for place, one in enumerate(WELL.nodes))
    )


EVERYBODY = range(6)
WARNING, CRITICAL, UNKNOWN = Health.WARNING, Health.CRITICAL, Health.UNKNOWN

CASES: list[tuple[str, RedisSnapshot, Health, str, str]] = [
    ("80 % of memory", changed(0, used_memory=800), WARNING, "redis-memory", "80 %"),
    ("90 % of memory", changed(0, used_memory=900), CRITICAL, "redis-memory", "90 %"),
    (
        "evictions of a cache",
        changed(0, evicted_per_second=5.0, policy="allkeys-lru"),
        WARNING,
        "redis-memory",
        "evicts 5",
    ),
    (
        "evictions of what is no cache",
        changed(0, evicted_per_second=5.0, policy="volatile-lru"),
        CRITICAL,
        "redis-memory",
        "evicts 5",
    ),
    ("clients turned away", changed(0, rejected_per_second=0.2), CRITICAL, "redis-memory", "n0 turns clients away"),
    ("84 % of lookups hit", changed(0, hit_percent=84.0), WARNING, "redis-memory", "84 %"),
    (
        "fragmentation",
        changed(0, used_memory=2**28, max_memory=2**30, fragmentation=1.6),
        WARNING,
        "redis-memory",
        "1.6",
    ),
    ("a master without a limit", changed(0, max_memory=0), WARNING, "redis-memory", "n0 has no memory limit"),
    (
        "a node without a cluster",
        changed(0, view=(), view_problem="ERR This instance has cluster support disabled"),
        UNKNOWN,
        "redis-split-brain",
        "n0 does not show the cluster as it sees it: ERR",
    ),
    ("every node fails", failing(*EVERYBODY), CRITICAL, "redis-split-brain", "serves nobody"),
    ("one node fails", failing(0), CRITICAL, "redis-split-brain", "n0"),
    (
        "a node may have failed",
        member(WELL, range(3), 4, flags=("slave", "fail?")),
        WARNING,
        "redis-split-brain",
        "may have failed",
    ),
    ("a link is cut", member(WELL, range(1), 4, link="disconnected"), WARNING, "redis-split-brain", "no link"),
    (
        "a slot is open",
        member(WELL, range(1), 0, open_slots=("[93->-id1]",)),
        WARNING,
        "redis-split-brain",
        "stuck in a move",
    ),
    (
        "a slot without owner",
        member(WELL, EVERYBODY, 0, slots=((0, 5459),)),
        CRITICAL,
        "redis-split-brain",
        "1 of 16384",
    ),
    ("another epoch", changed(0, current_epoch=7), WARNING, "redis-split-brain", "6 to 7"),
    ("a replica lost its master", changed(3, master_link="down"), WARNING, "redis-split-brain", "lost the link"),
    ("a missing grant", replace(WELL, missing_grants=("ACL SETUSER x +info",)), WARNING, "", "+info"),
]


@pytest.mark.parametrize(("what", "snapshot", "health", "procedure", "word"), CASES, ids=[case[0] for case in CASES])
def test_each_rule(what: str, snapshot: RedisSnapshot, health: Health, procedure: str, word: str) -> None:
    found = judge(snapshot, Thresholds())
    assert [(one.health, one.procedure) for one in found] == [(health, procedure)]
    assert word in found[0].sentence


def test_a_healthy_cluster_and_a_lone_server_are_well() -> None:
    assert judge(WELL, Thresholds()) == ()
    lone = RedisNode("n", "h:1", role="master", used_memory=1, max_memory=100)
    assert judge(RedisSnapshot((lone,)), Thresholds()) == ()


def test_a_partition_is_a_split_brain_that_names_both_sides() -> None:
    # n0 still calls itself master of its slots; the others have promoted n3.
    cut = member(WELL, range(1, 6), 3, flags=("master",), master_id="", slots=(SLOTS[0],), epoch=7)
    cut = member(cut, range(1, 6), 0, flags=("master", "fail"), slots=())
    found = judge(cut, Thresholds())
    split = next(one for one in found if "SPLIT BRAIN" in one.sentence)
    assert (split.health, split.severity, split.procedure) == (CRITICAL, Severity.P0, "redis-split-brain")
    assert "5461 slots" in split.sentence and "n0 say n0" in split.sentence and "say n3" in split.sentence
    assert any("n0 has failed, say 5 of 6" in one.sentence for one in found)


def test_a_silent_replica_is_unknown_and_its_master_alone() -> None:
    found = judge(changed(3, problem="n3 gave no answer", view=(), role=""), Thresholds())
    assert [(one.health, one.subject) for one in found] == [(UNKNOWN, "n3"), (WARNING, "n0")]


def test_a_ghost_and_a_stranger() -> None:
    ghost = ClusterMember("id9", ":0", ("master", "noaddr"), "", 0, "disconnected", ())
    sentences = [one.sentence for one in judge(changed(0, view=(*view(0), ghost)), Thresholds())]
    assert any("ghost" in sentence for sentence in sentences)
    assert any("same members" in sentence for sentence in sentences)


@pytest.mark.parametrize(("place", "more"), [(0, {"used_memory": 0, "max_memory": 0}), (3, {"max_memory": 0})])
def test_a_master_that_tells_no_memory_and_a_replica_are_not_called_unlimited(place: int, more: dict[str, int]) -> None:
    assert judge(changed(place, **more), Thresholds()) == ()


def test_a_move_that_both_sides_mark_is_one_slot() -> None:
    both = member(WELL, range(1), 0, open_slots=("[93->-id1]", "[94->-id1]"))
    both = member(both, range(1, 2), 1, open_slots=("[93-<-id0]", "[garbled"))
    (found,) = judge(both, Thresholds())
    assert found.sentence == "2 slots are stuck in a move: 93-94"
    (one,) = judge(member(WELL, range(1), 0, open_slots=("[93->-id1]",)), Thresholds())
    assert one.sentence == "1 slot is stuck in a move: 93"
