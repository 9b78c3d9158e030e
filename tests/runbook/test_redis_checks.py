"""The checks of Redis' two procedures, over readings that were not taken but made."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from alphapulse_tui.model.reading import Link, Reading
from alphapulse_tui.model.redis import RedisNode, RedisSnapshot
from alphapulse_tui.model.redis_keys import BigKey, KeysSnapshot, NodeScan
from alphapulse_tui.model.thresholds import Thresholds
from alphapulse_tui.runbook.checks import CHECKS, CheckResult, Passed, Scene
from tests.model.rules.test_redis import WELL
from tests.model.test_redis_cluster import flagged, silent

KEY = BigKey("positions:all", True, "hash", 300, -1, "n0")


def keys(*found: BigKey, state: str = "done") -> KeysSnapshot:
    return KeysSnapshot(found, (NodeScan("n0", "n3", 10, 10, state),), 0.0, 1.0)


def result(
    check: str, nodes: tuple[RedisNode, ...] | None, scan: KeysSnapshot | None = None, **params: str
) -> CheckResult:
    snapshots: dict[str, Any] = {"redis": RedisSnapshot(nodes) if nodes is not None else None, "redis-keys": scan}
    readings = {
        target: Reading(target, 5.0, Link.LIVE, 0.0, snapshot, 0.0)
        for target, snapshot in snapshots.items()
        if snapshot
    }
    scene = Scene(readings, 0.0, 0.0, Thresholds(), {name.replace("_", "-"): value for name, value in params.items()})
    return CHECKS[check](scene)


def each(**more: Any) -> tuple[RedisNode, ...]:
    return tuple(replace(node, **more) for node in WELL.nodes)


DEAD = flagged(silent(WELL.nodes, 0), 0, "fail", (1, 2, 3, 4, 5))
FULL = each(used_memory=950)
FORGOT = (
    replace(WELL.nodes[0], view=tuple(one for one in WELL.nodes[0].view if one.node_id != "id2")),
    *WELL.nodes[1:],
)
"""``n0`` was told to forget ``n2``, which lives and owns slots."""
GAVE_UP = (
    *WELL.nodes[:2],
    replace(
        WELL.nodes[2], view=tuple(replace(one, slots=()) if one.node_id == "id2" else one for one in WELL.nodes[2].view)
    ),
    *WELL.nodes[3:],
)
"""``n2`` gave up its slots (CLUSTER DELSLOTS) and told nobody."""
ENDLESS = (replace(WELL.nodes[0], max_memory=0), *WELL.nodes[1:])
NAMES = [name for name in CHECKS if name.startswith("redis.")]


@pytest.mark.parametrize("name", NAMES)
def test_what_was_not_read_never_passes(name):
    assert result(name, None).passed is Passed.UNKNOWN
    assert result(name, silent(WELL.nodes, *range(6))).passed is not Passed.YES


@pytest.mark.parametrize(
    ("check", "nodes", "passed", "value"),
    [
        ("redis.nodes", WELL.nodes, Passed.YES, "ok"),
        ("redis.nodes", silent(WELL.nodes, 4), Passed.NO, "silent"),
        ("redis.nodes", each(cluster_state="fail"), Passed.NO, "fail"),
        ("redis.views", WELL.nodes, Passed.YES, "agree"),
        ("redis.views", DEAD, Passed.NO, "differ"),
        ("redis.views", each(view=()), Passed.UNKNOWN, "unknown"),
        ("redis.views", (replace(WELL.nodes[0], view=()), *WELL.nodes[1:]), Passed.UNKNOWN, "unknown"),
        (
            "redis.views",
            (replace(WELL.nodes[0], cluster_state="", current_epoch=0), *WELL.nodes[1:]),
            Passed.YES,
            "agree",
        ),
        ("redis.nodes", (replace(WELL.nodes[0], cluster_state=""), *WELL.nodes[1:]), Passed.UNKNOWN, "unknown"),
        ("redis.leaders", each(view=()), Passed.UNKNOWN, "unreachable"),
        ("redis.leaders", (replace(WELL.nodes[0], view=()), *WELL.nodes[1:]), Passed.YES, "ok"),
        ("redis.candidates", each(view=()), Passed.UNKNOWN, "unknown"),
        ("redis.slots", each(view=()), Passed.UNKNOWN, "unknown"),
        ("redis.ghosts", each(view=()), Passed.UNKNOWN, "unknown"),
        ("redis.agreement", each(view=()), Passed.UNKNOWN, "unknown"),
        ("redis.views", silent(WELL.nodes, 4), Passed.NO, "differ"),
        ("redis.views", flagged(silent(WELL.nodes, 4), 4, "fail", (0, 1, 2, 3, 5)), Passed.NO, "differ"),
        ("redis.leaders", WELL.nodes, Passed.YES, "ok"),
        ("redis.leaders", DEAD, Passed.NO, "master-down"),
        ("redis.leaders", FORGOT, Passed.NO, "forgotten"),
        ("redis.slots", FORGOT, Passed.NO, "differ"),
        ("redis.slots", GAVE_UP, Passed.NO, "differ"),
        ("redis.views", GAVE_UP, Passed.NO, "differ"),
        ("redis.leaders", silent(WELL.nodes, 4), Passed.UNKNOWN, "unreachable"),
        ("redis.candidates", DEAD, Passed.NO, "n3"),
        ("redis.slots", WELL.nodes, Passed.YES, "ok"),
        ("redis.slots", flagged(silent(WELL.nodes, 0, 3), 0, "fail", (1, 2, 4, 5)), Passed.NO, "gone"),
        ("redis.ghosts", WELL.nodes, Passed.YES, "none"),
        ("redis.agreement", WELL.nodes, Passed.YES, "ok"),
        ("redis.agreement", DEAD, Passed.NO, "differ"),
        ("redis.agreement", (*WELL.nodes[:5], replace(WELL.nodes[5], master_link="down")), Passed.NO, "syncing"),
        ("redis.memory", WELL.nodes, Passed.YES, "ok"),
        ("redis.memory", FULL, Passed.NO, "full"),
        ("redis.memory", each(max_memory=0), Passed.NO, "unlimited"),
        ("redis.memory", ENDLESS, Passed.NO, "unlimited"),
        ("redis.memory", (replace(FULL[0], max_memory=0), *FULL[1:]), Passed.NO, "unlimited"),
        (
            "redis.memory",
            (replace(WELL.nodes[0], max_memory=0, used_memory=0), *WELL.nodes[1:]),
            Passed.UNKNOWN,
            "unknown",
        ),
        ("redis.memory", silent(WELL.nodes, 4), Passed.NO, "silent"),
        ("redis.evictions", WELL.nodes, Passed.YES, "ok"),
        ("redis.evictions", each(policy=""), Passed.UNKNOWN, "unknown"),
        ("redis.evictions", each(evicted_per_second=3.0), Passed.NO, "evicting"),
        ("redis.evictions", each(refused_per_second=3.0, evicted_per_second=1.0), Passed.NO, "refusing"),
        ("redis.evictions", each(hit_percent=40.0), Passed.NO, "missing"),
        ("redis.policy", WELL.nodes, Passed.NO, "other"),
        ("redis.policy", each(policy="allkeys-lru"), Passed.YES, "ok"),
        ("redis.memory-next", FULL, Passed.NO, "policy"),
        ("redis.memory-next", each(used_memory=950, policy="allkeys-lru"), Passed.NO, "memory"),
        ("redis.memory-next", each(used_memory=950, client_buffers=300), Passed.NO, "buffers"),
        ("redis.memory-next", each(used_memory=950, client_buffers=100), Passed.NO, "policy"),
        ("redis.memory-next", each(used_memory=500, client_buffers=300), Passed.YES, "ok"),
        ("redis.memory-next", WELL.nodes, Passed.YES, "ok"),
        ("redis.room", WELL.nodes, Passed.YES, "ok"),
        ("redis.room", each(evicted_per_second=2.0), Passed.NO, "evicting"),
        ("redis.room", FULL, Passed.NO, "full"),
        ("redis.room", ENDLESS, Passed.NO, "unlimited"),
    ],
)
def test_what_is_found(check, nodes, passed, value):
    found = result(check, nodes)
    assert (found.passed, found.value) == (passed, value)
    assert found.sentence


def test_the_large_keys_are_offered_and_a_giant_goes_first():
    assert result("redis.big-keys", WELL.nodes, keys(KEY, state="scanning")).passed is Passed.UNKNOWN
    found = result("redis.big-keys", WELL.nodes, keys(KEY, replace(KEY, name="odd\\x1b", exact=False)))
    assert (found.value, found.choices) == ("giant", (("positions:all", "300 B hash on n0"),))
    assert result("redis.big-keys", WELL.nodes, keys(replace(KEY, bytes=10))).value == "spread"
    assert result("redis.big-keys", WELL.nodes, keys(replace(KEY, bytes=10), state="time")).value == "part"
    assert result("redis.big-keys", WELL.nodes, keys(state="n0 refuses")).passed is Passed.UNKNOWN
    assert result("redis.memory-first", FULL, keys(KEY)).value == "giant"
    assert result("redis.memory-first", FULL, keys(KEY), giant_percent="50").value == "policy"
    assert result("redis.memory-first", each(used_memory=950, client_buffers=400), keys(KEY)).value == "buffers"
    assert result("redis.memory-first", FULL).value == "policy", "without a scan the rest is judged all the same"


def test_sizes_are_offered_with_what_they_would_bring():
    found = result("redis.sizes", each(max_memory=64 * 1024**2, used_memory=60 * 1024**2))
    assert found.choices[0] == ("96mb", "the fullest master would be at 62 %")
    assert result("redis.sizes", each(max_memory=0)).passed is Passed.UNKNOWN
