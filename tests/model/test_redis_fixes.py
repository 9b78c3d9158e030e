"""The fixes menu of Redis: availability before capacity, the right replica, and nothing suggested that a person must first make safe."""

from __future__ import annotations

from dataclasses import replace

from alphapulse_tui.model.fixes.contract import Fix
from alphapulse_tui.model.health import Finding, Health
from alphapulse_tui.model.redis import RedisNode, RedisSnapshot
from alphapulse_tui.model.redis_keys import BigKey, KeysSnapshot, NodeScan
from tests.model.rules.test_redis import WELL, member
from tests.model.test_fixes import fixes, ids, reading
from tests.model.test_redis_cluster import flagged, silent

SHORT = Finding("redis", Health.CRITICAL, "n0 uses 95 % of its memory", "n0", "redis-memory")
DEAD = flagged(silent(WELL.nodes, 0), 0, "fail", (1, 2, 3, 4, 5))
KEYS = KeysSnapshot(
    (BigKey("evil\\x1b", False, "string", 900, -1, "n1"), BigKey("positions:all", True, "hash", 3 << 20, -1, "n0")),
    (NodeScan("n0", "n3", 9, 9, "done"),), 0.0, 1.0,
)  # fmt: skip


def redis(nodes: tuple[RedisNode, ...], key: str = "", *findings: Finding) -> tuple[Fix, ...]:
    return fixes("redis", key, redis=reading("redis", RedisSnapshot(nodes), *findings))


def test_a_well_cluster_suggests_nothing():
    found = redis(WELL.nodes)
    assert ids(found) == ["redis.set-policy", "redis.set-maxmemory"] and not any(fix.suggested for fix in found)


def test_a_row_changes_hands_at_the_right_replica():
    first = next(fix for fix in redis(WELL.nodes, "n0") if fix.action_id == "redis.failover")
    assert dict(first.params) == {"replica": "n3"} and first.title == "fail over gracefully: n3 instead of n0"
    first = next(fix for fix in redis(WELL.nodes, "n4") if fix.action_id == "redis.failover")
    assert dict(first.params) == {"replica": "n4"} and first.why_not == ""
    alone = tuple(replace(node, master_link="down") if node.name == "n4" else node for node in WELL.nodes)
    assert next(fix for fix in redis(alone, "n4") if fix.action_id == "redis.failover").why_not
    assert next(fix for fix in redis(DEAD, "n0") if fix.action_id == "redis.failover").why_not == "no answer"


def test_a_dead_master_is_replaced_by_force_and_a_takeover_is_never_suggested():
    found = redis(DEAD, "", SHORT)
    assert (
        found[0].action_id == "redis.failover-force"
        and found[0].suggested
        and dict(found[0].params) == {"replica": "n3"}
    )
    nodes = flagged(DEAD, 0, "fail", ())
    for who in (1, 2):
        nodes = flagged(nodes, who, "fail", (3, 4, 5))
    left = silent(nodes, 0, 1, 2)
    takeover = [fix for fix in redis(left) if fix.action_id == "redis.failover-takeover"]
    assert len(takeover) == 3 and not any(fix.suggested for fix in takeover)
    assert found[0].asks is not None and found[0].asks[0] == "agreed_with" and found[0].why_not == ""
    assert all("procedure redis-split-brain" in fix.why_not for fix in takeover)


def test_slots_are_mended_before_memory():
    nodes = member(WELL, range(6), 0, slots=((1, 5460),)).nodes
    found = redis(nodes, "", SHORT)
    assert (found[0].action_id, found[0].suggested) == ("redis.cover-slots", True)


def test_a_full_cache_gets_its_policy_first_then_memory():
    found = redis(WELL.nodes, "", SHORT)
    assert (found[0].action_id, found[0].suggested) == ("redis.set-policy", True)
    found = redis(tuple(replace(node, policy="allkeys-lru", max_memory=64 * 1024**2) for node in WELL.nodes), "", SHORT)
    assert (found[0].action_id, dict(found[0].params)) == ("redis.set-maxmemory", {"bytes": "128mb"}) and found[
        0
    ].suggested


def test_a_key_is_unlinked_by_its_row_if_its_name_can_be_shown():
    readings = {"redis_": reading("redis", WELL), "keys": reading("redis-keys", KEYS)}
    board = {"redis": readings["redis_"], "redis-keys": readings["keys"]}
    (fix,) = fixes("redis-keys", "n0 positions:all", **board)
    assert (fix.action_id, dict(fix.params), fix.why_not) == ("redis.unlink", {"key": "positions:all"}, "")
    (fix,) = fixes("redis-keys", "n1 evil\\x1b", **board)
    assert "cannot be confirmed" in fix.why_not
    assert ids(fixes("redis", "", **board))[-1] == "redis.unlink", "found once, it is offered in the panel's menu too"
